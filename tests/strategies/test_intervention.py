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
from strategies_world import days_of_showings

from coterie.strategies.bridges import BRIDGE_GAIN
from coterie.strategies.creators import CREATOR_GAIN
from coterie.strategies.days import Days
from coterie.strategies.intervention import ANOTHER, AS_INTERVENTIONS, NOT_AS_INTERVENTIONS, NOT_MOVED, of_what_moved
from coterie.strategies.newcomers import PLACED
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, LOSS, SHARE
from coterie.strategies.propose import PROPOSED
from coterie.strategies.resting import REST_GAIN
from coterie.strategies.scorecard import NO_MEMBERS, NOTHING_OF_IT, SHIPPED, scorecard_of_day
from coterie.strategies.timing import TIMING_GAIN
from coterie.tables import STRATEGIES

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
    )
    items = [(f"{name}{i}", name, 1.0) for name in INTERESTS for i in range(ITEMS)]
    members = {"day": first - timedelta(days=1), "user_id": [f"u{n:03d}" for n in range(USERS)], "community_id": "c"}
    return days_of_showings(
        shown,
        pl.DataFrame(items, schema=["item_id", "interest_id", "weight"], orient="row"),
        pl.DataFrame(members),
    )


def shipped(**changes: object) -> pl.DataFrame:
    usual = {
        "strategy_id": "s", "kind": "boost_interest", "community_id": "c", "interest_id": "art", "metric": GAIN,
        "effect": TRUE_GAIN, "std_error": 0.02, "evaluability": "random_exposure", "status": PROPOSED,
        "evidence": json.dumps({"share_of_showings_now": 1 / 3}), "issued_on": FIRST - timedelta(days=1),
        "shipped_on": FIRST, "held": True,
    }  # fmt: skip
    return pl.DataFrame([usual | changes], schema=SHIPPED)


NOTHING = pl.DataFrame(schema=STRATEGIES.schema | {"day": pl.Date})


def card(days: Days, of: pl.DataFrame, issued: pl.DataFrame = NOTHING, day: date = DAY) -> pl.DataFrame:
    return scorecard_of_day(day=day, days=days, issued=issued, shipped=of)


def in_force(*rows: dict[str, object]) -> pl.DataFrame:
    usual: dict[str, object] = {"kind": "boost_interest", "community_id": "c", "realised": 0.2, "realised_error": 0.1,
                                "served_share": 0.3, "share_before": 0.1}  # fmt: skip
    return of_what_moved(pl.DataFrame([usual | row for row in rows]))


@given(st.floats(0, 0.9), st.floats(0.01, 0.8), st.floats(0, 1), st.floats(0, 1))
def test_what_moved_is_what_was_measured_over_the_share_that_gave_way(
    before: float, moved: float, of_it: float, otherwise: float
) -> None:
    was = before * of_it + (1 - before) * otherwise  # strength of a showing, before
    now = was + moved * (of_it - was)
    found = in_force({"realised": of_it - now, "share_before": before, "served_share": before + moved * (1 - before)})
    assert found["realised"].item() == pytest.approx(of_it - was, abs=1e-9)
    assert found["realised_error"].item() == pytest.approx(0.1 / (1 - moved))


def test_a_loss_is_as_it_was_measured() -> None:
    found = in_force({"kind": "diversify", "served_share": 0.1, "share_before": 0.3})
    assert found.select("realised", "realised_error").row(0) == (0.2, 0.1)


@pytest.mark.parametrize(
    "row",
    [{"served_share": 0.1}, {"served_share": 0.05}, {"served_share": 1.0}, {"served_share": None},
     {"kind": "diversify", "served_share": 0.3, "share_before": 0.1}],
)  # fmt: skip
def test_where_nothing_tells_that_it_moved_there_is_no_score(row: dict[str, object]) -> None:
    assert in_force(row).select("realised", "realised_error").row(0) == (None, None)


def test_where_two_move_showings_of_one_community_nobody_knows_whose_doing_it_was() -> None:
    assert in_force({}, {})["realised"].to_list() == [None, None]
    assert None not in in_force({}, {"community_id": "d"})["realised"].to_list()


def test_intervals_hold_while_a_quarter_of_the_showings_move() -> None:
    off = []
    for seed in range(60):
        row = card(week(seed), shipped()).row(0, named=True)
        off.append((row["realised"] - TRUE_GAIN) / row["realised_error"])
    assert abs(np.mean(off)) < 0.5
    assert 0.80 <= (np.abs(off) <= 1.645).mean() <= 0.99


def test_it_is_scored_every_day_from_its_first_week_on_until_it_is_four_weeks_old() -> None:
    on, last = shipped(), FIRST + timedelta(days=27)  # 28 days after it was suggested
    for day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1), last, last + timedelta(days=1)):
        days = week(6, day - timedelta(days=6))
        days = replace(days, memberships=days.memberships.with_columns(day=pl.lit(FIRST - timedelta(days=1))))
        found = card(days, on, day=day)
        age = (day - FIRST).days + 1
        assert found.select("shipped_on", "horizon_days", "verdict").rows() == [(FIRST, age, "hit")] * (
            DAY <= day <= last
        )


