"""What moved in the labels of a day: interests whose share changed most, and how far the labels agree with people.

Belongs here: pure functions of labels, for the page of `item_labels`. Does not belong here: the page.
"""

import numpy as np
import polars as pl

MOVED = {
    "interest_id": pl.String,
    "items": pl.Int64,
    "share": pl.Float64,
    "share_before": pl.Float64,
    "change": pl.Float64,
    "z": pl.Float64,
}


def moved_most(today: pl.DataFrame, before: pl.DataFrame, most: int = 10) -> pl.DataFrame:
    """The interests whose share of labelled items changed most against earlier days.

    Ranked by the standardised change, with half an item added to every count (Agresti and Caffo add one to each of two
    counts), so that one item of a rare interest does not come first.

    Args:
        today: item_id, interest_id of the day.
        before: the same of earlier days; an item may come on several.
        most: rows at most.

    Returns:
        interest_id, items today, share, share_before, change, z; empty where either side has no item.
    """
    now, then = today["item_id"].n_unique(), before["item_id"].n_unique()
    if not now or not then:
        return pl.DataFrame(schema=MOVED)
    counts = (
        today.group_by("interest_id").agg(items=pl.col("item_id").n_unique())
        .join(
            before.group_by("interest_id").agg(earlier=pl.col("item_id").n_unique()),
            on="interest_id", how="full", coalesce=True,
        )
        .fill_null(0).sort("interest_id")
    )  # fmt: skip
    a, b = counts["items"].to_numpy().astype(np.float64), counts["earlier"].to_numpy().astype(np.float64)
    p, q = (a + 0.5) / (now + 1), (b + 0.5) / (then + 1)
    pooled = (a + b + 1) / (now + then + 2)
    z = (p - q) / np.sqrt(pooled * (1 - pooled) * (1 / (now + 1) + 1 / (then + 1)))
    frame = counts.with_columns(
        share=pl.Series(a / now), share_before=pl.Series(b / then), change=pl.Series(a / now - b / then), z=pl.Series(z)
    )
    order = pl.col("z").abs().round(9)
    return frame.sort(order, "interest_id", descending=[True, False]).head(most).select(list(MOVED)).cast(MOVED)  # type: ignore[arg-type]
