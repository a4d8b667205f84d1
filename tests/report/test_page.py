"""The report: says what is there, says so when there is nothing, escapes what comes from the log."""

from datetime import date

import polars as pl
import pytest

from coterie.report import DayTables, render
from coterie.tables import MART_COMMUNITY_DAY, MART_INTEREST_TRENDS, MART_STRATEGY_BOARD, STRATEGY_SCORECARD

DAY = date(2024, 5, 20)
SCORES = {**STRATEGY_SCORECARD.schema, "kind": pl.String()}


def community(name: str, verdict: str = "real", **changes: object) -> dict[str, object]:
    row = {
        "community_id": f"c-{name}", "name": name, "verdict": verdict, "users_rounded": 40, "q_value": 0.01,
        "stability": 0.9, "event": "continued", "summary": f"{name} people", "proposed_strategies": 1,
    }  # fmt: skip
    return row | changes


def strategy(**changes: object) -> dict[str, object]:
    row = {
        "strategy_id": "s-1", "kind": "boost_interest", "community": "Cooks", "interest": "Baking", "users_rounded": 40,
        "metric": "share_of_engagement", "baseline": 0.1, "effect": 0.12, "effect_low": 0.05, "effect_high": 0.19,
        "q_value": 0.01, "evaluability": "observational", "status": "proposed", "users_per_arm": 300, "test_days": 9,
        "scored": None, "hit_rate": None, "expires_on": date(2024, 6, 3),
    }  # fmt: skip
    return row | changes


def trend(name: str, **changes: object) -> dict[str, object]:
    row = {
        "interest_id": f"d.{name}", "domain": "D", "interest": name, "users_rounded": 60, "demand_share": 0.25,
        "supply_share": 0.1, "gap": 0.15, "baseline_share": 0.1, "trend_ratio": 1.5, "q_value": 0.01, "trend": "rising",
    }  # fmt: skip
    return row | changes


def tables(
    communities: list[dict], strategies: list[dict], scores: list[dict] | None = None, trends: list[dict] | None = None
) -> DayTables:
    return DayTables(
        day=DAY,
        source="test",
        communities=pl.DataFrame(communities, schema=MART_COMMUNITY_DAY.schema),
        communities_before=pl.DataFrame([community("Cooks")], schema=MART_COMMUNITY_DAY.schema),
        trends=pl.DataFrame(trends or [], schema=MART_INTEREST_TRENDS.schema),
        strategies=pl.DataFrame(strategies, schema=MART_STRATEGY_BOARD.schema),
        scores=pl.DataFrame(scores or [], schema=SCORES),
        counts={"events": 1234},
        disclosure_size=20,
    )


def test_it_says_what_is_there_and_what_to_do() -> None:
    html = render(tables([community("Cooks"), community("Runners", "weak")], [strategy()]))
    assert "1 of 2 communities are real" in html
    assert "1 is new since yesterday and 0 are gone" in html
    assert "Show more of Baking for the community Cooks: predicted difference +12.0 %" in html
    assert "no track record" in html
    assert html.count("<svg") == 2


def test_what_rises_is_told_by_how_much_where_that_may_be_told() -> None:
    hidden = trend("Baking", baseline_share=None, trend_ratio=None, q_value=None)
    html = render(tables([], [], trends=[hidden, trend("Running", demand_share=None, gap=None)]))
    assert "Running is rising: 1.5 times its share of the week before" in html
    assert "Changed beyond chance (q at most 0.05): Baking (rising), Running (rising)" in html
    assert html.count("<svg") == 2, "the trend of Running and the gap of Baking"
    html = render(tables([], [], trends=[hidden]))
    assert "Baking is rising: no comparison with the week before can be shown" in html
    assert "No interest had enough users on the days before for a comparison to be shown" in html


def test_on_a_day_with_nothing_it_says_so_and_draws_nothing() -> None:
    html = render(tables([], []))
    assert "No community could be found" in html
    assert "does not guess" in html
    assert "<svg" not in html


def test_what_comes_from_the_log_is_escaped_in_text_and_in_charts() -> None:
    evil = "<script>alert(1)</script>"
    html = render(tables([community(evil)], [strategy(community=evil, interest="<img src=x onerror=alert(1)>")]))
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_it_asks_for_nothing_and_is_the_same_each_time() -> None:
    page = tables([community("Cooks")], [strategy()])
    html = render(page)
    assert html == render(page)
    assert "src=" not in html
    assert "href=" not in html.replace("xlink:href", "")


@pytest.mark.parametrize(("hits", "words"), [(9, "9 (90%)"), (0, "0 (0%)")])
def test_the_track_record_is_counted(hits: int, words: str) -> None:
    scores = [
        {
            "strategy_id": f"s{i}", "issued_on": date(2024, 5, 13), "horizon_days": 7, "predicted": 0.1, "realised": 0.1,
            "realised_error": 0.01, "placebo": 0.0, "popularity": 0.0, "in_interval": i < hits,
            "verdict": "hit" if i < hits else "miss", "kind": "boost_interest",
        }
        for i in range(10)
    ]  # fmt: skip
    html = render(tables([community("Cooks")], [strategy()], scores))
    assert f"Of 10 earlier suggestions scored over the last four weeks, {words}" in html
