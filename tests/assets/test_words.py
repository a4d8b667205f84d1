"""What a check says when it fails: what was found, and what was expected."""

from datetime import date

import polars as pl
import pytest

from assets import labels, reports, strategies
from coterie.tables import ITEM_LABELS, RAW_ITEMS, STRATEGY_SCORECARD, Table


def rows(table: Table, *given: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(table.schema) | row for row in given], schema=table.schema)


@pytest.mark.parametrize(
    ("labelled", "says"), [(2, labels.COVERAGE), (1, "1 of 10 items with text have a label (10%)")]
)
def test_how_many_items_have_a_label(labelled: int, says: str) -> None:
    items = rows(RAW_ITEMS, *({"item_id": f"i{n}", "text": "x", "hashtags": "[]"} for n in range(10)))
    finding = labels._coverage(rows(ITEM_LABELS, *({"item_id": f"i{n}"} for n in range(labelled))), items)
    assert finding.passed is (labelled > 1)
    assert says in finding.says
    assert finding.passed or "expected at least 20%" in finding.says


@pytest.mark.parametrize(
    ("hits", "says"), [(16, strategies.COVERED), (11, "11 of 20 suggestions of 7 and 14 days ago (55%)")]
)
def test_how_many_suggestions_came_true(hits: int, says: str) -> None:
    counted = [{"in_interval": n < hits, "horizon_days": 7 + 7 * (n % 2)} for n in range(20)]
    others = [{"in_interval": n % 2 == hits % 2, "horizon_days": age} for n, age in enumerate((8, 13, 15, 28) * 10)]
    shipped = [{"in_interval": False, "horizon_days": 7, "shipped_on": date(2024, 5, 1)}] * 10
    finding = strategies._covered(rows(STRATEGY_SCORECARD, *counted, *others, *shipped))
    assert finding.numbers["scored"] == 20
    assert finding.passed is (hits > 11)
    assert says in finding.says
    assert finding.passed or "expected at least 80%" in finding.says


def test_what_is_wrong_with_a_report() -> None:
    assert reports._small(10).says == reports.SMALL
    assert reports._small(6_000_000).says == "report: the file has 6,000,000 bytes; expected fewer than 5,000,000"
    rule = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    assert reports._self_contained(rule).says == reports.ALONE
    finding = reports._self_contained(rule + '<img src="https://x">')
    assert not finding.passed
    assert "the page holds <img src>, <img>;" in finding.says
