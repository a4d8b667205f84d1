"""Real builds, in this process, over a small lake."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import jinja2
import numpy as np
import polars as pl
import pytest
import scipy.stats
import yaml
from hypothesis import given, settings
from statsmodels.stats.proportion import proportion_confint

from coterie.engagement import engagement
from coterie.errors import CoterieError
from coterie.labels.gold_quality import RATES, corrected
from coterie.tables import TABLES, Table
from resources.dbt import Dbt, DbtBuild, DbtError
from resources.lake import SQL_TYPES
from tests.test_engagement import logs

PROJECT = Path(__file__).parent.parent / "dbt_project"
FIRST = date(2026, 3, 1)
OURS = [table for table in TABLES.values() if table.made_by_dbt]
INTERESTS = [f"d{n // 4}.i{n}" for n in range(12)]


class SmallLake:
    """A lake in a folder, and builds over it, with the inputs that the pipeline would give."""

    def __init__(self, folder: Path, dbt: Dbt) -> None:
        self.folder = folder
        self.dbt = dbt
        self.taxonomy = folder / "taxonomy.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(
            {
                "interest_id": INTERESTS,
                "domain_id": [i.split(".")[0] for i in INTERESTS],
                "domain": [f"Domain {i.split('.')[0]}" for i in INTERESTS],
                "interest": [f"Name of {i}" for i in INTERESTS],
                "interest_zh": INTERESTS,
                "sensitive": [False] * len(INTERESTS),
            }
        ).write_parquet(self.taxonomy)

    def put(self, name: str, day: date, rows: pl.DataFrame | list[dict[str, object]], part: int = 0) -> None:
        table = TABLES[name]
        path = self.folder / "lake" / name / f"day={day}" / f"part-{part}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(rows, list):
            rows = pl.DataFrame([filled(table, row) for row in rows], schema=table.schema)
        rows.write_parquet(path)

    def files(self, name: str, first: date, last: date) -> list[Path]:
        found = (self.folder / "lake" / name).glob("day=*/*.parquet")
        return sorted(p for p in found if str(first) <= p.parent.name.removeprefix("day=") <= str(last))

    def build(self, tag: str, day: date, dbt: Dbt | None = None) -> DbtBuild:
        first = {"raw_items": date.min, "item_labels": date.min, "interest_daily": day - timedelta(days=7)}
        first |= {"strategies": day - timedelta(days=53), "communities": day - timedelta(days=1)}
        first |= {"strategy_scorecard": day - timedelta(days=27)}
        dbt = dbt or self.dbt
        stage = self.folder / "stage" / tag / str(day)
        stage.mkdir(parents=True, exist_ok=True)
        inputs = {name: self.files(name, first.get(name, day), day) for name in dbt.inputs(tag) if name != "taxonomy"}
        return dbt.build(tag, day=day, inputs=inputs, stage=stage, taxonomy=self.taxonomy)

    def publish(self, tag: str, day: date) -> dict[str, pl.DataFrame]:
        """Build, insist that every test passes, and put the models into the lake."""
        built = self.build(tag, day)
        assert [(t.name, t.message) for t in built.tests if t.status != "pass"] == []
        frames = {name: TABLES[name].conform(pl.read_parquet(path)) for name, path in built.models.items()}
        for name, frame in frames.items():
            self.put(name, day, frame)
        return frames


def filled(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """A row with plain values for the columns that the test does not care about."""
    plain: dict[type, object] = {pl.String: "x", pl.Float64: 0.5, pl.Int64: 1, pl.Boolean: True}
    plain |= {pl.Date: FIRST, pl.Datetime: datetime(2026, 3, 1)}
    return {c.name: None if c.nullable else plain[type(table.schema[c.name])] for c in table.columns} | dict(row)


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(PROJECT, home=tmp_path_factory.mktemp("dbt_home"))


@pytest.fixture
def lake(tmp_path: Path, dbt: Dbt) -> SmallLake:
    return SmallLake(tmp_path, dbt)


def random_day(lake: SmallLake, day: date, *, users: int = 150, boost: Mapping[str, float] | None = None) -> None:
    """Events of a day; each item has two interests, and some items are old, unlabelled, or known to nobody."""
    generator = np.random.default_rng(day.toordinal())
    age = (day - FIRST).days
    share = np.array([(boost or {}).get(interest, 1.0 / (n + 1)) for n, interest in enumerate(INTERESTS)])
    items = [f"i{age}_{n}" for n in range(40)]
    labels = []
    for n, item in enumerate(items):
        if n % 10:
            a, b = generator.choice(INTERESTS, 2, replace=False, p=share / share.sum())
            labels += [{"item_id": item, "interest_id": a, "weight": 0.7}]
            labels += [{"item_id": item, "interest_id": b, "weight": 0.3}]
    lake.put("raw_items", day, [{"item_id": i, "duration_ms": int(generator.integers(500, 90_000))} for i in items])
    lake.put("item_labels", day, labels)
    seen = [*items, *(f"i{age - 1}_{n}" for n in range(10 if age else 0)), "nobody_knows"]
    kinds = generator.choice(["exposure", "watch", "positive"], 1200, p=[0.5, 0.35, 0.15])
    events = [
        {
            "event_id": str(n),
            "user_id": f"u{generator.integers(users)}",
            "item_id": str(generator.choice(seen)),
            "event_type": {"exposure": "view", "watch": "play", "positive": "like"}[kind],
            "kind": kind,
            "weight": 3.0 if kind == "positive" else None,
            "watch_ms": int(generator.integers(0, 9000)) if kind == "watch" else None,
        }
        for n, kind in enumerate(kinds.tolist())
    ]
    lake.put("raw_events", day, events)


# -- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", OURS, ids=lambda t: t.name)
def test_the_words_and_types_are_those_of_the_contract(dbt: Dbt, table: Table):
    node = dbt.manifest()["nodes"][f"model.coterie.{table.name}"]
    assert node["description"]
    described = [(c["name"], c["description"], c["data_type"]) for c in node["columns"].values()]
    names = {**SQL_TYPES, pl.String: "string"}
    assert described == [(c.name, c.meaning, names[type(table.schema[c.name])]) for c in table.columns]


def test_every_staging_column_is_described(dbt: Dbt):
    for path in sorted((PROJECT / "models" / "staging").rglob("*.sql")):
        node = dbt.manifest()["nodes"][f"model.coterie.{path.stem}"]
        final = path.read_text().rpartition("\nselect\n")[2].partition("\nfrom ")[0]
        columns = [line.strip(" ,").rpartition(" as ")[2].rpartition(".")[2] for line in final.splitlines()]
        assert list(node["columns"]) == columns
        assert all(column["description"] for column in node["columns"].values())


def test_each_build_makes_its_tables_and_names_its_inputs(dbt: Dbt):
    assert dbt.models("engagement") == ["engagement"]
    assert dbt.models("interests") == ["interest_daily"]
    assert dbt.models("marts") == ["mart_strategy_board", "mart_interest_trends", "mart_community_day"]
    assert dbt.inputs("engagement") == ["raw_events", "raw_items"]
    assert dbt.inputs("interests") == ["engagement", "interest_daily", "item_labels", "label_quality", "raw_items"]
    with pytest.raises(CoterieError, match="'mart'"):
        dbt.models("mart")


@pytest.mark.parametrize("tag", ["engagement", "interests", "marts"])
def test_without_any_input_there_are_typed_tables_without_rows(lake: SmallLake, tag: str):
    built = lake.build(tag, FIRST)
    for name, path in built.models.items():
        frame = pl.read_parquet(path)
        assert frame.is_empty()
        assert dict(frame.schema) == TABLES[name].schema
    assert {t.status for t in built.tests} == {"pass"}
    assert [t.name for t in built.tests] == [t.name for t in lake.dbt.tests(tag)]


# -- a manifest that is used again ---------------------------------------------------------------------------------


def test_nothing_in_the_project_can_go_stale(dbt: Dbt):
    manifest = dbt.manifest()
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    assert {n["config"]["materialized"] for n in models} == {
        "table",
        "view",
    }  # dbt compiles an ephemeral model only once
    sources = manifest["sources"].values()
    assert not any("external_location" in str((s["meta"], s["config"])) for s in sources)  # rendered when parsed


def test_a_second_build_sees_its_own_day_and_files(tmp_path: Path, dbt: Dbt):
    one, other = SmallLake(tmp_path / "one", dbt), SmallLake(tmp_path / "it's another", dbt)
    for lake, extra in ((one, 0), (other, 7)):
        for age in (0, 1):
            random_day(lake, FIRST + timedelta(days=age), users=60 + extra)
    seen = [
        TABLES["engagement"].conform(
            pl.read_parquet(lake.build("engagement", FIRST + timedelta(days=age)).models["engagement"])
        )
        for lake, age in ((one, 0), (one, 1), (other, 0), (one, 0))
    ]
    assert seen[0].equals(seen[3])
    assert not seen[0].equals(seen[1])
    assert not seen[0].equals(seen[2])
    for frame, lake, age in zip(seen[:3], (one, one, other), (0, 1, 0), strict=True):
        pairs = pl.read_parquet(lake.files("raw_events", *[FIRST + timedelta(days=age)] * 2))
        assert set(frame["user_id"]) == set(pairs["user_id"])


def test_a_build_leaves_nothing_behind(lake: SmallLake, capfd: pytest.CaptureFixture[str]):
    random_day(lake, FIRST)
    before, here = sorted(PROJECT.rglob("*")), Path.cwd()
    built = lake.build("engagement", FIRST)
    assert capfd.readouterr() == ("", "")
    assert sorted(PROJECT.rglob("*")) == before
    assert Path.cwd() == here
    assert [p.name for p in built.models["engagement"].parent.iterdir()] == ["engagement.parquet"]
    assert {p.suffix for p in lake.dbt.folder.iterdir()} == {".json", ".msgpack", ".lock"}
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    assert DuckDBConnectionManager._ENV is None
    still_open = [os.readlink(p) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()]
    assert not any(str(lake.folder) in name for name in still_open)


def test_the_parsed_project_is_kept_and_renewed_when_a_file_changes(tmp_path: Path, dbt: Dbt):
    kept = {p.name: p.stat().st_mtime_ns for p in dbt.folder.iterdir()}
    again = Dbt(PROJECT, home=dbt.folder.parent)
    again.manifest()
    assert {p.name: p.stat().st_mtime_ns for p in dbt.folder.iterdir()} == kept
    assert Dbt(tmp_path, home=tmp_path)._digest != again._digest
    (tmp_path / "a.sql").write_text("select 1")
    first = Dbt(tmp_path, home=tmp_path)._digest
    (tmp_path / "a.sql").write_text("select 2")
    assert Dbt(tmp_path, home=tmp_path)._digest != first


@pytest.mark.slow
def test_two_processes_build_two_days_at_once(tmp_path: Path):
    fresh = Dbt(PROJECT, home=tmp_path / "home")
    lake = SmallLake(tmp_path, fresh)
    days = [FIRST, FIRST + timedelta(days=1)]
    for day in days:
        random_day(lake, day)
    program = (
        "import sys; from datetime import date; from pathlib import Path; from resources.dbt import Dbt\n"
        "from tests.test_dbt_project import PROJECT, SmallLake\n"
        "lake = SmallLake(Path(sys.argv[1]), Dbt(PROJECT, home=Path(sys.argv[1]) / 'home'))\n"
        "lake.publish('engagement', date.fromisoformat(sys.argv[2]))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(day)], cwd=PROJECT.parent) for day in days
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    for day in days:
        events = pl.read_parquet(lake.files("raw_events", day, day))
        made = pl.read_parquet(lake.files("engagement", day, day))
        assert made.height == events.select("user_id", "item_id").n_unique()


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_missing_input_is_named(lake: SmallLake):
    with pytest.raises(CoterieError, match=r"reads raw_events, raw_items; not given: raw_items"):
        lake.dbt.build("engagement", day=FIRST, inputs={"raw_events": []}, stage=lake.folder)


def test_a_model_that_cannot_be_built_raises_with_the_engine_s_words(lake: SmallLake):
    random_day(lake, FIRST)
    lake.files("raw_events", FIRST, FIRST)[0].write_bytes(b"not parquet")
    with pytest.raises(DbtError, match=r"part-0\.parquet"):
        lake.build("engagement", FIRST)
    random_day(lake, FIRST)
    assert lake.publish("engagement", FIRST)["engagement"].height


def test_a_failing_test_is_reported_with_rows(lake: SmallLake):
    random_day(lake, FIRST)
    lake.publish("engagement", FIRST)
    labels = pl.read_parquet(lake.files("item_labels", FIRST, FIRST))
    lake.put("item_labels", FIRST, labels.with_columns(weight=pl.lit(1.0)))
    tests = {t.name: t for t in lake.build("interests", FIRST).tests}
    failed = tests.pop("interest_daily_keeps_all_demand")
    assert (failed.status, failed.failures, failed.model, failed.severity) == ("fail", 1, "interest_daily", "error")
    assert "1 rows break it" in failed.message
    assert failed.sample is not None
    row = failed.sample.row(0, named=True)
    assert row["shared_demand"] == pytest.approx(2 * row["demand"])
    assert {t.status for t in tests.values()} == {"pass"}


def test_an_interest_outside_the_taxonomy_is_a_warning(lake: SmallLake):
    lake.put("interest_daily", FIRST, [{"interest_id": "old.one"}, {"interest_id": INTERESTS[0]}])
    built = lake.build("marts", FIRST)
    odd = [(t.name, t.status, t.failures) for t in built.tests if t.status != "pass"]
    assert odd == [("mart_interest_trends_is_in_the_taxonomy", "warn", 1)]
    frame = pl.read_parquet(built.models["mart_interest_trends"]).sort("interest_id")
    assert frame["interest"].to_list() == ["Name of d0.i0", "old.one"]
    assert frame["domain"].to_list() == ["Domain d0", "unknown"]


# -- engagement ----------------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(logs())
def test_the_sql_says_what_the_library_says(
    tmp_path_factory: pytest.TempPathFactory, dbt: Dbt, both: tuple[pl.DataFrame, pl.DataFrame]
):
    events, items = both
    lake = SmallLake(tmp_path_factory.mktemp("lake"), dbt)
    lake.put("raw_events", FIRST, events)
    # An earlier version of every item, of another length, must not matter; nor a later one.
    for day, change in ((FIRST - timedelta(days=3), 7), (FIRST, 1), (FIRST + timedelta(days=1), 90)):
        rows = [{"item_id": i, "duration_ms": None if ms is None else ms * change} for i, ms in items.iter_rows()]
        lake.put("raw_items", day, rows)
    made = lake.publish("engagement", FIRST)["engagement"]
    expected = engagement(events, items)
    exact = ["user_id", "item_id", "exposures", "exposure_logged", "signals"]
    assert made.select(exact).equals(expected.select(exact))
    assert made["watch_quantile"].is_null().equals(expected["watch_quantile"].is_null())
    for column in ("strength", "watch_quantile"):
        assert np.allclose(made[column].drop_nulls(), expected[column].drop_nulls(), rtol=0, atol=1e-9)


def test_neither_the_order_of_rows_nor_the_number_of_files_shows(lake: SmallLake):
    random_day(lake, FIRST)
    first = lake.publish("engagement", FIRST)["engagement"], lake.publish("interests", FIRST)["interest_daily"]
    for name in ("raw_events", "raw_items", "item_labels", "engagement"):
        whole = pl.read_parquet(lake.files(name, FIRST, FIRST)).sample(fraction=1, shuffle=True, seed=1)
        lake.put(name, FIRST, whole.head(17))
        lake.put(name, FIRST, whole.slice(17), part=1)
    built = lake.build("engagement", FIRST), lake.build("interests", FIRST)
    second = [pl.read_parquet(p) for b in built for p in b.models.values()]
    for before, after, name in zip(first, second, ("engagement", "interest_daily"), strict=True):
        assert before.equals(TABLES[name].conform(after), null_equal=True)


# -- interests -----------------------------------------------------------------------------------------------------


def labels_that_stand(lake: SmallLake, day: date, items: pl.Series) -> pl.DataFrame:
    """By hand: for each item its latest version's day, and the labels of that day."""
    versions: dict[str, date] = {}
    labels = {}
    for age in range((day - FIRST).days + 1):
        then = FIRST + timedelta(days=age)
        for item in pl.read_parquet(lake.files("raw_items", then, then))["item_id"]:
            versions[item] = then
        for row in pl.read_parquet(lake.files("item_labels", then, then)).iter_rows(named=True):
            labels[row["item_id"], row["interest_id"], then] = row["weight"]
    wanted = set(items)
    return pl.DataFrame(
        [(i, j, w) for (i, j, then), w in sorted(labels.items()) if i in wanted and versions[i] == then],
        schema={"item_id": pl.String, "interest_id": pl.String, "weight": pl.Float64},
        orient="row",
    )


