"""How a table of the contract becomes an asset: key, group, words, column schema, checks.

Belongs here: what all assets have in common. Does not belong here: any one asset.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import wraps
from typing import Any, ParamSpec

import dagster as dg
import polars as pl

from assets.gate import GateError, Yielded, suite
from coterie.errors import CoterieError
from coterie.tables import Table
from resources.configurable import Method
from resources.lake import Lake

# Checks per partition are marked as preview in Dagster 1.13, days before the first as beta; the gate is made of them.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

OWNER = "team:data-science"

P = ParamSpec("P")

Days = tuple[int, int]  # first and last day that is read, as offsets
YESTERDAY: Days = (-1, -1)


def spec(
    table: Table, *, deps: Sequence[str], kinds: set[str], says: str, looks_back: Mapping[str, Days] | None = None
) -> dg.AssetSpec:
    """The asset of a table. `deps` are read for the same day, `looks_back` for days from first to last offset.

    Only a table's own yesterday is declared as a dependency on another day: by it backfills run in order and later
    days show as stale. Earlier days of other tables are there once yesterday's chain is (a missing one is refused in
    words); declared as well, they would make a backfill of some days target days after them.
    """
    return dg.AssetSpec(
        table.name,
        group_name=table.group,
        description=f"{says}\n\nOne row is {table.row}.",
        owners=[OWNER],
        kinds=kinds,
        deps=[
            *deps,
            *(name for name in looks_back or {} if name != table.name and name not in deps),
            *([own_yesterday(table.name)] if table.name in (looks_back or {}) else []),
        ],
        metadata={
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": table.name,
            "dagster/storage_kind": "parquet",
        },
    )


def own_yesterday(name: str) -> dg.AssetDep:
    """A table's dependency on its own day before; before the source's first day there is none."""
    first, last = YESTERDAY
    return dg.AssetDep(
        name,
        partition_mapping=dg.TimeWindowPartitionMapping(
            start_offset=first, end_offset=last, allow_nonexistent_upstream_partitions=True
        ),
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The contract's columns as the UI shows them."""
    return dg.TableSchema(
        [
            dg.TableColumn("day", "Date", "The partition"),
            *(
                dg.TableColumn(
                    c.name, str(table.schema[c.name]), c.meaning, dg.TableColumnConstraints(nullable=c.nullable)
                )
                for c in table.columns
            ),
        ]
    )


def check_specs(table: Table, days: dg.PartitionsDefinition, extra: Mapping[str, str]) -> list[dg.AssetCheckSpec]:
    """One check per partition for everything that the gate looks at.

    `extra` are the relational and statistical checks of the stage, name -> what it says. Every check is `blocking`;
    one whose result is only a warning does not stop the gate.
    """
    words = {check.name: check.says for check in suite(table).checks} | dict(extra)
    return [
        dg.AssetCheckSpec(name, asset=table.name, description=says, blocking=True, partitions_def=days)
        for name, says in words.items()
    ]


def refuses_in_words(step: Callable[P, Iterator[Yielded]]) -> Callable[P, Iterator[Yielded]]:
    """Turn the library's own errors into a failure that says what is wrong and is not retried."""

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> Iterator[Yielded]:
        try:
            yield from step(*args, **kwargs)
        except CoterieError as error:
            raise GateError(str(error)) from error

    return run


def table_asset(
    table: Table,
    days: dg.PartitionsDefinition,
    *,
    deps: Sequence[str],
    kinds: set[str],
    says: str,
    looks_back: Mapping[str, Days] | None = None,
    checks: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Iterator[Yielded]]], dg.AssetsDefinition]:
    """Decorate a generator step that makes one table and passes it through the gate."""

    def decorate(step: Callable[..., Iterator[Yielded]]) -> dg.AssetsDefinition:
        return dg.multi_asset(
            name=table.name,
            specs=[spec(table, deps=deps, kinds=kinds, says=says, looks_back=looks_back)],
            check_specs=check_specs(table, days, checks or {}),
            partitions_def=days,
        )(refuses_in_words(step))

    return decorate


def today(context: dg.AssetExecutionContext) -> date:
    """The day that the step makes."""
    return date.fromisoformat(context.partition_key)


def yesterday(lake: Lake, method: Method, table: str, day: date) -> pl.DataFrame | None:
    """The table as of the day before; None on the source's first day.

    Raises:
        MissingDayError: the day before has not been materialized, and is not before the first.
    """
    return None if method.is_first(day) else lake.read(table, day - timedelta(days=1))


def shares(**numbers: float | int | str) -> dict[str, Any]:
    """Numbers of a check or materialization, floats cut to six places so that the UI stays readable."""
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in numbers.items()}
