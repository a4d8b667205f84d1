"""The feed: what it shows to whom, and with which probability.

Belongs here: the policy, its propensities, sessions and places in them. Does not belong here: what users do then.

Every place of every session is drawn afresh: with probability 0.1 an item of the catalogue at random, each equally
likely, else an item by popularity times what the feed favours for the user's group. The logged propensity is the
probability of the item at that place with both ways counted, so inverse-propensity weights are exact whether or not
the random showings are told apart.
"""

from dataclasses import dataclass

import numpy as np

from coterie.simulate.items import Cohort
from coterie.simulate.platform import Array, Bools, Ints, Platform

RANDOM_SHARE = 0.1
MEAN_SESSION = 12.0  # showings, before the cut
LONGEST_SESSION = 40


@dataclass(frozen=True)
class Showings:
    """n showings of a day, session by session.

    Attributes:
        session: (n,) number of the session, from 0, never falling.
        position: (n,) place in the session, from 0.
        user: (n,) number of the user.
        item: (n,) place of the item in the catalogue.
        propensity: (n,) probability that this item was shown at this place to this user.
        is_random: (n,) whether the item was drawn at random.
    """

    session: Ints
    position: Ints
    user: Ints
    item: Ints
    propensity: Array
    is_random: Bools


def policy(platform: Platform, items: Cohort) -> Array:
    """(K, N) probability of each item of the catalogue at a place that is not random; rows sum to 1."""
    weight = platform.feed_weight[:, items.interest] * items.popularity
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def with_random(chosen: Array) -> Array:
    """The policy with the random tenth counted: the logged propensity."""
    return RANDOM_SHARE / chosen.shape[1] + (1 - RANDOM_SHARE) * chosen


def position_shares() -> Array:
    """(longest session,) share of all showings that each position has."""
    return _reached() / _reached().sum()


def _reached() -> Array:
    """(longest session,) probability that a session gets to each position."""
    return np.asarray((1 - 1 / MEAN_SESSION) ** np.arange(LONGEST_SESSION))


def draw_showings(rng: np.random.Generator, platform: Platform, chosen: Array, n: int) -> Showings:
    """Draw n showings; `chosen` is the policy."""
    # A tenth more sessions than needed on average, and some: the last are cut off.
    sessions = min(n, int(1.1 * n / _reached().sum()) + 200)
    length = np.minimum(rng.geometric(1 / MEAN_SESSION, sessions), LONGEST_SESSION)
    n = min(n, int(length.sum()))
    session = np.repeat(np.arange(sessions), length)[:n]
    first = np.cumsum(length) - length
    visitor = draw_users(rng, platform, sessions)
    user = visitor[session]
    is_random = rng.random(n) < RANDOM_SHARE
    group = platform.community[user]
    item = np.where(is_random, rng.integers(0, chosen.shape[1], n), draw_by_row(rng, chosen, group))
    propensity = with_random(chosen)[group, item]
    return Showings(session, np.arange(n) - first[session], user, item, propensity, is_random)


def draw_users(rng: np.random.Generator, platform: Platform, n: int) -> Ints:
    """(n,) user numbers, each in proportion to activity."""
    bounds = np.cumsum(platform.activity)
    return np.minimum(np.searchsorted(bounds, rng.random(n), side="right"), len(bounds) - 1).astype(np.int64)


def draw_by_row(rng: np.random.Generator, probability: Array, row: Ints) -> Ints:
    """(n,) columns, the k-th drawn by the probabilities of row `row[k]`."""
    rows, columns = probability.shape
    bounds = np.cumsum(probability, axis=1)
    bounds /= bounds[:, -1:]
    # All rows end to end: one search finds the column of every draw.
    flat = (bounds + np.arange(rows)[:, None]).reshape(-1)
    found = np.searchsorted(flat, rng.random(len(row)) + row, side="right") - row * columns
    return np.clip(found, 0, columns - 1).astype(np.int64)
