"""dbt's steps as assets: which days they read, and what they ask for."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import transforms
from coterie.tables import TABLES
from resources.configurable import Log, Method, Storage
from resources.dbt import Dbt
from resources.lake import Lake
from resources.settings import PROJECT

FIRST = date(2024, 5, 1)
DAYS = dg.DailyPartitionsDefinition("2024-05-01", end_date="2024-06-01")
OTHERS = ("communities", "community_lineage", "strategies", "experiment_plans", "strategy_scorecard")
STEADY, RISING = "food.baking", "sports.running"


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(PROJECT / "dbt_project", home=tmp_path_factory.mktemp("dbt_home"))


def put(lake: Lake, name: str, day: date, frame: pl.DataFrame) -> None:
    with lake.stage(TABLES[name], day, frame) as staged:
        lake.publish(staged)


def interests(**users: int) -> pl.DataFrame:
    schema = TABLES["interest_daily"].schema
    rows = [
        dict.fromkeys(schema)
        | {"interest_id": name, "users": n, "active_users": 400, "items": 5, "exposures": 90.0, "demand": 9.0}
        | {"supply": 1.0, "demand_share": 0.25, "supply_share": 0.5, "user_share": n / 400}
        for name, n in users.items()
    ]
    return pl.DataFrame(rows, schema=schema)


def a_week(home: Path) -> Lake:
    lake = Lake(home)
    for age in range(8):
        day = FIRST + timedelta(days=age)
        put(lake, "interest_daily", day, interests(**{STEADY: 100 + age, RISING: 160 if age == 7 else 60 + age % 3}))
        for name in OTHERS:
            put(lake, name, day, TABLES[name].empty())
    return lake


def marts(home: Path, dbt: Dbt, day: date) -> dg.ExecuteInProcessResult:
    description = home / "source.yaml"
    description.write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    storage = Storage(home=str(home))
    (step,) = [a for a in transforms.build(DAYS, dbt) if dg.AssetKey("mart_interest_trends") in a.keys]
    return dg.materialize(
        [step],
        partition_key=day.isoformat(),
        resources={
            "storage": storage,
            "log": Log(storage=storage, description=str(description), pseudonym_key=""),
            "method": Method(first_day=FIRST.isoformat(), half_life_days=14.0, disclosure_size=20, graph_users=100),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def test_the_marts_compare_with_the_week_before(tmp_path: Path, dbt: Dbt) -> None:
    lake = a_week(tmp_path)
    day = FIRST + timedelta(days=7)
    assert marts(tmp_path, dbt, day).success
    rows = {r["interest_id"]: r for r in lake.read("mart_interest_trends", day).iter_rows(named=True)}
    assert [rows[STEADY]["trend"], rows[RISING]["trend"]] == ["steady", "rising"]
    assert rows[RISING]["baseline_share"] == pytest.approx(60 / 400)
    assert rows[RISING]["trend_ratio"] == pytest.approx(160 / 60)
    assert rows[RISING]["q_value"] < 0.05


def test_the_marts_refuse_a_day_whose_interests_are_missing(tmp_path: Path, dbt: Dbt) -> None:
    lake = a_week(tmp_path)
    day = FIRST + timedelta(days=8)
    for name in OTHERS:
        put(lake, name, day, TABLES[name].empty())
    result = marts(tmp_path, dbt, day)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "Materialize interest_daily for 2024-05-09 first" in str(failure.step_failure_data.error)
    assert not lake.has("mart_interest_trends", day)
