"""`coterie report` as a process: a day, two days, another language, and what is refused."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import report_world as world

from resources.settings import PROJECT

FIRST = world.LAST - timedelta(days=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    world.make_lake(home, communities=3, days=3)
    (home / "source.yaml").write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    return home


def report(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("COTERIE_")}
    env = {**kept, "PYTHONPATH": str(PROJECT), "COTERIE_HOME": str(home), "COTERIE_SOURCE": str(home / "source.yaml")}
    command = [sys.executable, "-c", "from workflows.cli import main; main()", "report", *arguments]
    return subprocess.run(command, check=False, env={**env, **settings}, capture_output=True, text=True)


def test_two_days_make_a_file_of_their_own_and_a_day_is_in_the_language_that_is_set(home: Path) -> None:
    told = report(home, "--from", str(FIRST), "--to", str(world.LAST))
    assert told.returncode == 0, told.stderr
    path = Path(told.stdout.strip())
    assert path == home / "comparisons" / f"{FIRST}_{world.LAST}.html"
    assert "20 May 2024 against 18 May 2024" in path.read_text(encoding="utf-8")
    told = report(home, "--day", str(world.LAST), COTERIE_REPORT_LANGUAGE="zh")
    assert told.stdout.strip() == str(home / "reports" / f"{world.LAST}.html"), told.stderr
    assert "人們想要什麼" in (home / "reports" / f"{world.LAST}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("--from", str(FIRST)), {}, "found one of --from and --to; expected both"),
        (
            ("--from", str(world.LAST), "--to", str(FIRST)),
            {},
            f"found {world.LAST}; expected a day before --to, {FIRST}",
        ),
        (("--day", str(FIRST), "--from", str(FIRST), "--to", str(world.LAST)), {}, "expected one day or two"),
        (("--from", "2020-01-01", "--to", str(FIRST)), {}, "2020-01-01 is not published"),
        ((), {"COTERIE_REPORT_LANGUAGE": "fr"}, "COTERIE_REPORT_LANGUAGE='fr': Input should be 'en' or 'zh'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    home: Path, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    told = report(home, *arguments, **settings)
    assert told.returncode == 2
    assert words in told.stderr
    assert "Traceback" not in told.stderr
