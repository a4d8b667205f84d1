"""What users did with single items over the last days, as the search for communities reads it.

Belongs here: coding, decay, effective counts. Does not belong here: groups.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import sparse

from coterie.matrices import Matrix, codes, ids_of, matrix, product, row_sums, summed

WINDOW_DAYS = 14  # older engagements are known by interest only
RECENT_DAYS = 3


@dataclass(frozen=True)
class Acts:
    """Engagements of n users with m items of J interests; all numbers are effective counts.

    Attributes:
        users: ids, sorted.
        engaged: (n, m) decayed engagement over its dispersion, which makes sums behave like counts.
        labels: (m, J) share of the item that an interest has; a row of zeros for an item without a label.
        earlier: (n, J) engagements before the window, by interest.
        recent: (n, m) those of the last `RECENT_DAYS` days up to the newest with any, part of `engaged`.
        former: (n, m) those of as many days before these, part of `engaged`.
    """

    users: pl.Series
    engaged: Matrix
    labels: Matrix
    earlier: Matrix
    recent: Matrix
    former: Matrix

    @property
    def not_new(self) -> np.ndarray:
        """(n,) whether a user engaged with anything before the last `RECENT_DAYS` days."""
        before = row_sums(self.engaged) - row_sums(self.recent) + row_sums(self.earlier)
        return np.asarray(before > 1e-9)

    def take(self, rows: np.ndarray) -> "Acts":
        """Some of the users, by place, and the items that they engaged with."""
        engaged, recent, former = (sparse.csr_array(of[rows]) for of in (self.engaged, self.recent, self.former))
        items = np.flatnonzero(np.bincount(engaged.indices, minlength=engaged.shape[1]))
        return replace(
            self,
            users=self.users.gather(rows),
            engaged=sparse.csr_array(engaged[:, items]),
            labels=sparse.csr_array(self.labels[items]),
            earlier=sparse.csr_array(self.earlier[rows]),
            recent=sparse.csr_array(recent[:, items]),
            former=sparse.csr_array(former[:, items]),
        )

    def during(self, rows: np.ndarray, engaged: Matrix) -> "Acts":
        """Some of the users, by place, and nothing of them but part of their engagements; items stay as they are."""
        kept = sparse.csr_array(engaged[rows])
        nothing = sparse.csr_array(kept.shape)
        earlier = sparse.csr_array((len(rows), self.labels.shape[1]))
        return replace(
            self, users=self.users.gather(rows), engaged=kept, earlier=earlier, recent=nothing, former=nothing
        )  # fmt: skip


def acts_of(
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    user_interests: pl.DataFrame,
    *,
    half_life_days: float,
) -> Acts:
    """Read the acts of a window of days.

    Args:
        engagement: day, user_id, item_id, strength: ENGAGEMENT of the last `WINDOW_DAYS` days.
        labels: item_id, interest_id, weight of the window's items.
        user_interests: USER_INTERESTS of the last day.
        half_life_days: days after which an engagement counts half.

    Returns:
        Acts of all users who engaged with anything, in the window or before.
    """
    age = (pl.col("day").max() - pl.col("day")).dt.total_days()
    did = (
        engagement.drop_nulls(["user_id", "item_id", "strength"])
        .select("user_id", "item_id", age=age, strength=pl.col("strength") * 0.5 ** (age / half_life_days))
        .filter(pl.col("strength") > 0)
    )
    before = user_interests.filter(pl.col("engaged") > 0)
    users, items = ids_of(did["user_id"], before["user_id"]), ids_of(did["item_id"])
    interests = ids_of(labels["interest_id"], before["interest_id"])
    # The ids are looked up once for both matrices.
    user, item = codes(did["user_id"], users), codes(did["item_id"], items)
    value, age_of = did["strength"].to_numpy(), did["age"].to_numpy()
    strength = summed(user, item, value, (len(users), len(items)))
    # Sorted, so that the sum does not depend on the order of the rows.
    whole, square = float(strength.data.sum()), float((did["strength"].sort() ** 2).sum())
    dispersion = square / whole if whole > 0 else 1.0
    engaged = sparse.csr_array(strength / dispersion)
    label = matrix(labels, "item_id", items, "interest_id", interests, "weight")
    known = matrix(before, "user_id", users, "interest_id", interests, "engaged")
    earlier = sparse.csr_array(known - product(strength, label))
    earlier.data = np.where(earlier.data > 1e-6, earlier.data, 0.0) / dispersion
    earlier.eliminate_zeros()
    spans = [(age_of >= since) & (age_of < since + RECENT_DAYS) for since in (0, RECENT_DAYS)]
    recent, former = (
        sparse.csr_array(summed(user[of], item[of], value[of], strength.shape) / dispersion) for of in spans
    )
    return Acts(users=users, engaged=engaged, labels=label, earlier=earlier, recent=recent, former=former)


def places(groups: pl.DataFrame, users: pl.Series) -> np.ndarray:
    """(n,) group of each user, from a frame of user_id and group (a number); -1 for users who are not in it."""
    found = np.full(len(users), -1, dtype=np.int64)
    at = codes(groups["user_id"], users)
    known = at >= 0
    found[at[known]] = groups["group"].to_numpy()[known]
    return found
