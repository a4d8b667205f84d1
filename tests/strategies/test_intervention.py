"""Boosts that were shipped: what they changed is found, a trend of everybody's is not theirs, and intervals hold."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coterie.strategies.days import Days
from coterie.strategies.intervention import BEFORE, due_days, interventions_of_day
from coterie.strategies.outcome import GAIN, SHARE
from coterie.strategies.propose import PROPOSED
from coterie.strategies.scorecard import SHIPPED, scorecard_of_day
from coterie.tables import INTEREST_DAILY, STRATEGIES, USER_INTERESTS

FIRST = date(2024, 5, 15)  # of the change
DAY = FIRST + timedelta(days=6)
USERS, SHOWN, ITEMS = 200, 6, 10  # of each group; showings a user and day; items of an interest
INTERESTS = ("art", "bread", "cars")
MEMBERS, OTHERS = (0.6, 0.3, 0.2), (0.3, 0.3, 0.3)  # strength of a showing, by interest
MOVED = 0.25
TREND = -0.05  # what changes for everybody between the weeks
# A showing that moves goes from the mean of the feed, where all three have a third, to the first interest.
TRUE_GAIN = MEMBERS[0] - sum(MEMBERS) / 3


def days(seed: int, first: date, moved: float, trend: float, spread: float = 0.15) -> Days:
    """A week of showings of both groups; users differ for good, by `spread`, whatever the week's seed."""
    rng, kept = np.random.default_rng([seed, first.toordinal()]), np.random.default_rng(seed)
    own = kept.normal(0, spread, 2 * USERS)
    user = np.repeat(np.arange(2 * USERS), 7 * SHOWN)
    day = np.tile(np.repeat(np.arange(7), SHOWN), 2 * USERS)
    member = user < USERS
    interest = rng.integers(0, 3, len(user))
    interest[member & (rng.random(len(user)) < moved)] = 0
    chance = np.where(member, np.take(MEMBERS, interest), np.take(OTHERS, interest)) + trend + own[user]
    rows = pl.DataFrame(
        {
            "day": [first + timedelta(days=int(n)) for n in day],
            "user_id": [f"u{n:03d}" for n in user],
            "item_id": [f"{INTERESTS[j]}{i}" for j, i in zip(interest, rng.integers(0, ITEMS, len(user)), strict=True)],
            "strength": rng.random(len(user)) < np.clip(chance, 0, 1),
        }
    )
    engagement = rows.group_by("day", "user_id", "item_id").agg(
        pl.col("strength").cast(pl.Float64).sum(), exposures=pl.len().cast(pl.Int64), exposure_logged=pl.lit(True)
    )
    on = first - timedelta(days=1)
    return Days(
        engagement=engagement,
        labels=pl.DataFrame(
            [(f"{name}{i}", name, 1.0) for name in INTERESTS for i in range(ITEMS)],
            schema=["item_id", "interest_id", "weight"],
            orient="row",
        ),
        memberships=pl.DataFrame(
            {"day": on, "user_id": [f"u{n:03d}" for n in range(USERS)], "community_id": "c", "is_primary": True}
        ),
        user_interests=USER_INTERESTS.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
    )


def shipped(**given: object) -> pl.DataFrame:
    usual = {
        "strategy_id": "s", "kind": "boost_interest", "community_id": "c", "interest_id": "art", "metric": GAIN,
        "effect": TRUE_GAIN, "std_error": 0.02, "evaluability": "propensity", "status": PROPOSED,
        "issued_on": FIRST - timedelta(days=1), "shipped_on": FIRST,
    }  # fmt: skip
    return pl.DataFrame([usual | given], schema=SHIPPED)


def found(seed: int, *, moved: float = MOVED, trend: float = TREND, of: pl.DataFrame | None = None) -> pl.DataFrame:
    before = days(seed, FIRST - timedelta(days=7), 0.0, 0.0)
    return interventions_of_day(
        day=DAY, after=days(seed, FIRST, moved, trend), before={FIRST: before},
        shipped=shipped() if of is None else of,
    )  # fmt: skip


def test_the_days_on_which_a_change_is_scored_end_its_first_and_its_second_week() -> None:
    assert due_days(DAY) == [FIRST, FIRST - timedelta(days=7)]
    assert due_days(DAY + timedelta(days=7))[1] == FIRST
    assert timedelta(days=8) == BEFORE


