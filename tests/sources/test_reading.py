"""Reading a day: rules of a row, forms of a time, repeats, pseudonyms; order and files never show."""

import hmac
import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from coterie.errors import SourceError
from coterie.sources import DayRead, Room, Source, build_index, open_day, pseudonym, read_events
from coterie.sources.reading import UNPARSED
from coterie.tables import QUARANTINE, RAW_EVENTS

DAY = date(2024, 3, 5)
NOON = datetime(2024, 3, 5, 12)
OPTIONAL = {"watch_ms": "play_ms", "position": "pos", "propensity": "p", "is_random": "rnd"}


def event(**changed: Any) -> dict[str, Any]:
    return {"uid": "u1", "vid": "v1", "action": "play", "ts": NOON.isoformat() + "Z", **changed}


def read(source: Source, day: date = DAY, **how: Any) -> DayRead:
    return read_events(source, build_index(source, None), day, **how)


def same(a: DayRead, b: DayRead) -> None:
    assert_frame_equal(a.frame, b.frame)
    assert_frame_equal(a.rejects, b.rejects)
    assert (a.read, a.repeated, a.digest) == (b.read, b.repeated, b.digest)


# --- the whole of a day ---


def test_a_day_in_full(log: Any) -> None:
    rows = [
        event(play_ms=1500, pos=0, p=0.25, rnd=True),
        event(action="like", uid="u2", play_ms=None, pos=None, p=None, rnd=None),
        event(action="unlike", uid="u2", play_ms=None, pos=None, p=None, rnd=None),
        event(ts=(NOON - timedelta(days=1)).isoformat(), play_ms=1, pos=1, p=1.0, rnd=False),
    ]
    log.write("events/a.parquet", rows)
    result = read(log.source(columns=OPTIONAL))
    assert result.frame.schema == pl.Schema(RAW_EVENTS.schema)
    assert result.rejects.schema == pl.Schema(QUARANTINE.schema)
    assert (result.read, result.repeated, result.rejects.height) == (3, 0, 0)
    assert result.frame["event_id"].is_sorted()
    assert result.frame["event_id"].str.len_chars().to_list() == [32] * 3
    by_type = {r["event_type"]: r for r in result.frame.to_dicts()}
    play = by_type["play"]
    assert (play["kind"], play["weight"], play["undo_of"], play["occurred_at"]) == ("watch", None, None, NOON)
    assert (play["watch_ms"], play["position"], play["propensity"], play["is_random"]) == (1500, 0, 0.25, True)
    assert (by_type["like"]["kind"], by_type["like"]["weight"]) == ("positive", 3.0)
    assert (by_type["unlike"]["kind"], by_type["unlike"]["weight"], by_type["unlike"]["undo_of"]) == (
        "undo",
        None,
        "like",
    )


def test_a_day_without_files_or_rows_is_empty(log: Any) -> None:
    result = read(log.source())
    assert (result.frame.schema, result.rejects.schema) == (pl.Schema(RAW_EVENTS.schema), pl.Schema(QUARANTINE.schema))
    assert (result.frame.height, result.read) == (0, 0)
    log.write("events/a.jsonl", [])
    assert read(log.source()).read == 0


def test_repeats_collapse_wherever_the_parts_of_a_day_are_cut(log: Any, tmp_path: Path) -> None:
    rng = random.Random(3)
    once = [event(uid=f"u{n % 700}", vid=f"v{n}", play_ms=n) for n in range(9000)]
    log.write("events/a.parquet", rng.sample(once, len(once)) + rng.choices(once, k=2000))
    source = log.source(columns={"watch_ms": "play_ms"})
    room = Room(tmp_path / "room", 64_000_000)
    with open_day(source, build_index(source, None), DAY, room=room) as opened:
        parts = list(opened.parts(2048))
        assert (opened.read, opened.events, opened.repeated, opened.users) == (11_000, 9000, 2000, 700)
        assert opened.item_ids.to_list() == sorted(f"v{n}" for n in range(9000))
    assert len(parts) > 3
    frame = pl.concat(parts)
    assert frame.height == 9000
    assert frame["event_id"].is_unique().all()
    assert_frame_equal(frame, RAW_EVENTS.conform(frame))
    assert_frame_equal(frame, read(source).frame)


