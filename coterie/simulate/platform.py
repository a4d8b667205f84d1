"""What stays the same all through a simulation: who the users are and what their communities want.

Belongs here: the truth about users and interests. Does not belong here: items, and what happens on a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LIVE_PER_COMMUNITY = 10  # interests that the platform has items of, for each community
FEWEST_LIVE = 20
OWN_INTERESTS = 5  # interests that a community favours
ACTIVITY_SPREAD = 1.0  # standard deviation of the logarithm of a user's activity
FEED_BOOST = 20.0  # how much more the feed shows of a group's favourite interest than of others
GIANT_SHARE = 0.02  # share of all activity that the giant account has


@dataclass(frozen=True)
class Platform:
    """U users, K communities, J live interests.

    Attributes:
        interests: ids of the live interests, sorted.
        supply: (J,) share of new items, sums to 1.
        community: (U,) each user's community, from 0; also the group by which the feed treats users.
        activity: (U,) each user's share of all sessions, sums to 1.
        affinity: (K, J) share of a member's own choices that goes to an interest, rows sum to 1.
        appeal: (K, J) how willingly a member turns to an item that is shown, in [0, 1].
        feed_weight: (K, J) how much the feed favours an interest for a group, at least 1.
    """

    interests: tuple[str, ...]
    supply: Array
    community: Ints
    activity: Array
    affinity: Array
    appeal: Array
    feed_weight: Array

    @property
    def group_activity(self) -> Array:
        """(K,) share of all sessions that a community has."""
        return np.asarray(np.bincount(self.community, self.activity, minlength=len(self.affinity)), dtype=np.float64)


def draw_platform(
    rng: np.random.Generator, *, interests: Sequence[str], users: int, communities: int, mixing: float, giant: bool
) -> Platform:
    """Draw a platform.

    A member's affinity is `mixing` parts what everybody likes and 1 - `mixing` parts what the community alone likes:
    a Dirichlet draw over five interests, no two communities sharing one while there are enough. So at 1 all rows of
    `affinity` and of `appeal` are equal, but the feed still favours each group's five interests: such a log tempts
    one to see communities that are the feed's own work.

    Args:
        rng: source of every draw.
        interests: ids to choose the live ones from, at least one.
        users: U, at least 2.
        communities: K, at most U; sizes fall off with the community's number, as 1 / (number + 3).
        mixing: from 0 to 1.
        giant: whether user 0 has 2 % of all activity.
    """
    live_count = min(len(interests), max(FEWEST_LIVE, LIVE_PER_COMMUNITY * communities))
    live = tuple(sorted(rng.choice(sorted(interests), live_count, replace=False).tolist()))
    common = rng.lognormal(0.0, 0.7, len(live))
    common /= common.sum()
    supply = common * rng.lognormal(0.0, 0.5, len(live))
    own = _own_shares(rng, communities, len(live))
    affinity = mixing * common + (1 - mixing) * own
    activity = rng.lognormal(0.0, ACTIVITY_SPREAD, users)
    if giant:
        activity[0] = activity[1:].sum() * GIANT_SHARE / (1 - GIANT_SHARE)
    return Platform(
        interests=live,
        supply=supply / supply.sum(),
        community=_communities(rng, users, communities),
        activity=activity / activity.sum(),
        affinity=affinity,
        # The root leaves some appeal to what a member rarely chooses: people watch more than they search for.
        appeal=np.sqrt(affinity / affinity.max(axis=1, keepdims=True)),
        feed_weight=1 + FEED_BOOST * own / own.max(axis=1, keepdims=True),
    )


def _own_shares(rng: np.random.Generator, communities: int, interests: int) -> Array:
    width = min(OWN_INTERESTS, interests)
    order = rng.permutation(interests)
    own = np.zeros((communities, interests))
    for c in range(communities):
        own[c, order[(c * width + np.arange(width)) % interests]] = rng.dirichlet(np.full(width, 2.0))
    return own


def _communities(rng: np.random.Generator, users: int, communities: int) -> Ints:
    """Communities of fixed sizes, at least one user each, members scattered over the user numbers."""
    share = 1 / (np.arange(communities) + 3)
    bounds = np.cumsum(share / share.sum())[:-1]
    rest = np.searchsorted(bounds, (np.arange(users - communities) + 0.5) / max(users - communities, 1))
    return rng.permutation(np.concatenate([np.arange(communities), rest])).astype(np.int64)
