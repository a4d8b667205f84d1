"""Texts from the log on their way into other people's programs.

Belongs here: what a cell, a sheet's name or a slide may hold. Does not belong here: HTML (jinja2 escapes it).

A spreadsheet runs a cell of a CSV file that begins like a formula, whoever wrote it (OWASP, "CSV injection"). In CSV an
apostrophe before it keeps it a text; in a workbook a text is stored as a text, and needs none.
"""

import re
from collections.abc import Collection

LONGEST_CELL = 32_767  # characters that a cell of Excel holds; of a longer one the rest spills into the next rows
LONGEST_SHEET = 31  # characters of a sheet's name
# Also the full-width forms, which Excel reads like the narrow ones where the system speaks Chinese or Japanese.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_NO_NAME = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f]")


def clean(text: str, longest: int = LONGEST_CELL) -> str:
    """A text without characters that XML cannot hold, and cut to what fits, the cut marked by an ellipsis."""
    text = _NO_TEXT.sub(" ", text)
    # Excel counts UTF-16 units: a character beyond the first plane takes two.
    if len(text) + sum(c > "\uffff" for c in text) <= longest:
        return text
    kept, room = [], longest - 1
    for c in text:
        room -= 2 if c > "\uffff" else 1
        if room < 0:
            break
        kept.append(c)
    return "".join(kept) + "…"


def harmless(text: str) -> str:
    """A text as a cell of a CSV file: what a spreadsheet would run gets an apostrophe before it."""
    text = clean(text, LONGEST_CELL - 1)
    return f"'{text}" if text.startswith(FORMULA) else text


def one_line(text: str, longest: int) -> str:
    """A text for a label: white space as single spaces, cut to what fits."""
    return clean(" ".join(text.split()), longest)


def sheet_name(text: str, taken: Collection[str]) -> str:
    """A name that a workbook takes for a sheet: allowed characters, at most 31, no other sheet's whatever the case."""
    name = one_line(_NO_NAME.sub(" ", text), LONGEST_SHEET).strip("' ") or "Community"
    if name.casefold() == "history":  # Excel keeps it for itself
        name = "History of"
    used = {other.casefold() for other in taken}
    unique, number = name, 1
    while unique.casefold() in used:
        number += 1
        tail = f" ({number})"
        unique = one_line(name, LONGEST_SHEET - len(tail)) + tail
    return unique
