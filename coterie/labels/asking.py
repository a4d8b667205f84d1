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
from coterie.labels.pricing import most_tokens
from coterie.labels.prompts import PROMPT_VERSION, SCHEMA, document, read_answer, system_blocks
from coterie.labels.purse import USAGE, Purse
from coterie.taxonomy import Taxonomy

# Items a request, for the first time of asking and each further one: what spoilt an answer is soon alone in its own.
SIZES = (50, 10, 1)

_FIXED_TOKENS, _ITEM_TOKENS = 200, 160  # room for an answer, about twice what three interests an item take
_MOST_ITEM_TOKENS = 40_000  # of the texts of a request: with the prompt it stays below 100 000, where some prices rise
_LIKELY_ITEM_TOKENS = 40  # what one or two interests take, for the preview alone


@dataclass
class Run:
    """What one call of `label` knows so far, by text hash."""

    texts: Mapping[str, str]
    answers: dict[str, Interests] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    usage: dict[str, float] = field(
        default_factory=lambda: {**dict.fromkeys(USAGE, 0.0), "from_ledger": 0, "carried": 0}
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
    """Who is asked, about which taxonomy, in which words, and from which purse.

    Args:
        client: the SDK's client.
        taxonomy: the interests to choose from.
        ledger: what has been paid for.
        model: who is asked.
        purse: the money. Where it keeps the prompt cached for an hour, the prompt asks for that.
    """

    def __init__(
        self, client: anthropic.Anthropic, taxonomy: Taxonomy, ledger: Ledger, *, model: str, purse: Purse
    ) -> None:
        self.model = model
        self.client = client
        self.ledger = ledger
        self.purse = purse
        self.key = Key(taxonomy.version, PROMPT_VERSION, model)
        self._taxonomy = taxonomy
        self._interests = frozenset(taxonomy.interests)
        self._system = system_blocks(taxonomy, "1h" if purse.keeps_an_hour else None)
        self.prompt_tokens = sum(most_tokens(block["text"]) for block in self._system)

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

    def chunks(self, run: Run, hashes: Sequence[str], size: int) -> list[list[str]]:
        """The texts of each request: so many, in their order, or fewer where they are long."""
        chunks: list[list[str]] = []
        room = 0.0
        for text_hash in hashes:
            tokens = most_tokens(run.texts[text_hash])
            if not chunks or len(chunks[-1]) == size or tokens > room:
                chunks.append([])
                room = _MOST_ITEM_TOKENS
            chunks[-1].append(text_hash)
            room -= tokens
        return chunks

    def warms(self, run: Run, hashes: Sequence[str], size: int) -> bool:
        """Whether a batch that asks for these texts, so many a request, is worth warming the cache for.

        The request that does so asks for the first text, so that nothing of it is wasted.
        """
        return self.purse.warming_pays(len(self.chunks(run, hashes[1:], size)), self.prompt_tokens)

    def request(self, run: Run, chunk: Sequence[str]) -> dict[str, Any]:
        """The request for some texts."""
        return {
            "model": self.model,
            "max_tokens": self.purse.price.thinking_tokens + _FIXED_TOKENS + _ITEM_TOKENS * len(chunk),
            "system": self._system,
            "messages": [{"role": "user", "content": document([run.texts[h] for h in chunk])}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }

    def estimate(self, request: Mapping[str, Any], factor: float) -> float:
        """Most that a request may cost, in US dollars."""
        fresh = most_tokens(request["messages"][0]["content"])
        return self.purse.most(prompt=self.prompt_tokens, fresh=fresh, output=request["max_tokens"], factor=factor)

    def likely_output(self, items: int) -> int:
        """Tokens that the answer to so many items usually takes."""
        return self.purse.price.thinking_tokens // 4 + _LIKELY_ITEM_TOKENS * items

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
