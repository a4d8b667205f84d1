"""The feed: what it shows to whom, and with which probability.

Belongs here: the policy, its propensities, sessions and places in them. Does not belong here: what users do then.

Every place of every session is drawn afresh: with probability 0.1 an item of the catalogue at random, each equally
likely; with 0.3 by popularity; else by popularity times what the feed favours for the group that it takes the user
for. The logged propensity is the probability of the item at that place with all three ways counted, so
inverse-propensity weights are exact whether or not the random showings are told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coterie.simulate.items import Cohort
from coterie.simulate.life import State
from coterie.simulate.platform import Array, Bools, Ints, Platform
from coterie.simulate.scenario import Boost

RANDOM_SHARE, POPULAR_SHARE = 0.1, 0.3
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


def policy(state: State, items: Cohort) -> Array:
    """(G, N) probability of each item of the catalogue at a place that is not random; rows sum to 1."""
    popular = items.popularity / items.popularity.sum()
    personal = state.feed_weight[:, items.interest] * items.popularity
    personal /= personal.sum(axis=1, keepdims=True)
    share = POPULAR_SHARE / (1 - RANDOM_SHARE)
    return np.asarray(share * popular + (1 - share) * personal)


def with_random(chosen: Array) -> Array:
    """The policy with the random tenth counted: the logged propensity."""
    return RANDOM_SHARE / chosen.shape[1] + (1 - RANDOM_SHARE) * chosen


def position_shares() -> Array:
    """(longest session,) share of all showings that each position has."""
    return _reached() / _reached().sum()


def _reached() -> Array:
    """(longest session,) probability that a session gets to each position."""
    return np.asarray((1 - 1 / MEAN_SESSION) ** np.arange(LONGEST_SESSION))


@dataclass(frozen=True)
class Boosted:
    """A boost that holds on a day: the users, the share of their showings, and what those are instead.

    Attributes:
        members: (U,) whose showings are changed.
        share: how many of them.
        chosen: (N,) probability of each item of the catalogue there; sums to 1.
    """

    members: Bools
    share: float
    chosen: Array


def boosted(platform: Platform, state: State, items: Cohort, boosts: Sequence[Boost], day: int) -> list[Boosted]:
    """The boosts that hold on a day; one whose interest has no items then does nothing."""
    found = []
    for boost in boosts:
        of_it = items.popularity * (items.interest == platform.interests.index(boost.interest_id))
        if boost.day <= day and of_it.sum() > 0:
            found.append(Boosted(state.community == boost.community, boost.share, of_it / of_it.sum()))
    return found


def draw_showings(rng: np.random.Generator, platform: Platform, state: State, chosen: Array, n: int) -> Showings:
    """Draw n showings, boosts aside; `chosen` is the policy."""
    # A tenth more sessions than needed on average, and some: the last are cut off.
    sessions = min(n, int(1.1 * n / _reached().sum()) + 200)
    length = np.minimum(rng.geometric(1 / MEAN_SESSION, sessions), LONGEST_SESSION)
    n = min(n, int(length.sum()))
    session = np.repeat(np.arange(sessions), length)[:n]
    first = np.cumsum(length) - length
    visitor = draw_users(rng, platform, sessions)
    user = visitor[session]
    is_random = rng.random(n) < RANDOM_SHARE
    group = state.feed_group[user]
    item = np.where(is_random, rng.integers(0, chosen.shape[1], n), draw_by_row(rng, chosen, group))
    propensity = RANDOM_SHARE / chosen.shape[1] + (1 - RANDOM_SHARE) * chosen[group, item]
    return Showings(session, np.arange(n) - first[session], user, item, propensity, is_random)


def give_way(
    rng: np.random.Generator, state: State, chosen: Array, shown: Showings, boosts: Sequence[Boosted]
) -> tuple[Showings, Bools]:
    """Showings with boosts in force, and which of them are not what they were.

    Each boost takes its share of what the ones before it left, so the propensities are those of the boosts one after
    the other.
    """
    n = len(shown.user)
    item, replaced = shown.item.copy(), np.zeros(n, dtype=bool)
    for boost in boosts:
        at = np.flatnonzero(boost.members[shown.user] & (rng.random(n) < boost.share))
        item[at] = draw_by_row(rng, boost.chosen[None, :], np.zeros(len(at), dtype=np.int64))
        replaced[at] = True
    propensity = RANDOM_SHARE / chosen.shape[1] + (1 - RANDOM_SHARE) * chosen[state.feed_group[shown.user], item]
    for boost in boosts:
        boosted_too = (1 - boost.share) * propensity + boost.share * boost.chosen[item]
        propensity = np.where(boost.members[shown.user], boosted_too, propensity)
    is_random = shown.is_random & ~replaced
    return Showings(shown.session, shown.position, shown.user, item, propensity, is_random), replaced


def draw_users(rng: np.random.Generator, platform: Platform, n: int) -> Ints:
    """(n,) user numbers, each in proportion to activity."""
    bounds = np.cumsum(platform.activity)
    return np.minimum(np.searchsorted(bounds, rng.random(n), side="right"), len(bounds) - 1).astype(np.int64)


def draw_by_row(rng: np.random.Generator, probability: Array, row: Ints) -> Ints:
    """(n,) columns, the k-th drawn by the probabilities of row `row[k]`."""
    columns = probability.shape[1]
    found = np.empty(len(row), dtype=np.int64)
    draws = rng.random(len(row))
    # A row at a time, its draws sorted: the search then walks through memory instead of jumping about in it.
    for r in np.unique(row).tolist():
        at = np.flatnonzero(row == r)
        at = at[np.argsort(draws[at], kind="stable")]
        bounds = np.cumsum(probability[r])
        found[at] = np.searchsorted(bounds / bounds[-1], draws[at], side="right")
    return np.clip(found, 0, columns - 1)
