"""Suggestions that compete for the same showings: which of them give way.

Belongs here: how many of a community's showings its suggestions move, and the budget for it. Does not belong here: what
each suggestion is worth.
"""

import polars as pl

BUDGET = 0.10  # of a community's showings, moved by all its suggestions together
GAVE_WAY = f"withheld: it gave way, {BUDGET:.0%} of the community's showings are spoken for"


def within_budget(rows: pl.DataFrame) -> pl.DataFrame:
    """Suggestions of a day, those set back for which a community's showings do not suffice.

    In the order of the lower ends of their effects, kinds with a gain per showing first, each takes the showings that it
    moves, until they are more than the budget; the first always may. A row that moves less than what is left does not
    pass one that gave way: the order says what is worth more.

    Args:
        rows: kind, community_id, interest_id, status, effect_low, moved (share of the community's showings, null where it
            moves none or the log does not tell), gains (whether the effect is per showing), and `proposed`, whether
            status is that.

    Returns:
        The rows in their order, `status` GAVE_WAY for those that gave way.
    """
    order = ["community_id", "gains", "effect_low", "kind", "interest_id"]
    asking = (
        rows.with_row_index("place")
        .filter("proposed", pl.col("moved") > 0)
        .sort(order, descending=[False, True, True, False, False])
        .with_columns(whole=pl.col("moved").cum_sum().over("community_id"))
        .filter(pl.col("whole") > BUDGET, pl.int_range(pl.len()).over("community_id") > 0)
    )
    gave_way = pl.int_range(pl.len()).is_in(asking["place"].implode())
    return rows.with_columns(status=pl.when(gave_way).then(pl.lit(GAVE_WAY)).otherwise("status"))
