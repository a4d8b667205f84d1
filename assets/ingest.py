"""Raw events, raw items and what was rejected: one day of the source, as it occurred."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets.gate import Candidate, GateError, Yielded, check_result, gate, in_fives
from assets.tables import YESTERDAY, check_specs, refuses_in_words, shares, spec, table_asset, today, yesterday
from coterie.errors import SourceError
from coterie.sources import (
    OpenDay,
    Room,
    Source,
    SourceIndex,
    is_unusual,
    open_day,
    read_items,
    rejected_items,
    usual_rows,
)
from coterie.tables import QUARANTINE, RAW_EVENTS, RAW_ITEMS
from resources.audit import SAMPLE_ROWS, Finding
from resources.configurable import Log, Method, Storage
from resources.lake import Lake, own_folder
from resources.memory import engine_memory
from resources.warehouse import Warehouse

READABLE = "Every file that holds the day can be read as the description says"
ENOUGH = "The day has at least as many events as the source expects"
USUAL = "The day has about as many rows as the week before it: not a small part of them, as when a file is missing"
QUARANTINED = "The share of rejected rows is within the source's bound"


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `ingest`."""

    @dg.multi_asset(
        name="raw_events",
        specs=[
            spec(
                RAW_EVENTS,
                deps=[],
                kinds={"duckdb", "parquet"},
                says="What occurred on the day, whenever it arrived: the source's rows, normalised, repeats removed.",
            ),
            spec(
                QUARANTINE,
                deps=[],
                kinds={"duckdb", "parquet"},
                says="Rows of the day that break a row rule, as they came, each with its reason. Nothing vanishes.",
            ),
        ],
        check_specs=[
            *check_specs(
                RAW_EVENTS,
                days,
                {
                    "source_readable": READABLE,
                    "enough_events": ENOUGH,
                    "usual_volume": USUAL,
                    "quarantined_share": QUARANTINED,
                },
            ),
            *check_specs(QUARANTINE, days, {}),
        ],
        partitions_def=days,
    )
    @refuses_in_words
    def raw_events(context: dg.AssetExecutionContext, storage: Storage, log: Log) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        opened = log.open()
        index, forgotten = opened.index(), log.forgotten()
        with ExitStack() as stack:
            folder = stack.enter_context(own_folder(lake.home / "stage" / "reading" / f"day={day}"))
            room = Room(folder, engine_memory())
            try:
                read = stack.enter_context(
                    open_day(opened.source, index, day, pseudonym_key=log.key, forgotten=forgotten, room=room)
                )
                of_items = rejected_items(
                    opened.source, item_ids=read.item_ids, created_on=day, pseudonym_key=log.key, forgotten=forgotten
                )
            except SourceError as error:
                finding = _unreadable(index, day, error)
                yield check_result("raw_events", finding)
                raise GateError(f"{day}: raw_events.source_readable: {finding.says}") from error
            rejects = pl.concat([read.rejects, of_items])
            context.log.info(
                f"{day}: {read.read} rows read, {read.repeated} repeats, {rejects['copies'].sum()} rejected"
            )
            yield from gate(
                context,
                lake,
                [
                    Candidate(
                        RAW_EVENTS,
                        read.parts(),
                        findings=[
                            Finding("source_readable", True, READABLE, numbers={"rows read": read.read}),
                            _enough(opened.source, read),
                            _usual(opened.source, index, day, read),
                            _quarantined("raw_events", opened.source, read.read - read.repeated, read.rejects),
                        ],
                        notes={"source_digest": read.digest},
                        metadata=shares(rows_read=read.read, repeats_removed=read.repeated, users=in_fives(read.users)),
                    ),
                    Candidate(QUARANTINE, rejects, metadata={"reasons": _reasons(rejects)}),
                ],
            )

    @table_asset(
        RAW_ITEMS,
        days,
        deps=["raw_events"],
        looks_back={"raw_items": YESTERDAY},
        kinds={"duckdb", "parquet"},
        says="Items first seen on the day (in an event, or by their date of creation), and known ones that changed.",
        checks={"quarantined_share": QUARANTINED},
    )
    def raw_items(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day = today(context)
        lake = storage.lake
        yesterday(lake, method, "raw_items", day)
        source = log.open().source
        seen = lake.scan("raw_events", day).select(pl.col("item_id").unique()).collect(engine="streaming")["item_id"]
        read = read_items(source, item_ids=seen, created_on=day, pseudonym_key=log.key, forgotten=log.forgotten())
        fresh = _new_or_changed(warehouse, lake, read.frame, day)
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    RAW_ITEMS,
                    fresh,
                    findings=[_quarantined("raw_items", source, read.frame.height + read.rejects.height, read.rejects)],
                    metadata=shares(
                        items_of_the_day=read.frame.height,
                        without_text=fresh["text"].null_count(),
                        **{f"language {k}": n for k, n in sorted(fresh["language"].value_counts().iter_rows())},
                    ),
                )
            ],
        )

    return [raw_events, raw_items]


