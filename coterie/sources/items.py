"""The items that a day's events are about, as the raw_items contract wants them.

Belongs here: finding items, the rules of an item row, its hashes. Does not belong here: which items a day needs.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from coterie.sources.description import ItemColumns, Items, Source
from coterie.sources.events import A_WORD, LARGEST, NESTED, UNPARSED, line_payload, pseudonym_sql, set_key
from coterie.sources.fields import between, identifier, may_lie_in, moment, number
from coterie.sources.files import Rows, engine, find_files, literal, open_rows, reading
from coterie.sources.localdays import day_range
from coterie.sources.texts import UNKNOWN_LANGUAGE, clean, hashtags, language
from coterie.tables import QUARANTINE, RAW_ITEMS

_HASH_LENGTH = 32  # hex digits
_READ = {
    "item_id": "VARCHAR", "creator_id": "VARCHAR", "text": "VARCHAR", "hashtags": "VARCHAR", "language": "VARCHAR",
    "duration_ms": "BIGINT", "created_at": "TIMESTAMP", "reason": "VARCHAR", "payload": "VARCHAR",
}  # fmt: skip
_TYPES = {"VARCHAR": pl.String(), "BIGINT": pl.Int64(), "TIMESTAMP": pl.Datetime("us")}
_SCHEMA = {name: _TYPES[t] for name, t in _READ.items()}


@dataclass(frozen=True)
class ItemsRead:
    """Items: `frame` in the raw_items contract, `rejects` in the quarantine contract.

    `missing` are the ids asked for that no file has; they stand in the frame as well, without text.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame
    missing: pl.Series


def read_items(
    source: Source,
    *,
    item_ids: pl.Series,
    created_on: date | None,
    pseudonym_key: bytes | None = None,
    forgotten: frozenset[str] = frozenset(),
) -> ItemsRead:
    """Read the items that are asked for by id, and those made on a local day.

    Exact repeats collapse; rows of one item that differ all stay, and the audit refuses the day. An item that no
    file has comes out without text. A row without an id belongs to the day it was made on; without a time as well,
    to the source's first day, and so does a line that cannot be parsed.

    Args:
        source: the description; without `items` every item comes out without text.
        item_ids: ids, as in the events; repeats and nulls do no harm.
        created_on: a day in the source's time zone; None for none.
        pseudonym_key: if given, ids of creators become keyed pseudonyms like those of users, in payloads as well.
        forgotten: users, as they stand in the tables, who are not named as creators; their rejected rows are left out.

    Raises:
        SourceError: an item file cannot be read, lacks a column, or has one of a type that does not fit.
    """
    wanted = _ids(item_ids)
    found = _found(source, wanted, created_on, pseudonym_key, forgotten)
    refused = found.filter(pl.col("reason").is_not_null())
    by_forgotten = pl.col("creator_id").is_in(sorted(forgotten)).fill_null(False)
    found = found.with_columns(creator_id=pl.when(~by_forgotten).then("creator_id"))
    good = _tidy(found.filter(pl.col("reason").is_null()).drop("reason", "payload"))
    # An item whose row was refused is not made up anew without text: it is in quarantine.
    seen = found.select("item_id").drop_nulls().unique()
    missing = wanted.to_frame("item_id").join(seen, on="item_id", how="anti")
    items = pl.concat([good, missing], how="diagonal").with_columns(pl.col("language").fill_null(UNKNOWN_LANGUAGE))
    frame = RAW_ITEMS.conform(with_hashes(items).unique("content_hash", keep="any"))
    return ItemsRead(frame, _rejects(refused, forgotten), missing["item_id"].sort())


def rejected_items(
    source: Source,
    *,
    item_ids: pl.Series,
    created_on: date | None,
    pseudonym_key: bytes | None = None,
    forgotten: frozenset[str] = frozenset(),
) -> pl.DataFrame:
    """The `rejects` of `read_items` alone, without the work on good rows."""
    found = _found(source, _ids(item_ids), created_on, pseudonym_key, forgotten, "reason IS NOT NULL")
    return _rejects(found, forgotten)