# --- row order, files, formats ---

values = st.fixed_dictionaries(
    {
        "uid": st.sampled_from(["u1", "u2", "", None, "用戶"]),
        "vid": st.sampled_from(["v1", "v2", " "]),
        "action": st.sampled_from(["show", "play", "like", "pley"]),
        "ts": st.sampled_from(["2024-03-05T00:00:00", "2024-03-05T23:59:59Z", "2024-03-06T00:00:00Z", "soon", None]),
        "play_ms": st.sampled_from(["0", "1.5", "-1", "many", None]),
        "note": st.sampled_from(["a", 'q"uote', None]),
    }
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(["parquet", "jsonl"]),
    rows=st.lists(values, min_size=1, max_size=12),
    seed=st.integers(0, 99),
    parts=st.integers(1, 3),
)
def test_row_order_and_files_do_not_show(
    make_log: Callable[[], Any], suffix: str, rows: list[dict[str, Any]], seed: int, parts: int
) -> None:
    schema = dict.fromkeys(["uid", "vid", "action", "ts", "play_ms", "note"], pl.String)
    one, other = make_log(), make_log()
    # Undated rows count to the day in the file's name, so the name has one.
    one.write(f"events/2024-03-05.{suffix}", rows, schema)
    shuffled = random.Random(seed).sample(rows, len(rows))
    for i in range(parts):
        other.write(f"events/2024-03-05_{'abc'[i]}.{suffix}", shuffled[i::parts], schema)
    sources = [x.source(columns={"watch_ms": "play_ms"}) for x in (one, other)]
    first, second = (build_index(s, None) for s in sources)
    days = set(first.days() | second.days())
    assert first.days() == second.days()
    for day in days:
        results = [read_events(s, i, day) for s, i in zip(sources, (first, second), strict=True)]
        same(*results)
        assert results[0].digest == first.days()[day]
        assert results[0].read == results[0].frame.height + results[0].repeated + results[0].rejects["copies"].sum()
    assert sum(read_events(sources[0], first, d).read for d in days) == len(rows)


@pytest.mark.parametrize(
    "name", ["a.parquet", "a.csv", "a.jsonl", "a.csv.gz", "a.jsonl.gz", "a.csv.zst", "a.jsonl.zst"]
)
def test_every_format_gives_the_same_events(log: Any, name: str) -> None:
    rows = [
        event(uid=f"u{i}", action="like" if i % 2 else "play", play_ms=i * 100, text='a, "b"\nc' if i == 3 else "中文")
        for i in range(20)
    ]
    log.write(f"events/{name}", rows)
    result = read(log.source(columns={"watch_ms": "play_ms"}))
    assert (result.frame.height, result.rejects.height) == (20, 0)
    assert sorted(result.frame["watch_ms"]) == [i * 100 for i in range(20)]
    # Ids derived from the content are the same in every format.
    log.write("other/a.parquet", rows)
    other = read(log.source(path="other/*", columns={"watch_ms": "play_ms"}))
    assert_frame_equal(result.frame, other.frame)


