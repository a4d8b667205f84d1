"""One pass over the files of a source: what its columns, rows and event types turn out to be.

Belongs here: counting, and trying each column by itself. Does not belong here: what to make of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb
import polars as pl

from coterie.errors import SourceError
from coterie.sources.description import ItemColumns, Location, Source, did_you_mean
from coterie.sources.events import UNPARSED, line_payload, staged
from coterie.sources.fields import boolean, identifier, moment, number
from coterie.sources.files import Rows, open_rows, reading
from coterie.sources.items import item_values, tags_sql, text_sql

Reader = Callable[[Rows, str, str], object]
Problems = defaultdict[tuple[Location, Literal["error", "warning"]], list[str]]

_SAMPLE_ROWS = 5
_REQUIRED = ("user_id", "item_id", "event_type", "occurred_at")


class Refused(NamedTuple):
    """Rows that would go to quarantine for a reason: how many, their share of all rows, and one of them."""

    reason: str
    rows: int
    share: float
    sample: str


class Look:
    """What one pass over the event files found."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str | None, str | None]] = Counter()  # (event type, reason) -> rows
        self.payloads: dict[str, str] = {}
        self.problems: Problems = defaultdict(list)
        self.sample: pl.DataFrame | None = None

    def file(self, con: duckdb.DuckDBPyConnection, source: Source, name: str) -> None:
        """Look at one event file; `con` collects item ids in its table `ids`."""
        path = source.root / name
        try:
            rows = open_rows(con, path, name)
            if rows.columns:
                given = source.events.columns.model_dump(exclude_none=True).items()
                if not _columns_fit(rows, given, _event_readers(source), "events", self.problems):
                    return
            with reading(path, name):
                if rows.columns:
                    self._rows(con, source, rows)
                for line in rows.broken():
                    self._count(None, UNPARSED, 1, line_payload(line))
        except SourceError as error:
            self.problems[(("events", "path"), "error")].append(str(error))

    def _rows(self, con: duckdb.DuckDBPyConnection, source: Source, rows: Rows) -> None:
        relation = staged(source, rows)
        found = relation.aggregate("event_type, reason, count(*) AS n, min(payload) AS payload", "event_type, reason")
        for event_type, reason, n, payload in sorted(found.fetchall(), key=str):
            self._count(event_type, reason, n, payload)
        relation.filter("item_id IS NOT NULL").project("item_id").distinct().insert_into("ids")
        if self.sample is None:
            sample = relation.filter("reason IS NULL").order("row_id").limit(_SAMPLE_ROWS)
            frame = sample.project("* EXCLUDE (hash, row_id, reason, payload)").pl()
            self.sample = frame if frame.height else None

    def _count(self, event_type: str | None, reason: str | None, rows: int, payload: str | None) -> None:
        self.counts[event_type, reason] += rows
        if reason is not None:
            self.payloads.setdefault(reason, payload or "")

    def types(self) -> Counter[str]:
        """Event type -> rows, whether described or not."""
        result: Counter[str] = Counter()
        for (event_type, _), rows in self.counts.items():
            if event_type is not None:
                result[event_type] += rows
        return result

    def refused(self, total: int) -> list[Refused]:
        """The reasons for quarantine, most frequent first; `total` is the number of all rows."""
        rows: Counter[str] = Counter()
        for (_, reason), n in self.counts.items():
            if reason is not None:
                rows[reason] += n
        ordered = sorted(rows.items(), key=lambda x: (-x[1], x[0]))
        return [Refused(reason, n, n / total, self.payloads[reason]) for reason, n in ordered]


def _moment_reader(source: Source) -> Reader:
    return lambda rows, theirs, ours: moment(rows, theirs, ours, source.timezone)


def _event_readers(source: Source) -> dict[str, Reader]:
    numbers: dict[str, Reader] = dict.fromkeys(("watch_ms", "position", "propensity"), number)
    names: dict[str, Reader] = dict.fromkeys(("user_id", "item_id", "event_type", "event_id"), identifier)
    return {**names, **numbers, "occurred_at": _moment_reader(source), "is_random": boolean}


def _item_readers(source: Source) -> dict[str, Reader]:
    names: dict[str, Reader] = dict.fromkeys(("item_id", "creator_id", "language"), identifier)
    texts: dict[str, Reader] = {"text": text_sql, "hashtags": tags_sql}
    return {**names, **texts, "duration_ms": number, "created_at": _moment_reader(source)}


def _columns_fit(
    rows: Rows, given: Iterable[tuple[str, str]], readers: Mapping[str, Reader], part: str, problems: Problems
) -> bool:
    """Try each column by itself, so that every one that is wrong is told; False if one cannot be read at all."""
    fit = True
    for ours, theirs in given:
        where = (part, "columns", ours)
        if ours not in _REQUIRED and not rows.offers(theirs):
            guess = did_you_mean(theirs, rows.columns)
            problems[where, "warning"].append(f"{rows.name}: no row has {theirs!r} (for {ours}){guess}")
            continue
        try:
            readers[ours](rows, theirs, ours)
        except SourceError as error:
            problems[where, "error"].append(str(error))
            fit = False
    return fit


def look_at_items(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    columns: ItemColumns,
    file: tuple[Path, str],
    problems: Problems,
    refused: Counter[str],
) -> None:
    """Look at one item file: what is wrong with its columns, and how many rows would be quarantined."""
    path, name = file
    try:
        rows = open_rows(con, path, name)
        named = columns.model_dump(exclude_none=True, exclude={"text"}).items()
        given = [*named, *(("text", theirs) for theirs in columns.text or ())]
        if rows.columns and not _columns_fit(rows, given, _item_readers(source), "items", problems):
            return
        with reading(path, name):
            if rows.columns:
                reason = item_values(rows, columns, source.timezone)["reason"]
                found = rows.relation.project(f"{reason} AS reason").filter("reason IS NOT NULL")
                refused.update(dict(found.aggregate("reason, count(*)", "reason").fetchall()))
            refused.update([UNPARSED] * len(rows.broken()))
    except SourceError as error:
        problems[("items", "path"), "error"].append(str(error))
