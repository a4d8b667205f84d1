"""Groups that have become one are merged, others are not, whatever they did before."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coterie.communities import lineage, memberships
from coterie.communities.acts import Acts, acts_of
from coterie.communities.membership import _main, _moved
from coterie.communities.mixture import FIFTHS, fit, held_out
from coterie.communities.recent import _LastDays, merge_current, swallowed
from coterie.tables import USER_GRAPH

USERS, ITEMS, GROUPS = 900, 2400, 6
NEW = np.full(USERS, -1)


def world(seed: int, wants: tuple[int, ...], lean: float = 1.0, rate: float = 0.002) -> tuple[Acts, np.ndarray]:
    """Users in six groups of which group k wants the items of kind wants[k], six times as much as others; and the group
    of each. The last group leans towards the items of the last kind as well, so many times as much as others.
    """
    rng = np.random.default_rng(seed)
    group = np.arange(USERS) % GROUPS
    kind = np.arange(ITEMS) % GROUPS
    wanted = np.array(wants)[group][:, None] == kind[None, :]
    leans = (group == GROUPS - 1)[:, None] & (kind == GROUPS - 1)[None, :]
    likely = 0.002 * np.where(wanted, 6.0, np.where(leans, lean, 1.0))
    did = sparse.csr_array((rng.random((USERS, ITEMS)) < likely).astype(float))
    acts = Acts(
        users=pl.Series([f"u{k:04d}" for k in range(USERS)]),
        engaged=did,
        labels=sparse.csr_array(np.eye(GROUPS)[kind] * (rng.random((ITEMS, 1)) < 0.4)),
        earlier=sparse.csr_array((USERS, GROUPS)),
        recent=did,
        former=sparse.csr_array(did.shape),
    )
    return acts, group


SAME, DIFFERENT = (0, 1, 2, 3, 4, 4), (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("seed", range(5))
def test_two_that_want_the_same_become_one(seed: int) -> None:
    acts, group = world(seed, SAME)
    merged = merge_current(acts, group, group)
    assert merged.tolist() == np.minimum(group, 4).tolist()


def test_groups_are_foretold_as_by_the_mixture_before_any_round() -> None:
    acts, group = world(7, DIFFERENT, rate=0.01)
    groups = np.where(np.arange(USERS) % 7 == 0, -1, group)
    days = _LastDays(acts)
    found = np.zeros(USERS)
    for g in range(GROUPS):
        found[groups == g] = days.bits(np.flatnonzero(groups == g))
    expected = np.zeros(USERS)
    for fifth in range(FIFTHS):
        learnt, hidden = held_out(acts, fifth)
        begun = fit(replace(acts, engaged=learnt), groups, 1, rounds=0)
        popular = (learnt.sum(axis=0) + 0.5) / (learnt.sum(axis=0) + 0.5).sum()
        chance = begun.shares[:, groups + 1].T  # of each item, by user
        expected += (hidden.toarray() * np.log2(chance / popular)).sum(axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(expected[groups < 0], 0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_those_who_want_different_things_stay_apart(seed: int) -> None:
    acts, group = world(seed, DIFFERENT)
    assert merge_current(acts, group, group).tolist() == group.tolist()


def test_only_what_was_done_lately_counts() -> None:
    before, group = world(0, DIFFERENT)
    now, _ = world(1, SAME)
    assert merge_current(replace(before, recent=now.recent), group, group).max() == 4
    assert merge_current(replace(now, recent=before.recent), group, group).max() == 5


def test_a_split_of_yesterday_s_community_must_show_in_what_is_done_now() -> None:
    """A difference that is too small to split one community is large enough to keep two."""
    of_two = of_one = 0
    for seed in range(8):
        acts, group = world(seed, SAME, lean=3.5)
        of_two += int(merge_current(acts, group, group).max() < 5)
        of_one += int(merge_current(acts, group, np.minimum(group, 4)).max() < 5)
    assert of_two + 2 <= of_one


@pytest.mark.parametrize("every", [30, 100, 300])
@pytest.mark.parametrize("wants", [SAME, DIFFERENT])
def test_too_few_engagements_merge_nothing(every: int, wants: tuple[int, ...]) -> None:
    """One profile for all foretells a few engagements best, which says nothing about the groups."""
    acts, group = world(0, wants)
    thin = replace(acts, recent=sparse.csr_array(acts.recent.multiply(np.arange(ITEMS) % every == 0)))
    assert merge_current(thin, group, group).max() == 5


def test_a_group_alone_and_nobody_at_all_stay_as_they_are() -> None:
    acts, _ = world(0, DIFFERENT)
    for groups in (np.zeros(USERS, dtype=np.int64), NEW):
        assert merge_current(acts, groups, NEW).tolist() == groups.tolist()


@pytest.mark.parametrize(("wants", "left"), [((0, 0), 1), ((0, 1), 2)])
def test_two_communities_alone_become_one_only_if_they_do_the_same(wants: tuple[int, int], left: int) -> None:
    acts, group = world(3, (*wants, 2, 3, 4, 5))
    two = np.where(group < 2, group, -1)
    assert merge_current(acts, two, two).max() + 1 == left


def test_who_was_torn_between_two_that_merged_is_a_member() -> None:
    posterior = np.array([[0.9, 0.1], [0.1, 0.9], [0.35, 0.35], [0.15, 0.15]])
    moved = _moved(posterior, np.array([0, 1, -1, -1]), np.array([0, 0, -1, -1]))
    assert moved.ravel().tolist() == pytest.approx([1, 1, 0.7, 0.3])
    assert _main(moved).tolist() == [0, 0, 0, -1]


def test_users_without_a_group_stay_without() -> None:
    acts, group = world(0, SAME)
    some = np.where(np.arange(USERS) % 7 == 0, -1, group)
    merged = merge_current(acts, some, some)
    assert ((merged == -1) == (some == -1)).all()
    assert sorted(set(merged)) == [-1, 0, 1, 2, 3, 4]


def test_the_merged_community_keeps_a_name_and_its_members_and_the_lineage_says_so() -> None:
    before, group = world(0, DIFFERENT)
    now, _ = world(1, SAME)
    acts = replace(before, engaged=sparse.csr_array(before.engaged + now.engaged), recent=now.recent)
    yesterday = pl.DataFrame(
        {
            "user_id": acts.users, "community_id": [f"c{k}" for k in group], "probability": 1.0, "is_primary": True,
            "level": 0,
        }
    )  # fmt: skip
    frame, _ = memberships(
        day=date(2024, 5, 9), acts=acts, user_graph=USER_GRAPH.empty(), yesterday=yesterday, min_size=20, max_users=9999
    )
    assert frame["community_id"].n_unique() == 5
    whole = frame.group_by("user_id").agg(pl.col("probability").sum())
    assert whole["probability"].max() <= 1 + 1e-9
    both = frame.filter("is_primary", pl.col("user_id").is_in(acts.users.filter(pl.Series(group >= 4)).implode()))
    assert both["community_id"].value_counts().sort("count", descending=True)["count"][0] > 0.9 * both.height
    events = set(lineage(yesterday, frame).select("event").to_series())
    assert events == {"continued", "merged", "died"}


def test_the_last_three_days_are_recent() -> None:
    rows = pl.DataFrame(
        {
            "day": pl.Series(["2024-05-01", "2024-05-03", "2024-05-05"]).str.to_date(),
            "user_id": ["a", "a", "b"], "item_id": ["x", "y", "y"], "strength": [1.0, 1.0, 1.0],
        }
    )  # fmt: skip
    labels = pl.DataFrame(schema={"item_id": pl.String, "interest_id": pl.String, "weight": pl.Float64})
    nobody = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    acts = acts_of(rows, labels, nobody, half_life_days=14)
    assert (acts.recent.toarray() > 0).tolist() == [[False, True], [False, True]]
    kept = acts.recent.toarray() > 0
    assert np.allclose(acts.recent.toarray()[kept], acts.engaged.toarray()[kept])


# --- groups that took in several communities ---


def test_two_communities_in_one_group_are_two_again_and_newcomers_go_with_the_larger() -> None:
    origin = np.array([0] * 50 + [1] * 30 + [-1] * 5 + [2] * 40)
    groups = np.array([0] * 85 + [1] * 40)
    assert swallowed(groups, origin, 20).tolist() == [0] * 50 + [2] * 30 + [0] * 5 + [1] * 40


def test_a_part_of_a_community_that_moves_is_no_merger() -> None:
    origin = np.array([0] * 50 + [1] * 30 + [1] * 40)
    groups = np.array([0] * 80 + [1] * 40)
    assert swallowed(groups, origin, 20).tolist() == groups.tolist()


def test_without_a_yesterday_nothing_is_divided() -> None:
    groups = np.array([0] * 30 + [1] * 30)
    assert swallowed(groups, np.full(60, -1), 20).tolist() == groups.tolist()


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
def test_probabilities_move_with_members_and_are_neither_lost_nor_made(seed: int, before: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    main = rng.integers(-1, before, 60)
    main[:before] = np.arange(before)
    now = np.where(main < 0, -1, rng.integers(0, after, 60))
    now = np.where(now < 0, -1, np.unique(now, return_inverse=True)[1] - (now.min() < 0))
    posterior = rng.dirichlet(np.ones(before + 1), 60)[:, 1:]
    moved = _moved(posterior, main, now)
    assert np.allclose(moved.sum(axis=1), posterior.sum(axis=1))
    inside = main >= 0
    assert (moved[inside, now[inside]] >= posterior[inside, main[inside]] - 1e-12).all()
