"""Groups whose members have come apart are divided in two, others are not, whatever they did before."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from test_recent import DIFFERENT, GROUPS, ITEMS, SAME, USERS, world

from coterie.communities.acts import Acts
from coterie.communities.membership import _moved
from coterie.communities.parting import part_current, swallowed

MIN_SIZE = 20
BUSY = 0.006  # of an item and a user who does not want it: 26 engagements a user


def apart(seed: int) -> tuple[Acts, np.ndarray, np.ndarray]:
    """Six groups that want different things; the last two of them taken for one, as found, and the truth."""
    acts, group = world(seed, DIFFERENT, rate=BUSY)
    return acts, np.minimum(group, GROUPS - 2), group


@pytest.mark.parametrize("seed", range(3))
def test_two_groups_taken_for_one_come_apart(seed: int) -> None:
    acts, found, truth = apart(seed)
    now = part_current(acts, found, MIN_SIZE)
    assert now.max() == GROUPS - 1
    others = truth < GROUPS - 2
    assert (now[others] == found[others]).all()
    both = np.array([[((now == a) & (truth == b)).sum() for b in (4, 5)] for a in (4, 5)])
    right = max(both.trace(), both[::-1].trace())
    assert right > 0.75 * (~others).sum()
    assert (now == 4).sum() >= (now == 5).sum(), "the larger part keeps the number"


@pytest.mark.parametrize("seed", range(3))
def test_a_group_that_is_one_stays_one(seed: int) -> None:
    acts, group = world(seed, SAME, rate=BUSY)
    one = np.minimum(group, GROUPS - 2)
    assert part_current(acts, one, MIN_SIZE).tolist() == one.tolist()


def test_only_what_was_done_lately_counts() -> None:
    acts, found, _ = apart(0)
    nothing = replace(acts, recent=sparse.csr_array((USERS, ITEMS)))
    assert part_current(nothing, found, MIN_SIZE).tolist() == found.tolist()


def test_who_did_nothing_lately_stays_with_the_larger_part() -> None:
    acts, found, truth = apart(1)
    quiet = np.arange(USERS) % 5 == 0
    recent = sparse.csr_array(acts.recent.multiply(~quiet[:, None]))
    now = part_current(replace(acts, recent=recent), found, MIN_SIZE)
    assert now.max() == GROUPS - 1
    assert (now[quiet & (truth >= 4)] == 4).all()


def test_the_order_of_a_group_s_users_does_not_matter_to_the_verdict() -> None:
    acts, found, _ = apart(2)
    now = part_current(acts, found, MIN_SIZE)
    again = part_current(acts, found, MIN_SIZE)
    assert now.tolist() == again.tolist()


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
    moved, new = _moved(posterior, main, now)
    assert new.tolist() == now.tolist()
    assert np.allclose(moved.sum(axis=1), posterior.sum(axis=1))
    inside = main >= 0
    assert (moved[inside, now[inside]] >= posterior[inside, main[inside]] - 1e-12).all()
