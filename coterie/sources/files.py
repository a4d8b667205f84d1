"""A log file, whatever its format, as rows with named columns in DuckDB.

Belongs here: parquet, csv and jsonl, compressed or not; lines that cannot be parsed; what is wrong with a file. Does
not belong here: what a column means.
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from glob import escape, glob
from os.path import relpath
from pathlib import Path
from typing import Literal, TypeGuard

import duckdb

from coterie.errors import SourceError
from coterie.sources.description import did_you_mean
from coterie.sources.lines import cut_off_csv, cut_off_json, ending, is_well_formed, tally, unpacked

Family = Literal["text", "integer", "float", "boolean", "timestamp", "timestamptz", "date", "other"]

_FAMILIES: Mapping[str, Family] = {
    "varchar": "text", "enum": "text", "uuid": "text", "null": "text",
    "tinyint": "integer", "smallint": "integer", "integer": "integer", "bigint": "integer", "hugeint": "integer",
    "utinyint": "integer", "usmallint": "integer", "uinteger": "integer", "ubigint": "integer", "uhugeint": "integer",
    "float": "float", "double": "float", "decimal": "float",
    "boolean": "boolean", "date": "date",
    "timestamp": "timestamp", "timestamp_s": "timestamp", "timestamp_ms": "timestamp", "timestamp_ns": "timestamp",
    "timestamp with time zone": "timestamptz", "timestamp_ns with time zone": "timestamptz",
}  # fmt: skip
_ONE_FIELD = "\x1f"  # JSON may not hold a raw control character, so no good line is ever split at it
_DATE_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
_MESSAGE_LENGTH = 300
_SHOWN = 60  # characters of a first line that is no header
_opened = itertools.count()  # so that what DuckDB rejects of a file is never taken for another's


@dataclass(frozen=True)
class FileColumn:
    """A column of a file: SQL for its value as it is, as text, and as JSON (null: the row does not have it).

    `nested` is SQL for whether a row holds an object or a list there, in a column that holds others as well.
    """

    name: str
    type: str
    family: Family
    value: str
    text: str
    json: str
    nested: str = "false"


@dataclass(frozen=True)
class Rows:
    """An open file. `broken` gives the lines that cannot be parsed; it is valid once `relation` has been read.

    `unended` says that the last line has no line end, though nothing else says that the file was cut off.
    """

    name: str
    relation: duckdb.DuckDBPyRelation
    columns: Mapping[str, FileColumn]
    broken: Callable[[], list[str]]
    sparse: bool = False  # a row need not have every column (jsonl)
    unended: bool = False

    def column(self, theirs: str, ours: str, families: tuple[Family, ...], expected: str) -> FileColumn:
        """A column that a description names.

        Raises:
            SourceError: the file lacks it, or it is of a type that cannot hold what is expected.
        """
        column = self.columns.get(theirs)
        if column is None:
            there = ", ".join(sorted(self.columns)) or "none"
            raise SourceError(
                f"{self.name}: column {theirs!r} (for {ours}) is not in the file; expected it among its columns: "
                f"{there}{did_you_mean(theirs, self.columns)}"
            )
        if column.family not in families:
            raise SourceError(
                f"{self.name}: column {theirs!r} (for {ours}) is of type {column.type}; expected {expected}"
            )
        return column

    def with_text(self, theirs: str, text: str) -> "Rows":
        """The same rows with a column replaced by a text expression."""
        column = replace(
            self.columns[theirs], type="VARCHAR", family="text", value=text, text=text, json=f"to_json({text})::VARCHAR"
        )
        return replace(self, columns={**self.columns, theirs: column})

    def offers(self, theirs: str | None) -> TypeGuard[str]:
        """Whether a column that may be left out is to be read: a jsonl file may do without it, others may not."""
        return theirs is not None and (not self.sparse or theirs in self.columns)

    def content(self, described: Iterable[str]) -> str:
        """SQL text that two rows share if, and only if, they hold the same in the columns that are described.

        Nulls and column order do not count, and neither do other columns: a row that is delivered again with another
        time of ingest is the same row.
        """
        pieces = [
            f"{literal(json.dumps(c.name) + '=')} || strlen({c.text}) || ':' || {c.text}"
            for c in (self.columns[name] for name in sorted(described) if name in self.columns)
        ]
        return f"concat('', {', '.join(pieces)})" if pieces else "''"

    @property
    def payload(self) -> str:
        """SQL text of the row as a JSON object, keys sorted."""
        pieces = [
            f"{literal(',' + json.dumps(c.name, ensure_ascii=False) + ':')} || {c.json}"
            for _, c in sorted(self.columns.items())
        ]
        return f"'{{' || substr(concat('', {', '.join(pieces)}), 2) || '}}'" if pieces else "'{}'"


@dataclass(frozen=True)
class Room:
    """What an engine may take: a folder for what does not fit in memory, and so many bytes of memory."""

    folder: Path
    memory: int


@contextmanager
def engine(room: Room | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that fetches nothing and leaves no file, or none outside its room."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(room.folder) if room else "",
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": False,
    }
    if room:
        config["memory_limit"] = f"{room.memory}B"
    con = duckdb.connect(":memory:", config=config)
    try:
        # Not in the config: that is applied before the built-in extension that knows time zones is there.
        con.execute("SET TimeZone = 'UTC'").fetchall()
        # Which makes a join, with all columns going through it, of each short list that an id is looked up in.
        con.execute("SET disabled_optimizers = 'in_clause'").fetchall()
        yield con
    finally:
        con.close()


def open_rows(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> Rows:
    """Open a file as rows; `name` is what messages call it.

    Raises:
        SourceError: the file cannot be read. Damage further in shows when the rows are read: wrap that in `reading`.
    """
    with reading(path, name):
        kind, packed = _format(path, name)
        if path.stat().st_size == 0 and (kind != "jsonl" or packed):
            raise SourceError(f"{name}: the file is empty (0 bytes); expected a {kind} file")
        if kind == "parquet":
            return _parquet(con, path, name)
        return _csv(con, path, name, packed) if kind == "csv" else _jsonl(con, path, name, packed)


@contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turn what DuckDB or the system says about a file into a SourceError that names the file."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = re.sub(r"\s+", " ", str(error).replace(str(path), name)).strip()
        text = text.removesuffix(".")[:_MESSAGE_LENGTH]
        raise SourceError(f"{name}: the file cannot be read: {text}; expected a whole, undamaged file") from error


def find_files(root: Path, pattern: str) -> list[tuple[Path, str]]:
    """The files that a glob relative to `root` finds, each with its name relative to `root`, by name.

    A file that is called exactly so is that file alone, brackets in its name or not.
    """
    exact = (root / pattern).is_file()
    paths = (root / p for p in ([pattern] if exact else glob(pattern, root_dir=root, recursive=True)))
    return sorted(((p, Path(relpath(p, root)).as_posix()) for p in paths if p.is_file()), key=lambda found: found[1])


def date_in_name(name: str) -> date | None:
    """The date that a path names, such as 2018-11-26 or 20181126; None if it names none, or several."""
    for part in reversed(Path(name).parts):
        found = set()
        for year, _, month, day in _DATE_IN_NAME.findall(part):
            try:
                found.add(date(int(year), int(month), int(day)))
            except ValueError:
                continue
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def _format(path: Path, name: str) -> tuple[Literal["parquet", "csv", "jsonl"], str]:
    suffixes = [s.lower() for s in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    last = suffixes[-1] if suffixes else ""
    if last == ".parquet" and not packed:
        return "parquet", ""
    if last == ".csv":
        return "csv", packed
    if last in (".jsonl", ".ndjson"):
        return "jsonl", packed
    raise SourceError(
        f"{name}: found a file of an unknown format; expected a name that ends in .parquet, .csv or .jsonl "
        "(the last two also with .gz or .zst)"
    )


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> Rows:
    relation = con.read_parquet(escape(str(path)), hive_partitioning=False)
    columns = {}
    for column, dtype in zip(relation.columns, relation.types, strict=True):
        value = quoted(column)
        family = _FAMILIES.get(str(dtype.id), "other")
        as_json = f"to_json({value})::VARCHAR"
        if family == "float":  # JSON has no word for NaN and infinity
            as_json = f"CASE WHEN isfinite({value}::DOUBLE) THEN {as_json} ELSE to_json({value}::VARCHAR)::VARCHAR END"
        columns[column] = FileColumn(
            column, str(dtype), family, value, f"{value}::VARCHAR", f"coalesce({as_json}, 'null')"
        )
    return Rows(name, relation, columns, list)


def _csv(con: duckdb.DuckDBPyConnection, path: Path, name: str, packed: str) -> Rows:
    names, delimiter = _header(path, name, packed)
    size, ended = ending(path, packed)
    if not ended and (why := cut_off_csv(tally(path, packed, delimiter), size, len(names), delimiter)):
        raise _cut_off(name, why)
    rejects, scans = _reject_tables()
    relation = con.read_csv(
        escape(str(path)), columns=dict.fromkeys(names, "VARCHAR"), header=True, auto_detect=False,
        delimiter=delimiter, quotechar='"', escapechar='"', hive_partitioning=False, store_rejects=True,
        rejects_limit=0, rejects_table=rejects, rejects_scan=scans,
        parallel=False,  # where a quote is left open, the lines lost must not depend on how the file was cut up
    )  # fmt: skip
    # Every column is read, asked for or not: DuckDB rejects text that is not UTF-8 only where it reads it, and a row
    # must not be rejected by one query and counted by another.
    relation = relation.filter(f"strlen(concat({', '.join(map(quoted, names))})) >= 0")
    columns = {n: _text_column(n, quoted(n), f"coalesce(to_json({quoted(n)})::VARCHAR, 'null')") for n in names}

    def broken() -> list[str]:
        places = [place for place, _ in _rejected(con, rejects)]
        if not places and is_well_formed(path, packed, delimiter):
            return []
        # DuckDB says nothing of a quote that is still open where the file ends, and drops the row and all after it. Of
        # a row that it does reject it shows no more than 10,000 characters, however many lines its quotes enclose.
        counted = tally(path, packed, delimiter, (place - 1 for place in places))
        read = relation.aggregate("count(*)").fetchall()[0][0]
        if len(counted.rejected) != len(places) or read + len(places) != counted.rows:
            raise SourceError(
                f"{name}: quotes are out of order: found {counted.rows:,} rows by the lines that end outside quotes, "
                f"but {read:,} that can be read and {len(places):,} that cannot; expected quotes only around whole "
                "values, and doubled within them"
            )
        return [line for lines in counted.rejected for line in lines] + counted.left_open

    return Rows(name, relation, columns, broken, unended=not ended)


def _header(path: Path, name: str, packed: str) -> tuple[list[str], str]:
    """The column names of a CSV file and what separates them."""
    with unpacked(path, packed) as stream:
        head = stream.read(1 << 20).decode("utf-8", errors="replace").lstrip("\ufeff")
    first_line = head.split("\n", 1)[0]
    if "\r" in first_line.rstrip("\r"):
        raise SourceError(
            f"{name}: found lines that end in CR alone ({first_line[:_SHOWN]!r}...); expected LF or CRLF, which "
            "spreadsheets write as 'CSV UTF-8'"
        )
    delimiter = max(",;\t|", key=first_line.count)
    try:
        names = next(csv.reader(io.StringIO(head), delimiter=delimiter), [])
    except csv.Error as error:
        raise SourceError(
            f"{name}: the first line cannot be read ({error}): found {first_line[:_SHOWN]!r}...; expected column names"
        ) from error
    if not any(names) or len({n.casefold() for n in names}) < len(names):
        raise SourceError(
            f"{name}: found {first_line[:_MESSAGE_LENGTH].strip()!r} in the first line; expected column names, each once"
        )
    return names, delimiter


def _cut_off(name: str, why: str) -> SourceError:
    return SourceError(
        f"{name}: the file is cut off: its last line has no line end and {why}; expected a whole file (if this one is "
        "whole, end its last line)"
    )


def _jsonl(con: duckdb.DuckDBPyConnection, path: Path, name: str, packed: str) -> Rows:
    _, ended = ending(path, packed)
    if not ended and (why := cut_off_json(path, packed)):
        raise _cut_off(name, why)
    rejects, scans = _reject_tables()
    lines = con.read_csv(
        escape(str(path)), columns={"line": "VARCHAR"}, header=False, auto_detect=False, delimiter=_ONE_FIELD,
        quotechar="", escapechar="", strict_mode=False, hive_partitioning=False, store_rejects=True, rejects_limit=0,
        rejects_table=rejects, rejects_scan=scans,
    ).filter("trim(line) <> ''")  # fmt: skip
    is_object = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"
    # Guarded by value, not by a filter alone: DuckDB may try a later filter, which parses the line, before this one.
    good = lines.project(f"CASE WHEN {is_object} THEN line END AS line").filter("line IS NOT NULL")
    found = good.aggregate("json_group_structure(line::JSON)").fetchall()
    structure = json.loads(found[0][0]) if found and found[0][0] else {}
    columns = {}
    for key, shape in (structure if isinstance(structure, dict) else {}).items():
        pointer = literal("/" + key.replace("~", "~0").replace("/", "~1"))
        text, as_json = f"json_extract_string(line, {pointer})", f"json_extract(line, {pointer})::VARCHAR"
        column = _text_column(key, text, as_json)
        if isinstance(shape, dict):
            column = replace(column, type="JSON object", family="other")
        elif isinstance(shape, list):
            column = replace(column, type="JSON list", family="other")
        elif shape == "JSON":  # of several types
            nested = f"coalesce(json_type(line, {pointer}) IN ('OBJECT', 'ARRAY'), false)"
            column = replace(column, nested=nested)
        columns[key] = column

    def broken() -> list[str]:
        bad = lines.filter(f"NOT {is_object}").fetchall()
        return [str(r[0]) for r in bad] + [text for _, text in _rejected(con, rejects)]

    return Rows(name, good, columns, broken, sparse=True, unended=not ended)


def _text_column(name: str, text: str, as_json: str) -> FileColumn:
    return FileColumn(name, "VARCHAR", "text", text, text, as_json)


def _reject_tables() -> tuple[str, str]:
    """Names for what DuckDB rejects of a file that is opened now."""
    number = next(_opened)
    return f"rejects_{number}", f"scans_{number}"


def _rejected(con: duckdb.DuckDBPyConnection, rejects: str) -> list[tuple[int, str]]:
    """The lines that DuckDB rejected, each once, however often it read the file and for however many reasons.

    With the place where each begins: its first byte, counted from 1, or line ends before it.
    """
    if not con.sql("FROM duckdb_tables() WHERE table_name = $1", params=[rejects]).fetchall():
        return []
    once = con.table(rejects).aggregate("line_byte_position, min(csv_line) AS text", "line_byte_position")
    return [(int(place), str(text).strip("\r\n")) for place, text in once.fetchall()]
