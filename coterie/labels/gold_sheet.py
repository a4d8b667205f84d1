"""The sheet that a person fills in: written as xlsx or csv, read back row by row.

Belongs here: columns, drop-downs, and what a filled row must look like. Does not belong here: which texts are drawn,
and with what probability: that a person could break, so it stays in the ledger (resources.gold).
"""

import csv
import difflib
import io
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coterie.errors import LabelError
from coterie.labels.base import MOST_INTERESTS
from coterie.labels.gold import ANSWERS
from coterie.taxonomy import Taxonomy

NONE = "none"
INTERESTS = tuple(f"interest_{n + 1}" for n in range(MOST_INTERESTS))
COLUMNS = ("text_hash", "text", *INTERESTS, "annotator", "comment")
FORMATS = (".xlsx", ".csv")

_TEXTS, _CHOICES = "texts", "interests"
_WIDTHS = {"text_hash": 12, "text": 80, **dict.fromkeys(INTERESTS, 30), "annotator": 14, "comment": 30}
_SPACE_LIKE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")  # characters that a workbook cannot hold
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Filled:
    """What a sheet said: ANSWERS, and how many of its rows are still empty."""

    answers: pl.DataFrame
    empty: int


def check_new(path: Path) -> None:
    """Whether a sheet may be written there.

    Raises:
        LabelError: the name has another ending than .xlsx or .csv, or the file is there already.
    """
    _format(path)
    if path.exists():
        raise LabelError(f"{path}: found a file; expected a new name, as this one may hold somebody's work")


def write_sheet(path: Path, texts: pl.DataFrame, taxonomy: Taxonomy) -> None:
    """Write a sheet to fill in.

    Args:
        path: a new file, .xlsx (with drop-downs) or .csv.
        texts: text_hash, text (already masked), in the order of the rows.
        taxonomy: the interests to choose from.

    Raises:
        LabelError: see `check_new`.
    """
    check_new(path)
    rows = [(text_hash, _SPACE_LIKE.sub(" ", text)) for text_hash, text in texts.select("text_hash", "text").rows()]
    path.parent.mkdir(parents=True, exist_ok=True)
    (_write_xlsx if _format(path) == ".xlsx" else _write_csv)(path, rows, _choices(taxonomy))


def read_sheet(path: Path, drawn: Collection[str], taxonomy: Taxonomy) -> Filled:
    """Read a sheet that a person filled in; a row without interests is still empty.

    Args:
        path: .xlsx or .csv.
        drawn: hashes of the texts that were drawn.
        taxonomy: the interests that may be chosen.

    Raises:
        LabelError: the file cannot be read, or rows are wrong. Names each row, what was found and what was expected.
            Nothing of such a file is taken.
    """
    table = _read_xlsx(path) if _format(path) == ".xlsx" else _read_csv(path)
    header = [_cell(name).lower() for name in (table[0] if table else [])]
    missing = [name for name in COLUMNS if name != "text" and name not in header]
    if missing:
        raise LabelError(
            f"{path}: row 1: found no column {', '.join(missing)}; expected {', '.join(COLUMNS)}, as drawn"
        )
    problems: list[str] = []
    rows: list[tuple[Any, ...]] = []
    seen: dict[tuple[str, str], int] = {}
    empty = 0
    known = _Known(taxonomy)
    for number, values in enumerate(table[1:], 2):
        row = dict(zip(header, map(_cell, values), strict=False))
        if not any(row.values()):
            continue
        interests = [row.get(name, "") for name in INTERESTS]
        if not any(interests):
            empty += 1
            continue
        said = _problems(row, interests, number, drawn, known, seen)
        problems += [f"{path}: row {number}: {problem}" for problem in said]
        if not said:
            chosen = [known.id_of(text) for text in interests if text]
            rows += [
                (row["annotator"], row["text_hash"], place, None if interest == NONE else interest, row["comment"])
                for place, interest in enumerate(chosen, 1)
            ]
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        tail = [f"and {more} more"] if more > 0 else []
        raise LabelError("\n".join(["nothing was read.", *problems[:_SHOWN_PROBLEMS], *tail]))
    frame = pl.DataFrame(
        [(*row, taxonomy.version) for row in rows], schema=ANSWERS, orient="row"
    )  # fmt: skip
    return Filled(frame.sort("annotator", "text_hash", "place"), empty)


class _Known:
    """The interests of a taxonomy by id and by name, as people write them."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        named: dict[str, list[str]] = {}
        for key, (_, interest) in taxonomy.interests.items():
            for name in {interest.name.casefold(), interest.name_zh.casefold()}:
                named.setdefault(name, []).append(key)
        self.ids: Mapping[str, str] = {
            **{name: keys[0] for name, keys in named.items() if len(keys) == 1},
            **{key: key for key in (*taxonomy.interests, NONE)},
        }

    def id_of(self, text: str) -> str | None:
        """The id that a cell means: an id, with or without its name behind it, or a name that is one interest's."""
        return self.ids.get(text.split(maxsplit=1)[0].casefold()) or self.ids.get(text.casefold())

    def near(self, text: str) -> str:
        """The interest that was perhaps meant, in words."""
        found = difflib.get_close_matches(text.casefold(), sorted(self.ids), n=1)
        return f" Did you mean {self.ids[found[0]]}?" if found else ""


