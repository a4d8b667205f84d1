"""What single items add to the error of a gain: members were shown these items, and the next week brings others.

Belongs here: sums by item, and the variance with items as clusters. Does not belong here: the gain (gain), which items
may be compared (window).

Items of an interest differ in what they bring, some bear a wrong label, and all members see the same few popular ones.
Users are not the only clusters then. With two kinds of clusters the variance is that with the one, plus that with the
other, less that with their intersections as clusters, which both have counted (Cameron, Gelbach and Miller 2011, Journal
of Business and Economic Statistics 29).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from coterie.matrices import Array, Matrix, column_sums, row_sums

_CELLS = ("strength", "shown", "feed_strength", "feed_shown")


@dataclass(frozen=True)
class ItemCells:
    """The showings of m items to n users, before labels make interests of them.

    Attributes:
        strength: (n, m) strength of the showings that are compared, weighted.
        shown: (n, m) their weights.
        feed_strength: (n, m) strength of the showings that stand for what users are shown now, weighted.
        feed_shown: (n, m) their weights.
        label: (m, J) share of the item that an interest has.
    """

    strength: Matrix
    shown: Matrix
    feed_strength: Matrix
    feed_shown: Matrix
    label: Matrix


def extra_variance(cells: ItemCells, groups: Matrix, value: Array) -> Array:
    """The variance with items as clusters less that with single pairs of user and item, of a gain, (G, J).

    How much of what users are shown belongs to each interest is taken as given: what an item adds to the strength of a
    showing as it is, is its distance from what showings of its interests bring there.

    At least 0: where items of an interest are all alike, the two are estimates of the same. What is left is multiplied by
    the factor for few clusters of `Sums.few_users`, with items in the place of users; NaN where one item is nearly all.

    Args:
        cells: the showings.
        groups: (G, n) 0/1.
        value: (G, J) strength of a showing of the interest.
    """
    found = [
        _of_group(replace(cells, **{name: sparse.csr_array(getattr(cells, name)[users]) for name in _CELLS}), of)
        for users, of in zip(map(groups.indices.__getitem__, _rows(groups)), np.nan_to_num(value), strict=True)
    ]
    return np.array(found).reshape(value.shape)


def _rows(of: Matrix) -> Iterator[slice]:
    """Where the entries of each row are."""
    yield from (slice(start, stop) for start, stop in pairwise(of.indptr))


def _of_group(cells: ItemCells, ratio: Array) -> Array:
    """(J,) for the users of one group; `ratio` is (J,)."""
    y, x, feed_y, feed_x = (getattr(cells, name) for name in _CELLS)
    label = cells.label
    once, twice = sparse.csr_array(label.T), sparse.csr_array(label.multiply(label).T)
    usual = _usual(cells)

    def beyond(a: Matrix, b: Matrix) -> Array:
        """(m,) products of an item's sums over users, less the sums of the users' products."""
        return np.asarray(column_sums(a) * column_sums(b) - column_sums(sparse.csr_array(a.multiply(b))))

    own = twice @ beyond(y, y) - 2 * ratio * (twice @ beyond(y, x)) + ratio**2 * (twice @ beyond(x, x))
    both = once @ (beyond(y, feed_y) - usual * beyond(y, feed_x)) - ratio * (
        once @ (beyond(x, feed_y) - usual * beyond(x, feed_x))
    )
    feed = beyond(feed_y, feed_y) - 2 * usual * beyond(feed_y, feed_x) + usual**2 * beyond(feed_x, feed_x)
    by_item = column_sums(x)
    thrice = sparse.csr_array(once.multiply(twice))
    shown, squared, cubed = once @ by_item, twice @ by_item**2, thrice @ by_item**3
    inverse, inverse_whole = _inverse(shown), _inverse(feed_x.sum())
    extra = own * inverse**2 - 2 * both * inverse * inverse_whole + feed.sum() * inverse_whole**2
    return np.asarray(np.maximum(extra, 0.0) * few_clusters(shown, squared, cubed))


def few_clusters(x: Array, xx: Array, xxx: Array) -> Array:
    """By what the linearised variance of a ratio is multiplied to make up for few clusters, of any shape.

    xx / (xx (1 + 1/m) - 2 xxx / x) with m = x^2 / xx the effective number of clusters: n / (n - 1) for n of equal weight,
    more where a few of them pull the ratio towards themselves. It makes the sum of squares unbiased if the clusters' own
    ratios are equally variable (the reasoning of Bell and McCaffrey 2002).

    Args:
        x: sums of the clusters' weights.
        xx: of their squares.
        xxx: of their cubes.

    Returns:
        The factor; NaN where one cluster is nearly all.
    """
    inverse = _inverse(x)
    expected = xx * (1 + xx * inverse**2) - 2 * xxx * inverse
    return np.divide(xx, expected, out=np.full(np.shape(expected), np.nan), where=expected > 1e-9 * xx)


def _usual(cells: ItemCells) -> Array:
    """(m,) strength of a showing as it is, of the interests of each item; items without a label are one more interest."""
    rest = 1 - row_sums(cells.label)
    strength, shown = column_sums(cells.feed_strength), column_sums(cells.feed_shown)
    once = cells.label.T
    mean = (once @ strength) * _inverse(once @ shown)
    return np.asarray(cells.label @ mean + rest * (rest @ strength) * _inverse(np.asarray(rest @ shown)))


def _inverse(of: Array) -> Array:
    return np.divide(1.0, of, out=np.zeros_like(of, dtype=np.float64), where=np.asarray(of) > 0)
