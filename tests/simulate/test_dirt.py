"""What is wrong with real logs, in its doses; the giant account, the bots, changed texts and deleted items."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate import World, simulate
from coterie.simulate.dirt import (
    CHANGED_PREFIX,
    CHANGED_TEXTS,
    DELETED_ITEMS,
    DUPLICATES,
    IMPOSSIBLE_PROPENSITIES,
    LATE_BY_ONE,
    LATE_BY_TWO,
    MISSING_ITEMS,
    MISSING_USERS,
    NEGATIVE_WATCHES,
    UNKNOWN_TYPES,
    change_items,
)
from coterie.simulate.life import members_over_time
from coterie.sources import build_index, check_source, load_source, read_events
from tests.simulate.platforms import FIRST, SMALL, per_showing, ran

DIRTY = replace(SMALL, dirt=True, days=4, events_per_day=20_000)
BUSY = replace(SMALL, dirt=True, days=3, events_per_day=40_000)


@pytest.fixture(scope="module", autouse=True)
def _rough_strengths() -> Iterator[None]:
    """How exactly the truth's strengths are measured makes no difference here, only time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.simulate.effects.SHOWINGS", 500)
        yield


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dirty") / "log"
    simulate(out, DIRTY)
    return out


@pytest.fixture(scope="module")
def log(dirty: Path) -> pl.DataFrame:
    files = sorted((dirty / "events").iterdir())
    return pl.concat([pl.read_parquet(p).with_columns(file=pl.lit(date.fromisoformat(p.stem))) for p in files])


def likely(hits: int, tries: int, share: float) -> bool:
    return stats.binomtest(int(hits), int(tries), share).pvalue > 0.001


def test_broken_rows_are_there_in_their_doses(log: pl.DataFrame) -> None:
    n = log.height
    assert likely(log["uid"].null_count(), n, MISSING_USERS)
    assert likely(log["vid"].null_count(), n, MISSING_ITEMS)
    assert likely((log["action"] == "heartbeat").sum(), n, UNKNOWN_TYPES)
    assert likely((log["play_ms"] < 0).sum(), log["play_ms"].count(), NEGATIVE_WATCHES)
    assert likely((log["p_show"] > 1).sum(), log["p_show"].count(), IMPOSSIBLE_PROPENSITIES)


def test_copies_are_exact_and_in_their_dose(log: pl.DataFrame) -> None:
    again = log.filter(pl.len().over("id") > 1)
    assert likely(again.height / 2, log.height / (1 + DUPLICATES), DUPLICATES)
    assert again.drop("file").n_unique() == again["id"].n_unique()


def test_rows_come_late_in_their_doses_and_the_last_not_at_all(log: pl.DataFrame) -> None:
    on = pl.col("ts").dt.date()
    late = log.with_columns(late=(pl.col("file") - on).dt.total_days(), on=on)
    assert set(late["late"]) == {0, 1, 2}
    for days, share, arrived in ((1, LATE_BY_ONE, 3), (2, LATE_BY_TWO, 2)):
        told = late.filter(on <= FIRST + timedelta(days=arrived - 1))  # of the later days none could arrive
        assert likely((told["late"] == days).sum(), told.height, share)
        assert late.filter(pl.col("late") == days)["on"].n_unique() == arrived


def test_late_rows_of_a_day_are_found_by_its_reader(dirty: Path, log: pl.DataFrame) -> None:
    source = load_source(dirty / "source.yaml")
    read = read_events(source, build_index(source, None), FIRST)
    assert {r.date() for r in read.frame["occurred_at"]} == {FIRST}
    ids = set(log.filter(pl.col("ts").dt.date() == FIRST, pl.col("file") > FIRST)["id"].cast(pl.String))
    assert len(ids) > 200
    assert len(ids & set(read.frame["event_id"])) > 0.95 * len(ids)


def test_every_broken_row_and_no_other_is_refused(dirty: Path, log: pl.DataFrame) -> None:
    broken = log.filter(
        pl.col("uid").is_null() | pl.col("vid").is_null() | (pl.col("action") == "heartbeat")
        | (pl.col("play_ms").fill_null(0) < 0) | (pl.col("p_show").fill_null(0) > 1)
    )  # fmt: skip
    refused = check_source(dirty / "source.yaml").refused
    assert len(refused) == 5
    assert sum(r.rows for r in refused) == broken.height
    assert 0.005 < broken.height / log.height < 0.03


def test_the_rest_is_the_clean_log(log: pl.DataFrame) -> None:
    clean = pl.concat([day.events for day in ran(DIRTY).days if day.events is not None])
    kept = log.drop("file").filter(pl.col("action") != "heartbeat").drop_nulls(["uid", "vid"])
    kept = kept.filter(pl.col("play_ms").fill_null(0) >= 0, pl.col("p_show").fill_null(0) <= 1).unique("id")
    assert kept.join(clean, on=clean.columns, nulls_equal=True, how="semi").height == kept.height
    assert kept.height > 0.95 * clean.height


def test_one_account_is_a_giant() -> None:
    result = ran(BUSY)
    assert result.world.platform.activity[0] == pytest.approx(0.02)
    begun = result.shown.filter(pl.col("slot") == 0)
    assert likely((begun["uid"] == "u0000000").sum(), begun.height, 0.02)


