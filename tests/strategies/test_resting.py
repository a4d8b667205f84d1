"""Wear of an interest within a day: what later showings lose, and nothing where everybody tires of everything."""

import json
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from polars.testing import assert_frame_equal
from strategies_world import days_of_showings, mixed, planned

from coterie.strategies.action import action_schema, told
from coterie.strategies.days import Days
from coterie.strategies.kinds import REST
from coterie.strategies.order import main_interests, ordered
from coterie.strategies.outcome import measure
from coterie.strategies.propose import PROPOSED, strategies_of_day
from coterie.strategies.resting import LATE, resting
from coterie.strategies.scorecard import scorecard_of_day
from coterie.tables import COMMUNITIES, INTEREST_DAILY, INTEREST_GRAPH

DAY = date(2024, 5, 21)
BEFORE, START = DAY - timedelta(days=7), DAY - timedelta(days=6)
USERS, SHOWN, ITEMS = 80, 20, 150  # of members and of others; showings a user and day; items of an interest
FRESH, WEAR = 5, 0.15  # members have had enough of art after five showings; then each loses so much
INTERESTS = ("art", "bread", "cars")
TAXONOMY = pl.DataFrame({"interest_id": INTERESTS, "interest": ["Art", "Bread", "Cars"], "sensitive": [False] * 3})
REAL = pl.DataFrame(
    [{"community_id": "c", "parent_id": None, "level": 0, "users": USERS, "verdict": "real", "p_value": 0.001,
      "q_value": 0.001, "stability": 1.0, "name": "C", "summary": "C", "evidence": "{}", "tested_users": 50.0,
      "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0}],
    schema=COMMUNITIES.schema,
)  # fmt: skip


def week(seed: int, last: date = DAY, *, wear: float = WEAR, tiring: float = 0.005, annoying: float = 0.0) -> Days:
    """Random showings in order. All showings bring less as a day goes on (`tiring`), and who is shown more art likes all
    more: neither is wear of art."""
    rng = np.random.default_rng(seed)
    n = 2 * USERS * 7 * SHOWN
    user = np.repeat(np.arange(2 * USERS), 7 * SHOWN)
    day, place = np.tile(np.repeat(np.arange(7), SHOWN), 2 * USERS), np.tile(np.arange(SHOWN), 2 * USERS * 7)
    much = rng.uniform(0.1, 0.6, 2 * USERS)[user]
    interest = np.where(rng.random(n) < much, 0, rng.integers(1, 3, n))
    seen = np.cumsum((interest == 0).reshape(-1, SHOWN), axis=1).ravel()
    worn = (interest == 0) & (seen > FRESH) & (user < USERS)
    quality = rng.normal(0, 0.03, (3, ITEMS))
    item = rng.integers(0, ITEMS, n)
    chance = 0.45 + 0.4 * (much - 0.35) - tiring * place + quality[interest, item] - wear * worn
    shown = pl.DataFrame(
        {
            "day": [last - timedelta(days=int(6 - d)) for d in day],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"{INTERESTS[j]}{i}" for j, i in zip(interest, item, strict=True)],
            "strength": (rng.random(n) < np.clip(chance, 0, 1)).astype(float),
            "negative": rng.random(n) < 0.02 + annoying * worn,
            "occurred_at": [datetime(2024, 5, 1) + timedelta(minutes=int(p)) for p in place],
        }
    ).with_columns(event_id=pl.col("item_id"))
    labels = pl.DataFrame(
        [(f"{j}{i}", j, 1.0) for j in INTERESTS for i in range(ITEMS)],
        schema=["item_id", "interest_id", "weight"],
        orient="row",
    )
    known = ordered(shown, main_interests(labels)).drop("occurred_at", "event_id")
    members = pl.DataFrame({"user_id": [f"u{u:03d}" for u in range(USERS)], "community_id": "c"})
    return days_of_showings(known, labels, pl.concat([members.with_columns(day=pl.lit(on)) for on in (BEFORE, DAY)]))


def measured(days: Days, **more: pl.DataFrame) -> pl.DataFrame:
    window = days.window(START, DAY, pl.Series(["c"]), members_on=BEFORE)
    outcomes = measure(window, INTEREST_DAILY.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()))
    return resting(days, START, DAY, outcomes, members_on=BEFORE, **more)


def of_art(days: Days, **more: pl.DataFrame) -> dict:
    return measured(days, **more).filter(pl.col("interest_id") == "art").row(0, named=True)


def suggested(days: Days, taxonomy: pl.DataFrame = TAXONOMY) -> pl.DataFrame:
    found = strategies_of_day(
        day=DAY, days=days, communities=REAL, interest_graph=INTEREST_GRAPH.empty(), taxonomy=taxonomy
    )
    return found.filter(pl.col("kind") == REST)


def test_showings_are_counted_by_day_user_and_main_interest_in_the_order_of_time() -> None:
    rows = [  # user, item, time, event
        ("u", "a", 1, "e3"),
        ("u", "b", 2, "e1"),
        ("u", "x", 3, "e2"),
        ("u", "a", 5, "e0"),
        ("w", "b", 4, "e4"),
        ("u", "a", 3, "e1"),
    ]
    shown = pl.DataFrame(rows, schema=["user_id", "item_id", "occurred_at", "event_id"], orient="row").with_columns(
        day=pl.lit(DAY)
    )
    labels = [("a", "art", 0.6), ("a", "bread", 0.4), ("b", "art", 0.5), ("b", "bread", 0.5)]
    main = main_interests(pl.DataFrame(labels, schema=["item_id", "interest_id", "weight"], orient="row"))
    found = ordered(shown, main).select("user_id", "item_id", "place", "nth").rows()
    assert found == [
        ("u", "a", 1, 1),
        ("u", "b", 2, 2),
        ("u", "a", 3, 3),
        ("u", "x", 4, None),
        ("u", "a", 5, 4),
        ("w", "b", 1, 1),
    ]


