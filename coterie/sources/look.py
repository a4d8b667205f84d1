"""One pass over the files of a source: what its columns, rows and event types turn out to be.

Belongs here: counting, and trying each column by itself. Does not belong here: what to make of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb
import polars as pl

from coterie.errors import SourceError
from coterie.sources.description import ItemColumns, Location, Source, did_you_mean
from coterie.sources.events import NO_TIME, UNPARSED, line_payload, staged
from coterie.sources.fields import boolean, identifier, moment, number, offsetless
from coterie.sources.files import Rows, literal, open_rows, reading
from coterie.sources.items import item_values, tags_sql, text_sql

Reader = Callable[[Rows, str, str], object]
Problems = defaultdict[tuple[Location, Literal["error", "warning"]], list[str]]

_SAMPLE_ROWS = 5
_SAMPLE_TIMES = 3
_REQUIRED = ("user_id", "item_id", "event_type", "occurred_at")
# Hashes in place of texts: what is compared may be a whole log.
_SEEN = "day DATE, id UBIGINT, row_id UBIGINT, file INTEGER"


class Refused(NamedTuple):
    """Rows that would go to quarantine for a reason: how many, their share of all rows, and one of them."""

    reason: str
    rows: int
    share: float
    sample: str


class Reasons:
    """Why rows would go to quarantine."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self._samples: dict[str, str] = {}

    def add(self, reason: str, rows: int, payload: str) -> None:
        """Count rows that are refused for a reason; the first payload stands for them."""
        self.rows[reason] += rows
        self._samples.setdefault(reason, payload)

    def listed(self, total: int) -> list[Refused]:
        """The reasons, most frequent first; `total` is the number of all rows."""
        ordered = sorted(self.rows.items(), key=lambda x: (-x[1], x[0]))
        return [Refused(reason, n, n / total, self._samples[reason]) for reason, n in ordered]


@dataclass(frozen=True)
class Conflicts:
    """Event ids that stand in rows of a day that differ: how many, on which days, and one of them in words."""

    ids: int
    days: tuple[date, ...]
    example: str


