"""What a run is about to buy, before it buys anything.

Belongs here: the figures and how they are told. Does not belong here: how they come about (claude.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import polars as pl


@dataclass(frozen=True)
class Preview:
    """What will be bought.

    Attributes:
        model, mode: who is asked, and how.
        texts: different texts of the run.
        silent: texts that say nothing; they are not asked.
        from_ledger: texts whose answer is in the ledger, `carried` of them under an earlier taxonomy.
        on_their_way: texts in batches that are paid for and not read yet.
        to_buy: texts that will be asked.
        requests: how many requests ask them, if every answer is right at once.
        tokens: by kind, estimated from above: `prompt` (rules and taxonomy, once for each request, cached), `items`,
            `output` (most that answers may take).
        likely_usd: if the prompt is found in the cache and answers are of usual length.
        most_usd: more than that it cannot be; by this figure the budget is kept.
        budget_usd: where the run stops.
        covered: texts that the budget buys for certain.
        price: where the prices come from, and since when they hold.
        warnings: what should be looked at first.
    """

    model: str
    mode: str
    texts: int
    silent: int
    from_ledger: int
    carried: int
    on_their_way: int
    to_buy: int
    requests: int
    tokens: Mapping[str, int]
    likely_usd: float
    most_usd: float
    budget_usd: float
    covered: int
    price: str
    warnings: tuple[str, ...] = ()

    def told(self) -> str:
        """The preview as a sentence for the log."""
        free = f"{self.from_ledger:,} in the ledger, {self.on_their_way:,} on their way, {self.silent:,} without words"
        if not self.to_buy:
            return f"To buy: nothing. Of {self.texts:,} texts {free}."
        tokens = ", ".join(f"{count:,} {kind}" for kind, count in self.tokens.items())
        covered = "" if self.covered == self.to_buy else f" (for certain {self.covered:,} of the texts)"
        return (
            f"To buy: {self.to_buy:,} of {self.texts:,} texts ({free}) from {self.model}, mode {self.mode}, in "
            f"{self.requests:,} requests; tokens at most {tokens}; about ${self.likely_usd:.4f}, at most "
            f"${self.most_usd:.4f}. The budget is ${self.budget_usd:g}{covered}."
        )

    def numbers(self) -> dict[str, float | int | str]:
        """The same for the UI."""
        return {
            "to_buy_texts": self.to_buy,
            "to_buy_requests": self.requests,
            **{f"to_buy_most_{kind}_tokens": count for kind, count in self.tokens.items()},
            "to_buy_likely_usd": self.likely_usd,
            "to_buy_most_usd": self.most_usd,
            "budget_usd": self.budget_usd,
            "in_ledger_before": self.from_ledger,
            "on_their_way_before": self.on_their_way,
            "prices": self.price,
        }


@runtime_checkable
class Previews(Protocol):
    """A labeller that spends money, and says beforehand how much."""

    def preview(self, items: pl.DataFrame) -> Preview:
        """What `label` would buy for these texts."""


def preview_of(labeller: object, items: pl.DataFrame) -> Preview | None:
    """The preview of a labeller; none if it spends nothing."""
    return labeller.preview(items) if isinstance(labeller, Previews) else None
