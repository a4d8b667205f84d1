"""The page of a day: sentences, tables and charts, for a reader who has never heard of Leiden."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources

import polars as pl
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from coterie.report import charts

MOST_ROWS = 40


@dataclass(frozen=True)
class DayTables:
    """What a report is made of: the day's marts, yesterday's communities, and scores as of the day.

    Attributes:
        communities: mart_community_day of the day; `communities_before` that of the day before, or None.
        trends: mart_interest_trends of the day.
        strategies: mart_strategy_board of the day.
        scores: strategy_scorecard rows of the last 28 days, with the column `kind`.
        counts: figures of the day's data, as words -> number, none of them about few users.
    """

    day: date
    source: str
    communities: pl.DataFrame
    communities_before: pl.DataFrame | None
    trends: pl.DataFrame
    strategies: pl.DataFrame
    scores: pl.DataFrame
    counts: Mapping[str, float | int | str]
    disclosure_size: int


def render(tables: DayTables) -> str:
    """The report as one HTML text; equal tables give equal text. Everything from the log is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": _percent, "number": _number}
    template = environment.from_string((resources.files("coterie.report") / "page.html.j2").read_text(encoding="utf-8"))
    proposed = tables.strategies.filter(pl.col("status") == "proposed").sort(
        "effect_low", "strategy_id", descending=True
    )
    withheld = tables.strategies.filter(pl.col("status") != "proposed").sort("strategy_id")
    return template.render(
        day=tables.day,
        source=tables.source,
        headline=headline(tables),
        counts=tables.counts,
        disclosure_size=tables.disclosure_size,
        communities=_rows(tables.communities.sort("users_rounded", "name", descending=[True, False])),
        trends=_rows(tables.trends.filter(pl.col("trend").is_in(["rising", "falling"])).sort("interest")),
        proposed=_rows(proposed),
        withheld=_rows(withheld),
        scores=_rows(track_record(tables.scores)),
        community_chart=Markup(charts.communities(tables.communities)),
        trend_chart=Markup(charts.trends(tables.trends)),
        gap_chart=Markup(charts.gaps(tables.trends)),
        effect_chart=Markup(charts.effects(tables.strategies)),
    )


def headline(tables: DayTables) -> list[str]:
    """Three sentences: what is there and what changed, what to do, how far to trust it."""
    return [_what_changed(tables), _what_to_do(tables.strategies), _how_far_to_trust(tables.scores)]


def _what_changed(tables: DayTables) -> str:
    real = tables.communities.filter(pl.col("verdict") == "real")
    sentence = f"{real.height} of {tables.communities.height} communities are real by the day's test"
    if tables.communities.is_empty():
        sentence = "No community could be found"
    if tables.communities_before is not None:
        before = set(tables.communities_before["community_id"])
        now = set(tables.communities["community_id"])
        sentence += f"; {_are(now - before)} new since yesterday and {_are(before - now)} gone"
    rising = tables.trends.filter(pl.col("trend") == "rising").sort("q_value", "interest", nulls_last=True)
    if rising.height:
        top = rising.row(0, named=True)
        ratio = top["trend_ratio"]
        pace = (
            "no comparison with the week before can be shown"
            if ratio is None
            else f"{ratio:.1f} times its share of the week before"
        )
        sentence += f". {top['interest']} is rising: {pace}"
    return sentence + "."


def _are(some: set[str]) -> str:
    return f"{len(some)} {'is' if len(some) == 1 else 'are'}"


def _what_to_do(strategies: pl.DataFrame) -> str:
    proposed = strategies.filter(pl.col("status") == "proposed").sort("effect_low", "strategy_id", descending=True)
    if proposed.is_empty():
        return "There is no suggestion today: nothing passed its test, and Coterie does not guess."
    top = proposed.row(0, named=True)
    verb = {
        "boost_interest": "Show more of",
        "explore_interest": "Try",
        "close_supply_gap": "Get more items of",
    }[top["kind"]]
    return (
        f"{verb} {top['interest']} for the community {top['community']}: predicted difference {_percent(top['effect'])}, "
        f"90 % interval {_percent(top['effect_low'])} to {_percent(top['effect_high'])}. "
        f"{proposed.height} suggestion(s) in all."
    )


def _how_far_to_trust(scores: pl.DataFrame) -> str:
    scored = scores.filter(pl.col("verdict") != "not_scorable")
    if scored.is_empty():
        return "No earlier suggestion is old enough to be scored yet, so there is no track record."
    hits = scored.filter(pl.col("verdict") == "hit").height
    return (
        f"Of {scored.height} earlier suggestions scored over the last four weeks, {hits} ({hits / scored.height:.0%}) "
        "came out within their 90 % interval; honest intervals would give about 90 %."
    )


def track_record(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores summed up by kind and horizon; those that could not be scored do not count.

    Args:
        scores: STRATEGY_SCORECARD rows of any number of days, with `kind` (pl.String).

    Returns:
        kind, horizon_days, scored (how many), hit_rate (share within the interval), and the means of predicted,
        realised and placebo, sorted by the first two.
    """
    return (
        scores.filter(pl.col("verdict") != "not_scorable")
        .group_by("kind", "horizon_days")
        .agg(
            pl.len().alias("scored"),
            (pl.col("verdict") == "hit").mean().alias("hit_rate"),
            pl.col("predicted").mean(),
            pl.col("realised").mean(),
            pl.col("placebo").mean(),
        )
        .sort("kind", "horizon_days")
    )


def _rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.head(MOST_ROWS).to_dicts()


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:+.1f} %"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"