# --- row rules ---


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"uid": None}, "user_id is missing or blank"),
        ({"uid": " \u3000"}, "user_id is missing or blank"),
        ({"vid": None}, "item_id is missing or blank"),
        ({"vid": "\t"}, "item_id is missing or blank"),
        ({"uid": "NULL"}, "user_id is a word for a missing value, such as NULL"),
        ({"vid": "nan"}, "item_id is a word for a missing value, such as NULL"),
        ({"action": None}, "event_type is missing"),
        ({"action": "lik'e"}, "event_type lik'e is not in the source description"),
        ({"play_ms": "long"}, "watch_ms is not a number"),
        ({"play_ms": "NaN"}, "watch_ms is not a number"),
        ({"play_ms": "1e30"}, "watch_ms is not a number that fits 64 bits"),
        ({"play_ms": "-1"}, "watch_ms is negative"),
        ({"pos": "first"}, "position is not a number"),
        ({"pos": "-3"}, "position is negative"),
        ({"p": "maybe"}, "propensity is not a number"),
        ({"p": "0"}, "propensity is not above 0 and at most 1"),
        ({"p": "1.01"}, "propensity is not above 0 and at most 1"),
        ({"rnd": "perhaps"}, "is_random is neither true nor false"),
    ],
)
def test_each_row_rule(log: Any, suffix: str, changed: dict[str, Any], reason: str) -> None:
    good = event(play_ms="1", pos="0", p="1", rnd="false")
    log.write(f"events/a.{suffix}", [good, {**good, **changed}, {**good, **changed}])
    result = read(log.source(columns=OPTIONAL))
    assert result.frame.height == 1
    rejected = result.rejects.to_dicts()
    assert [(r["table_name"], r["reason"], r["copies"]) for r in rejected] == [("raw_events", reason, 2)]
    payload = json.loads(rejected[0]["payload"])
    assert list(payload) == sorted(payload)
    want = {**good, **changed}
    assert payload == want or (suffix == "csv" and payload == {k: v or None for k, v in want.items()})


@pytest.mark.parametrize(
    ("ts", "reason"),
    [
        (None, "occurred_at is missing"),
        ("yesterday", "occurred_at cannot be read as a time from 1970 to 2200"),
        ("20240305", "occurred_at cannot be read as a time from 1970 to 2200"),
        ("0", "occurred_at cannot be read as a time from 1970 to 2200"),
        ("9999-12-31T00:00:00Z", "occurred_at cannot be read as a time from 1970 to 2200"),
    ],
)
def test_a_time_that_cannot_be_read(log: Any, ts: str | None, reason: str) -> None:
    log.write("events/a.csv", [event(), event(ts=ts), event(ts=(NOON - timedelta(days=1)).isoformat())])
    result = read(log.source())  # the rows of the two days are as many: the earlier day is the file's own
    assert result.rejects.height == 0
    result = read(log.source(), DAY - timedelta(days=1))
    assert result.rejects["reason"].to_list() == [reason]
    assert json.loads(result.rejects["payload"][0])["ts"] == ts


@pytest.mark.parametrize(
    ("name", "rows", "own"),
    [
        ("2024-03-07.csv", [event(), event(ts="?")], date(2024, 3, 7)),
        ("day=2024-03-07/part.csv", [event(), event(ts="?")], date(2024, 3, 7)),
        ("a.csv", [event(), event(vid="v2"), event(ts="2024-03-04 01:00:00"), event(ts="?")], DAY),
        ("a.csv", [event(ts="?")], date(2024, 3, 1)),
    ],
)
def test_undated_rows_belong_to_the_files_own_day(log: Any, name: str, rows: list[dict[str, Any]], own: date) -> None:
    log.write(f"events/{name}", rows)
    source = log.source(path="events/**/*.csv", first_day=date(2024, 3, 1))
    index = build_index(source, None)
    found = {d: read_events(source, index, d).rejects.height for d in index.days()}
    assert {d for d, n in found.items() if n} == {own}


# --- forms of a time ---

