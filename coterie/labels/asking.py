"""What asking online and asking in batches share: the state of a run, the requests, their price, their verdicts.

Belongs here: what is so in either mode. Does not belong here: sending (online.py, batches.py), words (prompts.py), what
lasts (ledger.py).
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anthropic
from anthropic.types import Message

from coterie.labels.carry import standing
from coterie.labels.ledger import Batch, Interests, Key, Ledger
from coterie.labels.pricing import most_tokens, price_of
from coterie.labels.prompts import PROMPT_VERSION, SCHEMA, document, read_answer, system_blocks
from coterie.taxonomy import Taxonomy

# Items a request, for the first time of asking and each further one: what spoilt an answer is soon alone in its own.
SIZES = (20, 5, 1)

_FIXED_TOKENS, _ITEM_TOKENS = 200, 160  # room for an answer, about twice what three interests an item take


@dataclass
class Run:
    """What one call of `label` knows so far, by text hash."""

    texts: Mapping[str, str]
    answers: dict[str, Interests] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    usage: dict[str, float] = field(
        default_factory=lambda: {
            "requests": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_write_tokens": 0,
            "cache_read_tokens": 0,
            "usd": 0.0,
            "from_ledger": 0,
            "carried": 0,
        }
    )

    def pending(self, among: Iterable[str], most_asked: int | None = None) -> list[str]:
        """Texts without a verdict, in canonical order; those asked oftener than that left out."""
        done = self.answers.keys() | self.failed.keys()
        bound = sys.maxsize if most_asked is None else most_asked
        return sorted(h for h in set(among) & self.texts.keys() - done if self.asked.get(h, 0) <= bound)

    def take(self, answers: Mapping[str, Interests]) -> int:
        """Take answers for texts of this run; how many of them are new."""
        new = {h: a for h, a in answers.items() if h in self.texts and h not in self.answers}
        self.answers.update(new)
        return len(new)

    def blame(self, wrong: Mapping[str, str]) -> None:
        """Note texts whose answer was wrong: they may be asked again."""
        for text_hash, reason in wrong.items():
            self.wrong[text_hash] = reason
            self.asked[text_hash] = self.asked.get(text_hash, 0) + 1

    def fail(self, hashes: Iterable[str], reason: str) -> None:
        """Give texts up."""
        self.failed.update(dict.fromkeys(self.pending(hashes), reason))


class Desk:
    """Who is asked, about which taxonomy, in which words, and how much may still be spent.

    Args:
        client: the SDK's client.
        taxonomy: the interests to choose from.
        ledger: what has been paid for.
        model: one that is priced in prices.yaml.
        budget_usd: most that is spent, in US dollars.

    Raises:
        LabelError: the model has no price.
    """

    def __init__(
        self, client: anthropic.Anthropic, taxonomy: Taxonomy, ledger: Ledger, *, model: str, budget_usd: float
    ) -> None:
        self.model = model
        self.client = client
        self.ledger = ledger
        self.budget = budget_usd
        self.price, self.batch_factor = price_of(model)
        self.key = Key(taxonomy.version, PROMPT_VERSION, model)
        self.spent = 0.0  # what was paid, and for batches on their way the estimate
        self._taxonomy = taxonomy
        self._interests = frozenset(taxonomy.interests)
        self._system = system_blocks(taxonomy)
        self._system_tokens = sum(most_tokens(block["text"]) for block in self._system)

    def look_up(self, run: Run, hashes: Sequence[str]) -> None:
        """Take what the ledger has under today's taxonomy."""
        run.usage["from_ledger"] += run.take(self.ledger.answers(self.key, hashes))

    def stands(self, texts: Mapping[str, str]) -> dict[str, tuple[str, Interests]]:
        """Answers of other taxonomies that stand for today's: text hash -> version asked under, answer."""
        answers = self.ledger.elsewhere(self.key, sorted(texts))
        return standing(texts, answers, self.ledger.taxonomies(), self._taxonomy) if answers else {}

    def carry_over(self, run: Run) -> None:
        """Take answers of other taxonomies that stand, and keep them as answers of today's."""
        self.ledger.learn(self._taxonomy)
        found = self.stands({h: run.texts[h] for h in run.pending(run.texts)})
        if found:
            carried = run.take(self.ledger.carry(self.key, found))
            run.usage["from_ledger"] += carried
            run.usage["carried"] += carried

    def request(self, run: Run, chunk: Sequence[str]) -> dict[str, Any]:
        """The request for some texts."""
        return {
            "model": self.model,
            "max_tokens": self.price.thinking_tokens + _FIXED_TOKENS + _ITEM_TOKENS * len(chunk),
            "system": self._system,
            "messages": [{"role": "user", "content": document([run.texts[h] for h in chunk])}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }

    def estimate(self, request: Mapping[str, Any], factor: float) -> float:
        """Most that a request may cost, in US dollars: the whole prompt paid as a cache write, the whole room used."""
        fresh = most_tokens(request["messages"][0]["content"])
        output = request["max_tokens"]
        return factor * self.price.usd(fresh=fresh, written=self._system_tokens, read=0, output=output)

    def affordable(self, usd: float) -> bool:
        """Whether so much is left of the budget."""
        return self.spent + usd <= self.budget

    @property
    def out_of_budget(self) -> str:
        """Why texts were not bought."""
        return f"budget of ${self.budget:g} reached (COTERIE_LABEL_BUDGET_USD)"

    def count(self, run: Run, messages: Iterable[Any], requests: int, factor: float) -> float:
        """Add what messages used; their cost in US dollars."""
        usd = 0.0
        run.usage["requests"] += requests
        for message in messages:
            used = getattr(message, "usage", None)
            fresh, written, read, output = (
                getattr(used, name, None) or 0
                for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
            )
            run.usage["input_tokens"] += fresh
            run.usage["cache_write_tokens"] += written
            run.usage["cache_read_tokens"] += read
            run.usage["output_tokens"] += output
            usd += factor * self.price.usd(fresh=fresh, written=written, read=read, output=output)
        run.usage["usd"] += usd
        return usd

    def interests_of(self, batch: Batch) -> frozenset[str]:
        """The interests that a batch chose from."""
        if batch.key == self.key:
            return self._interests
        return frozenset(self.ledger.taxonomies()[batch.key.taxonomy_version].interests)

    def verdicts(
        self, message: Any, chunk: Sequence[str], interests: frozenset[str] | None = None
    ) -> tuple[dict[str, Interests], dict[str, str]]:
        """Right answers and reasons of wrong ones, by text hash; the interests are today's if none are given."""
        if not isinstance(message, Message) or not isinstance(message.content, list):
            return {}, dict.fromkeys(chunk, "the service sent something that is not a message")
        text = "".join(block.text for block in message.content if block.type == "text")
        verdicts = read_answer(text, message.stop_reason, len(chunk), interests or self._interests)
        good = {chunk[place]: interests for place, interests in verdicts.good.items()}
        return good, {chunk[place]: reason for place, reason in verdicts.wrong.items()}
