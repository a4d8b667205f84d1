"""Tables as Parquet and CSV.

Belongs here: one file a table and format. Does not belong here: which tables may be written (resources.export).

Parquet is for programs: every value as it is. CSV is for spreadsheets: UTF-8 with a byte order mark, without which Excel
takes Chinese for something else; lines that end as Windows ends them; texts that a spreadsheet would run made harmless.
"""

import csv
from pathlib import Path

import polars as pl

from coterie.export.texts import harmless

ROW_GROUP_ROWS = 131_072  # fixed, so that the bytes do not depend on how many threads made the frame


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as it is; equal frames give equal bytes."""
    frame.rechunk().write_parquet(path, row_group_size=ROW_GROUP_ROWS)


def write_csv(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame for spreadsheets; nulls are empty, days ISO, numbers with a point."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    safe = frame.with_columns(
        pl.Series(name, [None if v is None else harmless(v) for v in frame[name]], dtype=pl.String) for name in texts
    )
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")
        out.writerow(safe.columns)
        for row in safe.iter_rows():
            out.writerow(["" if v is None else v for v in row])