def test_the_cap_leaves_a_quarter_and_the_gain_is_of_the_same_days() -> None:
    days = week(1)
    row = of_art(days)
    assert days.exposed is not None
    nth = days.exposed.filter(pl.col("user_id") < f"u{USERS:03d}", pl.col("item_id").str.starts_with("art"))["nth"]
    assert row["late_share"] == pytest.approx((nth > row["most_per_day"]).mean())
    assert (nth > row["most_per_day"]).mean() <= LATE < (nth > row["most_per_day"] - 1).mean()
    assert row["difference"] == pytest.approx(WEAR, abs=4 * row["std_error"])
    assert row["evaluability"] == "random_exposure"


def test_intervals_hold_though_all_tire_and_who_sees_more_likes_more() -> None:
    rows = [of_art(week(seed)) for seed in range(50)]
    assert np.mean([abs(r["difference"] - WEAR) <= 1.645 * r["std_error"] for r in rows]) >= 0.86
    # Wear sets in before the cap, so of the earlier showings a part has it.
    assert np.mean([r["tired"] > 0 for r in rows]) >= 0.95


def test_where_everything_tires_alike_nothing_is_suggested() -> None:
    proposed = [suggested(week(seed, wear=0.0, tiring=0.015))["status"].eq(PROPOSED).any() for seed in range(25)]
    assert np.mean(proposed) <= 0.10


def test_it_is_suggested_with_a_cap_that_a_service_can_apply() -> None:
    row = suggested(week(4, annoying=0.05)).row(0, named=True)
    assert (row["status"], row["interest_id"], row["metric"]) == (PROPOSED, "art", "gain_per_showing_rested")
    assert row["effect_low"] < WEAR < row["effect_high"]
    action = json.loads(row["action"])
    Draft202012Validator(action_schema()).validate(action)
    assert told(action, effect=row["effect"], std_error=row["std_error"]) == action
    evidence = json.loads(row["evidence"])
    assert evidence["negative_signals_rise_beyond_the_cap"] > 0
    assert evidence["share_of_showings_moved"] == pytest.approx(
        evidence["share_of_showings_now"] * evidence["share_of_its_showings_beyond_the_cap"], rel=1e-4
    )
    assert abs(evidence["placebo"]) < row["effect"]


def test_sensitive_interests_are_never_targeted() -> None:
    health = TAXONOMY.with_columns(sensitive=pl.col("interest_id") == "art")
    assert suggested(week(2), health).filter(pl.col("interest_id") == "art")["status"].to_list() in (
        [], ["withheld: sensitive interest"]
    )  # fmt: skip


def test_it_is_planned_for_and_scored_at_the_cap_that_was_suggested() -> None:
    days = week(3)
    issued = planned(DAY, days, suggested(days), REAL)
    later = DAY + timedelta(days=7)
    for days_later, verdict in ((week(4, later), "hit"), (week(4, later, wear=-0.1), "miss")):
        card = scorecard_of_day(day=later, days=days_later, issued=issued).row(0, named=True)
        assert card["verdict"] == verdict


def test_each_suggestion_is_scored_at_its_own_cap() -> None:
    later = DAY + timedelta(days=7)
    days, today = week(4, later), planned(DAY, week(3), suggested(week(3)), REAL)
    cap = json.loads(today["action"][0])["parameters"]["most_per_day"]
    less = pl.col("action").str.replace(f'"most_per_day": {cap}', f'"most_per_day": {cap - 1}')
    earlier = today.with_columns(less, day=pl.lit(DAY - timedelta(days=3)))
    alone = [scorecard_of_day(day=later, days=days, issued=rows) for rows in (today, earlier)]
    assert_frame_equal(scorecard_of_day(day=later, days=days, issued=pl.concat([today, earlier])).sort("horizon_days"),
                       pl.concat(alone), check_exact=True)  # fmt: skip
    assert alone[0]["realised"].item() != alone[1]["realised"].item()


def test_few_users_are_told_of_in_no_number_and_without_the_order_there_is_nothing() -> None:
    days = week(1)
    assert days.exposed is not None
    assert measured(replace(days, exposed=days.exposed.drop("nth"))).is_empty()
    assert measured(replace(days, exposed=None)).is_empty()
    window = days.window(START, DAY, pl.Series(["c"]), members_on=BEFORE)
    outcomes = measure(window, INTEREST_DAILY.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()))
    rows = resting(days, START, DAY, outcomes, members_on=BEFORE, disclosure_k=USERS + 1)
    assert set(rows["why_not"]) == {f"fewer than {USERS + 1} active members"}
    assert rows["difference"].is_null().all()


def test_order_of_rows_does_not_show() -> None:
    days = week(5)
    assert suggested(mixed(days, "engagement", "labels", "memberships")).equals(suggested(days))
