"""A bad day stops at the gate: named in words, nothing published, nothing after it run, and mended by a repair."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from resources.lake import Lake
from tests.pipeline import run, world

pytestmark = pytest.mark.slow

GOOD, BAD, NEW = world.days(3)
ASSETS = ("raw_events", "quarantine", "raw_items", "engagement")
STEPS = ("raw_events", "raw_items", "dbt_engagement")
ROW = pl.int_range(pl.len())

Frame = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class BadDay:
    """How a day's file is spoilt, the check that must fail, and what the message and the sample must hold."""

    spoil: Callable[[Path], object]
    check: str
    says: tuple[str, ...]
    sample: str = ""
    unexpected: int | None = None


@dataclass(frozen=True)
class Place:
    """A home with two good days of ingest, and its own copy of the log."""

    home: Path
    source: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Place:
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(source.parent, folder / "log")
    place = Place(folder / "home", folder / "log" / "source.yaml")
    # Any format: a day may come as another than the day before.
    place.source.write_text(place.source.read_text().replace("events/*.parquet", "events/*"))
    for late in world.days(4)[2:]:  # their files bring late rows of the day, which would then not be empty
        world.log_file(place.source, late).unlink()
    for day in (GOOD, BAD):
        assert run.run_day(place.home, place.source, day, ASSETS).success
    return place


def rows(change: Frame) -> Callable[[Path], object]:
    return lambda path: change(pl.read_parquet(path)).write_parquet(path)


def every(nth: int, column: str, value: object) -> Frame:
    return lambda frame: frame.with_columns(
        pl.when(nth - 1 == ROW % nth).then(pl.lit(value)).otherwise(column).alias(column)
    )