def _ids(item_ids: pl.Series) -> pl.Series:
    return item_ids.cast(pl.String).drop_nulls().unique().sort()


def _rejects(refused: pl.DataFrame, forgotten: frozenset[str]) -> pl.DataFrame:
    by_forgotten = pl.col("creator_id").is_in(sorted(forgotten)).fill_null(False)
    counted = refused.filter(~by_forgotten).group_by("reason", "payload").agg(copies=pl.len())
    return QUARANTINE.conform(counted.with_columns(table_name=pl.lit(RAW_ITEMS.name)))


def _found(
    source: Source,
    wanted: pl.Series,
    created_on: date | None,
    key: bytes | None,
    forgotten: frozenset[str],
    only: str = "true",
) -> pl.DataFrame:
    """The rows of all files in the columns of `_READ`; `only` is a condition on these."""
    parts = [pl.DataFrame(schema=_SCHEMA)]
    if source.items is not None:
        with engine() as con:
            if key is not None:
                set_key(con, key)
            con.register("asked", wanted.to_frame("item_id"))
            con.execute("CREATE TABLE wanted AS FROM asked").fetchall()
            for path, name in find_files(source.root, source.items.path):
                parts += _read(con, source, source.items, path, name, created_on, key, forgotten, only)
    return pl.concat(parts)


def _read(
    con: duckdb.DuckDBPyConnection,
    source: Source,
    items: Items,
    path: Path,
    name: str,
    created_on: date | None,
    key: bytes | None,
    forgotten: frozenset[str],
    only: str,
) -> list[pl.DataFrame]:
    rows = open_rows(con, path, name)
    with reading(path, name):
        parts = []
        if rows.columns:
            values = item_values(rows, items.columns, source.timezone, keyed=key is not None)
            chosen: list[tuple[str, str | None]] = [(f"({values['item_id']}) IN (FROM wanted)", None)]
            if created_on is not None:
                chosen.append(_made_on(source, rows, items.columns, values, created_on))
            for condition, bare in chosen:
                relation = rows.relation.filter(bare) if bare else rows.relation
                parts.append(relation.filter(condition).project(projection(values)).filter(only).pl())
        if created_on is not None and created_on == source.first_day:
            lines = rows.broken()
            broken = {
                "reason": [UNPARSED] * len(lines),
                "payload": [line_payload(line, key, forgotten) for line in lines],
            }
            parts.append(pl.DataFrame({c: broken.get(c, [None] * len(lines)) for c in _SCHEMA}, schema=_SCHEMA))
        return parts


def _made_on(
    source: Source, rows: Rows, columns: ItemColumns, values: Mapping[str, str], day: date
) -> tuple[str, str | None]:
    """The condition that a row was made on the day and was not asked for by id, and one that parquet can skip by."""
    start, end = day_range(day, source.timezone)
    created, item_id = f"({values['created_at']})", f"({values['item_id']})"
    not_asked = f"({item_id} IS NULL OR {item_id} NOT IN (FROM wanted))"
    made_then = between(created, start, end)
    if day == source.first_day:
        return f"({made_then} OR {created} IS NULL AND {item_id} IS NULL) AND {not_asked}", None
    if not rows.offers(columns.created_at):
        return "false", None
    return f"{made_then} AND {not_asked}", may_lie_in(rows.columns[columns.created_at], start, end)


