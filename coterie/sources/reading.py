"""One day of the event log, as the raw_events contract wants it, and the rows that were refused.

Belongs here: which rows are a day's, repeats, pseudonyms, users to forget. Does not belong here: the rules of a row.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from coterie.errors import SourceError
from coterie.sources.description import Source
from coterie.sources.events import STAGED, UNPARSED, line_payload, set_key, staged
from coterie.sources.fields import between, may_lie_in
from coterie.sources.files import Room, engine, open_rows, reading
from coterie.sources.index import FileEntry, SourceIndex, digest, line_hash
from coterie.sources.localdays import day_range
from coterie.tables import QUARANTINE, RAW_EVENTS

PART_ROWS = 1_000_000  # of a day that is read in parts
# What orders a day's rows; kind, weight and undo_of follow from event_type. Exact repeats end up side by side.
_ORDER = tuple(c for c in RAW_EVENTS.schema if c in STAGED)


@dataclass(frozen=True)
class DayRead:
    """A day of events.

    Attributes:
        frame: the good rows, in the raw_events contract.
        rejects: the refused rows, in the quarantine contract.
        read: rows that were read, users to forget apart: good ones, repeats and rejects.
        repeated: exact repeats of a good row that were dropped.
        digest: the digest of the raw rows, equal to the index's for that day unless a file changed meanwhile.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    read: int
    repeated: int
    digest: str


