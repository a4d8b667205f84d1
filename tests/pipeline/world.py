"""A small world for the real pipeline, and how two homes are compared.

Belongs here: the source, its days, spoiling and repairing its files, what lies in a home. Does not belong here: how the
pipeline is run (run.py).
"""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from coterie.simulate import Scenario, simulate

FIRST = date(2024, 5, 1)
# What one home keeps that another need not: dbt's parsed project, named after its own digest.
KEPT = ("lake", "stage", "state", "reports")

Spoil = Callable[[pl.DataFrame], pl.DataFrame]


def days(count: int) -> list[date]:
    """The first days of the world."""
    return [FIRST + timedelta(days=n) for n in range(count)]


def make_source(folder: Path, count: int, *, users: int = 300, events_per_day: int = 2000) -> Path:
    """A simulated log with repeats, rows that break a rule, and rows that arrive one and two days late."""
    simulate(
        folder,
        Scenario(
            seed=7, first_day=FIRST, days=count, users=users, events_per_day=events_per_day,
            communities=3, mixing=0.1, dirt=True,
        ),
    )  # fmt: skip
    return folder / "source.yaml"


def log_file(source: Path, day: date) -> Path:
    """The file of what arrived on a day."""
    return source.parent / "events" / f"{day}.parquet"


def spoil(source: Path, day: date, how: Spoil) -> bytes:
    """Rewrite a day's file; returns what it held before, to repair it with."""
    path = log_file(source, day)
    before = path.read_bytes()
    how(pl.read_parquet(path)).write_parquet(path)
    return before


def shuffle(source: Path) -> None:
    """Put the rows of every file of the log, and of the items, into another order."""
    for n, path in enumerate([*sorted((source.parent / "events").glob("*.parquet")), source.parent / "items.parquet"]):
        pl.read_parquet(path).sample(fraction=1, shuffle=True, seed=n + 1).write_parquet(path)


def bytes_of(home: Path, folder: str = "lake") -> dict[str, str]:
    """Relative path -> SHA-256 of every file below a folder of the home."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((home / folder).rglob("*"))
        if path.is_file()
    }


def published(home: Path) -> dict[str, str]:
    """Relative path -> SHA-256 of what readers see: the tables and the reports."""
    return bytes_of(home, "lake") | bytes_of(home, "reports")


def up_to(found: dict[str, str], last: date) -> dict[str, str]:
    """The files of the days up to one; the day stands in each path."""
    return {path: digest for path, digest in found.items() if day_of(path) <= last}


def day_of(path: str) -> date:
    """The day in a path of the lake or of the reports."""
    return date.fromisoformat(path.rsplit("day=", 1)[-1][:10] if "day=" in path else Path(path).stem)


def files_in(home: Path) -> set[str]:
    """Every file and folder that the pipeline keeps, by relative path."""
    return {str(path.relative_to(home)) for folder in KEPT for path in (home / folder).rglob("*")}


def keeps_up_to(home: Path, last: date) -> set[str]:
    """`files_in`, without what is of later days."""
    return {path for path in files_in(home) if path.startswith("state") or not _is_after(path, last)}


def _is_after(path: str, last: date) -> bool:
    return ("day=" in path or path.endswith(".html")) and day_of(path) > last


def copy_days(home: Path, to: Path, last: date) -> Path:
    """A home that has run the days up to one: its tables, its reports, and dbt's parsed project."""
    for path in home.rglob("*"):
        kept = path.relative_to(home)
        if path.is_file() and (
            kept.parts[0] == "dbt" or (kept.parts[0] in {"lake", "reports"} and day_of(str(kept)) <= last)
        ):
            (to / kept).parent.mkdir(parents=True, exist_ok=True)
            (to / kept).write_bytes(path.read_bytes())
    return to
