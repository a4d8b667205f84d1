"""Backfills fourteen days with Dagster's daemon, four runs at once, while another process queries the views file.

`python -m benchmarks.parallel`. The tables must be those of a sequential run, byte for byte, and nobody may see a lock
error. Belongs here: the comparison. Does not belong here: how Dagster is driven (tests/acceptance/driver.py).
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.acceptance.driver import DagsterDev
from tests.pipeline import processes, query, run, world

DAYS = 14
PATIENCE = 3600  # seconds
RUNS = "{ runsOrError(limit: 500) { ... on Runs { results { runId status startTime endTime } } } }"
FAILURES = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
  ... on RunFailureEvent { message } } } } }"""


def backfill(source: Path, folder: Path, days: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """A real backfill of every asset; the runs, and what failed in them."""
    folder.mkdir()
    env = {"COTERIE_HOME": str(folder / "home"), "COTERIE_SOURCE": str(source)}
    with DagsterDev(folder, env) as dagster:
        dagster.finished_backfill(dagster.launch_backfill(sorted(dagster.assets()), days), timeout=PATIENCE)
        runs: list[dict[str, Any]] = dagster.ask(RUNS)["runsOrError"]["results"]
        failed = [
            json.dumps(event)[:1000]
            for r in runs
            if r["status"] != "SUCCESS"
            for event in dagster.ask(FAILURES, {"id": r["runId"]})["logsForRun"]["events"]
            if event
        ]
    return runs, failed


def most_at_once(runs: list[dict[str, Any]]) -> int:
    """How many runs overlapped at most."""
    turns = [(r["startTime"], 1) for r in runs if r["endTime"]] + [(r["endTime"], -1) for r in runs if r["endTime"]]
    now = most = 0
    for _, turn in sorted(turns):
        now += turn
        most = max(most, now)
    return most


def main() -> int:
    """Run the days in turn, then at once; 1 if anything differs or failed."""
    days = world.days(DAYS)
    with tempfile.TemporaryDirectory(prefix="coterie-parallel-") as name:
        folder = Path(name)
        source = world.make_source(folder / "log", DAYS)
        started = time.monotonic()
        if processes.finish(processes.start(run.run_days, folder / "sequential", source, days), PATIENCE):
            raise SystemExit("the sequential run failed")
        print(f"{DAYS} days in turn, in one process: {time.monotonic() - started:.0f} s", flush=True)
        home, enough, answers = folder / "parallel" / "home", folder / "enough", folder / "answers.json"
        reader = processes.start(query.query_until, home, enough, answers)
        started = time.monotonic()
        runs, failed = backfill(source, folder / "parallel", [day.isoformat() for day in days])
        took = time.monotonic() - started
        enough.touch()
        processes.finish(reader)
        said = json.loads(answers.read_text())
        wanted, found = world.published(folder / "sequential"), world.published(home)
        strays = sorted(world.files_in(folder / "sequential") ^ world.files_in(home))
    other = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    print(f"backfill: {len(runs)} runs, at most {most_at_once(runs)} at once, {took:.0f} s with Dagster's start")
    print(f"reader: {said['answers']} rounds of queries, {len(said['errors'])} errors {said['errors'][:3]}")
    print(f"failures in runs: {failed or 'none'}")
    print(f"files: {len(wanted)}; other than in turn: {other or 'none'}; strays: {strays or 'none'}")
    return 1 if failed or other or strays or said["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
