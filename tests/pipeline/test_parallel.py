"""Days at once, and an analyst who queries meanwhile: nobody waits for a lock, and the bytes are the same.

Fourteen days, through a real Dagster backfill: `python -m benchmarks.parallel`.
"""

import json
from datetime import date
from pathlib import Path

from coterie.tables import TABLES
from resources.lake import Lake
from tests.pipeline import processes, query, run, world

INGEST = ("raw_events", "quarantine")
# As an asset backfill of Dagster orders them: what has no yesterday at once, then day by day, each half of the chain for itself.
HALVES = (
    ("raw_items", "item_labels", "engagement", "interest_daily"),
    (
        "user_interests", "interest_graph", "user_graph", "memberships", "communities", "community_lineage",
        "strategies", "experiment_plans", "strategy_scorecard", "mart_community_day", "mart_interest_trends",
        "mart_strategy_board", "report",
    ),
)  # fmt: skip
AT_ONCE = 4


def test_parallel_days_and_a_reader_give_the_bytes_of_a_sequential_run(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path
) -> None:
    home = world.copy_days(undisturbed, tmp_path / "home", date.min)
    answers, enough = tmp_path / "answers.json", tmp_path / "enough"
    reader = processes.start(query.query_until, home, enough, answers)
    # One day twice: two processes that make the same partition take turns.
    tasks = {("ingest", day, n): INGEST for day in days for n in range(2 if day == days[0] else 1)}
    tasks |= {(half[0], day, 0): half for half in HALVES for day in days}
    waits_for = {key: _before(key, days) for key in tasks}
    most = _run(home, source, tasks, waits_for)
    enough.touch()
    assert processes.finish(reader) == 0
    said = json.loads(answers.read_text())
    assert said["errors"] == []
    assert said["answers"] > 3
    lake = Lake(undisturbed)
    rows = {table: sum(lake.read(table, day).height for day in days) for table in TABLES}
    assert said["rows"] == rows, "the last answer misses rows"
    assert most >= 2, "nothing ran in parallel"
    assert world.published(home) == world.published(undisturbed)
    assert world.files_in(home) == world.files_in(undisturbed)


Key = tuple[str, date, int]


def _before(key: Key, days: list[date]) -> set[Key]:
    """The same half of yesterday, and the half before of the same day."""
    names = ["ingest", *(half[0] for half in HALVES)]
    name, day, _ = key
    place = names.index(name)
    if place == 0:
        return set()
    earlier = {(names[place - 1], day, n) for n in range(2 if place == 1 and day == days[0] else 1)}
    return earlier | ({(name, days[days.index(day) - 1], 0)} if day != days[0] else set())


def _run(home: Path, source: Path, tasks: dict[Key, tuple[str, ...]], waits_for: dict[Key, set[Key]]) -> int:
    """Run tasks in processes of their own as soon as they may; returns how many ran at once at most."""
    done: set[Key] = set()
    running: dict[Key, processes.ForkServerProcess] = {}
    most = 0
    while len(done) < len(tasks):
        ready = [k for k in tasks if k not in done and k not in running and waits_for[k] <= done]
        for key in ready[: AT_ONCE - len(running)]:
            running[key] = processes.start(run.run_days, home, source, [key[1]], tasks[key])
        most = max(most, len(running))
        processes.wait_for_one(running.values())
        for key in [k for k, p in running.items() if p.exitcode is not None]:
            assert processes.finish(running.pop(key)) == 0, key
            done.add(key)
    return most
