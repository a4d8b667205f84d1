"""The lake: one Parquet file per table and day, published by one atomic rename.

Belongs here: paths, staging, publishing, the views file, forgetting users. Does not belong here: what a table
means (coterie.tables) or whether a candidate is good enough (assets.gate).

Layout below the home folder: `lake/<table>/day=YYYY-MM-DD/part-0.parquet` is what readers see,
`stage/<table>/day=YYYY-MM-DD/` is where a candidate waits, `coterie.duckdb` holds one view per table.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import CoterieError, MissingDayError
from coterie.tables import TABLES, Table
from resources.persons import named_in, unnamed

PART = "part-0.parquet"
VIEWS = "coterie.duckdb"
NOTE = "coterie."  # how the names of notes inside a file begin
# Fixed, so that the bytes do not depend on how many threads made the frame.
ROW_GROUP_ROWS = 131_072
PART_ROWS = 16 * ROW_GROUP_ROWS  # of a candidate that comes in parts, taken into memory at a time
Content = pl.DataFrame | Iterable[pl.DataFrame]
# The contract's types as DuckDB and Spark call them.
SQL_TYPES: Mapping[type[pl.DataType], str] = {
    pl.String: "varchar",
    pl.Float64: "double",
    pl.Int64: "bigint",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Datetime: "timestamp",
}


@dataclass(frozen=True)
class Staged:
    """A candidate on disk, beside the lake and invisible to readers, with a lock on its partition.

    `frame` is None where the candidate came in parts: it may not fit in memory.
    """

    table: Table
    day: date
    path: Path
    rows: int
    frame: pl.DataFrame | None

    def scan(self) -> pl.LazyFrame:
        """The rows, to be read as far as a query needs them."""
        return self.frame.lazy() if self.frame is not None else pl.scan_parquet(self.path, hive_partitioning=False)

    def parts(self) -> Iterator[pl.DataFrame]:
        """The rows in canonical order, so many at a time; rows with the same key are never apart."""
        if self.frame is not None:
            yield self.frame
            return
        rest: list[pl.DataFrame] = []
        for batch in pq.ParquetFile(self.path).iter_batches(PART_ROWS):
            found = pl.concat([*rest, pl.DataFrame(batch)])
            last = pl.all_horizontal(pl.col(k).eq_missing(pl.col(k).last()) for k in self.table.key)
            yield found.filter(~last)
            rest = [found.filter(last)]
        yield from rest


class Lake:
    """Tables by day below a home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()

    # -- reading ---------------------------------------------------------------------------------------------------

    def partition(self, table: str, day: date) -> Path:
        """Path of the published file of a day, whether or not it exists."""
        return self.home / "lake" / table / f"day={day.isoformat()}" / PART

    def has(self, table: str, day: date) -> bool:
        """Whether the day is published."""
        return self.partition(table, day).exists()

    def days(self, table: str) -> list[date]:
        """Published days, oldest first."""
        found = (self.home / "lake" / table).glob(f"day=*/{PART}")
        return sorted(date.fromisoformat(path.parent.name.removeprefix("day=")) for path in found)

    def files(self, table: str, *, first: date | None = None, last: date | None = None) -> list[Path]:
        """Published files of the days from `first` to `last`, both inclusive, oldest first."""
        return [
            self.partition(table, day)
            for day in self.days(table)
            if (first is None or day >= first) and (last is None or day <= last)
        ]

    def read(self, table: str, day: date, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of one day, in canonical order, without `day`; some columns, or all of them.

        Raises:
            MissingDayError: the day is not published; the text says what to materialize.
        """
        return self.scan(table, day).select(columns if columns is not None else pl.all()).collect()

    def scan(self, table: str, day: date) -> pl.LazyFrame:
        """The same, to be read as far as a query needs it: a day of events may not fit in memory.

        Raises:
            MissingDayError: the day is not published; the text says what to materialize.
        """
        path = self.partition(table, day)
        if not path.exists():
            raise MissingDayError(f"{table} of {day} is not in the lake. Materialize {table} for {day} first.")
        frame = pl.scan_parquet(path, hive_partitioning=False)
        contract = TABLES[table].schema if table in TABLES else {}
        lacking = set(contract) - set(frame.collect_schema().names())
        # A day that was published before a column was added shows it as null.
        return (
            frame.select(pl.lit(None, t).alias(c) if c in lacking else c for c, t in contract.items())
            if lacking
            else frame
        )

    def read_days(
        self,
        table: str,
        first: date,
        last: date,
        columns: Sequence[str] | None = None,
        where: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """The rows of several days, each of which must be published, with `day` as the first column (pl.Date).

        Args:
            table: the table.
            first: the first day.
            last: the last day, inclusive.
            columns: some columns, or all of them.
            where: which rows; the others are left out while reading.
        """
        frames = [
            self.scan(table, day)
            .filter(True if where is None else where)
            .select(pl.lit(day).alias("day"), pl.all() if columns is None else pl.col(columns))
            .collect()
            for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
        ]
        return pl.concat(frames)

    def rows(self, table: str, first: date, last: date) -> int:
        """How many rows the published days from `first` to `last` have, both inclusive."""
        return sum(pq.read_metadata(file).num_rows for file in self.files(table, first=first, last=last))

    def note(self, table: str, day: date, key: str) -> str | None:
        """A text that was published inside the partition's file, or None."""
        path = self.partition(table, day)
        if not path.exists():
            return None
        found = (pq.read_metadata(path).metadata or {}).get(f"{NOTE}{key}".encode())
        return None if found is None else found.decode()

    # -- writing ---------------------------------------------------------------------------------------------------

    @contextmanager
    def stage(
        self, table: Table, day: date, content: Content, notes: Mapping[str, str] | None = None
    ) -> Iterator[Staged]:
        """Write a candidate beside the lake; it is gone when the block ends, published or not.

        The partition is locked meanwhile (by the kernel, so a killed process leaves no lock behind): two runs of the
        same table and day take turns instead of writing into each other's file.

        Args:
            table: the contract.
            day: the day.
            content: the rows; or, where they may not fit in memory, parts of them in canonical order.
            notes: texts that are stored inside the file.
        """
        with own_folder(self._folder(table, day)) as folder:
            yield self._write(table, day, folder, content, notes or {})

    def _folder(self, table: Table, day: date) -> Path:
        return self.home / "stage" / table.name / f"day={day.isoformat()}"

    @staticmethod
    def _write(table: Table, day: date, folder: Path, content: Content, notes: Mapping[str, str]) -> Staged:
        path = folder / PART
        metadata = {f"{NOTE}{key}": text for key, text in notes.items()}
        if not isinstance(content, pl.DataFrame):
            content = _gathered(table, iter(content))
        if not isinstance(content, pl.DataFrame):
            return Staged(table, day, path, write_parts(path, table, content, metadata), None)
        candidate = table.conform(content)
        candidate.rechunk().write_parquet(path, row_group_size=ROW_GROUP_ROWS, metadata=metadata)
        return Staged(table, day, path, candidate.height, candidate)

    def publish(self, staged: Staged) -> Path:
        """Put a candidate in the place of the day's partition: one rename, so readers see the old file or the new."""
        target = self.partition(staged.table.name, staged.day)
        target.parent.mkdir(parents=True, exist_ok=True)
        with staged.path.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(staged.path, target)
        _sync_folder(target.parent)
        self.refresh_views()
        return target

    def forget(self, user_ids: Iterable[str]) -> dict[str, int]:
        """Take users out of every partition of every table that names persons.

        Rows about them are removed, rejected rows included that hold one of the ids; items that they made stay,
        without saying so. Each partition is read and rewritten under its lock, by the same atomic rename as any other.
        Notes inside the files are kept.

        Returns:
            Rows removed by table; items by `raw_items.creator_id`.
        """
        gone = frozenset(user for user in user_ids if user.strip())
        changed: dict[str, int] = {}
        for table in (t for t in TABLES.values() if t.persons):
            label = table.name if table.private else ", ".join(f"{table.name}.{c}" for c in table.persons)
            for day in self.days(table.name):
                if count := self._forget_in(table, day, gone):
                    changed[label] = changed.get(label, 0) + count
        return changed

    def _forget_in(self, table: Table, day: date, gone: frozenset[str]) -> int:
        def parts() -> Iterator[tuple[pl.DataFrame, pl.Series]]:
            for batch in pq.ParquetFile(self.partition(table.name, day)).iter_batches(PART_ROWS):
                frame = pl.DataFrame(batch)
                yield frame, named_in(table, frame, gone)

        with own_folder(self._folder(table, day)) as folder:
            count = sum(int(named.sum()) for _, named in parts())
            if count:
                kept = (f.filter(~named) if table.private else unnamed(table, f, named) for f, named in parts())
                self.publish(self._write(table, day, folder, kept, self._notes(table.name, day)))
        return count

    def _notes(self, table: str, day: date) -> dict[str, str]:
        stored = pq.read_metadata(self.partition(table, day)).metadata or {}
        return {k.decode().removeprefix(NOTE): v.decode() for k, v in stored.items() if k.startswith(NOTE.encode())}

    # -- the views file --------------------------------------------------------------------------------------------

    def refresh_views(self) -> None:
        """Make `coterie.duckdb` name every table that has days.

        The file is made aside and renamed into place, never opened where it stands: an analyst who has it open keeps
        their copy, and nobody waits for DuckDB's file lock.
        """
        listing = self.home / "state" / "views.json"
        present = [name for name in TABLES if self._has_any(name)]
        wanted = {"home": str(self.home), "tables": present}
        if (self.home / VIEWS).exists() and _read_json(listing) == wanted:
            return
        with locked(self.home / "state" / "views.lock"):
            # Another process may have published a table while this one waited.
            wanted["tables"] = [name for name in TABLES if self._has_any(name)]
            beside = self.home / "state" / "views.duckdb"
            for leftover in beside.parent.glob("views.duckdb*"):
                leftover.unlink()
            with duckdb.connect() as connection:
                # An older storage version, so that DuckDB 1.x tools can open the file as well.
                connection.execute(f"attach '{quoted(beside)}' as views (storage_version 'v1.2.0')")
                for table in TABLES.values():
                    connection.execute(self._view(table, has_days=table.name in wanted["tables"]))
            os.replace(beside, self.home / VIEWS)
            write_atomically(listing, json.dumps(wanted))

    def _has_any(self, table: str) -> bool:
        return next((self.home / "lake" / table).glob(f"day=*/{PART}"), None) is not None

    def _view(self, table: Table, *, has_days: bool) -> str:
        pattern = f"'{quoted(self.home / 'lake' / table.name / '*' / '*.parquet')}'"
        return f"create view views.{table.name} as {rows_by_day(table, pattern if has_days else None)}"


def _gathered(table: Table, parts: Iterator[pl.DataFrame]) -> Content:
    """The parts as one frame where they are few rows, else as they are."""
    held: list[pl.DataFrame] = []
    for part in parts:
        held.append(part)
        if sum(p.height for p in held) > PART_ROWS:
            return chain(held, parts)
    return pl.concat(held) if held else table.empty()


def quoted(path: Path) -> str:
    """A path as it stands between the quotes of an SQL text."""
    return str(path).replace("'", "''")


def rows_by_day(table: Table, files: str | None) -> str:
    """SQL for `day` and the contract's columns of a table; none of its rows without files.

    Args:
        table: the contract.
        files: SQL for what `read_parquet` reads: a pattern or a list; None for no file at all.
    """
    typed = ", ".join(f'null::{SQL_TYPES[type(t)]} as "{name}"' for name, t in table.schema.items())
    nothing = f"select null::date as day, {typed} where false"
    if files is None:
        return nothing
    columns = ", ".join(f'"{name}"' for name in table.schema)
    # By name with the typed nothing: days that were published before a column was added show it as null.
    return (
        f"select day, {columns} from ({nothing} union all by name from read_parquet({files}, "
        "hive_partitioning = true, hive_types = {'day': date}, union_by_name = true))"
    )


def write_parts(path: Path, table: Table, parts: Iterable[pl.DataFrame], metadata: Mapping[str, str]) -> int:
    """Write frames that follow one another in canonical order as one Parquet file; returns its rows.

    Raises:
        CoterieError: a part holds rows that belong before those of the part before it.
    """
    ordered = _conformed(table, parts)
    waiting = next(ordered, table.empty())
    rows = waiting.height
    with pq.ParquetWriter(path, _arrow(waiting).schema, compression="zstd", store_schema=False) as writer:
        for part in chain([table.empty().select(waiting.columns)], ordered):
            rows += part.height
            waiting = pl.concat([waiting, part])
            whole = waiting.height // ROW_GROUP_ROWS * ROW_GROUP_ROWS
            if whole:
                writer.write_table(_arrow(waiting.head(whole)), row_group_size=ROW_GROUP_ROWS)
                waiting = waiting.slice(whole)
        writer.write_table(_arrow(waiting))
        writer.add_key_value_metadata(dict(metadata))
    return rows


def _conformed(table: Table, parts: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    last: tuple[object, ...] | None = None
    for part in (table.conform(p) for p in parts if p.height):
        keys = part.select(table.key)
        if last is not None and keys.row(0) < last:
            raise CoterieError(f"{table.name}: parts are not in the order of {', '.join(table.key)}")
        last = keys.row(-1)
        yield part


def _arrow(frame: pl.DataFrame) -> pa.Table:
    # Plain strings: not every reader of Parquet knows polars' newer kind.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Have an empty folder to oneself: wait for its holder, wipe what a killed one left, remove it at the end.

    The lock is on the folder itself, so nothing else is left behind.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # its holder removed it in between
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            ours = os.fstat(handle).st_ino == os.stat(folder).st_ino
        except FileNotFoundError:
            ours = False
        if ours:
            break
        os.close(handle)
    try:
        for leftover in folder.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)
        for parent in list(folder.parents)[:2]:
            try:
                parent.rmdir()
            except OSError:
                break


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the kernel releases it when a process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str) -> None:
    """Replace a small file by one rename. The caller holds a lock: one process at a time writes a path.

    The name beside it is always the same, so that what a killed process left is overwritten by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.next")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _read_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
