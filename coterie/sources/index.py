"""Which file holds which day: so that a day opens only its own files, and a changed day is noticed.

Belongs here: what is in the event files, day by day, without their rows. Does not belong here: what a row means.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from coterie.errors import SourceError
from coterie.sources.description import Source
from coterie.sources.fields import moment
from coterie.sources.files import Rows, date_in_name, engine, find_files, open_rows, reading
from coterie.sources.localdays import BUCKET_US, days_of_buckets

FEWEST_USUAL = 100  # rows a day: below it a tenth of the usual is what chance can do
WEEK = 7  # days, so that a quiet weekday is compared with a whole week
_VERSION = 2  # to be raised whenever the same files may give other days, counts or digests
_MODULUS = 2**128


@dataclass(frozen=True)
class DayRows:
    """How many rows of a day a file holds, and the sum of their hashes (in hex): order does not show in a sum."""

    rows: int
    sum: str


@dataclass(frozen=True)
class FileEntry:
    """An event file: its rows by local day; those without a readable time count to `own_day`.

    For a file that cannot be read, `error` says why, and `may_hold` names the days that it may hold (none: any day).
    """

    path: str
    size: int
    mtime_ns: int
    days: Mapping[str, DayRows]
    own_day: str | None = None
    undated: int = 0
    error: str | None = None
    may_hold: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceIndex:
    """What the event files hold. `fingerprint` stands for what the description says about reading them."""

    fingerprint: str
    files: tuple[FileEntry, ...]

    @cached_property
    def _by_day(self) -> dict[str, list[FileEntry]]:
        found: defaultdict[str, list[FileEntry]] = defaultdict(list)
        for entry in self.files:
            for day in entry.may_hold if entry.error else entry.days:
                found[day].append(entry)
        return dict(sorted(found.items()))

    def days(self) -> dict[date, str]:
        """Each day with a digest of its rows; how they are spread over files does not show in it.

        A day that an unreadable file may hold is there too, with a digest that says so.
        """
        result = {}
        for day, entries in self._by_day.items():
            good = [e.days[day] for e in entries if not e.error]
            text = digest(sum(d.rows for d in good), sum(int(d.sum, 16) for d in good))
            bad = [f"{e.path}:{e.size}" for e in entries if e.error]
            if bad:
                text += "-unreadable-" + hashlib.sha256("\n".join(bad).encode()).hexdigest()[:16]
            result[date.fromisoformat(day)] = text
        return result

    def rows(self) -> dict[date, int]:
        """How many rows each day has in the files that can be read."""
        return {
            date.fromisoformat(day): sum(e.days[day].rows for e in entries if not e.error)
            for day, entries in self._by_day.items()
        }

    def entries_for(self, day: date) -> list[FileEntry]:
        """The files that hold the day, or that cannot be read and may hold it, by path."""
        anywhere = [e for e in self.files if e.error and not e.may_hold]
        return sorted([*self._by_day.get(day.isoformat(), []), *anywhere], key=lambda e: e.path)

    def to_json(self) -> str:
        """The index as JSON text; the same index gives the same text."""
        files = [asdict(e) for e in self.files]
        return json.dumps({"version": _VERSION, "fingerprint": self.fingerprint, "files": files}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "SourceIndex":
        """Read `to_json`'s text; one of another version gives an empty index, which `build_index` fills anew.

        Raises:
            SourceError: the text is not an index.
        """
        try:
            data = json.loads(text)
            if data["version"] != _VERSION:
                return SourceIndex("", ())
            entries = [
                FileEntry(
                    **{
                        **entry,
                        "days": {day: DayRows(**rows) for day, rows in entry["days"].items()},
                        "may_hold": tuple(entry["may_hold"]),
                    }
                )
                for entry in data["files"]
            ]
            return SourceIndex(data["fingerprint"], tuple(entries))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"found a source index that cannot be read ({error}); expected one of to_json") from error


def digest(rows: int, total: int) -> str:
    """The digest of a set of rows, from their number and the sum of their hashes."""
    return f"{rows}-{total % _MODULUS:032x}"


def usual_rows(rows: Mapping[date, int], day: date) -> float | None:
    """The median number of rows over the week before a day; None while the log has no whole week before it.

    Days without rows count as 0. Later days are not looked at, so what is usual never depends on the future.

    Args:
        rows: rows by day, as `SourceIndex.rows`.
        day: the day that is to be compared.
    """
    if not rows or min(rows) > day - timedelta(days=WEEK):
        return None
    return float(median(rows.get(day - timedelta(days=n), 0) for n in range(1, WEEK + 1)))


def is_unusual(source: Source, rows: int, usual: float | None) -> bool:
    """Whether a day with so many rows is too small a part of the usual (`quality.min_share_of_usual`)."""
    return usual is not None and usual >= FEWEST_USUAL and rows < source.quality.min_share_of_usual * usual


def build_index(source: Source, previous: SourceIndex | None) -> SourceIndex:
    """Look at every event file that is new or changed since `previous`, and take the others from there.

    A file counts as unchanged while its path, size and modification time are. A file that cannot be read is recorded
    as such and never raised: reading the days that it may hold does that.
    """
    about = [source.timezone, source.events.columns.model_dump(), str(source.first_day)]
    fingerprint = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    known = {e.path: e for e in previous.files} if previous and previous.fingerprint == fingerprint else {}
    entries = []
    for path, name in find_files(source.root, source.events.path):
        old = known.get(name)
        stat = path.stat()
        if old and (old.size, old.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            entries.append(old)
            continue
        try:
            entries.append(_entry(source, path, name, stat.st_size, stat.st_mtime_ns))
        except SourceError as error:
            held = {*(old.may_hold if old.error else old.days)} if old else set()
            named = date_in_name(name)
            may_hold = tuple(sorted(held | ({named.isoformat()} if named else set())))
            entries.append(FileEntry(name, stat.st_size, stat.st_mtime_ns, {}, error=str(error), may_hold=may_hold))
    return SourceIndex(fingerprint, tuple(entries))


def _entry(source: Source, path: Path, name: str, size: int, mtime_ns: int) -> FileEntry:
    with engine() as con:
        rows = open_rows(con, path, name)
        with reading(path, name):
            counts, undated, broken = _count(source, rows)
    named = date_in_name(name)
    own_day = None
    if undated.rows or broken:
        most = min(counts, key=lambda d: (-counts[d].rows, d)) if counts else None
        own = named or most or source.first_day
        if own is None:
            raise SourceError(
                f"{name}: found no row whose time can be read; expected at least one, or a date in the file's name, "
                "or first_day in the description, to know what day the rows belong to"
            )
        own_day = own.isoformat()
        lost = [int(undated.sum, 16), *(line_hash(line) for line in broken)]
        there = counts.get(own, DayRows(0, "0"))
        counts[own] = DayRows(there.rows + undated.rows + len(broken), f"{int(there.sum, 16) + sum(lost):x}")
    days = {d.isoformat(): counts[d] for d in sorted(counts)}
    return FileEntry(name, size, mtime_ns, days, own_day, undated.rows + len(broken))


def _count(source: Source, rows: Rows) -> tuple[dict[date, DayRows], DayRows, list[str]]:
    """Rows by local day, rows without a readable time, and broken lines."""
    if not rows.columns:  # a jsonl file without a single object
        return {}, DayRows(0, "0"), rows.broken()
    at = moment(rows, source.events.columns.occurred_at, "occurred_at", source.timezone)
    found = (
        rows.relation.project(f"epoch_us({at.value}) // {BUCKET_US} AS bucket, {row_hash(rows, source)} AS hash")
        .aggregate(
            # Halves of the hash: their sums stay within 64 bits.
            "bucket, count(*) AS n, sum(hash & 4294967295)::UBIGINT AS low, sum(hash >> 32)::UBIGINT AS high",
            "bucket",
        )
        .pl()
    )
    broken = rows.broken()
    nothing = found.filter(found["bucket"].is_null())
    undated = DayRows(0, "0")
    if nothing.height:
        n, low, high = nothing.select("n", "low", "high").row(0)
        undated = DayRows(n, f"{low + (high << 32):x}")
    dated = found.filter(found["bucket"].is_not_null())
    if not dated.height:
        return {}, undated, broken
    days, place = days_of_buckets(dated["bucket"].to_numpy(), source.timezone)
    sums = np.zeros((3, len(days)), dtype=np.uint64)
    for i, column in enumerate(("n", "low", "high")):
        np.add.at(sums[i], place, dated[column].to_numpy().astype(np.uint64))
    counts = {}
    for i, day in enumerate(days):
        n, low, high = (int(sums[k, i]) for k in range(3))
        if n:
            counts[day] = DayRows(n, f"{low + (high << 32):x}")
    return counts, undated, broken


def row_hash(rows: Rows, source: Source) -> str:
    """SQL for the 64-bit hash of what a row says in the described columns, whose sums the digests are made of."""
    return f"md5_number_lower({rows.content(source.events.columns.theirs)})"


def line_hash(line: str) -> int:
    """The same for a line that cannot be parsed."""
    return int.from_bytes(hashlib.md5(line.encode(), usedforsecurity=False).digest()[8:], "big")
