"""Creators: who is measured and what they are about, the gain by hand, intervals that hold, and who stays out."""

import json
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from strategies_world import days_of_showings, full_graph

from coterie.strategies.action import told
from coterie.strategies.candidates import MOST_SEEDS
from coterie.strategies.creators import CREATOR_GAIN, MOST_CREATORS, by_creator, known_creators
from coterie.strategies.days import Days
from coterie.strategies.experiment import plans_of_day
from coterie.strategies.kinds import SEED_CREATORS
from coterie.strategies.propose import PROPOSED, strategies_of_day, strategy_id
from coterie.strategies.scorecard import scorecard_of_day
from coterie.tables import COMMUNITIES, STRATEGIES, USER_GRAPH

DAY = date(2024, 5, 21)
START, BEFORE = DAY - timedelta(days=6), DAY - timedelta(days=7)
USERS, SHOWN, ITEMS = 150, 8, 12  # of members and of others; showings a user and day; items of a creator
CREATORS = ("ada", "bo", "cy")
# Members like Ada, whom they are shown one time in twenty; others are shown all three alike, and like all alike.
SHOWN_TO_MEMBERS = (0.05, 0.55, 0.40)
MEMBERS, OTHERS = (0.6, 0.3, 0.2), (0.35, 0.35, 0.35)
TRUE_GAIN = MEMBERS[0] - float(np.dot(SHOWN_TO_MEMBERS, MEMBERS))
INTERESTS = {"ada": "art", "bo": "bread", "cy": "cars"}
TAXONOMY = pl.DataFrame({"interest_id": ["art", "bread", "cars"], "interest": ["Art", "Bread", "Cars"],
                         "sensitive": [False, False, False]})  # fmt: skip
