"""What must be so of any table of labels: known items and interests, and weights that sum to 1."""

from collections.abc import Collection

import polars as pl

from coterie.tables import Table
from resources.audit import Finding

SUMS = "The weights of an item sum to 1"


def known(table: Table, says: str, frame: pl.DataFrame, items: pl.Series, interests: Collection[str]) -> Finding:
    """Whether every row is about one of the items and one of the interests; `says` is the check in words."""
    strangers = frame.filter(
        ~pl.col("item_id").is_in(items.unique().implode()) | ~pl.col("interest_id").is_in(sorted(interests))
    )
    return Finding(
        "known",
        strangers.is_empty(),
        says if strangers.is_empty() else f"{table.name}: {strangers.height} rows name an unknown item or interest",
        numbers={"rows": frame.height, "unexpected": strangers.height},
        sample=_shown(table, strangers),
    )


def sums(table: Table, frame: pl.DataFrame) -> Finding:
    """Whether the weights of each item sum to 1."""
    off = frame.group_by("item_id").agg(pl.col("weight").sum()).filter((pl.col("weight") - 1).abs() > 1e-9)
    return Finding(
        "weights_sum",
        off.is_empty(),
        SUMS if off.is_empty() else f"{table.name}: the weights of {off.height} items do not sum to 1",
        numbers={"items": frame["item_id"].n_unique(), "unexpected": off.height},
        sample=_shown(table, off.sort("item_id")),
    )


def _shown(table: Table, rows: pl.DataFrame) -> pl.DataFrame | None:
    """Rows that may be seen in the UI; none of a private table."""
    return None if table.private else rows.head(10)
