"""Hours of a community: found by presence alone, the gain within members, and nothing where all keep the same hours."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from polars.testing import assert_frame_equal
from strategies_world import days_of_showings, mixed, planned

from coterie.strategies.action import action_schema, told
from coterie.strategies.days import Days
from coterie.strategies.kinds import TIMING
from coterie.strategies.propose import PROPOSED, strategies_of_day
from coterie.strategies.scorecard import scorecard_of_day
from coterie.strategies.timing import HOURS, NOT_COMPARABLE, timing
from coterie.tables import COMMUNITIES, INTEREST_GRAPH

DAY = date(2024, 5, 21)
BEFORE, START = DAY - timedelta(days=7), DAY - timedelta(days=6)
USERS, SHOWN, ITEMS = 150, 8, 40  # of members and of others; showings a user and day
FROM = 22  # members are there from 22 to 1 twice as often as anybody is at other times
GAIN = 0.15
TAXONOMY = pl.DataFrame({"interest_id": ["art"], "interest": ["Art"], "sensitive": [False]})
REAL = pl.DataFrame(
    [{"community_id": "c", "parent_id": None, "level": 0, "users": USERS, "verdict": "real", "p_value": 0.001,
      "q_value": 0.001, "stability": 1.0, "name": "C", "summary": "C", "evidence": "{}", "tested_users": 50.0,
      "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0}],
    schema=COMMUNITIES.schema,
)  # fmt: skip


def week(seed: int, last: date = DAY, *, own: float = 4.0, gain: float = GAIN, owls: float = 0.0) -> Days:
    """Random showings: members come `own` times as often in their hours. `owls` is how much more engaged those are who
    come most in them, at all times: what differs between members and not within them."""
    rng = np.random.default_rng(seed)
    n = 2 * USERS * 7 * SHOWN
    user, day = np.repeat(np.arange(2 * USERS), 7 * SHOWN), np.tile(np.arange(7), 2 * USERS * SHOWN)
    habit = np.where(np.arange(2 * USERS) < USERS, own, 1.0) * rng.lognormal(0, 0.5, 2 * USERS)
    odds = habit * HOURS / 24
    inside = rng.random(n) < (odds / (odds + 1 - HOURS / 24))[user]
    hour = np.where(inside, FROM + rng.integers(0, HOURS, n), FROM + HOURS + rng.integers(0, 24 - HOURS, n)) % 24
    item, quality = rng.integers(0, ITEMS, n), rng.normal(0, 0.05, ITEMS)
    level = 0.2 + owls * (habit > np.median(habit[:USERS]))
    chance = level[user] + quality[item] + gain * (inside & (user < USERS))
    shown = pl.DataFrame(
        {
            "day": [last - timedelta(days=int(6 - d)) for d in day],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"art{i}" for i in item],
            "strength": (rng.random(n) < np.clip(chance, 0, 1)).astype(float),
            "hour": hour,
        }
    )
    labels = pl.DataFrame({"item_id": [f"art{i}" for i in range(ITEMS)], "interest_id": "art", "weight": 1.0})
    members = pl.DataFrame({"user_id": [f"u{u:03d}" for u in range(USERS)], "community_id": "c"})
    days = days_of_showings(shown, labels, pl.concat([members.with_columns(day=pl.lit(on)) for on in (BEFORE, DAY)]))
    return replace(
        days,
        present=shown.select("day", "user_id", "hour").unique().sort("day", "user_id", "hour"),
        timezone="Asia/Taipei",
    )


def measured(days: Days, **more: pl.DataFrame) -> pl.DataFrame:
    return timing(days, START, DAY, pl.Series(["c"]), members_on=BEFORE, **more)


def suggested(days: Days) -> pl.DataFrame:
    found = strategies_of_day(
        day=DAY, days=days, communities=REAL, interest_graph=INTEREST_GRAPH.empty(), taxonomy=TAXONOMY
    )
    return found.filter(pl.col("kind") == TIMING)


def test_hours_are_found_by_presence_and_the_gain_is_of_the_same_members() -> None:
    row = measured(week(1)).row(0, named=True)
    assert (row["from_hour"], row["to_hour"]) == (FROM, 1)
    assert row["share_low"] < row["share_in_hours"] < row["share_high"]
    assert row["others_in_hours"] == pytest.approx(HOURS / 24, abs=0.02)
    assert row["difference"] == pytest.approx(GAIN, abs=4 * row["std_error"])
    assert row["evaluability"] == "observational"  # members choose when to come


def test_the_same_whatever_they_make_of_it() -> None:
    days = week(1)
    assert days.exposed is not None
    other = replace(days, exposed=days.exposed.with_columns(strength=1 - pl.col("strength")))
    hours = ["from_hour", "to_hour", "share_in_hours", "share_low", "share_high", "others_in_hours"]
    assert measured(other).select(hours).equals(measured(days).select(hours))
    assert measured(other)["difference"].item() == pytest.approx(-measured(days)["difference"].item())


def test_intervals_hold_also_where_those_who_come_at_night_are_others() -> None:
    rows = pl.concat([measured(week(seed, owls=0.3)) for seed in range(60)])
    off, wide = (rows["difference"] - GAIN).abs(), 1.645 * rows["std_error"]
    assert (off <= wide).mean() >= 0.84
    assert (off <= wide + rows["bias_bound"]).mean() >= 0.88
    truth = rows["share_in_hours"].mean()
    assert rows.filter(pl.col("share_low") <= truth, pl.col("share_high") >= truth).height >= 0.88 * 60


def test_where_all_keep_the_same_hours_there_are_none() -> None:
    assert sum(measured(week(seed, own=1.0)).height for seed in range(60)) <= 6


def test_where_the_hours_bring_nothing_more_nothing_is_suggested() -> None:
    proposed = [suggested(week(seed, gain=0.0, owls=0.3))["status"].eq(PROPOSED).any() for seed in range(30)]
    assert np.mean(proposed) <= 0.10


def test_it_is_suggested_with_hours_that_a_service_can_apply() -> None:
    row = suggested(week(2)).row(0, named=True)
    assert (row["status"], row["interest_id"], row["metric"]) == (PROPOSED, None, "gain_per_showing_in_hours")
    assert row["effect_low"] < GAIN < row["effect_high"]
    action = json.loads(row["action"])
    assert action == {"type": TIMING, "community_id": "c",
                      "parameters": {"from_hour": FROM, "to_hour": 1, "timezone": "Asia/Taipei"}}  # fmt: skip
    Draft202012Validator(action_schema()).validate(action)
    assert told(action, effect=row["effect"], std_error=row["std_error"]) == action
    evidence = json.loads(row["evidence"])
    assert evidence["the_same_for_everybody"] < row["effect"]


def test_without_comparable_showings_it_tells_the_hours_and_no_number() -> None:
    row = suggested(replace(week(2), exposed=None)).row(0, named=True)
    assert row["status"] == f"withheld: not evaluable, {NOT_COMPARABLE}"
    assert [row[c] for c in ("baseline", "effect", "effect_low", "effect_high", "q_value")] == [None] * 5
    evidence = json.loads(row["evidence"])
    low, high = evidence["share_of_presence_interval"]
    assert low < evidence["share_of_presence_in_hours"] < high
    assert evidence["from_hour"] == FROM


def test_it_is_planned_for_and_scored_at_the_hours_that_were_suggested() -> None:
    days = week(3)
    issued = planned(DAY, days, suggested(days), REAL)
    later = DAY + timedelta(days=7)
    card = scorecard_of_day(day=later, days=week(4, later), issued=issued).row(0, named=True)
    assert card["verdict"] == "hit"
    assert abs(card["placebo"]) < 0.15
    # By then they keep other hours and gain nothing in these: measured all the same.
    card = scorecard_of_day(day=later, days=week(4, later, own=1.0, gain=0.0), issued=issued).row(0, named=True)
    assert card["verdict"] == "miss"


def test_each_suggestion_is_scored_at_its_own_hours() -> None:
    later = DAY + timedelta(days=7)
    days, today = week(4, later), planned(DAY, week(3), suggested(week(3)), REAL)
    noon = pl.col("action").str.replace(f'"from_hour": {FROM}', '"from_hour": 12')
    earlier = today.with_columns(noon, day=pl.lit(DAY - timedelta(days=3)))
    assert earlier["action"][0] != today["action"][0]
    alone = [scorecard_of_day(day=later, days=days, issued=rows) for rows in (today, earlier)]
    assert_frame_equal(scorecard_of_day(day=later, days=days, issued=pl.concat([today, earlier])).sort("horizon_days"),
                       pl.concat(alone), check_exact=True)  # fmt: skip
    assert alone[0]["realised"].item() > alone[1]["realised"].item() + 0.05


def test_few_users_are_told_of_in_no_row() -> None:
    assert timing(week(1), START, DAY, pl.Series(["c"]), members_on=BEFORE, disclosure_k=USERS + 1).is_empty()
    assert measured(replace(week(1), present=None)).is_empty()


def test_order_of_rows_does_not_show() -> None:
    days = week(5)
    assert suggested(mixed(days, "engagement", "labels", "memberships", "present")).equals(suggested(days))
