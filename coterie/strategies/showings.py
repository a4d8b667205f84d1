"""Which of a log's showings can be compared fairly, and how they weigh.

Belongs here: the strength that followed a showing, its weight, and why it may be compared. Does not belong here: what
becomes of them as matrices (window), and any metric.
"""

import numpy as np
import polars as pl

MOST_WEIGHT = 10.0  # times the mean weight: a showing beyond it counts as this, so that no single one is the estimate
RANDOM, PROPENSITY, OBSERVATIONAL = "random_exposure", "propensity", "observational"
# Of a showing, where it is known: the hour of the day, 0 to 23, in the source's time zone; which showing of the user and day
# it was, and which of its interest (order.ordered); and whether a negative signal about the item came that day.
WHEN = ("hour", "place", "nth", "negative")


def exposed_rows(events: pl.DataFrame, engagement: pl.DataFrame) -> pl.DataFrame:
    """Logged showings with the strength that followed.

    Args:
        events: RAW_EVENTS with day; showings are the rows of kind `exposure`. What it has of WHEN is kept.
        engagement: ENGAGEMENT with day. A pair's strength is divided evenly over all its showings of the day, also
            those that are not in `events`.

    Returns:
        day, user_id, item_id, strength, showings (of the pair that day), propensity, is_random, and what there is of
        WHEN: one row a showing.
    """
    pair = ["day", "user_id", "item_id"]
    more = [name for name in WHEN if name in events.columns]
    shown = events.filter(pl.col("kind") == "exposure").select(*pair, "propensity", "is_random", *more)
    joined = shown.join(engagement.select(*pair, "strength", showings="exposures"), on=pair, how="inner")
    return joined.select(
        *pair, pl.col("strength") / pl.col("showings"), "showings", "propensity", "is_random", *more
    ).sort(*pair, "is_random", "propensity", *more, nulls_last=True)


def weighted_showings(exposed: pl.DataFrame) -> tuple[str, pl.DataFrame | None]:
    """The showings that can be compared fairly, with their weights, and why they can be.

    A showing with a logged propensity p weighs q / p (Horvitz and Thompson 1952), with q the item's share of all users'
    showings of the day: the average feed. Then every user counts as if shown what users are shown on average, whatever
    the feed takes them for, and weights vary far less than towards a uniform draw: where the feed treats all alike they
    are one. The random slice is part of it, its propensities being those of the whole feed. Weights have mean 1 on each
    day and are cut at MOST_WEIGHT (Ionides 2008); estimates divide by their sum (self-normalised; Swaminathan and
    Joachims 2015). Without propensities, random showings weigh 1 each. Where a log has both, the one counts that leaves
    the larger effective number of showings.

    Weighted pairs that were shown more than once a day are left out, as what the second showing added cannot be told from
    the first. With n showings of the user that day, drawn one by one, a showing is its pair's only one with the chance
    (1 - p) ** (n - 1), by which the weight is divided, by a tenth at least; `feed_weight` is its inverse alone, which makes what is
    left stand for all that the user was shown.

    Args:
        exposed: what `exposed_rows` gives.

    Returns:
        The evaluability, and day, user_id, item_id, strength, weight, cut (weight cut off) and, with propensities,
        feed_weight, and what there is of WHEN; `observational` and None if the log has neither.
    """
    columns = ["day", "user_id", "item_id", "strength", "weight", "cut", *(c for c in WHEN if c in exposed.columns)]
    random = exposed.filter(pl.col("is_random").fill_null(False))
    weighted = _reweighted(exposed.filter(pl.col("propensity") > 0))
    if weighted.height and _effective(weighted["weight"]) >= random.height:
        return PROPENSITY, weighted.select(*columns, "feed_weight")
    if random.height:
        return RANDOM, random.with_columns(weight=pl.lit(1.0), cut=pl.lit(0.0)).select(columns)
    return OBSERVATIONAL, None


def _reweighted(known: pl.DataFrame) -> pl.DataFrame:
    """The showings with a propensity that are their pair's only one, with weight, cut and feed_weight."""
    others = pl.len().over("day", "user_id") - 1
    alone = ((1 - pl.col("propensity")) ** others).clip(lower_bound=1 / MOST_WEIGHT)
    share = pl.len().over("day", "item_id") / pl.len().over("day")
    once = known.with_columns(feed_weight=1 / alone, ratio=share / pl.col("propensity")).filter(pl.col("showings") == 1)
    ratio = (once["ratio"] * once["feed_weight"]).to_numpy()
    day = once["day"].rank("dense").to_numpy().astype(np.int64)
    # Sums of floats in the order of the rows, which `exposed_rows` has sorted.
    mean = np.bincount(day, weights=ratio) / np.maximum(np.bincount(day), 1)
    relative = ratio / mean[day]
    weight = np.minimum(relative, MOST_WEIGHT)
    return once.with_columns(weight=pl.Series(weight), cut=pl.Series(relative - weight))


def _effective(weight: pl.Series) -> float:
    """Kish's effective number."""
    w = weight.to_numpy()
    return float(w.sum() ** 2 / (w**2).sum())