@pytest.mark.parametrize("exposures", [True, False])
def test_bots_act_around_the_clock(exposures: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a platform with many more of their sessions than usual, so that hours can be told."""
    monkeypatch.setattr("coterie.simulate.platform.BOT_SHARE", 0.4)
    world = World(replace(BUSY, days=1, events_per_day=20_000, exposures=exposures))
    log = list(world.days())[-1].events
    assert log is not None
    # Sessions begin at hours of their own, what follows in them does not.
    begun = log.filter(pl.col("slot") == 0) if exposures else log
    when = begun.select("uid", day=(pl.col("ts").dt.epoch("ms") % 86_400_000) / 86_400_000)
    bots = pl.col("uid").is_in(["u0000001", "u0000002", "u0000003"])
    hours, others = when.filter(bots)["day"].to_numpy(), when.filter(~bots)["day"].to_numpy()
    assert len(hours) > 300
    assert stats.kstest(hours, "uniform").pvalue > 0.001
    assert stats.kstest(others, "uniform").pvalue < 1e-12


def test_bots_act_on_nearly_everything_and_belong_nowhere() -> None:
    result = ran(BUSY)
    platform = result.world.platform
    assert platform.is_bot.sum() == 3
    assert platform.activity[platform.is_bot].sum() == pytest.approx(0.01)
    assert (platform.founding[platform.is_bot] == -1).all()
    users = members_over_time(platform, result.world.course, result.world.user_ids)
    assert users.filter("is_bot")["uid"].to_list() == ["u0000001", "u0000002", "u0000003"]
    assert users.filter("is_bot")["community"].null_count() == 3
    shown = per_showing(result.log)
    bots, people = shown.filter("is_bot"), shown.filter(~pl.col("is_bot"))
    assert bots.height > 500
    assert likely(bots["played"].sum(), bots.height, 0.98)
    likes = result.log.filter("is_bot", pl.col("action") == "like").height
    assert likely(likes, bots["played"].sum(), 0.9)
    assert people["played"].mean() < 0.5


def test_without_dirt_there_is_neither_giant_nor_bot() -> None:
    platform = ran(SMALL).world.platform
    assert not platform.is_bot.any()
    assert platform.activity.max() < 0.05


def test_rows_are_as_many_as_asked_bots_included() -> None:
    rows = [day.events.height for day in ran(BUSY).days if day.events is not None]
    assert sum(rows) == pytest.approx(40_000 * (0.95 + 0.97 + 1.02), rel=0.01)


def test_items_change_and_vanish_in_their_doses() -> None:
    n = 20_000
    items = pl.DataFrame({"vid": [f"v{k}" for k in range(n)], "caption": ["text"] * n})
    rows, changes = change_items(np.random.default_rng(1), items, FIRST, FIRST + timedelta(days=30))
    kinds = dict(changes["change"].value_counts().rows())
    assert likely(kinds["text"], n, CHANGED_TEXTS)
    assert likely(kinds["deleted"], n, DELETED_ITEMS)
    assert rows.height == n - kinds["deleted"]
    after = (changes["day"] - FIRST).dt.total_days()
    assert stats.chisquare(np.bincount(after.to_numpy(), minlength=11)[1:]).pvalue > 0.001


def test_an_item_without_text_has_no_text_that_could_change() -> None:
    n = 2_000
    items = pl.DataFrame(
        {"vid": [f"v{k}" for k in range(n)], "caption": [None] * n}, schema_overrides={"caption": pl.String}
    )
    rows, changes = change_items(np.random.default_rng(1), items, FIRST, FIRST + timedelta(days=30))
    assert set(changes["change"]) == {"deleted"}
    assert rows["caption"].null_count() == rows.height == n - changes.height


def test_a_longer_simulation_has_later_changes_and_the_same_items_else(tmp_path: Path) -> None:
    platform = replace(DIRTY, languages="en", exposures=False)
    for days in (2, 12):
        simulate(tmp_path / str(days), replace(platform, days=days))
    short, long = (pl.read_parquet(tmp_path / str(days) / "items.parquet") for days in (2, 12))
    changes = pl.read_parquet(tmp_path / "12" / "truth" / "item_changes.parquet")
    early = pl.read_parquet(tmp_path / "2" / "truth" / "item_changes.parquet")
    end = FIRST + timedelta(days=1)
    known = changes.filter(pl.col("vid").str.slice(1, 8) <= f"{end:%Y%m%d}")
    assert known.filter(pl.col("day") <= end).sort("vid").equals(early.sort("vid"))

    later = known.filter(pl.col("day") > end)
    both = short.join(long, on="vid", how="left", suffix="_long").join(later, on="vid", how="left")
    edited = both.filter(pl.col("change") == "text")
    gone = both.filter(pl.col("change") == "deleted")
    same = both.filter(pl.col("change").is_null())
    assert min(edited.height, gone.height) > 0
    assert (edited["caption"] == edited["text_before"]).all()
    assert (edited["caption_long"] == CHANGED_PREFIX + edited["text_before"]).all()
    assert gone["caption_long"].null_count() == gone.height
    assert (same["caption"] == same["caption_long"]).all()

    # What was shown before it was deleted is in the log, and in no item file.
    deleted = changes.filter(pl.col("change") == "deleted")["vid"]
    shown = pl.concat([pl.read_parquet(p) for p in (tmp_path / "12" / "events").iterdir()])["vid"]
    assert not set(deleted) & set(long["vid"])
    assert set(deleted) & set(shown)
    truth = pl.read_parquet(tmp_path / "12" / "truth" / "items.parquet")
    assert set(deleted) <= set(truth["vid"])
