"""The command `coterie`, typed rightly and wrongly, in a real process."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from coterie.tables import COMMUNITIES, MEMBERSHIPS, markdown
from resources.lake import Lake
from resources.settings import PROJECT

DAY = date(2024, 5, 1)


def coterie(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("COTERIE_")} | settings
    return subprocess.run(
        [sys.executable, "-c", "from workflows.cli import main; main()", *arguments],
        check=False,
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lake = Lake(tmp_path)
    members = pl.DataFrame(
        {"user_id": ["u1", "u10"], "community_id": "c1", "probability": 0.9, "is_primary": True, "level": 0}
    )
    row = dict.fromkeys(COMMUNITIES.schema) | {"community_id": "c1", "name": "Cats", "evidence": '{"a": 1}'}
    for table, frame in ((MEMBERSHIPS, members), (COMMUNITIES, pl.DataFrame([row], schema=COMMUNITIES.schema))):
        with lake.stage(table, DAY, frame) as staged:
            lake.publish(staged)
    return tmp_path


def test_help_starts_at_once_and_names_every_command() -> None:
    told = coterie("--help").stdout
    for command in ("simulate", "check-source", "report", "lookup", "forget", "catalog"):
        assert command in told


def test_lookup_finds_a_user_and_a_community(home: Path) -> None:
    found = json.loads(coterie("lookup", "c1", COTERIE_HOME=str(home)).stdout)
    assert found["communities"][0]["evidence"] == {"a": 1}
    found = json.loads(coterie("lookup", "u1", COTERIE_HOME=str(home)).stdout)
    assert [row["user_id"] for row in found["memberships"]] == ["u1"]


def test_what_is_not_there_is_told_in_words(home: Path) -> None:
    result = coterie("lookup", "nobody", COTERIE_HOME=str(home))
    assert result.returncode == 2
    assert "No user, community or strategy is called 'nobody' on 2024-05-01" in result.stderr
    assert "Traceback" not in result.stderr
    result = coterie("lookup", "c1", "--day", "2024-06-01", COTERIE_HOME=str(home))
    assert "communities of 2024-06-01 is not published" in result.stderr


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    result = coterie("report", COTERIE_HOME=str(tmp_path))
    assert result.returncode == 2
    assert "make demo" in result.stderr


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("COTERIE_LABELLER", "gpt", "'local' or 'claude'"),
        ("COTERIE_LABEL_MODE", "slow", "'batch' or 'online'"),
        ("COTERIE_LABEL_BUDGET_USD", "-1", "greater than or equal to 0"),
        ("COTERIE_HALF_LIFE_DAYS", "soon", "valid number"),
        ("COTERIE_DISCLOSURE_SIZE", "4", "greater than or equal to 5"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, value: str, expected: str) -> None:
    result = coterie("catalog", **{setting: value})
    assert result.returncode == 2
    assert f"{setting}='{value}'" in result.stderr
    assert expected in result.stderr


def test_forget_takes_only_those_who_asked(home: Path) -> None:
    assert "memberships" in coterie("forget", "u1", COTERIE_HOME=str(home)).stdout
    assert Lake(home).read("memberships", DAY)["user_id"].to_list() == ["u10"]


def test_check_source_tells_what_is_wrong_and_where(tmp_path: Path) -> None:
    description = tmp_path / "source.yaml"
    description.write_text("name: x\ntimezone: Mars/Base\nevents:\n  path: events/*.csv\n")
    result = coterie("check-source", str(description))
    assert result.returncode == 1
    assert "line 2" in result.stdout
    assert "Mars/Base" in result.stdout


def test_the_shipped_source_is_right() -> None:
    result = coterie("check-source")
    assert result.returncode == 0, result.stdout
    assert "2018-11-28 to 2018-12-25" in result.stdout


def test_the_table_docs_are_those_of_the_contracts() -> None:
    assert (PROJECT / "docs" / "tables.md").read_text(encoding="utf-8") == markdown(), "run `make docs`"
    assert coterie("catalog", "--markdown").stdout == markdown()
