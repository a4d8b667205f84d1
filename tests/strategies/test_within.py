"""Two sorts of showings within users: by hand, as least squares has it, and intervals that hold."""

import numpy as np
import pytest

from coterie.strategies.within import Showings, numbered, within


def made(seed: int, *, users: int = 60, gain: float = 0.1, spread: float = 0.0, items: int = 30) -> Showings:
    """Users differ in level, and who has more of the marked sort has the higher level: between users there is a bias."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 40)
    level = np.linspace(0.1, 0.6, users)
    marked = rng.random(len(user)) < np.linspace(0.1, 0.9, users)[user]
    item = rng.integers(0, items, len(user))
    weight = rng.uniform(0.5, 2, len(user))
    chance = level[user] + gain * marked + rng.normal(0, spread, (2, items))[marked.astype(int), item]
    return Showings(user, user, item, marked, weight, (rng.random(len(user)) < np.clip(chance, 0, 1)).astype(float))


def test_it_is_least_squares_with_an_effect_for_every_block() -> None:
    shown = made(1)
    columns = np.column_stack([shown.marked, np.eye(60)[shown.block]])
    root = np.sqrt(shown.weight)[:, None]
    solved = np.linalg.lstsq(columns * root, shown.strength * root[:, 0], rcond=None)[0]
    found = within(shown)
    assert found.difference == pytest.approx(solved[0])
    left = shown.strength - columns @ solved
    inverse = np.linalg.inv((columns * root).T @ (columns * root))
    influence = (columns * shown.weight[:, None] * left[:, None]) @ inverse[:, 0]
    assert found.influence == pytest.approx(np.bincount(shown.user, weights=influence))


def test_two_users_by_hand() -> None:
    shown = Showings(
        user=np.array([0, 0, 0, 1, 1, 2]), block=np.array([0, 0, 0, 1, 1, 2]), item=np.arange(6),
        marked=np.array([True, False, False, True, False, True]), weight=np.array([1.0, 1, 1, 2, 2, 9]),
        strength=np.array([1.0, 0, 0.5, 0.2, 0.4, 1]),
    )  # fmt: skip
    found = within(shown)
    # Weights 1 * 2 / 3 and 2 * 2 / 4; the third user has one sort alone.
    assert found.difference == pytest.approx((2 / 3 * 0.75 - 1 * 0.2) / (2 / 3 + 1))
    assert (found.users, found.engaged) == (2, 2)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_intervals_hold_where_users_and_items_differ(spread: float) -> None:
    off = []
    for seed in range(200):
        found = within(made(seed, spread=spread))
        off.append((found.difference - 0.1) / np.sqrt(found.variance))
    assert 0.88 <= (np.abs(off) <= 1.645).mean() <= 0.98


def test_who_has_more_of_a_sort_makes_no_difference() -> None:
    shown = made(3, gain=0.0)
    between = shown.strength[shown.marked].mean() - shown.strength[~shown.marked].mean()
    found = within(shown)
    assert between > 0.1 > 3 * abs(found.difference)


def test_without_both_sorts_there_is_nothing() -> None:
    shown = made(4)
    one = Showings(shown.user, shown.block, shown.item, np.ones_like(shown.marked), shown.weight, shown.strength)
    assert np.isnan(within(one).difference)
    assert within(one).why_not(20) == "fewer than 20 active members"
    nobody = Showings(*(np.zeros(0, np.int64),) * 3, np.zeros(0, bool), np.zeros(0), np.zeros(0))
    assert within(nobody).users == 0


def test_numbers_are_of_combinations() -> None:
    assert numbered(np.array([5, 5, 2, 2]), np.array([1, 0, 1, 1])).tolist() == [2, 1, 0, 0]
