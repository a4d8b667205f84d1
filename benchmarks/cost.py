"""What a day costs: at several sizes, beside its floors and the usual way, and early and late in a long history.

Belongs here: what is measured, and its tables (the rows are read by costtables). Does not belong here: the processes
that do the work (daily, floors, oldway), their bounds (watch), quality.
"""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.costtables import (
    COTERIE,
    FLAT,
    FLOOR,
    GB,
    OLD_WAY,
    SECONDS,
    SIZE,
    WHOLE,
    flat,
    floors_and_memory,
    old_way,
    sizes,
)
from benchmarks.daily import run_daily
from benchmarks.floors import run_floors
from benchmarks.oldway import run_old_way
from benchmarks.section import Options, Section, Setting
from benchmarks.shards import FIRST
from benchmarks.watch import Bounds, watch

DAILY = Bounds(gigabytes=20, seconds=90 * 60)
OLD = Bounds(gigabytes=20, seconds=5 * 60)
SIMULATION = Bounds(gigabytes=20, seconds=120 * 60)
LARGEST_WITH_YESTERDAY = 1_000_000  # events; above it, the first day alone
LARGEST_OLD_WAY = 1_000_000  # events; above it nobody would try
MOST_USERS = 1_000_000
SCHEMA = {
    "method": pl.String, "measure": pl.String, "unit": pl.String, "day": pl.Int64, "value": pl.Float64,
    "note": pl.String,
}  # fmt: skip
Row = tuple[str, str, str, int, float | None, str | None]


def settings(options: Options) -> Sequence[Setting]:
    """Large days, the third where there is time for yesterday's state, and a long history of small days."""
    return [
        *(
            Setting(
                {
                    "part": SIZE, "days": 3 if events <= LARGEST_WITH_YESTERDAY else 1,
                    "users": min(events // 10, MOST_USERS), "events": events,
                }
            )
            for events in options.sizes
        ),
        Setting({"part": FLAT, "days": options.days, "users": 800, "events": 4_000}),
    ]  # fmt: skip


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """Rows of `SCHEMA`: method, measure (a step, or the whole day), unit (s, GB), day (from 1), value, note.

    The value is null for what did not finish, and the note says why: a bound on memory or time was met.
    """
    days, events = int(setting["days"]), int(setting["events"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = [str(folder / "source"), *(str(n) for n in (days, int(setting["users"]), events, seed))]
        made = watch("benchmarks.shards", given, SIMULATION)
        if made.stopped or made.code:
            raise RuntimeError(f"the simulation of {events:,} events failed: {made.stopped or made.errors[-2000:]}")
        source = folder / "source" / "source.yaml"
        rows = list(_daily(folder, source, days))
        if setting["part"] == SIZE:
            rows += _floors(folder, source, days)
            if events <= LARGEST_OLD_WAY:
                rows += _old_way(source, days)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _daily(folder: Path, source: Path, days: int) -> Iterator[Row]:
    found = run_daily(folder, source, days, DAILY)
    for day, seconds in enumerate(found.days, start=1):
        yield COTERIE, WHOLE, SECONDS, day, seconds, None
    last = min(len(found.days) + 1, days) if found.stopped else days
    if found.stopped:
        yield COTERIE, WHOLE, SECONDS, last, None, found.stopped
    yield COTERIE, WHOLE, GB, last, found.peak, None
    for step in found.steps:
        yield COTERIE, step.name, SECONDS, last, step.seconds, found.stopped if step.seconds is None else None
        yield COTERIE, step.name, GB, last, step.peak, None


def _floors(folder: Path, source: Path, days: int) -> Iterator[Row]:
    found = run_floors(folder, source, FIRST + timedelta(days=days - 1), DAILY)
    for step, (seconds, stopped) in found.items():
        yield FLOOR, step, SECONDS, days, seconds, stopped


def _old_way(source: Path, days: int) -> Iterator[Row]:
    found = run_old_way(source, FIRST + timedelta(days=days - 1), OLD)
    for step, seconds in found.steps.items():
        yield OLD_WAY, step, SECONDS, days, seconds, None
    whole = None if found.stopped else sum(found.steps.values())
    yield OLD_WAY, WHOLE, SECONDS, days, whole, found.stopped
    yield OLD_WAY, WHOLE, GB, days, found.peak, None


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Tables: every stage at every size with its floor, memory, the usual way, the long history."""
    large, long = rows.filter(pl.col("part") == SIZE), rows.filter(pl.col("part") == FLAT)
    parts = []
    if large.height:
        parts += [sizes(large, DAILY), floors_and_memory(large), old_way(large, long, OLD)]
    parts += [flat(part, int(days)) for (days,), part in long.group_by("days", maintain_order=True)]
    return "\n".join(part for part in parts if part)


SECTION = Section("cost", "What a day costs", settings, measure, render, seeds=1, alone=True, version=2)
