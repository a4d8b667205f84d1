"""SQL that reads one field of a row: identifiers, numbers, booleans and moments, from whatever type a file holds.

Belongs here: which types may hold what, and what counts as unreadable. Does not belong here: what follows from that.
"""

from dataclasses import dataclass
from datetime import datetime

from coterie.sources.files import Family, FileColumn, Rows, literal
from coterie.sources.localdays import EARLIEST, LATEST

SPACES = " \t\r\n\v\f\u00a0\u2003\u3000\ufeff\u200b"
# What exports write for an id that is not there. Nobody is called so, and a user who seems to be would be everyone whose
# id is missing, and the most active of all.
MISSING_WORDS = ("null", "none", "nan", "n/a", "undefined", "<na>", "#n/a", "\\n")
IDS = ("user_id", "item_id", "event_id", "creator_id")
EPOCHS = "epoch seconds, milliseconds, microseconds or nanoseconds"
_EXACT_FLOAT = 2**53
_HOLD_A_MOMENT: tuple[Family, ...] = ("text", "integer", "float", "timestamp", "timestamptz", "date")


@dataclass(frozen=True)
class Field:
    """SQL for a value (null where it cannot be read) and for whether the row holds anything there.

    `nested` is SQL for whether it holds an object or a list, in a column that holds text or numbers as well.
    """

    value: str
    present: str
    nested: str = "false"


def identifier(rows: Rows, theirs: str, ours: str) -> Field:
    """A text that names something. Whole numbers kept as floats read as whole numbers: 12.0 is 12.

    An id that is a word for a missing value (`MISSING_WORDS`, in capitals or not) has no value, and is present.
    """
    column = rows.column(theirs, ours, ("text", "integer", "float"), "text or a whole number")
    value = column.text
    if column.family == "float":
        number = f"{column.value}::DOUBLE"
        value = (
            f"CASE WHEN isnan({number}) THEN NULL WHEN {number} = floor({number}) AND abs({number}) < {_EXACT_FLOAT} "
            f"THEN {number}::BIGINT::VARCHAR ELSE {value} END"
        )
    present = f"coalesce({trimmed(value)} <> '', false)"
    readable = f"{present} AND NOT {column.nested}"
    if ours in IDS:
        words = ", ".join(literal(word) for word in MISSING_WORDS)
        readable += f" AND lower({trimmed(value)}) NOT IN ({words})"
    return Field(f"CASE WHEN {readable} THEN {value} END", present, column.nested)


def number(rows: Rows, theirs: str, ours: str) -> Field:
    """A finite number, as DOUBLE. Blank text counts as nothing there."""
    column = rows.column(theirs, ours, ("text", "integer", "float"), "a number")
    if column.family == "text":
        value, present = f"TRY_CAST({trimmed(column.text)} AS DOUBLE)", f"{trimmed(column.text)} <> ''"
    else:
        value, present = f"{column.value}::DOUBLE", f"{column.value} IS NOT NULL"
    return Field(f"CASE WHEN isfinite({value}) THEN {value} END", present)


def boolean(rows: Rows, theirs: str, ours: str) -> Field:
    """True or false; also 1 and 0, and the usual words. Blank text counts as nothing there."""
    column = rows.column(theirs, ours, ("text", "integer", "float", "boolean"), "true or false, or 1 or 0")
    if column.family == "boolean":
        return Field(column.value, f"{column.value} IS NOT NULL")
    if column.family == "text":
        return Field(f"TRY_CAST({trimmed(column.text)} AS BOOLEAN)", f"{trimmed(column.text)} <> ''")
    value = f"CASE WHEN {column.value} = 1 THEN true WHEN {column.value} = 0 THEN false END"
    return Field(value, f"{column.value} IS NOT NULL")


