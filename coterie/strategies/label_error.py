"""How far wrong labels alone may move an effect, as a share of it.

A label of confidence c is right with that probability. Labels of one interest tend to be right or wrong together, since
the same words decide, so their mean does not become sure with more items: with correlation r and m items of equal weight
the share of right ones has the variance c (1 - c) (r + (1 - r) / m) (the design effect of Kish 1965).

Labels also miss items. Of engagement that bears any label in a share s, an interest may be recognised more often or
less often than others, by the same formula with s for c: where it is, demand and supply are larger than they look.
"""

import polars as pl

from coterie.strategies.shrinkage import Z90

# Of right labels within an interest, given their confidence; between what was measured (docs/method.md).
CORRELATION = 0.5
FEWEST_ITEMS = 3.0  # effective items: with fewer, one or two labels are the interest
WHY_NOT = "its labels are too uncertain"


def label_error() -> pl.Expr:
    """Standard deviation of the share of right labels over that share, from `label_confidence` and `label_items`."""
    wrong = (1 - pl.col("label_confidence")) / pl.col("label_confidence")
    return (wrong * (CORRELATION + (1 - CORRELATION) / pl.col("label_items"))).sqrt()


def label_missed() -> pl.Expr:
    """Standard deviation of the share of an interest's items that is recognised over that share, from `label_share`."""
    return ((1 - pl.col("label_share")) / pl.col("label_share") * CORRELATION).sqrt()


def with_label_error(candidates: pl.DataFrame) -> pl.DataFrame:
    """Candidates with `label_error` and `label_missed`; where wrong labels may be the whole effect, not evaluable.

    That is where the 90 % interval of the error holds all of it, or fewer than 3 effective items stand for the interest.

    Args:
        candidates: OUTCOME_SCHEMA and more. Labels without a confidence are taken to be right.
    """
    few = (pl.col("label_error") > 0) & (pl.col("label_items") < FEWEST_ITEMS)
    lost = pl.col("why_not").is_null() & ((pl.col("label_error") * Z90 >= 1) | few)
    numbers = ("value", "difference", "std_error", "bias_bound", "unit_mean", "unit_sd")
    return candidates.with_columns(
        label_error=label_error().fill_null(0.0), label_missed=label_missed().fill_null(0.0)
    ).with_columns(
        *(pl.when(~lost).then(pl.col(n)).alias(n) for n in numbers),
        evaluability=pl.when(lost).then(pl.lit("not_evaluable")).otherwise("evaluability"),
        why_not=pl.when(lost).then(pl.lit(WHY_NOT)).otherwise("why_not"),
    )
