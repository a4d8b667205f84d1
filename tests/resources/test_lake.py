"""The lake: atomic publication, locks that die with their holder, views that open at any moment."""

import json
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import MissingDayError
from coterie.sources.items import with_hashes
from coterie.tables import COMMUNITIES, INTEREST_GRAPH, QUARANTINE, RAW_ITEMS, TABLES, USER_GRAPH, Table
from resources.dbt import _rows
from resources.lake import Lake, own_folder
from resources.persons import named_in

DAY = date(2024, 5, 1)


def ties(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=USER_GRAPH.schema, orient="row")


def publish(lake: Lake, frame: pl.DataFrame, day: date = DAY, notes: dict[str, str] | None = None) -> Path:
    with lake.stage(USER_GRAPH, day, frame, notes) as staged:
        return lake.publish(staged)


def files(home: Path) -> list[str]:
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())


def test_a_published_day_is_read_back_with_its_notes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    publish(lake, ties(("b", "c", 1.0), ("a", "b", 0.5)), notes={"source_digest": "abc"})
    assert lake.read("user_graph", DAY).rows() == [("a", "b", 0.5), ("b", "c", 1.0)]
    assert lake.note("user_graph", DAY, "source_digest") == "abc"
    assert lake.days("user_graph") == [DAY]


def test_a_missing_day_says_what_to_materialize(tmp_path: Path) -> None:
    with pytest.raises(MissingDayError, match="Materialize user_graph for 2024-05-01 first"):
        Lake(tmp_path).read("user_graph", DAY)


def test_nothing_of_a_candidate_remains_that_is_not_published(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    publish(lake, ties(("a", "b", 0.5)))
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(RuntimeError), lake.stage(USER_GRAPH, DAY, ties(("x", "y", 1.0))):
        raise RuntimeError
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@given(st.permutations(range(40)))
def test_the_order_of_rows_does_not_show_in_the_bytes(order: list[int]) -> None:
    frame = pl.DataFrame(
        {"source": [f"u{i % 7}" for i in range(40)], "target": [f"v{i}" for i in range(40)], "weight": [0.5] * 40}
    )
    expected = USER_GRAPH.conform(frame)
    assert USER_GRAPH.conform(frame[order]).equals(expected)


def _hold_and_die(folder: Path) -> None:
    with own_folder(folder):
        (folder / "half-written").write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_holder_leaves_neither_lock_nor_rest(tmp_path: Path) -> None:
    folder = tmp_path / "stage" / "t" / "day=2024-05-01"
    process = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(folder,))
    process.start()
    process.join()
    assert (folder / "half-written").exists()
    with own_folder(folder):
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def _write_slowly(folder: Path, log: Path) -> None:
    with own_folder(folder):
        with log.open("a") as out:
            out.write("in\n")
        time.sleep(0.05)
        with log.open("a") as out:
            out.write("out\n")


def test_two_processes_take_turns_on_one_partition(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=_write_slowly, args=(tmp_path / "stage/t/d", log)) for _ in range(6)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [p.exitcode for p in running] == [0] * 6
    assert log.read_text().split() == ["in", "out"] * 6


