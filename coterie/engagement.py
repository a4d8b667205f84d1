"""Engagement: a day's events -> how strongly each user engaged with each item.

The definition, in frames; notebooks use it. The pipeline runs the same definition as SQL (the dbt model
`engagement`), and a test holds the two together.
"""

import numpy as np
import polars as pl

from coterie.errors import CoterieError
from coterie.tables import ENGAGEMENT

# A bucket of item lengths with fewer watches than this says nothing about a watch; all of the day's watches do then.
SMALLEST_BUCKET = 20
# A signal of this weight halves the distance to 1 (a negative one, the strength).
HALVING_WEIGHT = 3.0
PAIR = ["user_id", "item_id"]


def engagement(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Engagement strength per user and item of one day.

    strength = (1 - (1 - q) 2^(-P/3)) 2^(-N/3), where q is the watch quantile (0 if nothing was watched), and P and N
    sum weight * (1 + ln n) over the positive and negative event types that stand n times after undo. So an exposure
    alone is 0, a like of weight 3 gives at least 0.5, and a negative of weight 3 halves.

    The watch quantile is the mid-rank of the pair's watch time among the day's watched pairs whose items are of like
    length (within half an octave, or both unknown), as in the duration-debiased watch time of Zhan et al. 2022,
    Deconfounding Duration Bias in Watch-time Prediction (KDD), but by day.

    Args:
        events: one day's rows of `raw_events`; needs user_id, item_id, event_type, kind, weight, undo_of, watch_ms.
        items: item_id and duration_ms (milliseconds, null if unknown), one row per item, by its latest version.

    Returns:
        A frame of the contract `engagement`, one row for each pair that has an event.

    Raises:
        CoterieError: an item has several rows.
    """
    if (repeated := items.filter(items["item_id"].is_duplicated())).height:
        example = repeated["item_id"].sort()[0]
        raise CoterieError(
            f"items: expected one row per item, found several for {repeated['item_id'].n_unique()} items, such as {example}"
        )
    pairs = events.group_by(PAIR).agg(
        (pl.col("kind") == "exposure").sum().cast(pl.Int64).alias("shown"),
        pl.col("watch_ms").filter(pl.col("kind") == "watch").sum().alias("watch_ms"),
    )
    watched = pairs.filter(pl.col("watch_ms") > 0).join(_buckets(items), on="item_id", how="left")
    positive, negative = pl.col("positive").fill_null(0.0), pl.col("negative").fill_null(0.0)
    kept = 1 - pl.col("watch_quantile").fill_null(0.0)
    frame = (
        pairs.join(_quantiles(watched), on=PAIR, how="left")
        .join(_signals(events), on=PAIR, how="left")
        .select(
            *PAIR,
            pl.max_horizontal(pl.col("shown"), 1).alias("exposures"),
            (pl.col("shown") > 0).alias("exposure_logged"),
            ((1 - kept * _halved(positive)) * _halved(negative)).alias("strength"),
            "watch_quantile",
            pl.col("signals").fill_null(""),
        )
    )
    return ENGAGEMENT.conform(frame)


def _halved(weight: pl.Expr) -> pl.Expr:
    return pl.lit(2.0).pow(-weight / HALVING_WEIGHT)


def _buckets(items: pl.DataFrame) -> pl.DataFrame:
    """Items of known length with floor(2 log2(length)), from the exact exponent of the squared length."""
    known = items.filter(pl.col("duration_ms") > 0).select("item_id", "duration_ms")
    _, exponent = np.frexp(known["duration_ms"].cast(pl.Float64).to_numpy() ** 2)
    return known.select("item_id", pl.Series("bucket", exponent.astype(np.int64) - 1, dtype=pl.Int64))


def _quantiles(watched: pl.DataFrame) -> pl.DataFrame:
    def middle(*within: str) -> pl.Expr:
        # The mean of the lowest and the highest rank that a value takes up is its average rank.
        rank = pl.col("watch_ms").rank("average")
        return ((rank.over(*within) if within else rank) - 0.5).cast(pl.Float64)

    size = pl.len().over("bucket")
    bucketed = watched.with_columns(pl.col("bucket").fill_null(-1))
    return bucketed.select(
        *PAIR,
        pl.when(size >= SMALLEST_BUCKET)
        .then(middle("bucket") / size)
        .otherwise(middle() / pl.len())
        .alias("watch_quantile"),
    )


def _signals(events: pl.DataFrame) -> pl.DataFrame:
    """Per pair the summed weights of standing signals, and their text."""
    given = (
        events.filter(pl.col("kind").is_in(["positive", "negative"]))
        .group_by(*PAIR, "event_type", "kind")
        .agg(pl.len().alias("given"), pl.col("weight").fill_null(1.0).max())
    )
    undone = (
        events.filter(pl.col("kind") == "undo")
        .group_by(*PAIR, pl.col("undo_of").alias("event_type"))
        .agg(pl.len().alias("undone"))
    )
    times = pl.col("given").cast(pl.Int64) - pl.col("undone").fill_null(0).cast(pl.Int64)
    standing = (
        given.join(undone, on=[*PAIR, "event_type"], how="left")
        .select(*PAIR, "event_type", "kind", "weight", times.alias("times"))
        .filter(pl.col("times") > 0)
        # Sums of floats and the text both follow this order.
        .sort(*PAIR, "event_type", "kind")
    )
    counted = pl.col("weight") * (1 + pl.col("times").cast(pl.Float64).log())
    return standing.group_by(PAIR, maintain_order=True).agg(
        counted.filter(pl.col("kind") == "positive").sum().alias("positive"),
        counted.filter(pl.col("kind") == "negative").sum().alias("negative"),
        pl.concat_str("event_type", pl.lit("="), "times").str.join(", ").alias("signals"),
    )
