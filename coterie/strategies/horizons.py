"""On which days a suggestion is scored, and which of its scores count in the track record.

Belongs here: ages alone, so that whoever needs them loads nothing else. Does not belong here: scores (scorecard).

The week that is scored must not overlap the week that a suggestion was made of, so no score is possible before a week has
passed. From then on there is one every day. Scores of successive days share six of their seven days: as so many hits or
misses they would count one suggestion many times, so of each suggestion those of two ages count, a week apart.
"""

import polars as pl

HORIZONS = (7, 14)  # ages, in days, whose scores make the track record
AGES = range(min(HORIZONS), 29)  # ages at which there is a score


def in_record() -> pl.Expr:
    """Whether a row of STRATEGY_SCORECARD counts in the track record: of what nobody shipped, at two ages."""
    return pl.col("shipped_on").is_null() & pl.col("horizon_days").is_in(HORIZONS)
