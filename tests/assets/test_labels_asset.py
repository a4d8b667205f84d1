"""`item_labels` by Claude as an asset: what the UI says before and after spending, and that a replay spends nothing."""

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import labels
from coterie.tables import LABEL_VOCABULARY, RAW_EVENTS, TABLES
from coterie.taxonomy import load_taxonomy
from resources.configurable import LabellerChoice, Log, Storage
from resources.lake import Lake
from tests.labels.claude_server import ClaudeServer, running

DAY = date(2024, 5, 2)
DAYS = dg.DailyPartitionsDefinition("2024-05-01", end_date="2024-06-01")
INTERESTS = sorted(load_taxonomy().interests)


def run(
    home: Path, server: ClaudeServer, monkeypatch: pytest.MonkeyPatch, budget: str = "5", labeller: str = "claude"
) -> dg.ExecuteInProcessResult:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    description = home / "source.yaml"
    description.write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    storage = Storage(home=str(home))
    return dg.materialize(
        labels.build(DAYS),
        partition_key=DAY.isoformat(),
        resources={
            "storage": storage,
            "log": Log(storage=storage, description=str(description), pseudonym_key=""),
            "labeller": LabellerChoice(
                storage=storage, labeller=labeller, model="claude-haiku-4-5", mode="online", budget_usd=budget
            ),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def put_items(home: Path) -> None:
    table = TABLES["raw_items"]
    texts = [f"mail a{i}@b.org about <{INTERESTS[i]}>" if i % 4 else f"nothing {i}" for i in range(40)]
    rows = [
        {"item_id": f"i{i}", "text": t, "language": "en", "text_hash": f"h{i:03}", "content_hash": f"c{i}"}
        for i, t in enumerate(texts)
    ]
    frame = pl.DataFrame([dict.fromkeys(table.schema) | row for row in rows], schema=table.schema)
    lake = Lake(home)
    others = [(t, t.empty()) for t in (LABEL_VOCABULARY, RAW_EVENTS)]
    for made, rows_of in ((table, frame), *others):
        with lake.stage(made, DAY, rows_of) as staged:
            lake.publish(staged)


def test_the_ui_says_what_will_be_and_what_was_bought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_items(tmp_path)
    with running() as server:
        first = run(tmp_path, server, monkeypatch)
        assert first.success
        observed = [e for e in first.all_events if e.event_type_value == "ASSET_OBSERVATION"]
        asked = len(server.asked)
        again = run(tmp_path, server, monkeypatch)
        assert len(server.asked) == asked
    (seen,) = observed
    before = seen.asset_observation_data.asset_observation
    assert before.partition == DAY.isoformat()
    assert before.metadata["to_buy_texts"].value == 40
    assert before.metadata["to_buy_requests"].value == asked == 1
    made = first.asset_materializations_for_node("item_labels")[0].metadata
    assert (made["labelled"].value, made["abstained"].value, made["failed"].value) == (30, 10, 0)
    assert 0 < float(str(made["usd"].value)) <= float(str(made["to_buy_most_usd"].value))
    assert made["cache_share"].value == 0.9
    examples = str(made["examples"].value)
    assert "[email]" in examples
    assert "@" not in examples
    assert INTERESTS[1] in examples
    replayed = again.asset_materializations_for_node("item_labels")[0].metadata
    assert (replayed["to_buy_texts"].value, replayed["in_ledger_before"].value, replayed["usd"].value) == (0, 40, 0)
    assert not [e for e in again.all_events if e.event_type_value == "ASSET_OBSERVATION"]


def test_over_the_budget_nothing_is_sent_and_the_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_items(tmp_path)
    with running() as server:
        result = run(tmp_path, server, monkeypatch, budget="0.001")
        assert server.asked == []
    assert not result.success
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "failed_share"]
    assert "budget of $0.001 reached (COTERIE_LABEL_BUDGET_USD)" in str(check.description)
    assert not Lake(tmp_path).has("item_labels", DAY)


def test_the_cascade_asks_little_and_says_what_is_certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_items(tmp_path)
    with running() as server:
        result = run(tmp_path, server, monkeypatch, labeller="cascade")
        asked = sum(request["messages"][-1]["content"].count('"id"') for request in server.asked)
    assert result.success
    assert 0 < asked <= 8
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "certified"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "not certified yet" in str(check.description)
    made = result.asset_materializations_for_node("item_labels")[0].metadata
    assert made["labeller"].value == "cascade claude-haiku-4-5, local-3"
    assert made["texts_asked"].value == made["to_buy_texts"].value == asked
    labels_of_day = Lake(tmp_path).read("item_labels", DAY)
    assert set(labels_of_day["labeller"]) <= {"claude", "local"}


def test_whoever_labels_alone_has_no_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_items(tmp_path)
    with running() as server:
        result = run(tmp_path, server, monkeypatch)
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "certified"]
    assert check.passed