TAIPEI = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([NOON]),
        pl.Series([NOON]).cast(pl.Datetime("ns")),
        pl.Series([NOON]).cast(pl.Datetime("ms")),
        pl.Series([NOON.replace(tzinfo=UTC)]),
        pl.Series([NOON.replace(tzinfo=UTC)]).dt.convert_time_zone("Asia/Taipei"),
        pl.Series([int(NOON.replace(tzinfo=UTC).timestamp())]),
        pl.Series([int(NOON.replace(tzinfo=UTC).timestamp()) * 1000]),
        pl.Series([NOON.replace(tzinfo=UTC).timestamp()]),
        pl.Series([str(int(NOON.replace(tzinfo=UTC).timestamp()))]),
        pl.Series([str(int(NOON.replace(tzinfo=UTC).timestamp()) * 1000)]),
        pl.Series([int(NOON.replace(tzinfo=UTC).timestamp()) * 10**6]),
        pl.Series([int(NOON.replace(tzinfo=UTC).timestamp()) * 10**9]),
        pl.Series([str(int(NOON.replace(tzinfo=UTC).timestamp()) * 10**6)]),
        pl.Series([str(int(NOON.replace(tzinfo=UTC).timestamp()) * 10**9)]),
        pl.Series(["2024-03-05T12:00:00"]),
        pl.Series(["2024-03-05T12:00:00Z"]),
        pl.Series(["2024-03-05 20:00:00+08:00"]),
        pl.Series(["2024-03-05T20:00:00.000+0800"]),
        pl.Series([" 20240305T120000Z "]),
    ],
    ids=str,
)
def test_each_form_of_a_time(log: Any, column: pl.Series) -> None:
    frame = pl.DataFrame({"uid": ["u"], "vid": ["v"], "action": ["play"], "ts": column})
    log.write("events/a.parquet", frame)
    assert read(log.source()).frame["occurred_at"].to_list() == [NOON]


@pytest.mark.parametrize("column", [pl.Series([DAY]), pl.Series(["2024-03-05"])], ids=["date", "text"])
def test_a_date_alone_is_the_beginning_of_the_local_day(log: Any, column: pl.Series) -> None:
    log.write("events/a.parquet", pl.DataFrame({"uid": ["u"], "vid": ["v"], "action": ["play"], "ts": column}))
    result = read(log.source(timezone="America/New_York"))
    assert result.frame["occurred_at"].to_list() == [datetime(2024, 3, 5, 5)]


@pytest.mark.parametrize("unit", [None, "s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Taipei", date(2018, 11, 26), 24),
        ("America/New_York", date(2024, 3, 10), 23),
        ("America/New_York", date(2024, 11, 3), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
    ],
)
def test_days_end_where_local_days_end(log: Any, zone: str, day: date, hours: int, unit: Any) -> None:
    half_hours = pl.datetime_range(
        datetime(day.year, day.month, day.day) - timedelta(days=2),
        datetime(day.year, day.month, day.day) + timedelta(days=3),
        "30m",
        eager=True,
    )
    local = half_hours.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()
    ts = half_hours.dt.epoch(unit) if unit else half_hours
    frame = pl.DataFrame({"uid": "u", "vid": [f"v{i}" for i in range(len(ts))], "action": "play", "ts": ts})
    log.write("events/a.parquet", frame)
    source = log.source(timezone=zone)
    index = build_index(source, None)
    assert index.rows()[day] == hours * 2
    assert index.rows() == dict(local.value_counts().rows())
    result = read_events(source, index, day)
    assert result.frame["occurred_at"].sort().to_list() == half_hours.filter(local == day).to_list()
    assert result.digest == index.days()[day]


@pytest.mark.parametrize("as_text", [False, True])
def test_the_last_nanosecond_of_a_day_is_not_the_next_days(log: Any, as_text: bool) -> None:
    midnight = int(datetime(2024, 3, 6, tzinfo=UTC).timestamp()) * 10**9
    ts = [str(midnight - 1000), str(midnight)] if as_text else [midnight - 1, midnight]
    log.write("events/a.parquet", pl.DataFrame({"uid": ["u", "w"], "vid": "v", "action": "play", "ts": ts}))
    source = log.source()
    index = build_index(source, None)
    for day, user in ((DAY, "u"), (DAY + timedelta(days=1), "w")):
        result = read_events(source, index, day)
        assert (result.frame["user_id"].to_list(), result.digest) == ([user], index.days()[day])


