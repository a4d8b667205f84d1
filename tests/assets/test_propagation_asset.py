"""`propagated_labels` reads the days before, and who reads labels reads them together with those by text."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import propagation
from coterie.tables import ENGAGEMENT, ITEM_LABELS, RAW_ITEMS, Table
from resources.configurable import Log, Method, Storage
from resources.lake import Lake
from resources.warehouse import Warehouse

FIRST = date(2024, 5, 1)
SECOND = FIRST + timedelta(days=1)
DAYS = dg.DailyPartitionsDefinition(FIRST.isoformat(), end_date="2024-06-01")
INTERESTS = ("food.baking", "pets.cats")
ITEMS, USERS = 60, 80  # of each interest, the last ten without a label
LABELLED = 50


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "source.yaml").write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    home = tmp_path / "home"
    items = [f"{interest}-{n:02}" for interest in INTERESTS for n in range(ITEMS)]
    put(home, RAW_ITEMS, FIRST, [_item(item, "a") for item in items])
    put(home, RAW_ITEMS, SECOND, [])
    labelled = [
        {"item_id": item, "interest_id": item[:-3], "weight": 1.0, "confidence": 0.8, "labeller": "local",
         "model": "m", "taxonomy_version": "v"}
        for item in items if int(item[-2:]) < LABELLED
    ]  # fmt: skip
    put(home, ITEM_LABELS, FIRST, labelled)
    put(home, ITEM_LABELS, SECOND, [])
    # Everybody engages with a dozen items of one interest, and with two of the other.
    acts = [
        {"user_id": f"{interest}-user-{u:02}", "item_id": f"{other}-{(7 * u + k * (k + 3)) % ITEMS:02}",
         "exposures": 1, "exposure_logged": False, "strength": 1.0, "signals": "{}"}
        for interest in INTERESTS for u in range(USERS) for other in INTERESTS
        for k in range(12 if other == interest else 2)
    ]  # fmt: skip
    put(home, ENGAGEMENT, FIRST, pl.DataFrame(acts).unique(["user_id", "item_id"]).to_dicts())
    put(home, ENGAGEMENT, SECOND, [])
    return home


def _item(item: str, version: str) -> dict[str, object]:
    return {"item_id": item, "hashtags": "[]", "language": "en", "text_hash": item, "content_hash": version}


def put(home: Path, table: Table, day: date, rows: list[dict[str, object]]) -> None:
    lake = Lake(home)
    frame = pl.DataFrame([dict.fromkeys(table.schema) | row for row in rows], schema=table.schema)
    with lake.stage(table, day, frame) as staged:
        lake.publish(staged)


def materialize(home: Path, day: date) -> dg.ExecuteInProcessResult:
    storage = Storage(home=str(home))
    return dg.materialize(
        propagation.build(DAYS),
        partition_key=day.isoformat(),
        resources={
            "storage": storage,
            "log": Log(storage=storage, description=str(home.parent / "source.yaml"), pseudonym_key=""),
            "method": Method(first_day=FIRST.isoformat(), half_life_days=14, disclosure_size=20, graph_users=1000),
            "warehouse": Warehouse(),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def _number() -> pl.Expr:
    return pl.col("item_id").str.slice(-2).cast(pl.Int64)


def test_the_first_day_has_none_and_the_second_labels_silent_items_by_their_audience(home: Path) -> None:
    lake = Lake(home)
    first = materialize(home, FIRST)
    assert first.success
    assert lake.read("propagated_labels", FIRST).is_empty()
    second = materialize(home, SECOND)
    assert second.success
    frame = lake.read("propagated_labels", SECOND)
    silent = frame.filter(_number() >= LABELLED)
    assert silent["item_id"].n_unique() > 10
    main = silent.sort("item_id", -pl.col("confidence")).unique("item_id", keep="first")
    assert (main["interest_id"] == main["item_id"].str.slice(0, main["item_id"].str.len_chars() - 3)).mean() > 0.9
    assert (silent["by_text"] == 0).all()
    told = second.asset_materializations_for_node("propagated_labels")[0].metadata
    assert told["trust"].value > 0
    assert told["labels_made"].value == silent["item_id"].n_unique()


def test_labels_of_the_day_are_those_by_text_and_audience_unless_the_item_changed_since(home: Path) -> None:
    lake, warehouse = Lake(home), Warehouse()
    assert materialize(home, FIRST).success
    assert materialize(home, SECOND).success
    silent = lake.read("propagated_labels", SECOND).filter(_number() >= LABELLED)["item_id"].unique().sort()
    asked = pl.concat([silent, pl.Series("item_id", ["nobody-has-seen-it"])])
    assert warehouse.labels_of(lake, asked, last=SECOND).is_empty()
    found = warehouse.labels_of(lake, asked, last=SECOND, spread_on=SECOND)
    assert found["item_id"].unique().sort().to_list() == silent.to_list()
    third = SECOND + timedelta(days=1)
    put(home, RAW_ITEMS, third, [_item(silent[0], "b")])
    put(home, ITEM_LABELS, third, [])
    later = warehouse.labels_of(lake, asked, last=third, spread_on=SECOND)
    assert later["item_id"].unique().sort().to_list() == silent.to_list()[1:]


def test_a_day_whose_yesterday_is_missing_is_refused_in_words(home: Path) -> None:
    refused = materialize(home, SECOND)
    assert not refused.success
    said = str(refused.failure_data_for_node("propagated_labels"))
    assert "propagated_labels of 2024-05-01 is not in the lake" in said
