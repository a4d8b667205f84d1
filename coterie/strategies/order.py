"""In which order users were shown things on a day: the how-many-th showing it was, and the how-many-th of its interest.

Belongs here: counting showings. Does not belong here: what a later showing brings (resting).
"""

import polars as pl


def main_interests(labels: pl.DataFrame) -> pl.DataFrame:
    """item_id, interest_id: the interest that has most of each item; of equal ones the first."""
    known = labels.drop_nulls(["item_id", "interest_id", "weight"])
    if "day" in known.columns:
        known = known.filter(pl.col("day") == pl.col("day").max().over("item_id"))
    ordered = known.sort("item_id", "weight", "interest_id", descending=[False, True, False])
    return ordered.unique("item_id", keep="first", maintain_order=True).select("item_id", "interest_id")


def ordered(shown: pl.DataFrame, main: pl.DataFrame) -> pl.DataFrame:
    """Showings with `place` and `nth`.

    Args:
        shown: all showings of some days: day, user_id, item_id, occurred_at, event_id, and more; those of one moment are
            taken in the order of their ids.
        main: item_id, interest_id, what each item is about.

    Returns:
        `shown` with place, the number of the showing among the user's of the day, and nth, that among those of its
        interest, both from 1; nth is null where the item has no label.
    """
    of_day = ["day", "user_id"]
    interests = main.select(pl.col("interest_id").unique().sort()).with_row_index("about")
    numbered = main.join(interests, on="interest_id", how="left").select("item_id", "about")
    known = shown.join(numbered, on="item_id", how="left").sort(*of_day, "occurred_at", "event_id")
    # Numbers in the place of ids, which are slow to group by.
    first = pl.any_horizontal(pl.col(c) != pl.col(c).shift(1) for c in of_day).fill_null(True)
    return (
        known.with_columns(owner=first.cum_sum())
        .with_columns(
            place=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("owner"),
            nth=pl.when(pl.col("about").is_not_null()).then(
                pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("owner", "about")
            ),
        )
        .drop("about", "owner")
    )
