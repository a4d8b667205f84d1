"""The command `coterie`, typed rightly and wrongly, in a real process."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from coterie.sources import pseudonym
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
    for command in ("simulate", "check-source", "report", "lookup", "decide", "export", "forget", "catalog"):
        assert command in told


def test_lookup_finds_a_user_and_a_community(home: Path) -> None:
    found = json.loads(coterie("lookup", "c1", COTERIE_HOME=str(home)).stdout)
    assert found["communities"][0]["evidence"] == {"a": 1}
    found = json.loads(coterie("lookup", "u1", COTERIE_HOME=str(home)).stdout)
    assert [row["user_id"] for row in found["memberships"]] == ["u1"]


def test_lookup_knows_a_user_by_the_id_of_the_source(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    row = {"user_id": pseudonym("alice", b"key"), "community_id": "c1", "level": 0}
    with lake.stage(MEMBERSHIPS, DAY, pl.DataFrame([row])) as staged:
        lake.publish(staged)
    with lake.stage(COMMUNITIES, DAY, COMMUNITIES.empty()) as staged:
        lake.publish(staged)
    for known_as in ("alice", row["user_id"]):
        told = coterie("lookup", str(known_as), COTERIE_HOME=str(tmp_path), COTERIE_PSEUDONYM_KEY="key").stdout
        assert json.loads(told)["memberships"][0]["user_id"] == row["user_id"]
    assert coterie("lookup", "alice", COTERIE_HOME=str(tmp_path)).returncode == 2


def test_what_is_not_there_is_told_in_words(home: Path) -> None:
    result = coterie("lookup", "nobody", COTERIE_HOME=str(home))
    assert result.returncode == 2
    assert "No user, community or strategy is called 'nobody' up to 2024-05-01" in result.stderr
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
        ("COTERIE_LABELLER", "gpt", "'local', 'claude' or 'cascade'"),
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
    result = coterie("check-source", "sources/cofacts.yaml", COLUMNS="80")
    assert result.returncode == 0, result.stdout
    assert "2018-11-28 to 2018-12-25" in result.stdout
    assert "positive, weight 3" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_check_source_shows_what_files_hold_as_it_is(tmp_path: Path) -> None:
    """Brackets in ids are no markup, colons are no emoji, and control characters do not reach the terminal."""
    (tmp_path / "source.yaml").write_text(
        "name: x\ntimezone: UTC\nevents:\n  path: 'log[1].csv'\n"
        "  columns: {user_id: uid, item_id: vid, event_type: action, occurred_at: ts, event_id: id}\n"
        "  event_types: {'[/b]': {kind: watch}}\n"
    )
    row = "[/u1],:smile:,[/b],2024-03-05 12:00:00,"
    broken = "[/red]\x1b[2J\n"
    (tmp_path / "log[1].csv").write_text(
        f"uid,vid,action,ts,id\n{row}[e1]\n{row}[/e2]\n{row.replace('u1', 'u2')}[e1]\n{broken}"
    )
    result = coterie("check-source", str(tmp_path / "source.yaml"), COLUMNS="80")
    assert result.returncode == 1
    assert result.stderr == ""
    for text in ("│ [/u1]", "│ :smile:", "│ [/b]", "[/e2]", "'[e1]' on 2024-03-05", "log[1].csv", '"[/red]'):
        assert text in result.stdout, result.stdout
    assert "\x1b" not in result.stdout
    assert "The source cannot be used yet: 2 error(s), 2 warning(s)." in result.stdout


def test_an_error_shows_ids_as_they_are(home: Path) -> None:
    result = coterie("lookup", "[/u1]:smile:", COTERIE_HOME=str(home))
    assert (result.returncode, "is called '[/u1]:smile:'" in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr


def test_the_table_docs_are_those_of_the_contracts() -> None:
    assert (PROJECT / "docs" / "tables.md").read_text(encoding="utf-8") == markdown(), "run `make docs`"
    assert coterie("catalog", "--markdown").stdout == markdown()
