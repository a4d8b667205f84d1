"""One pass over the files of a source: what its columns, rows and event types turn out to be.

Belongs here: counting, and trying each column by itself. Does not belong here: what to make of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import duckdb
import polars as pl

from coterie.errors import SourceError
from coterie.sources.description import ItemColumns, Location, Source, did_you_mean
from coterie.sources.events import NO_TIME, STAGED, UNPARSED, line_payload, staged
from coterie.sources.fields import between, boolean, identifier, moment, number, offsetless
from coterie.sources.files import Rows, open_rows, reading
from coterie.sources.items import item_values, tags_sql, text_sql
from coterie.sources.localdays import BUCKET_US, day_range, days_of_buckets
from coterie.tables import RAW_EVENTS

Reader = Callable[[Rows, str, str], object]
Problems = defaultdict[tuple[Location, Literal["error", "warning"]], list[str]]

_SAMPLE_ROWS = 5
_SAMPLE_TIMES = 3
_SAMPLED = {name: RAW_EVENTS.schema[name] for name in STAGED if name in RAW_EVENTS.schema}
_REQUIRED = ("user_id", "item_id", "event_type", "occurred_at")
# Hashes in place of texts: what is compared may be a whole log.
_SEEN = "id UBIGINT, row_id UBIGINT, bucket BIGINT, file INTEGER"


class Refused(NamedTuple):
    """Rows that would go to quarantine for a reason: how many, and one of them."""

    reason: str
    rows: int
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

    def listed(self) -> list[Refused]:
        """The reasons, most frequent first."""
        ordered = sorted(self.rows.items(), key=lambda x: (-x[1], x[0]))
        return [Refused(reason, n, self._samples[reason]) for reason, n in ordered]


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
        sample: a few good rows.
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
        self.sample = pl.DataFrame(schema=_SAMPLED)
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
        time = rows.columns[self._source.events.columns.occurred_at]
        relation = staged(self._source, rows, more={"offsetless": offsetless(time)})
        self._count(relation)
        relation.filter("item_id IS NOT NULL").project("item_id").distinct().insert_into("items")
        if rows.offers(self._source.events.columns.event_id):
            self._ids(relation)
        if len(self.unread_times) < _SAMPLE_TIMES and self.reasons.rows[NO_TIME]:
            at = moment(rows, time.name, "occurred_at", self._source.timezone)
            unread = rows.relation.filter(f"({at.present}) AND ({at.value}) IS NULL").project(f"{time.text} AS text")
            found = unread.distinct().order("text").limit(_SAMPLE_TIMES).fetchall()
            self.unread_times += [str(row[0]) for row in found]

    def _count(self, relation: duckdb.DuckDBPyRelation) -> None:
        """Count by event type and reason, with samples, in one go: each look at a large file takes its time."""
        row = ", ".join(f"{name} := {name}" for name in _SAMPLED)
        found = relation.aggregate(
            "event_type, reason, count(*), min(payload), "
            "count(*) FILTER (offsetless AND occurred_at IS NOT NULL), min(occurred_at) FILTER (offsetless), "
            f"arg_min(struct_pack(row_id := row_id, {row}), row_id, {_SAMPLE_ROWS}) FILTER (reason IS NULL)",
            "event_type, reason",
        )
        good: dict[str, dict[str, Any]] = {}
        for event_type, reason, n, payload, naive, first, sample in sorted(found.fetchall(), key=str):
            self.rows += n
            if event_type is not None:
                self.types[event_type] += n
            if reason is not None:
                self.reasons.add(reason, n, payload)
            firsts = [t for t in (self.offsetless[1], first) if t is not None]
            self.offsetless = (self.offsetless[0] + naive, min(firsts, default=None))
            good |= {one.pop("row_id"): one for one in sample or ()}
        if len(good) > self.sample.height:
            chosen = [good[key] for key in sorted(good)[:_SAMPLE_ROWS]]
            self.sample = pl.DataFrame(chosen, schema=_SAMPLED)

    def _ids(self, relation: duckdb.DuckDBPyRelation) -> None:
        some = relation.filter(f"hash(event_id) % {self._one_id_in} = 0") if self._one_id_in > 1 else relation
        # Rows that are refused get no id here: a filter would compute every rule twice.
        event = "CASE WHEN reason IS NULL THEN hash(event_id) END"
        bucket, file = f"epoch_us(occurred_at) // {BUCKET_US}", len(self._files) - 1
        some.project(f"{event}, hash(row_id), {bucket}, {file}").insert_into("seen")

    def conflicts(self) -> Conflicts | None:
        """Event ids of rows that differ, though they are of one day, among the ids that were collected."""
        twice = self._con.sql(
            "FROM seen WHERE id IN (SELECT id FROM seen GROUP BY id HAVING count(DISTINCT row_id) > 1)"
        ).pl()
        if twice.is_empty():
            return None
        days, place = days_of_buckets(twice["bucket"].to_numpy(), self._source.timezone)
        found = (
            twice.with_columns(day=pl.Series([days[i] for i in place], dtype=pl.Date))
            .group_by("day", "id")
            .agg(pl.col("row_id").n_unique().alias("rows"), pl.col("file").unique().sort().alias("files"))
            .filter(pl.col("rows") > 1)
            .sort("day", "id")
        )
        if found.is_empty():
            return None
        day, number, files = found.select("day", "id", "files").row(0)
        return Conflicts(found.height, tuple(found["day"].unique().sort()), self._example(day, number, files))

    def _example(self, day: date, number: int, files: list[int]) -> str:
        parts = []
        within = between("occurred_at", *day_range(day, self._source.timezone))
        for name in (self._files[i] for i in files):
            with reading(self._source.root / name, name):
                rows = staged(self._source, open_rows(self._con, self._source.root / name, name))
                same = rows.filter(f"reason IS NULL AND hash(event_id) = {number} AND {within}")
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