def test_every_table_can_be_queried_by_name_before_and_after_it_has_days(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.refresh_views()
    with duckdb.connect(str(tmp_path / "coterie.duckdb")) as connection:
        for name, table in TABLES.items():
            described = connection.sql(f"describe {name}").fetchall()
            assert [row[0] for row in described] == ["day", *table.schema]
    publish(lake, ties(("a", "b", 0.5)))
    publish(lake, ties(("a", "b", 0.25)), day=date(2024, 5, 2))
    with duckdb.connect(str(tmp_path / "coterie.duckdb")) as connection:
        rows = connection.sql("select day, weight from user_graph order by day").fetchall()
    assert rows == [(DAY, 0.5), (date(2024, 5, 2), 0.25)]


def test_an_analyst_with_the_file_open_stops_nobody(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    publish(lake, ties(("a", "b", 0.5)))
    with duckdb.connect(str(tmp_path / "coterie.duckdb")) as analyst:  # read-write: DuckDB locks the file
        with lake.stage(COMMUNITIES, DAY, COMMUNITIES.empty()) as staged:
            lake.publish(staged)  # the first day of a table makes the views file anew
        assert analyst.sql("select count(*) from user_graph").fetchall() == [(1,)]


def test_forgetting_takes_a_user_out_of_private_tables_and_nobody_else(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    publish(lake, ties(("u1", "u2", 0.5), ("u10", "u2", 1.0)), notes={"source_digest": "abc"})
    rejects = pl.DataFrame(
        [
            ("raw_events", "x", '{"uid": "u1"}', 1),
            ("raw_events", "x", '{"uid": "u10"}', 1),
        ],
        schema=QUARANTINE.schema,
        orient="row",
    )
    with lake.stage(QUARANTINE, DAY, rejects) as staged:
        lake.publish(staged)
    interests = pl.DataFrame([dict.fromkeys(INTEREST_GRAPH.schema) | {"source": "u1", "target": "u2"}])
    with lake.stage(INTEREST_GRAPH, DAY, interests) as staged:
        lake.publish(staged)
    assert lake.forget(["u1"]) == {"quarantine": 1, "user_graph": 1}
    assert lake.read("interest_graph", DAY).height == 1, "an interest of that name is no person"
    assert lake.read("user_graph", DAY)["source"].to_list() == ["u10"]
    assert lake.read("quarantine", DAY)["payload"].to_list() == ['{"uid": "u10"}']
    assert lake.note("user_graph", DAY, "source_digest") == "abc"


def put(lake: Lake, table: Table, rows: list[dict[str, object]], day: date = DAY) -> None:
    frame = pl.DataFrame([dict.fromkeys(table.schema) | row for row in rows], schema=table.schema)
    with lake.stage(table, day, frame) as staged:
        lake.publish(staged)


def rejected(*payloads: object) -> list[dict[str, object]]:
    return [
        {"table_name": "raw_events", "reason": "x", "payload": json.dumps(p, ensure_ascii=False), "copies": 1}
        for p in payloads
    ]


@pytest.mark.parametrize(
    ("user", "gone", "kept"),
    [
        ("101", {"uid": 101, "vid": 7}, {"uid": 1010, "vid": 7}),
        ("101", {"uid": "101"}, {"uid": "1 101"}),
        ("101", {"uid": 101.0}, {"uid": 101.5}),
        ("u1", {"who": {"ids": ["u9", "u1"]}}, {"who": {"u1": "u9"}}),
        ("u1", {"line": 'u1,v3,"like'}, {"line": 'u10,v3,"like'}),
        ("101", {"line": '{"uid": 101, "vid": '}, {"line": '{"uid": 1015, "vid": '}),
        ("usér", {"line": '{"uid": "us\\u00e9r", '}, {"line": '{"uid": "user", '}),
        ("a.b", {"line": "x;a.b;y"}, {"line": "x;acb;y"}),
        ("true", {"uid": "true"}, {"uid": True}),
    ],
)
def test_forgetting_finds_a_user_in_rejected_rows(tmp_path: Path, user: str, gone: object, kept: object) -> None:
    lake = Lake(tmp_path)
    put(lake, QUARANTINE, rejected(gone, kept))
    assert lake.forget([user]) == {"quarantine": 1}
    assert [json.loads(p) for p in lake.read("quarantine", DAY)["payload"]] == [kept]


def test_forgetting_nobody_forgets_nobody(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, QUARANTINE, rejected({"line": "a,b"}, {"uid": ""}))
    assert lake.forget([]) == lake.forget(["", " "]) == {}
    assert lake.read("quarantine", DAY).height == 2


def test_forgotten_users_are_not_named_as_makers_of_items(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    items = [{"item_id": i, "creator_id": c, "text": "Soup", "language": "en"} for i, c in (("a", "u1"), ("b", "u2"))]
    put(lake, RAW_ITEMS, with_hashes(pl.DataFrame(items, schema=RAW_ITEMS.schema)).to_dicts())
    before = lake.read("raw_items", DAY)
    assert lake.forget(["u1"]) == {"raw_items.creator_id": 1}
    after = lake.read("raw_items", DAY)
    assert after["creator_id"].to_list() == [None, "u2"]
    assert after.drop("creator_id", "content_hash").equals(before.drop("creator_id", "content_hash"))
    assert after["content_hash"][0] != before["content_hash"][0], "the hash is made of the maker's id as well"
    assert after["content_hash"][1] == before["content_hash"][1]
    assert lake.forget(["u1"]) == {}


def test_what_is_published_while_a_user_is_forgotten_stays(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    publish(lake, ties(("u1", "u2", 0.5), ("u3", "u4", 0.5)))
    newer = ties(("u1", "u2", 0.5), ("u3", "u4", 0.5), ("u5", "u6", 0.5))
    with ThreadPoolExecutor(1) as pool:
        with lake.stage(USER_GRAPH, DAY, newer) as staged:
            forgetting = pool.submit(lake.forget, ["u1"])
            time.sleep(0.3)  # it has come to the partition, and waits for its lock
            lake.publish(staged)
        assert forgetting.result() == {"user_graph": 1}
    assert lake.read("user_graph", DAY)["source"].to_list() == ["u3", "u5"]


def test_days_from_before_a_column_was_added_stay_readable(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    folder = tmp_path / "lake" / "user_graph" / "day=2024-05-01"
    folder.mkdir(parents=True)
    pl.DataFrame({"source": ["a"], "target": ["b"]}).write_parquet(folder / "part-0.parquet")
    lake.refresh_views()
    with duckdb.connect(str(tmp_path / "coterie.duckdb"), read_only=True) as connection:
        assert connection.sql("select source, weight from user_graph").fetchall() == [("a", None)]


def test_a_day_from_before_a_column_was_added_shows_it_as_null(tmp_path: Path) -> None:
    lake, table, day = Lake(tmp_path / "home"), TABLES["strategy_scorecard"], date(2024, 5, 1)
    row = {"strategy_id": "s", "issued_on": day, "horizon_days": 7, "predicted": 0.1, "verdict": "not_scorable"}
    frame = pl.DataFrame([{c: row.get(c) for c in table.schema}], schema=table.schema)
    for on in (day, day + timedelta(days=1)):
        with lake.stage(table, on, frame) as staged:
            lake.publish(staged)
    path = lake.partition(table.name, day)
    pl.read_parquet(path, hive_partitioning=False).drop("shipped_on").write_parquet(path)
    assert lake.read(table.name, day).equals(frame)
    assert lake.read_days(table.name, day, day + timedelta(days=1)).drop("day").equals(pl.concat([frame, frame]))
    assert named_in(TABLES["strategies"], TABLES["strategies"].empty().drop("creator_id"), frozenset({"u"})).is_empty()
    # Also where every day is from before.
    found = duckdb.sql(_rows(table.name, [path])).pl()
    assert found.columns == ["day", *table.schema]
    assert found["shipped_on"].to_list() == [None]
