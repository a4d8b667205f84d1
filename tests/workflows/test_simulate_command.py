"""The command `coterie simulate`, typed rightly and wrongly, in a real process."""

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from coterie.errors import SettingError
from coterie.simulate import LifeEvent, Scenario, simulate
from coterie.sources import check_source
from resources.settings import PROJECT
from workflows.cli import app

SMALL = ["--days", "3", "--users", "200", "--events-per-day", "2000", "--communities", "3"]


def coterie(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("COTERIE_")}
    return subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'coterie'; from workflows.cli import main; main()",
         "simulate", *arguments],
        check=False, cwd=cwd, capture_output=True, text=True,
        env={**env, "PYTHONPATH": str(PROJECT), "COLUMNS": "200"},
    )  # fmt: skip


def events(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "events").iterdir())}


def test_it_writes_what_was_asked_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "log"
    told = coterie(str(out), *SMALL, "--seed", "5", "--first-day", "2024-02-28", "--mixing", "0.1", "--dirt",
                   "--languages", "en", "--life", "split@1", "--life", "drift@2")  # fmt: skip
    assert told.returncode == 0, told.stderr
    simulate(
        tmp_path / "same",
        Scenario(
            seed=5, first_day=date(2024, 2, 28), days=3, users=200, events_per_day=2_000, communities=3, mixing=0.1,
            dirt=True, languages="en", life=(LifeEvent("split", 1), LifeEvent("drift", 2)),
        ),
    )  # fmt: skip
    assert events(out) == events(tmp_path / "same")
    rows = sum(pl.read_parquet(p).height for p in (out / "events").iterdir())
    said = told.stdout
    assert f"{rows:,} rows (showings and what followed) from 2024-02-28 to 2024-03-01, 200 users" in said
    assert "What happens to communities: split on 2024-02-29, drift on 2024-03-01." in said
    assert str(out / "truth") in said
    assert check_source(out / "source.yaml").ok


def test_by_default_something_of_each_kind_happens_and_steady_means_nothing_does(tmp_path: Path) -> None:
    told = coterie(str(tmp_path / "a"), *SMALL).stdout
    assert "What happens to communities: drift on " in told
    told = coterie(str(tmp_path / "b"), *SMALL, "--steady").stdout
    assert "What happens" not in told
    assert set(pl.read_parquet(tmp_path / "b" / "truth" / "lineage.parquet")["event"]) == {"born"}
    told = coterie(str(tmp_path / "c"), *SMALL, "--null", "feed_only").stdout
    assert "feed_only" in told
    assert "What happens" not in told
    assert coterie(str(tmp_path / "d"), *SMALL, "--days", "1").returncode == 0


def test_a_forum_logs_no_showings(tmp_path: Path) -> None:
    told = coterie(str(tmp_path / "log"), *SMALL, "--no-exposures", "--steady").stdout
    assert "(likes and comments)" in told
    assert "propensity" not in (tmp_path / "log" / "source.yaml").read_text()


