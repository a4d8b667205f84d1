"""What was shipped: the gain of a showing of it, measured while showings move.

Belongs here: what differs from a gain that nobody acted on. Does not belong here: the verdict and when (scorecard), and who
decides (decisions).

A gain is what a showing of the target brings, less a showing of what members are shown. While a suggestion is in force,
what they are shown holds the showings that it moved, so the same measure shrinks: with the target's share of the
showings at s1 instead of s0 it is (1 - s1) / (1 - s0) times the gain of a showing that moved, if what gave way is an
average of the feed. Divided by that, it can be set against what was predicted. It is the gain of all showings of the
target, those that moved among them. Both sides are showings of the same week and users, so what the week brings to all of
them does not count.
"""

import polars as pl

from coterie.strategies.kinds import DIVERSIFY


def of_what_moved(found: pl.DataFrame) -> pl.DataFrame:
    """Gains measured while suggestions are in force, as those of the showings that moved.

    A loss needs no such care: it is measured against what members are shown otherwise, whatever share that has.

    Args:
        found: kind, community_id, realised, realised_error, served_share (the target's share of the members' showings, now)
            and share_before (when it was suggested; null counts as none), of all that is in force.

    Returns:
        The same, of gains `realised` and `realised_error` multiplied by (1 - share_before) / (1 - served_share). Null
        where the share did not change in the direction that was asked for, so that nothing tells that anything moved, and
        where something else moves showings of the same community, so that nobody knows whose doing it was.
    """
    before = pl.col("share_before").fill_null(0.0)
    less = pl.col("kind") == DIVERSIFY
    moved = pl.when(less).then(pl.col("served_share") < before).otherwise(pl.col("served_share") > before)
    alone = pl.len().over("community_id") == 1
    factor = pl.when(less).then(1.0).otherwise((1 - before) / (1 - pl.col("served_share")))
    known = moved & alone & (pl.col("served_share") < 1)
    return found.with_columns(pl.when(known).then(pl.col("realised", "realised_error") * factor))
