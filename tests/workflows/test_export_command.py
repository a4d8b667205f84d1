"""`coterie export` and `coterie decide`, typed rightly and wrongly, in a real process."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from coterie.tables import TABLES
from resources.lake import Lake
from resources.settings import PROJECT

DAY = date(2024, 5, 1)


def coterie(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("COTERIE_")}
    env |= {"COTERIE_HOME": str(home), "COTERIE_SOURCE": "sources/cofacts.yaml"}
    command = [sys.executable, "-c", "from workflows.cli import main; main()", *arguments]
    return subprocess.run(command, check=False, cwd=PROJECT, env=env, capture_output=True, text=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path / "home")
    action = {"type": "boost_interest", "community_id": "c1", "interest_id": "d.i", "parameters": {"multiplier": 1.2}}
    row = {
        "strategy_id": "s-1", "community_id": "c1", "interest_id": "d.i", "action": json.dumps(action), "name": "Cats",
        "status": "proposed", "kind": "boost_interest", "community": "Cats", "interest": "Tea", "metric": "gain_per_showing",
        "evaluability": "observational", "verdict": "real", "users_rounded": 40, "summary": "s",
        "expires_on": date(2024, 5, 15), "effect": 0.1,
    }  # fmt: skip
    for name in ("strategies", "mart_strategy_board", "mart_community_day", "mart_interest_trends"):
        schema = TABLES[name].schema
        frame = pl.DataFrame([{c: row.get(c) for c in schema}], schema=schema)
        with lake.stage(TABLES[name], DAY, frame) as staged:
            lake.publish(staged)
    return lake.home


def test_a_day_is_exported_with_what_was_decided(home: Path, tmp_path: Path) -> None:
    told = coterie(home, "decide", "s-1", "shipped", "--on", "2024-05-01", "--note", "in the app")
    assert told.stdout == (
        "s-1 (boost_interest, d.i, suggested on 2024-05-01): shipped on 2024-05-01.\n"
        "It is scored from 2024-05-07 to 2024-05-28, by what showings of it bring while it is in force.\n"
    ), told.stderr
    to = tmp_path / "out"
    formats = [part for name in ("csv", "json", "xlsx", "pptx", "ppttc", "power-bi") for part in ("--format", name)]
    done = coterie(home, "export", "--day", "2024-05-01", "--to", str(to), *formats)
    assert done.returncode == 0, done.stderr
    files = {str(path) for path in to.rglob("*") if path.is_file()}
    assert set(done.stdout.splitlines()) == files
    assert {path.name for path in to.iterdir()} == {
        "tables", "actions.json", "action.v1.json", "strategies.xlsx", "findings.pptx", "findings.ppttc", "power_bi",
        "manifest.json",
    }  # fmt: skip
    assert "s-1,shipped,2024-05-01,2024-05-01,in the app" in (to / "tables" / "csv" / "decisions.csv").read_text(
        "utf-8"
    )
    again = coterie(home, "export", "--to", str(to), "--format", "csv")
    assert (again.returncode, again.stdout) == (2, "")
    assert "found an earlier export; expected a new or an empty folder, or --replace" in again.stderr


def test_what_cannot_be_done_is_told_in_words(home: Path, tmp_path: Path) -> None:
    for arguments, told in (
        (("export", "--to", str(tmp_path / "a"), "--day", "2024-06-01"), "2024-06-01 is not published"),
        (("export", "--to", str(tmp_path / "a"), "--format", "docx"), "found the format 'docx'"),
        (("export", "--to", str(tmp_path / "a"), "--table", "strategies"), "strategies is private"),
        (("decide", "s-1", "shipped", "--on", "2024-04-01"), "found the day 2024-04-01; expected 2024-05-01 or later"),
        (("decide", "s-2", "shipped", "--on", "2024-05-01"), "Did you mean s-1?"),
    ):
        result = coterie(home, *arguments)
        assert result.returncode == 2
        assert told in " ".join(result.stderr.split())
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "a").exists()
    assert not (home / "decisions.jsonl").exists()


def test_another_table_needs_a_format_that_can_hold_it(home: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    done = coterie(home, "export", "--to", str(to), "--format", "xlsx", "--table", "communities")
    assert done.returncode == 2
    assert "'communities' with the format 'xlsx'" in done.stderr
    assert not to.exists()


def test_a_decision_after_the_last_day_is_kept_and_told(home: Path) -> None:
    done = coterie(home, "decide", "s-1", "accepted", "--on", "2024-05-03")
    assert done.returncode == 0, done.stderr
    assert "Mind: the tables reach to 2024-05-01" in done.stdout


def test_a_decision_for_what_the_board_warns_of_is_kept_and_told(home: Path) -> None:
    lake = Lake(home)
    board = lake.read("mart_strategy_board", DAY).with_columns(status=pl.lit("warning: only 3 of 20 of its kind"))
    with lake.stage(TABLES["mart_strategy_board"], DAY, board) as staged:
        lake.publish(staged)
    done = coterie(home, "decide", "s-1", "accepted", "--on", "2024-05-01")
    assert "Mind: its status was 'warning: only 3 of 20 of its kind'." in done.stdout
