"""Where labels spread, a supply gap counts demand as supply is counted: by text alone."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
from polars.testing import assert_frame_equal
from strategies_world import DAY, full_graph, taxonomy, world

from coterie.strategies.days import Days
from coterie.strategies.kinds import CLOSE_GAP
from coterie.strategies.outcome import GAP, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.propose import PROPOSED, changes_of_day, strategies_of_day, with_change
from coterie.strategies.supply_gaps import gaps_by_text

START, BEFORE = DAY - timedelta(days=6), DAY - timedelta(days=7)


def spread_over(by_text: Days) -> Days:
    """The same days, where an audience gave half of the items of an interest to another."""
    first, other = by_text.labels["interest_id"].unique().sort()[:2]
    moved = pl.when((pl.col("interest_id") == first) & (pl.int_range(pl.len()) % 2 == 0)).then(pl.lit(other))
    labels = by_text.labels.with_columns(moved.otherwise("interest_id").alias("interest_id"))
    return replace(by_text, by_text=by_text.labels, labels=labels)


def test_gaps_are_those_by_text_and_all_else_is_as_it_was() -> None:
    w = world(seed=1)
    by_text = w.days(DAY, weeks=2)
    ids = pl.Series(w.communities)
    days = spread_over(by_text)
    supply = days.interest_daily.filter(pl.col("day").is_between(START, DAY))

    def window(of):
        return of.window(START, DAY, ids, members_on=BEFORE)

    gaps = gaps_by_text(days, START, DAY, ids, members_on=BEFORE, supply=supply, disclosure_k=20)
    spread = measure(window(days), supply, 20)
    found, text = gaps.in_outcomes(spread), measure(window(by_text), supply, 20)
    is_gap = pl.col("metric") == GAP
    assert_frame_equal(found.filter(is_gap), text.filter(is_gap))
    assert_frame_equal(found.filter(~is_gap), spread.filter(~is_gap))
    assert not found.filter(is_gap)["value"].equals(spread.filter(is_gap)["value"])
    beside = placebo(window(days), supply, DAY)
    assert_frame_equal(gaps.in_placebos(beside).filter(is_gap), placebo(window(by_text), supply, DAY).filter(is_gap))


def test_where_nothing_spreads_nothing_is_changed() -> None:
    w = world(seed=1)
    days, ids = w.days(DAY, weeks=2), pl.Series(w.communities)
    supply = days.interest_daily
    gaps = gaps_by_text(days, START, DAY, ids, members_on=BEFORE, supply=supply, disclosure_k=20)
    found = measure(days.window(START, DAY, ids, members_on=BEFORE), supply, 20)
    assert gaps.in_outcomes(found) is found


def turned_within_the_week(by_text: Days) -> Days:
    """By text nothing changes; by audience all that members engage with turns in the middle of the week."""
    # Items are seen on one side of the middle alone, so that labels which differ by side are change and nothing else.
    even = pl.col("item_id").str.slice(-1).cast(pl.Int64) % 2 == 0
    early = pl.col("day") < DAY - timedelta(days=3)
    names = by_text.labels["interest_id"].unique().sort().to_list()
    other = pl.col("interest_id").replace_strict(dict(zip(names, [*names[5:], *names[:5]], strict=True)))
    return replace(
        by_text,
        engagement=by_text.engagement.filter(early == even),
        by_text=by_text.labels,
        labels=by_text.labels.with_columns(interest_id=pl.when(even).then("interest_id").otherwise(other)),
    )


def test_a_gap_changes_as_engagement_by_text_does_and_all_else_as_by_all_labels() -> None:
    w = world(seed=3, tilt=2.0)
    days, ids = turned_within_the_week(w.days(DAY)), pl.Series(w.communities)
    found, text, spread = (
        changes_of_day(day=DAY, days=of, communities=ids)
        for of in (days, replace(days, labels=days.by_text, by_text=None), replace(days, by_text=None))
    )
    assert text.relative["change"].max() < 1 < spread.relative["change"].min()
    outcomes = measure(days.window(START, DAY, ids, members_on=BEFORE), days.interest_daily)
    told, of_text, of_all = (
        with_change(outcomes, of).sort("community_id", "interest_id", "metric") for of in (found, text, spread)
    )
    is_gap = pl.col("metric") == GAP
    assert told.filter(is_gap)["change"].null_count() == 0
    assert_frame_equal(told.filter(is_gap), of_text.filter(is_gap))
    assert_frame_equal(told.filter(~is_gap), of_all.filter(~is_gap))


def test_suggested_gaps_are_not_doubted_for_what_audiences_made_of_labels() -> None:
    w = world(seed=3, tilt=2.0)
    days = turned_within_the_week(w.days(DAY))

    def gaps(of: Days) -> pl.DataFrame:
        made = strategies_of_day(
            day=DAY, days=of, communities=w.community_rows(), interest_graph=full_graph(), taxonomy=taxonomy()
        )
        change = pl.col("evidence").str.json_path_match("$.weekly_change").cast(pl.Float64)
        return made.filter(pl.col("kind") == CLOSE_GAP, pl.col("status") == PROPOSED).with_columns(change=change)

    found, by_text = gaps(days), gaps(replace(days, labels=days.by_text, by_text=None))
    assert found.height
    key = ["strategy_id", "change"]
    both = found.select(key).join(by_text.select(key), on="strategy_id", suffix="_by_text")
    assert both.height
    assert both["change"].to_list() == both["change_by_text"].to_list()
