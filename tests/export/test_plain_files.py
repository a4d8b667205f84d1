"""Parquet and CSV, read back by DuckDB, pyarrow and Python's csv."""

import csv
import io
from datetime import date
from pathlib import Path

import duckdb
import export_world as world
import polars as pl
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.export.plain_files import write_csv, write_parquet
from coterie.export.texts import FORMULA, harmless

BOARD = world.handout().marts["mart_strategy_board"]


def test_parquet_has_every_value_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(BOARD, path)
    assert pl.DataFrame(duckdb.sql(f"from '{path}'").arrow()).equals(BOARD)
    assert pq.read_table(path).schema.names == BOARD.columns
    write_parquet(BOARD, tmp_path / "b.parquet")
    assert path.read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_csv_opens_in_duckdb_with_numbers_days_and_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(BOARD, path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfday,strategy_id")
    # A community's name is longer than what DuckDB takes for a line unless it is told.
    found = duckdb.sql(f"from read_csv('{path}', max_line_size=10000000)")
    assert dict(zip(found.columns, map(str, found.types), strict=True))["expires_on"] == "DATE"
    read = pl.DataFrame(found.arrow())
    assert read["effect"].to_list() == BOARD["effect"].to_list()
    assert read["community"].to_list() == [harmless(name) for name in BOARD["community"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(
        st.tuples(st.none() | st.text(max_size=12), st.none() | st.floats(allow_nan=False), st.none() | st.dates())
    )
)
def test_no_cell_of_text_is_a_formula_and_every_row_is_read_back(tmp_path: Path, lines: list[tuple]) -> None:
    path = tmp_path / "c.csv"
    frame = pl.DataFrame(lines, schema={"text": pl.String, "number": pl.Float64, "day": pl.Date}, orient="row")
    write_csv(frame, path)
    head, *found = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    assert head == ["text", "number", "day"]
    assert len(found) == len(lines)
    for (text, number, day), (told, value, when) in zip(lines, found, strict=True):
        assert not told.startswith(FORMULA)
        assert told == harmless(text or "")
        assert (float(value) if value else None) == number
        assert (date.fromisoformat(when) if when else None) == day