def three_ids_again(frame: pl.DataFrame) -> pl.DataFrame:
    # The file also holds late rows of the day before: they would spoil that day.
    own = frame.filter(pl.col("ts").dt.date() == BAD, pl.col("uid").is_not_null(), pl.col("action") == "impression")
    first = own.unique("id").sort("id").head(3)
    return pl.concat([frame, first.with_columns(slot=pl.col("slot") + 1)])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_as(suffix: str) -> Callable[[Path], object]:
    """The day as a text file, as an export leaves it that was interrupted at half, inside a row."""

    def spoil(path: Path) -> None:
        frame = pl.read_parquet(path)
        text = frame.write_csv() if suffix == "csv" else frame.write_ndjson()
        begins = text.rindex("\n", 0, len(text) // 2) + 1
        path.with_suffix(f".{suffix}").write_text(text[: (begins + text.index("\n", begins)) // 2])
        path.unlink()

    return spoil


SHARE = ("raw_events.quarantined_share", "rows (", "were rejected, the bound is 5.0%")
BAD_DAYS = {
    "half of the user ids missing": BadDay(
        rows(every(2, "uid", None)), "quarantined_share", (*SHARE, "user_id is missing or blank ("), "v2024"
    ),
    "text for numbers": BadDay(
        rows(lambda f: f.with_columns(play_ms=pl.lit("long"))),
        "quarantined_share", (*SHARE, "watch_ms is not a number ("), "long",
    ),
    "a column of the wrong type": BadDay(
        rows(lambda f: f.with_columns(ts=pl.col("uid").is_null())),
        "source_readable", ("1 file(s)", "'ts' (for occurred_at) is of type BOOLEAN; expected a timestamp"), "BOOLEAN", 1,
    ),
    "an unknown kind of event": BadDay(
        rows(every(5, "action", "heart")),
        "quarantined_share", (*SHARE, "event_type heart is not in the source description ("), "heart",
    ),
    "negative durations": BadDay(
        rows(every(3, "play_ms", -5)), "quarantined_share", (*SHARE, "watch_ms is negative ("), "-5"
    ),
    "a key twice": BadDay(
        rows(three_ids_again), "contract",
        ("raw_events.contract", "ExpectColumnValuesToBeUnique on event_id: 6 of", "20240502"), "20240502", 6,
    ),
    "no rows": BadDay(rows(lambda f: f.head(0)), "enough_events", ("expected at least 1 events, found 0",)),
    "no file": BadDay(Path.unlink, "enough_events", ("expected at least 1 events, found 0",)),
    "a truncated file": BadDay(
        cut, "source_readable", ("1 file(s)", "events/2024-05-02.parquet: the file cannot be read"), "2024-05-02.parquet", 1
    ),
    "a truncated csv file": BadDay(
        cut_as("csv"), "source_readable", ("1 file(s)", "events/2024-05-02.csv: the file is cut off"), "2024-05-02.csv", 1
    ),
    "a truncated jsonl file": BadDay(
        cut_as("jsonl"), "source_readable", ("1 file(s)", "events/2024-05-02.jsonl: the file is cut off"), "is not whole JSON", 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DAYS)
def test_a_bad_day_is_refused_in_words_and_mended_by_a_repair(place: Place, name: str) -> None:
    bad = BAD_DAYS[name]
    path = world.log_file(place.source, BAD)
    whole, before = path.read_bytes(), world.published(place.home)
    try:
        bad.spoil(path)
        refused = run.run_day(place.home, place.source, BAD, ASSETS)
    finally:
        for file in path.parent.glob(f"{BAD}.*"):
            file.unlink()
        path.write_bytes(whole)
    assert not refused.success
    assert refused.done == (), "what comes after the gate was run"
    assert list(refused.failed) == ["raw_events"]
    for words in ("raw_events", bad.check, "nothing was published", *bad.says):
        assert words in refused.failed["raw_events"]
    check = refused.checks["raw_events", bad.check]
    assert not check.passed
    assert check.partition == BAD.isoformat()
    assert any(isinstance(value, dg.IntMetadataValue) for value in check.metadata.values()), "no count"
    if bad.unexpected is not None:
        assert check.metadata["unexpected"].value == bad.unexpected
    if bad.sample:
        assert bad.sample in str(check.metadata["sample_rows"].value)
        assert "u0000" not in str(check.metadata["sample_rows"].value), "a user is named in the event log"
    assert world.published(place.home) == before, "the last good partition was touched"
    assert not [path for path in world.files_in(place.home) if path.startswith("stage")]

    mended = run.run_day(place.home, place.source, BAD, ASSETS)
    assert mended.success
    assert mended.done == STEPS
    assert world.published(place.home) == before


def test_a_bad_new_day_leaves_nothing_and_stops_the_next(place: Place, source: Path) -> None:
    before = world.published(place.home)
    path = world.log_file(place.source, NEW)
    try:
        path.write_bytes(world.log_file(source, NEW).read_bytes())
        rows(every(2, "uid", None))(path)
        refused = run.run_day(place.home, place.source, NEW, ASSETS)
        after = run.run_day(place.home, place.source, date(2024, 5, 4), ("raw_items",))
    finally:
        path.unlink()
    assert not refused.success
    assert not after.success
    assert "Materialize raw_items for 2024-05-03 first" in after.failed["raw_items"]
    assert world.published(place.home) == before


def test_a_day_of_which_only_late_rows_arrived_is_refused(tmp_path: Path) -> None:
    """As when a day's own file is missing, and the next day's brings a few of its rows."""
    week = [date(2024, 5, 1 + n) for n in range(8)]
    lines = [f"u{n},v{n % 9},like,{day}T12:00:{n % 60:02d},{day}-{n}" for day in week[:7] for n in range(150)]
    late = [f"u{n},v1,like,{week[7]}T12:00:00,late-{n}" for n in range(9)]
    (tmp_path / "log.csv").write_text("\n".join(["uid,vid,action,ts,id", *lines, *late]))
    (tmp_path / "source.yaml").write_text(
        "name: log\ntimezone: UTC\nfirst_day: 2024-05-01\nlast_day: 2024-05-08\nevents:\n  path: log.csv\n"
        "  columns: {user_id: uid, item_id: vid, event_type: action, occurred_at: ts, event_id: id}\n"
        "  event_types: {like: {kind: positive}}\n"
    )
    for day, fine in ((week[6], True), (week[7], False)):
        done = run.run_day(tmp_path / "home", tmp_path / "source.yaml", day, ("raw_events", "quarantine"))
        assert done.success is fine, done.failed
    assert "found 9 rows, where the week before had 150 a day" in done.failed["raw_events"]
    assert not Lake(tmp_path / "home").has("raw_events", week[7])


def test_rows_that_break_a_rule_go_to_quarantine_with_their_reason(place: Place) -> None:
    path = world.log_file(place.source, BAD)
    whole = path.read_bytes()
    lake = Lake(place.home)
    before, events = lake.read("quarantine", BAD), lake.read("raw_events", BAD)
    own = pl.read_parquet(path).filter(
        pl.col("ts").dt.date() == BAD, pl.col("play_ms") >= 0, pl.col("uid").is_not_null()
    )
    ids = own["id"].unique().sort().head(4).to_list()
    wrong = {"uid": (ids[0], None), "action": (ids[1], "heart"), "play_ms": (ids[2], -5), "p_show": (ids[3], 1.5)}
    try:
        world.spoil(
            place.source, BAD,
            lambda f: f.with_columns(
                pl.when(pl.col("id") == i).then(pl.lit(v)).otherwise(c).alias(c) for c, (i, v) in wrong.items()
            ),
        )  # fmt: skip
        done = run.run_day(place.home, place.source, BAD, ASSETS)
        rejects, kept = lake.read("quarantine", BAD), lake.read("raw_events", BAD)
    finally:
        path.write_bytes(whole)
        assert run.run_day(place.home, place.source, BAD, ASSETS).success
    assert done.success
    assert events.join(kept, on="event_id", how="anti")["event_id"].sort().to_list() == sorted(map(str, ids))
    fresh = rejects.join(before, on="payload", how="anti")
    reasons = {str(i): next(r for r, p in fresh.select("reason", "payload").iter_rows() if str(i) in p) for i in ids}
    assert reasons == dict(
        zip(
            map(str, ids),
            [
                "user_id is missing or blank",
                "event_type heart is not in the source description",
                "watch_ms is negative",
                "propensity is not above 0 and at most 1",
            ],
            strict=True,
        )
    )
