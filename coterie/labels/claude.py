"""Labels by Claude: asks, checks, asks again, pays within a budget and only once.

Belongs here: the order of things between the service and the ledger. Does not belong here: words (prompts.py), what
lasts (ledger.py), prices (prices.yaml), how is asked (online.py, batches.py).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import anthropic
import polars as pl

from coterie.labels import asking
from coterie.labels.asking import Desk, Run
from coterie.labels.base import LABELS, Labelled
from coterie.labels.batches import Batches
from coterie.labels.faults import key_in_words
from coterie.labels.ledger import Ledger
from coterie.labels.online import ask_online
from coterie.labels.preview import Preview
from coterie.labels.pricing import most_tokens, price_list
from coterie.labels.prompts import PROMPT_VERSION, wire_text
from coterie.labels.purse import Purse
from coterie.taxonomy import Taxonomy


class ClaudeLabeller:
    """Labels texts through the Messages API, or at half the price through the Message Batches API.

    Nothing is sent for a text that is in the ledger, or that says nothing. An answer is taken item by item; items with
    a wrong answer are asked again, twice at most. What cannot be labelled for a technical reason is `failed`, with the
    reason; a run is stopped only by what a person must mend first.

    Args:
        client: the SDK's client; its retries are for requests that the service could not take.
        taxonomy: the interests to choose from.
        ledger: what has been paid for.
        model: one that is priced in prices.yaml (COTERIE_LABEL_MODEL).
        mode: `batch` waits up to a day for its answers (COTERIE_LABEL_MODE).
        budget_usd: most that this labeller spends, in US dollars. A request is sent only if its cost, estimated from
            above, is left (COTERIE_LABEL_BUDGET_USD).
        on: the day whose prices hold, and by which their age is told; the latest prices if none is given.

    Raises:
        LabelError: the model has no price; from `label`: the key is missing or refused, the model is not known to the
            service, the ledger cannot be used.
    """

    name = "claude"
    prompt_version = PROMPT_VERSION

    def __init__(
        self,
        client: anthropic.Anthropic,
        taxonomy: Taxonomy,
        ledger: Ledger,
        *,
        model: str,
        mode: Literal["batch", "online"],
        budget_usd: float,
        on: date | None = None,
    ) -> None:
        self.model = model
        self._mode = mode
        self._on = on
        prices = price_list()
        # A batch may begin long after it was submitted, and then finds only what was kept for an hour.
        purse = Purse(prices.of(model, on), budget_usd, batch_factor=prices.batch_factor, keeps_an_hour=mode == "batch")
        self._desk = Desk(client, taxonomy, ledger, model=model, purse=purse)
        self._batches = Batches(self._desk)

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `Labeller`. The order of rows has no influence."""
        texts = _texts(items)
        run = Run({text_hash: text for text_hash, text in texts.items() if text})
        self._desk.look_up(run, list(run.texts))
        self._desk.carry_over(run)
        with key_in_words():
            for times, size in enumerate(asking.SIZES):
                self._batches.read_open(run)
                hashes = run.pending(run.texts, times)
                if self._mode == "batch":
                    self._batches.ask(run, hashes, size)
                else:
                    ask_online(self._desk, run, hashes, size)
            self._batches.read_open(run)  # what another process submitted while this one was asking
        for text_hash in run.pending(run.texts):
            run.failed[text_hash] = f"asked again in vain: {run.wrong.get(text_hash, 'no answer came')}"
        return _labelled(run, [text_hash for text_hash, text in texts.items() if not text])

    def preview(self, items: pl.DataFrame) -> Preview:
        """What `label` would buy for these texts now. Nothing is sent and nothing written."""
        desk, purse, prices = self._desk, self._desk.purse, price_list()
        texts = _texts(items)
        run = Run({text_hash: text for text_hash, text in texts.items() if text})
        desk.look_up(run, list(run.texts))
        stands = desk.stands({h: run.texts[h] for h in run.pending(run.texts)})
        in_ledger = len(run.answers) + len(stands)
        run.take({h: answer for h, (_, answer) in stands.items()})
        pending = run.pending(run.texts)
        open_batches = desk.ledger.open_batches(desk.key)
        underway = {h for batch in open_batches if batch.key == desk.key for h in batch.hashes} & set(pending)
        buy = [h for h in pending if h not in underway]
        size, batch = asking.SIZES[0], self._mode == "batch"
        factor = purse.batch_factor if batch else 1.0
        first = buy[:1] if batch and desk.warms(run, buy, size) else []
        warming = [first] if first else []
        chunks = desk.chunks(run, buy[len(first) :], size)
        tokens, likely, most, covered = {"prompt": 0.0, "items": 0.0, "output": 0.0}, 0.0, 0.0, 0
        for number, (chunk, times) in enumerate([*((c, 1.0) for c in warming), *((c, factor) for c in chunks)]):
            request = desk.request(run, chunk)
            fresh = most_tokens(request["messages"][0]["content"])
            tokens["prompt"] += desk.prompt_tokens
            tokens["items"] += fresh
            tokens["output"] += request["max_tokens"]
            most += desk.estimate(request, times)
            covered += len(chunk) if most <= purse.budget else 0
            # The first writes the prompt to the cache, and so does each of a batch that is not warmed.
            cost = purse.most if number == 0 or (batch and not warming) else purse.likely
            output = desk.likely_output(len(chunk))
            likely += cost(prompt=desk.prompt_tokens, fresh=fresh, output=output, factor=times)
        warning = prices.warning(self._on)
        return Preview(
            model=self.model,
            mode=self._mode,
            texts=len(texts),
            silent=len(texts) - len(run.texts),
            from_ledger=in_ledger,
            carried=len(stands),
            on_their_way=len(underway),
            to_buy=len(buy),
            requests=len(chunks) + len(warming),
            tokens={kind: round(count) for kind, count in tokens.items()},
            likely_usd=likely,
            most_usd=most,
            budget_usd=purse.budget,
            covered=covered,
            price=f"{prices.source}, valid from {purse.price.valid_from}, checked {prices.checked}",
            warnings=(warning,) if warning else (),
        )


def _texts(items: pl.DataFrame) -> Mapping[str, str]:
    """Text hash -> what the model reads of it, in canonical order."""
    rows = items.select("text_hash", "text", "hashtags").sort("text_hash").iter_rows()
    return {text_hash: wire_text(text, hashtags) for text_hash, text, hashtags in rows}


def _labelled(run: Run, silent: Sequence[str]) -> Labelled:
    rows = [(h, interest, c) for h, answer in sorted(run.answers.items()) for interest, c in answer]
    return Labelled(
        labels=pl.DataFrame(rows, schema=LABELS, orient="row"),
        abstained=sorted([*silent, *(h for h, answer in run.answers.items() if not answer)]),
        failed=dict(sorted(run.failed.items())),
        usage=run.usage,
    )
