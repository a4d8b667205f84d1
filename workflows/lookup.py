"""What `coterie lookup` tells: everything that the tables know of an id, as of a day.

Belongs here: which tables name an id, and how far back to look. Does not belong here: printing.

An answer takes milliseconds however long the history is: what holds as of a day stands in the day, and of what happened
the last two weeks are read. Everything that a user ever did takes reading every event, so it is asked for (`history`),
or read where nothing else is known of the id.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from coterie.strategies.decisions import latest
from coterie.strategies.horizons import HORIZONS
from coterie.strategies.touched import BEFORE, touched
from coterie.tables import TABLES, Table
from resources.decisions import DecisionLog
from resources.lake import Lake
from resources.persons import named_in

Rows = list[dict[str, Any]]

LATEST = 10  # rows that stand for many, where not all are asked for
RECENT = timedelta(days=13)  # as long as a suggestion holds
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
_SUGGESTION = ("strategy_id", "kind", "community_id", "interest_id", "status", "expires_on")


def look_up(
    lake: Lake, ids: Iterable[str], on: date, *, history: bool = False, everything: bool = False
) -> dict[str, Any]:
    """All that is known of a community, a strategy or a user at the end of a day, by table; tables without are absent.

    A community or strategy that is not there on the day is shown as it last was, with its `day`. Of a community's life,
    of scores the last two weeks are told. `touched_by` has the suggestions that touch a user, those of the day and those
    that were shipped, see `coterie.strategies.touched`; `decisions`, what teams decided about a suggestion or a
    community's.

    Args:
        lake: the tables.
        ids: forms of one id: for a user, as the source names them and as the tables do.
        on: the day.
        history: also all days: of what a user did a count and the latest rows, all suggestions that touched them, and all
            events of a community's life.
        everything: with `history`, all rows of what a user did, not the latest ones alone.
    """
    wanted = frozenset(ids)
    found = _as_of(lake, wanted, on, history=history) or _as_last_seen(lake, wanted, on, history=history)
    if history or everything or not found:
        for name in _DEEDS_OF_A_USER:
            found[name] = _counted(_ever(lake, name, _names(TABLES[name], wanted), on, wanted), everything)
    return {name: rows for name, rows in found.items() if rows}


def _as_of(lake: Lake, wanted: frozenset[str], on: date, *, history: bool) -> dict[str, Any]:
    """What the tables of one day say."""
    community, strategy = (pl.col(c).is_in(sorted(wanted)) for c in ("community_id", "strategy_id"))
    found: dict[str, Any] = {"communities": _rows(lake, "communities", community, [on])}
    suggested = _rows(lake, "strategies", community | strategy, [on])
    if found["communities"]:
        found |= _life(lake, wanted, on, on, history=history)
    if any(row["strategy_id"] in wanted for row in suggested):
        found |= _record(lake, wanted, on, on, history=history)
    if found["communities"] or suggested:
        found |= {"strategies": suggested, "decisions": _decisions(lake, [r["strategy_id"] for r in suggested], on)}
    if history or not (found["communities"] or suggested):
        # An id is that of one thing, so nothing is found twice.
        found |= _user(lake, wanted, on, history=history)
    return {name: rows for name, rows in found.items() if rows}


def _user(lake: Lake, wanted: frozenset[str], on: date, *, history: bool) -> dict[str, Rows]:
    tables = [name for name in _STATE_OF_A_USER if lake.has(name, on)]
    frames = pl.collect_all([_one(lake, name, on).filter(_names(TABLES[name], wanted)) for name in tables])
    found = {name: frame.to_dicts() for name, frame in zip(tables, frames, strict=True)}
    made = [d for d in lake.days("strategies") if d <= on] if history else [on]
    if rows := _rows(lake, "strategies", _names(TABLES["strategies"], wanted), made):
        found["strategies"] = rows  # that name the user as a creator
    if any(found.values()):
        found["touched_by"] = _touched_by(lake, wanted, on, found.get("user_interests", []), history=history)
    return found


def _as_last_seen(lake: Lake, wanted: frozenset[str], on: date, *, history: bool) -> dict[str, Any]:
    """What an earlier day said last: of a community that has died, of a suggestion that is no longer made."""
    community, strategy = (pl.col(c).is_in(sorted(wanted)) for c in ("community_id", "strategy_id"))
    found: dict[str, Any] = {}
    if rows := _as_it_last_was(lake, "communities", community, on):
        found |= {"communities": rows, **_life(lake, wanted, rows[0]["day"], on, history=history)}
    if rows := _as_it_last_was(lake, "strategies", strategy, on):
        found |= {"strategies": rows, **_record(lake, wanted, rows[0]["day"], on, history=history)}
        found["decisions"] = _decisions(lake, sorted(wanted), on)
    return {name: rows for name, rows in found.items() if rows}


def _life(lake: Lake, wanted: frozenset[str], seen: date, on: date, *, history: bool) -> dict[str, Rows]:
    since = date.min if history else seen - RECENT
    where = pl.col("community_id").is_in(sorted(wanted))
    return {"community_lineage": _ever(lake, "community_lineage", where, on, since=since)}


def _record(lake: Lake, wanted: frozenset[str], seen: date, on: date, *, history: bool) -> dict[str, Rows]:
    since = date.min if history else seen - RECENT
    where = pl.col("strategy_id").is_in(sorted(wanted))
    return {
        "experiment_plans": _rows(lake, "experiment_plans", where, [seen]),
        # Its status there may be a warning, where suggestions of its kind keep missing.
        "mart_strategy_board": _rows(lake, "mart_strategy_board", where, [seen]),
        "strategy_scorecard": _scores(lake, where, on, since, history=history),
    }


def _scores(lake: Lake, where: pl.Expr, on: date, since: date, *, history: bool) -> Rows:
    """Those of the newest day, and of earlier ones those at the ages that count; the others share most of their week."""
    days = [d for d in lake.days("strategy_scorecard") if since <= d <= on]
    newest = _rows(lake, "strategy_scorecard", where, days[-1:])
    earlier = where if history else where & pl.col("horizon_days").is_in(HORIZONS)
    return _rows(lake, "strategy_scorecard", earlier, days[:-1]) + newest


def _decisions(lake: Lake, strategies: Iterable[str], on: date) -> Rows:
    log = DecisionLog(lake.home).read().filter(pl.col("decided_on") <= on)
    return log.filter(pl.col("strategy_id").is_in(sorted(strategies))).to_dicts()


def _touched_by(lake: Lake, wanted: frozenset[str], on: date, interests: Rows, *, history: bool) -> Rows:
    """Suggestions of the day, or of all days, and those that were shipped, as far as they touch the user."""
    decisions = latest(DecisionLog(lake.home).read(), on=on)
    shipped = decisions.filter(pl.col("decision") == "shipped")
    proposed = pl.col("status") == "proposed"
    made = [
        _scan(lake, "strategies", [d for d in lake.days("strategies") if d <= on] if history else [on])
        .filter(proposed)
        .select("day", *_SUGGESTION),
        _scan(lake, "strategies", shipped["issued_on"].unique().to_list())
        .join(shipped.lazy().select("strategy_id", day="issued_on"), on=["strategy_id", "day"], how="semi")
        .select("day", *_SUGGESTION),
    ]
    strategies = pl.concat(pl.collect_all(made)).unique(["day", "strategy_id"])
    days = set(strategies["day"])
    # On the board it may be a warning, where suggestions of its kind keep missing.
    board = _scan(lake, "mart_strategy_board", sorted(days)).select("day", "strategy_id", told="status").collect()
    strategies = strategies.join(board, on=["day", "strategy_id"], how="left").with_columns(
        status=pl.coalesce("told", "status")
    )
    belongs = (
        _scan(lake, "memberships", sorted(days | {day - BEFORE for day in days}))
        .filter(pl.col("user_id").is_in(sorted(wanted)), pl.col("is_primary"))
        .select("day", "community_id", "probability")
        .collect()
    )
    own = pl.DataFrame(interests, schema={"day": pl.Date, **TABLES["user_interests"].schema})
    return touched(strategies, belongs, own, decisions)


def _one(lake: Lake, table: str, day: date) -> pl.LazyFrame:
    """A published day of a table, with `day` first."""
    return lake.scan(table, day).select(pl.lit(day).alias("day"), pl.all())


def _scan(lake: Lake, table: str, days: Iterable[date]) -> pl.LazyFrame:
    """The published ones of some days in one scan, with `day`."""
    files = {day: lake.partition(table, day) for day in days}
    there = [path for path in files.values() if path.exists()]
    if not there:
        return TABLES[table].empty().lazy().with_columns(day=pl.lit(None, pl.Date))
    # By the contract's schema: a day from before a column was added shows it as null.
    return pl.scan_parquet(
        there,
        schema={**TABLES[table].schema, "day": pl.Date()},
        hive_schema={"day": pl.Date},
        missing_columns="insert",
        extra_columns="ignore",
    )


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


def _ever(
    lake: Lake, table: str, where: pl.Expr, on: date, persons: frozenset[str] = frozenset(), since: date = date.min
) -> Rows:
    return _rows(lake, table, where, [d for d in lake.days(table) if since <= d <= on], persons)


def _rows(lake: Lake, table: str, where: pl.Expr, days: Iterable[date], persons: frozenset[str] = frozenset()) -> Rows:
    """The rows of some days for which a condition holds, oldest first, each with its `day`."""
    parts = [_one(lake, table, day).filter(where) for day in days if lake.has(table, day)]
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
