"""What would be engaged with if activity, appeal to everyone and what was shown were all there is.

Belongs here: the null of quasi-independence. Does not belong here: what is tested against it.
"""

import numpy as np
from scipy import sparse

from coterie.matrices import Array, Matrix

PASSES = 30


def quasi_independent(shown: Matrix, rows: Array, columns: Array) -> Matrix:
    """Showings times a factor for each user and one for each interest, so that both sums are what was engaged.

    The likeliest engagement if a user's activity and an interest's appeal to everyone were all there is, given what was
    shown (quasi-independence; Goodman 1968), by iterative proportional fitting (Deming and Stephan 1940). One pass alone
    would take the activity of those whom an interest is shown to for its appeal.

    Args:
        shown: (n, J) showings.
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