# --- ids, repeats, late rows ---


@pytest.mark.parametrize(
    "word", ["NULL", "null", "None", "nan", "NaN", "\\N", "N/A", "undefined", " null ", "<NA>", "#N/A"]
)
def test_a_word_for_a_missing_id_is_no_id(log: Any, word: str) -> None:
    log.write("events/a.csv", [event(id=word), event(id="e2", uid=word), event(id="e3", vid=word)])
    log.write("events/b.csv", [event(id="e4", uid=f"{word}ie".strip())])
    result = read(log.source(columns={"event_id": "id"}))
    assert result.frame["user_id"].sort().to_list() == sorted(["u1", f"{word}ie".strip()])
    assert {len(i) for i in result.frame["event_id"]} == {32, 2}, "an event without an id gets one"
    assert {r.split()[0] for r in result.rejects["reason"]} == {"user_id", "item_id"}
    hidden = read(log.source(columns={"event_id": "id"}), pseudonym_key=b"key")
    assert hidden.rejects["reason"].to_list() == result.rejects["reason"].to_list()


@pytest.mark.parametrize("column", ["uid", "vid", "action", "id"])
@pytest.mark.parametrize("wrong", [{"x": 1}, ["x"]], ids=["object", "list"])
def test_an_object_among_texts_is_no_name(log: Any, column: str, wrong: Any) -> None:
    log.write("events/a.jsonl", [event(id="e1"), event(id="e2", **{column: wrong} if column != "id" else {})])
    if column == "id":
        log.write("events/a.jsonl", [event(id="e1"), event(id=wrong)])
    for key in (None, b"key"):
        result = read(log.source(columns={"event_id": "id"}), pseudonym_key=key)
        ours = {"uid": "user_id", "vid": "item_id", "action": "event_type", "id": "event_id"}[column]
        said = f"{ours} is an object or a list, where text or a number is expected"
        assert (result.frame.height, result.rejects["reason"].to_list()) == (1, [said])


@pytest.mark.parametrize("columns", [{}, {"event_id": "id"}])
def test_a_row_that_is_delivered_again_is_the_same_row(log: Any, columns: dict[str, str]) -> None:
    log.write("events/a.csv", [event(id="e1", ingested_at="10:00"), event(id="e1", ingested_at="11:00")])
    log.write("events/b.csv", [event(id="e1", batch="7")])
    result = read(log.source(columns=columns))
    assert (result.read, result.repeated, result.frame.height) == (3, 2, 1)


def test_exact_repeats_collapse_and_near_repeats_stay(log: Any) -> None:
    log.write("events/a.csv", [event(id="e1"), event(id="e1"), event(id="e2")])
    log.write("events/b.csv", [event(id="e1"), event(id="e1", vid="other")])
    result = read(log.source(columns={"event_id": "id"}))
    assert (result.read, result.repeated) == (5, 2)
    assert result.frame.select("event_id", "item_id").rows() == [("e1", "other"), ("e1", "v1"), ("e2", "v1")]


def test_a_missing_event_id_is_derived(log: Any) -> None:
    log.write("events/a.csv", [event(id="e1"), event(id=""), event(id=None, uid="u2")])
    ids = read(log.source(columns={"event_id": "id"})).frame["event_id"].to_list()
    assert "e1" in ids
    assert sorted(len(i) for i in ids) == [2, 32, 32]


def test_numbers_as_ids(log: Any) -> None:
    frame = pl.DataFrame({"uid": [7, 8], "vid": [12.0, float("nan")], "action": "play", "ts": NOON})
    log.write("events/a.parquet", frame)
    result = read(log.source())
    assert result.frame.select("user_id", "item_id").rows() == [("7", "12")]
    assert result.rejects["reason"].to_list() == ["item_id is missing or blank"]
    assert json.loads(result.rejects["payload"][0])["vid"] == "nan"


