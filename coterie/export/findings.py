"""The day's five findings: a sentence each, what stands behind it, and the figure to show with it.

Belongs here: which rows of the marts make a finding. Does not belong here: slides, sheets.

There are always five, in the same order, so that the decks of two days can be laid side by side. Where a day has
nothing to say about one, it says so and has no figure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from coterie.export.handout import Handout, has_interval
from coterie.export.texts import one_line
from coterie.export.words import asks_of, kind_of, known_by, metric_of, number_of, points, points_above_zero
from coterie.strategies.grounds import MOVING_METRICS

MOST_BARS = 10
LABEL = 60  # characters of a bar's label
NAME = 80  # characters of a name within a sentence
TARGET = 0.9  # what the intervals promise

Unit = Literal["count", "share", "difference"]


@dataclass(frozen=True)
class Series:
    """One colour of a figure: a value for each category, None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Figure:
    """A bar chart: the first category is the topmost bar.

    Attributes:
        title: what the bars measure.
        shared: whether the series share a place (each category has a value in one of them) or stand side by side.
        low, high: ends of the interval of the only series' values; empty where they have none.
    """

    title: str
    unit: Unit
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    shared: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A finding: `topic` in a word or two, `sentence` with its number, `notes` on how to read it."""

    topic: str
    sentence: str
    notes: tuple[str, ...]
    figure: Figure | None = None


def findings(handout: Handout) -> tuple[Finding, ...]:
    """The five findings of a day."""
    made: tuple[Callable[[Handout], Finding], ...] = (_communities, _suggestion, _trend, _gap, _record)
    return tuple(one(handout) for one in made)


def _communities(handout: Handout) -> Finding:
    found = handout.communities
    real = found.filter(pl.col("verdict") == "real")
    notes = (
        "real: members engage with one another's interests more than chance allows.",
        "weak: not enough evidence yet. artefact: no more than chance.",
        f"Members are rounded down to a multiple of 5; communities under {handout.disclosure_size} are left out.",
    )
    if found.is_empty():
        return Finding("Communities", "No community was found that is large enough to be told of.", notes)
    sentence = f"{real.height} of {number_of(found.height, 'community', 'communities')} {_is(real.height)} real"
    if real.height:
        top = real.row(0, named=True)
        sentence += f"; the largest is {_name(top['name'])} with {top['users_rounded']:,} members"
    shown = found.sort("users_rounded", "community_id", descending=[True, False]).head(MOST_BARS)
    verdicts = [v for v in ("real", "weak", "artefact") if v in shown["verdict"].to_list()]
    series = tuple(
        Series(v, tuple(n if is_v == v else None for n, is_v in shown.select("users_rounded", "verdict").rows()))
        for v in verdicts
    )
    figure = Figure("members", "count", _labels(shown["name"].to_list()), series, shared=True)
    return Finding("Communities", sentence + ".", notes, figure)


def _suggestion(handout: Handout) -> Finding:
    proposed = handout.proposed.filter(has_interval())
    warnings = handout.board.filter(pl.col("status").str.starts_with("warning")).height
    if proposed.is_empty() and warnings:
        return Finding(
            "What to do first",
            f"There is nothing to act on today: {number_of(warnings, 'suggestion')} passed the test, but suggestions of "
            f"{'its' if warnings == 1 else 'their'} kind came true too seldom of late.",
            ("They stand on the board as warnings, and no service is handed their actions.",),
        )
    if proposed.is_empty():
        return Finding(
            "What to do first",
            "There is no suggestion today: nothing passed its test.",
            ("Only real communities get suggestions, and only where the interval stays above zero.",),
        )
    # Effects of unlike measures have no common order: what a showing gains when it moves comes before how members differ.
    proposed = proposed.sort(pl.col("metric").is_in(MOVING_METRICS), descending=True, maintain_order=True)
    top = proposed.row(0, named=True)
    alike = proposed.filter(pl.col("metric") == top["metric"]).head(MOST_BARS)
    asked = {made["strategy_id"]: made["action"] for made in handout.actions()}.get(top["strategy_id"])
    sentence = (
        f"{asks_of(top['kind'], _name(top['interest']), _name(top['community']), asked)}: {points(top['effect'])} points "
        f"(90 % interval {points_above_zero(top['effect_low'])} to {points(top['effect_high'])})."
    )
    notes = (
        f"{number_of(proposed.height, 'suggestion')} in all; of those that are measured alike, the first is the one whose "
        "effect is surest to be large.",
        f"Effect: {metric_of(top['metric'])}. How it is known: {known_by(top['evaluability'])}.",
        "The line through a bar is the 90 % interval.",
    )
    labels = [
        f"{kind_of(kind)}: {interest} → {community}"
        for kind, interest, community in alike.select("kind", "interest", "community").rows()
    ]
    figure = Figure(
        metric_of(top["metric"]), "difference", _labels(labels), (Series("effect", tuple(alike["effect"])),),
        low=tuple(alike["effect_low"]), high=tuple(alike["effect_high"]),
    )  # fmt: skip
    return Finding("What to do first", sentence, notes, figure)


def _trend(handout: Handout) -> Finding:
    trends = handout.trends.sort("q_value", "interest", "interest_id", nulls_last=True)
    moved = trends.filter(pl.col("trend").is_in(["rising", "falling"]))
    known = trends.filter(pl.col("baseline_share").is_not_null(), pl.col("trend_ratio").is_not_null())
    notes = (
        "Share of the day's active users who engaged with an interest, beside the seven days before.",
        "Rising or falling: the change is larger than chance explains, over all interests together.",
    )
    if known.is_empty() and moved.is_empty():
        return Finding("Trends", "No interest has enough users to be compared with the week before.", notes)
    sentence = "No interest rose or fell more than chance explains"
    if moved.height:
        first = moved.row(0, named=True)
        rising = moved.filter(pl.col("trend") == "rising").height
        sentence = (
            f"{rising} rising and {moved.height - rising} falling {'interest' if moved.height == 1 else 'interests'}; "
            f"clearest is {_name(first['interest'])}, {first['trend']}"
        )
        # Without a ratio, the counts that it is made of are too small to be told.
        if first["trend_ratio"] is not None:
            sentence += f", at {first['trend_ratio']:.1f} times its share of the week before"
    shown = known.head(MOST_BARS)
    if shown.is_empty():
        return Finding("Trends", sentence + ".", notes)
    today = tuple(ratio * before for ratio, before in shown.select("trend_ratio", "baseline_share").rows())
    series = (Series("today", today), Series("week before", tuple(shown["baseline_share"])))
    figure = Figure("share of active users", "share", _labels(shown["interest"].to_list()), series)
    return Finding("Trends", sentence + ".", notes, figure)


def _gap(handout: Handout) -> Finding:
    known = handout.trends.filter(pl.col("gap").is_not_null())
    notes = (
        "Share of the day's engagement minus share of the day's new items, over all users.",
        "Above zero: asked for more than it is supplied.",
    )
    wanted = known.filter(pl.col("gap") > 0).sort("gap", "interest", "interest_id", descending=[True, False, False])
    if wanted.is_empty():
        return Finding("Demand and supply", "No interest is asked for more than it is supplied.", notes)
    top = wanted.row(0, named=True)
    sentence = (
        f"{_name(top['interest'])} is {top['demand_share']:.1%} of engagement and {top['supply_share']:.1%} of new items, "
        "the widest gap."
    )
    shown = known.sort(pl.col("gap").abs(), "interest", "interest_id", descending=[True, False, False]).head(MOST_BARS)
    shown = shown.sort("gap", "interest", "interest_id", descending=[True, False, False])
    series = (Series("gap", tuple(shown["gap"])),)
    figure = Figure("share of demand minus share of supply", "difference", _labels(shown["interest"].to_list()), series)
    return Finding("Demand and supply", sentence, notes, figure)


def _record(handout: Handout) -> Finding:
    kinds = handout.board.filter(pl.col("hit_rate").is_not_null()).unique("kind", maintain_order=True).sort("kind")
    notes = (
        "Suggestions are measured again 7 and 14 days later, on what happened since, by the same measure.",
        "Honest 90 % intervals hold nine times out of ten. A kind far below that is to be tested before it is trusted.",
    )
    if kinds.is_empty():
        return Finding("Track record", "No earlier suggestion of today's kinds is old enough to be scored.", notes)
    scored = int(kinds["scored"].sum())
    hits = round(sum(n * rate for n, rate in kinds.select("scored", "hit_rate").rows()))
    sentence = (
        f"{hits} of {number_of(scored, 'earlier suggestion')} scored in the last 28 days ({hits / scored:.0%}) came true within "
        f"{'its' if scored == 1 else 'their'} 90 % interval."
    )
    labels = [f"{kind_of(kind)} ({n} scored)" for kind, n in kinds.select("kind", "scored").rows()]
    series = (
        Series("came true", tuple(kinds["hit_rate"])),
        Series("promised", (TARGET,) * kinds.height),
    )
    figure = Figure("share within the 90 % interval", "share", _labels(labels), series)
    return Finding("Track record", sentence, notes, figure)


def _labels(texts: list[str]) -> tuple[str, ...]:
    return tuple(one_line(text, LABEL) for text in texts)


def _name(text: str) -> str:
    return one_line(text, NAME)


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