REAL = pl.DataFrame(
    [{"community_id": "c", "parent_id": None, "level": 0, "users": USERS, "verdict": "real", "p_value": 0.001,
      "q_value": 0.001, "stability": 1.0, "name": "C", "summary": "C", "evidence": "{}", "tested_users": 50.0,
      "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0}],
    schema=COMMUNITIES.schema,
)  # fmt: skip


def week(seed: int, last: date = DAY, spread: float = 0.1) -> Days:
    """A week of showings, all of them random; items of a creator differ by `spread`."""
    rng = np.random.default_rng(seed)
    n = 2 * USERS * 7 * SHOWN
    user, day = np.repeat(np.arange(2 * USERS), 7 * SHOWN), np.tile(np.arange(7), 2 * USERS * SHOWN)
    member = user < USERS
    creator = np.where(member, rng.choice(3, n, p=SHOWN_TO_MEMBERS), rng.integers(0, 3, n))
    item = rng.integers(0, ITEMS, n)
    quality = rng.normal(0, spread, (3, ITEMS))
    chance = np.where(member, np.take(MEMBERS, creator), np.take(OTHERS, creator)) + quality[creator, item]
    shown = pl.DataFrame(
        {
            "day": [last - timedelta(days=int(6 - d)) for d in day],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"{CREATORS[c]}{i}" for c, i in zip(creator, item, strict=True)],
            "strength": (rng.random(n) < np.clip(chance, 0, 1)).astype(float),
        }
    )
    items = [f"{c}{i}" for c in CREATORS for i in range(ITEMS)]
    by = [i.rstrip("0123456789") for i in items]
    members = pl.DataFrame({"user_id": [f"u{u:03d}" for u in range(USERS)], "community_id": "c"})
    return days_of_showings(
        shown,
        pl.DataFrame({"item_id": items, "interest_id": [INTERESTS[c] for c in by], "weight": 1.0}),
        pl.concat([members.with_columns(day=pl.lit(on)) for on in (BEFORE, DAY)]),
        pl.DataFrame({"item_id": items, "creator_id": by}),
    )


def measured(days: Days) -> pl.DataFrame:
    ids = pl.Series(["c"])
    return by_creator(days, START, DAY, ids, members_on=BEFORE).outcomes.sort("creator_id")


def suggested(days: Days, taxonomy: pl.DataFrame = TAXONOMY) -> pl.DataFrame:
    found = strategies_of_day(
        day=DAY, days=days, communities=REAL, interest_graph=full_graph().clear(), taxonomy=taxonomy
    )
    return found.filter(pl.col("kind") == SEED_CREATORS)


def test_the_gain_is_that_of_the_creators_showings_less_all() -> None:
    days = week(1)
    rows = measured(days)
    theirs = days.engagement.filter(pl.col("user_id") < f"u{USERS:03d}")
    for row in rows.iter_rows(named=True):
        of_it = theirs.filter(pl.col("item_id").str.starts_with(row["creator_id"]))
        assert row["value"] == pytest.approx(of_it["strength"].mean())
        assert row["difference"] == pytest.approx(of_it["strength"].mean() - theirs["strength"].mean())
        assert row["served_share"] == pytest.approx(of_it.height / theirs.height)
        others = days.engagement.filter(pl.col("user_id") >= f"u{USERS:03d}")
        share = others["item_id"].str.starts_with(row["creator_id"]).mean()
        assert row["shown_to_others"] == pytest.approx(share)
    assert rows.select("interest_id", "metric").rows() == [(INTERESTS[c], CREATOR_GAIN) for c in CREATORS]


def test_intervals_hold_where_items_differ() -> None:
    off = []
    for seed in range(60):
        row = measured(week(seed)).row(0, named=True)
        off.append((row["difference"] - TRUE_GAIN) / row["std_error"])
    assert 0.80 <= (np.abs(off) <= 1.645).mean() <= 0.99


def test_who_members_hardly_see_and_like_is_suggested_by_name_to_the_service_alone() -> None:
    row = suggested(week(2)).row(0, named=True)
    assert (row["creator_id"], row["interest_id"], row["status"]) == ("ada", "art", PROPOSED)
    assert row["strategy_id"] == strategy_id(SEED_CREATORS, "c", "art")  # which tells nobody who it is
    assert json.loads(row["action"])["parameters"] == {"slots_per_100": 1}
    evidence = json.loads(row["evidence"])
    assert evidence["share_of_others_showings"] > evidence["share_of_showings_now"]
    assert '"ada"' not in row["evidence"] + row["action"]
    assert (
        told(json.loads(row["action"]), effect=row["effect"], std_error=row["std_error"]) is None
    )  # stays in the lake
    # Bo fills their feed, and Cy brings less: neither is suggested.
    assert suggested(week(2)).filter(pl.col("creator_id") != "ada").filter(pl.col("status") == PROPOSED).is_empty()


def test_it_is_planned_for_and_scored_by_the_same_measure() -> None:
    days = week(3)
    rows = suggested(days).filter(pl.col("status") == PROPOSED)
    plan = plans_of_day(
        day=DAY, days=days, strategies=rows, communities=REAL, user_graph=USER_GRAPH.empty(), disclosure_k=20
    )
    assert plan["strategy_id"].to_list() == rows["strategy_id"].to_list()
    later = DAY + timedelta(days=7)
    card = scorecard_of_day(day=later, days=week(4, later), issued=rows.with_columns(day=pl.lit(DAY)))
    row = card.row(0, named=True)
    assert row["verdict"] == "hit"
    assert abs(row["placebo"]) < 0.1 < row["realised"]
    assert STRATEGIES.persons == ("creator_id",)


def test_a_creator_of_what_is_never_targeted_is_kept_for_analysis() -> None:
    health = TAXONOMY.with_columns(sensitive=pl.col("interest_id") == "art")
    row = suggested(week(2), health).filter(pl.col("creator_id") == "ada").row(0, named=True)
    assert row["status"] == "withheld: sensitive interest"
    assert json.loads(row["action"]) == {"type": "none"}


def test_a_tenth_of_sensitive_showings_is_enough_to_stay_out() -> None:
    shown = pl.DataFrame(
        {"user_id": [f"u{n}" for n in range(100)], "item_id": ["a"] * 89 + ["b"] * 11, "exposures": [1] * 100}
    )
    creators = pl.DataFrame({"item_id": ["a", "b"], "creator_id": ["x", "x"]})
    labels = pl.DataFrame({"item_id": ["a", "b"], "interest_id": ["art", "health"], "weight": [1.0, 1.0]})
    art = pl.Series(["art"])
    found = known_creators(shown, creators, labels, art, fewest=20).about
    assert found.rows() == [("x", "art", True)]
    fewer = shown.filter(pl.int_range(pl.len()) < 95)  # six of 95
    assert known_creators(fewer, creators, labels, art, fewest=20).about.rows() == [("x", "art", False)]


def test_of_whom_too_little_is_labelled_nobody_knows_what_they_are_about() -> None:
    shown = pl.DataFrame({"user_id": [f"u{n}" for n in range(100)], "item_id": ["a"] * 49 + ["b"] * 51, "exposures": 1})
    creators = pl.DataFrame({"item_id": ["a", "b"], "creator_id": ["x", "x"]})
    labels = pl.DataFrame({"item_id": ["a"], "interest_id": ["art"], "weight": [1.0]})
    assert known_creators(shown, creators, labels, None, fewest=20).about.is_empty()
    named = known_creators(shown, creators, labels, None, fewest=20, named=pl.Series(["x"]))
    assert named.about.rows() == [("x", "art", False)]  # who was suggested is scored, whatever they are about by now
    assert named.of_items.height == 2


def test_creators_are_chosen_by_reach_and_few_users_are_none() -> None:
    rng = np.random.default_rng(0)
    n = MOST_CREATORS + 50
    reach = rng.permutation(np.arange(n) + 5)
    rows = [(f"u{u}", f"i{c}", 1) for c in range(n) for u in range(reach[c])]
    shown = pl.DataFrame(rows, schema=["user_id", "item_id", "exposures"], orient="row")
    creators = pl.DataFrame({"item_id": [f"i{c}" for c in range(n)], "creator_id": [f"k{c}" for c in range(n)]})
    labels = pl.DataFrame({"item_id": creators["item_id"], "interest_id": "art", "weight": 1.0})
    kept = set(known_creators(shown, creators, labels, None, fewest=20).about["creator_id"])
    assert kept == {f"k{c}" for c in np.argsort(-reach)[:MOST_CREATORS]}
    few = set(known_creators(shown, creators, labels, None, fewest=n).about["creator_id"])
    assert few == {f"k{c}" for c in range(n) if reach[c] >= n}
    assert MOST_SEEDS < MOST_CREATORS


def test_a_log_without_creators_or_comparable_showings_has_none() -> None:
    days = week(1)
    for missing in ({"creators": None}, {"exposed": None}):
        assert measured(Days(**(vars(days) | missing))).is_empty()


def test_order_of_rows_does_not_show() -> None:
    days = week(5)
    mixed = {
        name: getattr(days, name).sample(fraction=1, shuffle=True, seed=2)
        for name in ("engagement", "labels", "memberships", "exposed", "creators")
    }
    assert suggested(Days(**(vars(days) | mixed))).equals(suggested(days))