def moment(rows: Rows, theirs: str, ours: str, zone: str) -> Field:
    """A moment from 1970 to 2200, as naive UTC.

    Timestamps without a zone and ISO text without an offset are UTC; a date alone is the beginning of that day in
    `zone`; a number is epoch seconds (1e8 to 1e11), milliseconds (to 1e14), microseconds (to 1e17) or nanoseconds (to
    1e20), each a time after March 1973: a smaller one is more likely a date such as 20181126, or a default.
    """
    column = rows.column(theirs, ours, _HOLD_A_MOMENT, f"a timestamp, ISO text, or {EPOCHS}")
    value, present = column.value, f"{column.value} IS NOT NULL"
    if column.family == "timestamp":
        value = f"{value}::TIMESTAMP"
    elif column.family == "timestamptz":
        value = f"make_timestamp(epoch_us({value}))"
    elif column.family == "date":
        value = _local_midnight(value, zone)
    elif column.family == "text":
        text = trimmed(column.text)
        present = f"{text} <> ''"
        iso = f"make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
        basic = f"try_strptime({text}, ['%Y%m%dT%H%M%SZ', '%Y%m%dT%H%M%S'])"
        value = (
            f"CASE WHEN length({text}) = 10 AND {text}[5] = '-' THEN {_local_midnight(f'TRY_CAST({text} AS DATE)', zone)}"
            f" ELSE coalesce({iso}, {_epoch(f'TRY_CAST({text} AS DOUBLE)')}, {basic}) END"
        )
    elif column.family == "integer":
        # Nanoseconds do not fit a DOUBLE: at midnight one could fall on the other side, where `may_lie_in` is not.
        exact = f"make_timestamp(({value} // 1000)::BIGINT)"
        value = (
            f"CASE WHEN {value} BETWEEN {10**17} AND {10**20 - 1} THEN {exact} ELSE {_epoch(f'{value}::DOUBLE')} END"
        )
    else:
        value = _epoch(f"{value}::DOUBLE")
    return Field(f"CASE WHEN ({value}) >= {_at(EARLIEST)} AND ({value}) < {_at(LATEST)} THEN {value} END", present)


def offsetless(column: FileColumn) -> str:
    """SQL for whether a moment is written without zone or offset, so that `moment` takes it for UTC."""
    if column.family == "timestamp":
        return f"{column.value} IS NOT NULL"
    if column.family != "text":
        return "false"
    text = trimmed(column.text)
    return (
        f"coalesce(regexp_full_match({text}, '\\d+[-/]\\d+[-/]\\d+[ T]\\d+:\\d+(:\\d+([.]\\d+)?)?') "
        f"OR regexp_full_match({text}, '\\d{{8}}T\\d{{6}}'), false)"
    )


def may_lie_in(column: FileColumn, start: datetime, end: datetime) -> str | None:
    """A condition on the bare column that every row of [start, end) meets, for parquet to skip row groups by.

    None where the type allows no such condition.
    """
    value = column.value
    if column.family == "timestamp":
        return f"{value} >= {_at(start)}::{column.type} AND {value} < {_at(end)}::{column.type}"
    if column.family == "timestamptz":
        return f"{value} >= '{start.isoformat()}Z'::TIMESTAMPTZ AND {value} < '{end.isoformat()}Z'::TIMESTAMPTZ"
    if column.family == "integer":
        low, high = (int((t - EARLIEST).total_seconds()) for t in (start, end))
        units = (f"({value} >= {low * unit} AND {value} < {high * unit})" for unit in (1, 10**3, 10**6, 10**9))
        return f"({' OR '.join(units)})"
    return None


def between(value: str, start: datetime, end: datetime) -> str:
    """The condition that a naive UTC moment lies in [start, end)."""
    return f"{value} >= {_at(start)} AND {value} < {_at(end)}"


def trimmed(text: str) -> str:
    """A text without the white space around it, the CJK space and no-break space included."""
    return f"trim({text}, {literal(SPACES)})"


def _epoch(value: str) -> str:
    return (
        f"CASE WHEN {value} >= 1e8 AND {value} < 1e11 THEN make_timestamp(round({value} * 1e6)::BIGINT) "
        f"WHEN {value} >= 1e11 AND {value} < 1e14 THEN make_timestamp(round({value} * 1e3)::BIGINT) "
        f"WHEN {value} >= 1e14 AND {value} < 1e17 THEN make_timestamp(round({value})::BIGINT) "
        f"WHEN {value} >= 1e17 AND {value} < 1e20 THEN make_timestamp(floor({value} / 1e3)::BIGINT) END"
    )


def _local_midnight(day: str, zone: str) -> str:
    return f"make_timestamp(epoch_us(timezone({literal(zone)}, ({day})::TIMESTAMP)))"


def _at(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"
