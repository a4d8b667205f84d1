"""`make demo` as a process: on a log that says where it begins but not where it ends, with a known truth."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from coterie.simulate import Scenario, simulate
from resources.lake import Lake
from resources.settings import PROJECT
from resources.source import owner_of

DAYS = 3


def demo(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COTERIE_", "DAGSTER_"))}
    history = folder / "dagster"
    history.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "workflows.demo"],
        check=False,
        cwd=PROJECT,
        env={**kept, "PYTHONPATH": str(PROJECT), "DAGSTER_HOME": str(history), "COLUMNS": "160", **settings},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_demo_runs_the_days_that_the_log_has_and_sets_the_truth_beside_them(tmp_path: Path) -> None:
    simulate(tmp_path / "log", Scenario(days=DAYS, users=300, events_per_day=3_000, communities=2, mixing=0.1))
    path, home = tmp_path / "log" / "source.yaml", tmp_path / "home"
    description = yaml.safe_load(path.read_text())
    del description["last_day"]
    path.write_text(yaml.safe_dump(description))
    settings = {"COTERIE_SOURCE": str(path), "COTERIE_HOME": str(home)}
    first = demo(tmp_path, **settings)
    assert first.returncode == 0, first.stdout + first.stderr
    for words in (
        "2024-05-01 to 2024-05-03 (3 days)", "2024-05-03 is done", "3 of 3 days in", "In truth there are 2 communities",
        "Strategies of 2024-05-03: none", "No day has suggestions", str(home / "reports" / "2024-05-03.html"),
    ):  # fmt: skip
        assert words in first.stdout, words
    assert Lake(home).days("mart_strategy_board") == [date(2024, 5, n) for n in (1, 2, 3)]
    assert owner_of(home) == description["name"]

    broken = path.parent / "events" / "2024-05-03.parquet"
    broken.write_bytes(b"not a file")
    (home / "lake" / "mart_strategy_board" / "day=2024-05-03" / "part-0.parquet").unlink()
    failed = demo(tmp_path, **settings)
    assert failed.returncode == 1
    assert "2024-05-02 is done" not in failed.stdout, "published days were run again"
    assert "Communities on 2024-05-02" in failed.stdout, "the good days are not shown"
    assert "2024-05-03.parquet" in failed.stdout, "the file is not named"
    assert "the same command goes on where it stopped" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr
