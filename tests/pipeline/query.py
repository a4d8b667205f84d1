"""An analyst: a process that asks `coterie.duckdb` the same questions again and again until it is told to stop."""

import json
import time
from pathlib import Path

import duckdb

from coterie.tables import TABLES
from resources.lake import VIEWS


def query_until(home: Path, enough: Path, answers: Path) -> None:
    """Query every view until the file `enough` is there; write what came of it to `answers` as JSON.

    The file is opened as `duckdb coterie.duckdb` does, to read and write, and as a dashboard does, to read only.
    """
    count, errors, rows = 0, [], {}
    while not (home / VIEWS).exists() and not enough.exists():
        time.sleep(0.05)
    told = False
    while not told:
        told = enough.exists()  # one more answer after the end: everything must be there then
        try:
            with duckdb.connect(str(home / VIEWS), read_only=count % 2 == 1) as connection:
                rows = {table: connection.sql(f"select count(*) from {table}").fetchall()[0][0] for table in TABLES}
                connection.sql("select day, count(*), max(occurred_at) from raw_events group by day").fetchall()
        except duckdb.Error as error:
            errors.append(str(error))
        count += 1
        time.sleep(0.2)
    answers.write_text(json.dumps({"answers": count, "errors": errors, "rows": rows}))
