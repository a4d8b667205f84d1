"""`make bench`: what a day costs, early and late in a long history, and at a million events.

Prints Markdown; docs/benchmarks.md holds what it printed. Times are wall time on whatever else the machine did, so
compare numbers of one run only.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2024, 5, 1)


def main() -> None:
    """Run both benchmarks, each in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60, help="length of the long history")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the large day")
    parser.add_argument("--users", type=int, default=100_000, help="users of the large platform")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _flat(Path(folder) / "long", given.days)
        _large(Path(folder) / "large", given.events, given.users)


def _flat(folder: Path, days: int) -> None:
    """The same volume every day: a late day must cost what an early one does."""
    _simulate(folder, days=days, users=800, events=4_000)
    wall: dict[int, float] = {}
    for day, line in enumerate(_child(folder, days), start=1):
        wall[day] = float(line.split("\t")[1])
    early = statistics.median(wall[d] for d in range(4, 9))
    late = statistics.median(wall[d] for d in range(days - 4, days + 1))
    print(f"\n## The cost of a day in a history of {days} days\n")
    print("4,000 events a day, 800 users; wall time of the whole daily job, median of five days.\n")
    print("| days | seconds |\n| --- | --- |")
    print(
        f"| 4 to 8 | {early:.1f} |\n| {days - 4} to {days} | {late:.1f} |\n| ratio | {late / early:.2f} |", flush=True
    )


def _large(folder: Path, events: int, users: int) -> None:
    """Time by step and peak memory of a day with many events; the third day, so that yesterday's state is there."""
    _simulate(folder, days=3, users=users, events=events)
    lines = list(_child(folder, 3))
    _, wall, memory, *steps = lines[-1].split("\t")
    print(f"\n## A day of {events:,} events\n")
    print(f"{users:,} users, showings logged, third day. Peak memory of the process: {int(memory) / 1e6:.1f} GB.\n")
    print("| step | seconds | events a second |\n| --- | --- | --- |")
    for step in steps:
        name, seconds = step.split("=")
        print(f"| {name} | {float(seconds):.1f} | {events / max(float(seconds), 1e-3):,.0f} |")
    print(f"| whole day | {float(wall):.1f} | {events / float(wall):,.0f} |", flush=True)


def _simulate(folder: Path, *, days: int, users: int, events: int) -> None:
    from coterie.simulate import Scenario, simulate

    simulate(
        folder / "source",
        Scenario(seed=1, first_day=FIRST, days=days, users=users, events_per_day=events, communities=8),
    )


def _child(folder: Path, days: int) -> list[str]:
    """Run the daily job of each day in one fresh process; a line for each day."""
    (folder / "dagster").mkdir(parents=True)
    env = {
        **os.environ,
        "COTERIE_HOME": str(folder / "home"),
        "COTERIE_SOURCE": str(folder / "source" / "source.yaml"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.run_days", str(days)]
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if line.startswith("day\t")]


def measure(days: int) -> None:
    """What the child does: `day`, seconds, peak memory in kilobytes, and step=seconds, separated by tabs."""
    import dagster as dg

    from resources.settings import load_settings
    from workflows.build import build_definitions
    from workflows.demo import QUIET

    job = build_definitions(load_settings()).resolve_job_def("daily")
    with dg.DagsterInstance.get() as instance:
        for n in range(days):
            started = time.perf_counter()
            result = job.execute_in_process(
                partition_key=(FIRST + timedelta(days=n)).isoformat(), instance=instance, run_config=QUIET
            )
            wall = time.perf_counter() - started
            began: dict[str, float] = {}
            steps = []
            for record in instance.all_logs(result.run_id):
                event = record.dagster_event
                if event is not None and event.step_key and event.event_type_value == "STEP_START":
                    began[event.step_key] = record.timestamp
                if event is not None and event.step_key and event.event_type_value == "STEP_SUCCESS":
                    steps.append(f"{event.step_key}={record.timestamp - began[event.step_key]:.3f}")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print("\t".join(["day", f"{wall:.3f}", str(peak), *steps]), flush=True)


if __name__ == "__main__":
    main()
