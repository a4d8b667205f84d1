"""Days at once, and an analyst who queries meanwhile: nobody waits for a lock, and the bytes are the same.

Fourteen days, through a real Dagster backfill: `python -m benchmarks.parallel`.
"""

import json
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from coterie.tables import TABLES
from resources.lake import Lake
from tests.pipeline import processes, query, run, world

pytestmark = pytest.mark.slow

# As an asset backfill of Dagster orders them: what has no yesterday at once, the rest day by day.
PARTS = {
    "ingest": ("raw_events", "quarantine"),
    "interests": (
        "raw_items", "label_vocabulary", "item_labels", "label_quality", "engagement", "interest_daily",
    ),
    "communities": (
        "propagated_labels", "user_interests", "interest_graph", "user_graph", "memberships", "communities", "community_lineage",
        "strategies", "experiment_plans", "strategy_scorecard", "mart_community_day", "mart_interest_trends",
        "mart_strategy_board", "report",
    ),
}  # fmt: skip
AT_ONCE = 4

Key = tuple[str, date, int]  # part, day, and which of several processes that make the same


def test_parallel_days_and_a_reader_give_the_bytes_of_a_sequential_run(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path
) -> None:
    home = world.copy_days(undisturbed, tmp_path / "home", date.min)
    answers, enough = tmp_path / "answers.json", tmp_path / "enough"
    reader = processes.start(query.query_until, home, enough, answers)
    # One day twice: two processes that make the same partition take turns.
    tasks = [(part, day, n) for part in PARTS for day in days for n in range(_times(part, day, days))]
    most = _run(home, source, {key: _before(key, days) for key in tasks})
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


def _times(part: str, day: date, days: list[date]) -> int:
    return 2 if part == "ingest" and day == days[0] else 1


def _before(key: Key, days: list[date]) -> set[Key]:
    """What a task waits for: the part before it on the same day, and the same part of yesterday."""
    names = list(PARTS)
    part, day, _ = key
    if part == names[0]:
        return set()
    previous = names[names.index(part) - 1]
    return {(previous, day, n) for n in range(_times(previous, day, days))} | {
        (part, yesterday, 0) for yesterday in days if (day - yesterday).days == 1
    }


def _run(home: Path, source: Path, waits_for: dict[Key, set[Key]]) -> int:
    """Run tasks in processes of their own as soon as they may; returns how many ran at once at most."""
    done: set[Key] = set()
    running: dict[Key, ForkServerProcess] = {}
    most = 0
    while len(done) < len(waits_for):
        ready = [k for k in waits_for if k not in done and k not in running and waits_for[k] <= done]
        for key in ready[: AT_ONCE - len(running)]:
            running[key] = processes.start(run.run_days, home, source, [key[1]], PARTS[key[0]])
        most = max(most, len(running))
        processes.wait_for_one(running.values())
        for key in [k for k, p in running.items() if p.exitcode is not None]:
            assert processes.finish(running.pop(key)) == 0, key
            done.add(key)
    return most
