"""What was shipped: the gain of the showings that moved is found while they move, and it is scored by that alone."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from coterie.strategies.days import Days
from coterie.strategies.intervention import of_what_moved
from coterie.strategies.outcome import GAIN, LOSS, SHARE
from coterie.strategies.propose import PROPOSED
from coterie.strategies.scorecard import SHIPPED, scorecard_of_day
from coterie.tables import INTEREST_DAILY, STRATEGIES, USER_INTERESTS

FIRST = date(2024, 5, 15)  # of the change
DAY = FIRST + timedelta(days=6)
USERS, SHOWN, ITEMS = 200, 6, 10  # of each group; showings a user and day; items of an interest
INTERESTS = ("art", "bread", "cars")
MEMBERS, OTHERS = (0.6, 0.3, 0.2), (0.3, 0.3, 0.3)  # strength of a showing, by interest
MOVED = 0.25
# A showing that moves goes from the mean of the feed, where all three have a third, to the first interest.
TRUE_GAIN = MEMBERS[0] - sum(MEMBERS) / 3


def week(seed: int, first: date = FIRST, moved: float = MOVED) -> Days:
    """A week of showings of both groups, those of members moved; all of them may be compared."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(2 * USERS), 7 * SHOWN)
    day = np.tile(np.repeat(np.arange(7), SHOWN), 2 * USERS)
    member = user < USERS
    interest = rng.integers(0, 3, len(user))
    interest[member & (rng.random(len(user)) < moved)] = 0
    chance = np.where(member, np.take(MEMBERS, interest), np.take(OTHERS, interest))
    shown = pl.DataFrame(
        {
            "day": [first + timedelta(days=int(n)) for n in day],
            "user_id": [f"u{n:03d}" for n in user],
            "item_id": [f"{INTERESTS[j]}{i}" for j, i in zip(interest, rng.integers(0, ITEMS, len(user)), strict=True)],
            "strength": (rng.random(len(user)) < chance).astype(float),
        }
    ).unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)
    items = [(f"{name}{i}", name, 1.0) for name in INTERESTS for i in range(ITEMS)]
    return Days(
        engagement=shown.with_columns(exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(True)),
        labels=pl.DataFrame(items, schema=["item_id", "interest_id", "weight"], orient="row"),
        memberships=pl.DataFrame(
            {"day": first - timedelta(days=1), "user_id": [f"u{n:03d}" for n in range(USERS)], "community_id": "c",
             "is_primary": True}
        ),
        user_interests=USER_INTERESTS.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
        exposed=shown.with_columns(
            showings=pl.lit(1, pl.Int64), propensity=pl.lit(None, pl.Float64), is_random=pl.lit(True)
        ),
    )  # fmt: skip


def shipped(**changes: object) -> pl.DataFrame:
    usual = {
        "strategy_id": "s", "kind": "boost_interest", "community_id": "c", "interest_id": "art", "metric": GAIN,
        "effect": TRUE_GAIN, "std_error": 0.02, "evaluability": "random_exposure", "status": PROPOSED,
        "evidence": json.dumps({"share_of_showings_now": 1 / 3}), "issued_on": FIRST - timedelta(days=1),
        "shipped_on": FIRST,
    }  # fmt: skip
    return pl.DataFrame([usual | changes], schema=SHIPPED)


NOTHING = pl.DataFrame(schema=STRATEGIES.schema | {"day": pl.Date})


def card(days: Days, of: pl.DataFrame, issued: pl.DataFrame = NOTHING, day: date = DAY) -> pl.DataFrame:
    return scorecard_of_day(day=day, days=days, issued=issued, shipped=of)


@given(st.floats(0, 0.9), st.floats(0, 0.8), st.floats(0, 1), st.floats(0, 1))
def test_what_moved_is_what_was_measured_over_the_share_that_gave_way(
    before: float, moved: float, of_it: float, otherwise: float
) -> None:
    was = before * of_it + (1 - before) * otherwise  # strength of a showing, before
    now = was + moved * (of_it - was)
    measured = pl.DataFrame(
        {"realised": [of_it - now], "realised_error": [0.1], "popularity": [0.0], "placebo": [None],
         "served_share": [before + moved * (1 - before)], "share_before": [before]},
        schema_overrides={"placebo": pl.Float64},
    )  # fmt: skip
    found = of_what_moved(measured)
    assert found["realised"].item() == pytest.approx(of_it - was, abs=1e-9)
    assert found["realised_error"].item() == pytest.approx(0.1 / (1 - moved))
    assert found["placebo"].item() is None


def test_a_target_that_is_all_that_is_shown_cannot_be_scored() -> None:
    rows = {"realised": [0.0], "realised_error": [0.1], "popularity": [0.0], "placebo": [0.0], "served_share": [1.0],
            "share_before": [0.5]}  # fmt: skip
    assert of_what_moved(pl.DataFrame(rows))["realised"].item() is None


def test_intervals_hold_while_a_quarter_of_the_showings_move() -> None:
    off = []
    for seed in range(60):
        row = card(week(seed), shipped()).row(0, named=True)
        off.append((row["realised"] - TRUE_GAIN) / row["realised_error"])
    assert abs(np.mean(off)) < 0.5
    assert 0.80 <= (np.abs(off) <= 1.645).mean() <= 0.99


def test_a_loss_is_scored_by_the_same_rule() -> None:
    """A quarter of the showings was given to cars, of all things; taking one back gains what was lost."""
    days = week(7)
    found = card(days, shipped(kind="diversify", metric=LOSS, interest_id="bread")).row(0, named=True)
    gained = card(days, shipped(interest_id="bread")).row(0, named=True)
    assert found["realised"] == pytest.approx(-gained["realised"])


def test_it_is_scored_in_its_first_and_second_week_and_no_longer_as_a_prediction() -> None:
    days, on = week(5), shipped()
    issued = on.drop("issued_on", "shipped_on").with_columns(day=pl.lit(DAY - timedelta(days=7)))
    found = card(days, on, issued)
    assert found.select("strategy_id", "shipped_on", "horizon_days", "verdict").rows() == [("s", FIRST, 7, "hit")]
    assert found["predicted"].item() == pytest.approx(TRUE_GAIN)
    second = week(6, FIRST + timedelta(days=7))
    second = replace(second, memberships=second.memberships.with_columns(day=pl.lit(FIRST - timedelta(days=1))))
    later = card(second, on, day=DAY + timedelta(days=7))
    assert later.select("shipped_on", "horizon_days").rows() == [(FIRST, 14)]
    assert card(days, on, day=DAY + timedelta(days=1)).is_empty()  # in between
    as_predicted = scorecard_of_day(day=DAY, days=days, issued=issued)
    assert as_predicted["shipped_on"].to_list() == [None]
    not_yet = on.with_columns(shipped_on=pl.lit(DAY + timedelta(days=1)))
    assert_frame_equal(card(days, not_yet, issued), as_predicted)


def test_what_moves_no_showings_is_scored_as_if_nobody_had_shipped_it() -> None:
    on = shipped(metric=SHARE, evaluability="observational")
    issued = on.drop("issued_on", "shipped_on").with_columns(day=pl.lit(DAY - timedelta(days=7)))
    found = card(week(5), on, issued)
    assert found.select("horizon_days", "shipped_on").rows() == [(7, None)]