class OpenDay:
    """A day of events that has been read and not yet been taken into memory.

    Attributes:
        rejects: the refused rows, in the quarantine contract.
        read: rows that were read, users to forget apart: good ones, repeats and rejects.
        events: good rows without exact repeats.
        digest: the digest of the raw rows, equal to the index's for that day unless a file changed meanwhile.
        users: how many have a good row.
        item_ids: of the good rows, each once, sorted.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, source: Source, rejects: pl.DataFrame, digest: str) -> None:
        """`con` has the rows in its table `staged`."""
        self._good = con.table("staged").filter("reason IS NULL")
        self._source = source
        self.rejects = rejects
        self.digest = digest
        rows, self.users = self._good.aggregate("count(*), count(DISTINCT user_id)").fetchall()[0]
        self.read = rows + int(rejects["copies"].sum())
        # A repeat shares the 64 bits with its row, and the id: different rows share both once in an age.
        self.events = self._good.project("hash, event_id").distinct().aggregate("count(*)").fetchall()[0][0]
        self.repeated = rows - self.events
        self.item_ids = self._good.project("item_id").distinct().order("item_id").pl()["item_id"]

    def parts(self, rows: int = PART_ROWS) -> Iterator[pl.DataFrame]:
        """The good rows in the raw_events contract and its order, so many at a time; exact repeats are dropped."""
        columns = ", ".join(("hash", *_ORDER))
        order = ", ".join(f"{name} NULLS LAST" for name in (*_ORDER, "hash"))
        last: list[pl.DataFrame] = []
        for batch in self._good.project(columns).order(order).to_arrow_reader(rows):
            found = pl.concat([*last, pl.DataFrame(batch)])
            once = found.filter(pl.any_horizontal(pl.all().ne_missing(pl.all().shift())))
            yield RAW_EVENTS.conform(with_meaning(once.slice(len(last)).drop("hash"), self._source))
            last = [found.tail(1)]


@contextmanager
def open_day(
    source: Source,
    index: SourceIndex,
    day: date,
    *,
    pseudonym_key: bytes | None = None,
    forgotten: frozenset[str] = frozenset(),
    room: Room | None = None,
) -> Iterator[OpenDay]:
    """Read what occurred on a local day, whichever files hold it, without taking it all into memory.

    Exact repeats of a row collapse to one. Rows with the same event_id but other content all stay: which one is right
    is not for reading to guess, and the audit refuses the day. Without an id a row gets one from its content.

    Args:
        source: the description.
        index: the index of its files.
        day: a day in the source's time zone.
        pseudonym_key: if given, user ids become keyed pseudonyms, in payloads as well.
        forgotten: users to leave out, as they stand in the tables (that is, after pseudonyms).
        room: where rows go that do not fit in memory; if none is given, all must fit.

    Raises:
        SourceError: a file that holds the day, or may hold it, cannot be read, lacks a column, or has one of a type
            that cannot hold what the description says.
    """
    entries = index.entries_for(day)
    for entry in entries:
        if entry.error:
            raise SourceError(f"{entry.error} (it may hold rows of {day})")
    broken: list[str] = []
    columns = {name: kind for name, kind in STAGED.items() if name != "row_id"}
    with engine(room) as con:
        con.execute(f"CREATE TABLE staged ({', '.join(f'{c} {t}' for c, t in columns.items())})").fetchall()
        if pseudonym_key is not None:
            set_key(con, pseudonym_key)
        for entry in entries:
            broken += _stage(con, source, entry, day, keyed=pseudonym_key is not None)
        count, total = con.sql("SELECT count(*), coalesce(sum(hash), 0) FROM staged").fetchall()[0]
        mark = digest(count + len(broken), int(total) + sum(line_hash(line) for line in broken))
        if forgotten:
            ids = sorted(forgotten)
            con.execute("DELETE FROM staged WHERE user_id IN (SELECT unnest($1::VARCHAR[]))", [ids]).fetchall()
        yield OpenDay(con, source, _rejects(con, broken, pseudonym_key, forgotten), mark)


def read_events(
    source: Source,
    index: SourceIndex,
    day: date,
    *,
    pseudonym_key: bytes | None = None,
    forgotten: frozenset[str] = frozenset(),
) -> DayRead:
    """The same at once, for a day that fits in memory: see `open_day`."""
    with open_day(source, index, day, pseudonym_key=pseudonym_key, forgotten=forgotten) as opened:
        frame = pl.concat([RAW_EVENTS.empty(), *opened.parts()])
        return DayRead(frame, opened.rejects, opened.read, opened.repeated, opened.digest)


def _stage(con: duckdb.DuckDBPyConnection, source: Source, entry: FileEntry, day: date, *, keyed: bool) -> list[str]:
    """Put the day's rows of a file into the table `staged`; returns its broken lines, if they count to the day."""
    path = source.root / entry.path
    start, end = day_range(day, source.timezone)
    holds_undated = entry.own_day == day.isoformat()
    rows = open_rows(con, path, entry.path)
    with reading(path, entry.path):
        if rows.columns:
            at = rows.columns.get(source.events.columns.occurred_at)
            # The bare condition would hide rows without a readable time, which count to this day.
            first = may_lie_in(at, start, end) if at and not holds_undated else None
            then = between("{at}", start, end) + (" OR {at} IS NULL" if holds_undated else "")
            found = staged(source, rows, keyed=keyed, first=first, then=then)
            found.project("* EXCLUDE (row_id)").insert_into("staged")
        return rows.broken() if holds_undated else []


def _rejects(
    con: duckdb.DuckDBPyConnection, broken: Sequence[str], key: bytes | None, forgotten: frozenset[str]
) -> pl.DataFrame:
    refused = con.table("staged").filter("reason IS NOT NULL").aggregate("reason, payload, count(*) AS copies").pl()
    lines = Counter(line_payload(line, key, forgotten) for line in broken)
    rejects = pl.concat(
        [
            refused.select("reason", "payload", pl.col("copies").cast(pl.Int64)),
            pl.DataFrame(
                {"reason": [UNPARSED] * len(lines), "payload": list(lines), "copies": list(lines.values())},
                schema={"reason": pl.String, "payload": pl.String, "copies": pl.Int64},
            ),
        ]
    ).with_columns(table_name=pl.lit(RAW_EVENTS.name))
    return QUARANTINE.conform(rejects)


def with_meaning(events: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Add kind, weight and undo_of, by event_type, from the description."""
    types = source.events.event_types
    event_type = pl.col("event_type")
    return events.with_columns(
        kind=event_type.replace_strict({n: t.kind for n, t in types.items()}, return_dtype=pl.String),
        weight=event_type.replace_strict({n: t.weight for n, t in types.items()}, return_dtype=pl.Float64),
        undo_of=event_type.replace_strict({n: t.of for n, t in types.items()}, return_dtype=pl.String),
    )
