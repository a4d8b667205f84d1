"""What `coterie check-source` says: what is wrong with a source, line by line, and what would be read from it.

Belongs here: looking at a whole log once, for a person. Does not belong here: the rules, which reading applies too.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from coterie.errors import CoterieError
from coterie.sources.description import EventType, Lines, Source, did_you_mean, line_of, parse_source
from coterie.sources.events import NO_TIME
from coterie.sources.fields import EPOCHS
from coterie.sources.files import engine, find_files
from coterie.sources.index import SourceIndex, build_index, is_unusual, usual_rows
from coterie.sources.items import read_items
from coterie.sources.look import Look, Problems, Reasons, Refused, look_at_items
from coterie.sources.reading import with_meaning
from coterie.strategies.support import lacking
from coterie.tables import RAW_EVENTS

Level = Literal["error", "warning", "ok"]
Say = Callable[..., None]

GAP = timedelta(days=30)  # a log that is silent for longer, with next to nothing before, did not begin before
_STRAY_SHARE = 0.01  # of the rows: as many as a wrong clock may date before the log began
_ITEMS_LOOKED_UP = 50_000
_IDS_COMPARED = 10_000_000
_NAMED = 5  # days, types or files that a finding lists before it counts
_REASONS = 10
_LANGUAGES = 6
_SAMPLE_LENGTH = 300


@dataclass(frozen=True)
class Finding:
    """One thing to know about a source.

    `line` is the line of the description that it is about; `details` say more, one thing each.
    """

    level: Level
    text: str
    line: int | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileCount:
    """An event file: its rows, those without a readable time, and what is wrong with it, if anything."""

    path: str
    rows: int
    undated: int
    error: str | None


@dataclass(frozen=True)
class TypeCount:
    """An event type as the files name it: its rows, and what it means, in words."""

    name: str
    rows: int
    meaning: str


@dataclass
class SourceCheck:
    """What a look at the whole source found.

    Attributes:
        findings: in the order of the description's lines, those about no line last.
        files: the event files.
        days: local day -> rows.
        event_types: those that the files hold, most frequent first.
        refused: by reason, most frequent first.
        sample: up to five rows as they would be read, in the raw_events contract.
        items_found: share of the items in the events that the item files have; None without item files.
        text_share: share of those items that have text.
    """

    findings: list[Finding] = field(default_factory=list)
    files: list[FileCount] = field(default_factory=list)
    days: dict[date, int] = field(default_factory=dict)
    event_types: list[TypeCount] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    sample: pl.DataFrame = field(default_factory=RAW_EVENTS.empty)
    items_found: float | None = None
    text_share: float | None = None

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
    except (CoterieError, duckdb.Error, OSError) as error:
        check.findings.append(Finding("error", str(error)))
    check.findings.sort(key=lambda f: (f.line is None, f.line or 0))
    return check


def _sayer(check: SourceCheck, lines: Lines) -> Say:
    def say(level: Level, text: str, *where: str | int, details: Sequence[str] = ()) -> None:
        # The line of a key that is not there would be that of something else.
        line = line_of(lines, where) if where and where[:1] in lines else None
        check.findings.append(Finding(level, text, line, tuple(details)))

    return say


def _events(source: Source, lines: Lines, check: SourceCheck) -> pl.Series | None:
    """Look at the events; returns the ids of their items, or None if there is nothing to go on with."""
    say = _sayer(check, lines)
    index = build_index(source, None)
    if not index.files:
        say("error", f"events.path: {_no_file(source, source.events.path)}", "events", "path")
        return None
    check.days = {d: n for d, n in index.rows().items() if n}
    for entry in index.files:
        rows = sum(d.rows for d in entry.days.values())
        check.files.append(FileCount(entry.path, rows, entry.undated, entry.error))
    with engine() as con:
        look = Look(con, source, one_id_in=1 + sum(check.days.values()) // _IDS_COMPARED)
        for entry in index.files:
            look.file(entry.path)
        _say_conflicts(look, say)
        item_ids = con.sql("SELECT DISTINCT item_id FROM items ORDER BY item_id").pl()["item_id"]
    _say_problems(look.problems, say)
    check.event_types = _types(source, look)
    check.refused = look.reasons.listed()
    check.sample = RAW_EVENTS.conform(with_meaning(look.sample, source))
    if not look.rows:
        if not look.problems:
            say("error", "events.path: the files hold no rows; expected at least one", "events", "path")
        return None
    text = f"{_count(look.rows, 'row')} in {_count(len(index.files), 'file')}, on {_count(len(check.days), 'day')}"
    say("ok", text, "events", "path")
    _say_types(source, check, say)
    _say_times(source, look, index, say)
    if check.days:
        _say_days(source, check, say)
    _say_refused(source, check, look.rows, say)
    if not source.exposures_logged:
        text = "no event type is an exposure: what was shown is unknown, so effects are observational"
        say("warning", text, "events", "event_types")
    needs = lacking(
        exposures=source.exposures_logged, comparable=source.exposures_comparable, creators=source.creators_known
    )
    if needs:
        text = f"suggestions of all kinds but {' and '.join(needs)}"
        say("ok", text, details=[f"{kind} would need {need}" for kind, need in needs.items()])
    return item_ids


def _say_problems(problems: Problems, say: Say) -> None:
    for (where, level), texts in problems.items():
        shown = texts if where[-1] == "path" else texts[:1]
        for text in shown[:_NAMED]:
            more = f" (and {len(texts) - 1:,} more files)" if len(shown) == 1 < len(texts) else ""
            say(level, text + more, *where)
        if len(shown) > _NAMED:
            say(level, f"and {len(shown) - _NAMED:,} more files", *where)


def _types(source: Source, look: Look) -> list[TypeCount]:
    described = source.events.event_types
    found = sorted(look.types.items(), key=lambda x: (-x[1], x[0]))
    return [TypeCount(name, n, _meaning(described.get(name))) for name, n in found]


def _meaning(event_type: EventType | None) -> str:
    if event_type is None:
        return "not described: its rows would be quarantined"
    if event_type.kind == "undo":
        return f"undo of {event_type.of}"
    return f"{event_type.kind}, weight {event_type.weight:g}" if event_type.weight is not None else event_type.kind


def _say_types(source: Source, check: SourceCheck, say: Say) -> None:
    described = source.events.event_types
    unknown = {t.name: t.rows for t in check.event_types if t.name not in described}
    seen = {t.name for t in check.event_types}
    for name, n in list(unknown.items())[:_NAMED]:
        text = f"events.event_types: {_count(n, 'row')} with the event type {name!r}, which is not described"
        say("warning", text + did_you_mean(name, described), "events", "event_types")
    if len(unknown) > _NAMED:
        text = f"events.event_types: and {len(unknown) - _NAMED:,} more undescribed types"
        say("warning", text, "events", "event_types")
    for name in (t for t in described if t not in seen):
        text = f"events.event_types.{name}: no row has this event type{did_you_mean(name, unknown)}"
        say("warning", text, "events", "event_types", name)


def _say_times(source: Source, look: Look, index: SourceIndex, say: Say) -> None:
    """Say what of the times cannot be read, and how those are read that do not say of what zone they are."""
    where = ("events", "columns", "occurred_at")
    unread = look.reasons.rows[NO_TIME]
    if unread > source.quality.max_quarantined_share * look.rows:
        found = ", ".join(repr(text) for text in look.unread_times)
        text = (
            f"{unread:,} of {look.rows:,} rows have a time that cannot be read: column "
            f"{source.events.columns.occurred_at!r} holds values such as {found}; expected a timestamp, ISO text such "
            f"as 2024-03-05T12:00:00Z, or {EPOCHS}, from March 1973 to 2199"
        )
        say("error", text, *where)
    else:
        # Nothing else says what is wrong with a file whose rows belong to no day.
        told = {text for texts in look.problems.values() for text in texts}
        untold = [entry.error for entry in index.files if entry.error and entry.error not in told]
        _say_problems(defaultdict(list, {(("events", "path"), "error"): untold}), say)
    n, first = look.offsetless
    if first is not None:
        local = first.replace(tzinfo=UTC).astimezone(ZoneInfo(source.timezone))
        text = f"{_count(n, 'time')} without zone or offset, read as UTC: the first is {_minute(first)} UTC"
        if local.replace(tzinfo=None) != first:
            text += f", which is {_minute(local)} in {source.timezone}"
        say("ok", f"{text}; local times need their offset in the file", *where)


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _say_conflicts(look: Look, say: Say) -> None:
    found = look.conflicts()
    if found is None:
        return
    text = (
        f"events.columns.event_id: {_count(found.ids, 'id')} in rows of a day that differ; such a day is refused: "
        f"{_named(found.days)}"
    )
    say("error", text, "events", "columns", "event_id", details=[found.example])


def _say_refused(source: Source, check: SourceCheck, total: int, say: Say) -> None:
    refused = sum(r.rows for r in check.refused)
    if not refused:
        return
    bound = source.quality.max_quarantined_share
    text = f"{refused:,} of {total:,} rows ({refused / total:.2%}) would be quarantined; at most {bound:.0%} may be "
    text += "(quality.max_quarantined_share)"
    level = "error" if refused > bound * total else "warning"
    say(level, text, "quality", "max_quarantined_share", details=_reasons(check.refused))


def _reasons(refused: Sequence[Refused]) -> list[str]:
    told = [f"{_count(r.rows, 'row')}: {r.reason}, as in {_cut(r.sample)}" for r in refused[:_REASONS]]
    return [*told, f"and {len(refused) - _REASONS:,} more reasons"] if len(refused) > _REASONS else told


def _say_days(source: Source, check: SourceCheck, say: Say) -> None:
    first, last = source.first_day, source.last_day
    if first is None:
        first = _without_strays_before(check.days, last or max(check.days), say)
    if last is None:
        last = _without_strays_after(check.days, say)
    before = sum(n for d, n in check.days.items() if d < first)
    after = sum(n for d, n in check.days.items() if d > last)
    for n, where, day in ((before, "first_day", f"before {first}"), (after, "last_day", f"after {last}")):
        if n and getattr(source, where) is not None:
            say("ok", f"{where}: {_count(n, 'row')} {day} will not be read", where)
    span = [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]
    least = max(source.quality.min_events, 1)
    few = [d for d in span if check.days.get(d, 0) < least]
    inside = [n for d, n in check.days.items() if first <= d <= last]
    if not inside:
        text = f"no row lies from {first} to {last}; the files hold {min(check.days)} to {max(check.days)}"
        say("error", text, "first_day")
    else:
        say(
            "ok",
            f"days {first} to {last}: {_count(sum(inside), 'row')}, {min(inside):,} to {max(inside):,} a day",
            "timezone",
        )
    if few and inside:
        what = "without a row" if least == 1 else f"with fewer than {least:,} rows"
        text = f"{_count(len(few), 'day')} {what} would fail: {_named(few)}"
        say("warning", text, "quality", "min_events")
    _say_thin_days(source, check, say, [d for d in span if d not in set(few)])


def _without_strays_before(days: Mapping[date, int], last: date, say: Say) -> date:
    """The first day of the log, but for a few rows of a wrong clock, which would make days by the thousand."""
    strays = _strays(sorted(days.items()))
    if strays is None:
        return min(days)
    rows, before, day = strays
    text = (
        f"first_day: missing, and {rows:,} of {sum(days.values()):,} rows lie before a gap of {(day - before).days:,} "
        f"days ({before} to {day}), as if by a wrong clock: the partitions would be the {(last - min(days)).days + 1:,} "
        f"days from {min(days)} on; expected first_day: {day}, or first_day: {min(days)} if those rows are meant"
    )
    say("error", text, "first_day")
    return day


def _without_strays_after(days: Mapping[date, int], say: Say) -> date:
    """The same for the last day: partitions end with yesterday, so those rows do no harm, but are not read either."""
    strays = _strays(sorted(days.items(), reverse=True))
    if strays is None:
        return max(days)
    rows, after, day = strays
    text = (
        f"{rows:,} of {sum(days.values()):,} rows lie after a gap of {(after - day).days:,} days ({day} to {after}), as "
        f"if by a wrong clock: they are read when those days are over, or never with last_day: {day}"
    )
    say("warning", text, "last_day")
    return day


def _strays(days: Sequence[tuple[date, int]]) -> tuple[int, date, date] | None:
    """The rows at one end of a log that a gap divides from all but a few of the others, and the days beside the gap."""
    most = _STRAY_SHARE * sum(n for _, n in days)
    rows, found = 0, None
    for (day, n), (following, _) in pairwise(days):
        rows += n
        if rows >= most:
            break
        if abs(following - day) > GAP:
            found = (rows, day, following)
    return found


def _say_thin_days(source: Source, check: SourceCheck, say: Say, days: Sequence[date]) -> None:
    thin = [d for d in days if is_unusual(source, check.days.get(d, 0), usual_rows(check.days, d))]
    if thin:
        share = f"{source.quality.min_share_of_usual:.0%}"
        text = f"{_count(len(thin), 'day')} with less than {share} of the rows of the week before would fail: {_named(thin)}"
        say("warning", text, "quality", "min_share_of_usual")


def _items(source: Source, lines: Lines, check: SourceCheck, item_ids: pl.Series) -> None:
    say = _sayer(check, lines)
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
    reasons = Reasons()
    for file in found:
        with engine() as con:
            look_at_items(con, source, columns, file, problems, reasons)
    _say_problems(problems, say)
    if any(level == "error" for _, level in problems):
        return
    if refused := reasons.listed():
        text = f"items: {_count(sum(r.rows for r in refused), 'row')} would be quarantined"
        say("warning", text, "items", "path", details=_reasons(refused))
    # Every k-th id: a sample that is the same each time.
    some = item_ids.gather_every(max(1, -(-len(item_ids) // _ITEMS_LOOKED_UP)))
    read = read_items(source, item_ids=some, created_on=None)
    _say_items(check, some, read.frame, len(read.missing), say)


def _say_items(check: SourceCheck, asked: pl.Series, items: pl.DataFrame, missing: int, say: Say) -> None:
    if not len(asked):
        return
    check.items_found = 1 - missing / len(asked)
    check.text_share = items.filter(pl.col("text").is_not_null())["item_id"].n_unique() / len(asked)
    level: Level = "ok" if check.items_found >= 0.5 else "warning" if check.items_found else "error"
    hint = "" if check.items_found else "; expected the same ids in both files"
    text = f"{check.items_found:.1%} of the events' items are in the item files, {check.text_share:.1%} have text{hint}"
    say(level, f"items: {text}", "items", "columns", "item_id", details=[_languages(items)])
    twice = items.filter(pl.col("item_id").is_duplicated())
    if twice.height:
        n, example = twice["item_id"].n_unique(), twice["item_id"].sort()[0]
        text = f"items: {_count(n, 'item')} with rows that differ, such as {example!r}; expected one row an item"
        say("error", text, "items", "columns", "item_id")


def _languages(items: pl.DataFrame) -> str:
    counted = items.group_by("language").len().sort(["len", "language"], descending=[True, False]).rows()
    shares = [f"{name} {n / items.height:.1%}" for name, n in counted[:_LANGUAGES]]
    more = [f"{len(counted) - _LANGUAGES:,} others"] if len(counted) > _LANGUAGES else []
    return f"languages (und: unknown): {', '.join(shares + more)}"


def _no_file(source: Source, pattern: str) -> str:
    folder = source.root / Path(pattern).parent
    near = sorted(p.name for p in folder.iterdir())[:_NAMED] if folder.is_dir() else []
    there = f"its folder holds {', '.join(near)}" if near else "its folder is empty or does not exist"
    return f"found no file for {pattern!r} ({there}); expected at least one"


def _named(days: Sequence[date]) -> str:
    return ", ".join(map(str, days[:_NAMED])) + (f" and {len(days) - _NAMED:,} more" if len(days) > _NAMED else "")


def _count(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n:,} {what}s"


def _cut(text: str) -> str:
    return text if len(text) <= _SAMPLE_LENGTH else text[:_SAMPLE_LENGTH] + "…"