def test_the_intervals_hold_and_a_trend_of_everybody_is_not_the_boosts_doing() -> None:
    rows = [found(seed).row(0, named=True) for seed in range(100)]
    off = np.array([(r["realised"] - TRUE_GAIN) / r["realised_error"] for r in rows])
    assert abs(off.mean()) < 4 / 10
    assert 0.82 <= (np.abs(off) <= 1.645).mean() <= 0.97  # 100 draws of 0.90: beyond 0.82 and 0.97 once in 100
    # Users who differ for good are in both weeks: taken as independent, the error would be far larger.
    assert 0.75 <= off.std() <= 1.25


def test_without_more_showings_there_is_nothing_to_measure() -> None:
    assert found(1, moved=0.0, of=shipped(interest_id="none_such"))["realised"].to_list() == [None]


def test_few_users_are_told_of_in_no_number() -> None:
    before = days(1, FIRST - timedelta(days=7), 0.0, 0.0)
    row = interventions_of_day(
        day=DAY, after=days(1, FIRST, MOVED, TREND), before={FIRST: before}, shipped=shipped(),
        disclosure_k=USERS + 1,
    )  # fmt: skip
    assert row["realised"].to_list() == [None]


def test_what_is_not_due_or_no_gain_is_not_scored_so() -> None:
    late = shipped(shipped_on=FIRST + timedelta(days=1))
    share = shipped(metric=SHARE)
    assert found(1, of=pl.concat([late, share])).is_empty()


def test_without_the_week_before_it_is_not_scorable() -> None:
    row = interventions_of_day(day=DAY, after=days(1, FIRST, MOVED, TREND), before={}, shipped=shipped())
    assert row.select("realised", "realised_error").row(0) == (None, None)


def test_users_of_other_treated_communities_are_no_comparison() -> None:
    """A second boost among the others, in force, would hide the first one's effect if they were compared with it."""
    before, after = days(3, FIRST - timedelta(days=7), 0.0, 0.0), days(3, FIRST, MOVED, 0.0)
    second = [f"u{n:03d}" for n in range(USERS, USERS + USERS // 2)]
    more = pl.DataFrame({"day": FIRST - BEFORE, "user_id": second, "community_id": "d", "is_primary": True})
    with_second = Days(**{**vars(before), "memberships": pl.concat([before.memberships, more])})
    lifted = after.engagement.with_columns(
        pl.when(pl.col("user_id").is_in(second)).then(1.0 * pl.col("exposures")).otherwise("strength").alias("strength")
    )
    both = pl.concat([shipped(), shipped(strategy_id="t", community_id="d", shipped_on=FIRST - timedelta(days=3))])
    changed = interventions_of_day(
        day=DAY, after=Days(**{**vars(after), "engagement": lifted}), before={FIRST: with_second}, shipped=both
    )
    assert changed["strategy_id"].to_list() == ["s"]
    assert changed["realised"].item() == pytest.approx(TRUE_GAIN, abs=4 * changed["realised_error"].item())


def test_a_shipped_boost_is_scored_by_what_it_changed_and_no_longer_as_a_prediction() -> None:
    before, after = days(5, FIRST - timedelta(days=7), 0.0, 0.0), days(5, FIRST, MOVED, TREND)
    on = shipped()
    issued = pl.concat(
        [on.drop("issued_on", "shipped_on").with_columns(day=pl.lit(DAY - timedelta(days=7))).select(
            *STRATEGIES.schema, "day")]
    )  # fmt: skip
    members = before.memberships.with_columns(day=pl.lit(DAY - timedelta(days=7)))
    now = Days(**{**vars(after), "memberships": members})
    assert on["issued_on"].item() == DAY - timedelta(days=7)  # horizon 7 is due, and so is the first week of the change
    card = scorecard_of_day(day=DAY, days=now, issued=issued, shipped=on, before={FIRST: before})
    assert card.select("strategy_id", "shipped_on", "horizon_days", "verdict").rows() == [("s", FIRST, 7, "hit")]
    assert card["predicted"].item() == pytest.approx(TRUE_GAIN)
    assert card.select("placebo", "popularity").row(0) == (None, None)
    usual = scorecard_of_day(day=DAY, days=now, issued=issued)
    assert usual["shipped_on"].to_list() == [None]
    before_it = scorecard_of_day(
        day=DAY, days=now, issued=issued, shipped=on.with_columns(shipped_on=DAY + timedelta(1))
    )
    assert_frame_equal(before_it, usual)  # not yet in force on that day