@pytest.mark.parametrize("name", ["log", "my [red]log's"])
@pytest.mark.parametrize("cwd", ["project", "elsewhere"])
def test_the_command_that_comes_next_runs_coterie_on_it_in_a_home_of_its_own(
    tmp_path: Path, name: str, cwd: str
) -> None:
    """The line is typed as it stands, but for a make that says what it would run."""
    out = tmp_path / name
    here = PROJECT if cwd == "project" else tmp_path
    told = coterie(str(out) if cwd == "project" else name, *SMALL, "--days", "1", cwd=here)
    assert told.returncode == 0, told.stderr
    line = told.stdout.splitlines()[-1].strip()
    assert line.startswith("COTERIE_HOME=")
    assert ("make -C" in line) == (cwd == "elsewhere")
    run = line.replace("make ", "make -o install -n --no-print-directory ")
    shown = subprocess.run(["bash", "-c", run], check=False, cwd=here, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    recipe = shown.stdout.strip().splitlines()[-1]
    setting = recipe.split(" .venv")[0]
    echoed = subprocess.run(
        ["bash", "-c", f'{setting} bash -c \'printf "%s" "$COTERIE_SOURCE"\''],
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(echoed.stdout) == out / "source.yaml"
    home = subprocess.run(
        ["bash", "-c", f'{line.split(" make ")[0]} bash -c \'printf "%s" "$COTERIE_HOME"\''],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert Path(home.stdout) == out / "home"


def test_a_boost_is_rehearsed_and_the_change_is_told(tmp_path: Path) -> None:
    assert coterie(str(tmp_path / "plain"), *SMALL, "--steady").returncode == 0
    truth = pl.read_parquet(tmp_path / "plain" / "truth" / "boosts.parquet").filter(pl.col("community") == 1)
    best = truth.sort("effect")["interest_id"][-1]
    told = coterie(str(tmp_path / "boosted"), *SMALL, "--steady", "--boost", f"1:{best}:0.3@1")
    assert told.returncode == 0, told.stderr
    words = re.search(
        r"Rehearsed for community 1, 2024-05-02 to 2024-05-03: ([\d,]+) showings, mean strength (0\.\d+) without the "
        r"boost and (0\.\d+) with it, (\+0\.\d+) \(90 % interval (\S+) to (\S+)\)\.",
        told.stdout,
    )
    assert words is not None, told.stdout
    showings, without, with_it, effect, low, high = (float(w.replace(",", "")) for w in words.groups())
    rows = pl.read_parquet(tmp_path / "boosted" / "truth" / "rehearsal.parquet")
    assert showings == rows["showings"].sum()
    assert with_it - without == pytest.approx(effect, abs=2e-4)
    assert low < effect < high
    assert 0.5 * effect < truth["effect"].max() * 6 < 2 * effect
    first = "2024-05-01.parquet"
    plain, boosted = events(tmp_path / "plain"), events(tmp_path / "boosted")
    assert [name for name in plain if plain[name] == boosted[name]] == [first]


def test_a_boost_for_nobody_says_that_nothing_changed(tmp_path: Path) -> None:
    plain = Scenario(days=3, users=200, events_per_day=2_000, communities=3)
    simulate(tmp_path / "plain", plain)
    interest = pl.read_parquet(tmp_path / "plain" / "truth" / "boosts.parquet")["interest_id"][0]
    told = coterie(str(tmp_path / "log"), *SMALL, "--life", "death@1", "--boost", f"0:{interest}:0.3@1")
    assert "Rehearsed: nothing changed" in told.stdout, told.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--days", "0"], "days: found 0; expected at least 1"),
        (["--days", "soon"], "Invalid value for '--days'"),
        (["--users", "4"], "users: found 4; expected at least 10"),
        (["--mixing", "2"], "mixing: found 2.0; expected a number from 0 to 1"),
        (["--null", "nothing"], "null: found 'nothing'; expected one of no_preferences, feed_only"),
        (["--null", "feed_only", "--no-exposures"], "feed_only is about what the feed shows"),
        (["--null", "feed_only", "--life", "split@1"], "on a null there are no communities"),
        (["--languages", "fr"], "languages: found 'fr'; expected one of en, zh, both"),
        (["--life", "divorce@3"], "life: found 'divorce@3'; expected KIND@DAY, such as split@8"),
        (["--life", "split@99"], "life: found split@99; expected a day from 1 to 2"),
        (["--life", "split@1", "--steady"], "life: found events and --steady; expected one of the two"),
        (["--boost", "cats"], "boost: found 'cats'; expected COMMUNITY:INTEREST:SHARE@DAY"),
        (["--boost", "0:cats:0.1@1"], "boost: found interest 'cats'; expected one that this platform has: "),
        (["--boost", "9:cats:0.1@1"], "boost: found community 9; expected one from 0 to "),
        (["--first-day", "yesterday"], "Invalid value for '--first-day'"),
        (["--first-day", "1000-01-01"], "first_day: found 1000-01-01; expected a day of the years 1970 to 2200"),
    ],
)  # fmt: skip
def test_wrong_options_are_answered_in_words_and_nothing_is_written(
    tmp_path: Path, options: list[str], words: str
) -> None:
    told = CliRunner().invoke(app, ["simulate", str(tmp_path / "log"), *SMALL, *options], env={"COLUMNS": "200"})
    if isinstance(told.exception, SettingError):  # `main` prints it without a traceback
        assert words in str(told.exception)
    else:
        assert told.exit_code == 2
        assert words in told.output
    assert not (tmp_path / "log").exists()


def test_folders_that_will_not_do_are_answered_in_words_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder, words in (
        (tmp_path, "found files there; expected a new or an empty folder"),
        (tmp_path / "file", "found files there; expected a new or an empty folder"),
        (tmp_path / "file" / "log", "Not a directory; expected a folder that can be made"),
    ):
        told = coterie(str(folder), *SMALL)
        assert told.returncode == 2
        assert words in told.stderr
        assert "Traceback" not in told.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_the_help_explains_every_option() -> None:
    told = coterie("--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", told))
    assert {"--seed", "--life", "--steady", "--null", "--boost", "--dirt", "--mixing", "--languages"} <= options
    for line in told.splitlines():
        if re.search(r"│ --[a-z]", line):
            assert re.search(r" [A-Z][a-z]*[ ;]", line), line  # words after the option's type
    assert "docs/rehearse.md" in told
    assert (PROJECT / "docs" / "rehearse.md").exists()
