"""The gate: what fails publishes nothing, stops what comes after, and is seen in Dagster with counts and samples."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.gate import Candidate, gate, preview
from assets.tables import table_asset
from coterie.tables import (
    COMMUNITIES,
    INTEREST_DAILY,
    INTEREST_GRAPH,
    MART_COMMUNITY_DAY,
    RAW_ITEMS,
    STRATEGIES,
    TABLES,
    USER_GRAPH,
    Table,
)
from resources.audit import Finding
from resources.lake import Lake, Staged

DAYS = dg.DailyPartitionsDefinition("2024-05-01", end_date="2024-05-04")
DAY = date(2024, 5, 1)
GOOD = pl.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "weight": [0.5, 1.0]})

Frame = Callable[[], pl.DataFrame]


def project(lake: Lake, make: Frame, finding: Finding | None = None) -> list[dg.AssetsDefinition]:
    checks = {finding.check: "A relational check"} if finding else {}

    @table_asset(USER_GRAPH, DAYS, deps=[], kinds={"python"}, says="Test.", checks=checks)
    def users(context: dg.AssetExecutionContext) -> Iterator:
        yield from gate(context, lake, [Candidate(USER_GRAPH, make(), findings=[finding] if finding else [])])

    @table_asset(INTEREST_GRAPH, DAYS, deps=["user_graph"], kinds={"python"}, says="Test.")
    def interests(context: dg.AssetExecutionContext) -> Iterator:
        yield from gate(context, lake, [Candidate(INTEREST_GRAPH, INTEREST_GRAPH.empty())])

    return [users, interests]


def run(lake: Lake, make: Frame, finding: Finding | None = None) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        project(lake, make, finding), partition_key="2024-05-01", raise_on_error=False,
        instance=dg.DagsterInstance.ephemeral(),
    )  # fmt: skip


def snapshot(home: Path) -> dict[str, bytes]:
    return {str(p.relative_to(home)): p.read_bytes() for p in sorted((home / "lake").rglob("*")) if p.is_file()}


def test_a_good_candidate_is_published_with_its_checks_per_partition(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    result = run(lake, lambda: GOOD)
    assert result.success
    assert lake.read("user_graph", DAY).height == 2
    checks = {(c.check_name, c.passed, c.partition) for c in result.get_asset_check_evaluations()}
    assert {
        ("contract", True, "2024-05-01"),
        ("weights_in_range", True, "2024-05-01"),
    } <= checks


@pytest.mark.parametrize(
    ("bad", "check", "count"),
    [
        (GOOD.with_columns(target=pl.Series([None, "c"], dtype=pl.String)), "contract", 1),
        (pl.concat([GOOD, GOOD]), "contract", 4),
        (GOOD.with_columns(weight=pl.Series([2.0, -1.0])), "weights_in_range", 2),
        (GOOD.drop("weight"), "contract", 0),
        (GOOD.with_columns(surprise=pl.lit(1)), "contract", 0),
    ],
)
def test_a_bad_candidate_publishes_nothing_and_stops_what_follows(
    tmp_path: Path, bad: pl.DataFrame, check: str, count: int
) -> None:
    lake = Lake(tmp_path)
    assert run(lake, lambda: GOOD).success
    before = snapshot(tmp_path)
    result = run(lake, lambda: bad)
    assert not result.success
    assert snapshot(tmp_path) == before
    assert result.get_asset_materialization_events() == []
    failed = {c.check_name: c for c in result.get_asset_check_evaluations() if not c.passed}
    assert check in failed
    assert failed[check].partition == "2024-05-01"
    assert failed[check].metadata["unexpected"].value == count
    assert "user_graph" in failed[check].description
    failures = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert [e.step_key for e in failures] == ["user_graph"]
    assert f"user_graph.{check}" in str(failures[0].step_failure_data.error)
    assert not [e for e in result.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"]
    assert not (tmp_path / "stage").exists()
    assert run(lake, lambda: GOOD).success, "after the repair the day goes through"


def test_sample_rows_are_shown_without_ids_of_persons(tmp_path: Path) -> None:
    bad = pl.DataFrame({"source": ["alice", "alice"], "target": ["bob", "carol"], "weight": [7.0, 8.0]})
    result = run(Lake(tmp_path), lambda: bad)
    (failed,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "weights_in_range"]
    sample = failed.metadata["sample_rows"].value
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in sample.splitlines()[2:]]
    assert rows == [["user-1", "user-2", "7"], ["user-1", "user-3", "8"]]


def test_messages_name_both_columns_of_a_pair_and_no_person(tmp_path: Path) -> None:
    bad = pl.DataFrame({"source": ["bob"], "target": ["alice"], "weight": [1.0]})
    result = run(Lake(tmp_path), lambda: bad)
    (failed,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "ordered"]
    assert "on target, source: 1 of 1 rows break it (expected" in failed.description
    everything = " ".join(str(event) for event in result.all_events)
    assert "alice" not in everything
    assert "'bob'" not in everything


def shown(table: Table, **values: object) -> str:
    """The preview of one row."""
    return previewed(table, pl.DataFrame([dict.fromkeys(table.schema) | values], schema=table.schema))


def previewed(table: Table, frame: pl.DataFrame) -> str:
    return preview(Staged(table, DAY, Path(), frame.height, frame)).value


def test_a_preview_tells_nothing_about_few_users() -> None:
    text = shown(USER_GRAPH, source="alice", target="bob", weight=0.123)
    assert "no rows are shown" in text
    assert "weight" in text
    assert not {"alice", "bob", "0.123"} & set(text.split())
    assert "food.tea" not in shown(INTEREST_DAILY, interest_id="food.tea", users=3)
    assert "food.tea" not in shown(INTEREST_GRAPH, source="food.tea", target="food.wine", users=1)
    text = shown(COMMUNITIES, community_id="c1", name="Cooks", users=23, stability=0.7391, verdict="real")
    assert "Cooks" in text
    assert "real" in text
    assert "23" not in text
    assert "0.7391" not in text
    text = shown(STRATEGIES, strategy_id="s1", users_affected=23, baseline=0.0217, status="proposed")
    assert "proposed" in text
    assert "23" not in text
    assert "0.0217" not in text
    assert "alice" not in shown(RAW_ITEMS, item_id="i1", creator_id="alice", text="Soup")
    assert "Soup" in shown(RAW_ITEMS, item_id="i1", creator_id="alice", text="Soup")
    assert "Cooks" in shown(MART_COMMUNITY_DAY, community_id="c1", name="Cooks", users_rounded=20)


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.private], ids=lambda t: t.name)
def test_what_is_shown_of_a_private_table_names_nobody_and_counts_nobody(table: Table) -> None:
    assert set(table.shown).isdisjoint(table.persons)
    counts = {c for c in table.shown if table.schema[c] in (pl.Int64, pl.Float64)}
    assert counts <= {"level", "users_per_arm", "days", "horizon_days"}


def test_the_outline_of_a_private_table_counts_persons_in_fives() -> None:
    rows = [(f"u{n:02}", f"v{n:02}", 0.5 if n else 0.25) for n in range(13)]
    text = previewed(USER_GRAPH, pl.DataFrame(rows, schema=USER_GRAPH.schema, orient="row"))
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "%" in line]
    assert cells == [["source", "100%", "10"], ["target", "100%", "10"], ["weight", "100%", "2"]]


def test_a_wrong_type_is_told_in_words(tmp_path: Path) -> None:
    result = run(Lake(tmp_path), lambda: GOOD.with_columns(weight=pl.Series(["heavy", "light"])))
    assert not result.success
    (failure,) = [e for e in result.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "user_graph: a column is not of the contract's type" in str(failure.step_failure_data.error)


def test_a_relational_check_gates_and_a_warning_does_not(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    wrong = Finding("related", False, "user_graph: 3 users are unknown", numbers={"unexpected": 3})
    assert not run(lake, lambda: GOOD, wrong).success
    assert not lake.has("user_graph", DAY)
    warning = Finding("related", False, "user_graph: a little thin", severity="warning")
    result = run(lake, lambda: GOOD, warning)
    assert result.success
    assert lake.has("user_graph", DAY)
    (found,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "related"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
