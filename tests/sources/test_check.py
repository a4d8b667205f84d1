"""check-source: everything that is wrong, in words, with the line; and what would be read."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from coterie.sources import SourceCheck, build_index, check_source, load_source, read_events
from coterie.tables import RAW_EVENTS

YAML = """\
name: log
timezone: UTC
events:
  path: events/*
  columns:
    user_id: uid
    item_id: vid
    event_type: action
    occurred_at: ts
    watch_ms: play_ms
  event_types:
    show: {kind: exposure}
    play: {kind: watch}
    like: {kind: positive}
items:
  path: items.csv
  columns:
    item_id: vid
    text: caption
"""


def event(**changed: Any) -> dict[str, Any]:
    return {"uid": "u1", "vid": "v1", "action": "play", "ts": "2024-03-05T12:00:00", "play_ms": "5", **changed}


def check(log: Any, text: str = YAML) -> SourceCheck:
    return check_source(log.write_text("source.yaml", text))


def said(result: SourceCheck, level: str, line: int | None, *words: str) -> bool:
    return any(f.level == level and f.line == line and all(w in f.text for w in words) for f in result.findings)


def test_a_good_source(log: Any) -> None:
    log.write("events/a.csv", [event(uid=f"u{i}", action=("show", "play", "like")[i % 3]) for i in range(9)])
    log.write("events/b.csv", [event(ts="2024-03-06T12:00:00", vid="v2")])
    log.write("items.csv", [{"vid": "v1", "caption": "這是貓"}])
    result = check(log)
    assert result.ok
    assert all(f.level == "ok" for f in result.findings), result.findings
    assert [(f.path, f.rows, f.undated, f.error) for f in result.files] == [
        ("events/a.csv", 9, 0, None),
        ("events/b.csv", 1, 0, None),
    ]
    assert result.days == {date(2024, 3, 5): 9, date(2024, 3, 6): 1}
    assert [(t.name, t.rows, t.meaning) for t in result.event_types] == [
        ("play", 4, "watch"), ("like", 3, "positive, weight 1"), ("show", 3, "exposure"),
    ]  # fmt: skip
    assert result.refused == []
    assert (result.sample.height, result.sample.schema) == (5, RAW_EVENTS.empty().schema)
    assert (result.items_found, result.text_share) == (0.5, 0.5)
    assert ("languages (und: unknown): und 50.0%, zh 50.0%",) in [f.details for f in result.findings]


def test_what_would_be_refused_is_counted_with_a_sample(log: Any) -> None:
    rows = [event(uid=f"u{i}") for i in range(7)] + [event(action="plya"), event(uid=""), event(play_ms="-1")]
    log.write("events/2024-03-05.csv", rows)
    log.write_text("events/2024-03-05.jsonl", '{"uid\n')
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log)
    assert not result.ok
    assert said(result, "error", None, "4 of 11 rows (36.36%) would be quarantined; at most 5%")
    (reasons,) = (f.details for f in result.findings if "would be quarantined" in f.text)
    assert len(reasons) == 4
    for reason in (
        "1 row: watch_ms is negative, as in {",
        "1 row: the line cannot be parsed, as in {",
        'as in {"action":',
    ):
        assert any(reason in told for told in reasons), reasons
    assert {(r.reason, r.rows) for r in result.refused} == {
        ("event_type plya is not in the source description", 1),
        ("user_id is missing or blank", 1),
        ("watch_ms is negative", 1),
        ("the line cannot be parsed", 1),
    }
    assert all(r.sample.startswith("{") for r in result.refused)
    assert said(result, "warning", 11, "1 row with the event type 'plya'", "did you mean")
    assert said(result, "warning", 14, "like: no row has this event type")


def test_every_wrong_column_is_told_at_its_line(log: Any) -> None:
    log.write("events/a.parquet", [{"uid": {"a": 1}, "vids": "v1", "action": "play", "ts": True, "play_ms": "5"}])
    log.write("events/b.parquet", [{"uid": "u", "vids": "v1", "action": "play", "ts": "2024-03-05", "play_ms": "5"}])
    log.write("items.csv", [{"vid": "v1", "captions": "x"}])
    result = check(log)
    assert not result.ok
    assert said(result, "error", 6, "'uid'", "is of type STRUCT", "expected text")
    assert said(result, "error", 7, "'vid'", "did you mean 'vids'", "(and 1 more files)")
    assert said(result, "error", 9, "'ts'", "is of type BOOLEAN", "expected a timestamp")


def test_item_columns_are_told_too(log: Any) -> None:
    log.write("events/a.csv", [event()])
    log.write("items.csv", [{"vid": "v1", "captions": "x"}])
    result = check(log)
    assert said(result, "error", 19, "items.csv: column 'caption' (for text)", "did you mean 'captions'")
    log.write("items.csv", [{"vid": "other", "caption": "x"}])
    assert said(check(log), "error", 18, "0.0% of the events' items", "expected the same ids")
    log.write("items.csv", [{"vid": "v1", "caption": "x"}, {"vid": "v1", "caption": "y"}])
    assert said(check(log), "error", 18, "1 item with rows that differ", "'v1'")


def test_damaged_files_and_no_files(log: Any) -> None:
    result = check(log)
    assert said(result, "error", 4, "found no file for 'events/*'", "does not exist")
    log.write_text("events/a.parquet", "nonsense")
    result = check(log)
    assert said(result, "error", 4, "events/a.parquet: the file cannot be read")
    assert result.files[0].error
    log.write("events/b.csv", [event()])
    result = check(log)
    assert not result.ok
    assert result.sample.height == 1
    assert said(result, "error", 16, "found no file for 'items.csv'")


def test_days_that_would_fail_and_days_outside(log: Any) -> None:
    log.write("events/a.csv", [event(), event(ts="2024-03-08T00:00:00"), event(ts="2024-02-01T00:00:00")])
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log, YAML + "first_day: 2024-03-05\n")
    assert said(result, "ok", 20, "1 row before 2024-03-05 will not be read")
    assert any("2 days without a row would fail: 2024-03-06, 2024-03-07" in f.text for f in result.findings)
    result = check(log, YAML + "first_day: 2025-01-01\nlast_day: 2025-01-31\n")
    assert not result.ok


def test_a_bad_description_is_findings(log: Any, tmp_path: Path) -> None:
    result = check(log, YAML.replace("uid", "[").replace("name", "nam"))
    assert not result.ok
    result = check(log, YAML.replace("timezone: UTC", "timezone: UTX"))
    assert said(result, "error", 2, "'UTX'")
    assert check_source(tmp_path / "none.yaml").findings[0].level == "error"
    assert not check(log, yaml.safe_dump([1])).ok


def test_a_path_out_of_this_world(log: Any) -> None:
    assert not check(log, YAML.replace("events/*", '"events/\\0*"')).ok


def test_days_that_are_a_small_part_of_the_usual_are_named(log: Any) -> None:
    for day in range(1, 11):
        few = day == 9
        log.write(
            f"events/{day}.csv",
            [event(uid=f"u{n}", ts=f"2024-03-{day:02d}T12:00:00") for n in range(5 if few else 120)],
        )
    log.write("items.csv", [{"vid": "v1", "caption": "a cat"}])
    result = check(log, YAML + "quality:\n  min_share_of_usual: 0.1\n")
    assert said(result, "warning", 21, "1 day with less than 10% of the rows of the week before", "2024-03-09")


# --- times ---


def spread(**given: Any) -> list[dict[str, Any]]:
    """A log of 300 rows on three days."""
    return [event(uid=f"u{n}", ts=f"2024-03-0{5 + n % 3}T12:00:00", **given) for n in range(300)]


@pytest.mark.parametrize("name", ["a.csv", "2024-03-05.csv"])
def test_times_that_cannot_be_read_are_shown(log: Any, name: str) -> None:
    log.write(f"events/{name}", [event(ts="05.03.2024"), event(ts="midnight"), event(ts="20240305")])
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log)
    assert not result.ok
    assert said(
        result, "error", 9, "3 of 3 rows have a time that cannot be read", "column 'ts'", "'05.03.2024'", "'midnight'",
        "expected a timestamp, ISO text such as 2024-03-05T12:00:00Z, or epoch seconds, milliseconds, microseconds",
    )  # fmt: skip
    assert not any("min()" in f.text for f in result.findings)


def test_a_file_whose_rows_belong_to_no_day_is_told(log: Any) -> None:
    log.write("events/a.csv", spread())
    log.write("events/b.csv", [event(ts="soon")])
    result = check(log)
    assert said(result, "error", 4, "events/b.csv: found no row whose time can be read")


@pytest.mark.parametrize(
    ("zone", "ts", "words"),
    [
        (
            "UTC",
            "2024-03-05T12:00:00",
            ["300 times without zone or offset, read as UTC: the first is 2024-03-05 12:00 UTC;"],
        ),
        ("Asia/Taipei", "2024-03-05 20:30:00.5", ["2024-03-05 20:30 UTC, which is 2024-03-06 04:30 in Asia/Taipei"]),
        ("Asia/Taipei", "20240305T120000", ["300 times without zone or offset"]),
        ("Asia/Taipei", "2024-03-05T12:00:00Z", []),
        ("Asia/Taipei", "2024-03-05 12:00:00+08", []),
        ("Asia/Taipei", "2024-03-05", []),
        ("Asia/Taipei", "1709640000", []),
    ],
)
def test_how_times_without_an_offset_are_read_is_said(log: Any, zone: str, ts: str, words: list[str]) -> None:
    log.write("events/a.csv", [{**row, "ts": ts} for row in spread()])
    result = check(log, YAML.replace("timezone: UTC", f"timezone: {zone}"))
    told = [f.text for f in result.findings if "without zone or offset" in f.text]
    assert len(told) == len(words)
    assert all(word in told[0] for word in words)
    assert all(f.line == 9 and f.level == "ok" for f in result.findings if f.text in told)


def test_a_timestamp_column_without_a_zone_is_said_too(log: Any) -> None:
    log.write("events/a.parquet", [{**row, "ts": datetime(2024, 3, 5, 12)} for row in spread()])
    assert said(check(log), "ok", 9, "300 times without zone or offset")
    log.write("events/a.parquet", [{**row, "ts": datetime(2024, 3, 5, 12, tzinfo=UTC)} for row in spread()])
    assert not said(check(log), "ok", 9, "offset")


# --- rows that do not belong to the log ---


def test_a_stray_old_time_asks_for_a_first_day(log: Any) -> None:
    log.write("events/a.csv", [*spread(), event(ts="1971-01-01T00:00:00"), event(ts="2023-12-01T00:00:00")])
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log)
    assert said(
        result, "error", None, "first_day: missing, and 2 of 302 rows lie before a gap of 95 days",
        "the 19,425 days from 1971-01-01 on; expected first_day: 2024-03-05, or first_day: 1971-01-01",
    )  # fmt: skip
    assert said(result, "ok", 2, "days 2024-03-05 to 2024-03-07: 300 rows")
    for day in ("2024-03-05", "1971-01-01"):
        assert check(log, YAML + f"first_day: {day}\n").ok


def test_a_gap_in_a_log_is_no_stray_time(log: Any) -> None:
    log.write("events/a.csv", [*spread(), *(event(uid=f"u{n}", ts="2024-01-01T00:00:00") for n in range(4))])
    assert not any("first_day" in f.text for f in check(log).findings), "one row of a hundred is no accident"
    log.write("events/a.csv", [*spread(), event(ts="2024-02-04T00:00:00")])
    assert not any("first_day" in f.text for f in check(log).findings), "30 days are no gap"


def test_a_stray_time_to_come_is_a_warning(log: Any) -> None:
    log.write("events/a.csv", [*spread(), event(ts="2100-01-01T00:00:00")])
    result = check(log)
    assert said(
        result, "warning", None, "1 of 301 rows lie after a gap of 27,693 days", "or never with last_day: 2024-03-07"
    )
    assert not any("without a row" in f.text for f in result.findings)


WITH_IDS = YAML.replace("    watch_ms: play_ms\n", "    watch_ms: play_ms\n    event_id: id\n")


def test_ids_of_rows_that_differ_are_told_with_how(log: Any) -> None:
    log.write(
        "events/a.csv", [event(id="e1"), event(id="e1"), event(id="e2"), event(id="e3", ts="2024-03-06T12:00:00")]
    )
    log.write("events/b.csv", [event(id="e1", vid="v2", batch="7"), event(id="e2", batch="7"), event(id="e3")])
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log, WITH_IDS)
    assert said(result, "error", 11, "1 id in rows of a day that differ; such a day is refused: 2024-03-05")
    (example,) = next(f.details for f in result.findings if "that differ" in f.text)
    assert example == "'e1' on 2024-03-05 in events/a.csv and events/b.csv: item_id is 'v1' and 'v2'"
    source = load_source(log.folder / "source.yaml")
    read = read_events(source, build_index(source, None), date(2024, 3, 5))
    assert read.frame["event_id"].to_list() == ["e1", "e1", "e2", "e3"], "the audit would refuse the day"
    log.write("events/b.csv", [event(id="e1", play_ms="5.0")])
    (example,) = next(f.details for f in check(log, WITH_IDS).findings if "that differ" in f.text)
    assert example.endswith("the values are the same but written differently")


def test_of_many_ids_a_sample_is_compared(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.sources.check._IDS_COMPARED", 100)
    log.write("events/a.csv", [{**row, "id": f"e{n}"} for n, row in enumerate(spread())])
    log.write("events/b.csv", [{**row, "id": f"e{n}", "vid": "other"} for n, row in enumerate(spread())])
    (found,) = (f.text for f in check(log, WITH_IDS).findings if "that differ" in f.text)
    assert 0 < int(found.split(" ids in")[0].split()[-1]) < 120


# --- files ---


@pytest.mark.parametrize(
    ("suffix", "more"), [("csv", "and the last value may be cut off"), ("jsonl", "rows are missing")]
)
def test_a_last_line_without_an_end_is_a_warning(log: Any, suffix: str, more: str) -> None:
    path = log.write(f"events/a.{suffix}", spread())
    path.write_bytes(path.read_bytes()[:-1])
    log.write_text("items.csv", "vid,caption\nv1,x")
    result = check(log)
    assert result.ok
    assert said(result, "warning", 4, f"events/a.{suffix}: the last line has no line end; if its export", more)
    assert said(result, "warning", 16, "items.csv: the last line has no line end")


def test_refused_items_are_told_with_a_sample(log: Any) -> None:
    log.write("events/a.csv", spread())
    log.write("items.csv", [{"vid": "v1", "caption": "x"}, {"vid": "NULL", "caption": "y"}])
    result = check(log)
    assert said(result, "warning", 16, "items: 1 row would be quarantined")
    (details,) = (f.details for f in result.findings if f.text.startswith("items: 1 row"))
    assert details == (
        '1 row: item_id is a word for a missing value, such as NULL, as in {"caption":"y","vid":"NULL"}',
    )


def test_broken_lines_of_one_file_are_not_counted_for_the_next(log: Any) -> None:
    log.write_text("events/a.csv", "uid,vid,action,ts,play_ms\nu,v1,play,2024-03-05T12:00:00,5\nu\n")
    log.write("events/b.csv", spread())
    result = check(log)
    assert [(r.reason, r.rows) for r in result.refused] == [("the line cannot be parsed", 1)]
