"""The budget of a run: what may still be spent, what was.

Belongs here: the hard bound and the count of what messages used. Does not belong here: prices (pricing.py), what is
sent.
"""

from collections.abc import Iterable, MutableMapping
from typing import Any

from coterie.labels.pricing import Price

USAGE = ("requests", "input_tokens", "output_tokens", "cache_write_tokens", "cache_read_tokens", "usd")


class Purse:
    """Money for one run. What is on its way is held back at its highest possible cost, so the budget cannot break.

    Args:
        price: of the model.
        budget_usd: most that is spent, in US dollars.
        batch_factor: what a batch costs of the price.
        keeps_an_hour: whether what is cached is asked to be kept for an hour rather than five minutes.
    """

    def __init__(self, price: Price, budget_usd: float, *, batch_factor: float, keeps_an_hour: bool) -> None:
        self.price = price
        self.budget = budget_usd
        self.batch_factor = batch_factor
        self.keeps_an_hour = keeps_an_hour
        self.spent = 0.0  # what was paid, and for what is on its way the estimate

    def affordable(self, usd: float) -> bool:
        """Whether so much is left."""
        return self.spent + usd <= self.budget

    @property
    def empty(self) -> str:
        """Why something was not bought."""
        return f"budget of ${self.budget:g} reached (COTERIE_LABEL_BUDGET_USD)"

    def most(self, *, prompt: float, fresh: float, output: float, factor: float) -> float:
        """Most that a request may cost, in US dollars: the prompt paid as a cache write, the whole room used."""
        return factor * self.price.usd(**self._written(prompt), fresh=fresh, output=output)

    def likely(self, *, prompt: float, fresh: float, output: float, factor: float) -> float:
        """What a request costs that finds the prompt in the cache, in US dollars."""
        return factor * self.price.usd(read=prompt, fresh=fresh, output=output)

    def warming_pays(self, requests: int, prompt: float) -> bool:
        """Whether one request at the full price, which puts the prompt into the cache, saves more than it costs.

        A batch works on its requests side by side, so that without it each writes the prompt anew.
        """
        write, read = self.price.usd(**self._written(prompt)), self.price.usd(read=prompt)
        return write + requests * self.batch_factor * read < requests * self.batch_factor * write

    def count(self, usage: MutableMapping[str, float], messages: Iterable[Any], requests: int, factor: float) -> float:
        """Add what messages used to `usage`; their cost in US dollars."""
        usd = 0.0
        usage["requests"] += requests
        for message in messages:
            used = getattr(message, "usage", None)
            fresh, written, read, output = (
                _number(used, name)
                for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
            )
            usage["input_tokens"] += fresh
            usage["cache_write_tokens"] += written
            usage["cache_read_tokens"] += read
            usage["output_tokens"] += output
            usd += factor * self.price.usd(**self._written(written), fresh=fresh, read=read, output=output)
        usage["usd"] += usd
        return usd

    def _written(self, tokens: float) -> dict[str, float]:
        return {"written_1h" if self.keeps_an_hour else "written": tokens}


def _number(used: Any, name: str) -> float:
    value = getattr(used, name, None)
    return value if isinstance(value, int | float) else 0
