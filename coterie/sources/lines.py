"""The lines of a text file: how it ends, and the rows of a CSV file as its quotes divide it.

Belongs here: what DuckDB passes over in silence, a row that was cut off and a quote that is never closed. Does not
belong here: what DuckDB reads, or rejects itself.
"""

import io
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

BLOCK = 4096  # bytes: writers that buffer hand on whole multiples of it
ROWS_TO_COMPARE = 100  # with fewer, the last value is the shortest too often by chance
_READ = 1 << 22  # bytes
_LONGEST = 1 << 24  # bytes without the end of a field, after which a file is looked at line by line


@dataclass(frozen=True)
class Tally:
    """The rows of a CSV file.

    Attributes:
        rows: rows that end, blank lines and the header apart.
        last: the last of them, as it stands in the file.
        shortest: bytes of the shortest last value among the rows before it; 0 if they are too few to compare.
        rejected: the lines of each row that was asked for by its place: several, where quotes hold it together.
        left_open: from the row whose quote is never closed to the end of the file, line by line; blank ones left out.
    """

    rows: int
    last: bytes
    shortest: int
    rejected: list[list[str]]
    left_open: list[str]


@contextmanager
def unpacked(path: Path, packed: str) -> Iterator[BinaryIO]:
    """A text file as bytes; `packed` is .gz, .zst or nothing."""
    with pa.input_stream(str(path), compression={".gz": "gzip", ".zst": "zstd"}.get(packed)) as stream:
        yield cast(BinaryIO, io.BufferedReader(stream))


def ending(path: Path, packed: str) -> tuple[int, bool]:
    """The bytes of a text file, unpacked, and whether its last line has an end. A file without bytes has."""
    if not packed:
        with path.open("rb") as plain:
            size = plain.seek(0, io.SEEK_END)
            plain.seek(max(0, size - 1))
            return size, plain.read(1) in (b"\n", b"")
    size, last = 0, b""
    with unpacked(path, packed) as stream:
        # To its very end: DuckDB takes a zst file that is cut off for a short one.
        while block := stream.read(_READ):
            size, last = size + len(block), block[-1:]
    return size, last in (b"\n", b"")


def cut_off_json(path: Path, packed: str) -> str | None:
    """Why a jsonl file whose last line has no end was cut off, in words; None if that line is whole.

    A line of JSON shows by itself whether it is whole.
    """
    with unpacked(path, packed) as stream:
        last = next(iter(deque(stream, maxlen=1)), b"")
    try:
        if last.strip():
            json.loads(last)
    except (ValueError, RecursionError):
        return "is not whole JSON"
    return None


def cut_off_csv(tally: Tally, size: int, columns: int, delimiter: str) -> str | None:
    """Why a CSV file whose last line has no end was cut off, in words; None if it may well be whole.

    Many files that are whole have no line end after the last row, and a CSV row does not show whether its last value
    is whole. So the file counts as cut off if

    - the last row has fewer values than the header, or ends within quotes or a line end (CR without LF); or
    - the file ends at a multiple of 4096 bytes, as where a writer that hands on whole blocks was interrupted; of files
      that are whole, one in 4096 does; or
    - its last value is shorter than that of each of the (at least 100) rows before, as times and ids are that were
      cut off; were it whole, it would be the shortest of all in less than one case of a hundred.

    What that leaves, a number that lost its last digits, nobody can tell: `check-source` warns of such files.

    Args:
        tally: the rows of the file.
        size: bytes of the file, unpacked.
        columns: how many columns the header names.
        delimiter: what separates the values.
    """
    if not tally.last.strip() or (not tally.rows and not tally.left_open):
        return None
    d = delimiter.encode()
    values = re.sub(rb'"(?:[^"]|"")*+"', b"", tally.last).count(d) + 1
    shows = {
        "ends within quotes": bool(tally.left_open),
        "ends in CR without LF": tally.last.endswith(b"\r"),
        f"has {values} of {columns} values": values < columns,
        f"ends where a block of {BLOCK} bytes does": size % BLOCK == 0,
        f"has a last value that is shorter than that of any of the {tally.rows - 1:,} rows before": (
            _last_value(tally.last, d) < tally.shortest and not tally.last.endswith(b'"')
        ),
    }
    return next((why for why, is_so in shows.items() if is_so), None)


def is_well_formed(path: Path, packed: str, delimiter: str) -> bool:
    """Whether quotes in a CSV file stand only around whole values, doubled within, and the last line has an end."""
    d = re.escape(delimiter.encode())
    fields = re.compile(rb'(?:(?:"(?:[^"]|"")*+"|[^"\n' + d + rb"]*+)(?:" + d + rb"|\r?\n))*+")
    rest = b""
    with unpacked(path, packed) as stream:
        while block := stream.read(_READ):
            rest += block
            if b'"' not in rest:
                rest = rest[rest.rfind(b"\n") + 1 :]
            elif found := fields.match(rest):
                rest = rest[found.end() :]
            if len(rest) > _LONGEST:
                return False
    return not rest


def tally(path: Path, packed: str, delimiter: str, rejected: Iterable[int] = ()) -> Tally:
    """Count the rows of a CSV file by its quotes, in the way DuckDB does, well-formed or not.

    A quote opens a value where the value begins, also after one space. It is closed by the next one, unless another
    follows at once or after spaces: then the value goes on. All other quotes are mere characters.

    Args:
        path: the file.
        packed: .gz, .zst or nothing.
        delimiter: what separates the values.
        rejected: bytes before a row, or within the line ends before it, for each row whose lines are wanted.
    """
    d = delimiter.encode()
    opens, closes = re.compile(re.escape(d) + rb' ?"'), re.compile(rb'[^"]*+(?:" *+"[^"]*+)*+"')
    places = deque(sorted(rejected))
    rows, compared, shortest, last = -1, 0, 0, b""  # the header is none of the rows
    lost: list[list[str]] = []
    row: list[bytes] = []
    is_open, end = False, 0
    with unpacked(path, packed) as stream:
        for number, line in enumerate(stream):
            end += len(line)
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            if not row and not text.strip(b"\r\n"):
                continue
            row.append(text)
            if is_open or b'"' in text:
                is_open = _is_open_after(text, is_open, opens, closes)
            if is_open:
                continue
            if rows > 0:
                length = _last_value(last, d)
                shortest = min(shortest, length) if compared else length
                compared += 1
            rows += 1
            last = b"".join(row)
            if places and places[0] < end - len(last) + len(last.rstrip(b"\r\n")):
                places.popleft()
                lost.append(_decoded(row))
            row = []
    return Tally(max(rows, 0), last, shortest if compared >= ROWS_TO_COMPARE else 0, lost, _decoded(row))


def _decoded(lines: Iterable[bytes]) -> list[str]:
    """Lines as text, without their ends; blank ones left out."""
    texts = (line.decode("utf-8", errors="replace").strip("\r\n") for line in lines)
    return [text for text in texts if text]


def _is_open_after(line: bytes, is_open: bool, opens: re.Pattern[bytes], closes: re.Pattern[bytes]) -> bool:
    """Whether a value in quotes goes on after a line, given whether one did before it."""
    at = 0
    if not is_open and line.startswith((b'"', b' "')):
        at, is_open = line.index(b'"') + 1, True
    while True:
        found = closes.match(line, at) if is_open else opens.search(line, at)
        if found is None:
            return is_open
        at, is_open = found.end(), not is_open


def _last_value(row: bytes, delimiter: bytes) -> int:
    """Bytes after the last delimiter of a row."""
    text = row.rstrip(b"\r\n")
    return len(text) - 1 - text.rfind(delimiter)
