"""The description: a good one loads as written; a bad one is told in full, by line."""

import json
from pathlib import Path

import pytest

from coterie.errors import SourceError
from coterie.sources import load_source
from coterie.sources.description import did_you_mean

GOOD = """\
name: shop
timezone: Asia/Taipei
first_day: 2018-11-26
last_day: "2018-12-30"
events:
  path: events/*.parquet
  columns: {user_id: uid, item_id: 1, event_type: on, occurred_at: ts, watch_ms: play_ms}
  event_types:
    impression: {kind: exposure}
    on: {kind: watch}
    like: {kind: positive, weight: 3}
    share: {kind: positive}
    unlike: {kind: undo, of: like}
items:
  path: items.csv
  columns: {item_id: vid, text: [title, body]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_description_loads_as_written(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, GOOD))
    assert source.root == tmp_path
    assert (str(source.first_day), str(source.last_day)) == ("2018-11-26", "2018-12-30")
    assert source.exposures_logged
    # YAML would read these two as an integer and as true.
    assert (source.events.columns.item_id, source.events.columns.event_type) == ("1", "on")
    assert list(source.events.event_types) == ["impression", "on", "like", "share", "unlike"]
    types = source.events.event_types
    assert (types["like"].weight, types["share"].weight, types["on"].weight) == (3.0, 1.0, None)
    assert types["unlike"].of == "like"
    assert source.items is not None
    assert source.items.columns.text == ("title", "body")
    assert (source.quality.max_quarantined_share, source.quality.min_events) == (0.05, 1)


def test_it_cannot_be_changed(tmp_path: Path) -> None:
    source = load_source(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        source.name = "other"


def test_one_text_column_is_a_list_of_one_and_no_exposure_shows(tmp_path: Path) -> None:
    text = GOOD.replace("[title, body]", "title").replace("kind: exposure", "kind: watch")
    source = load_source(write(tmp_path, text))
    assert source.items is not None
    assert source.items.columns.text == ("title",)
    assert not source.exposures_logged


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    bad = """\
nam: shop
timezone: Asia/Tapei
first_day: 2018-12-30
last_day: 2018-11-26
events:
  path: ""
  columns:
    usr_id: uid
    item_id: vid
    event_type: action
    occurred_at: ts
  event_types:
    impression: {kind: exposur}
    like: {kind: positive, weight: -1}
    seen: {kind: exposure, weight: 2}
    unlike: {kind: undo, of: lik}
    revert: {kind: undo}
items:
  columns: {item_id: vid, hastags: tags}
quality: {max_quarantined_share: 5}
taxonomy: nowhere.yaml
"""
    with pytest.raises(SourceError) as error:
        load_source(write(tmp_path, bad))
    lines = str(error.value).splitlines()
    assert lines[0].startswith("shop.yaml: ")
    expected = [
        (1, "nam: no such key", "'name'"),
        (1, "name: missing", "a short name"),
        (2, "'Asia/Tapei'", "'Asia/Taipei'"),
        (4, "last_day: found 2018-11-26", "before first_day 2018-12-30"),
        (6, "events.path: found nothing", "a path or glob"),
        (8, "usr_id: no such key", "did you mean 'user_id'"),
        (7, "user_id: missing", "a column name"),
        (13, "kind: found 'exposur'", "did you mean 'exposure'"),
        (14, "weight: found -1", "a number above 0"),
        (15, "kind exposure has no weight", ""),
        (16, "of: found 'lik'", "did you mean 'like'"),
        (17, "kind undo needs 'of'", ""),
        (18, "items.path: missing", "a path or glob"),
        (19, "hastags: no such key", "did you mean 'hashtags'"),
        (20, "max_quarantined_share: found 5", "a share from 0 to 1"),
        (21, "taxonomy: found 'nowhere.yaml'", "a file that exists"),
    ]
    for line, found, may_be in expected:
        assert [x for x in lines if x.startswith(f"  line {line}:") and found in x and may_be in x], (
            line,
            found,
            lines,
        )
    assert len(lines) - 1 == len(expected)


def test_a_missing_taxonomy_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 17: taxonomy: found 'nowhere.yaml'; expected a file that exists"):
        load_source(write(tmp_path, GOOD + "taxonomy: nowhere.yaml\n"))
    (tmp_path / "mine.yaml").write_text("")
    assert load_source(write(tmp_path, GOOD + "taxonomy: mine.yaml\n")).taxonomy == tmp_path / "mine.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [1\n", r"line 2: not valid YAML"),
        ("", r"line 1: found no keys"),
        ("- a\n", r"line 1: found no keys"),
        (GOOD + "name: again\n", r"line 17: name: stands twice"),
        (GOOD + "root: /\n", r"line 17: root: no such key"),
        (GOOD.replace("2018-11-26", "2018-02-30"), r"line 3: first_day: found '2018-02-30'; expected a date"),
        (GOOD.replace("{kind: watch}", "watch"), r"line 10: events.event_types.on: found 'watch'; expected a mapping"),
    ],
)
def test_what_else_can_be_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        load_source(write(tmp_path, text))


@pytest.mark.parametrize("name", ["a/b", "../../x", "a\\b", "..", " a", "a\tb", "[b]", "x" * 51, ""])
def test_a_name_that_cannot_be_part_of_a_path_is_told(tmp_path: Path, name: str) -> None:
    text = GOOD.replace("name: shop", f"name: {json.dumps(name)}")
    with pytest.raises(
        SourceError, match=r"line 1: name: found .*; expected a short name: letters, digits, spaces and"
    ):
        load_source(write(tmp_path, text))


@pytest.mark.parametrize("name", ["my_platform", "v2.1-beta", "短影音 2", "हिन्दी", "Überblick", "x" * 50])
def test_a_name_may_be_of_any_script(tmp_path: Path, name: str) -> None:
    assert load_source(write(tmp_path, GOOD.replace("name: shop", f"name: {name}"))).name == name


def test_a_path_that_no_system_knows_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 6: events.path: found 'events/.x00'; expected a path or glob"):
        load_source(write(tmp_path, GOOD.replace("events/*.parquet", '"events/\\0"')))


def test_only_exposures_is_nothing_to_learn_from(tmp_path: Path) -> None:
    head = GOOD.split("    on:", maxsplit=1)[0]
    with pytest.raises(SourceError, match=r"line 8: events.event_types: found only exposures; expected a watch"):
        load_source(write(tmp_path, head))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none.yaml: 1 problem.*\n.*cannot be read"):
        load_source(tmp_path / "none.yaml")


def test_shipped_description_loads() -> None:
    source = load_source(Path(__file__).parents[2] / "sources" / "cofacts.yaml")
    assert source.timezone == "Asia/Taipei"
    assert not source.exposures_logged


def test_did_you_mean() -> None:
    assert did_you_mean("Usr_Id", ["user_id", "item_id"]) == "; did you mean 'user_id'?"
    assert did_you_mean("zzz", ["user_id"]) == ""
