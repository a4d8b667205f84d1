"""The machinery behind what a day costs: sources of several platforms, bounds, floors, the usual way, the tables."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks import cost, floors, oldway
from benchmarks.daily import read_run
from benchmarks.pipeline import run
from benchmarks.section import Options
from benchmarks.shards import FIRST, make_source
from benchmarks.watch import Bounds, environment, watch
from benchmarks.worlds import run_world, true_labels
from coterie.simulate import Scenario
from coterie.sources import load_source
from coterie.tables import ENGAGEMENT, ITEM_LABELS, RAW_EVENTS, RAW_ITEMS, USER_GRAPH, USER_INTERESTS, Table
from resources.lake import Lake


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two platforms of 600 events a day each."""
    return make_source(tmp_path_factory.mktemp("bench") / "source", days=2, users=301, events=1200, seed=1, largest=600)


def events_of(source: Path) -> pl.DataFrame:
    return pl.read_parquet(source.parent / "events" / "*.parquet")


def test_platforms_side_by_side_are_one_log_without_ids_in_common(source: Path) -> None:
    events, items = events_of(source), pl.read_parquet(source.parent / "items.parquet")
    assert load_source(source).last_day == date(2024, 5, 2)
    assert events["id"].is_unique().all()
    assert items["vid"].is_unique().all()
    assert set(events["vid"]) <= set(items["vid"])
    assert set(events["uid"].str.head(3)) == {"00-", "01-"}
    assert events.filter(pl.col("uid").str.head(3) != pl.col("vid").str.head(3)).is_empty()
    assert len(list((source.parent / "events").glob("*"))) == 4
    assert sorted(path.name for path in source.parent.iterdir()) == ["events", "items.parquet", "source.yaml"]


def test_more_platforms_than_there_are_ids_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 1,000"):
        make_source(tmp_path / "source", days=1, users=100, events=2000, seed=1, largest=10)