@pytest.fixture(scope="module")
def nine_days(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> tuple[SmallLake, list[pl.DataFrame]]:
    """Nine days; on the last, one interest takes off."""
    lake = SmallLake(tmp_path_factory.mktemp("nine"), dbt)
    made = []
    for age in range(9):
        day = FIRST + timedelta(days=age)
        random_day(lake, day, boost={INTERESTS[6]: 2.0} if age == 8 else None)
        if age == 5:  # an item of yesterday changes and gets another label
            old = pl.read_parquet(lake.files("raw_items", day, day))
            lake.put("raw_items", day, pl.concat([old, old.head(1).with_columns(item_id=pl.lit("i4_3"))]))
            labels = pl.read_parquet(lake.files("item_labels", day, day))
            new = labels.head(1).with_columns(
                item_id=pl.lit("i4_3"), interest_id=pl.lit(INTERESTS[11]), weight=pl.lit(1.0)
            )
            lake.put("item_labels", day, pl.concat([labels, new]))
        lake.publish("engagement", day)
        made.append(lake.publish("interests", day)["interest_daily"])
    return lake, made


def test_shares_are_corrected_as_the_library_does_it(lake: SmallLake):
    random_day(lake, FIRST)
    generator = np.random.default_rng(3)
    rates = {
        interest: (float(generator.uniform(0.2, 1)), 30.0, float(generator.uniform(0, 0.15)), 200.0)
        for interest in INTERESTS[:-1]
    }
    rates[INTERESTS[0]] = (0.12, 30.0, 0.1, 200.0)  # so little hangs on the label that it says nothing
    lake.put("label_quality", FIRST, [{"interest_id": i, **dict(zip(RATES, r, strict=True))} for i, r in rates.items()])
    lake.put("label_quality", FIRST - timedelta(days=1), [{"interest_id": INTERESTS[-1], "caught": 0.5}])
    engagement = lake.publish("engagement", FIRST)["engagement"]
    made = lake.publish("interests", FIRST)["interest_daily"]
    assert np.allclose(made["share"], made["demand"] / engagement["strength"].sum())
    assert made["share"].sum() < 0.95, "unlabelled items have their part"
    measured = [rates.get(i, (np.nan,) * 4) for i in made["interest_id"]]
    items = engagement.group_by("item_id").agg(pl.col("strength").sum())["strength"]
    columns = tuple(np.array(column) for column in zip(*measured, strict=True))
    expected = corrected(made["share"].to_numpy(), columns, float((items**2).sum() / items.sum() ** 2))
    for name, values in zip(("share_corrected", "share_low", "share_high"), expected, strict=True):
        assert made[name].fill_null(np.nan).to_numpy() == pytest.approx(values, nan_ok=True, abs=1e-12)
    unknown = made.filter(pl.col("share_corrected").is_null())["interest_id"].to_list()
    assert unknown == sorted({INTERESTS[0], INTERESTS[-1]} & set(made["interest_id"]))


def test_interest_daily_counts_what_happened(nine_days: tuple[SmallLake, list[pl.DataFrame]]):
    lake, made = nine_days
    for age in (0, 5, 8):
        day = FIRST + timedelta(days=age)
        events = pl.read_parquet(lake.files("engagement", day, day))
        fresh = pl.read_parquet(lake.files("raw_items", day, day))
        joined = events.join(labels_that_stand(lake, day, events["item_id"]), on="item_id")
        engaged = joined.filter(pl.col("strength") > 0)
        supply = labels_that_stand(lake, day, fresh["item_id"]).group_by("interest_id").agg(pl.col("weight").sum())
        assert made[age]["active_users"].unique().to_list() == [engaged["user_id"].n_unique()]
        for row in made[age].iter_rows(named=True):
            mine = joined.filter(pl.col("interest_id") == row["interest_id"])
            assert row["users"] == mine.filter(pl.col("strength") > 0)["user_id"].n_unique()
            assert row["items"] == mine["item_id"].n_unique()
            assert row["demand"] == pytest.approx((mine["strength"] * mine["weight"]).sum(), abs=1e-9)
            assert row["exposures"] == pytest.approx((mine["exposures"] * mine["weight"]).sum(), abs=1e-9)
            offered = supply.filter(pl.col("interest_id") == row["interest_id"])["weight"].sum()
            assert row["supply"] == pytest.approx(offered, abs=1e-9)
        assert set(made[age]["interest_id"]) == set(joined["interest_id"]) | set(supply["interest_id"])
        assert made[age]["demand_share"].sum() == pytest.approx(1)
        assert made[age]["supply_share"].sum() == pytest.approx(1)


def test_trends_are_a_quasi_binomial_comparison(nine_days: tuple[SmallLake, list[pl.DataFrame]]):
    _, made = nine_days
    assert made[2]["trend_z"].null_count() == made[2].height  # two days before: too few
    assert made[0]["baseline_share"].null_count() == made[0].height
    today, before = made[8], made[1:8]
    active = np.array([frame["active_users"][0] for frame in before], dtype=float)
    for row in today.iter_rows(named=True):
        users = np.array(
            [frame.filter(pl.col("interest_id") == row["interest_id"])["users"].sum() for frame in before], dtype=float
        )
        share = users.sum() / active.sum()
        assert row["baseline_share"] == pytest.approx(share)
        pooled = (users.sum() + row["users"]) / (active.sum() + row["active_users"])
        if pooled * row["active_users"] < 2:
            assert row["trend_z"] is None
            continue
        spread = max(1.0, (((users - active * share) ** 2) / (active * share * (1 - share))).sum() / (len(before) - 1))
        error = math.sqrt(spread * pooled * (1 - pooled) * (1 / row["active_users"] + 1 / active.sum()))
        assert row["trend_z"] == pytest.approx((row["user_share"] - share) / error)
        assert row["trend_ratio"] == pytest.approx(row["user_share"] / share)
    known = today.drop_nulls("p_value")
    assert known.height > 5
    assert np.allclose(known["p_value"], 2 * scipy.stats.norm.sf(known["trend_z"].abs()), rtol=1e-8)
    assert np.allclose(known["q_value"], scipy.stats.false_discovery_control(known["p_value"].to_numpy()), rtol=1e-12)
    risen = today.filter(pl.col("interest_id") == INTERESTS[6]).row(0, named=True)
    assert risen["trend_z"] > 3
    assert risen["q_value"] == today["q_value"].min()


def test_a_planted_rise_reads_as_rising(nine_days: tuple[SmallLake, list[pl.DataFrame]]):
    lake, made = nine_days
    frame = lake.publish("marts", FIRST + timedelta(days=8))["mart_interest_trends"]
    assert frame.filter(pl.col("interest_id") == INTERESTS[6])["trend"].item() == "rising"
    told = made[8].filter((pl.col("users") >= 20) | (pl.col("supply") > 0))
    assert set(frame["interest_id"]) == set(told["interest_id"])


def test_an_interest_that_is_only_offered_has_a_row(lake: SmallLake):
    lake.put("raw_items", FIRST, [{"item_id": "new"}])
    lake.put("item_labels", FIRST, [{"item_id": "new", "interest_id": INTERESTS[0], "weight": 1.0}])
    row = lake.publish("interests", FIRST)["interest_daily"].row(0, named=True)
    assert (row["users"], row["active_users"], row["demand_share"], row["user_share"]) == (0, 0, 0.0, 0.0)
    assert (row["supply"], row["supply_share"]) == (1.0, 1.0)


def test_a_day_without_news_has_no_share_of_supply(lake: SmallLake):
    lake.put("raw_items", FIRST, [{"item_id": "old"}])
    lake.put("item_labels", FIRST, [{"item_id": "old", "interest_id": INTERESTS[0], "weight": 1.0}])
    day = FIRST + timedelta(days=1)
    lake.put("engagement", day, [{"item_id": "old", "strength": 0.5, "watch_quantile": 0.5}])
    row = lake.publish("interests", day)["interest_daily"].row(0, named=True)
    assert (row["users"], row["supply"], row["supply_share"]) == (1, 0.0, None)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_changed_item_has_the_labels_of_its_last_version(lake: SmallLake, labelled: bool):
    day = FIRST + timedelta(days=1)
    for then in (FIRST, day):
        lake.put("raw_items", then, [{"item_id": "i"}])
    lake.put("item_labels", FIRST, [{"item_id": "i", "interest_id": INTERESTS[0], "weight": 1.0}])
    if labelled:
        lake.put("item_labels", day, [{"item_id": "i", "interest_id": INTERESTS[1], "weight": 1.0}])
    lake.put("engagement", day, [{"item_id": "i", "strength": 0.5, "watch_quantile": 0.5}])
    made = lake.publish("interests", day)["interest_daily"]
    assert made["interest_id"].to_list() == ([INTERESTS[1]] if labelled else [])


def macros(name: str) -> jinja2.environment.TemplateModule:
    """A macro file as a module, outside dbt; its macros see one another as `coterie.<name>`."""
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string((PROJECT / "macros" / name).read_text())
    return template.make_module({"coterie": template.module})


def test_the_normal_tail_is_right_to_eight_digits_however_far_out():
    z = np.concatenate([np.linspace(-36, 36, 4001), [0.0, -7.07106781186547, 7.07106781186547, 7.08]])
    frame = pl.DataFrame({"z": np.append(z, [-60.0, 60.0])})
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        p = connection.sql(f"select {macros('numbers.sql').two_sided_p('z')} as p from frame").pl()["p"].to_numpy()
    assert np.abs(p[:-2] / (2 * scipy.stats.norm.sf(np.abs(z))) - 1).max() < 1e-8
    assert p[-2:].tolist() == [0.0, 0.0]
    assert p.max() == 1.0


# -- marts ---------------------------------------------------------------------------------------------------------


def interest(name: str, users: int, **more: object) -> dict[str, object]:
    return {"interest_id": name, "users": users, "active_users": 400, "demand_share": 0.3, "supply_share": 0.1, **more}


def test_few_users_are_not_told(lake: SmallLake):
    day = FIRST + timedelta(days=4)
    told = {"baseline_share": 0.1, "trend_ratio": 2.0, "trend_z": 4.0, "p_value": 0.001, "q_value": 0.01}
    few, enough, fresh, unoffered, soaring = INTERESTS[:5]
    for age in range(4):
        then = FIRST + timedelta(days=age)
        users = {few: 100, enough: 24 if age else 20, fresh: 20 if age else 19}
        lake.put("interest_daily", then, [interest(name, n) for name, n in users.items()])
    users = {few: 19, enough: 24, fresh: 24, unoffered: 19, soaring: 239}
    supply = {unoffered: {"supply": 0.0, "supply_share": 0.0}}
    lake.put("interest_daily", day, [interest(i, n, **told, **supply.get(i, {})) for i, n in users.items()])
    rows = {r["interest_id"]: r for r in lake.publish("marts", day)["mart_interest_trends"].iter_rows(named=True)}
    numbers = ["users_rounded", "demand_share", "gap", "baseline_share", "trend_ratio", "q_value", "trend"]
    assert [rows[few][c] for c in numbers] == [None] * 6 + ["unknown"]
    assert rows[few]["supply_share"] == 0.1  # about items, not users
    # Twenty a day, as far as is told: today's 24 are no more than the days before.
    assert [rows[enough][c] for c in numbers] == [20, 0.3, pytest.approx(0.2), 0.05, 1.0, 1.0, "steady"]
    # Nineteen on one of the days before: how many more there are now would tell how few they were.
    assert [rows[fresh][c] for c in numbers] == [20, 0.3, pytest.approx(0.2), None, None, None, "unknown"]
    # Whatever they were, these are more: that much can be said, but not by how much.
    assert [rows[soaring][c] for c in numbers] == [235, 0.3, pytest.approx(0.2), None, None, None, "rising"]
    assert unoffered not in rows, "that somebody cared is already something about few users"


@pytest.mark.parametrize(("users", "word"), [(150, "rising"), (60, "falling"), (105, "steady"), (19, "unknown")])
def test_trends_in_a_word(lake: SmallLake, users: int, word: str):
    for age in range(8):
        lake.put("interest_daily", FIRST + timedelta(days=age), [interest(INTERESTS[0], users if age == 7 else 100)])
    frame = lake.publish("marts", FIRST + timedelta(days=7))["mart_interest_trends"]
    assert frame["trend"].to_list() == [word]


def test_two_days_before_are_too_few_for_a_trend(lake: SmallLake):
    for age in range(3):
        lake.put("interest_daily", FIRST + timedelta(days=age), [interest(INTERESTS[0], 100)])
    row = lake.publish("marts", FIRST + timedelta(days=2))["mart_interest_trends"].row(0, named=True)
    assert (row["baseline_share"], row["trend_ratio"], row["q_value"], row["trend"]) == (0.25, 1.0, None, "unknown")


# -- attacks on the marts ------------------------------------------------------------------------------------------


def a_lake_of_counts(lake: SmallLake, more: int) -> list[dict[str, pl.DataFrame]]:
    """Marts of two consecutive days. `more`, up to four, is added to counts that are multiples of five."""
    told, rises, *hidden = INTERESTS[:4]
    for age in range(9):
        day = FIRST + timedelta(days=age)
        users = {told: 60, rises: 200 if age > 6 else 60, hidden[0]: 15, hidden[1]: 10}
        rows = [interest(name, n + more, active_users=400 + more) for name, n in users.items()]
        lake.put("interest_daily", day, rows)
        there = {"community_id": "c", "verdict": "real", "q_value": 0.05 - more / 1000}
        lake.put("communities", day, [there | {"users": 60 + more, "stability": (45 + more / 5) / 60}])
    suggested = {"strategy_id": "s", "kind": "boost_interest", "community_id": "c", "interest_id": INTERESTS[0]}
    effect = {"effect": 0.1, "effect_low": 0.05, "effect_high": 0.15, "std_error": 0.03, "q_value": 0.02}
    joined = {k: v + more / 5000 for k, v in effect.items()} | {"baseline": 0.2 + more / 5000, "q_value": 0.02}
    marts = []
    for age in (7, 8):
        day = FIRST + timedelta(days=age)
        row = suggested | joined | {"users_affected": 60 + more, "evaluability": "observational"}
        lake.put("strategies", day, [row])
        marts.append(lake.publish("marts", day))
    return marts


@pytest.mark.parametrize("more", [1, 4])
def test_users_who_do_not_fill_a_five_leave_no_trace(tmp_path: Path, dbt: Dbt, more: int):
    plain = a_lake_of_counts(SmallLake(tmp_path / "plain", dbt), 0)
    joined = a_lake_of_counts(SmallLake(tmp_path / "joined", dbt), more)
    for before, after in zip(plain, joined, strict=True):
        for name, frame in before.items():
            assert frame.height
            assert frame.equals(after[name]), name
    trends = plain[1]["mart_interest_trends"].sort("interest_id")
    assert trends["users_rounded"].to_list() == [60, 200, None, None]
    assert trends["q_value"].null_count() == 2


def test_one_user_who_joins_shows_as_nobody_or_as_five(tmp_path: Path, dbt: Dbt):
    lake = SmallLake(tmp_path, dbt)
    for age in range(5):
        day = FIRST + timedelta(days=age)
        random_day(lake, day, users=400)
        for tag in ("engagement", "interests"):
            lake.publish(tag, day)
    last = [FIRST + timedelta(days=age) for age in (3, 4)]
    before = [lake.publish("marts", day)["mart_interest_trends"] for day in last]
    exact = [pl.read_parquet(lake.files("interest_daily", day, day)) for day in last]
    for day in last:  # one more user likes an item of each interest
        events = pl.read_parquet(lake.files("raw_events", day, day))
        liked = events.filter(pl.col("kind") == "positive").unique("item_id", keep="first", maintain_order=True)
        new = liked.with_columns(pl.lit("newcomer").alias("user_id"), event_id="new" + pl.col("event_id"))
        lake.put("raw_events", day, pl.concat([events, new]))
        for tag in ("engagement", "interests"):
            lake.publish(tag, day)
    after = [lake.publish("marts", day)["mart_interest_trends"] for day in last]
    untold = 0
    for day, old, new, counts in zip(last, before, after, exact, strict=True):
        joined = pl.read_parquet(lake.files("interest_daily", day, day))
        assert joined["users"].sum() > counts["users"].sum(), "the newcomer is in the exact table"
        active = counts["active_users"][0]
        assert active // 5 == joined["active_users"][0] // 5, "else every share moves"
        both = old.join(new, on="interest_id", suffix="_new").drop_nulls("users_rounded")
        assert both.height > 3
        for row in both.iter_rows(named=True):
            step = row["users_rounded_new"] - row["users_rounded"]
            assert step in (0, 5)
            untold += step == 0
            moved = (row["demand_share_new"] - row["demand_share"]) / (5 / (active // 5 * 5))
            assert moved == pytest.approx(round(moved), abs=1e-9), "a share moves by fives of users, or not at all"
            if row["trend_ratio"] is not None:
                told = row["trend_ratio"] * row["baseline_share"] * (active // 5 * 5)
                assert told == pytest.approx(row["users_rounded"]), "the ratio tells the exact count"
    assert untold


def test_another_disclosure_size_counts_with_the_same_parsed_project(lake: SmallLake, dbt: Dbt):
    strict = Dbt(PROJECT, home=dbt.folder.parent, disclosure_k=50)
    lake.put("interest_daily", FIRST, [interest(INTERESTS[0], 49), interest(INTERESTS[1], 51)])
    lake.put("communities", FIRST, [{"community_id": "c", "users": 49, "verdict": "real"}])
    for dbt_, expected, communities in ((strict, [None, 50], 0), (dbt, [45, 50], 1)):
        built = lake.build("marts", FIRST, dbt_)
        frame = pl.read_parquet(built.models["mart_interest_trends"]).sort("interest_id")
        assert frame["users_rounded"].to_list() == expected
        assert pl.read_parquet(built.models["mart_community_day"]).height == communities
        assert {t.status for t in built.tests} == {"pass"}


def test_community_day_tells_the_news(lake: SmallLake):
    day = FIRST + timedelta(days=1)
    sizes = {"split": 20, "small": 19, "born": 37, "quiet": 1000}
    lake.put(
        "communities",
        day,
        [
            {"community_id": c, "users": n, "verdict": "real", "name": f"N {c}", "stability": 41 / 57}
            for c, n in sizes.items()
        ],
    )
    lake.put("communities", FIRST, [{"community_id": "gone", "users": 500}, {"community_id": "quiet", "users": 57}])
    news = [("split", "continued"), ("split", "split"), ("born", "born"), ("gone", "died"), ("small", "continued")]
    lake.put("community_lineage", day, [{"community_id": c, "event": event} for c, event in news])
    suggested = [
        ("a", "split", "proposed"),
        ("b", "split", "proposed"),
        ("c", "split", "withheld: few"),
        ("d", "born", "proposed"),
    ]
    rows = [{"strategy_id": s, "community_id": c, "status": w, "users_affected": 40} for s, c, w in suggested]
    lake.put("strategies", day, rows)
    lake.put("strategies", FIRST, [{"strategy_id": "e", "community_id": "quiet", "status": "proposed"}])
    frame = lake.publish("marts", day)["mart_community_day"]
    assert frame.select("community_id", "name", "users_rounded", "event", "proposed_strategies").rows() == [
        ("born", "N born", 35, "born", 1),
        ("quiet", "N quiet", 1000, None, 0),
        ("split", "N split", 20, "split", 2),
    ]
    # 41 of 57 would tell both; of 55, in fives, it is 8 of 11. Nothing is told of what had no members yesterday.
    assert frame["stability"].to_list() == [None, pytest.approx(8 / 11), None]


@pytest.mark.parametrize(
    ("q", "told"), [(0.0495, 0.05), (0.05, 0.05), (0.0501, 0.06), (0.97, 1.0), (1.0, 1.0), (0.0, 0.0001), (None, None)]
)
def test_a_q_value_is_rounded_up_to_one_digit(q: float | None, told: float | None):
    with duckdb.connect() as connection:
        sql = f"select {macros('disclosure.sql').q_at_most('q')} from (select cast($1 as double) as q)"
        assert connection.execute(sql, [q]).fetchall() == [(pytest.approx(told) if told else told,)]


@pytest.mark.parametrize(
    ("error", "step"),
    [(0.045, 0.02), (0.04, 0.02), (0.012, 0.005), (0.0039, 0.001), (7.0, 2.0), (0, None), (None, None)],
)
def test_an_estimate_is_rounded_to_a_fifth_to_a_half_of_its_error(error: float | None, step: float | None):
    with duckdb.connect() as connection:
        sql = f"select {macros('disclosure.sql').step_of('e')} from (select cast($1 as double) as e)"
        assert connection.execute(sql, [error]).fetchall() == [(pytest.approx(step) if step else step,)]


def test_the_board_shows_plan_and_record(lake: SmallLake):
    day = FIRST + timedelta(days=7)
    boost = {"kind": "boost_interest", "community_id": "c", "interest_id": INTERESTS[0], "users_affected": 41}
    effect = {"effect": 0.1034, "effect_low": 0.0512, "effect_high": 0.1987, "std_error": 0.045, "q_value": 0.0213}
    lake.put("strategies", FIRST, [{"strategy_id": s, "kind": "boost_interest"} for s in ("w", "x", "y", "z")])
    lake.put(
        "strategies",
        day,
        [
            {"strategy_id": "w", **boost, **effect, "baseline": 3 / 1365},
            {"strategy_id": "v", **boost, "kind": "close_supply_gap", "interest_id": "old.one", "community_id": "lost"}
            | {"evaluability": "not_evaluable", "baseline": 0.4},
            {"strategy_id": "u", **boost, "users_affected": 19},
        ],
    )
    lake.put("communities", day, [{"community_id": "c", "users": 41, "name": "Cooks", "verdict": "real"}])
    lake.put("experiment_plans", day, [{"strategy_id": "w", "users_per_arm": 900, "days": 12}])
    cards = {"w": "hit", "x": "hit", "y": "miss", "z": "not_scorable"}
    # Scores at other ages than 7 and 14 days, and of what was shipped, count nowhere.
    apart = [{"horizon_days": age} for age in (8, 13, 15, 28)] + [{"horizon_days": 7, "shipped_on": FIRST}]
    for then in (day, day - timedelta(days=1)):
        scored = [{"strategy_id": s, "issued_on": FIRST, "horizon_days": 7, "verdict": v} for s, v in cards.items()]
        lake.put("strategy_scorecard", then, [*scored, *({**scored[0], "verdict": "miss", **of} for of in apart)])
    rows = {r["strategy_id"]: r for r in lake.publish("marts", day)["mart_strategy_board"].iter_rows(named=True)}
    assert sorted(rows) == ["v", "w"]
    shown = ["community", "interest", "users_rounded", "users_per_arm", "test_days", "scored", "hit_rate"]
    assert [rows["w"][c] for c in shown] == ["Cooks", "Name of d0.i0", 40, 900, 12, 6, pytest.approx(2 / 3)]
    assert [rows["v"][c] for c in shown] == ["lost", "old.one", 40, None, None, 0, None]
    estimates = ["baseline", "effect", "effect_low", "effect_high", "q_value"]
    assert [rows["w"][c] for c in estimates] == [0.0, 0.1, 0.06, 0.2, 0.03]  # in steps of 0.02
    assert [rows["v"][c] for c in estimates] == [None] * 5


@pytest.mark.parametrize(
    ("scored", "hits", "status"),
    [
        (19, 0, "proposed"),  # too few to tell
        (20, 13, "proposed"),
        (20, 12, "warning: only 12 of 20 of its kind came true as predicted in the last 28 days"),
        (200, 149, "proposed"),
        (200, 148, "warning: only 148 of 200 of its kind came true as predicted in the last 28 days"),
    ],
)
def test_a_kind_that_keeps_missing_is_a_warning(lake: SmallLake, scored: int, hits: int, status: str):
    day = FIRST + timedelta(days=30)
    high = proportion_confint(hits, scored, method="wilson")[1]
    assert (scored >= 20 and high < 0.8) is status.startswith("warning")
    row = {"kind": "boost_interest", "community_id": "c", "interest_id": INTERESTS[0], "users_affected": 41}
    row["status"] = "proposed"
    lake.put(
        "strategies", day, [{"strategy_id": "s", **row}, {"strategy_id": "g", **row, "kind": "close_supply_gap"},
                            {"strategy_id": "t", **row, "status": "withheld: sensitive interest"}],
    )  # fmt: skip
    lake.put("communities", day, [{"community_id": "c", "users": 41, "name": "Cooks", "verdict": "real"}])
    lake.put("strategies", day - timedelta(days=41), [{"strategy_id": "gone", **row}])
    for ago in (28, 27, 0):  # a day more than 28 days counts nothing
        verdicts = ["hit"] * hits + ["miss"] * (scored - hits)
        part = ["miss"] * 100 if ago == 28 else verdicts[ago == 27 :: 2]
        # Half of what was scored is no longer suggested.
        cards = [{"strategy_id": ("s", "gone")[n % 2], "issued_on": FIRST + timedelta(days=n), "horizon_days": age, "verdict": v}
                 for n, v in enumerate(part) for age in (7 + 7 * (n % 2), 8)]  # fmt: skip
        lake.put("strategy_scorecard", day - timedelta(days=ago), cards)
    published = lake.publish("marts", day)
    board = dict(published["mart_strategy_board"].select("strategy_id", "status").iter_rows())
    assert board == {"s": status, "g": "proposed", "t": "withheld: sensitive interest"}
    assert published["mart_community_day"]["proposed_strategies"].to_list() == [1 + (status == "proposed")]


def test_the_project_file_names_no_day_and_sends_no_statistics():
    content = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert content["flags"] == {"send_anonymous_usage_stats": False}
    assert content["vars"] == {"disclosure_k": 20}
