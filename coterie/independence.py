"""What would be engaged with if activity, appeal to everyone and what was shown were all there is.

Belongs here: the null of quasi-independence. Does not belong here: what is tested against it.
"""

import numpy as np
import polars as pl
from scipy import sparse

from coterie.matrices import Array, Matrix

PASSES = 30
MOST_SHOWINGS = 3  # of an item to a user in a day; more are too few rows to tell apart


def opportunity(rows: pl.DataFrame) -> pl.DataFrame:
    """What a row's showings are worth: an item that a feed shows a user three times has three chances.

    Args:
        rows: ENGAGEMENT, of which exposures and strength are read.

    Returns:
        The rows with `opportunity`: mean strength of rows with as many showings (1, 2, 3 or more).
    """
    times = pl.col("exposures").clip(1, MOST_SHOWINGS)
    # Sorted before the sum: the order of rows does not show.
    worth = (
        rows.select(times=times, strength="strength").sort("times", "strength").group_by("times", maintain_order=True)
    )
    return (
        rows.with_columns(times=times)
        .join(worth.agg(opportunity=pl.col("strength").mean()), on="times", how="left", maintain_order="left")
        .drop("times")
    )


def quasi_independent(shown: Matrix, rows: Array, columns: Array) -> Matrix:
    """Showings times a factor for each user and one for each interest, so that both sums are what was engaged.

    The likeliest engagement if a user's activity and an interest's appeal to everyone were all there is, given what was
    shown (quasi-independence; Goodman 1968), by iterative proportional fitting (Deming and Stephan 1940). One pass alone
    would take the activity of those whom an interest is shown to for its appeal.

    Args:
        shown: (n, J) what the showings are worth.
        rows: (n,) engagement of each user.
        columns: (J,) engagement with each interest.
    """
    turned = sparse.csr_array(shown.T)
    of_row, of_column = np.ones(shown.shape[0]), np.ones(shown.shape[1])
    for _ in range(PASSES):
        offered = np.asarray(turned @ of_row)
        of_column = np.divide(columns, offered, out=np.zeros_like(columns), where=offered > 0)
        offered = np.asarray(shown @ of_column)
        of_row = np.divide(rows, offered, out=np.zeros_like(rows), where=offered > 0)
    return sparse.csr_array(shown.multiply(of_row[:, None]).multiply(of_column[None, :]))
