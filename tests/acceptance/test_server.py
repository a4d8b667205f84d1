"""The project as its users meet it: one real `dagster dev` with its daemon, asked over HTTP and in a browser.

The tests share one server and stand in the order of a week's work: a first day, a broken day and its repair, a backfill
that goes on beside a morning's tick, clicks in a browser and a late event. Each can also be run alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import asset_graph
import duckdb
import polars as pl
import pytest
from driver import BROWSER, DagsterDev, browser_page

from coterie.simulate import Scenario, simulate
from coterie.tables import TABLES
from resources.lake import Lake

pytestmark = pytest.mark.slow


def browser(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that needs a browser."""
    missing = "no Chromium on the PATH: install the package chromium to run the browser tests"
    return pytest.mark.browser(pytest.mark.skipif(BROWSER is None, reason=missing)(test))


FIRST = date(2024, 5, 1)
DAY_1, DAY_2, DAY_3, DAY_4 = (FIRST + timedelta(days=n) for n in range(4))
GROUPS = {"ingest", "labels", "interests", "graphs", "communities", "strategies", "reports"}
ASSETS = {*TABLES, "report"}
# One of them builds on its own yesterday. A backfill of everything takes minutes a day here (the daemon looks every
# 30 seconds, and each table with a yesterday is a run of its own): `python -m benchmarks.parallel` does that.
INGEST = ("raw_events", "quarantine", "raw_items", "engagement")


