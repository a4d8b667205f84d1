"""A log file, whatever its format, as rows with named columns in DuckDB.

Belongs here: parquet, csv and jsonl, compressed or not; lines that cannot be parsed; what is wrong with a file. Does
not belong here: what a column means.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from glob import glob
from os.path import relpath
from pathlib import Path
from typing import Literal, TypeGuard

import duckdb
import pyarrow as pa

from coterie.errors import SourceError
from coterie.sources.description import did_you_mean

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


@dataclass(frozen=True)
class FileColumn:
    """A column of a file: SQL for its value as it is, as text, and as JSON (null: the row does not have it)."""

    name: str
    type: str
    family: Family
    value: str
    text: str
    json: str


@dataclass(frozen=True)
class Rows:
    """An open file. `broken` gives the lines that cannot be parsed; it is valid once `relation` has been read."""

    name: str
    relation: duckdb.DuckDBPyRelation
    columns: Mapping[str, FileColumn]
    broken: Callable[[], list[str]]
    sparse: bool = False  # a row need not have every column (jsonl)

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

    @property
    def content(self) -> str:
        """SQL text that two rows share if, and only if, they hold the same: nulls and column order do not count."""
        pieces = [
            f"{literal(json.dumps(c.name) + '=')} || strlen({c.text}) || ':' || {c.text}"
            for _, c in sorted(self.columns.items())
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


@contextmanager
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own that leaves no file and fetches nothing."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": "",
        "autoinstall_known_extensions": False,
        "preserve_insertion_order": False,
    }
    con = duckdb.connect(":memory:", config=config)
    try:
        # Not in the config: that is applied before the built-in extension that knows time zones is there.
        con.execute("SET TimeZone = 'UTC'").fetchall()
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
        if packed == ".zst":
            _whole_zst(path)  # DuckDB takes a cut-off zst file for a short one
        if kind == "parquet":
            return _parquet(con, path, name)
        return _csv(con, path, name, packed) if kind == "csv" else _jsonl(con, path, name)


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
    """The files that a glob relative to `root` finds, each with its name relative to `root`, by name."""
    paths = (root / p for p in glob(pattern, root_dir=root, recursive=True))
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


def _whole_zst(path: Path) -> None:
    with pa.input_stream(str(path), compression="zstd") as stream:
        while stream.read(1 << 20):
            pass


def _parquet(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> Rows:
    relation = con.read_parquet(str(path), hive_partitioning=False)
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
    head = _head(path, packed)
    first_line = head.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first_line.count)
    names = next(csv.reader(io.StringIO(head), delimiter=delimiter), [])
    if not any(names) or len({n.casefold() for n in names}) < len(names):
        raise SourceError(
            f"{name}: found {first_line[:_MESSAGE_LENGTH].strip()!r} in the first line; expected column names, each once"
        )
    relation = con.read_csv(
        str(path), columns=dict.fromkeys(names, "VARCHAR"), header=True, auto_detect=False, delimiter=delimiter,
        quotechar='"', escapechar='"', hive_partitioning=False, store_rejects=True, rejects_limit=0,
        rejects_table="csv_rejects", rejects_scan="csv_scans",
        parallel=False,  # where a quote is left open, the lines lost must not depend on how the file was cut up
    )  # fmt: skip
    columns = {n: _text_column(n, quoted(n), f"coalesce(to_json({quoted(n)})::VARCHAR, 'null')") for n in names}

    def broken() -> list[str]:
        # DuckDB says nothing of a quote that is still open where the file ends, and drops the row.
        return _rejected(con, "csv_rejects", "csv_scans") or _left_open(path, packed)

    return Rows(name, relation, columns, broken)


def _left_open(path: Path, packed: str) -> list[str]:
    """The line on which the last row begins, if a quote in it is never closed."""
    with _unpacked(path, packed) as stream:
        quotes = 0
        while block := stream.read(1 << 20):
            quotes += bytes(block).count(b'"')
    if quotes % 2 == 0:
        return []
    first = b""
    with _unpacked(path, packed) as stream:
        is_open = False
        for line in io.BufferedReader(stream):
            if not is_open:
                first = line
            is_open ^= line.count(b'"') % 2 == 1
    return [first.decode("utf-8", errors="replace").rstrip("\r\n")]


def _unpacked(path: Path, packed: str) -> pa.NativeFile:
    return pa.input_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}.get(packed))


def _head(path: Path, packed: str) -> str:
    """The first megabyte of a text file."""
    with _unpacked(path, packed) as stream:
        return bytes(stream.read(1 << 20)).decode("utf-8", errors="replace").lstrip("\ufeff")


def _jsonl(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> Rows:
    lines = con.read_csv(
        str(path), columns={"line": "VARCHAR"}, header=False, auto_detect=False, delimiter=_ONE_FIELD, quotechar="",
        escapechar="", strict_mode=False, hive_partitioning=False, store_rejects=True, rejects_limit=0,
        rejects_table="line_rejects", rejects_scan="line_scans",
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
        columns[key] = column

    def broken() -> list[str]:
        bad = lines.filter(f"NOT {is_object}").fetchall()
        return [str(r[0]) for r in bad] + _rejected(con, "line_rejects", "line_scans")

    return Rows(name, good, columns, broken, sparse=True)


def _text_column(name: str, text: str, as_json: str) -> FileColumn:
    return FileColumn(name, "VARCHAR", "text", text, text, as_json)


def _rejected(con: duckdb.DuckDBPyConnection, rejects: str, scans: str) -> list[str]:
    """The lines that the last scan rejected: one line may be rejected for several reasons."""
    if not con.sql("FROM duckdb_tables() WHERE table_name = $1", params=[rejects]).fetchall():
        return []
    rows = (
        con.table(rejects)
        .filter(f"scan_id = (SELECT max(scan_id) FROM {quoted(scans)})")
        .aggregate("line, min(csv_line) AS text", "line")
        .fetchall()
    )
    return [str(r[1]) for r in rows]
