"""The order of rows, hash seeds, threads and the time of a run never show in a byte of the lake."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests.pipeline import world
from tests.pipeline.processes import ROOT

pytestmark = pytest.mark.slow


def start_afresh(home: Path, source: Path, day: date, *, threads: int, seed: int) -> subprocess.Popen[bytes]:
    """A process that was not forked: hash seed and thread pools are fixed when a process starts."""
    count = str(threads)
    pools = {"POLARS_MAX_THREADS": count, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    env = {**os.environ, **pools, "PYTHONHASHSEED": str(seed), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.pipeline.run", str(home), str(source), count, day.isoformat()]
    return subprocess.Popen(command, cwd=ROOT, env=env)


def test_shuffled_rows_other_seeds_and_other_threads_give_the_same_bytes(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path
) -> None:
    shuffled = shutil.copytree(source.parent, tmp_path / "log") / source.name
    world.shuffle(shuffled)
    # A past day, with later days there that must not be looked at; and the last, on top of what others ran.
    plans = {(days[1], 1, 4711): tmp_path / "one", (days[3], 7, 3): tmp_path / "seven"}
    running = []
    for (day, threads, seed), home in plans.items():
        world.copy_days(undisturbed, home, days[-1])
        for path in list((home / "lake").rglob(f"day={day}/*")):
            path.unlink()
        (home / "reports" / f"{day}.html").unlink()
        running.append(start_afresh(home, shuffled, day, threads=threads, seed=seed))
    assert [process.wait(240) for process in running] == [0, 0]
    for (day, threads, seed), home in plans.items():
        assert world.published(home) == world.published(undisturbed), f"{day}, {threads} threads, hash seed {seed}"
