"""Newcomers: placed by few engagements where communities differ, by none where they do not, and as often right as it says."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from polars.testing import assert_frame_equal

from coterie.export.words import ask_of
from coterie.strategies.action import action_schema, told
from coterie.strategies.days import Days
from coterie.strategies.experiment import plans_of_day
from coterie.strategies.kinds import COLD_START
from coterie.strategies.newcomers import MOST_ITEMS, PRECISION, SIGNALS, UNKNOWN, newcomers
from coterie.strategies.propose import PROPOSED, strategies_of_day
from coterie.strategies.scorecard import scorecard_of_day
from coterie.tables import COMMUNITIES, INTEREST_DAILY, INTEREST_GRAPH, USER_GRAPH, USER_INTERESTS

DAY = date(2024, 5, 21)
BEFORE, START = DAY - timedelta(days=7), DAY - timedelta(days=6)
EACH, ROWS, ITEMS = 120, 40, 30  # users of each community and of none; rows of a user; items of an interest
IDS = ("ann", "bob", "cid")
INTERESTS = tuple("abcdef")
TAXONOMY = pl.DataFrame({"interest_id": INTERESTS, "interest": INTERESTS, "sensitive": [False] * 6})
REAL = pl.DataFrame(
    [{"community_id": c, "parent_id": None, "level": 0, "users": EACH, "verdict": "real", "p_value": 0.001,
      "q_value": 0.001, "stability": 1.0, "name": c, "summary": c, "evidence": "{}", "tested_users": 50.0,
      "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0} for c in IDS],
    schema=COMMUNITIES.schema,
)  # fmt: skip


def week(seed: int, last: date = DAY, own: float = 0.7) -> Days:
    """Members give `own` of their engagement to their own interest; the rest, and others all of it, to all alike."""
    rng = np.random.default_rng(seed)
    users = EACH * (len(IDS) + 1)
    user = np.repeat(np.arange(users), ROWS)
    home = user // EACH
    n = len(user)
    interest = np.where((home < len(IDS)) & (rng.random(n) < own), home, rng.integers(0, len(INTERESTS), n))
    rows = pl.DataFrame(
        {
            "day": [last - timedelta(days=int(d)) for d in rng.integers(0, 7, n)],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"{INTERESTS[j]}{i}" for j, i in zip(interest, rng.integers(0, ITEMS, n), strict=True)],
            "strength": rng.uniform(0.3, 1, n) * (rng.random(n) < 0.5),
            "exposures": pl.Series(np.ones(n), dtype=pl.Int64),
            "exposure_logged": True,
        }
    ).unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)
    labels = [(f"{j}{i}", j, 1.0) for j in INTERESTS for i in range(ITEMS)]
    members = [(f"u{u:03d}", IDS[u // EACH], on) for on in (BEFORE, DAY) for u in range(EACH * len(IDS))]
    nothing = pl.lit(None, pl.Date).alias("day")
    return Days(
        engagement=rows,
        labels=pl.DataFrame(labels, schema=["item_id", "interest_id", "weight"], orient="row"),
        memberships=pl.DataFrame(members, schema=["user_id", "community_id", "day"], orient="row").with_columns(
            is_primary=pl.lit(True)
        ),
        user_interests=USER_INTERESTS.empty().select(nothing, pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(nothing, pl.all()),
    )


def measured(days: Days, **more: object) -> pl.DataFrame:
    return newcomers(days, START, DAY, pl.Series(IDS), members_on=BEFORE, **more)  # type: ignore[arg-type]


def after(signals: int) -> pl.DataFrame:
    return pl.DataFrame({"community_id": IDS, "interest_id": INTERESTS[:3], "signals": [signals] * 3})


def suggested(days: Days, taxonomy: pl.DataFrame = TAXONOMY) -> pl.DataFrame:
    found = strategies_of_day(
        day=DAY, days=days, communities=REAL, interest_graph=INTEREST_GRAPH.empty(), taxonomy=taxonomy
    )
    return found.filter(pl.col("kind") == COLD_START)


def test_where_nobody_else_likes_it_the_first_engagement_tells() -> None:
    days = week(1, own=1.0)
    alone = days.engagement.filter(pl.col("user_id") < f"u{3 * EACH:03d}")
    rows = newcomers(replace(days, engagement=alone), START, DAY, pl.Series(IDS), members_on=BEFORE)
    assert rows["signals"].to_list() == [1, 1, 1]
    assert rows["value"].to_list() == rows["known_share"].to_list() == [1.0, 1.0, 1.0]
    assert rows["interest_id"].to_list() == ["a", "b", "c"]
    assert [bundle.partition("=")[0] for bundle in rows["bundle"]] == ["a", "b", "c"]


def test_it_takes_more_engagements_the_less_communities_differ() -> None:
    taken = [measured(week(2, own=own))["signals"].mean() for own in (0.9, 0.7, 0.5)]
    assert taken == sorted(taken)
    assert taken[0] < taken[-1]


@pytest.mark.parametrize("signals", [2, 5])
def test_intervals_hold_the_share_that_is_right(signals: int) -> None:
    rows = pl.concat([measured(week(seed), asked=after(signals)) for seed in range(40)])
    off = (rows["difference"] - rows["difference"].mean()).abs()
    assert (off <= 1.645 * rows["std_error"]).mean() >= 0.88


def test_choosing_the_number_costs_nothing() -> None:
    chosen = pl.concat([measured(week(seed)) for seed in range(40)]).filter(pl.col("why_not").is_null())
    assert chosen.height > 60
    truth = {n: pl.concat([measured(week(100 + seed), asked=after(n)) for seed in range(10)])["difference"].mean()
             for n in chosen["signals"].unique().to_list()}  # fmt: skip
    off = chosen["difference"] - pl.Series([truth[n] for n in chosen["signals"]])
    assert abs(off.mean()) < 0.02
    assert (off.abs() <= 1.645 * chosen["std_error"] + chosen["bias_bound"]).mean() >= 0.88
    assert (chosen["value"] >= PRECISION).mean() >= 0.9


def test_where_all_are_alike_nothing_is_suggested() -> None:
    rows = pl.concat([suggested(week(seed, own=0.0)) for seed in range(10)])
    assert rows.filter(pl.col("status") == PROPOSED).is_empty()
    assert pl.concat([measured(week(seed, own=0.0)) for seed in range(20)])["signals"].is_null().all()
    assert UNKNOWN.startswith(f"{SIGNALS[-1]} engagements")


def test_it_is_suggested_with_a_bundle_that_a_service_can_apply() -> None:
    rows = suggested(week(3))
    assert rows["status"].to_list() == [PROPOSED] * 3
    row = rows.row(0, named=True)
    action = json.loads(row["action"])
    Draft202012Validator(action_schema()).validate(action)
    assert told(action, effect=row["effect"], std_error=row["std_error"]) == action
    first = action["parameters"]["bundle"][0]
    assert (first["interest_id"], row["interest_id"]) == ("a", "a")
    assert 1 <= first["items"] <= MOST_ITEMS
    assert json.loads(row["evidence"])["engagements_until_known"] == action["parameters"]["signals"]
    assert ask_of(action).startswith(f"{first['items']} items of a")


def test_sensitive_interests_are_in_no_bundle() -> None:
    health = TAXONOMY.with_columns(sensitive=pl.col("interest_id") == "a")
    actions = [json.loads(text) for text in suggested(week(3), health)["action"]]
    shown = {part["interest_id"] for action in actions for part in action.get("parameters", {}).get("bundle", [])}
    assert shown
    assert "a" not in shown


def test_it_is_scored_after_as_many_engagements_and_no_test_of_members_is_planned() -> None:
    days = week(4)
    rows = suggested(days).filter(pl.col("status") == PROPOSED)
    plans = plans_of_day(day=DAY, days=days, strategies=rows, communities=REAL, user_graph=USER_GRAPH.empty())
    assert plans.is_empty()  # newcomers are no members
    later = DAY + timedelta(days=7)
    issued = rows.with_columns(day=pl.lit(DAY))
    card = scorecard_of_day(day=later, days=week(5, later), issued=issued)
    assert card["verdict"].to_list() == ["hit"] * 3
    assert card["placebo"].abs().max() < 0.1
    alike = scorecard_of_day(day=later, days=week(5, later, own=0.1), issued=issued)
    assert "hit" not in alike["verdict"].to_list()


def test_each_suggestion_is_scored_after_its_own_number_of_engagements() -> None:
    later = DAY + timedelta(days=7)
    today = suggested(week(4)).filter(pl.col("status") == PROPOSED).with_columns(day=pl.lit(DAY))
    one = pl.col("action").str.replace(r'"signals": \d+', '"signals": 1')
    earlier = today.with_columns(one, day=pl.lit(DAY - timedelta(days=3)))
    alone = [scorecard_of_day(day=later, days=week(5, later), issued=rows) for rows in (today, earlier)]
    both = scorecard_of_day(day=later, days=week(5, later), issued=pl.concat([today, earlier]))
    assert_frame_equal(both.sort("horizon_days", "strategy_id"), pl.concat(alone), check_exact=True)
    assert alone[0]["realised"].to_list() != alone[1]["realised"].to_list()


def test_few_users_are_told_of_in_no_number() -> None:
    rows = measured(week(1), asked=after(5), disclosure_k=EACH)
    assert rows["why_not"].str.contains("active members").all()
    assert rows["difference"].is_null().all()
    assert measured(replace(week(1), memberships=week(1).memberships.clear())).is_empty()


def test_order_of_rows_does_not_show() -> None:
    days = week(6)
    mixed = {
        name: getattr(days, name).sample(fraction=1, shuffle=True, seed=2)
        for name in ("engagement", "labels", "memberships")
    }
    assert measured(replace(days, **mixed)).equals(measured(days))