def test_a_process_above_its_memory_is_stopped_and_its_step_told(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    env = environment(tmp_path / "home", tmp_path / "none.yaml", tmp_path / "dagster")
    found = watch("tests.benchmarks.hungry", [], Bounds(gigabytes=0.5, seconds=60), env)
    became = read_run(tmp_path / "dagster", found)
    assert became.stopped == "stopped in `heavy` at 0.5 GB"
    assert 0.5 < became.peak < 4
    light, heavy = became.steps
    assert (light.name, heavy.name) == ("light", "heavy")
    assert light.seconds is not None
    assert heavy.seconds is None
    assert heavy.peak is not None
    assert heavy.peak > 0.5


def test_a_process_that_failed_for_another_reason_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    found = watch("benchmarks.oldway", ["nowhere", "2024-05-01"], Bounds(gigabytes=9, seconds=60))
    with pytest.raises(RuntimeError, match="No objects to concatenate"):
        read_run(tmp_path / "dagster", found)


def test_a_process_above_its_time_is_stopped() -> None:
    found = watch("timeit", ["-n1", "-r1", "import time; time.sleep(30)"], Bounds(gigabytes=9, seconds=0.3))
    assert found.stopped == "after 0.3 seconds"
    assert found.seconds < 10


@pytest.mark.parametrize("code", ["print('done')", "import sys; sys.exit('broken')"])
def test_a_process_within_its_bounds_ends_by_itself(code: str) -> None:
    found = watch("timeit", ["-n1", "-r1", code], Bounds(gigabytes=9, seconds=60))
    assert found.stopped is None
    assert (found.code == 0) is ("done" in found.output)
    assert (found.code == 0) is ("broken" not in found.errors)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A day of a world as the floors read it."""
    days, known = run_world(Scenario(seed=1, first_day=FIRST, days=1, users=300, events_per_day=4000))
    labels = true_labels(known)
    found = next(iter(run(days, labels, exposures=True)))
    items = days[0].items
    tables: dict[Table, pl.DataFrame] = {
        RAW_EVENTS: days[0].events.with_columns(pl.col("occurred_at").dt.replace_time_zone(None)),
        RAW_ITEMS: items,
        ENGAGEMENT: days[0].engagement,
        ITEM_LABELS: labels.filter(pl.col("item_id").is_in(items["item_id"].implode())),
        USER_INTERESTS: found.user_interests,
        USER_GRAPH: found.user_graph,
    }
    made = Lake(tmp_path_factory.mktemp("home"))
    for table, frame in tables.items():
        rest = [pl.lit(None, t).alias(c) for c, t in table.schema.items() if c not in frame.columns]
        with made.stage(table, FIRST, frame.with_columns(rest).select(list(table.schema))) as staged:
            made.publish(staged)
    return made


def test_floors_do_the_bare_part_of_the_stage(lake: Lake, source: Path) -> None:
    work = {step: floors.prepare(step, source, lake, FIRST, 50_000) for step in floors.WORDS}
    seconds = {step: floors.fastest(of) for step, of in work.items() if of is not None}
    assert set(seconds) == set(floors.WORDS)
    assert all(0 < s < 5 for s in seconds.values())
    events, engagement = lake.read("raw_events", FIRST), lake.read("engagement", FIRST)
    watched = events["watch_ms"].sum()
    assert floors.group(str(lake.partition("raw_events", FIRST))) == (engagement.height, events.height, watched)
    assert floors.interests_product(lake, FIRST)().sum() == pytest.approx(
        lake.read("user_interests", FIRST)["engaged"].sum()
    )
    graph = lake.read("user_graph", FIRST)
    assert len(floors.bare_leiden(graph)().membership) == pl.concat([graph["source"], graph["target"]]).n_unique()


def test_the_scan_reads_every_value(tmp_path: Path, source: Path) -> None:
    whole = events_of(source)
    whole.write_parquet(tmp_path / "a.parquet")
    before = floors.scan([str(tmp_path / "a.parquet")])
    for column, other in (("p_show", 0.123), ("uid", "nobody"), ("slot", 99)):
        changed = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(other)).otherwise(column).alias(column)
        whole.with_columns(changed).write_parquet(tmp_path / "a.parquet")
        assert floors.scan([str(tmp_path / "a.parquet")]) != before


def test_a_step_whose_inputs_are_missing_has_no_floor(tmp_path: Path, source: Path) -> None:
    prepared = [step for step in floors.WORDS if floors.prepare(step, source, Lake(tmp_path), FIRST, 100) is not None]
    assert prepared == ["raw_events"]


def test_the_usual_way_groups_every_engaged_user_and_never_across_platforms(source: Path) -> None:
    told: dict[str, float] = {}
    files = sorted((source.parent / "events").glob(f"{FIRST}*.parquet"))
    groups = oldway.group_users(files, lambda step, seconds: told.update({step: seconds}))
    assert tuple(told) == oldway.STEPS
    engaged = pl.concat([pl.read_parquet(path) for path in files]).filter(pl.col("action").is_in(oldway.ENGAGED))
    assert set(groups) == set(engaged["uid"])
    assert len({(group, user[:3]) for user, group in groups.items()}) == len(set(groups.values()))


def test_what_was_stopped_stands_on_the_page() -> None:
    def step(name: str, seconds: float | None, note: str | None = None, method: str = cost.COTERIE) -> cost.Row:
        return method, name, cost.SECONDS, 1, seconds, note

    ended = "stopped in `user_graph` at 20 GB"
    parts = {
        500: [step("raw_events", 2.0), step(cost.WHOLE, 2.0)],
        1000: [
            step("raw_events", 4.0), step("user_graph", 6.0), step("late", 0.0), step(cost.WHOLE, 12.0),
            *(step(name, 0.5, method=cost.FLOOR) for name in floors.WORDS),
            step(cost.WHOLE, 3.0, method=cost.OLD_WAY), step("read", 1.0, method=cost.OLD_WAY),
        ],
        2000: [
            step("raw_events", 40.0), step("user_graph", None, ended), step(cost.WHOLE, None, ended),
            step("raw_events", 8.0, method=cost.FLOOR),
            step("dbt_engagement", None, "stopped at 20 GB", method=cost.FLOOR),
            step(cost.WHOLE, None, "stopped in `projection` at 20 GB", method=cost.OLD_WAY),
        ],
    }  # fmt: skip
    rows = pl.concat(
        pl.DataFrame(of, schema=cost.SCHEMA, orient="row").with_columns(
            part=pl.lit(cost.SIZE),
            events=pl.lit(events, pl.Int64),
            users=pl.lit(100, pl.Int64),
            days=pl.lit(1, pl.Int64),
        )
        for events, of in parts.items()
    )
    page = cost.render(rows, Path("nowhere"))
    assert "| `raw_events` | 2.0 | - | 4.0 | 8.0 | 40.0 | 5.0 |" in page
    assert "| `user_graph` | - | - | 6.0 | 12 | stopped | - |" in page
    assert "| `late` | - | - | 0.0 | - | not reached | - |" in page
    assert "| between the steps | 0.0 | - | 2.0 | - | - | - |" in page
    assert "| **whole day** | **2.0** | - | **12.0** | 4.8 | stopped | - |" in page
    assert f"- 2,000 events: {ended}." in page
    assert "- 2,000 events, the floor of `dbt_engagement`: stopped at 20 GB." in page
    assert "| stopped in `projection` at 20 GB |" in page
    assert "Coterie's day takes 4 times as long" in page


def test_a_day_of_many_events_is_the_first_alone() -> None:
    found = [(s["events"], s["users"], s["days"]) for s in cost.settings(Options(sizes=(10**6, 10**8)))]
    assert found == [(10**6, 10**5, 3), (10**8, 10**6, 1), (4_000, 800, 60)]
