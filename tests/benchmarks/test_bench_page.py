"""The bench goes on where it was, and keeps on the page what it did not measure."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from benchmarks import run, show
from benchmarks.section import Options, Section, Setting, rows, stored


@pytest.fixture
def section(monkeypatch: pytest.MonkeyPatch) -> Section:
    found = Section("toy", "A toy", _settings, _measure, _render)
    monkeypatch.setattr(run, "load", lambda _: found)
    return found


def _settings(options: Options) -> Sequence[Setting]:
    return [] if options.reddit is None else [Setting({"size": size}, options.reddit) for size in (1, 2)]


def _measure(setting: Setting, seed: int) -> pl.DataFrame:
    return rows({("ours", "sum"): float(setting["size"]) + seed, ("ours", "undefined"): None})


def _render(rows: pl.DataFrame, folder: Path) -> str:
    return show.grid(rows.filter(pl.col("measure") == "sum"), "size", ["ours"])


def measured(section: Section, folder: Path, *seeds: int) -> Options:
    options = Options(reddit=Path("elsewhere"))
    for setting in section.settings(options):
        for seed in seeds:
            path = stored(folder, section, setting, seed)
            run.perform(run.Task("toy", setting, seed), path, {"library": "abc", "machine": "a machine"})
    return options


def test_rows_are_stored_with_their_setting_and_seed(section: Section, tmp_path: Path) -> None:
    options = measured(section, tmp_path, 1, 2)
    found = run.made(section, options, 20, tmp_path)
    assert found is not None
    assert found.seeds == (2, 2)
    assert found.rows.height == 8
    assert set(found.rows.columns) == {"method", "measure", "value", "size", "seed"}
    assert not list(tmp_path.rglob("*.part"))


def test_the_page_shows_means_with_intervals_and_how_they_were_made(section: Section, tmp_path: Path) -> None:
    options = measured(section, tmp_path, 1, 2)
    run.write_page([section], options, 20, tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "| ours | 2.50 ± 6.35 | 3.50 ± 6.35 |" in page
    assert "2 settings, 2 seeds" in page
    assert "a machine" in page
    assert "elsewhere" not in page


def test_what_was_not_measured_stays_as_it_was(section: Section, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    run.write_page([section], measured(section, tmp_path / "work", 1), 20, tmp_path / "work", page)
    before = page.read_text()
    # Without the data the rows of the earlier run are found; without those, the page's own text.
    run.write_page([section], Options(), 20, tmp_path / "work", page)
    assert page.read_text() == before
    run.write_page([section], Options(), 20, tmp_path / "nothing", page)
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("told", "expected"),
    [(lambda: show.cell([0.5, None]), "0.50"), (lambda: show.cell([]), "-"), (lambda: show.count(0, 20), "0 of 20 (0 to 17 %)")],
)  # fmt: skip
def test_cells(told: Callable[[], str], expected: str) -> None:
    assert told() == expected
