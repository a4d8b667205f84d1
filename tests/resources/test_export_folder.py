"""The export's folder: whole or not there, never a private row unasked, never somebody's files overwritten."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from coterie.errors import DecisionError, ExportError, MissingDayError
from coterie.export.write import Options
from coterie.strategies.decisions import Decision
from coterie.tables import TABLES
from resources import export
from resources.decisions import DecisionLog, decided
from resources.export import Wanted, check_target, handout_of, others_of, put_export
from resources.lake import Lake

DAYS = [date(2024, 5, n) for n in (1, 2)]
FEW = Options(("parquet", "csv", "json"))


def put(lake: Lake, table: str, day: date, *rows: dict) -> None:
    contract = TABLES[table]
    frame = pl.DataFrame([dict.fromkeys(contract.schema) | row for row in rows], schema=contract.schema)
    with lake.stage(contract, day, frame) as staged:
        lake.publish(staged)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "home")
    action = {"type": "boost_interest", "community_id": "c1", "interest_id": "d.i", "parameters": {"multiplier": 1.2}}
    for n, day in enumerate(DAYS):
        put(lake, "strategies", day, {"strategy_id": "s-1", "community_id": "c1", "action": json.dumps(action),
                                      "users_affected": 1_237})  # fmt: skip
        put(lake, "mart_strategy_board", day, {"strategy_id": "s-1", "status": "proposed", "users_rounded": 1_235 + n,
                                               "kind": "boost_interest", "community": "Cats", "interest": "Tea",
                                               "metric": "adoption",
                                               "evaluability": "observational", "expires_on": date(2024, 5, 15)})  # fmt: skip
        put(lake, "mart_community_day", day, {"community_id": "c1", "name": "Cats", "verdict": "real",
                                              "users_rounded": 1_235, "summary": "s"})  # fmt: skip
        put(lake, "mart_interest_trends", day, {"interest_id": "d.i", "interest": "Tea"})
        put(lake, "memberships", day, {"user_id": "secret-user", "community_id": "c1", "is_primary": True})
        put(lake, "raw_items", day, {"item_id": "v1", "creator_id": "secret-user", "text": "hello"})
    return lake


def handout(lake: Lake, day: date = DAYS[1], since: date = DAYS[1]):
    return handout_of(lake, day, since=since, source="test", disclosure_size=20)


def test_it_holds_the_marts_and_names_each_file_in_its_manifest(lake: Lake, tmp_path: Path) -> None:
    DecisionLog(lake.home).add(Decision("s-1", "shipped", DAYS[1], DAYS[1], "at last"))
    DecisionLog(lake.home).add(Decision("s-1", "rejected", date(2024, 5, 3), DAYS[1], "later than the day"))
    to = tmp_path / "out"
    files = put_export(handout(lake, since=DAYS[0]), to, FEW, replace=False)
    assert files[-1] == to / "manifest.json"
    manifest = json.loads((to / "manifest.json").read_text())
    for file in manifest["files"]:
        assert hashlib.sha256((to / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert {to / f["path"] for f in manifest["files"]} == set(files[:-1])
    board = pl.read_parquet(to / "tables" / "parquet" / "mart_strategy_board.parquet")
    assert board.select("day", "users_rounded").rows() == [(DAYS[0], 1_235), (DAYS[1], 1_236)]
    made = pl.read_parquet(to / "tables" / "parquet" / "decisions.parquet")
    assert made.select("decision", "note").rows() == [("shipped", "at last")]
    (action,) = json.loads((to / "actions.json").read_text())["actions"]
    assert (action["strategy_id"], action["action"]["parameters"]) == ("s-1", {"multiplier": 1.2})


def test_nothing_private_leaves_unasked(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"memberships is private.*--private"):
        others_of(lake, DAYS[1], since=DAYS[1], wanted=Wanted(["memberships"]))
    others = others_of(lake, DAYS[1], since=DAYS[1], wanted=Wanted(["raw_items"]))
    put_export(handout(lake), tmp_path / "out", Options(("csv", "json", "ppttc"), others), replace=False)
    held = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"secret-user" not in held
    assert not re.search(rb"(?<![0-9a-f])1237(?![0-9a-f])", held)  # sizes and hashes of files aside
    asked = others_of(lake, DAYS[1], since=DAYS[1], wanted=Wanted(["memberships", "raw_items"], private=True))
    assert asked["memberships"]["user_id"].to_list() == asked["raw_items"]["creator_id"].to_list() == ["secret-user"]


def test_what_is_not_there_is_told(lake: Lake) -> None:
    with pytest.raises(ExportError, match="found the table 'marts'; expected one of raw_events"):
        others_of(lake, DAYS[1], since=DAYS[1], wanted=Wanted(["marts"]))
    with pytest.raises(MissingDayError, match="item_labels of 2024-05-02 is not in the lake"):
        others_of(lake, DAYS[1], since=DAYS[1], wanted=Wanted(["item_labels"]))
    with pytest.raises(MissingDayError, match="strategies of 2024-05-09"):
        handout(lake, day=date(2024, 5, 9))
    with pytest.raises(ExportError, match="found 2024-05-02 as the first day; expected 2024-05-01"):
        handout(lake, day=DAYS[0])


def test_only_an_earlier_export_is_replaced_and_only_when_asked(lake: Lake, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    check_target(mine, replace=False)
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(ExportError, match="found files that are no export"):
        put_export(handout(lake), mine, FEW, replace=True)
    assert (mine / "letter.txt").read_text() == "dear"
    with pytest.raises(ExportError, match="found a file"):
        put_export(handout(lake), mine / "letter.txt", FEW, replace=True)
    to = tmp_path / "out"
    put_export(handout(lake, DAYS[0], DAYS[0]), to, FEW, replace=False)
    with pytest.raises(ExportError, match="found an earlier export"):
        put_export(handout(lake), to, FEW, replace=False)
    put_export(handout(lake), to, FEW, replace=True)
    assert json.loads((to / "manifest.json").read_text())["day"] == "2024-05-02"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "mine", "out"], "nothing is left beside"


@pytest.mark.parametrize("name", ["template.pptx", "tables/csv/mine.csv", "tables/csv/mart_strategy_board.csv"])
def test_what_people_put_or_changed_in_an_export_is_not_replaced(lake: Lake, tmp_path: Path, name: str) -> None:
    to = tmp_path / "out"
    put_export(handout(lake), to, FEW, replace=False)
    (to / name).write_text("mine")
    with pytest.raises(ExportError, match=f"found {name}, which the earlier export did not write so"):
        put_export(handout(lake), to, FEW, replace=True)
    assert (to / name).read_text() == "mine"


def test_a_link_stays_a_link_and_what_it_points_at_is_replaced(lake: Lake, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    put_export(handout(lake, DAYS[0], DAYS[0]), real, FEW, replace=False)
    link.symlink_to(real)
    put_export(handout(lake), link, FEW, replace=True)
    assert link.is_symlink()
    assert json.loads((real / "manifest.json").read_text())["day"] == "2024-05-02"


def test_the_folder_of_the_command_is_not_taken_away(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(ExportError, match="found the folder that the command runs in"):
        put_export(handout(lake), Path(), FEW, replace=True)
    assert Path.cwd() == here


def test_the_earlier_export_comes_back_if_the_new_one_cannot_take_its_place(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "out"
    put_export(handout(lake, DAYS[0], DAYS[0]), to, FEW, replace=False)
    rename, calls = os.replace, []

    def second_fails(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error", str(target))
        rename(source, target)

    monkeypatch.setattr(export.os, "replace", second_fails)
    with pytest.raises(ExportError, match="Input/output error"):
        put_export(handout(lake), to, FEW, replace=True)
    assert json.loads((to / "manifest.json").read_text())["day"] == "2024-05-01"


def test_marts_that_tell_of_fewer_users_than_is_set_now_are_not_exported(lake: Lake) -> None:
    with pytest.raises(ExportError, match="found a row about 1236 users; expected at least 2000"):
        handout_of(lake, DAYS[1], since=DAYS[1], source="test", disclosure_size=2000)


def test_a_failing_export_leaves_the_earlier_one_and_the_folder_around_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "around"
    empty.mkdir()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(export, "write_export", fails)
    with pytest.raises(ExportError, match="No space left on device"):
        put_export(handout(lake), empty / "out", FEW, replace=False)
    assert list(empty.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from coterie.export import write
from resources import export
from tests_of_export import handout, lake_of
real = export.write_export
def slow(*args):
    files = real(*args)
    print("written", flush=True)
    time.sleep(60)
    return files
export.write_export = slow
export.put_export(handout(lake_of(sys.argv[1])), Path(sys.argv[2]), write.Options(("csv",)), replace=True)
"""