def test_a_late_row_is_found_in_the_later_file(log: Any) -> None:
    log.write("events/2024-03-05.parquet", [event()])
    log.write("events/2024-03-07.parquet", [event(ts="2024-03-07T08:00:00"), event(uid="late")])
    log.write("events/2024-03-08.parquet", [event(ts="2024-03-08T08:00:00")])
    source = log.source()
    index = build_index(source, None)
    assert sorted(read_events(source, index, DAY).frame["user_id"]) == ["late", "u1"]
    assert [e.path for e in index.entries_for(DAY)] == ["events/2024-03-05.parquet", "events/2024-03-07.parquet"]


def test_a_day_opens_only_its_own_files(log: Any) -> None:
    log.write("events/2024-03-05.parquet", [event()])
    other = log.write("events/2024-03-06.parquet", [event(ts="2024-03-06T08:00:00")])
    source = log.source()
    index = build_index(source, None)
    other.unlink()
    assert read_events(source, index, DAY).frame.height == 1
    with pytest.raises(SourceError, match=r"events/2024-03-06.parquet: the file cannot be read"):
        read_events(source, index, date(2024, 3, 6))


# --- pseudonyms and users to forget ---


def test_pseudonyms_reach_everything(log: Any) -> None:
    log.write("events/a.csv", [event(uid="alice"), event(uid="alice", vid=""), event(uid="bob"), event(uid="")])
    log.write_text("events/2024-03-05.jsonl", '{"uid": "alice", "broken\n')
    source = log.source()
    key = b"k" * 100  # longer than a block of the hash
    plain, hidden = read(source), read(source, pseudonym_key=key)
    alice, bob = pseudonym("alice", key), pseudonym("bob", key)
    assert alice == hmac.new(key, b"alice", "sha256").hexdigest()[:32]
    assert sorted(hidden.frame["user_id"]) == sorted([alice, bob])
    text = hidden.frame.write_csv() + hidden.rejects.write_csv()
    assert "alice" not in text
    assert "bob" not in text
    payloads = [json.loads(p) for p in hidden.rejects["payload"]]
    assert {p.get("uid") for p in payloads} == {alice, None}
    assert (hidden.read, hidden.digest) == (plain.read, plain.digest)
    assert set(hidden.frame["event_id"]).isdisjoint(plain.frame["event_id"])
    assert set(read(source, pseudonym_key=b"other").frame["user_id"]).isdisjoint([alice, bob])


@pytest.mark.parametrize("key", [None, b"key"])
def test_forgotten_users_leave_nothing(log: Any, key: bytes | None) -> None:
    log.write("events/2024-03-05.csv", [event(uid="alice"), event(uid="alice", vid=""), event(uid="bob")])
    log.write_text("events/2024-03-05.jsonl", '{"uid": "alice", "broken\n{"uid": "bob", "broken\n')
    source = log.source()
    who = pseudonym("alice", key) if key else "alice"
    before, after = read(source, pseudonym_key=key), read(source, pseudonym_key=key, forgotten=frozenset([who]))
    assert after.frame["user_id"].to_list() == [pseudonym("bob", key) if key else "bob"]
    text = after.rejects.write_csv()
    assert who not in text
    assert "alice" not in text
    assert (before.read, after.read) == (5, 3)
    assert after.digest == before.digest


# --- what cannot be parsed ---


def test_broken_lines_are_quarantined(log: Any) -> None:
    good = json.dumps(event())
    log.write_text("events/2024-03-05.jsonl", f'{good}\n{{"uid": \n\n[1]\n{json.dumps(event(uid="u2"))}\n{{"uid": \n')
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert (result.frame.height, result.read, result.digest) == (2, 5, index.days()[DAY])
    assert result.rejects.rows() == [
        ("raw_events", UNPARSED, '{"line": "[1]"}', 1),
        ("raw_events", UNPARSED, '{"line": "{\\"uid\\": "}', 2),
    ]


