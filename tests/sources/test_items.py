"""Items: which are read, how their fields are made plain, and what is refused."""

import hashlib
import json
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coterie.errors import SourceError
from coterie.sources import ItemsRead, Source, pseudonym, read_items, rejected_items
from coterie.sources.items import _hash, with_hashes
from coterie.tables import QUARANTINE, RAW_ITEMS

DAY = date(2024, 3, 5)
FULL = {"item_id": "vid", "text": "caption", "creator_id": "author", "hashtags": "tags", "language": "lang",
        "duration_ms": "dur", "created_at": "posted"}  # fmt: skip


def item(**changed: Any) -> dict[str, Any]:
    given = {"vid": "v1", "caption": "the cat", "author": "a1", "tags": "#cat", "lang": "en", "dur": "1500",
             "posted": "2024-03-05T10:00:00Z"}  # fmt: skip
    return {**given, **changed}


def described(log: Any, path: str = "items.*", columns: dict[str, Any] | None = None, **more: Any) -> Source:
    return log.source(items={"path": path, "columns": columns or FULL}, **more)


def read(source: Source, *ids: str, on: date | None = None) -> ItemsRead:
    asked = {"item_ids": pl.Series(list(ids), dtype=pl.String), "created_on": on}
    found = read_items(source, **asked)
    assert rejected_items(source, **asked).equals(found.rejects)
    return found


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "csv.gz"])
def test_an_item_in_full(log: Any, suffix: str) -> None:
    log.write(f"items.{suffix}", [item(), item(vid="v2")])
    result = read(described(log), "v1")
    assert result.frame.schema == pl.Schema(RAW_ITEMS.schema)
    assert result.rejects.schema == pl.Schema(QUARANTINE.schema)
    (row,) = result.frame.to_dicts()
    content = row.pop("content_hash")
    assert row == {
        "item_id": "v1", "creator_id": "a1", "text": "the cat", "hashtags": '["cat"]', "language": "en",
        "duration_ms": 1500, "created_at": datetime(2024, 3, 5, 10), "text_hash": _hash(("the cat", '["cat"]')),
    }  # fmt: skip
    assert len(content) == 32
    assert row["text_hash"] == hashlib.sha256(b'["the cat", "[\\"cat\\"]"]').hexdigest()[:32]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_creators_are_named_like_users(log: Any, suffix: str) -> None:
    rows = [item(), item(vid="v2", author="a2"), item(vid="v3", author=None), item(vid="v4", author="a2", dur="-1")]
    log.write(f"items.{suffix}", [*rows, item(vid="v5", dur="-1")])
    ids = pl.Series(["v1", "v2", "v3", "v4", "v5"])
    plain = read_items(described(log), item_ids=ids, created_on=None)
    assert plain.frame["creator_id"].to_list() == ["a1", "a2", None]
    key = b"secret"
    keyed = read_items(described(log), item_ids=ids, created_on=None, pseudonym_key=key)
    assert keyed.frame["creator_id"].to_list() == [pseudonym("a1", key), pseudonym("a2", key), None]
    assert [json.loads(p)["author"] for p in keyed.rejects.sort("payload")["payload"]] == sorted(
        (pseudonym("a1", key), pseudonym("a2", key))
    )
    left = read_items(described(log), item_ids=ids, created_on=None, forgotten=frozenset(["a2"]))
    assert left.frame["creator_id"].to_list() == ["a1", None, None]
    assert [json.loads(p)["vid"] for p in left.rejects["payload"]] == ["v5"]
    assert left.frame.equals(with_hashes(left.frame))


def test_which_items_are_read(log: Any) -> None:
    rows = [item(vid=f"v{d}", posted=f"2024-03-0{d}T18:00:00Z") for d in range(3, 8)]
    log.write("items.csv", rows)
    source = described(log, timezone="Asia/Taipei")  # 18:00 UTC is the next day there
    assert read(source, "v6", "v6", on=None).frame["item_id"].to_list() == ["v6"]
    assert read(source, on=DAY).frame["item_id"].to_list() == ["v4"]
    assert read(source, "v7", "v4", on=DAY).frame["item_id"].to_list() == ["v4", "v7"]
    assert read(source).frame.height == 0


def test_items_without_a_row_come_out_without_text(log: Any) -> None:
    log.write("items.csv", [item()])
    for source, missing in ((described(log), ["v8", "v9"]), (log.source(), ["v1", "v8", "v9"])):
        result = read(source, "v9", "v1", "v8")
        assert result.frame["item_id"].to_list() == ["v1", "v8", "v9"]
        assert result.missing.to_list() == missing
        empty = result.frame.filter(pl.col("item_id").is_in(missing))
        assert empty["text"].null_count() == len(missing)
        assert set(empty["language"]) == {"und"}
        assert set(empty["text_hash"]) == {_hash(("", ""))}


