"""Runs days of the real pipeline: in this process, in a forked one, or as a script.

As a script: `python -m tests.pipeline.run HOME SOURCE DUCKDB_THREADS DAY...`. Belongs here: running, and dying on the
way. Does not belong here: what a run should have left.
"""

import functools
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from resources.settings import Settings
from workflows.build import build_definitions

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: the steps that succeeded, and the message of each that failed."""

    success: bool
    done: tuple[str, ...]
    failed: dict[str, str]
    checks: dict[tuple[str, str], dg.AssetCheckEvaluation] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """Where a process kills itself: at the nth change of a file below the home whose path contains `path`."""

    nth: int
    path: str = ""
    operation: str = ""


@functools.cache
def definitions(home: Path, source: Path) -> dg.Definitions:
    """The project for a home and a source, put together once a process."""
    return build_definitions(Settings(home=home, source=source))


def run_day(home: Path, source: Path, day: date, assets: Sequence[str] = ()) -> Outcome:
    """The daily job for one day, or some of its assets."""
    job = definitions(home, source).resolve_job_def("daily")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key=day.isoformat(),
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
        )
    failed = {
        str(event.step_key): event.step_failure_data.error.to_string() if event.step_failure_data.error else ""
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE"
    }
    done = tuple(str(event.step_key) for event in result.all_events if event.event_type_value == "STEP_SUCCESS")
    checks = {(c.asset_key.to_user_string(), c.check_name): c for c in result.get_asset_check_evaluations()}
    return Outcome(result.success, done, failed, checks)


def run_days(home: Path, source: Path, days: Sequence[date], assets: Sequence[str] = ()) -> None:
    """Days in turn; for a process of its own, which ends with an error if a day fails."""
    for day in days:
        outcome = run_day(home, source, day, assets)
        if not outcome.success:
            raise RuntimeError(f"{day}: {outcome.failed}")


def run_until(home: Path, source: Path, day: date, stop: Stop | None, count: Path | None = None) -> None:
    """One day, killed on the way by SIGKILL; without a stop, the number of changes is written to `count`."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in CHANGES or (event == "open" and not _writes(arguments)):
            return
        touched = " ".join(os.fsdecode(a) for a in arguments if isinstance(a, str | bytes | os.PathLike))
        if str(home) in touched and (stop is None or (stop.path in touched and stop.operation in event)):
            seen += 1
            if stop is not None and seen == stop.nth:
                os.kill(os.getpid(), signal.SIGKILL)

    definitions(home, source)
    sys.addaudithook(hook)
    run_days(home, source, [day])
    if count is not None:
        count.write_text(str(seen))


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _with_threads(threads: int) -> None:
    """DuckDB takes its number of threads from no environment variable."""
    connect = duckdb.connect

    def limited(*args: Any, **kwargs: Any) -> duckdb.DuckDBPyConnection:
        connection = connect(*args, **kwargs)
        connection.execute(f"set threads to {threads}")
        return connection

    duckdb.connect = limited


if __name__ == "__main__":
    if int(sys.argv[3]):
        _with_threads(int(sys.argv[3]))
    run_days(Path(sys.argv[1]), Path(sys.argv[2]), [date.fromisoformat(day) for day in sys.argv[4:]])
