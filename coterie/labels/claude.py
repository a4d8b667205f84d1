"""Labels by Claude: asks, checks, asks again, pays within a budget and only once.

Belongs here: the order of things between the service and the ledger. Does not belong here: words (prompts.py), what
lasts (ledger.py), prices (prices.yaml), how is asked (online.py, batches.py).
"""

from collections.abc import Sequence
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
from coterie.labels.prompts import wire_text
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

    Raises:
        LabelError: the model has no price; from `label`: the key is missing or refused, the model is not known to the
            service, the ledger cannot be used.
    """

    name = "claude"

    def __init__(
        self,
        client: anthropic.Anthropic,
        taxonomy: Taxonomy,
        ledger: Ledger,
        *,
        model: str,
        mode: Literal["batch", "online"],
        budget_usd: float,
    ) -> None:
        self.model = model
        self._mode = mode
        self._desk = Desk(client, taxonomy, ledger, model=model, budget_usd=budget_usd)
        self._batches = Batches(self._desk)

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `Labeller`. The order of rows has no influence."""
        rows = items.select("text_hash", "text", "hashtags").sort("text_hash").iter_rows()
        texts = {text_hash: wire_text(text, hashtags) for text_hash, text, hashtags in rows}
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


def _labelled(run: Run, silent: Sequence[str]) -> Labelled:
    rows = [(h, interest, c) for h, answer in sorted(run.answers.items()) for interest, c in answer]
    return Labelled(
        labels=pl.DataFrame(rows, schema=LABELS, orient="row"),
        abstained=sorted([*silent, *(h for h, answer in run.answers.items() if not answer)]),
        failed=dict(sorted(run.failed.items())),
        usage=run.usage,
    )