def test_repeats_collapse_and_conflicts_stay(log: Any) -> None:
    log.write("items.a.csv", [item(), item(), item(vid="v2")])
    log.write("items.b.csv", [item(), item(vid="v2", caption="the dog")])
    frame = read(described(log), "v1", "v2").frame
    assert frame.select("item_id", "text").rows() == [("v1", "the cat"), ("v2", "the cat"), ("v2", "the dog")]
    assert frame["content_hash"].n_unique() == 3


@pytest.mark.parametrize("field", ["caption", "author", "tags", "lang", "dur", "posted"])
def test_a_change_shows_in_the_content_hash(log: Any, field: str) -> None:
    new = {"lang": "de", "dur": "9", "posted": "2024-03-06T00:00:00Z"}.get(field, "other")
    log.write("items.csv", [item(), item(**{field: new})])
    frame = read(described(log), "v1").frame
    assert frame["content_hash"].n_unique() == 2
    assert (frame["text_hash"].n_unique() == 2) == (field in ("caption", "tags"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"vid": ""}, "item_id is missing or blank"),
        ({"vid": "None"}, "item_id is a word for a missing value, such as NULL"),
        ({"dur": "long"}, "duration_ms is not a number"),
        ({"dur": "-1"}, "duration_ms is negative"),
    ],
)
def test_each_row_rule(log: Any, changed: dict[str, Any], reason: str) -> None:
    log.write("items.csv", [item(**changed), item(**changed), item(vid="v2")])
    result = read(described(log), "v1", "v2", on=DAY)
    assert result.frame["item_id"].to_list() == (["v1", "v2"] if "vid" in changed else ["v2"])
    assert [(r["table_name"], r["reason"], r["copies"]) for r in result.rejects.to_dicts()] == [
        ("raw_items", reason, 2)
    ]
    payload = json.loads(result.rejects["payload"][0])
    assert payload == {k: v or None for k, v in item(**changed).items()}


@pytest.mark.parametrize(("field", "ours"), [("vid", "item_id"), ("author", "creator_id"), ("lang", "language")])
def test_an_object_among_texts_is_no_name(log: Any, field: str, ours: str) -> None:
    log.write("items.jsonl", [item(vid="v2"), item(**{field: {"x": 1}})])
    for key in (None, b"key"):
        result = read_items(
            described(log), item_ids=pl.Series(["v1", "v2"]), created_on=DAY, pseudonym_key=key
        )  # fmt: skip
        assert result.frame.filter(pl.col("text").is_not_null())["item_id"].to_list() == ["v2"]
        said = f"{ours} is an object or a list, where text or a number is expected"
        assert result.rejects["reason"].to_list() == [said]


def test_what_belongs_to_no_day_belongs_to_the_first(log: Any) -> None:
    log.write_text("items.jsonl", json.dumps(item(vid=None, posted=None)) + '\n{"vid"\n')
    source = described(log, first_day=DAY)
    assert sorted(read(source, on=DAY).rejects["reason"]) == [
        "item_id is missing or blank",
        "the line cannot be parsed",
    ]
    assert read(source, on=date(2024, 3, 6)).rejects.height == 0
    assert read(source, "v1").rejects.height == 0


def test_title_and_body_become_one_text(log: Any) -> None:
    log.write(
        "items.csv", [{"vid": "v1", "t": "Title", "b": "Body"}, {"vid": "v2", "t": None, "b": "Body"}, {"vid": "v3"}]
    )
    source = described(log, columns={"item_id": "vid", "text": ["t", "b"]})
    assert read(source, "v1", "v2", "v3").frame["text"].to_list() == ["Title\nBody", "Body", None]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_list_of_tags(log: Any, suffix: str) -> None:
    log.write(f"items.{suffix}", [{"vid": "v1", "tags": ["a b", "#c"]}, {"vid": "v2", "tags": []}, {"vid": "v3"}])
    source = described(log, columns={"item_id": "vid", "hashtags": "tags"})
    assert read(source, "v1", "v2", "v3").frame["hashtags"].to_list() == ['["a b", "c"]', None, None]


def test_order_and_files_do_not_show(log: Any) -> None:
    rows = [item(vid=f"v{i % 7}", caption=f"the thing {i}", dur=str(i - 2)) for i in range(20)]
    log.write("items.csv", rows)
    log.write("parts/a.csv", rows[::-2])
    log.write("parts/b.csv", rows[0::2])
    ids = [f"v{i}" for i in range(9)]
    one, other = read(described(log), *ids), read(described(log, path="parts/*.csv"), *ids[::-1])
    assert_frame_equal(one.frame, other.frame)
    assert_frame_equal(one.rejects, other.rejects)


def test_a_missing_column_and_a_wrong_type_are_named(log: Any) -> None:
    log.write("items.parquet", [{"vid": "v1", "captions": "x", "dur": True}])
    with pytest.raises(
        SourceError, match=r"items.parquet: column 'caption' \(for text\) is not in the file.*'captions'"
    ):
        read(described(log, columns={"item_id": "vid", "text": "caption"}), "v1")
    with pytest.raises(SourceError, match=r"column 'dur' \(for duration_ms\) is of type BOOLEAN; expected a number"):
        read(described(log, columns={"item_id": "vid", "duration_ms": "dur"}), "v1")
