"""What a day costs: early and late in a long history, and at many events.

Belongs here: the whole daily job in processes of its own, its time by step, its memory. Does not belong here: quality.
`python -m benchmarks.cost DAYS` is the child: the daily job for so many days of the source in the environment.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks.section import Options, Section, Setting
from benchmarks.show import table

FIRST = date(2024, 5, 1)
FLAT, LARGE = "long history", "large day"
WHOLE, MEMORY = "whole day", "peak memory, GB"
SCHEMA = {"method": pl.String, "measure": pl.String, "day": pl.Int64, "value": pl.Float64}


def settings(options: Options) -> Sequence[Setting]:
    """A long history of small days, and a large day: the third, so that yesterday's state is there."""
    return [
        Setting({"part": FLAT, "days": options.days, "users": 800, "events": 4_000}),
        Setting({"part": LARGE, "days": 3, "users": options.users, "events": options.events}),
    ]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """method, measure (a step, the whole day, or peak memory), day (from 1), value (seconds, GB)."""
    days = int(setting["days"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _simulate(folder, days=days, users=int(setting["users"]), events=int(setting["events"]), seed=seed)
        found = _child(folder, days)
    rows: list[tuple[str, str, int, float]] = []
    for day, line in enumerate(found, start=1):
        _, wall, memory, *steps = line.split("\t")
        rows += [("Coterie", WHOLE, day, float(wall)), ("Coterie", MEMORY, day, int(memory) / 1e6)]
        if day == days:
            rows += [("Coterie", step, day, float(seconds)) for step, seconds in (s.split("=") for s in steps)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Two tables."""
    told = []
    for key, part in rows.filter(pl.col("part") == LARGE).group_by("users", "events", maintain_order=True):
        told.append(_large(part, *(int(k) for k in key)))
    for key, part in rows.filter(pl.col("part") == FLAT).group_by("days", maintain_order=True):
        told.append(_flat(part, int(key[0])))
    return "\n".join(told)


def _large(rows: pl.DataFrame, users: int, events: int) -> str:
    last = rows.filter(pl.col("day") == rows["day"].max())
    seconds = {name: value for name, value in last.select("measure", "value").iter_rows() if name != MEMORY}
    memory = float(last.filter(pl.col("measure") == MEMORY)["value"].to_numpy().max())
    names = [*(name for name in seconds if name != WHOLE), WHOLE]
    lines = [[name, f"{seconds[name]:.1f}", f"{events / max(seconds[name], 1e-3):,.0f}"] for name in names]
    slowest = sorted((name for name in seconds if name != WHOLE), key=lambda name: -seconds[name])[:2]
    return (
        f"### A day of {events:,} events\n\n{users:,} users, showings logged, third day. Peak memory of the process: "
        f"{memory:.1f} GB.\n\n{table(['step', 'seconds', 'events a second'], lines)}"
        f"\nThe slowest steps are `{slowest[0]}` and `{slowest[1]}`. The size of the graph is bounded: "
        "`COTERIE_GRAPH_USERS`\n(50,000 by default) users are in it, everyone else is assigned by the same membership "
        "model.\n"
    )


def _flat(rows: pl.DataFrame, days: int) -> str:
    wall = dict(rows.filter(pl.col("measure") == WHOLE).select("day", "value").iter_rows())
    size = min(5, days // 2)
    begin = 4 if days >= 4 + 2 * size else 1
    early = statistics.median(wall[d] for d in range(begin, begin + size))
    late = statistics.median(wall[d] for d in range(days - size + 1, days + 1))
    lines = [
        [f"{begin} to {begin + size - 1}", f"{early:.1f}"],
        [f"{days - size + 1} to {days}", f"{late:.1f}"],
        ["ratio", f"{late / early:.2f}"],
    ]
    return (
        f"### The cost of a day in a history of {days} days\n\n4,000 events a day, 800 users; wall time of the whole "
        f"daily job, median of {size} days.\n\n{table(['days', 'seconds'], lines)}"
        "\nThe first days have no suggestions yet; the last ones have suggestions, plans and scores to make.\n"
    )


def _simulate(folder: Path, *, days: int, users: int, events: int, seed: int) -> None:
    from coterie.simulate import Scenario, simulate

    simulate(
        folder / "source",
        Scenario(seed=seed, first_day=FIRST, days=days, users=users, events_per_day=events, communities=8),
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
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.cost", str(days)]
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if line.startswith("day\t")]


def run_days(days: int) -> None:
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


SECTION = Section("cost", "What a day costs", settings, measure, render, seeds=1, alone=True)

if __name__ == "__main__":
    run_days(int(sys.argv[1]))
