"""Bridges: found by what was shown, the gain by hand, intervals that hold, and none where content is shared."""

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from strategies_world import days_of_showings, mixed, planned

from coterie.strategies.bridges import BRIDGE_GAIN, bridges
from coterie.strategies.days import Days
from coterie.strategies.intervention import MINGLED, NOT_MOVED
from coterie.strategies.kinds import BRIDGE
from coterie.strategies.propose import PROPOSED, strategies_of_day, strategy_id
from coterie.strategies.scorecard import SHIPPED, scorecard_of_day
from coterie.strategies.window import Window
from coterie.tables import COMMUNITIES, INTEREST_GRAPH, STRATEGIES

DAY = date(2024, 5, 21)
BEFORE = DAY - timedelta(days=7)
USERS, SHOWN, ITEMS = (
    150,
    8,
    20,
)  # of each community; showings a user and day; items of an interest, half of them each one's
OWN = 0.9  # share of a community's showings of art that are of its own half
# Ann's would like the other half of art more; Bob's make no difference between the halves.
LIKES = {"ann": (0.3, 0.6), "bob": (0.4, 0.4)}  # own half, other half
CARS = 0.2  # what everybody makes of the other interest
TRUE_GAIN = 0.6 - (OWN * 0.3 + (1 - OWN) * 0.6)
TAXONOMY = pl.DataFrame({"interest_id": ["art", "cars"], "interest": ["Art", "Cars"], "sensitive": [False, False]})
WANTED = pl.DataFrame({"community_id": ["ann", "bob"], "interest_id": ["art", "art"]})
REAL = pl.DataFrame(
    [{"community_id": c, "parent_id": None, "level": 0, "users": USERS, "verdict": "real", "p_value": 0.001,
      "q_value": 0.001, "stability": 1.0, "name": c, "summary": c, "evidence": "{}", "tested_users": 50.0,
      "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0} for c in LIKES],
    schema=COMMUNITIES.schema,
)  # fmt: skip


def week(seed: int, last: date = DAY, own: float = OWN, spread: float = 0.02, moved: float = 0.0) -> Days:
    """A week of showings, all of them random; items differ by `spread`. A third group is shown cars alone.

    Of what Ann's are shown of art, a share `moved` goes to the other half.
    """
    rng = np.random.default_rng(seed)
    user, day = np.repeat(np.arange(3 * USERS), 7 * SHOWN), np.tile(np.arange(7), 3 * USERS * SHOWN)
    n = len(user)
    group = user // USERS
    art = (group < 2) & (rng.random(n) < 0.5)
    mine = rng.random(n) < np.where(group == 0, own * (1 - moved), own)
    half = np.where(mine, group % 2, 1 - group % 2)
    item = rng.integers(0, ITEMS // 2, n) + half * (ITEMS // 2) * art
    quality = rng.normal(0, spread, ITEMS)
    liked = np.select([group == 0, group == 1], [np.where(mine, *LIKES["ann"]), np.where(mine, *LIKES["bob"])], CARS)
    chance = np.where(art, liked + quality[item], CARS)
    shown = pl.DataFrame(
        {
            "day": [last - timedelta(days=int(6 - d)) for d in day],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"{'art' if a else 'cars'}{i}" for a, i in zip(art, item, strict=True)],
            "strength": (rng.random(n) < np.clip(chance, 0, 1)).astype(float),
        }
    )
    labels = [(f"{j}{i}", j, 1.0) for j in ("art", "cars") for i in range(ITEMS)]
    members = pl.DataFrame(
        {"user_id": [f"u{u:03d}" for u in range(2 * USERS)], "community_id": ["ann"] * USERS + ["bob"] * USERS}
    )
    return days_of_showings(
        shown,
        pl.DataFrame(labels, schema=["item_id", "interest_id", "weight"], orient="row"),
        pl.concat([members.with_columns(day=pl.lit(on)) for on in (BEFORE, DAY)]),
    )


def window(days: Days) -> Window:
    return days.window(DAY - timedelta(days=6), DAY, pl.Series(list(LIKES)), members_on=BEFORE)


def suggested(days: Days) -> pl.DataFrame:
    found = strategies_of_day(
        day=DAY, days=days, communities=REAL, interest_graph=INTEREST_GRAPH.empty(), taxonomy=TAXONOMY
    )
    return found.filter(pl.col("kind") == BRIDGE)


def test_the_gain_is_of_the_others_items_less_all_of_the_interest() -> None:
    days = week(1)
    ann, bob = bridges(window(days), WANTED).iter_rows(named=True)
    assert [(r["community_id"], r["other_community_id"]) for r in (ann, bob)] == [("ann", "bob"), ("bob", "ann")]
    theirs = days.engagement.filter(pl.col("user_id") < f"u{USERS:03d}")
    art = theirs.filter(pl.col("item_id").str.starts_with("art"))
    others = art.filter(pl.col("item_id").str.slice(3).cast(pl.Int64) >= ITEMS // 2)
    assert ann["value"] == pytest.approx(others["strength"].mean())
    assert ann["baseline"] == pytest.approx(art["strength"].mean())
    assert ann["own_share"] == pytest.approx(others.height / art.height)
    assert ann["served_share"] == pytest.approx(art.height / theirs.height)
    assert ann["their_share"] == pytest.approx(OWN, abs=0.02)
    assert (ann["metric"], ann["evaluability"]) == (BRIDGE_GAIN, "random_exposure")


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_intervals_hold_whether_items_differ_or_not(spread: float) -> None:
    off = []
    for seed in range(60):
        ann, bob = bridges(window(week(seed, spread=spread)), WANTED).iter_rows(named=True)
        off += [(ann["difference"] - TRUE_GAIN) / ann["std_error"], bob["difference"] / bob["std_error"]]
    assert 0.82 <= (np.abs(off) <= 1.645).mean() <= 0.98


def test_that_the_halves_differ_is_no_error_of_items() -> None:
    """How much is shown of either half is given: with much of the other's shown already, errors are as large as they say."""
    true = 0.6 - (0.8 * 0.3 + 0.2 * 0.6)
    rows = [bridges(window(week(seed, own=0.8)), WANTED).row(0, named=True) for seed in range(1000, 1040)]
    off = [(row["difference"] - true * (1 - row["own_share"]) / 0.8) / row["std_error"] for row in rows]
    assert 0.75 < np.std(off) < 1.3


def test_where_content_is_shared_or_the_interest_is_not_there_is_no_bridge() -> None:
    assert bridges(window(week(1, own=0.5)), WANTED).is_empty()
    assert bridges(window(week(1)), WANTED.head(1)).is_empty()
    assert bridges(window(replace(week(1), exposed=None)), WANTED).is_empty()


def test_the_one_that_gains_is_suggested_and_the_other_is_not() -> None:
    rows = suggested(week(2)).filter(pl.col("status") == PROPOSED)
    row = rows.row(0, named=True)
    assert (rows.height, row["community_id"], row["interest_id"], row["other_community_id"]) == (1, "ann", "art", "bob")
    assert row["strategy_id"] == strategy_id(BRIDGE, "ann", "art|bob")
    assert json.loads(row["action"])["parameters"] == {"from_community_id": "bob", "share_of_interest": 0.2}
    assert row["effect_low"] < TRUE_GAIN < row["effect_high"]


def test_it_is_planned_for_and_scored_by_the_same_measure() -> None:
    days = week(3)
    issued = planned(DAY, days, suggested(days), REAL)
    later = DAY + timedelta(days=7)
    card = scorecard_of_day(day=later, days=week(4, later), issued=issued).row(0, named=True)
    assert (card["verdict"], card["placebo"]) == ("hit", None)
    gone = scorecard_of_day(day=later, days=week(4, later, own=0.5), issued=issued).row(0, named=True)
    assert gone["verdict"] == "not_scorable"  # by then both are shown the same


LATER = DAY + timedelta(days=7)


def in_force(days: Days, **changes: object) -> dict[str, object]:
    """The score of the bridge to Ann's, shipped on the day after it was suggested."""
    usual = {
        "strategy_id": "s", "kind": BRIDGE, "community_id": "ann", "interest_id": "art", "other_community_id": "bob",
        "metric": BRIDGE_GAIN, "effect": TRUE_GAIN, "std_error": 0.02, "evaluability": "random_exposure",
        "status": PROPOSED, "evidence": json.dumps({"share_of_own_showings_of_the_interest": 1 - OWN,
                                                    "share_of_their_showings_of_the_interest": OWN}),
        "issued_on": DAY, "shipped_on": DAY + timedelta(days=1), "held": True,
    }  # fmt: skip
    shipped = pl.DataFrame([usual | changes], schema=SHIPPED)
    nothing = pl.DataFrame(schema=STRATEGIES.schema | {"day": pl.Date})
    return scorecard_of_day(day=LATER, days=days, issued=nothing, shipped=shipped).row(0, named=True)


def test_what_was_shipped_is_scored_by_the_showings_of_the_interest_that_moved() -> None:
    """What is left to gain is less by then; what each showing brought that moved is not."""
    found = pl.DataFrame([in_force(week(seed, LATER, moved=0.2)) for seed in range(1000, 1040)])
    off = (found["realised"] - TRUE_GAIN) / found["realised_error"]
    assert found["realised"].mean() == pytest.approx(TRUE_GAIN, abs=0.01)
    assert 0.7 < off.std() < 1.35
    assert 0.78 <= (off.abs() <= 1.645).mean() <= 0.98
    assert (found["verdict"] == "hit").mean() >= 0.85


def test_where_items_are_no_longer_told_apart_it_is_not_scored() -> None:
    """So much has moved that members are shown some of the other's items half as often as the other is."""
    cards = [in_force(week(seed, LATER, moved=0.4)) for seed in range(8)]
    assert {card["verdict"] for card in cards} == {"not_scorable"}
    assert MINGLED in {card["why_not"] for card in cards}


def test_a_bridge_that_brings_nothing_once_it_is_there_is_a_miss() -> None:
    moved = week(3, LATER, moved=0.2)
    assert moved.exposed is not None
    rng = np.random.default_rng(1)
    alike = moved.exposed.with_columns(strength=pl.Series((rng.random(moved.exposed.height) < 0.4).astype(float)))
    card = in_force(replace(moved, exposed=alike))
    assert (card["verdict"], card["why_not"]) == ("miss", None)
    assert card["realised"] == pytest.approx(0, abs=0.06)


def test_where_nothing_moved_within_the_interest_it_is_not_scored() -> None:
    was = json.dumps({"share_of_own_showings_of_the_interest": 0.5, "share_of_showings_now": 0.0})
    card = in_force(week(3, LATER, moved=0.2), evidence=was)
    assert (card["verdict"], card["realised"], card["why_not"]) == ("not_scorable", None, NOT_MOVED)


def test_few_users_are_told_of_in_no_number() -> None:
    rows = bridges(window(week(1)), WANTED, disclosure_k=USERS + 1)
    assert set(rows["why_not"]) == {f"fewer than {USERS + 1} active members"}
    assert rows["difference"].is_null().all()


def test_order_of_rows_does_not_show() -> None:
    days = week(5)
    assert suggested(mixed(days, "engagement", "labels", "memberships", "exposed")).equals(suggested(days))
