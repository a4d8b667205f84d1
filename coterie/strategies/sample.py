"""A sample of users that stands for all, where a week of everybody would not fit in memory.

Belongs here: how large it is, and who is in it. Does not belong here: reading it.

Every estimate is over users, so a simple random sample of them changes none in expectation and makes intervals wider. Who
is in it depends on the id alone: the same users on every day and in every table, and a smaller sample is part of a
larger one.
"""

import numpy as np
import polars as pl

from coterie.graphs import stable_hashes

MOST_ROWS = 20_000_000  # events of a week


def share_of_users(rows: int, most: int = MOST_ROWS) -> float:
    """The share of users that about `most` of so many rows belong to; 1 if all may be read."""
    return min(1.0, most / rows) if rows else 1.0


def sampled(users: pl.Series, share: float) -> pl.Series:
    """Those of the users who are in a sample of that share, in the order given."""
    if share >= 1:
        return users
    return users.filter(pl.Series(stable_hashes(users) < np.uint64(share * 2**64)))