def item_values(rows: Rows, columns: ItemColumns, zone: str, *, keyed: bool = False) -> dict[str, str]:
    """SQL for the columns of an item row, and for its `reason` (null for a good row) and `payload`.

    With `keyed`, ids of creators become pseudonyms (`set_key` first).

    Raises:
        SourceError: a column is not in the file, or of a type that cannot hold what the description says.
    """
    values = dict.fromkeys(_READ, f"NULL::{_READ['item_id']}")
    values |= {"duration_ms": "NULL::BIGINT", "created_at": "NULL::TIMESTAMP"}
    if keyed and rows.offers(columns.creator_id):
        creator = identifier(rows, columns.creator_id, "creator_id").value
        rows = rows.with_text(columns.creator_id, pseudonym_sql(creator))
    item = identifier(rows, columns.item_id, "item_id")
    values["item_id"] = item.value
    rules = [
        (f"NOT {item.present}", "item_id is missing or blank"),
        (item.nested, f"item_id {NESTED}"),
        (f"({item.value}) IS NULL", f"item_id {A_WORD}"),
    ]
    for name, theirs in (("creator_id", columns.creator_id), ("language", columns.language)):
        if rows.offers(theirs):
            named = identifier(rows, theirs, name)
            values[name] = named.value
            rules.append((named.nested, f"{name} {NESTED}"))
    if rows.offers(columns.duration_ms):
        field = number(rows, columns.duration_ms, "duration_ms")
        rules += [
            (f"{field.present} AND ({field.value}) IS NULL", "duration_ms is not a number"),
            (f"({field.value}) < 0", "duration_ms is negative"),
            (f"({field.value}) > {LARGEST}", "duration_ms is not a number that fits 64 bits"),
        ]
        values["duration_ms"] = f"CASE WHEN ({field.value}) BETWEEN 0 AND {LARGEST} THEN round({field.value}) END"
    if rows.offers(columns.created_at):
        values["created_at"] = moment(rows, columns.created_at, "created_at", zone).value
    if rows.offers(columns.hashtags):
        values["hashtags"] = tags_sql(rows, columns.hashtags, "hashtags")
    texts = [text_sql(rows, theirs, "text") for theirs in columns.text or () if rows.offers(theirs)]
    if texts:
        values["text"] = f"concat_ws(chr(10), {', '.join(texts)})"
    values["reason"] = f"CASE {' '.join(f'WHEN {test} THEN {literal(words)}' for test, words in rules)} END"
    values["payload"] = f"CASE WHEN ({values['reason']}) IS NOT NULL THEN {rows.payload} END"
    return values


def tags_sql(rows: Rows, theirs: str, ours: str) -> str:
    """SQL for tags as they are written: text, or the JSON of a list."""
    column = rows.column(theirs, ours, ("text", "integer", "other"), "text or a list")
    return f"nullif({column.json}, 'null')" if column.family == "other" else column.text


def text_sql(rows: Rows, theirs: str, ours: str) -> str:
    """SQL for a text; empty is null."""
    return f"nullif({rows.column(theirs, ours, ('text', 'integer', 'float'), 'text').text}, '')"


def projection(values: Mapping[str, str]) -> str:
    """The SELECT list of `item_values`."""
    return ", ".join(f"({values[name]})::{t} AS {name}" for name, t in _READ.items())


def _tidy(items: pl.DataFrame) -> pl.DataFrame:
    """Text and tags made plain, the language settled."""
    written = items.select(pl.col("hashtags").unique().sort()).to_series()
    tags = pl.DataFrame(
        {"hashtags": written, "tags": [hashtags(w) for w in written]}, schema={"hashtags": pl.String, "tags": pl.String}
    )
    tidy = items.join(tags, on="hashtags", how="left").with_columns(hashtags=pl.col("tags"), text=clean(pl.col("text")))
    guess_by = pl.coalesce("text", "hashtags")
    return tidy.drop("tags").with_columns(language=language(pl.col("language"), guess_by))


def with_hashes(items: pl.DataFrame) -> pl.DataFrame:
    """Items with `text_hash` and `content_hash`, made of their other columns."""
    rows = items.select("item_id", "creator_id", "language", "duration_ms", pl.col("created_at").dt.timestamp("us"))
    text_hash = [_hash((t or "", h or "")) for t, h in items.select("text", "hashtags").rows()]
    content = [_hash((*row, t)) for row, t in zip(rows.rows(), text_hash, strict=True)]
    return items.with_columns(
        text_hash=pl.Series(text_hash, dtype=pl.String), content_hash=pl.Series(content, dtype=pl.String)
    )


def _hash(values: Iterable[object]) -> str:
    """The first 16 bytes of the SHA-256 of the values as a JSON list, in hex."""
    return hashlib.sha256(json.dumps(list(values), ensure_ascii=False).encode()).hexdigest()[:_HASH_LENGTH]
