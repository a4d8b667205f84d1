"""The index: what is reused, what changed, and what a damaged file does to which days."""

import gzip
import os
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coterie.errors import SourceError
from coterie.sources import SourceIndex, build_index, is_unusual, read_events, usual_rows
from coterie.sources import index as index_module

FIRST, SECOND, THIRD = (date(2024, 3, d) for d in (5, 6, 7))


def event(day: int, user: str = "u", **more: Any) -> dict[str, Any]:
    return {"uid": user, "vid": "v", "action": "play", "ts": f"2024-03-{day:02d}T12:00:00", **more}


def cut(path: Path, keep: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def unreadable(index: SourceIndex) -> dict[str, str]:
    return {entry.path: entry.error for entry in index.files if entry.error}


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = index_module.open_rows

    def spy(con: Any, path: Path, name: str) -> Any:
        seen.append(name)
        return real(con, path, name)

    monkeypatch.setattr(index_module, "open_rows", spy)
    return seen


def test_unchanged_files_are_not_read_again(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write("events/a.parquet", [event(5)])
    b = log.write("events/b.parquet", [event(6)])
    source = log.source()
    seen = opened(monkeypatch)
    first = build_index(source, None)
    assert seen == ["events/a.parquet", "events/b.parquet"]
    seen.clear()
    assert build_index(source, SourceIndex.from_json(first.to_json())) == first
    assert seen == []
    log.write("events/b.parquet", [event(6), event(7)])
    log.write("events/c.parquet", [event(5, "late")])
    second = build_index(source, first)
    assert seen == ["events/b.parquet", "events/c.parquet"]
    assert second.days() == build_index(source, None).days()
    assert second.rows() == {FIRST: 2, SECOND: 1, THIRD: 1}
    b.unlink()
    assert build_index(source, second).rows() == {FIRST: 2}


def test_another_reading_of_the_time_reads_anew(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write("events/a.parquet", [event(5)])
    first = build_index(log.source(), None)
    seen = opened(monkeypatch)
    moved = build_index(log.source(timezone="Pacific/Auckland"), first)
    assert (seen, list(moved.days())) == (["events/a.parquet"], [SECOND])


@pytest.mark.parametrize("name", ["part[1].csv", "part?.csv", "part*.parquet", "[a-z]/part1.jsonl"])
def test_a_name_with_signs_of_a_glob_is_that_file_and_no_other(log: Any, name: str) -> None:
    log.write("events/part1.csv", [event(5)])
    log.write("events/part2.parquet", [event(5)])
    log.write(f"events/{name}", [event(6, f"u{n}") for n in range(9)])
    source = log.source(path=f"events/{name}")
    index = build_index(source, None)
    assert [(entry.path, entry.error) for entry in index.files] == [(f"events/{name}", None)]
    assert index.rows() == {SECOND: 9}
    assert read_events(source, index, SECOND).frame.height == 9
    everything = log.source(path="events/**/*.*")
    assert build_index(everything, None).rows() == {FIRST: 2, SECOND: 9}


def test_columns_that_are_not_described_change_nothing(log: Any) -> None:
    log.write("events/a.csv", [event(5, ingested_at="1")])
    source = log.source()
    before = build_index(source, None).days()
    log.write("events/a.csv", [event(5, ingested_at="2")])
    assert build_index(source, None).days() == before
    log.write("events/a.csv", [event(5, ingested_at="2", play_ms="3")])
    described = log.source(columns={"watch_ms": "play_ms"})
    first = build_index(source, None)
    assert build_index(described, first).days() == build_index(described, None).days() != first.days()


def test_only_days_whose_rows_change_change(log: Any) -> None:
    log.write("events/a.parquet", [event(5), event(6)])
    source = log.source()
    before = build_index(source, None).days()
    log.write("events/b.parquet", [event(6, "late")])
    after = build_index(source, None).days()
    assert after[FIRST] == before[FIRST]
    assert after[SECOND] != before[SECOND]
    log.write("events/b.parquet", [event(6)])  # a repeat is a change, too: it is counted
    assert build_index(source, None).days()[SECOND] not in (before[SECOND], after[SECOND])


def test_rows_that_move_between_files_and_formats_change_nothing(log: Any) -> None:
    a = log.write("events/a.parquet", [event(5, f"u{i}") for i in range(4)])
    source = log.source()
    before = build_index(source, None).days()
    a.unlink()
    log.write("events/x.csv", [event(5, "u3"), event(5, "u1")])
    log.write("events/y.jsonl.zst", [event(5, "u0")])
    # One more column, which none of the rows uses.
    log.write(
        "events/z.parquet",
        [event(5, "u2", more=None)],
        {**dict.fromkeys(["uid", "vid", "action", "ts", "more"], pl.String)},
    )
    assert build_index(source, None).days() == before


def test_json_round_trip_and_what_is_no_index(log: Any) -> None:
    log.write("events/2024-03-05.csv", [event(5), event(5, ts="?")])
    log.write_text("events/broken.parquet", "PAR1")
    index = build_index(log.source(), None)
    again = SourceIndex.from_json(index.to_json())
    assert again == index
    assert again.to_json() == index.to_json()
    assert str(log.folder) not in index.to_json()
    with pytest.raises(SourceError, match="cannot be read"):
        SourceIndex.from_json("[]")
    assert SourceIndex.from_json('{"version": 0}').files == ()


DAMAGED = ["a.parquet", "a.csv.gz", "a.jsonl.gz", "a.csv.zst", "a.jsonl.zst"]


@pytest.mark.parametrize("name", DAMAGED)
def test_a_truncated_file_fails_the_days_that_it_held(log: Any, name: str) -> None:
    rows = [event(d, f"u{i}-{os.urandom(8).hex()}") for d in (5, 6) for i in range(500)]
    path = log.write(f"events/{name}", rows)
    log.write("events/other.csv", [event(6), event(7)])
    source = log.source()
    good = build_index(source, None)
    assert unreadable(good) == {}
    whole = path.read_bytes()
    cut(path)
    bad = build_index(source, good)
    assert list(unreadable(bad)) == [f"events/{name}"]
    for day in (FIRST, SECOND):
        with pytest.raises(SourceError, match=rf"events/{name}: the file cannot be read: .*; expected .*{day}"):
            read_events(source, bad, day)
        assert bad.days()[day] != good.days()[day]
    assert read_events(source, bad, THIRD).frame.height == 1
    assert bad.days()[THIRD] == good.days()[THIRD]
    # Still damaged, and looked at once more: the days are remembered.
    os.utime(path, (1, 1))
    assert build_index(source, bad).days() == bad.days()
    path.write_bytes(whole)
    assert build_index(source, bad).days() == good.days()


def test_a_file_damaged_from_the_start_fails_the_day_in_its_name(log: Any) -> None:
    cut(log.write("events/2024-03-06.parquet", [event(6)]))
    log.write("events/all.csv", [event(5), event(6)])
    source = log.source()
    index = build_index(source, None)
    assert read_events(source, index, FIRST).frame.height == 1
    with pytest.raises(SourceError, match=r"events/2024-03-06.parquet: the file cannot be read"):
        read_events(source, index, SECOND)


def test_a_file_that_says_nothing_of_its_days_fails_them_all(log: Any) -> None:
    log.write_text("events/a.parquet", "not parquet at all")
    log.write("events/b.csv", [event(5)])
    source = log.source()
    index = build_index(source, None)
    for day in (FIRST, THIRD):
        with pytest.raises(SourceError, match=r"events/a.parquet: the file cannot be read"):
            read_events(source, index, day)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.parquet", b"", r"the file is empty \(0 bytes\); expected a parquet file"),
        ("a.csv", b"", r"the file is empty \(0 bytes\); expected a csv file"),
        ("a.jsonl.gz", b"", r"the file is empty"),
        ("a.csv", b"uid,vid,uid\n", r"found 'uid,vid,uid' in the first line; expected column names, each once"),
        ("a.csv.gz", b"plainly not gz", r"the file cannot be read"),
        ("a.txt", b"x", r"unknown format; expected a name that ends in .parquet, .csv or .jsonl"),
        ("a.parquet.gz", gzip.compress(b"x", mtime=0), r"unknown format"),
        ("a.csv", b"uid,when\nu1,2024-03-05\n", r"column 'ts' \(for occurred_at\) is not in the file; .*: uid, when"),
        ("a.csv", b"uid,vid,action,ts\nu,v,play,?\n", r"found no row whose time can be read; expected at least one"),
    ],
)
def test_unreadable_files_are_recorded_not_raised(log: Any, name: str, data: bytes, said: str) -> None:
    path = log.folder / "events" / name
    path.parent.mkdir()
    path.write_bytes(data)
    source = log.source()
    (text,) = unreadable(build_index(source, None)).values()
    assert text.startswith(f"events/{name}: ")
    assert str(log.folder) not in text
    with pytest.raises(SourceError, match=said):
        read_events(source, build_index(source, None), FIRST)


def test_damage_after_the_index_was_made_is_noticed(log: Any) -> None:
    path = log.write("events/a.csv.zst", [event(5, os.urandom(8).hex()) for _ in range(500)])
    source = log.source()
    index = build_index(source, None)
    cut(path)
    with pytest.raises(SourceError, match=r"events/a.csv.zst: the file cannot be read"):
        read_events(source, index, FIRST)


def test_a_change_after_the_index_was_made_shows_in_the_digest(log: Any) -> None:
    log.write("events/a.csv", [event(5)])
    source = log.source()
    index = build_index(source, None)
    log.write("events/a.csv", [event(5), event(5, "new")])
    result = read_events(source, index, FIRST)
    assert result.digest != index.days()[FIRST]
    assert result.digest == build_index(source, index).days()[FIRST]


def test_what_is_usual_is_the_median_of_the_week_before() -> None:
    rows = {date(2024, 3, day): 100 * day for day in range(1, 11)}
    assert usual_rows(rows, date(2024, 3, 8)) == 400  # the middle of days 1 to 7
    assert usual_rows({**rows, date(2024, 3, 9): 9, date(2024, 3, 30): 9**9}, date(2024, 3, 9)) == 500, "looks ahead"
    assert usual_rows({date(2024, 3, 1): 700}, date(2024, 3, 8)) == 0, "days without rows count"
    assert usual_rows(rows, date(2024, 3, 7)) is None, "there is no whole week before"
    assert usual_rows({}, date(2024, 3, 7)) is None


@pytest.mark.parametrize(
    ("rows", "usual", "unusual"), [(99, 1000, True), (100, 1000, False), (0, 99, False), (0, None, False)]
)
def test_a_small_part_of_the_usual_is_unusual(log: Any, rows: int, usual: float | None, unusual: bool) -> None:
    assert is_unusual(log.source(), rows, usual) is unusual
    assert not is_unusual(log.source(quality={"min_share_of_usual": 0}), rows, usual)
