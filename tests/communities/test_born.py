"""Users without a community who turn to the same are one; a crowd that goes on as before holds none."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from coterie.communities import born
from coterie.communities.acts import Acts
from coterie.communities.born import newborn

USERS, ITEMS, KINDS = 500, 1500, 10
CROWD, OTHERS = 1, 0  # numbers of yesterday's
NOWHERE = np.arange(USERS) < 250
ORIGIN = np.where(NOWHERE, CROWD, OTHERS)
TURNED = np.arange(USERS) < 60


def world(seed: int, turned: np.ndarray, everybody: bool = False) -> Acts:
    """Eleven quiet days and three in which some users turn to one kind of items in ten; or everybody does."""
    rng = np.random.default_rng(seed)
    kind = np.arange(ITEMS) % KINDS
    likely = np.full((USERS, ITEMS), 0.002)
    before = sparse.csr_array((rng.random(likely.shape) < 3 * likely).astype(float))
    lately = np.where((turned | everybody)[:, None] & (kind == 0)[None, :], 30.0, 1.0) * likely
    recent = sparse.csr_array((rng.random(likely.shape) < lately).astype(float))
    return Acts(
        users=pl.Series([f"u{k:04d}" for k in range(USERS)]),
        engaged=sparse.csr_array(before + recent),
        labels=sparse.csr_array(np.eye(KINDS)[kind] * (rng.random((ITEMS, 1)) < 0.6)),
        earlier=sparse.csr_array((USERS, KINDS)),
        recent=recent,
        former=sparse.csr_array(recent.shape),
    )


@pytest.mark.parametrize("seed", range(4))
def test_who_turns_to_the_same_is_a_community(seed: int) -> None:
    found = newborn(world(seed, TURNED), NOWHERE, ORIGIN, CROWD, 20)
    assert found[found > 0].min() >= 0.5
    assert found.max() <= 1
    assert (found[TURNED] > 0).mean() > 0.6
    assert TURNED[found > 0].mean() > 0.8
    assert not found[~NOWHERE].any()


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_changed_nothing_is_born(seed: int) -> None:
    assert not newborn(world(seed, np.zeros(USERS, dtype=bool)), NOWHERE, ORIGIN, CROWD, 20).any()


def test_what_everybody_turns_to_is_no_community() -> None:
    assert not newborn(world(0, TURNED, everybody=True), NOWHERE, ORIGIN, CROWD, 20).any()


def test_it_has_enough_users_and_none_of_them_is_new_or_elsewhere() -> None:
    acts = world(0, TURNED)
    assert not newborn(acts, NOWHERE, ORIGIN, CROWD, 100).any()
    assert not newborn(acts, ~NOWHERE, ORIGIN, CROWD, 20).any()
    assert not newborn(acts, np.zeros(USERS, dtype=bool), ORIGIN, CROWD, 20).any()
    new = Acts(acts.users, acts.recent, acts.labels, acts.earlier, acts.recent, acts.former)
    assert not newborn(new, NOWHERE, np.full(USERS, -1), CROWD, 20).any()


def test_what_stood_yesterday_need_not_prove_itself_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, stays = world(0, TURNED), np.where(TURNED, 2, ORIGIN)
    assert born.STOOD < 0 < born.AHEAD
    for ahead, stood in ((99.0, born.STOOD), (born.AHEAD, 99.0)):
        monkeypatch.setattr(born, "AHEAD", ahead)
        monkeypatch.setattr(born, "STOOD", stood)
        assert newborn(acts, NOWHERE, ORIGIN, CROWD, 20).any() == (ahead < 1)
        assert newborn(acts, NOWHERE, stays, CROWD, 20).any() == (stood < 1)
        monkeypatch.undo()
