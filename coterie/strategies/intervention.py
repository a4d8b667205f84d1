"""What was shipped: the gain of the showings that moved, measured while they move.

Belongs here: what differs from a gain that nobody acted on. Does not belong here: the verdict
and when (scorecard), and who decides (decisions).

A gain is what a showing of the target brings, less a showing of what members are shown. While a suggestion is in force,
what they are shown holds the showings that it moved, so the same measure shrinks: with the target's share of the
showings at s1 instead of s0 it is (1 - s1) / (1 - s0) times the gain of a showing that moved, if what gave way is an
average of the feed. Divided by that, it can be set against what was predicted. Both sides are showings of the same week
and users, so what the week brings to all of them does not count.
"""

import polars as pl


def of_what_moved(found: pl.DataFrame) -> pl.DataFrame:
    """Gains measured while suggestions are in force, as those of the showings that moved.

    Args:
        found: realised, realised_error, popularity, placebo (each of a showing), served_share (of the members' showings,
            now) and share_before (when it was suggested; null counts as none).

    Returns:
        The same, the first four multiplied by (1 - share_before) / (1 - served_share); null where the target takes up
        all showings.
    """
    rest = pl.when(pl.col("served_share") < 1).then(1 - pl.col("served_share"))
    factor = (1 - pl.col("share_before").fill_null(0.0)) / rest
    return found.with_columns(pl.col("realised", "realised_error", "popularity", "placebo") * factor)