def _problems(
    row: Mapping[str, str],
    interests: Sequence[str],
    number: int,
    drawn: Collection[str],
    known: _Known,
    seen: dict[tuple[str, str], int],
) -> list[str]:
    """What is wrong with a row, in words; notes the row as seen."""
    said = []
    if row["text_hash"] not in drawn:
        said.append(f"text_hash: found {row['text_hash']!r}; expected a text that was drawn, its hash untouched")
    if not row["annotator"]:
        said.append("annotator: found nothing; expected the name of who filled the row in")
    for name, text in zip(INTERESTS, interests, strict=True):
        if text and known.id_of(text) is None:
            said.append(f"{name}: found {text!r}; expected an interest of the taxonomy, or {NONE}.{known.near(text)}")
    first_gap = next((n for n, text in enumerate(interests) if not text), len(interests))
    if any(interests[first_gap:]):
        said.append(f"{INTERESTS[first_gap]}: found nothing before a later interest; expected no gap")
    ids = [known.id_of(text) for text in interests if text]
    if NONE in ids and len(ids) > 1:
        said.append(f"{NONE} beside an interest: found {', '.join(map(str, ids))}; expected one or the other")
    twice = sorted({str(i) for i in ids if i is not None and i != NONE and ids.count(i) > 1})
    if twice:
        said.append(f"found {', '.join(twice)} more than once; expected each interest once")
    before = seen.setdefault((row["annotator"], row["text_hash"]), number)
    if before != number:
        said.append(f"found the text of row {before} again, by the same annotator; expected each text once")
    return said


def _format(path: Path) -> str:
    if path.suffix.lower() not in FORMATS:
        raise LabelError(f"{path}: found a name that ends in {path.suffix or 'nothing'!r}; expected .xlsx or .csv")
    return path.suffix.lower()


def _choices(taxonomy: Taxonomy) -> list[tuple[str, str, str]]:
    """What may be chosen, its Chinese name, and what it means; in the order of the taxonomy."""
    interests = [(f"{key} ({i.name})", i.name_zh, i.description) for key, (_, i) in taxonomy.interests.items()]
    return [(NONE, "", "No interest fits, or the text says too little to tell"), *interests]


def _write_csv(path: Path, rows: Sequence[tuple[str, str]], choices: Sequence[tuple[str, str, str]]) -> None:
    # With a byte order mark, or spreadsheets take Chinese for something else.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for text_hash, text in rows:
            # An apostrophe keeps a spreadsheet from running what a stranger wrote.
            out.writerow((text_hash, f"'{text}" if text.startswith(_FORMULA) else text, *[""] * (len(COLUMNS) - 2)))
    listing = path.with_name(f"{path.stem}-interests.csv")
    with listing.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("interest", "name_zh", "description"), *choices])


def _write_xlsx(path: Path, rows: Sequence[tuple[str, str]], choices: Sequence[tuple[str, str, str]]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    texts = book.active
    texts.title = _TEXTS
    listing = book.create_sheet(_CHOICES)
    for sheet, lines in ((texts, [COLUMNS, *rows]), (listing, [("interest", "name_zh", "description"), *choices])):
        for n, line in enumerate(lines, 1):
            for m, value in enumerate(line, 1):
                cell = sheet.cell(n, m, value)
                cell.data_type = "s"  # never a formula, whatever a text begins with
                cell.alignment = Alignment(wrap_text=m == 2, vertical="top")
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.freeze_panes = "A2"
    for letter, name in zip("ABCDEFGHIJ", COLUMNS, strict=False):
        texts.column_dimensions[letter].width = _WIDTHS[name]
    for letter in "AC":
        listing.column_dimensions[letter].width = 50
    rule = DataValidation(
        type="list", formula1=f"{_CHOICES}!$A$2:$A${len(choices) + 1}", allow_blank=True, showErrorMessage=True,
        errorTitle="Not an interest", error=f"Choose an interest of the list, or {NONE}.",
    )  # fmt: skip
    first, last = ("ABCDEFGHIJ"[COLUMNS.index(name)] for name in (INTERESTS[0], INTERESTS[-1]))
    rule.add(f"{first}2:{last}{len(rows) + 1}")
    texts.add_data_validation(rule)
    book.save(path)


def _read_xlsx(path: Path) -> list[list[Any]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        names = book.sheetnames
        rows = [list(row) for row in book[_TEXTS].iter_rows(values_only=True)] if _TEXTS in names else []
    # What a broken workbook raises depends on where it breaks; a SyntaxError is one of its XML.
    except (OSError, InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, SyntaxError) as error:
        raise LabelError(f"{path}: found a file that cannot be read as xlsx ({error}); expected a workbook") from error
    if _TEXTS not in names:
        raise LabelError(f"{path}: found the sheets {', '.join(names)}; expected one called {_TEXTS}")
    return rows


def _read_csv(path: Path) -> list[list[Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LabelError(f"{path}: found a file that cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"{path}: found text that is not UTF-8 ({error}); save it as 'CSV UTF-8'") from error
    # Spreadsheets of half of Europe write semicolons.
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise LabelError(f"{path}: found a file that cannot be read as CSV: {error}") from error


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()
