"""Which suggestions touched a user: by hand, and never one of a community that they were not in."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from coterie.strategies.decisions import DECISIONS
from coterie.strategies.touched import touched
from coterie.tables import USER_INTERESTS

DAY = date(2024, 5, 20)
WEEK = timedelta(days=7)
SUGGESTED = {"day": pl.Date, "strategy_id": pl.String, "kind": pl.String, "community_id": pl.String,
             "interest_id": pl.String, "status": pl.String, "expires_on": pl.Date}  # fmt: skip
MEMBER = {"day": pl.Date, "community_id": pl.String, "probability": pl.Float64}


def run(suggested: list[tuple], member: list[tuple], own: list[dict] | None = None, decided: list[tuple] | None = None):
    rows = [
        (day, key, "boost_interest", community, "d.i", "proposed", day + 2 * WEEK) for day, key, community in suggested
    ]
    interests = [dict.fromkeys(USER_INTERESTS.schema) | row for row in own or []]
    return touched(
        pl.DataFrame(rows, schema=SUGGESTED, orient="row"),
        pl.DataFrame(member, schema=MEMBER, orient="row"),
        pl.DataFrame(interests, schema=USER_INTERESTS.schema),
        pl.DataFrame(decided or [], schema=DECISIONS, orient="row"),
    )


def test_who_joined_since_is_aimed_at_and_who_left_is_in_the_evidence() -> None:
    suggested = [(DAY, "s-new", "c-new"), (DAY, "s-old", "c-old"), (DAY, "s-both", "c-both"), (DAY, "s-none", "c-none")]
    member = [(DAY, "c-new", 0.9), (DAY - WEEK, "c-old", 0.8), (DAY, "c-both", 0.7), (DAY - WEEK, "c-both", 0.6)]
    found = {row["strategy_id"]: row for row in run(suggested, member, [{"interest_id": "d.i", "lift": 2.5}])}
    assert set(found) == {"s-new", "s-old", "s-both"}
    assert found["s-new"]["aimed_at"] == {"member_on": DAY, "probability": 0.9}
    assert found["s-new"]["in_evidence"] is None
    assert found["s-old"]["aimed_at"] is None
    assert found["s-old"]["in_evidence"] == {
        "member_on": DAY - WEEK, "probability": 0.8, "acts_from": date(2024, 5, 14), "acts_to": DAY,
    }  # fmt: skip
    assert found["s-both"]["aimed_at"]["probability"] == 0.7
    assert found["s-both"]["in_evidence"]["probability"] == 0.6
    assert found["s-both"]["own_interest"]["lift"] == 2.5
    assert found["s-both"]["decision"] is None


def test_a_suggestion_made_again_is_told_once_as_it_last_touched_them_with_what_was_decided() -> None:
    suggested = [(DAY - WEEK, "s-1", "c"), (DAY, "s-1", "c"), (DAY, "s-0", "c")]
    decided = [("s-1", "shipped", DAY, DAY, "now")]
    found = run(suggested, [(DAY, "c", 0.9), (DAY - WEEK, "c", 0.9)], decided=decided)
    assert [(row["strategy_id"], row["issued_on"]) for row in found] == [("s-0", DAY), ("s-1", DAY)]
    assert found[1]["decision"]["decision"] == "shipped"
    left = run(suggested, [(DAY - WEEK, "c", 0.9), (DAY - 2 * WEEK, "c", 0.9)])
    assert [(row["strategy_id"], row["issued_on"]) for row in left] == [("s-0", DAY), ("s-1", DAY)]
    gone = run(suggested, [(DAY - 2 * WEEK, "c", 0.9)])
    assert [(row["strategy_id"], row["issued_on"]) for row in gone] == [("s-1", DAY - WEEK)]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), st.integers(0, 3))),
    st.lists(st.tuples(st.integers(0, 27), st.integers(0, 3))),
)
def test_only_suggestions_for_communities_of_theirs(suggested: list[tuple], member: list[tuple]) -> None:
    made = [(DAY - timedelta(days=ago), f"s-{key}-{c}", f"c{c}") for ago, key, c in dict.fromkeys(suggested)]
    belongs = [(DAY - timedelta(days=ago), f"c{c}", 0.5) for ago, c in dict.fromkeys(member)]
    days = {(day, c) for day, c, _ in belongs}
    wanted = {key for day, key, c in made if (day, c) in days or (day - WEEK, c) in days}
    assert {row["strategy_id"] for row in run(made, belongs)} == wanted