@dataclass(frozen=True)
class World:
    """A source, the home folder that is made from it, and the server that makes it."""

    folder: Path
    server: DagsterDev

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "home")

    @property
    def events(self) -> Path:
        return self.folder / "source" / "events"

    @cached_property
    def first_day(self) -> dict[str, Any]:
        """The run of the job `daily` for the first day, as it ended."""
        return self.server.run_job("daily", str(DAY_1))

    @cached_property
    def backfill(self) -> str:
        """A backfill of two days, launched once the first is there; its id."""
        assert self.first_day["status"] == "SUCCESS"
        return self.server.launch_backfill(INGEST, [str(DAY_2), str(DAY_3)])

    @cached_property
    def broken(self) -> dict[str, Any]:
        """What happened when the first day was run again after half of its user ids were lost."""
        assert self.first_day["status"] == "SUCCESS"
        whole = self.partitions(DAY_1)
        path = self.events / f"{DAY_1}.parquet"
        good = path.read_bytes()
        events = pl.read_parquet(path)
        lost = pl.when(pl.int_range(pl.len()) % 2 == 1).then(pl.col("uid"))
        events.with_columns(lost).write_parquet(path)
        run = self.server.run_job("daily", str(DAY_1))
        return {"run": run, "before": whole, "good": good, "rows": events.height}

    def partitions(self, day: date) -> dict[str, bytes]:
        """The bytes of every table's partition of a day."""
        return {table: self.lake.partition(table, day).read_bytes() for table in TABLES if self.lake.has(table, day)}

    def repair(self) -> None:
        """Put back what `broken` broke."""
        (self.events / f"{DAY_1}.parquet").write_bytes(self.broken["good"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("server")
    simulate(
        folder / "source",
        Scenario(
            first_day=FIRST, days=4, users=120, events_per_day=500, communities=2, mixing=0.2, exposures=False,
        ),
    )  # fmt: skip
    description = folder / "source" / "source.yaml"
    # A log that goes on, as that of a platform does.
    lines = description.read_text().splitlines(keepends=True)
    description.write_text("".join(line for line in lines if not line.startswith("last_day")))
    with DagsterDev(folder, {"COTERIE_HOME": str(folder / "home"), "COTERIE_SOURCE": str(description)}) as server:
        yield World(folder, server)


def test_every_table_is_an_asset_with_its_group_words_owner_kinds_and_checks(world: World) -> None:
    found = world.server.assets()
    assert set(found) == ASSETS
    assert {node["groupName"] for node in found.values()} == GROUPS
    for name, node in found.items():
        assert len(node["description"]) > 40, name
        assert node["owners"] == [{"team": "data-science"}], name
        assert node["kinds"], name
        assert node["checks"], name
        assert all(check["blocking"] and check["description"] for check in node["checks"].values()), name
        assert node["partitionDefinition"], name
        if name in TABLES:
            assert node["groupName"] == TABLES[name].group, name


def test_the_jobs_the_schedule_and_the_sensor_are_there_and_off(world: World) -> None:
    found = world.server.automation()
    assert {"daily", "label_items", "forget_users"} <= found["jobs"].keys()
    assert all(found["jobs"][name] for name in ("daily", "label_items", "forget_users"))  # each says what it does
    assert found["schedules"] == {"daily_schedule": "STOPPED"}
    assert found["sensors"] == {"late_data": "STOPPED"}


def test_a_launched_day_is_published_with_every_check_passed_for_that_day(world: World) -> None:
    assert world.first_day["status"] == "SUCCESS", world.first_day
    assert set(world.first_day["steps"].values()) == {"SUCCESS"}
    assert set(world.partitions(DAY_1)) == set(TABLES)
    assert (world.folder / "home" / "reports" / f"{DAY_1}.html").exists()
    declared = {(asset, check) for asset, node in world.server.assets().items() for check in node["checks"]}
    results = world.server.results(world.first_day["run"])
    assert {(r["asset"], r["check"]) for r in results} == declared
    assert len(results) == len(declared)
    assert {r["partition"] for r in results} == {str(DAY_1)}
    assert [r for r in results if not r["success"] and r["severity"] == "ERROR"] == []
    views = duckdb.connect(str(world.folder / "home" / "coterie.duckdb"), read_only=True)
    counted = views.execute(f"select count(*) from raw_events where day = '{DAY_1}'").fetchall()
    assert counted == [(pl.read_parquet(world.events / f"{DAY_1}.parquet").height,)]


def test_a_broken_day_fails_in_the_open_and_leaves_the_lake_as_it_was(world: World) -> None:
    broken = world.broken
    assert broken["run"]["status"] == "FAILURE"
    ran = {step for step, status in broken["run"]["steps"].items() if status in ("SUCCESS", "FAILURE")}
    assert ran == {"raw_events"}, broken["run"]
    assert world.partitions(DAY_1) == broken["before"]
    check = world.server.check("raw_events", "quarantined_share", str(DAY_1))
    found = check["evaluation"]
    assert check["status"] == "FAILED"
    assert found["severity"] == "ERROR"
    assert found["partition"] == str(DAY_1)
    half = (broken["rows"] + 1) // 2
    assert f"{half} of {broken['rows']} rows" in found["description"]
    assert "user_id" in found["description"]
    details = {entry["label"]: entry for entry in found["metadataEntries"]}
    assert details["rejected"]["intValue"] == half
    assert details["rows"]["intValue"] == broken["rows"]
    sample = details["sample_rows"]["mdStr"]
    assert sample.count("user_id is missing") >= 5
    assert "payload" not in sample  # a person's data do not belong in an event log


@browser
def test_the_checks_tab_shows_the_failed_check_with_its_text(world: World, tmp_path: Path) -> None:
    assert world.broken["run"]["status"] == "FAILURE"
    rows = world.broken["rows"]
    share = f"{(rows + 1) // 2 / rows:.1%}"
    with browser_page(tmp_path) as page:
        page.goto(f"{world.server.url}/assets/raw_events")
        page.get_by_role("tab", name="Checks").click()
        page.get_by_text("quarantined_share", exact=True).first.click()
        page.get_by_text(f"rows ({share}) were rejected").first.wait_for()
        assert page.get_by_text("Failed", exact=True).first.is_visible()
        assert page.get_by_text(str(DAY_1), exact=True).first.is_visible()


def test_a_repaired_day_passes(world: World) -> None:
    before = world.broken["before"]
    world.repair()
    run = world.server.materialize(["raw_events", "quarantine"], str(DAY_1))
    assert run["status"] == "SUCCESS"
    assert world.server.check("raw_events", "quarantined_share", str(DAY_1))["status"] == "SUCCEEDED"
    assert world.partitions(DAY_1) == before


def test_a_backfill_of_everything_over_several_days_is_accepted(world: World) -> None:
    assert world.first_day["status"] == "SUCCESS"
    world.server.cancel_backfill(world.server.launch_backfill(sorted(ASSETS), [str(DAY_2), str(DAY_3)]))
    assert (
        world.backfill
    )  # of a few tables: it goes on while the next tests ask other things; the last one waits for it


def test_the_schedule_asks_for_the_day_before_the_tick(world: World) -> None:
    morning = datetime(2024, 5, 4, 2, tzinfo=UTC)
    asked = world.server.scheduled("daily_schedule", morning.timestamp())
    assert asked == {"days": [str(DAY_3)], "skipped": None}
    assert world.server.automation()["schedules"] == {"daily_schedule": "RUNNING"}
    too_early = world.server.scheduled("daily_schedule", datetime(2024, 5, 1, 2, tzinfo=UTC).timestamp())
    assert too_early["days"] == []
    assert "first day" in too_early["skipped"]


@browser
def test_the_asset_graph_shows_every_group_and_what_it_reads(world: World, tmp_path: Path) -> None:
    with browser_page(tmp_path, *asset_graph.SIZE) as page:
        edges = asset_graph.take(page, world.server.url, tmp_path / "graph.png")
        for group in sorted(GROUPS):
            name = page.get_by_text(group, exact=True).first
            name.wait_for()
            assert name.is_visible(), group
    nodes = world.server.ask("{ assetNodes { groupName assetKey { path } dependencyKeys { path } } }")["assetNodes"]
    group_of = {node["assetKey"]["path"][0]: node["groupName"] for node in nodes}
    reads = {(group_of[key["path"][0]], node["groupName"]) for node in nodes for key in node["dependencyKeys"]}
    assert edges == len({(source, target) for source, target in reads if source != target})


@browser
def test_an_asset_is_materialized_by_clicks(world: World, tmp_path: Path) -> None:
    assert not world.lake.has("raw_events", DAY_4)
    with browser_page(tmp_path) as page:
        page.goto(f"{world.server.url}/assets/raw_events")
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_role("button", name="Confirm").click()  # quarantine comes with it
        page.get_by_text("Show all partitions").click()  # the dialog begins with the last 90 days
        days = page.get_by_placeholder("ex: ")
        days.fill(str(DAY_4))
        days.press("Enter")
        page.get_by_role("button", name="Launch 1 run").click()
        run = world.server.wait(lambda: world.server.runs_of(str(DAY_4)), 60)[0]
    assert world.server.finished_run(run)["status"] == "SUCCESS"
    assert world.lake.has("raw_events", DAY_4)


def test_a_late_event_brings_its_day_again(world: World) -> None:
    assert world.first_day["status"] == "SUCCESS"
    template = pl.read_parquet(world.events / f"{DAY_1}.parquet").head(1)
    late = template.with_columns(
        pl.lit(999).cast(template.schema["id"]).alias("id"), pl.lit("a latecomer").alias("uid")
    )
    late.write_parquet(world.events / "late.parquet")
    run = world.server.sensed("late_data")
    again = world.server.finished_run(run)
    assert again["day"] == str(DAY_1)
    assert again["status"] == "SUCCESS", again
    events = world.lake.read("raw_events", DAY_1)
    assert events.filter(pl.col("user_id") == "a latecomer")["event_id"].to_list() == ["999"]
    assert world.lake.read("engagement", DAY_1).filter(pl.col("user_id") == "a latecomer").height == 1


def test_a_backfill_publishes_all_its_days_and_no_other(world: World) -> None:
    state = world.server.finished_backfill(world.backfill)
    assert state["status"] == "COMPLETED_SUCCESS", state
    for day in (DAY_2, DAY_3):
        assert set(INGEST) <= set(world.partitions(day))
    assert not any(world.lake.has(table, DAY_4) for table in TABLES if table not in ("raw_events", "quarantine"))
