"""The suites: a sound row of each table passes, and a row that is wrong in one way fails the check that says so."""

from datetime import date, datetime

import polars as pl
import pytest

from assets.gate import suite
from coterie.tables import TABLES, Table
from resources.audit import audit

PLAIN: dict[type, object] = {
    pl.String: "x", pl.Float64: 0.5, pl.Int64: 5, pl.Boolean: True, pl.Date: date(2024, 5, 1),
    pl.Datetime: datetime(2024, 5, 1),
}  # fmt: skip
SOUND: dict[str, dict[str, object]] = {
    "raw_events": {"kind": "watch"},
    "raw_items": {"language": "en", "text_hash": "0" * 32, "content_hash": "f" * 32},
    "quarantine": {"table_name": "raw_events"},
    "label_vocabulary": {"language": "en"},
    "item_labels": {"labeller": "local"},
    "interest_graph": {"source": "a", "target": "b"},
    "user_graph": {"source": "a", "target": "b"},
    "communities": {"verdict": "real"},
    "community_lineage": {"event": "born"},
    "strategies": {
        "kind": "boost_interest", "evaluability": "observational", "status": "proposed", "action": "{}",
        "evidence": "{}",
    },
    "experiment_plans": {"unit": "user", "alpha_adjusted": 0.05},
    "strategy_scorecard": {"verdict": "hit", "why_not": None},
    "mart_interest_trends": {"trend": "rising"},
    "mart_community_day": {"verdict": "real", "event": "born"},
    "mart_strategy_board": {"kind": "boost_interest", "evaluability": "observational", "status": "proposed"},
}  # fmt: skip


def sound(table: Table) -> dict[str, object]:
    return {name: PLAIN[type(dtype)] for name, dtype in table.schema.items()} | SOUND.get(table.name, {})


def failed(table: Table, **changes: object) -> set[str]:
    """The names of the checks that a row fails."""
    frame = pl.DataFrame([sound(table) | changes], schema=table.schema)
    return {f.check for f in audit(suite(table), frame) if not f.passed}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_a_sound_row_passes_and_its_nulls_do_where_they_may(table: Table) -> None:
    assert failed(table) == set()
    nulls = dict.fromkeys(c.name for c in table.columns if c.nullable)
    assert failed(table, **nulls, **({"verdict": "not_scorable"} if "in_interval" in nulls else {})) == set()


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_a_number_that_is_not_finite_breaks_the_contract(table: Table) -> None:
    numbers = [name for name, dtype in table.schema.items() if dtype.is_float()]
    wrong = (float("nan"), float("inf"), float("-inf"))
    frame = pl.DataFrame([sound(table) | dict.fromkeys(numbers, value) for value in wrong], schema=table.schema)
    (contract, *_) = audit(suite(table), frame)
    assert not contract.passed
    for name in numbers:
        assert f"on {name}: 3 of 3 rows break it" in contract.says


@pytest.mark.parametrize(
    ("name", "changes", "check"),
    [
        ("strategies", {"users_affected": -5}, "in_range"),
        ("strategies", {"q_value": 7.0}, "in_range"),
        ("strategies", {"effect_high": 1.64}, "intervals"),
        ("strategies", {"status": "approved"}, "statuses_known"),
        ("strategies", {"status": "proposed later"}, "statuses_known"),
        ("strategy_scorecard", {"in_interval": None}, "scored"),
        ("strategy_scorecard", {"in_interval": False}, "scored"),
        ("strategy_scorecard", {"verdict": "not_scorable"}, "scored"),
        ("strategy_scorecard", {"realised": None}, "scored"),
        ("strategy_scorecard", {"why_not": "x"}, "reasons"),
        ("mart_community_day", {"q_value": 5.0}, "in_range"),
        ("mart_community_day", {"stability": 9.0}, "in_range"),
        ("mart_community_day", {"event": "died"}, "verdicts_known"),
        ("mart_community_day", {"users_rounded": 7}, "counts_rounded"),
        ("mart_interest_trends", {"users_rounded": 21}, "counts_rounded"),
        ("mart_interest_trends", {"users_rounded": 0}, "counts_rounded"),
        ("mart_interest_trends", {"baseline_share": 1.5}, "in_range"),
        ("mart_interest_trends", {"trend_ratio": -1.0}, "in_range"),
        ("mart_strategy_board", {"users_rounded": 103}, "counts_rounded"),
        ("mart_strategy_board", {"q_value": -0.1}, "in_range"),
        ("mart_strategy_board", {"status": ""}, "words_known"),
        ("mart_strategy_board", {"effect": 0.9}, "intervals"),
        ("communities", {"users": 0}, "in_range"),
        ("experiment_plans", {"icc": 2.0}, "in_range"),
        ("interest_daily", {"baseline_share": 2.0}, "shares_in_range"),
        ("interest_graph", {"users": -1}, "in_range"),
    ],
)
def test_what_cannot_be_is_refused(name: str, changes: dict[str, object], check: str) -> None:
    assert failed(TABLES[name], **changes) == {check}


@pytest.mark.parametrize("status", ["proposed", "withheld: x", "warning: only 12 of 20 of its kind came true"])
def test_a_suggestion_on_the_board_is_proposed_withheld_or_a_warning(status: str) -> None:
    assert failed(TABLES["mart_strategy_board"], status=status) == set()
