"""`coterie report`: a day, two days, another language, and what is refused."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import report_world as world

from workflows.cli import main

Run = Callable[..., tuple[int, str, str]]

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


@pytest.fixture
def report(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process; gives its exit code and what it printed and complained of."""

    def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
        for name in [name for name in os.environ if name.startswith("COTERIE_")]:
            monkeypatch.delenv(name)
        given = {"COTERIE_HOME": str(home), "COTERIE_SOURCE": str(home / "source.yaml"), **settings}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["coterie", "report", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_two_days_make_a_file_of_their_own_and_a_day_is_in_the_language_that_is_set(home: Path, report: Run) -> None:
    code, out, err = report("--from", str(FIRST), "--to", str(world.LAST))
    assert code == 0, err
    path = Path(out.strip())
    assert path == home / "comparisons" / f"{FIRST}_{world.LAST}.html"
    assert "20 May 2024 against 18 May 2024" in path.read_text(encoding="utf-8")
    code, out, err = report("--day", str(world.LAST), COTERIE_REPORT_LANGUAGE="zh")
    assert out.strip() == str(home / "reports" / f"{world.LAST}.html"), err
    assert "人們想要什麼" in (home / "reports" / f"{world.LAST}.html").read_text(encoding="utf-8")


def test_a_report_is_made_anew_only_if_another_language_is_set(home: Path, report: Run) -> None:
    path = home / "reports" / f"{FIRST}.html"
    assert report("--day", str(FIRST))[0] == 0
    first = path.stat().st_ino
    assert "What people want" in path.read_text(encoding="utf-8")
    report("--day", str(FIRST))
    assert path.stat().st_ino == first, "it is there"
    code, _, err = report("--day", str(FIRST), COTERIE_REPORT_LANGUAGE="zh")
    assert code == 0, err
    assert "人們想要什麼" in path.read_text(encoding="utf-8")
    report("--day", str(FIRST))
    assert "What people want" in path.read_text(encoding="utf-8")


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
    report: Run, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    code, _, err = report(*arguments, **settings)
    assert code == 2
    assert words in " ".join(err.split())
