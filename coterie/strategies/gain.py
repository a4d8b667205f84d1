"""What a showing given to an interest brings, beside what a showing brings now: the value of a boost, off-policy.

Belongs here: the estimate and its variance. Does not belong here: weights of showings (showings), and what is made of it.

A boost takes showings from what members are shown, at random, and gives them to the items of one interest, as often as
users are shown each of them on average. Each showing that moves then gains the members' mean strength of such a showing,
R_j, less their mean strength of a showing as it is, M. Both are ratios of weighted sums over the members' showings
(`showings.weighted_showings`); without propensities R_j rests on the random showings and M on all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.matrices import Array, Matrix
from coterie.strategies.items import extra_variance
from coterie.strategies.window import Exposure, Feed, Sums, exposure_sums


@dataclass(frozen=True)
class Gain:
    """Values of G groups and J interests, all (G, J).

    Attributes:
        value: strength of a showing of the interest.
        baseline: strength of a showing of what the group is shown now.
        variance: of value - baseline, users and items as clusters: what the next week's may differ by.
        of_users: the part of it with users alone as clusters: what two groups who are shown the same items differ by.
        served: share of the group's showings that the interest has.
        showings: (G, 1) all logged showings of the group.
        sums: those behind `value`.
    """

    value: Array
    baseline: Array
    variance: Array
    of_users: Array
    served: Array
    showings: Array
    sums: Sums


def gain(exposure: Exposure, groups: Matrix) -> Gain | None:
    """The gain of moving a showing to each interest, for groups that share no user; None if `exposure` has no feed.

    The variance is that of the linearised difference, sum over users of their influence on R_j less that on M, squared
    (Cochran 1977, chapter 6), times `Sums.few_users`, and what items as clusters add to it (`items.extra_variance`) where
    single items are known.

    Args:
        exposure: the showings.
        groups: (G, n) 0/1, at most one group a user.
    """
    feed = exposure.feed
    if feed is None:
        return None
    sums, baseline = exposure_sums(exposure, groups), feed_mean(feed, groups)
    showings = _summed(groups, feed.showings)
    served = np.asarray((groups @ feed.served).toarray(), dtype=np.float64)
    of_users = sums.few_users() * _squares(exposure, feed, groups, sums, baseline)
    of_items = 0.0 if exposure.cells is None else extra_variance(exposure.cells, groups, sums.ratio())
    return Gain(
        value=sums.ratio(),
        baseline=np.broadcast_to(baseline, sums.x.shape),
        variance=of_users + of_items,
        of_users=of_users,
        served=np.divide(served, showings, out=np.zeros(served.shape), where=showings > 0),
        showings=showings,
        sums=sums,
    )


def feed_mean(feed: Feed, groups: Matrix) -> Array:
    """(G, 1) strength of a showing of what each group is shown now; NaN without any."""
    y, x = _summed(groups, feed.strength), _summed(groups, feed.shown)
    return np.divide(y, x, out=np.full(x.shape, np.nan), where=x > 0)


def _squares(exposure: Exposure, feed: Feed, groups: Matrix, sums: Sums, baseline: Array) -> Array:
    """(G, J) sum over the group's users of (their influence on R_j less that on M) squared."""
    home = np.full(groups.shape[1], -1, dtype=np.int64)
    place = groups.tocoo()
    home[place.col] = place.row
    members = np.flatnonzero(home >= 0)
    at = home[members]
    inverse = np.divide(1.0, sums.x, out=np.zeros(sums.x.shape), where=sums.x > 0)
    ratio = np.nan_to_num(sums.ratio())
    # (w y - R_j w) / sum of w, and the same for M.
    strength, shown = (sparse.csr_array(part[members]) for part in (exposure.strength, exposure.shown))
    on_value = sparse.csr_array(_scaled(strength, at, inverse) - _scaled(shown, at, ratio * inverse))
    on_value.sort_indices()
    whole = _summed(groups, feed.shown)[at, 0]
    rest = feed.strength[members] - np.nan_to_num(baseline)[at, 0] * feed.shown[members]
    on_mean = np.divide(rest, whole, out=np.zeros(len(members)), where=whole > 0)
    own = sparse.csr_array(
        (np.ones(len(members)), (at, np.arange(len(members)))), shape=(groups.shape[0], len(members))
    )
    square = (own @ sparse.csr_array(on_value.multiply(on_value))).toarray()
    cross = (own @ sparse.csr_array(on_value.multiply(on_mean[:, None]))).toarray()
    mean = np.bincount(at, weights=on_mean**2, minlength=groups.shape[0])[:, None]
    return np.asarray(np.maximum(square - 2 * cross + mean, 0.0))


def _summed(groups: Matrix, column: Array) -> Array:
    """(G, 1) sums of a column over groups."""
    return np.asarray((groups @ sparse.csr_array(column[:, None])).toarray(), dtype=np.float64)


def _scaled(part: Matrix, at: npt.NDArray[np.int64], by: Array) -> Matrix:
    """Each entry (i, j) times by[at[i], j]."""
    row = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
    return sparse.csr_array((part.data * by[at[row], part.indices], part.indices, part.indptr), shape=part.shape)