@pytest.mark.slow
def test_a_killed_export_leaves_nothing_where_it_should_be(lake: Lake, tmp_path: Path) -> None:
    helper = "from resources.lake import Lake\nfrom pathlib import Path\nfrom test_export_folder import handout\n"
    (tmp_path / "tests_of_export.py").write_text(helper + "def lake_of(home): return Lake(Path(home))\n")
    to = tmp_path / "out"
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent), str(Path(__file__).parents[2])])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(lake.home), str(to)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not to.exists()
    put_export(handout(lake), to, FEW, replace=False)
    assert not list(tmp_path.glob(".out*")), "what the killed one left is gone"


def test_decisions_are_added_to_and_never_lost(tmp_path: Path, lake: Lake) -> None:
    log = DecisionLog(lake.home)
    first = decided(lake, "s-1", "accepted", on=DAYS[1], note="猫 “yes”")
    assert first.issued_on == DAYS[1]
    assert log.add(first)
    assert not log.add(first), "told twice is told once"
    second = decided(lake, "s-1", "shipped", on=date(2024, 6, 1), note="")
    assert log.add(second)
    assert log.add(first), "a team may go back to what it had said"
    assert log.read()["decision"].to_list() == ["accepted", "shipped", "accepted"]
    lines = log.path.read_text(encoding="utf-8").splitlines()
    log.path.write_text("\n".join([lines[0], lines[1][:-5]]), encoding="utf-8")
    with pytest.raises(DecisionError, match=r"decisions.jsonl: line 2: found .*Restore the file"):
        log.read()
    with pytest.raises(DecisionError, match="found no strategies; expected some"):
        decided(Lake(tmp_path / "nowhere"), "s-1", "accepted", on=DAYS[1], note="")


def test_two_who_decide_at_once_are_both_heard(lake: Lake) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import date; from resources.decisions import *\n"
        "for n in range(20): DecisionLog(Path(sys.argv[1])).add(Decision(f'{sys.argv[2]}-{n}', 'accepted', "
        "date(2024,5,1), date(2024,5,1), ''))"
    )
    root = str(Path(__file__).parents[2])
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(lake.home), who], env=os.environ | {"PYTHONPATH": root})
        for who in "ab"
    ]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert DecisionLog(lake.home).read().height == 40