def test_broken_csv_lines_are_quarantined(log: Any) -> None:
    head = "uid,vid,action,ts\n"
    ok = "u1,v1,play,2024-03-05T12:00:00\n"
    log.write_text("events/2024-03-05.csv", head + ok + "u2,v2\n" + "u3,v3,play,2024-03-05T12:00:00,extra,more\n" + ok)
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert (result.frame.height, result.repeated, result.read) == (1, 1, 4)
    assert sorted(json.loads(p)["line"][:5] for p in result.rejects["payload"]) == ["u2,v2", "u3,v3"]
    assert set(result.rejects["reason"]) == {UNPARSED}
    assert result.digest == index.days()[DAY]


def test_a_quote_left_open_loses_no_row_silently(log: Any) -> None:
    rows = "".join(f"u{i},v1,play,2024-03-05T12:00:00\r\n" for i in range(5))
    log.write_text("events/2024-03-05.csv", "uid,vid,action,ts\r\n" + rows + 'u9,"v1,play,2024-03-05T12:00:00\r\n')
    result = read(log.source())
    assert (result.frame.height, result.rejects["reason"].to_list()) == (5, [UNPARSED])


def test_column_names_that_differ_by_case(log: Any) -> None:
    log.write_text("events/a.csv", "uid,vid,action,ts,UID\nu1,v1,play,2024-03-05T12:00:00,x\n")
    with pytest.raises(SourceError, match=r"expected column names, each once"):
        read(log.source())


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators(log: Any, delimiter: str) -> None:
    text = "uid,vid,action,ts\nu1,v1,play,2024-03-05T12:00:00\n".replace(",", delimiter)
    log.write_text("events/a.csv", "\ufeff" + text)
    assert read(log.source()).frame["user_id"].to_list() == ["u1"]


# --- whole files that do not fit ---


def test_a_missing_column_is_named(log: Any) -> None:
    log.write("events/a.parquet", [event(uid_="x") | {"ts": NOON}])
    source = log.source(columns={"watch_ms": "vids"})
    said = r"events/a.parquet: column 'vids' \(for watch_ms\) is not in the file; .*action, ts, uid, uid_, vid; .*'vid'"
    with pytest.raises(SourceError, match=said):
        read(source)


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
@pytest.mark.parametrize("wrong", [{"a": 1}, ["a"]], ids=["object", "list"])
def test_a_wrong_type_is_named(log: Any, suffix: str, wrong: Any) -> None:
    log.write(f"events/a.{suffix}", [event(uid=wrong)])
    with pytest.raises(
        SourceError, match=rf"events/a.{suffix}: column 'uid' \(for user_id\) is of type .*; expected text"
    ):
        read(log.source())


def test_a_wrong_type_for_the_time_is_an_unreadable_file(log: Any) -> None:
    log.write("events/a.parquet", [event(ts=True)])
    with pytest.raises(SourceError, match=r"column 'ts' \(for occurred_at\) is of type BOOLEAN; expected a timestamp"):
        read(log.source())


def test_jsonl_rows_may_lack_what_is_optional(log: Any) -> None:
    log.write("events/a.jsonl", [event()])
    assert read(log.source(columns=OPTIONAL)).frame["watch_ms"].to_list() == [None]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_many_rows(log: Any, suffix: str) -> None:
    n = 50_000
    frame = pl.DataFrame({"uid": [f"u{i % 997}" for i in range(n)], "vid": [f"v{i % 211}" for i in range(n)]})
    frame = frame.with_columns(action=pl.lit("play"), ts=pl.lit(NOON), n=pl.int_range(pl.len()))
    log.write(f"events/a.{suffix}", frame)
    result = read(log.source())
    assert (result.read, result.frame.height, result.repeated) == (n, n, 0)
