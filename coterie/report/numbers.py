"""Numbers of the page, each with where it comes from.

Belongs here: which column of which fact a number is, how it is written, and the element that a reader can click. Does
not belong here: what it means in words (words/*.yaml, under `metrics`).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from markupsafe import Markup

from coterie.report.facts import BETWEEN, FACTS, Fact
from coterie.report.texts import Texts

PASSED = ("proposed", "warning")  # states of suggestions whose exact interval does not reach zero
Format = Literal["count", "percent", "change", "points", "times", "q", "text"]


@dataclass(frozen=True)
class Metric:
    """A number of the report: a column of a fact, with the columns of its interval if it has one.

    `direct` is the table that holds the very column under the very keys, so that the query for it can be short. `passed`
    is the column that says whether the number passed the test of being above zero.
    """

    fact: str
    column: str
    written: Format
    low: str | None = None
    high: str | None = None
    direct: str | None = None
    passed: str | None = None

    @property
    def key(self) -> str:
        """Its name: fact.column."""
        return f"{self.fact}.{self.column}"


def _metric(
    key: str, written: Format, *, interval: str | None = None, direct: str | None = None, passed: str | None = None
) -> Metric:
    fact, column = key.split(".")
    low, high = (f"{interval}_low", f"{interval}_high") if interval else (None, None)
    return Metric(fact, column, written, low, high, direct, passed)


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.key: metric
        for metric in (
            _metric("overview.people", "count"),
            _metric("overview.people_since_yesterday", "change", interval="people_since_yesterday"),
            _metric("overview.people_since_last_week", "change", interval="people_since_last_week"),
            *(
                _metric(f"overview.usual_{name}", "change")
                for name in ("yesterday_low", "yesterday_high", "last_week_low", "last_week_high")
            ),
            *(
                _metric(f"overview.{name}", "count")
                for name in (
                    "communities", "real", "real_yesterday", "real_last_week", "new_yesterday", "gone_yesterday",
                    "new_last_week", "gone_last_week", "proposed", "warnings",
                )
            ),
            *(_metric(f"overview.false_alarms{when}", "q") for when in ("", "_yesterday", "_last_week")),
            _metric("communities.users_rounded", "count", interval="users"),
            _metric("communities.q_value", "q", direct="mart_community_day"),
            _metric("communities.stability", "percent", direct="mart_community_day"),
            _metric("communities.proposed_strategies", "count", direct="mart_community_day"),
            _metric("history.users_rounded", "count", direct="mart_community_day"),
            _metric("wants.lift", "times", interval="lift"),
            _metric("exemplars.users_rounded", "count"),
            _metric("exemplars.times", "times", interval="times"),
            _metric("neighbours.overlap", "percent"),
            _metric("moves.users_rounded", "count"),
            _metric("moves_between.users_rounded", "count"),
            _metric("overview_between.people_since", "change", interval="people_since"),
            *(_metric(f"overview_between.{name}", "count") for name in ("new", "gone", "kept", "suggested", "dropped")),
            _metric("trends.users_rounded", "count", direct="mart_interest_trends"),
            _metric("trends.share", "percent"),
            _metric("trends.ratio", "times", interval="ratio"),
            _metric("trends.since_yesterday", "times", interval="since_yesterday"),
            _metric("trends.q_value", "q", direct="mart_interest_trends"),
            _metric("interest_days.share", "percent", interval="share"),
            _metric("gaps.wanted", "percent"),
            _metric("gaps.offered", "percent"),
            _metric("gaps.gap", "points", interval="gap"),
            _metric("board.effect", "points", interval="effect", direct="mart_strategy_board", passed="status"),
            _metric("board.baseline", "percent", direct="mart_strategy_board"),
            _metric("board.users_rounded", "count", direct="mart_strategy_board"),
            _metric("board.q_value", "q", direct="mart_strategy_board"),
            _metric("board.status", "text", direct="mart_strategy_board"),
            _metric("board.users_per_arm", "count", direct="mart_strategy_board"),
            _metric("board.test_days", "count", direct="mart_strategy_board"),
            _metric("scores.predicted", "points", interval="predicted"),
            _metric("scores.realised", "points", interval="realised"),
            _metric("record.scored", "count"),
            _metric("record.hits", "count"),
            _metric("record.hit_rate", "percent", interval="hit_rate"),
            _metric("record.predicted", "points"),
            _metric("record.realised", "points"),
            _metric("record.placebo", "points"),
            _metric("calibration.share", "percent", interval="share"),
            _metric("calibration.scored", "count"),
            *(_metric(f"quality.{name}", "count") for name in ("events", "refused", "people", "items", "labelled")),
            _metric("quality.refused_share", "percent"),
            _metric("quality.labelled_share", "percent"),
            _metric("rejects.copies", "count"),
            _metric("labellers.items", "count"),
            _metric("labellers.labels", "count"),
            _metric("labellers.confidence", "percent"),
            _metric("label_quality.texts", "count"),
            _metric("label_quality.precision", "percent", interval="precision"),
            _metric("label_quality.recall", "percent", interval="recall"),
        )
    }
)  # fmt: skip


class Numbers:
    """Writes numbers; in HTML each is a button that opens its origin.

    Rows are those of facts: what a number is, its key and its interval are read from the same row. `day` is the day of
    the facts where a page tells of several.
    """

    def __init__(self, texts: Texts, day: date | None = None) -> None:
        self._texts = texts
        self._day = "" if day is None else Markup(' data-d="{}"').format(day.isoformat())

    def __call__(self, key: str, row: Mapping[str, object], *, plain: bool = False) -> str:
        """A number; a dash if there is none. `plain` leaves a plus away, where a word such as "more" says it."""
        metric = METRICS[key]
        value = row[metric.column]
        if value is None:
            return str(self._texts.get("none"))
        said = told(float(value), metric.written, self._texts)  # type: ignore[arg-type]
        if plain:
            said = said.lstrip("+")
        if not self._texts.html:
            return said
        return self._button(metric, row, _bare(float(value)), said)  # type: ignore[arg-type]

    def within(self, key: str, row: Mapping[str, object], said: str) -> str:
        """A text of the tables that holds numbers, as the page says it; one without any is a text like others."""
        if not self._texts.html or not any(c.isdigit() for c in said):
            return said
        return self._button(METRICS[key], row, str(row[METRICS[key].column]), said)

    def interval(self, key: str, row: Mapping[str, object], text: str = "interval", *, plain: bool = False) -> str:
        """The interval of a number in words; empty if it has none. `plain` as for the number."""
        bounds = bounds_of(METRICS[key], row, self._texts)
        if plain:
            bounds = [bound.lstrip("+") for bound in bounds]
        return self._texts(text, low=bounds[0], high=bounds[1]) if bounds else ""

    def _button(self, metric: Metric, row: Mapping[str, object], value: str, said: str) -> str:
        return Markup('<button type="button" class="n" data-m="{}" data-k="{}" data-v="{}"{}{}>{}</button>').format(
            metric.key, keys_of(metric, row), value, self._bounds(metric, row), self._day, said
        )

    def _bounds(self, metric: Metric, row: Mapping[str, object]) -> str:
        bounds = bounds_of(metric, row, self._texts)
        if not bounds:
            return ""
        return Markup(' data-i="{}"').format(self._texts("interval_90", low=bounds[0], high=bounds[1]))


def fact_of(metric: Metric) -> Fact:
    """The fact that a number is a column of."""
    return FACTS.get(metric.fact) or BETWEEN[metric.fact]


def keys_of(metric: Metric, row: Mapping[str, object]) -> str:
    """The key values of a number's row, as a JSON list in the order of the fact's keys."""
    values = [row[name] for name in fact_of(metric).keys]
    return json.dumps([v.isoformat() if isinstance(v, date) else v for v in values], ensure_ascii=False)


def told(value: float, how: Format, t: Texts) -> str:
    """A number as people of a language read it."""
    return written(value, how).replace("×", str(t.get("times")))


def bounds_of(metric: Metric, row: Mapping[str, object], t: Texts) -> list[str]:
    """The ends of a number's interval as people read them; empty if it has none.

    What passed its test lies above zero: an end that is zero by rounding alone is said to be just above it.
    """
    low, high = (row[name] if name else None for name in (metric.low, metric.high))
    if low is None or high is None:
        return []
    said = [told(float(bound), metric.written, t) for bound in (low, high)]  # type: ignore[arg-type]
    passed = metric.passed is not None and str(row.get(metric.passed)).startswith(PASSED)
    if passed and not said[0].strip("0."):
        said[0] = t("just_above", zero=said[0])
    # A unit that is a word is said once.
    unit = str(t.get("times"))
    if unit.strip().isalpha() and said[1].endswith(unit):
        said[0] = said[0].removesuffix(unit)
    return said


def written(value: float, how: Format) -> str:
    """A number as people read it: percent with as many places as it needs, a true minus sign."""
    if how == "count":
        return f"{value:,.0f}"
    if how == "percent":
        return f"{_places(value * 100)}%"
    if how == "change":
        return _signed(f"{value * 100:+.0f}") + "%"
    if how == "points":
        return _signed(f"{value * 100:+.{_enough(value * 100, 1)}f}")
    if how == "times":
        # Some ratios are told in tenths: a second place would claim more.
        tenths = value >= 1.95 or abs(value * 10 - round(value * 10)) < 1e-6
        return f"{value:.1f}×" if tenths else f"{value:.2f}×"
    return f"{value:.4f}".rstrip("0").rstrip(".") if value >= 0.0001 else "0.0001"


def _places(percent: float) -> str:
    return f"{percent:.0f}" if percent >= 9.95 or percent == 0 else f"{percent:.{_enough(percent, 1)}f}"


def _enough(number: float, places: int) -> int:
    """As many places as asked for, and up to two more where a number that is not zero would look like it."""
    return next((n for n in range(places, places + 3) if float(f"{number:.{n}f}")), places)


def _signed(text: str) -> str:
    zero = not text.strip("+-0.")
    return text.lstrip("+-") if zero else text.replace("-", "−")


def _bare(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