class Look:
    """What one pass over the event files found.

    Attributes:
        rows: how many there are.
        types: event type -> rows, whether described or not.
        reasons: why rows would go to quarantine.
        problems: what is wrong with files and columns.
        sample: a few good rows, in the columns of `STAGED`.
        unread_times: a few values of occurred_at that cannot be read.
        offsetless: rows whose time carries no offset, and the first such time, as naive UTC.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, source: Source, one_id_in: int) -> None:
        """Tables of `con` collect the ids of items, and, of events, one id in so many."""
        self._con = con
        self._source = source
        self._one_id_in = one_id_in
        self._files: list[str] = []
        self.rows = 0
        self.types: Counter[str] = Counter()
        self.reasons = Reasons()
        self.problems: Problems = defaultdict(list)
        self.sample: pl.DataFrame | None = None
        self.unread_times: list[str] = []
        self.offsetless: tuple[int, datetime | None] = (0, None)
        con.execute("CREATE TABLE items (item_id VARCHAR)").fetchall()
        con.execute(f"CREATE TABLE seen ({_SEEN})").fetchall()

    def file(self, name: str) -> None:
        """Look at one event file."""
        path = self._source.root / name
        self._files.append(name)
        try:
            rows = open_rows(self._con, path, name)
            if rows.columns:
                given = self._source.events.columns.model_dump(exclude_none=True).items()
                if not _columns_fit(rows, given, _event_readers(self._source), "events", self.problems):
                    return
            with reading(path, name):
                if rows.columns:
                    self._look(rows)
                for line in rows.broken():
                    self.rows += 1
                    self.reasons.add(UNPARSED, 1, line_payload(line))
            if rows.unended:
                self.problems[("events", "path"), "warning"].append(_unended(rows))
        except SourceError as error:
            self.problems[("events", "path"), "error"].append(str(error))

    def _look(self, rows: Rows) -> None:
        relation = staged(self._source, rows)
        found = relation.aggregate("event_type, reason, count(*) AS n, min(payload) AS payload", "event_type, reason")
        for event_type, reason, n, payload in sorted(found.fetchall(), key=str):
            self.rows += n
            if event_type is not None:
                self.types[event_type] += n
            if reason is not None:
                self.reasons.add(reason, n, payload)
        relation.filter("item_id IS NOT NULL").project("item_id").distinct().insert_into("items")
        if rows.offers(self._source.events.columns.event_id):
            self._ids(relation)
        had = self.sample.height if self.sample is not None else 0
        if had < _SAMPLE_ROWS:
            sample = relation.filter("reason IS NULL").order("row_id").limit(_SAMPLE_ROWS)
            frame = sample.project("* EXCLUDE (hash, row_id, reason, payload)").pl()
            self.sample = frame if frame.height > had else self.sample
        self._times(rows)

    def _times(self, rows: Rows) -> None:
        column = rows.columns[self._source.events.columns.occurred_at]
        at = moment(rows, column.name, "occurred_at", self._source.timezone)
        if len(self.unread_times) < _SAMPLE_TIMES and self.reasons.rows[NO_TIME]:
            unread = rows.relation.filter(f"({at.present}) AND ({at.value}) IS NULL").project(f"{column.text} AS text")
            found = unread.distinct().order("text").limit(_SAMPLE_TIMES).fetchall()
            self.unread_times += [str(row[0]) for row in found]
        naive = rows.relation.filter(f"({offsetless(column)}) AND ({at.value}) IS NOT NULL")
        n, first = naive.aggregate(f"count(*), min({at.value})").fetchall()[0]
        firsts = [t for t in (self.offsetless[1], first) if t is not None]
        self.offsetless = (self.offsetless[0] + n, min(firsts, default=None))

    def _ids(self, relation: duckdb.DuckDBPyRelation) -> None:
        good = relation.filter(f"reason IS NULL AND hash(event_id) % {self._one_id_in} = 0")
        day = _local_day(self._source)
        file = len(self._files) - 1
        good.project(f"{day}, hash(event_id), hash(row_id), {file}").distinct().insert_into("seen")

    def conflicts(self) -> Conflicts | None:
        """Event ids of rows that differ, though they are of one day, among the ids that were collected."""
        twice = (
            self._con.table("seen")
            .aggregate("day, id, count(DISTINCT row_id) AS n, list(DISTINCT file) AS files", "day, id")
            .filter("n > 1")
            .order("day, id")
            .fetchall()
        )
        if not twice:
            return None
        day, number, _, files = twice[0]
        return Conflicts(
            len(twice), tuple(sorted({row[0] for row in twice})), self._example(day, number, sorted(files))
        )

    def _example(self, day: date, number: int, files: list[int]) -> str:
        parts = []
        for name in (self._files[i] for i in files):
            with reading(self._source.root / name, name):
                rows = staged(self._source, open_rows(self._con, self._source.root / name, name))
                same = rows.filter(
                    f"reason IS NULL AND hash(event_id) = {number} AND {_local_day(self._source)} = '{day}'"
                )
                parts.append(same.project("* EXCLUDE (hash, reason, payload)").pl().with_columns(file=pl.lit(name)))
        found = pl.concat(parts).unique("row_id", keep="first", maintain_order=True).sort("file", "row_id").head(2)
        one, other = found.drop("row_id").to_dicts()
        differ = [c for c in one if c not in ("event_id", "file") and one[c] != other[c]]
        how = "; ".join(f"{c} is {_shown(one[c])} and {_shown(other[c])}" for c in differ)
        where = " and ".join(dict.fromkeys((one["file"], other["file"])))
        return f"{one['event_id']!r} on {day} in {where}: {how or 'the values are the same but written differently'}"


def _unended(rows: Rows) -> str:
    text = f"{rows.name}: the last line has no line end; if its export was interrupted, rows are missing"
    # A line of JSON that was cut off would not be JSON.
    return text if rows.sparse else f"{text} and the last value may be cut off"


def _shown(value: object) -> str:
    return str(value) if isinstance(value, datetime) else repr(value)


def _local_day(source: Source) -> str:
    return f"timezone({literal(source.timezone)}, timezone('UTC', occurred_at))::DATE"


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
    reasons: Reasons,
) -> None:
    """Look at one item file: what is wrong with it and its columns, and why rows would be quarantined."""
    path, name = file
    try:
        rows = open_rows(con, path, name)
        named = columns.model_dump(exclude_none=True, exclude={"text"}).items()
        given = [*named, *(("text", theirs) for theirs in columns.text or ())]
        if rows.columns and not _columns_fit(rows, given, _item_readers(source), "items", problems):
            return
        with reading(path, name):
            if rows.columns:
                values = item_values(rows, columns, source.timezone)
                found = rows.relation.project(f"{values['reason']} AS reason, {values['payload']} AS payload")
                counted = found.filter("reason IS NOT NULL").aggregate("reason, count(*), min(payload)", "reason")
                for reason, n, payload in sorted(counted.fetchall()):
                    reasons.add(reason, n, payload)
            for line in rows.broken():
                reasons.add(UNPARSED, 1, line_payload(line))
        if rows.unended:
            problems[("items", "path"), "warning"].append(_unended(rows))
    except SourceError as error:
        problems[("items", "path"), "error"].append(str(error))
