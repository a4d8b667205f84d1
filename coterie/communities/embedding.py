"""Users as points whose nearness says that they engage with the same items.

Belongs here: the spectral embedding of a log. Does not belong here: labels, groups.
"""

import numpy as np
from scipy import linalg, sparse

from coterie.matrices import Array, Matrix, column_sums, row_sums

DIMENSIONS = 24
SPARE = 8  # further dimensions that are iterated along, so that the last wanted ones converge as well
ITERATIONS = 12
REGULAR = 1.0  # engagements added to every degree: without it the leading vectors sit on users of a single item
SEED = 20240501


def embed(engaged: Matrix, dimensions: int = DIMENSIONS) -> Array:
    """Leading left singular vectors of the regularised normalised log, times their singular values.

    Entries are divided by the square roots of the user's and the item's degree (Dhillon 2001, bipartite spectral
    clustering; degrees regularised after Chaudhuri, Chung and Tsiatas 2012); the first vector, which only says how
    active a user is, is left out. By subspace iteration (Halko, Martinsson and Tropp 2011). Sums run without BLAS, so
    that the number of threads does not show.

    Args:
        engaged: (n, m) engagements.
        dimensions: d, how many vectors; fewer where the log has a lower rank.

    Returns:
        (n, d).
    """
    n, m = engaged.shape
    width = min(dimensions + 1 + SPARE, n, m)
    if width < 2:
        return np.zeros((n, 0))
    users, items = row_sums(engaged) + REGULAR, column_sums(engaged) + REGULAR
    scaled = sparse.csr_array(engaged.multiply(1 / np.sqrt(users)[:, None]).multiply(1 / np.sqrt(items)[None, :]))
    turned = sparse.csr_array(scaled.T)
    basis = _orthonormal(np.random.default_rng(SEED).standard_normal((m, width)))
    for _ in range(ITERATIONS):
        basis = _orthonormal(np.asarray(turned @ np.asarray(scaled @ basis)))
    image = np.asarray(scaled @ basis)
    values, vectors = linalg.eigh(_gram(image))
    order = np.argsort(-values, kind="stable")[1 : dimensions + 1]
    return np.asarray(np.einsum("nd,dk->nk", image, vectors[:, order], optimize=False))


def _orthonormal(columns: Array) -> Array:
    """Columns made orthonormal by Cholesky's factor of their Gram matrix, twice: once leaves rounding behind."""
    for _ in range(2):
        gram = _gram(columns)
        ridge = 1e-12 * max(float(np.trace(gram)), 1e-300)
        root = linalg.cholesky(gram + ridge * np.eye(len(gram)), lower=False)
        columns = np.einsum("nd,dk->nk", columns, linalg.inv(root), optimize=False)
    return np.asarray(columns)


def _gram(columns: Array) -> Array:
    return np.asarray(np.einsum("nd,nk->dk", columns, columns, optimize=False))
