"""Two sorts of showings compared within users: what one brings more than the other, to the same people.

Belongs here: the estimate and its variance. Does not belong here: which showings are of which sort (timing, resting).

Within each block of showings, a user's or a user's of one day, stands the weighted mean of the one sort less that of the
other; a block counts as x1 x0 / (x1 + x0), with x1 and x0 the weights of its two sorts, which is what least squares with
an effect for every block comes to. So who has only one sort does not count, and who they are makes no difference. The
variance has users and items as clusters (Cameron, Gelbach and Miller 2011, Journal of Business and Economic Statistics 29),
by the residuals of that regression.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coterie.matrices import Array
from coterie.strategies.items import few_clusters
from coterie.strategies.outcome import MIN_EFFECTIVE_ROWS, MIN_EFFECTIVE_USERS

Codes = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Showings:
    """Weighted showings; all (r,), in an order that the data make.

    Attributes:
        user: a number for each user, from 0.
        block: the same for each block, which lies within one user.
        item: the same for each item.
        marked: whether the showing is of the sort that is asked about.
        weight: its weight.
        strength: the strength that followed.
    """

    user: Codes
    block: Codes
    item: Codes
    marked: Marks
    weight: Array
    strength: Array


@dataclass(frozen=True)
class Within:
    """What the marked showings bring more than the others.

    Attributes:
        value: mean strength of a marked showing; NaN, as all numbers here, where no block has both sorts.
        baseline: that of the others, in the same blocks.
        variance: of value - baseline, users and items as clusters.
        of_users: the part of it with users alone as clusters.
        users: how many have a block with both sorts.
        engaged: of them, with any strength after a marked showing.
        effective_users: Kish's effective number of users.
        effective_rows: the same of showings, of the sort that has fewer.
        influence: what each user adds to the error of value - baseline, by number.
    """

    value: float
    baseline: float
    variance: float
    of_users: float
    users: int
    engaged: int
    effective_users: float
    effective_rows: float
    influence: Array

    @property
    def difference(self) -> float:
        """Value less baseline."""
        return self.value - self.baseline

    def why_not(self, fewest: int) -> str | None:
        """Why nothing can be told, if so: in the order in which the other measures ask it."""
        reasons = (
            (self.users < fewest, f"fewer than {fewest} active members"),
            (not self.effective_users >= MIN_EFFECTIVE_USERS, "a few users make up most of the activity"),
            (not self.effective_rows >= MIN_EFFECTIVE_ROWS, f"fewer than {MIN_EFFECTIVE_ROWS:.0f} comparable showings"),
            (not np.isfinite(self.variance), "one item makes up most of its showings"),
            (not self.variance > 0, "no variation between users"),
        )
        return next((reason for fails, reason in reasons if fails), None)


def within(shown: Showings) -> Within:
    """The marked showings against the others, block by block."""
    blocks = int(shown.block.max(initial=-1)) + 1
    users = int(shown.user.max(initial=-1)) + 1
    weight, marked, block = shown.weight, shown.marked, shown.block
    x1, x0 = _by(block, weight * marked, blocks), _by(block, weight * ~marked, blocks)
    y1, y0 = (_by(block, weight * shown.strength * of, blocks) for of in (marked, ~marked))
    both = (x1 > 0) & (x0 > 0)
    counts = np.where(both, x1 * x0 / np.where(both, x1 + x0, 1.0), 0.0)
    whole = counts.sum()
    mean1, mean0 = (_over(y, x) for y, x in ((y1, x1), (y0, x0)))
    value, baseline = (float(_over(np.array((counts * m).sum()), np.array(whole))) if whole > 0 else float("nan")
                       for m in (mean1, mean0))  # fmt: skip
    difference = value - baseline
    kept = both[block]
    share = _over(x1, x1 + x0)[block]
    mean = _over(y1 + y0, x1 + x0)[block]
    apart = np.where(kept, weight * (marked - share), 0.0)
    left = shown.strength - mean - np.nan_to_num(difference) * (marked - share)
    influence = apart * left / (whole if whole > 0 else 1.0)
    square = np.where(kept, weight * (marked - share) ** 2, 0.0)
    by_user, by_item = (_by(of, square, int(of.max(initial=-1)) + 1) for of in (shown.user, shown.item))
    of_users = _by(shown.user, influence, users)
    of_items = _by(shown.item, influence, len(by_item))
    cells = np.unique(shown.user * max(len(by_item), 1) + shown.item, return_inverse=True)[1]
    of_cells = _by(cells, influence, int(cells.max(initial=-1)) + 1)
    alone = float((of_users**2).sum()) * _few(by_user)
    extra = max(float((of_items**2).sum() - (of_cells**2).sum()), 0.0) * _few(by_item)
    touched = _by(shown.user, np.where(kept & marked, weight * shown.strength, 0.0), users)
    return Within(
        value=value,
        baseline=baseline,
        variance=alone + extra if whole > 0 else float("nan"),
        of_users=alone if whole > 0 else float("nan"),
        users=int((by_user > 0).sum()),
        engaged=int((touched > 0).sum()),
        effective_users=_effective(by_user),
        effective_rows=min(_effective(np.abs(apart[of])) for of in (marked, ~marked)),
        influence=of_users,
    )


def by_user(shown: Showings, users: int) -> tuple[Array, Array]:
    """(n,) each, for n users: what of the difference is theirs, and by how much they count; it is the ratio of their sums."""
    blocks = int(shown.block.max(initial=-1)) + 1
    x1, x0, y1, y0 = (
        np.bincount(shown.block, weights=of * which, minlength=blocks)
        for of in (shown.weight, shown.weight * shown.strength)
        for which in (shown.marked, ~shown.marked)
    )
    both = (x1 > 0) & (x0 > 0)
    counts = np.where(both, x1 * x0 / np.where(both, x1 + x0, 1.0), 0.0)
    apart = np.where(both, y1 / np.where(both, x1, 1.0) - y0 / np.where(both, x0, 1.0), 0.0)
    owner = np.zeros(blocks, dtype=np.int64)
    owner[shown.block] = shown.user
    return tuple(np.bincount(owner, weights=of, minlength=users) for of in (counts * apart, counts))  # type: ignore[return-value]


def numbered(*columns: npt.NDArray[np.int64]) -> Codes:
    """One number from 0 for each distinct combination, in the order of the first column, then the second."""
    together = columns[0]
    for column in columns[1:]:
        together = together * (int(column.max(initial=0)) + 1) + column
    return np.unique(together, return_inverse=True)[1].astype(np.int64)


def _by(of: Codes, value: Array, length: int) -> Array:
    return np.bincount(of, weights=value, minlength=length).astype(np.float64)


def _over(y: Array, x: Array) -> Array:
    return np.divide(y, x, out=np.zeros(np.shape(x)), where=x > 0)


def _few(by_cluster: Array) -> float:
    return float(few_clusters(*(np.array((by_cluster**power).sum()) for power in (1, 2, 3))))


def _effective(weights: Array) -> float:
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0
