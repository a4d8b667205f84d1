"""What tokens cost, and how many a text has.

Belongs here: the table of prices as it is read, US dollars of tokens by kind, the estimate of tokens. Does not belong
here: prices themselves (prices.yaml), what may be spent (purse.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import yaml

from coterie.errors import LabelError


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, from a day on.

    Attributes:
        valid_from: the first day that the table vouches for it.
        input, output: fresh tokens in, tokens out.
        cache_write, cache_write_1h: tokens written to the cache, for five minutes and for an hour.
        cache_read: tokens found there.
        thinking_tokens: what a model that thinks unasked needs besides its answer.
    """

    valid_from: date
    input: float
    output: float
    cache_write: float
    cache_write_1h: float
    cache_read: float
    thinking_tokens: int

    def usd(
        self, *, fresh: float = 0, written: float = 0, written_1h: float = 0, read: float = 0, output: float = 0
    ) -> float:
        """The price of tokens by kind."""
        total = (
            fresh * self.input
            + written * self.cache_write
            + written_1h * self.cache_write_1h
            + read * self.cache_read
            + output * self.output
        )
        return total / 1e6


@dataclass(frozen=True)
class PriceList:
    """The table of prices.

    Attributes:
        source: where the prices are published.
        checked: the day on which the table was last compared with its source.
        stale_after_days: for how long that is good.
        batch_factor: what a batch costs of it.
        models: the prices that each model had, earliest first.
    """

    source: str
    checked: date
    stale_after_days: int
    batch_factor: float
    models: Mapping[str, tuple[Price, ...]]

    def of(self, model: str, on: date | None = None) -> Price:
        """The price of a model on a day; the latest if no day is given.

        Raises:
            LabelError: the model is not in the table, or has no price yet on that day.
        """
        family = re.sub(r"-\d{8}$", "", model)
        if family not in self.models:
            raise LabelError(
                f"COTERIE_LABEL_MODEL: found {model!r}, which has no price in coterie/labels/prices.yaml, so no budget "
                f"can hold; expected one of {', '.join(self.models)}, or a line with its price there"
            )
        valid = [price for price in self.models[family] if on is None or price.valid_from <= on]
        if not valid:
            raise LabelError(
                f"COTERIE_LABEL_MODEL: found {model!r}, whose first price in coterie/labels/prices.yaml is valid from "
                f"{self.models[family][0].valid_from}; expected one that is valid on {on} (is this machine's date right?)"
            )
        return valid[-1]

    def warning(self, on: date | None) -> str | None:
        """What is to be said of the table's age on a day; nothing if it is fresh, or no day is given."""
        if on is None or (on - self.checked).days <= self.stale_after_days:
            return None
        return (
            f"coterie/labels/prices.yaml was last checked on {self.checked}, {(on - self.checked).days} days ago: costs "
            f"and the budget may be wrong. Compare it with {self.source} and set `checked`"
        )


@cache
def price_list() -> PriceList:
    """The table that is shipped."""
    listed = yaml.safe_load((files("coterie.labels") / "prices.yaml").read_text(encoding="utf-8"))
    models = {model: tuple(Price(**line) for line in lines) for model, lines in listed.pop("models").items()}
    return PriceList(**listed, models=models)


def most_tokens(text: str) -> float:
    """Tokens of a text, estimated from above: English has about 3.5 characters a token, Chinese about 1."""
    ascii_characters = sum(character.isascii() for character in text)
    return ascii_characters / 2.5 + (len(text) - ascii_characters) * 1.6
