"""What an export is made of: the marts of a day, what was decided, and actions that may be told.

Belongs here: the input of every writer. Does not belong here: formats.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from coterie.strategies.action import told
from coterie.strategies.decisions import DECISIONS, latest
from coterie.tables import MART_COMMUNITY_DAY, MART_INTEREST_TRENDS, MART_STRATEGY_BOARD, Table

MARTS = (MART_STRATEGY_BOARD, MART_COMMUNITY_DAY, MART_INTEREST_TRENDS)
PROPOSED = "proposed"


def has_interval() -> pl.Expr:
    """Whether a row of the board has an effect with its interval."""
    return pl.all_horizontal(pl.col(c).is_not_null() for c in ("effect", "effect_low", "effect_high"))


@dataclass(frozen=True)
class Handout:
    """A day, as others may see it.

    Attributes:
        day: the day D.
        source: name of the source.
        marts: name of a mart -> its rows of the days that are exported, `day` first, sorted by day and key.
        history: MART_COMMUNITY_DAY of up to four weeks that end on D, with `day`.
        strategies: of D, strategy_id, community_id, action (JSON), effect, std_error. Only ids and `told` actions of it
            are written.
        decisions: DECISIONS, in the order in which they were recorded; those after D do not count.
        disclosure_size: nothing in the marts is about fewer users.
    """

    day: date
    source: str
    marts: Mapping[str, pl.DataFrame]
    history: pl.DataFrame
    strategies: pl.DataFrame
    decisions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DECISIONS))
    disclosure_size: int = 20

    def of_day(self, table: Table) -> pl.DataFrame:
        """A mart's rows of the day, without `day`."""
        return self.marts[table.name].filter(pl.col("day") == self.day).drop("day")

    @property
    def communities(self) -> pl.DataFrame:
        """MART_COMMUNITY_DAY of the day: real ones first, then the largest."""
        real = pl.col("verdict") == "real"
        return self.of_day(MART_COMMUNITY_DAY).sort(
            real, "users_rounded", "community_id", descending=[True, True, False]
        )

    @property
    def trends(self) -> pl.DataFrame:
        """MART_INTEREST_TRENDS of the day, sorted by key."""
        return self.of_day(MART_INTEREST_TRENDS)

    @property
    def board(self) -> pl.DataFrame:
        """MART_STRATEGY_BOARD of the day with community_id, decision, decided_on and note: proposed rows first, then by
        the lower end of the effect's interval."""
        known = self.strategies.select("strategy_id", "community_id")
        held = self.decided.select("strategy_id", "decision", "decided_on", "note")
        # A sum with zero makes the minus zero of rounding a zero.
        numbers = [pl.col(c) + 0.0 for c in ("baseline", "effect", "effect_low", "effect_high")]
        return (
            self.of_day(MART_STRATEGY_BOARD)
            .with_columns(numbers)
            .join(known, on="strategy_id", how="left")
            .join(held, on="strategy_id", how="left")
            .sort(pl.col("status") == PROPOSED, "effect_low", "strategy_id", descending=[True, True, False],
                  nulls_last=True)
        )  # fmt: skip

    @property
    def proposed(self) -> pl.DataFrame:
        """The rows of `board` that are proposed."""
        return self.board.filter(pl.col("status") == PROPOSED)

    @property
    def decided(self) -> pl.DataFrame:
        """DECISIONS that hold at the end of the day, one row a suggestion."""
        return latest(self.decisions, on=self.day)

    def actions(self) -> Sequence[Mapping[str, Any]]:
        """Of each proposed suggestion whose action may be told: strategy_id, expires_on, action; sorted by id."""
        of_id = {row["strategy_id"]: row for row in self.strategies.iter_rows(named=True)}
        found = []
        for row in self.proposed.sort("strategy_id").iter_rows(named=True):
            made = of_id.get(row["strategy_id"])
            if made is None:
                continue
            action = told(json.loads(made["action"]), effect=made["effect"], std_error=made["std_error"])
            if action is not None:
                found.append(
                    {"strategy_id": row["strategy_id"], "expires_on": row["expires_on"].isoformat(), "action": action}
                )
        return found
