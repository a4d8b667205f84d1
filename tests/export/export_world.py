"""A day to export, with names that nobody would choose who wishes a spreadsheet well."""

import json
from datetime import date, timedelta
from typing import Any

import polars as pl

from coterie.export.handout import Handout
from coterie.strategies.decisions import DECISIONS
from coterie.tables import MART_COMMUNITY_DAY, MART_INTEREST_TRENDS, MART_STRATEGY_BOARD

DAY = date(2024, 5, 20)
FORMULA = "=cmd|' /C calc'!A0"
CHINESE = "猫咪与咖啡爱好者"
CONTROL = "bell\x07 and\x00 nul\x1b[31m"
LONG = "很长的名字 " * 9_000
NAMES = (FORMULA, CHINESE, CONTROL, LONG, "a/b:c[d]*?\\", "History", "+44 @home", "A/B:C[D]*?\\")


def community(number: int, name: str, **changes: object) -> dict[str, object]:
    row = {
        "community_id": f"c{number:02d}", "name": name, "verdict": "real", "users_rounded": 400 - 10 * number,
        "q_value": 0.01, "stability": 0.9, "event": "continued", "summary": f"Members want {name}",
        "proposed_strategies": 1,
    }  # fmt: skip
    return row | changes


def strategy(number: int, community_name: str, **changes: object) -> dict[str, object]:
    row = {
        "strategy_id": f"s-{number:02d}", "kind": "boost_interest", "community": community_name, "interest": f"-{number}+1",
        "users_rounded": 400, "metric": "strength_per_exposure", "baseline": 0.1, "effect": 0.30 - 0.02 * number,
        "effect_low": 0.2 - 0.02 * number, "effect_high": 0.4, "q_value": 0.01, "evaluability": "random_exposure",
        "status": "proposed", "users_per_arm": 300, "test_days": 9, "scored": 5, "hit_rate": 0.8,
        "expires_on": DAY + timedelta(days=14),
    }  # fmt: skip
    return row | changes


def trend(number: int, **changes: object) -> dict[str, object]:
    row = {
        "interest_id": f"d.i{number}", "domain": "D", "interest": f"@{number}", "users_rounded": 60, "demand_share": 0.25,
        "supply_share": 0.1, "gap": 0.15 - 0.1 * number, "baseline_share": 0.1, "trend_ratio": 1.5, "q_value": 0.01,
        "trend": "rising",
    }  # fmt: skip
    return row | changes


def withheld(number: int, community_name: str) -> dict[str, object]:
    numbers = dict.fromkeys(
        ("baseline", "effect", "effect_low", "effect_high", "q_value", "users_per_arm", "test_days")
    )
    return strategy(
        number, community_name, evaluability="not_evaluable", status="withheld: not evaluable, fewer", **numbers
    )


def handout(
    communities: list[dict[str, Any]] | None = None,
    strategies: list[dict[str, Any]] | None = None,
    trends: list[dict[str, Any]] | None = None,
    decisions: list[tuple[Any, ...]] | None = None,
) -> Handout:
    """The day; without rows given, eight communities of strange names with a suggestion each, the last one withheld."""
    communities = [community(n, name) for n, name in enumerate(NAMES)] if communities is None else communities
    if strategies is None:
        strategies = [strategy(n, name) for n, name in enumerate(NAMES[:-1])]
        strategies += [
            withheld(len(NAMES) - 1, NAMES[-1]),
            strategy(20, NAMES[0], kind="close_supply_gap", metric="demand_minus_supply", hit_rate=0.25, scored=4),
        ]
    trends = [trend(n) for n in range(4)] if trends is None else trends
    known = [
        {
            "strategy_id": row["strategy_id"],
            "community_id": next((c["community_id"] for c in communities if c["name"] == row["community"]), "c99"),
            "action": json.dumps(_action(row)),
            "effect": row["effect"],
            "std_error": None if row["effect"] is None else 0.05,
        }
        for row in strategies
    ]
    schema = dict.fromkeys(("strategy_id", "community_id", "action"), pl.String)
    days = [DAY - timedelta(days=n) for n in (2, 1, 0)]
    frame = pl.DataFrame(communities, schema=MART_COMMUNITY_DAY.schema)
    return Handout(
        day=DAY,
        source="test",
        marts={
            MART_STRATEGY_BOARD.name: _on(pl.DataFrame(strategies, schema=MART_STRATEGY_BOARD.schema), [DAY]),
            MART_COMMUNITY_DAY.name: _on(frame, [DAY]),
            MART_INTEREST_TRENDS.name: _on(pl.DataFrame(trends, schema=MART_INTEREST_TRENDS.schema), [DAY]),
        },
        history=_on(frame, days),
        strategies=pl.DataFrame(known, schema={**schema, "effect": pl.Float64, "std_error": pl.Float64}),
        decisions=pl.DataFrame(decisions or [], schema=DECISIONS, orient="row"),
    )


def _action(row: dict[str, Any]) -> dict[str, Any]:
    if row["effect"] is None:
        return {"type": "none"}
    parameters = {"multiplier": 1.2} if row["kind"] == "boost_interest" else {"items_wanted": 73}
    return {"type": row["kind"], "community_id": "c00", "interest_id": "d.i0", "parameters": parameters}


def _on(frame: pl.DataFrame, days: list[date]) -> pl.DataFrame:
    return pl.concat([frame.select(pl.lit(day).alias("day"), pl.all()) for day in days])
