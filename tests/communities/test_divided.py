"""A community whose members have come to want different things is divided; others are not, however often one looks."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from coterie.communities import divided
from coterie.communities.acts import Acts
from coterie.communities.divided import divide_current

USERS, ITEMS, KINDS, GROUPS = 600, 1500, 8, 3
NONE = np.array([], dtype=np.int64)


def days(seed: int, kinds_of: np.ndarray) -> sparse.csr_array:
    """What users did: eight in ten of their engagements are with items of their two kinds."""
    rng = np.random.default_rng(seed)
    kind = np.arange(ITEMS) % KINDS
    own = (kind[None, None, :] == kinds_of[:, :, None]).any(axis=1)
    likely = 0.0012 * np.where(own, 12.0, 1.0)
    return sparse.csr_array((rng.random((USERS, ITEMS)) < likely).astype(float))


def world(seed: int, now: np.ndarray, before: np.ndarray) -> Acts:
    recent, former = days(2 * seed, now), days(2 * seed + 1, before)
    kind = np.arange(ITEMS) % KINDS
    known = np.random.default_rng(seed).random((ITEMS, 1)) < 0.6
    return Acts(
        users=pl.Series([f"u{k:04d}" for k in range(USERS)]),
        engaged=sparse.csr_array(recent + former),
        labels=sparse.csr_array(np.eye(KINDS)[kind] * known),
        earlier=sparse.csr_array((USERS, KINDS)),
        recent=recent,
        former=former,
    )


GROUP = np.arange(USERS) % GROUPS
HALF = np.arange(USERS) // GROUPS % 2
SAME = np.stack([2 * GROUP, 2 * GROUP + 1], axis=1)
# Half of the members of group 0 keep to one of its kinds, half to the other, each with a kind that nobody else wants.
APART = np.where((GROUP == 0)[:, None], np.stack([HALF, 6 + HALF], axis=1), SAME)


@pytest.mark.parametrize("seed", range(3))
def test_who_wants_different_things_by_now_is_divided(seed: int) -> None:
    acts = world(seed, APART, SAME)
    found = divide_current(acts, GROUP, NONE, 20)
    assert found.max() + 1 >= GROUPS + 1
    assert (found[GROUP > 0] == GROUP[GROUP > 0]).all()
    active = (GROUP == 0) & (acts.recent.sum(axis=1) > 1)
    new = found[active] >= GROUPS
    right = np.mean(new == (HALF[active] == HALF[active][new][0]))
    assert max(right, 1 - right) > 0.85


@pytest.mark.parametrize("seed", range(3))
def test_who_wants_the_same_stays_together(seed: int) -> None:
    assert divide_current(world(seed, SAME, SAME), GROUP, NONE, 20).tolist() == GROUP.tolist()


def test_what_was_apart_before_is_no_news() -> None:
    assert divide_current(world(0, APART, APART), GROUP, NONE, 20).tolist() == GROUP.tolist()


def test_items_alone_divide_nothing() -> None:
    """Half of a community meets other items than the other half, of the same interests."""
    acts = world(0, SAME, SAME)
    met = (np.arange(ITEMS) // KINDS % 2)[None, :] == HALF[:, None]
    twice = sparse.csr_array(days(8, SAME).multiply(met) + acts.recent.multiply(met))
    assert divide_current(replace(acts, recent=twice), GROUP, NONE, 20).tolist() == GROUP.tolist()


def test_where_nothing_was_before_nothing_is_news() -> None:
    acts = world(0, APART, SAME)
    young = replace(acts, former=sparse.csr_array(acts.former.shape))
    assert divide_current(young, GROUP, NONE, 20).tolist() == GROUP.tolist()


def test_of_large_groups_some_members_tell_what_all_of_them_do(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = world(1, APART, SAME)
    whole = divide_current(acts, GROUP, NONE, 20)
    monkeypatch.setattr(divided, "MOST", 150)
    assert divide_current(acts, GROUP, NONE, 20).tolist() == whole.tolist()


def test_groups_may_be_left_as_they_are_and_parts_are_large_enough() -> None:
    acts = world(0, APART, SAME)
    assert divide_current(acts, GROUP, np.array([0]), 20).tolist() == GROUP.tolist()
    assert divide_current(acts, GROUP, NONE, 120).tolist() == GROUP.tolist()
    nobody = np.full(USERS, -1)
    assert divide_current(acts, nobody, NONE, 20).tolist() == nobody.tolist()
