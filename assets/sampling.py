"""Which users are read, where a window of everybody would not fit in memory."""

from datetime import date

import polars as pl

from coterie.strategies.sample import sampled
from resources.lake import Lake


def of_sample(lake: Lake, first: date, last: date, share: float) -> pl.Expr | None:
    """Whether a row's user is in the sample of that share of the days' users; None where all are."""
    if share >= 1:
        return None
    files = lake.files("engagement", first=first, last=last)
    users = pl.scan_parquet(files).select(pl.col("user_id").unique()).collect(engine="streaming")["user_id"].sort()
    return pl.col("user_id").is_in(sampled(users, share).implode())
