"""What the report says, as queries: each fact is one SQL file over the tables, and the number that it gives is the
number that the page shows.

Belongs here: which facts there are, their keys, and their frames for a day. Does not belong here: running SQL
(resources), words and charts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import polars as pl

from coterie.communities.profile import MIXED
from coterie.errors import CoterieError
from coterie.report.texts import catalogue


@dataclass(frozen=True)
class Fact:
    """A query: `keys` identify a row of its answer, `tables` are what it reads first of all."""

    name: str
    keys: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The query, with the parameters `$day` (DATE) and `$k` (least number of users that is told); of BETWEEN also `$before`."""
        return _sql(self.name)


def _facts(*facts: Fact) -> Mapping[str, Fact]:
    return MappingProxyType({fact.name: fact for fact in facts})


FACTS = _facts(
    Fact("overview", (), ("mart_community_day", "interest_daily", "mart_strategy_board", "raw_events")),
    Fact("communities", ("community_id",), ("mart_community_day", "memberships")),
    Fact("history", ("day", "community_id"), ("mart_community_day",)),
    Fact("lineage", ("day", "community_id", "event"), ("community_lineage", "mart_community_day")),
    Fact("wants", ("community_id", "interest_id"), ("communities", "mart_community_day")),
    Fact("exemplars", ("community_id", "item_id"), ("engagement", "memberships", "raw_items", "mart_community_day")),
    Fact("neighbours", ("community_id", "neighbour_id"), ("user_interests", "memberships", "mart_community_day")),
    Fact("moves", ("day", "source", "target"), ("memberships",)),
    Fact("trends", ("interest_id",), ("mart_interest_trends", "interest_daily")),
    Fact("interest_days", ("day", "interest_id"), ("mart_interest_trends", "interest_daily")),
    Fact("gaps", ("interest_id",), ("mart_interest_trends", "engagement", "item_labels", "raw_items")),
    Fact("board", ("strategy_id",), ("mart_strategy_board", "experiment_plans", "strategies")),
    Fact("scores", ("day", "strategy_id", "issued_on", "horizon_days"), ("strategy_scorecard", "mart_strategy_board")),
    Fact("record", ("kind", "horizon_days"), ("strategy_scorecard", "strategies")),
    Fact("calibration", ("level",), ("strategy_scorecard", "strategies")),
    Fact("quality", ("day",), ("raw_events", "quarantine", "raw_items", "item_labels", "interest_daily")),
    Fact("rejects", ("table_name", "reason"), ("quarantine",)),
    Fact("labellers", ("labeller", "model"), ("item_labels",)),
    Fact("label_quality", ("interest_id",), ("label_quality",)),
)
# Asked for when two days are compared; `$before` (DATE) is the earlier one.
BETWEEN = _facts(
    Fact("overview_between", (), ("mart_community_day", "mart_strategy_board", "interest_daily")),
    Fact("moves_between", ("source", "target"), ("memberships",)),
)


@dataclass(frozen=True)
class Names:
    """Interest names in the language of the report, and how the tables' own names read in it.

    Attributes:
        interests: interest id -> its name.
        words: a name as it stands in the tables -> the same in the language of the report.
    """

    interests: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DayFacts:
    """All facts of a day.

    Attributes:
        frames: the answer of each of FACTS by name; rows in the order of the query.
        disclosure_size: least number of users that was told of.
    """

    day: date
    source: str
    frames: Mapping[str, pl.DataFrame]
    disclosure_size: int
    names: Names = field(default_factory=Names)

    def __post_init__(self) -> None:
        if missing := sorted(set(FACTS) - set(self.frames)):
            raise CoterieError(f"report of {self.day}: facts {', '.join(missing)} are missing; expected all of FACTS")

    def __getitem__(self, fact: str) -> pl.DataFrame:
        return self.frames[fact]

    def row(self, fact: str, **keys: object) -> dict[str, object] | None:
        """The first row with these keys, or None."""
        found = self.frames[fact].filter(*(pl.col(name) == value for name, value in keys.items()))
        return found.row(0, named=True) if found.height else None


def names_of(taxonomy: pl.DataFrame, language: str) -> Names:
    """Names of interests in a language.

    Args:
        taxonomy: interest_id, interest and interest_zh (pl.String), as `Taxonomy.frame` gives it.
        language: `zh` takes the Chinese names; any other the names that the tables have.
    """
    column = "interest_zh" if language == "zh" else "interest"
    words = dict(taxonomy.select("interest", column).iter_rows()) if column == "interest_zh" else {}
    named = dict(taxonomy.select("interest_id", column).iter_rows())
    if column == "interest_zh":  # what is about whatever members are shown, is about no interest
        named[""] = words["all interests"] = catalogue("zh")["board"]["all_interests"]
        words[MIXED] = catalogue("zh")["communities"]["mixed"]
    return Names(named, words)


@cache
def _sql(name: str) -> str:
    return (files("coterie.report") / "queries" / f"{name}.sql").read_text(encoding="utf-8").strip()
