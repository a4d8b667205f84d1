"""check-source: everything that is wrong, in words, with the line; and what would be read."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from coterie.sources import SourceCheck, check_source
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
    assert result.event_types == {"play": 4, "like": 3, "show": 3}
    assert result.refused == []
    assert (result.sample.height, result.sample.schema) == (5, RAW_EVENTS.empty().schema)
    assert (result.items_found, result.text_share, result.languages) == (0.5, 0.5, {"und": 1, "zh": 1})


def test_what_would_be_refused_is_counted_with_a_sample(log: Any) -> None:
    rows = [event(uid=f"u{i}") for i in range(7)] + [event(action="plya"), event(uid=""), event(play_ms="-1")]
    log.write("events/2024-03-05.csv", rows)
    log.write_text("events/2024-03-05.jsonl", '{"uid\n')
    log.write("items.csv", [{"vid": "v1", "caption": "x"}])
    result = check(log)
    assert not result.ok
    assert said(result, "error", 1, "4 of 11 rows (36.36%) would be quarantined; at most 5%")
    assert {(r.reason, r.rows) for r in result.refused} == {
        ("event_type plya is not in the source description", 1),
        ("user_id is missing or blank", 1),
        ("watch_ms is negative", 1),
        ("the line cannot be parsed", 1),
    }
    assert all(r.share == pytest.approx(1 / 11) and r.sample.startswith("{") for r in result.refused)
    assert said(result, "warning", 11, "1 rows have the event type 'plya'", "did you mean")
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
    assert said(check(log), "error", 18, "1 items have rows that differ", "'v1'")


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
    assert said(result, "ok", 20, "1 rows lie before 2024-03-05")
    assert any(
        "2 days have fewer than 1 rows and would fail: 2024-03-06, 2024-03-07" in f.text for f in result.findings
    )
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
    assert said(result, "warning", 21, "1 days have less than 10% of the rows of the week before", "2024-03-09")