def _new_or_changed(warehouse: Warehouse, lake: Lake, items: pl.DataFrame, day: date) -> pl.DataFrame:
    known = warehouse.known_items(lake, items["item_id"], last=day - timedelta(days=1))
    return items.join(known.select("item_id", "content_hash"), on=["item_id", "content_hash"], how="anti")


def _unreadable(index: SourceIndex, day: date, error: SourceError) -> Finding:
    entries = index.entries_for(day)
    # A file can also be sound and yet not be what the description says: then it is the error that names it.
    wrong = {entry.path: entry.error for entry in entries if entry.error} or {"": str(error)}
    return Finding(
        "source_readable",
        False,
        f"raw_events: {len(wrong)} file(s) cannot be used, nothing was published: {error}",
        numbers={"files that may hold the day": len(entries), "unexpected": len(wrong)},
        sample=pl.DataFrame({"file": list(wrong), "what is wrong": list(wrong.values())}).head(SAMPLE_ROWS),
    )


def _enough(source: Source, read: OpenDay) -> Finding:
    fewest = source.quality.min_events
    found = read.events
    return Finding(
        "enough_events",
        found >= fewest,
        ENOUGH if found >= fewest else f"raw_events: expected at least {fewest} events, found {found}",
        numbers={"events": found, "expected at least": fewest},
    )


def _usual(source: Source, index: SourceIndex, day: date, read: OpenDay) -> Finding:
    share, usual = source.quality.min_share_of_usual, usual_rows(index.rows(), day)
    numbers = shares(rows=read.read, usual=usual if usual is not None else "unknown", bound=share)
    if not is_unusual(source, read.read, usual):
        return Finding("usual_volume", True, USUAL, numbers=numbers)
    says = (
        f"raw_events: found {read.read} rows, where the week before had {usual:.0f} a day (median); expected at least "
        f"{share:.0%} of that (quality.min_share_of_usual). Is a file missing?"
    )
    return Finding("usual_volume", False, says, numbers=numbers)


def _quarantined(table: str, source: Source, rows: int, rejects: pl.DataFrame) -> Finding:
    bound = source.quality.max_quarantined_share
    rejected = int(rejects["copies"].sum())
    share = rejected / rows if rows else 0.0
    says = QUARANTINED
    if share > bound:
        reasons = ", ".join(f"{reason} ({n})" for reason, n in _counts(rejects))
        says = (
            f"{table}: {rejected} of {rows} rows ({share:.1%}) were rejected, the bound is {bound:.1%} "
            f"(quality.max_quarantined_share): {reasons}"
        )
    return Finding(
        "quarantined_share",
        share <= bound,
        says,
        numbers=shares(rejected=rejected, rows=rows, share=share, bound=bound),
        sample=_sample(table, source, rejects) if share > bound else None,
    )


def _sample(table: str, source: Source, rejects: pl.DataFrame) -> pl.DataFrame:
    """Rejected rows for a person, the commonest reason first: what the description names of them, but for people.

    Whole payloads stay out of the event log, which keeps them for ever: nobody knows what else stands in them.
    """
    described = source.items.columns if table == RAW_ITEMS.name and source.items else source.events.columns
    theirs = described.model_dump(exclude={"user_id", "creator_id", "text", "hashtags"}, exclude_none=True)
    counts = dict(_counts(rejects))
    rows = sorted(rejects.select("reason", "payload").iter_rows(), key=lambda r: (-counts[r[0]], r[0], r[1]))
    shown = [(reason, json.loads(payload)) for reason, payload in rows[:SAMPLE_ROWS]]
    return pl.DataFrame(
        {
            "reason": [reason for reason, _ in shown],
            **{ours: [str(payload.get(name, ""))[:80] for _, payload in shown] for ours, name in theirs.items()},
        }
    )


def _counts(rejects: pl.DataFrame) -> list[tuple[str, int]]:
    return sorted(rejects.group_by("reason").agg(pl.col("copies").sum()).iter_rows(), key=lambda r: (-r[1], r[0]))


def _reasons(rejects: pl.DataFrame) -> str:
    return "; ".join(f"{reason}: {n}" for reason, n in _counts(rejects)) or "none"
