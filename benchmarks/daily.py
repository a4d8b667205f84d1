"""The daily job in a process of its own, and what became of its steps, however the process ended.

Belongs here: the child (`python -m benchmarks.daily DAYS`), and reading its event log from outside. Does not belong
here: bounds (watch), tables (cost).
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.shards import FIRST
from benchmarks.watch import MEMORY_ERRORS, OUT_OF_MEMORY, Bounds, Watched, environment, told, watch


@dataclass(frozen=True)
class Step:
    """A step of the job: when it began, by the clock of the wall, and its seconds; None if it did not finish."""

    name: str
    began: float
    seconds: float | None
    peak: float | None  # GB, resident, while it ran


@dataclass(frozen=True)
class Daily:
    """The daily job over some days.

    Attributes:
        days: wall seconds of each day that finished.
        steps: of the last day that began, in order.
        peak: largest resident memory of the process, GB.
        stopped: why it did not finish, such as "stopped in `user_graph` at 20 GB"; None if it did.
    """

    days: Sequence[float]
    steps: Sequence[Step]
    peak: float
    stopped: str | None


def run_daily(folder: Path, source: Path, days: int, bounds: Bounds) -> Daily:
    """Run the daily job for so many days of a source, the lake in `folder/home`.

    Raises:
        RuntimeError: it failed for another reason than time or memory.
    """
    (folder / "dagster").mkdir(parents=True, exist_ok=True)
    found = watch("benchmarks.daily", [str(days)], bounds, environment(folder / "home", source, folder / "dagster"))
    return read_run(folder / "dagster", found)


def read_run(dagster_home: Path, found: Watched) -> Daily:
    """What became of a process that ran jobs on an instance of Dagster.

    Raises:
        RuntimeError: it failed for another reason than time or memory.
    """
    steps, failure = read_steps(dagster_home, found)
    stopped = found.stopped
    if stopped is None and found.code:
        if not any(name in failure + found.errors for name in MEMORY_ERRORS):
            raise RuntimeError(f"the daily job failed: {failure or found.errors[-2000:]}")
        stopped = OUT_OF_MEMORY
    finished = [float(line.split("\t")[1]) for line in found.output.splitlines() if line.startswith("day\t")]
    running = next((step.name for step in steps if step.seconds is None), None)
    return Daily(finished, steps, found.peak, stopped and told(stopped, running))


def read_steps(dagster_home: Path, watched: Watched) -> tuple[list[Step], str]:
    """The steps of the latest run of an instance of Dagster, and the text of the first failure, if any."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        runs = instance.get_run_records(limit=1)  # the latest first
        events = [
            (record.timestamp, record.dagster_event)
            for record in (instance.all_logs(runs[0].dagster_run.run_id) if runs else [])
            if record.dagster_event is not None and record.dagster_event.step_key
        ]
    began = {str(e.step_key): at for at, e in events if e.event_type_value == "STEP_START"}
    ended = {str(e.step_key): at for at, e in events if e.event_type_value == "STEP_SUCCESS"}
    failures = [
        e.step_failure_data.error.to_string()
        for _, e in events
        if e.event_type_value == "STEP_FAILURE" and e.step_failure_data.error is not None
    ]
    steps = [
        Step(
            name,
            at,
            ended[name] - at if name in ended else None,
            watched.peak_between(at, ended.get(name, float("inf"))),
        )
        for name, at in began.items()
    ]
    return steps, failures[0] if failures else ""


def run_days(days: int) -> None:
    """What the child does; it prints `day` and the day's wall seconds, separated by a tab, after each day."""
    import dagster as dg

    from resources.settings import load_settings
    from workflows.build import build_definitions
    from workflows.demo import QUIET

    job = build_definitions(load_settings()).resolve_job_def("daily")
    with dg.DagsterInstance.get() as instance:
        for n in range(days):
            started = time.perf_counter()
            job.execute_in_process(
                partition_key=(FIRST + timedelta(days=n)).isoformat(), instance=instance, run_config=QUIET
            )
            print(f"day\t{time.perf_counter() - started:.3f}", flush=True)


if __name__ == "__main__":
    run_days(int(sys.argv[1]))
