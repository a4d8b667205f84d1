"""The rules of an event row, as SQL: each row of a file becomes an event, or a reject with a reason.

Belongs here: what makes a row good, in words. Does not belong here: which rows are asked for.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace

import duckdb

from coterie.sources.description import Source
from coterie.sources.fields import Field, boolean, identifier, moment, number
from coterie.sources.files import Rows, literal
from coterie.sources.index import row_hash

PSEUDONYM_LENGTH = 32  # hex digits: 16 bytes
UNPARSED = "the line cannot be parsed"
NO_TIME = "occurred_at cannot be read as a time from 1970 to 2200"
NESTED = "is an object or a list, where text or a number is expected"
A_WORD = "is a word for a missing value, such as NULL"
_LINE_LENGTH = 1000  # characters of such a line that are kept
_BLOCK = 64  # bytes, of SHA-256
LARGEST = 9_000_000_000_000_000  # what fits a whole number of 64 bits and a float alike
_NAME_LENGTH = 80

STAGED = {
    "hash": "UBIGINT", "row_id": "VARCHAR", "event_id": "VARCHAR", "user_id": "VARCHAR", "item_id": "VARCHAR",
    "event_type": "VARCHAR", "occurred_at": "TIMESTAMP", "watch_ms": "BIGINT", "position": "BIGINT",
    "propensity": "DOUBLE", "is_random": "BOOLEAN", "reason": "VARCHAR", "payload": "VARCHAR",
}  # fmt: skip
_OPTIONAL = ("watch_ms", "position", "propensity", "is_random")
_AT = '"coterie occurred_at"'


def pseudonym(user_id: str, key: bytes) -> str:
    """What a user id becomes under a key: the first 16 bytes of HMAC-SHA-256, in hex."""
    return hmac.new(key, user_id.encode(), "sha256").hexdigest()[:PSEUDONYM_LENGTH]


def line_payload(line: str, key: bytes | None = None, forgotten: frozenset[str] = frozenset()) -> str:
    """A broken line as JSON; where it might name a user who must not be named, only a hash of it."""
    if key is None and not any(user in line for user in forgotten):
        return json.dumps({"line": line[:_LINE_LENGTH]}, ensure_ascii=False)
    mark = hmac.new(key or b"", line.encode(), "sha256").hexdigest()[:PSEUDONYM_LENGTH]
    return json.dumps({"line": "withheld: it may name a user", "hash": mark})


def set_key(con: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Make the key known to the SQL of `staged`, and to nothing that could end in a message."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    con.execute("SET VARIABLE inner_pad = $1", [bytes(b ^ 0x36 for b in block)]).fetchall()
    con.execute("SET VARIABLE outer_pad = $1", [bytes(b ^ 0x5C for b in block)]).fetchall()


def staged(
    source: Source,
    rows: Rows,
    *,
    keyed: bool = False,
    first: str | None = None,
    then: str | None = None,
    more: Mapping[str, str] | None = None,
) -> duckdb.DuckDBPyRelation:
    """The rows of an event file in the columns of `STAGED`; `reason` is null for a good row.

    Args:
        source: the description.
        rows: the open file.
        keyed: whether user ids become pseudonyms (`set_key` first).
        first: a condition on the file's own columns, applied before anything is computed.
        then: a condition on the moment of the row, in which `{at}` stands for it.
        more: further columns by name, as SQL over the file's own columns.

    Raises:
        SourceError: a column is not in the file, or of a type that cannot hold what the description says.
    """
    columns = source.events.columns
    at = moment(rows, columns.occurred_at, "occurred_at", source.timezone)
    plain_hash = row_hash(rows, source)
    fields = {"user_id": identifier(rows, columns.user_id, "user_id")}
    if keyed:
        rows = rows.with_text(columns.user_id, pseudonym_sql(fields["user_id"].value))
        fields["user_id"] = replace(fields["user_id"], value=rows.columns[columns.user_id].text)
    fields |= {name: identifier(rows, getattr(columns, name), name) for name in ("item_id", "event_type")}
    if rows.offers(columns.event_id):
        fields["event_id"] = identifier(rows, columns.event_id, "event_id")
    for name in _OPTIONAL:
        theirs = getattr(columns, name)
        if rows.offers(theirs):
            read = boolean if name == "is_random" else number
            fields[name] = read(rows, theirs, name)
    relation = rows.relation.filter(first) if first else rows.relation
    relation = relation.project(f"*, {at.value} AS {_AT}, {at.present} AS {_own('present occurred_at')}")
    if then:
        relation = relation.filter(then.format(at=_AT))
    parts = ["*", f"{plain_hash} AS {_own('hash')}", f"md5({rows.content(columns.theirs)}) AS {_own('row_id')}"]
    for name, field in fields.items():
        parts += [f"{field.value} AS {_own(name)}", f"{field.present} AS {_own('present ' + name)}"]
        parts += [f"{field.nested} AS {_own('nested ' + name)}"]
    relation = relation.project(", ".join(parts))
    relation = relation.project(f"*, {_reason(source, fields)} AS {_own('reason')}")
    final = [f"({_final(name, fields, rows)})::{t} AS {name}" for name, t in STAGED.items()]
    return relation.project(", ".join([*final, *(f"({sql}) AS {name}" for name, sql in (more or {}).items())]))


def _own(name: str) -> str:
    return f'"coterie {name}"'


def _final(name: str, fields: dict[str, Field], rows: Rows) -> str:
    if name == "payload":
        return f"CASE WHEN {_own('reason')} IS NOT NULL THEN {rows.payload} END"
    if name == "event_id":
        return f"coalesce({_own('event_id')}, {_own('row_id')})" if "event_id" in fields else _own("row_id")
    if name in _OPTIONAL and name not in fields:
        return "NULL"
    if name in ("watch_ms", "position"):
        return f"CASE WHEN {_own('reason')} IS NULL THEN round({_own(name)}) END"
    return _own(name)


def _reason(source: Source, fields: dict[str, Field]) -> str:
    """SQL for the first rule that a row breaks, in words; null if it breaks none."""
    known = ", ".join(literal(t) for t in sorted(source.events.event_types))
    event_type = _own("event_type")
    rules: list[tuple[str, str | None]] = []
    for name in ("user_id", "item_id"):
        rules += [
            (f"NOT {_own('present ' + name)}", f"{name} is missing or blank"),
            (_own("nested " + name), f"{name} {NESTED}"),
            (f"{_own(name)} IS NULL", f"{name} {A_WORD}"),
        ]
    if "event_id" in fields:
        rules.append((_own("nested event_id"), f"event_id {NESTED}"))
    rules += [
        (_own("nested event_type"), f"event_type {NESTED}"),
        (f"{event_type} IS NULL", "event_type is missing"),
        (f"{event_type} NOT IN ({known})", None),
        (f"NOT coalesce({_own('present occurred_at')}, false)", "occurred_at is missing"),
        (f"{_AT} IS NULL", NO_TIME),
    ]
    for name in ("watch_ms", "position"):
        if name in fields:
            rules += [
                (_unread(name), f"{name} is not a number"),
                (f"{_own(name)} < 0", f"{name} is negative"),
                (f"{_own(name)} > {LARGEST}", f"{name} is not a number that fits 64 bits"),
            ]
    if "propensity" in fields:
        rules += [
            (_unread("propensity"), "propensity is not a number"),
            (f"{_own('propensity')} <= 0 OR {_own('propensity')} > 1", "propensity is not above 0 and at most 1"),
        ]
    if "is_random" in fields:
        rules.append((_unread("is_random"), "is_random is neither true nor false"))
    unknown = f"'event_type ' || substr({event_type}, 1, {_NAME_LENGTH}) || ' is not in the source description'"
    cases = [f"WHEN {test} THEN {literal(words) if words else unknown}" for test, words in rules]
    return f"CASE {' '.join(cases)} END"


def _unread(name: str) -> str:
    return f"{_own('present ' + name)} AND {_own(name)} IS NULL"


def pseudonym_sql(user: str) -> str:
    """SQL for what `pseudonym` makes of a user id, with the key of `set_key`."""
    inner = f"unhex(sha256(getvariable('inner_pad') || encode({user})))"
    return f"substr(sha256(getvariable('outer_pad') || {inner}), 1, {PSEUDONYM_LENGTH})"
