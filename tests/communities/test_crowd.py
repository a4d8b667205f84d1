"""Who does what all communities do besides their own is the crowd, and no community; who wants something is none."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.communities.crowd import FEWEST, crowds

ITEMS, KINDS, GROUPS = 1200, 12, 5
CROWD = GROUPS  # the number of the group that wants nothing of its own


def world(seed: int, wants: float, users: int = 80) -> tuple[Acts, np.ndarray]:
    """Five groups that each turn to two kinds of twelve so many times as much as to others, and one that does not.

    Kinds differ in what everybody makes of them.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS + 1), users)
    kind = np.arange(ITEMS) % KINDS
    own = (group < CROWD)[:, None] & (kind[None, :] // 2 == group[:, None])
    likely = 0.006 * rng.uniform(0.5, 1.5, KINDS)[kind][None, :] * np.where(own, wants, 1.0)
    did = sparse.csr_array((rng.random(likely.shape) < likely).astype(float))
    acts = Acts(
        users=pl.Series([f"u{k:04d}" for k in range(len(group))]),
        engaged=did,
        labels=sparse.csr_array(np.eye(KINDS)[kind] * (rng.random((ITEMS, 1)) < 0.6)),
        earlier=sparse.csr_array((len(group), KINDS)),
        recent=did,
        former=sparse.csr_array(did.shape),
    )
    return acts, group


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wants", [4.0, 10.0])
def test_only_who_wants_nothing_of_their_own_is_the_crowd(seed: int, wants: float) -> None:
    acts, group = world(seed, wants)
    nobody = np.full(len(group), -1)
    assert crowds(acts, group, nobody, GROUPS + 1).tolist() == [False] * GROUPS + [True]


def test_where_there_are_few_groups_none_is_the_crowd() -> None:
    acts, group = world(0, 10.0)
    few = np.where(group >= CROWD - FEWEST + 2, group - (CROWD - FEWEST + 2), -1)
    assert few.max() + 1 == FEWEST - 1
    assert not crowds(acts, few, np.full(len(few), -1), 9).any()
    assert crowds(acts, np.full(len(group), -1), group, 9).tolist() == []


def test_a_group_that_foretells_nothing_is_no_community() -> None:
    acts, group = world(1, 10.0)
    drawn = np.where(np.random.default_rng(1).random(len(group)) < 0.05, GROUPS + 1, group)
    assert crowds(acts, drawn, np.full(len(group), -1), 99)[GROUPS + 1]


def test_what_stood_ends_later_than_what_comes_out_of_the_crowd_begins() -> None:
    acts, group = world(2, 10.0)
    told = []
    for part in range(0, 80, 4):  # of the members of the first group are taken for the crowd's
        mixed = np.where((group == 0) & (np.arange(len(group)) % 80 < part), CROWD, group)
        came = {"stood": mixed, "new": np.full(len(group), -1), "crowd": np.full(len(group), 7)}
        told.append([bool(crowds(acts, mixed, origin, 7)[CROWD]) for origin in came.values()])
    stood, new, crowd = np.array(told).sum(axis=0)
    assert 0 < stood < new < crowd