def test_it_is_scored_in_its_first_and_second_week_and_no_longer_as_a_prediction() -> None:
    days, on = week(5), shipped()
    issued = on.drop("issued_on", "shipped_on", "held").with_columns(day=pl.lit(DAY - timedelta(days=7)))
    found = card(days, on, issued)
    assert found.select("strategy_id", "shipped_on", "horizon_days", "verdict").rows() == [("s", FIRST, 7, "hit")]
    assert found["predicted"].item() == pytest.approx(TRUE_GAIN)
    second = week(6, FIRST + timedelta(days=7))
    second = replace(second, memberships=second.memberships.with_columns(day=pl.lit(FIRST - timedelta(days=1))))
    later = card(second, on, day=DAY + timedelta(days=7))
    assert later.select("shipped_on", "horizon_days").rows() == [(FIRST, 14)]
    as_predicted = scorecard_of_day(day=DAY, days=days, issued=issued)
    assert as_predicted["shipped_on"].to_list() == [None]
    not_yet = on.with_columns(shipped_on=pl.lit(DAY + timedelta(days=1)))
    assert_frame_equal(card(days, not_yet, issued), as_predicted)


METRICS = (SHARE, EXPOSURE, ADOPTION, GAP, GAIN, LOSS, CREATOR_GAIN, BRIDGE_GAIN, REST_GAIN, TIMING_GAIN, PLACED)


def test_every_measure_is_scored_as_an_intervention_or_says_what_is_missing() -> None:
    assert sorted([*AS_INTERVENTIONS, *NOT_AS_INTERVENTIONS]) == sorted(METRICS)


@pytest.mark.parametrize("metric", NOT_AS_INTERVENTIONS)
def test_what_no_log_can_tell_of_what_was_shipped_is_said_in_the_row(metric: str) -> None:
    about = {TIMING_GAIN: {"from_hour": 22}, REST_GAIN: {"most_per_day": 2}, PLACED: {"signals": 5}}
    action = json.dumps({"parameters": about.get(metric, {})})
    (row,) = card(week(5), shipped(metric=metric, evaluability="observational", action=action)).iter_rows(named=True)
    assert (row["verdict"], row["realised"], row["placebo"]) == ("not_scorable", None, None)
    assert row["why_not"] == NOT_AS_INTERVENTIONS[metric]


def test_why_nothing_can_be_told_of_a_gain_is_said_in_the_row() -> None:
    def why(*of: pl.DataFrame, days: Days | None = None) -> set[str | None]:
        found = card(week(5) if days is None else days, pl.concat(of))
        assert set(found["verdict"]) == {"not_scorable"}
        return set(found["why_not"])

    assert why(shipped(evidence=json.dumps({"share_of_showings_now": 0.9}))) == {NOT_MOVED}
    assert why(shipped(), shipped(strategy_id="t", interest_id="cars")) == {ANOTHER}
    assert why(shipped(evaluability="propensity")) == {"predicted by propensity, measured by random_exposure"}
    assert why(shipped(interest_id="none")) == {NOTHING_OF_IT}
    assert why(shipped(community_id="gone")) == {NO_MEMBERS}


def test_what_had_been_in_force_before_the_suggestion_does_not_count_as_another() -> None:
    def verdicts(ago: int) -> list[str]:
        """Something else was shipped so many days before the week that the suggestion was made of."""
        start = FIRST - timedelta(days=7 + ago)
        other = shipped(strategy_id="t", interest_id="cars", issued_on=start, shipped_on=start)
        return card(week(5), pl.concat([shipped(), other])).filter(pl.col("strategy_id") == "s")["verdict"].to_list()

    assert verdicts(0) == ["not_scorable"]
    assert verdicts(1) == ["hit"]


def test_what_is_of_another_measure_or_was_taken_back_is_not_scored_as_if_nobody_had_shipped_it() -> None:
    on = shipped(metric=SHARE, evaluability="observational")
    issued = on.drop("issued_on", "shipped_on", "held").with_columns(day=pl.lit(DAY - timedelta(days=7)))
    found = card(week(5), on, issued)
    assert found.select("horizon_days", "shipped_on", "verdict").rows() == [(7, FIRST, "not_scorable")]
    assert card(week(5), shipped().with_columns(held=pl.lit(False)), issued).is_empty()


def test_what_was_suggested_on_a_week_in_part_in_force_is_left_out() -> None:
    made = FIRST + timedelta(days=3)
    again = shipped().drop("issued_on", "shipped_on", "held").with_columns(day=pl.lit(made))
    days = week(6, made + timedelta(days=1))
    found = card(days, shipped(), again, made + timedelta(days=7))
    assert found["issued_on"].to_list() == [FIRST - timedelta(days=1)]  # as it was issued when it was shipped
    long_ago = shipped(shipped_on=made - timedelta(days=7))
    found = card(days, long_ago, again, made + timedelta(days=7))
    assert found.filter(pl.col("issued_on") == made)["shipped_on"].to_list() == [None]
