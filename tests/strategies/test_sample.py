"""A sample of users: who is in it, and that what it says is what all say, less exactly."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_world import DAY, World, full_graph, taxonomy, world

from coterie.strategies.days import Days
from coterie.strategies.experiment import traffic
from coterie.strategies.propose import strategies_of_day
from coterie.strategies.sample import MOST_ROWS, sampled, share_of_users

USERS = pl.Series([f"u{k:05d}" for k in range(20_000)])


def test_all_are_read_while_they_fit() -> None:
    assert [share_of_users(n) for n in (0, 1, MOST_ROWS, 4 * MOST_ROWS)] == [1, 1, 1, 0.25]
    assert sampled(USERS, 1.0).equals(USERS)


@given(st.floats(0.02, 0.9), st.floats(0.02, 0.9))
def test_a_smaller_sample_is_part_of_a_larger(one: float, two: float) -> None:
    small, large = (sampled(USERS, share) for share in sorted((one, two)))
    assert set(small) <= set(large)
    assert len(large) / len(USERS) == pytest.approx(max(one, two), abs=5 * 0.5 / len(USERS) ** 0.5)
    assert sampled(USERS.shuffle(seed=1), one).sort().equals(sampled(USERS, one))


def of(w: World, days: Days) -> pl.DataFrame:
    return strategies_of_day(
        day=DAY, days=days, communities=w.community_rows(), interest_graph=full_graph(), taxonomy=taxonomy()
    )


def test_a_sample_says_the_same_less_exactly_and_says_that_it_is_one() -> None:
    w = world(5, users=4000, tilt=1.5)
    days = w.days(DAY, exposed=True)
    mine = sampled(pl.Series(w.users), 0.5)
    half = replace(days, engagement=days.engagement.filter(pl.col("user_id").is_in(mine.implode())), share=0.5)
    both = of(w, days).join(of(w, half), on="strategy_id", suffix="_half").filter(pl.col("effect").is_not_null())
    assert both.height >= 5
    z = ((both["effect_half"] - both["effect"]) / both["std_error_half"]).to_numpy()
    assert np.abs(z).max() < 3
    assert (both["std_error_half"] / both["std_error"]).median() == pytest.approx(2**0.5, rel=0.15)  # type: ignore[operator]
    assert both["users_affected_half"].equals(both["users_affected"])
    assert [json.loads(e).get("share_of_users") for e in both["evidence_half"]] == [0.5] * both.height
    assert all("share_of_users" not in json.loads(e) for e in both["evidence"])


def test_members_in_the_sample_stand_for_all_in_a_plan() -> None:
    w = world(6, users=3000)
    engagement, members = w.engagement(DAY), w.memberships(DAY).select("user_id", "community_id")
    part = members.filter(pl.col("user_id").is_in(sampled(members["user_id"], 0.5).implode()))
    whole, half = traffic(engagement, members), traffic(engagement, part, 0.5)
    assert set(whole) == set(half)
    for community in whole:
        assert half[community].active_days.sum() == pytest.approx(whole[community].active_days.sum(), rel=0.1)
        assert half[community].reach(14) == pytest.approx(whole[community].reach(14), rel=0.1)
