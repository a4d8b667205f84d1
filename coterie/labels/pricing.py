"""What tokens cost, and how many a text has.

Belongs here: the table of prices as it is read, US dollars of tokens by kind, the estimate of tokens. Does not belong
here: prices themselves (prices.yaml), what may be spent (asking.py).
"""

import re
from dataclasses import dataclass
from importlib.resources import files

import yaml

from coterie.errors import LabelError


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens, and the tokens that a model which thinks unasked needs besides its answer."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    thinking_tokens: int

    def usd(self, *, fresh: float, written: float, read: float, output: float) -> float:
        """The price of tokens by kind."""
        total = fresh * self.input + written * self.cache_write + read * self.cache_read + output * self.output
        return total / 1e6


def price_of(model: str) -> tuple[Price, float]:
    """The price of a model, and what a batch costs of it.

    Raises:
        LabelError: the model is not in prices.yaml.
    """
    listed = yaml.safe_load((files("coterie.labels") / "prices.yaml").read_text(encoding="utf-8"))
    family = re.sub(r"-\d{8}$", "", model)
    if family not in listed["models"]:
        raise LabelError(
            f"COTERIE_LABEL_MODEL: found {model!r}, which has no price in coterie/labels/prices.yaml, so no budget can "
            f"hold; expected one of {', '.join(listed['models'])}, or a line with its price there"
        )
    return Price(**listed["models"][family]), listed["batch_factor"]


def most_tokens(text: str) -> float:
    """Tokens of a text, estimated from above: English has about 3.5 characters a token, Chinese about 1."""
    ascii_characters = sum(character.isascii() for character in text)
    return ascii_characters / 2.5 + (len(text) - ascii_characters) * 1.6
