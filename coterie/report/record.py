"""The track record in figures.

Belongs here: summing scores up. Does not belong here: making them (coterie.strategies.scorecard).
"""

import polars as pl

from coterie.strategies.horizons import in_record


def track_record(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores that count in the track record, summed up by kind and horizon; those that could not be scored do not count.

    Args:
        scores: STRATEGY_SCORECARD rows of any number of days, with `kind` (pl.String).

    Returns:
        kind, horizon_days, scored (how many), hit_rate (share within the interval), and the means of predicted,
        realised and placebo, sorted by the first two.
    """
    return (
        scores.filter(in_record(), pl.col("verdict") != "not_scorable")
        .group_by("kind", "horizon_days")
        .agg(
            pl.len().alias("scored"),
            (pl.col("verdict") == "hit").mean().alias("hit_rate"),
            pl.col("predicted").mean(),
            pl.col("realised").mean(),
            pl.col("placebo").mean(),
        )
        .sort("kind", "horizon_days")
    )
