"""What `coterie check-source` says: what is wrong with a source, line by line, and what would be read from it.

Belongs here: looking at a whole log once, for a person. Does not belong here: the rules, which reading applies too.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from coterie.errors import CoterieError
from coterie.sources.description import Lines, Source, did_you_mean, line_of, parse_source
from coterie.sources.files import engine, find_files
from coterie.sources.index import build_index, is_unusual, usual_rows
from coterie.sources.items import read_items
from coterie.sources.look import Look, Problems, Refused, look_at_items
from coterie.sources.reading import with_meaning
from coterie.tables import RAW_EVENTS

Level = Literal["error", "warning", "ok"]
Say = Callable[..., None]

_ITEMS_LOOKED_UP = 50_000
_NAMED = 5  # days, types or files that a finding lists before it counts


@dataclass(frozen=True)
class Finding:
    """One thing to know about a source; `line` is the line of the description that it is about."""

    level: Level
    text: str
    line: int | None = None


@dataclass(frozen=True)
class FileCount:
    """An event file: its rows, those without a readable time, and what is wrong with it, if anything."""

    path: str
    rows: int
    undated: int
    error: str | None


@dataclass
class SourceCheck:
    """What a look at the whole source found.

    Attributes:
        findings: in the order of the description's lines, those about no line last.
        files: the event files.
        days: local day -> rows.
        event_types: as the files name them -> rows, most frequent first.
        refused: by reason, most frequent first.
        sample: up to five rows as they would be read, in the raw_events contract.
        items_found: share of the items in the events that the item files have; None without item files.
        text_share: share of those items that have text.
        languages: language -> items.
    """

    findings: list[Finding] = field(default_factory=list)
    files: list[FileCount] = field(default_factory=list)
    days: dict[date, int] = field(default_factory=dict)
    event_types: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    sample: pl.DataFrame = field(default_factory=RAW_EVENTS.empty)
    items_found: float | None = None
    text_share: float | None = None
    languages: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of using the source."""
        return all(f.level != "error" for f in self.findings)


def check_source(path: Path) -> SourceCheck:
    """Look at a description and at all the files that it names. Whatever is wrong becomes a finding."""
    source, problems, lines = parse_source(path)
    check = SourceCheck([Finding("error", p.text, p.line) for p in problems])
    if source is None:
        return check
    try:
        item_ids = _events(source, lines, check)
        if item_ids is not None:
            _items(source, lines, check, item_ids)
    except (CoterieError, duckdb.Error, pl.exceptions.PolarsError, OSError, ValueError) as error:
        check.findings.append(Finding("error", str(error)))
    check.findings.sort(key=lambda f: (f.line is None, f.line or 0))
    return check


def _events(source: Source, lines: Lines, check: SourceCheck) -> pl.Series | None:
    """Look at the events; returns the ids of their items, or None if there is nothing to go on with."""

    def say(level: Level, text: str, *where: str | int) -> None:
        check.findings.append(Finding(level, text, line_of(lines, where) if where else None))

    index = build_index(source, None)
    if not index.files:
        say("error", f"events.path: {_no_file(source, source.events.path)}", "events", "path")
        return None
    check.days = {d: n for d, n in index.rows().items() if n}
    for entry in index.files:
        rows = sum(d.rows for d in entry.days.values())
        check.files.append(FileCount(entry.path, rows, entry.undated, entry.error))
    look = Look()
    with engine() as con:
        con.execute("CREATE TABLE ids (item_id VARCHAR)").fetchall()
        for entry in index.files:
            look.file(con, source, entry.path)
        item_ids = con.sql("SELECT DISTINCT item_id FROM ids ORDER BY item_id").pl()["item_id"]
    _say_problems(look.problems, say)
    total = sum(look.counts.values())
    check.event_types = dict(sorted(look.types().items(), key=lambda x: (-x[1], x[0])))
    check.refused = look.refused(total)
    check.sample = RAW_EVENTS.conform(with_meaning(look.sample, source)) if look.sample is not None else check.sample
    if not total:
        if not look.problems:
            say("error", "events.path: the files hold no rows; expected at least one", "events", "path")
        return None
    files = "1 file" if len(index.files) == 1 else f"{len(index.files):,} files"
    say("ok", f"{total:,} rows in {files}, on {len(check.days):,} days", "events", "path")
    _say_types(source, check, say)
    _say_days(source, check, say)
    refused = sum(r.rows for r in check.refused)
    bound = source.quality.max_quarantined_share
    if refused:
        text = f"{refused:,} of {total:,} rows ({refused / total:.2%}) would be quarantined; at most {bound:.0%} may be"
        say("error" if refused > bound * total else "warning", text, "quality", "max_quarantined_share")
    if not source.exposures_logged:
        text = "no event type is an exposure: what was shown is unknown, so effects are observational"
        say("warning", text, "events", "event_types")
    return item_ids


def _say_problems(problems: Problems, say: Say) -> None:
    for (where, level), texts in problems.items():
        shown = texts if where[-1] == "path" else texts[:1]
        for text in shown[:_NAMED]:
            more = f" (and {len(texts) - 1:,} more files)" if len(shown) == 1 < len(texts) else ""
            say(level, text + more, *where)
        if len(shown) > _NAMED:
            say(level, f"and {len(shown) - _NAMED:,} more files", *where)


