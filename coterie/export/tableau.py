"""`coterie.hyper`: the tables as one extract that Tableau opens, written by Tableau's own Hyper API.

Belongs here: types and rows. Does not belong here: which tables.

The Hyper API is 90 MB and not made for every machine, so it is an extra. Hyper files hold identifiers of their own: their
bytes differ from run to run, their content does not.
"""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl

from coterie.errors import ExportError

MISSING = "Tableau's Hyper API is not installed: pip install 'coterie[tableau]', or pip install tableauhyperapi"
SCHEMA = "Extract"  # where Tableau looks for tables


def available() -> bool:
    """Whether the Hyper API is installed."""
    return importlib.util.find_spec("tableauhyperapi") is not None


def write_hyper(tables: Mapping[str, pl.DataFrame], path: Path) -> None:
    """Write tables into a new extract, each under its name in the schema `Extract`.

    Args:
        tables: name -> frame of strings, numbers, booleans, days and timestamps.
        path: a new file.

    Raises:
        ExportError: the Hyper API cannot write it.
    """
    import tableauhyperapi as hyper

    try:
        _write(hyper, tables, path)
    except hyper.HyperException as error:
        raise ExportError(f"{path.name}: Tableau's Hyper API could not write it: {error}") from error
    path.chmod(path.parent.stat().st_mode & 0o666)  # the server makes it for its own user alone


def _write(hyper: ModuleType, tables: Mapping[str, pl.DataFrame], path: Path) -> None:
    kinds = {
        pl.String: hyper.SqlType.text,
        pl.Int64: hyper.SqlType.big_int,
        pl.Float64: hyper.SqlType.double,
        pl.Boolean: hyper.SqlType.bool,
        pl.Date: hyper.SqlType.date,
        pl.Datetime: hyper.SqlType.timestamp,
    }
    # No log beside the caller's files, and nothing told to Tableau.
    silent = {"log_config": ""}
    telemetry = hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    with (
        hyper.HyperProcess(telemetry, "coterie", parameters=silent) as server,
        hyper.Connection(server.endpoint, path, hyper.CreateMode.CREATE) as connection,
    ):
        connection.catalog.create_schema(SCHEMA)
        for name, frame in tables.items():
            columns = [
                hyper.TableDefinition.Column(column, kinds[type(dtype)](), hyper.Nullability.NULLABLE)
                for column, dtype in frame.schema.items()
            ]
            table = hyper.TableDefinition(hyper.TableName(SCHEMA, name), columns)
            connection.catalog.create_table(table)
            with hyper.Inserter(connection, table) as inserter:
                inserter.add_rows(_row(row) for row in frame.iter_rows())
                inserter.execute()


def _row(row: tuple[Any, ...]) -> list[Any]:
    # Hyper's text ends at a NUL.
    return [value.replace("\x00", " ") if isinstance(value, str) else value for value in row]
