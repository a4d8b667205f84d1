"""Drift, split, merger, birth, death: who belongs where, what they want, what the truth says, and what the log shows."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate import LifeEvent, Scenario, World
from coterie.simulate.life import DRIFT_DAYS, members_over_time
from tests.simulate.platforms import FIRST, SMALL, ran

DAY = 4
QUIET = replace(SMALL, days=14, mixing=0.4, events_per_day=1_000)
# No feed and no common wants: what is chosen is what the community wants for itself.
EVENTFUL = replace(
    SMALL, days=14, communities=6, mixing=0.1, exposures=False, events_per_day=8_000,
    life=(LifeEvent("drift", 2), LifeEvent("split", 3), LifeEvent("birth", 5), LifeEvent("merger", 7),
          LifeEvent("death", 9)),
)  # fmt: skip


def with_one(kind: str) -> World:
    return World(replace(QUIET, life=(LifeEvent(kind, DAY),)))  # type: ignore[arg-type]


def members(world: World, day: int, community: int) -> set[int]:
    return set(np.flatnonzero(world.state(day).community == community).tolist())


def own(world: World, day: int, community: int) -> np.ndarray:
    """What a community wants for itself, got back from the affinity: affinity = mixing common + (1 - mixing) own."""
    trend = world.platform.common * world.platform.trend(day)
    mixing = world.scenario.mixing
    return (world.state(day).affinity[community] - mixing * trend / trend.sum()) / (1 - mixing)


def lived(world: World) -> list[tuple[int, str, int, list[int]]]:
    """The lineage after the first day."""
    rows = [((day - FIRST).days, event, c, json.loads(origin)) for day, event, c, origin in world.lineage.iter_rows()]
    founded = rows[: world.scenario.communities]
    assert founded == [(0, "born", c, []) for c in range(world.scenario.communities)]
    return rows[len(founded) :]


def test_without_events_nobody_moves_and_wants_stay() -> None:
    world = World(QUIET)
    assert lived(world) == []
    for day in range(14):
        assert (world.state(day).community == world.platform.founding).all()
        assert own(world, day, 2) == pytest.approx(world.platform.own[2], abs=1e-12)


@pytest.mark.parametrize("kind", ["drift", "split", "merger", "birth", "death"])
def test_until_the_day_all_is_as_without_the_event_and_others_never_notice(kind: str) -> None:
    world = with_one(kind)
    touched = {"drift": {0}, "split": {0, 4}, "merger": {0, 1}, "birth": {4}, "death": {0}}[kind]
    assert (world.state(DAY - 1).community == world.platform.founding).all()
    for community in range(4):
        assert own(world, DAY - 1, community) == pytest.approx(world.platform.own[community], abs=1e-12)
        if community not in touched:
            assert members(world, DAY, community) == members(world, DAY - 1, community)
            assert own(world, 13, community) == pytest.approx(world.platform.own[community], abs=1e-12)


def test_a_drift_turns_the_interests_into_others_within_a_week() -> None:
    world = with_one("drift")
    before, after = own(world, DAY - 1, 0), own(world, DAY + DRIFT_DAYS - 1, 0)
    assert not np.any((before > 1e-9) & (after > 1e-9))
    assert after.sum() == pytest.approx(1)
    for k in range(DRIFT_DAYS):
        done = (k + 1) / DRIFT_DAYS
        assert own(world, DAY + k, 0) == pytest.approx((1 - done) * before + done * after, abs=1e-12)
    assert own(world, 13, 0) == pytest.approx(after, abs=1e-12)
    assert members(world, 13, 0) == members(world, 0, 0)
    assert lived(world) == [(DAY, "drifted", 0, [0])]


def test_a_split_halves_the_members_and_shares_out_the_interests() -> None:
    world = with_one("split")
    before = members(world, DAY - 1, 0)
    stay, leave = members(world, DAY, 0), members(world, DAY, 4)
    assert stay | leave == before
    assert not stay & leave
    assert len(leave) == len(before) // 2
    wanted, kept, taken = own(world, DAY - 1, 0), own(world, DAY, 0), own(world, DAY, 4)
    assert not np.any((kept > 1e-9) & (taken > 1e-9))
    for part in (kept, taken):
        held = part > 1e-9
        assert part.sum() == pytest.approx(1)
        assert part[held] == pytest.approx(wanted[held] / wanted[held].sum())
    assert np.count_nonzero(kept > 1e-9) == 2
    assert np.count_nonzero(taken > 1e-9) == 3
    assert lived(world) == [(DAY, "split", 4, [0])]
    assert not world.state(DAY - 1).alive[4]
    assert world.state(DAY).alive[4]


def test_a_merger_joins_members_and_wants() -> None:
    world = with_one("merger")
    assert members(world, DAY, 0) == members(world, DAY - 1, 0) | members(world, DAY - 1, 1)
    assert members(world, DAY, 1) == set()
    both = (own(world, DAY - 1, 0) + own(world, DAY - 1, 1)) / 2
    assert own(world, DAY, 0) == pytest.approx(both, abs=1e-12)
    assert lived(world) == [(DAY, "merged", 0, [0, 1])]
    assert world.state(DAY).alive.tolist() == [True, False, True, True]


def test_a_birth_takes_half_of_those_without_a_community() -> None:
    world = with_one("birth")
    free, born = members(world, DAY - 1, -1), members(world, DAY, 4)
    assert born < free
    assert len(born) == round(len(free) / 2) == 20
    assert members(world, DAY, -1) == free - born
    assert not world.state(DAY - 1).alive[4]
    assert np.count_nonzero(own(world, DAY, 4) > 1e-9) == 5
    assert lived(world) == [(DAY, "born", 4, [])]


def test_a_death_leaves_members_who_want_what_everybody_wants() -> None:
    world = with_one("death")
    gone = members(world, DAY - 1, 0)
    assert members(world, DAY, 0) == set()
    assert members(world, DAY, -1) == members(world, DAY - 1, -1) | gone
    now = world.state(DAY)
    common = world.platform.common * world.platform.trend(DAY)
    for user in sorted(gone)[:3]:
        assert now.affinity[now.group[user]] == pytest.approx(common / common.sum())
        assert now.feed_group[user] == 4  # the feed, too, takes them for nobody's
    assert lived(world) == [(DAY, "died", 0, [0])]


def test_every_community_has_an_event_of_its_own() -> None:
    happened = lived(World(EVENTFUL))
    assert [(day, event) for day, event, _, _ in happened] == [
        (2, "drifted"), (3, "split"), (5, "born"), (7, "merged"), (9, "died"),
    ]  # fmt: skip
    took_part = [c for _, event, community, origin in happened for c in ([community] if event == "born" else origin)]
    assert len(took_part) == len(set(took_part))


@pytest.mark.parametrize("dirt", [False, True])
def test_the_users_truth_tiles_the_days_and_says_what_holds_on_each(dirt: bool) -> None:
    world = World(replace(EVENTFUL, exposures=True, dirt=dirt))
    truth = members_over_time(world.platform, world.course, world.user_ids)
    assert truth["is_bot"].any() == dirt
    assert (truth["from_day"] <= truth["to_day"]).all()
    assert truth.group_by("uid").agg(pl.col("activity").first())["activity"].sum() == pytest.approx(1)
    last = len(world.state(0).affinity) - 1
    for day in range(14):
        on = FIRST + timedelta(days=day)
        then = truth.filter(pl.col("from_day") <= on, pl.col("to_day") >= on)
        assert then["uid"].to_list() == world.user_ids.to_list()
        state = world.state(day)
        assert then["community"].fill_null(-1).to_list() == state.community.tolist()
        assert then["feed_group"].fill_null(last).to_list() == state.feed_group.tolist()
    # Not more rows than there are changes.
    changes = truth.sort("uid", "from_day").select(
        same=pl.all_horizontal(pl.col(c).eq_missing(pl.col(c).shift(1)) for c in ("uid", "community", "feed_group"))
    )
    assert not changes["same"].any()


def test_the_first_communities_have_fixed_sizes_and_a_tenth_has_none() -> None:
    for seed in (1, 2):
        founding = World(Scenario(seed=seed, users=1_000, communities=5, events_per_day=100)).platform.founding
        sizes = np.bincount(founding + 1)
        assert sizes[0] == 100
        assert sizes[1:].tolist() == pytest.approx(895 / np.arange(3, 8) / (1 / np.arange(3, 8)).sum() + 1, abs=1)


def affinity_residuals(scenario: Scenario) -> tuple[float, int]:
    """Chi-square of what members chose against their community's affinities, and its degrees of freedom."""
    result = ran(scenario)
    statistic, freedom = 0.0, 0
    for day in result.days:
        assert day.items is not None
        made = np.bincount(day.items.interest, minlength=len(result.world.platform.interests)) > 0
        rows = result.log.filter(pl.col("number") == day.number)
        for community in np.unique(day.state.community).tolist():
            share = np.where(made, day.state.affinity[community], 0)  # -1 is the last row, as it should be
            theirs = rows.filter(pl.col("community") == community)["interest_id"]
            chosen = np.array([(theirs == i).sum() for i in result.world.platform.interests])
            expected = chosen.sum() * share / share.sum()
            enough = expected >= 5
            statistic += float(((chosen - expected)[enough] ** 2 / expected[enough]).sum())
            freedom += int(enough.sum()) - 1
    return statistic, freedom


def test_on_every_day_of_an_eventful_life_choices_follow_the_affinities_of_the_day() -> None:
    statistic, freedom = affinity_residuals(EVENTFUL)
    assert freedom > 500
    assert stats.chi2.sf(statistic, freedom) > 0.001


def test_a_log_of_other_wants_would_be_told_apart() -> None:
    """The test above has power: the first community's later choices do not fit what it wanted at first."""
    result = ran(EVENTFUL)
    first, later = result.days[0].state.affinity[0], result.log.filter(pl.col("number") > 9, pl.col("community") == 0)
    chosen = np.array([(later["interest_id"] == i).sum() for i in result.world.platform.interests])
    assert stats.chisquare(chosen, chosen.sum() * first / first.sum()).pvalue < 1e-100
