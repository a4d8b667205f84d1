"""What `coterie lookup` tells: everything that the tables know of an id, as of a day.

Belongs here: which tables name an id, and how far back to look. Does not belong here: printing.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from coterie.tables import TABLES, Table
from resources.lake import Lake
from resources.persons import named_in

Rows = list[dict[str, Any]]

LATEST = 10  # rows that stand for many, where not all are asked for
# Text that a contract says is JSON. Other text stays text, whatever it looks like: ids in braces are no objects.
JSON_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "raw_items": ("hashtags",),
    "quarantine": ("payload",),
    "communities": ("evidence",),
    "community_lineage": ("from_ids",),
    "strategies": ("action", "evidence"),
    "experiment_plans": ("metrics",),
}
# What holds as of a day stands in the day; what happened, in all days up to it.
_STATE_OF_A_USER = ("memberships", "user_interests", "user_graph")
_DEEDS_OF_A_USER = ("raw_events", "engagement", "raw_items", "quarantine")


def look_up(lake: Lake, ids: Iterable[str], on: date, *, everything: bool = False) -> dict[str, Any]:
    """All that is known of a community, a strategy or a user at the end of a day, by table; tables without are absent.

    A community or strategy that is not there on the day is shown as it last was, with its `day`. Of what a user did,
    there is a count and the latest rows.

    Args:
        lake: the tables.
        ids: forms of one id: for a user, as the source names them and as the tables do.
        on: the day.
        everything: all rows of what a user did, not the latest ones alone.
    """
    wanted = frozenset(ids)
    community, strategy = (pl.col(c).is_in(sorted(wanted)) for c in ("community_id", "strategy_id"))
    found: dict[str, Any] = {
        "communities": _as_it_last_was(lake, "communities", community, on),
        "community_lineage": _ever(lake, "community_lineage", community, on),
        "strategies": _rows(lake, "strategies", community, [on]),
    }
    if issued := _as_it_last_was(lake, "strategies", strategy, on):
        found["strategies"] = issued
        found["experiment_plans"] = _as_it_last_was(lake, "experiment_plans", strategy, on)
        found["strategy_scorecard"] = _ever(lake, "strategy_scorecard", strategy, on)
    for name in _DEEDS_OF_A_USER:
        found[name] = _counted(_ever(lake, name, _names(TABLES[name], wanted), on, wanted), everything)
    for name in _STATE_OF_A_USER:
        found[name] = _rows(lake, name, _names(TABLES[name], wanted), [on])
    return {name: rows for name, rows in found.items() if rows}


def _names(table: Table, wanted: frozenset[str]) -> pl.Expr:
    """Whether a row may name a person; of rejected rows, `named_in` knows for sure."""
    if table.name == "quarantine":
        return pl.col("payload").str.contains_any(sorted({json.dumps(i, ensure_ascii=False)[1:-1] for i in wanted}))
    return pl.any_horizontal(pl.col(c).is_in(sorted(wanted)) for c in table.persons)


def _as_it_last_was(lake: Lake, table: str, where: pl.Expr, on: date) -> Rows:
    for day in (d for d in reversed(lake.days(table)) if d <= on):
        if rows := _rows(lake, table, where, [day]):
            return rows
    return []


def _ever(lake: Lake, table: str, where: pl.Expr, on: date, persons: frozenset[str] = frozenset()) -> Rows:
    return _rows(lake, table, where, [d for d in lake.days(table) if d <= on], persons)


def _rows(lake: Lake, table: str, where: pl.Expr, days: Iterable[date], persons: frozenset[str] = frozenset()) -> Rows:
    """The rows of some days for which a condition holds, oldest first, each with its `day`."""
    parts = [
        pl.scan_parquet(lake.partition(table, day), hive_partitioning=False)
        .filter(where)
        .select(pl.lit(day).alias("day"), pl.all())
        for day in days
        if lake.has(table, day)
    ]
    frames = pl.collect_all(parts)
    if table == "quarantine":
        frames = [frame.filter(named_in(TABLES[table], frame, persons)) for frame in frames]
    as_json = JSON_COLUMNS.get(table, ())
    return [
        {name: json.loads(cell) if name in as_json and cell is not None else cell for name, cell in row.items()}
        for frame in frames
        for row in frame.iter_rows(named=True)
    ]


def _counted(rows: Rows, everything: bool) -> dict[str, Any]:
    if not rows:
        return {}
    newest = sorted(rows, key=lambda row: (row["day"], row.get("occurred_at") or row["day"]), reverse=True)
    days = {row["day"] for row in rows}
    told = {"rows": len(rows), "days": len(days), "first_day": min(days), "last_day": max(days)}
    return told | ({"all": newest} if everything else {"latest": newest[:LATEST]})
