"""Late and corrected rows end up in their own day, and re-running forward gives what a run from scratch gives."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from resources.lake import Lake
from resources.settings import Settings
from resources.source import SourceLog
from tests.pipeline import processes, run, world
from workflows.sensors import changed_days

pytestmark = pytest.mark.slow


def test_rerunning_forward_gives_what_a_run_from_scratch_gives(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path
) -> None:
    day, arrives = days[1], days[3]
    late = shutil.copytree(source.parent, tmp_path / "log") / source.name
    home = world.copy_days(undisturbed, tmp_path / "home", days[0])
    world.log_file(late, arrives).unlink()
    right = world.spoil(late, days[2], one_wrong_row)
    assert processes.finish(processes.start(run.run_days, home, late, days[1:3])) == 0
    wanted = world.up_to(world.published(undisturbed), days[2])
    assert world.published(home) != wanted

    shutil.copy(world.log_file(source, arrives), world.log_file(late, arrives))
    world.log_file(late, days[2]).write_bytes(right)
    settings = Settings(home=home, source=late)
    assert [*changed_days(Lake(home), SourceLog(settings.source, home).index().days())] == days[1:3]
    assert processes.finish(processes.start(run.run_days, home, late, days[1:3])) == 0

    arrived = pl.read_parquet(world.log_file(source, arrives)).filter(
        pl.col("ts").dt.date() == day, pl.col("uid").is_not_null(), pl.col("play_ms").fill_null(0) >= 0,
        pl.col("action") != "heartbeat",
    )  # fmt: skip
    assert arrived.height, "no row came two days late"
    assert set(arrived["id"].cast(pl.String)) <= set(Lake(home).read("raw_events", day)["event_id"])
    assert changed_days(Lake(home), SourceLog(settings.source, home).index().days()) == {}
    assert world.published(home) == wanted


def one_wrong_row(frame: pl.DataFrame) -> pl.DataFrame:
    """A watch time that is corrected later."""
    watched = frame.filter(pl.col("play_ms") > 0, pl.col("ts").dt.date() == world.days(3)[2])["id"].min()
    wrong = pl.when(pl.col("id") == watched).then(pl.col("play_ms") + 60_000).otherwise("play_ms")
    return frame.with_columns(wrong.alias("play_ms"))
