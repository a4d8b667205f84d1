"""Where labels spread, a supply gap counts demand as supply is counted: by text alone."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
from polars.testing import assert_frame_equal
from strategies_world import DAY, world

from coterie.strategies.outcome import GAP, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.supply_gaps import gaps_by_text

START, BEFORE = DAY - timedelta(days=6), DAY - timedelta(days=7)


def test_gaps_are_those_by_text_and_all_else_is_as_it_was() -> None:
    w = world(seed=1)
    by_text = w.days(DAY, weeks=2)
    ids = pl.Series(w.communities)
    # An audience gave half of the items of an interest to another.
    first, other = by_text.labels["interest_id"].unique().sort()[:2]
    moved = pl.when((pl.col("interest_id") == first) & (pl.int_range(pl.len()) % 2 == 0)).then(pl.lit(other))
    days = replace(
        by_text,
        by_text=by_text.labels,
        labels=by_text.labels.with_columns(moved.otherwise("interest_id").alias("interest_id")),
    )
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