def _say_types(source: Source, check: SourceCheck, say: Say) -> None:
    described = source.events.event_types
    unknown = {t: n for t, n in check.event_types.items() if t not in described}
    unseen = [t for t in described if t not in check.event_types]
    for name, n in list(unknown.items())[:_NAMED]:
        text = f"events.event_types: {n:,} rows have the event type {name!r}, which is not described"
        say("warning", text + did_you_mean(name, described), "events", "event_types")
    if len(unknown) > _NAMED:
        say(
            "warning",
            f"events.event_types: and {len(unknown) - _NAMED:,} more undescribed types",
            "events",
            "event_types",
        )
    for name in unseen:
        text = f"events.event_types.{name}: no row has this event type{did_you_mean(name, unknown)}"
        say("warning", text, "events", "event_types", name)


def _say_days(source: Source, check: SourceCheck, say: Say) -> None:
    first, last = source.first_day or min(check.days), source.last_day or max(check.days)
    before = sum(n for d, n in check.days.items() if d < first)
    after = sum(n for d, n in check.days.items() if d > last)
    for n, where, day in ((before, "first_day", f"before {first}"), (after, "last_day", f"after {last}")):
        if n:
            say("ok", f"{where}: {n:,} rows lie {day} and will not be read", where)
    span = [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]
    least = max(source.quality.min_events, 1)
    few = [d for d in span if check.days.get(d, 0) < least]
    inside = [n for d, n in check.days.items() if first <= d <= last]
    if not inside:
        say(
            "error",
            f"no row lies from {first} to {last}; the files hold {min(check.days)} to {max(check.days)}",
            "first_day",
        )
    else:
        say("ok", f"days {first} to {last}: {sum(inside):,} rows, {min(inside):,} to {max(inside):,} a day", "timezone")
    if few and inside:
        say(
            "warning",
            f"{len(few):,} days have fewer than {least:,} rows and would fail: {_named(few)}",
            "quality",
            "min_events",
        )
    _say_thin_days(source, check, say, [d for d in span if d not in set(few)])


def _say_thin_days(source: Source, check: SourceCheck, say: Say, days: Sequence[date]) -> None:
    thin = [d for d in days if is_unusual(source, check.days.get(d, 0), usual_rows(check.days, d))]
    if thin:
        share = f"{source.quality.min_share_of_usual:.0%}"
        text = (
            f"{len(thin):,} days have less than {share} of the rows of the week before and would fail: {_named(thin)}"
        )
        say("warning", text, "quality", "min_share_of_usual")


def _named(days: Sequence[date]) -> str:
    return ", ".join(map(str, days[:_NAMED])) + (f" and {len(days) - _NAMED:,} more" if len(days) > _NAMED else "")


def _items(source: Source, lines: Lines, check: SourceCheck, item_ids: pl.Series) -> None:
    def say(level: Level, text: str, *where: str | int) -> None:
        check.findings.append(Finding(level, text, line_of(lines, where)))

    if source.items is None:
        say("warning", "items: missing, so items have no text and get no labels")
        return
    columns = source.items.columns
    if columns.text is None and columns.hashtags is None:
        say("warning", "items.columns: neither text nor hashtags, so items get no labels", "items", "columns")
    found = find_files(source.root, source.items.path)
    if not found:
        say("error", f"items.path: {_no_file(source, source.items.path)}", "items", "path")
        return
    problems: Problems = defaultdict(list)
    refused: Counter[str] = Counter()
    for file in found:
        with engine() as con:
            look_at_items(con, source, columns, file, problems, refused)
    _say_problems(problems, say)
    if any(level == "error" for _, level in problems):
        return
    for reason, n in sorted(refused.items()):
        say("warning", f"items: {n:,} rows would be quarantined: {reason}", "items", "path")
    # Every k-th id: a sample that is the same each time.
    some = item_ids.gather_every(max(1, -(-len(item_ids) // _ITEMS_LOOKED_UP)))
    read = read_items(source, item_ids=some, created_on=None)
    _say_items(check, some, read.frame, len(read.missing), say)


def _say_items(check: SourceCheck, asked: pl.Series, items: pl.DataFrame, missing: int, say: Say) -> None:
    if not len(asked):
        return
    check.items_found = 1 - missing / len(asked)
    check.text_share = items.filter(pl.col("text").is_not_null())["item_id"].n_unique() / len(asked)
    counted = items.group_by("language").len().sort(["len", "language"], descending=[True, False])
    check.languages = {str(language): int(n) for language, n in counted.rows()}
    level: Level = "ok" if check.items_found >= 0.5 else "warning" if check.items_found else "error"
    hint = "" if check.items_found else "; expected the same ids in both files"
    text = f"{check.items_found:.1%} of the events' items are in the item files, {check.text_share:.1%} have text{hint}"
    say(level, f"items: {text}", "items", "columns", "item_id")
    twice = items.filter(pl.col("item_id").is_duplicated())
    if twice.height:
        n, example = twice["item_id"].n_unique(), twice["item_id"].sort()[0]
        text = f"items: {n:,} items have rows that differ, such as {example!r}; expected one row an item"
        say("error", text, "items", "columns", "item_id")


def _no_file(source: Source, pattern: str) -> str:
    folder = source.root / Path(pattern).parent
    near = sorted(p.name for p in folder.iterdir())[:_NAMED] if folder.is_dir() else []
    there = f"its folder holds {', '.join(near)}" if near else "its folder is empty or does not exist"
    return f"found no file for {pattern!r} ({there}); expected at least one"
