"""Frames of ids as sparse matrices.

Belongs here: coding of ids and sums into cells. Does not belong here: what the cells mean. Ids are sorted and equal
cells are summed in one order, so the order of input rows and the number of threads never show in a result.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

Array = npt.NDArray[np.float64]
Matrix = sparse.csr_array


def ids_of(*columns: pl.Series) -> pl.Series:
    """The distinct values of several columns, sorted."""
    return pl.concat([c.cast(pl.String).unique() for c in columns]).unique().drop_nulls().sort()


def codes(column: pl.Series, ids: pl.Series) -> npt.NDArray[np.int64]:
    """Position of each value in the sorted ids; -1 where it is not among them."""
    if not len(ids):
        return np.full(len(column), -1, dtype=np.int64)
    coded = column.cast(pl.String).cast(pl.Enum(ids), strict=False).to_physical().cast(pl.Int64)
    return coded.fill_null(-1).to_numpy()


def matrix(frame: pl.DataFrame, row: str, rows: pl.Series, column: str, columns: pl.Series, value: str) -> Matrix:
    """Sum `value` into a (rows, columns) matrix; rows of the frame with an unknown id are left out."""
    v = frame[value].cast(pl.Float64).to_numpy(writable=True)
    return summed(codes(frame[row], rows), codes(frame[column], columns), v, (len(rows), len(columns)))


def summed(r: npt.NDArray[np.int64], c: npt.NDArray[np.int64], v: Array, shape: tuple[int, int]) -> Matrix:
    """Values summed into a matrix by row and column; those with the row or column -1 are left out, as are zeros."""
    known = (r >= 0) & (c >= 0) & (v != 0)
    if not known.all():
        r, c, v = r[known], c[known], v[known]
    if len(r) > 1 and not ((r[1:] > r[:-1]) | ((r[1:] == r[:-1]) & (c[1:] > c[:-1]))).all():
        # The value is the last sort key, so that equal cells are summed in one order whatever the input's was.
        order = np.lexsort((v, c, r))
        r, c, v = r[order], c[order], v[order]
        first = np.ones(len(r), dtype=bool)
        first[1:] = (r[1:] != r[:-1]) | (c[1:] != c[:-1])
        v = np.bincount(np.cumsum(first) - 1, weights=v).astype(np.float64)
        r, c = r[first], c[first]
    starts = np.concatenate([[0], np.cumsum(np.bincount(r, minlength=shape[0]))])
    # As scipy would choose: 32 bits where they suffice.
    width = np.int32 if max(len(r), shape[1]) < np.iinfo(np.int32).max else np.int64
    return sparse.csr_array((v, c.astype(width), starts.astype(width)), shape=shape)


def product(left: Matrix, right: Matrix) -> Matrix:
    """left @ right without explicit zeros, indices sorted."""
    result = sparse.csr_array(left @ right)
    result.eliminate_zeros()
    result.sort_indices()
    return result


def pattern(of: Matrix) -> Matrix:
    """1 where there is an entry."""
    return sparse.csr_array((np.ones_like(of.data), of.indices, of.indptr), shape=of.shape)


def row_sums(of: Matrix) -> Array:
    """(rows,) sums, added in the order of the columns."""
    row = np.repeat(np.arange(of.shape[0]), np.diff(of.indptr))
    return np.bincount(row, weights=of.data, minlength=of.shape[0]).astype(np.float64)


def column_sums(of: Matrix) -> Array:
    """(columns,) sums, added in the order of the rows."""
    return np.bincount(of.indices, weights=of.data, minlength=of.shape[1]).astype(np.float64)
