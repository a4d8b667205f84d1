"""Where a table names a person: in a column of ids, or somewhere in a rejected row.

Belongs here: finding people in published rows. Does not belong here: reading and writing partitions (lake).
"""

import json
import re
from collections.abc import Iterator
from functools import partial

import polars as pl

from coterie.sources.items import with_hashes
from coterie.tables import QUARANTINE, RAW_ITEMS, Table

BROKEN_LINE = "line"  # the key of a payload that could not be parsed


def named_in(table: Table, frame: pl.DataFrame, users: frozenset[str]) -> pl.Series:
    """Whether each row of a table names one of the users (pl.Boolean)."""
    if not users:
        return pl.repeat(False, frame.height, eager=True)
    if table.name == QUARANTINE.name:
        found = partial(_holds, users=users, tokens=_tokens(users))
        return frame["payload"].map_elements(found, return_dtype=pl.Boolean)
    wanted = pl.Series(sorted(users), dtype=pl.String).implode()
    # A day of an earlier version may lack the column, and then names nobody in it.
    there = (pl.col(c).is_in(wanted).fill_null(False) for c in table.persons if c in frame.columns)
    return frame.select(named=pl.any_horizontal(pl.repeat(False, pl.len()), *there))["named"]


def unnamed(table: Table, frame: pl.DataFrame, named: pl.Series) -> pl.DataFrame:
    """The rows of a table about something else than persons, with no person in those that name one of the users."""
    blank = frame.filter(named).with_columns(pl.lit(None, pl.String).alias(c) for c in table.persons)
    if table.name == RAW_ITEMS.name:
        # As ingest would make them: else the items would count as changed when they are next seen, and the hash, made
        # of little else that is not known, would still tell who it was.
        blank = with_hashes(blank)
    return pl.concat([frame.filter(~named), blank])


def _holds(payload: str, *, users: frozenset[str], tokens: re.Pattern[str]) -> bool:
    row = json.loads(payload)
    if BROKEN_LINE in row and tokens.search(str(row[BROKEN_LINE])):
        return True
    return any(value in users for value in _values(row))


def _tokens(users: frozenset[str]) -> re.Pattern[str]:
    """The ids standing alone in a text, as they are or as JSON writes them."""
    written = {form for user in users for form in (user, json.dumps(user)[1:-1])}
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(form) for form in sorted(written))})(?!\w)")


def _values(value: object) -> Iterator[str]:
    """The single values in a piece of JSON, as ids are read: whole numbers without a decimal point."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield from (str(value), str(value).strip())
