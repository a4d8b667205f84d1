"""Frames of ids as matrices: sums do not depend on the order of rows."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from coterie.matrices import ids_of, matrix

CELLS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz"), st.floats(-3, 3)), max_size=30)


@given(CELLS, st.booleans(), st.randoms(use_true_random=False))
def test_cells_are_summed_whatever_the_order_of_rows(cells: list[tuple[str, str, float]], once: bool, random) -> None:
    if once:  # as a table of the lake has them: in order, no pair twice
        cells = sorted({(r, c): (r, c, v) for r, c, v in cells}.values())
    frame = pl.DataFrame(cells, schema={"r": pl.String, "c": pl.String, "v": pl.Float64}, orient="row")
    rows, columns = pl.Series(["a", "b", "c"]), pl.Series(["w", "x", "y"])
    found = matrix(frame, "r", rows, "c", columns, "v")
    expected = np.zeros((3, 3))
    for r, c, v in cells:
        if r != "d" and c != "z":
            expected["abc".index(r), "wxy".index(c)] += v
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-12)
    assert found.has_canonical_format
    random.shuffle(cells)
    again = matrix(pl.DataFrame(cells, schema=frame.schema, orient="row"), "r", rows, "c", columns, "v")
    assert (found.data.tobytes(), found.indices.tobytes()) == (again.data.tobytes(), again.indices.tobytes())


def test_a_matrix_of_nothing_has_its_shape() -> None:
    empty = pl.DataFrame(schema={"r": pl.String, "c": pl.String, "v": pl.Float64})
    assert matrix(empty, "r", ids_of(pl.Series(["a"])), "c", ids_of(empty["c"]), "v").shape == (1, 0)
