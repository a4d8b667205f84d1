"""A small published lake for reports: communities, suggestions, scores and a log, with names that try to break out.

Belongs here: tables as the pipeline would publish them. Does not belong here: what a report makes of them.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from coterie.tables import TABLES
from coterie.taxonomy import load_taxonomy
from resources.lake import Lake
from resources.report_file import NEEDED

LAST = date(2024, 5, 20)
EVIL = "<script>alert(1)</script>"
BREAKOUT = "</script><img src=x onerror=alert(1)>'\"&{{ 1 }}"
K = 20
KINDS = ("boost_interest", "explore_interest", "close_supply_gap", "diversify")
METRICS = {"boost_interest": "strength_per_exposure", "explore_interest": "adoption", "diversify": "loss_per_showing"}
Rows = Iterable[Mapping[str, object]]


def put(lake: Lake, day: date, **tables: Rows) -> None:
    """Rows as a published table; columns that a row does not name are null. Written in place, for there is no reader."""
    for name, rows in tables.items():
        table = TABLES[name]
        frame = pl.DataFrame([dict.fromkeys(table.schema) | dict(row) for row in rows], schema=table.schema)
        path = lake.partition(name, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        table.conform(frame).write_parquet(path)


def empty_day(lake: Lake, day: date) -> None:
    """A published day on which nothing happened."""
    put(lake, day, **{name: [] for name in NEEDED})


def make_lake(home: Path, *, communities: int = 6, days: int = 9, verdict: str = "real") -> Lake:
    """Days up to LAST. Community 0 is called EVIL, its first item BREAKOUT; 30 members each, 25 of whom move on LAST."""
    lake = Lake(home)
    for n in range(days):
        day = LAST - timedelta(days=days - 1 - n)
        put(lake, day, **_tables(day, n, communities, days, verdict))
    return lake


def interests() -> list[tuple[str, str, str]]:
    """Interest id, domain and name, in the order of the taxonomy's ids."""
    frame = load_taxonomy().frame()
    return list(frame.select("interest_id", "domain", "interest").iter_rows())


def _tables(day: date, n: int, communities: int, days: int, verdict: str) -> dict[str, list[dict[str, object]]]:
    known = interests()
    ids = [f"c{i:02d}" for i in range(communities)]
    names = [EVIL if i == 0 else f"{known[i][2]} & {known[i + 50][2]}" for i in range(communities)]
    members = {i: [f"u{i}-{u}" for u in range(30)] for i in range(communities)}
    if n == days - 1 and communities > 2:
        # Of community 1, 25 go to community 2 and two leave: a band, and a group too small to be shown.
        members[2], members[1] = members[2] + members[1][:25], members[1][27:]
    told = [i for i in range(communities) if len(members[i]) >= K]
    first = n == 0
    called = {interest: name for interest, _, name in known}
    strategies = [
        _strategy(ids[i], known[i][0], kind, n, m)
        for i in told if verdict == "real" and not first
        for m, kind in enumerate(KINDS)
    ]  # fmt: skip
    everyone = [u for users in members.values() for u in users]
    events = [
        {"event_id": f"{day}-{u}-{j}", "user_id": u, "item_id": f"i{i}-{j}", "event_type": "like", "kind": "positive"}
        for i, users in members.items() for u in users for j in range(2)
    ]  # fmt: skip
    items = [
        {"item_id": f"i{i}-{j}", "text": BREAKOUT if (i, j) == (0, 0) else f"Item {j} of {i}, by @somebody",
         "language": "en", "text_hash": f"h{i}{j}", "content_hash": f"{i}{j}"}
        for i in range(communities) for j in range(2)
    ] if first else [
        {"item_id": f"new-{n}-{i}", "text": f"Of day {n}", "language": "en", "text_hash": "n", "content_hash": "n"}
        for i in range(communities)
    ]  # fmt: skip
    labels = [{"item_id": row["item_id"], "interest_id": known[k % communities][0], "weight": 1.0, "confidence": 0.7,
               "labeller": "local", "model": "local-3", "taxonomy_version": "t"} for k, row in enumerate(items)]  # fmt: skip
    # Interest 0 doubles on the last day.
    users = [60 if i == 0 and n == days - 1 else 30 for i in range(communities)]
    return {
        "raw_events": events,
        "raw_items": items,
        "item_labels": labels,
        "engagement": [
            {"user_id": e["user_id"], "item_id": e["item_id"], "exposures": 1, "exposure_logged": True, "strength": 0.5,
             "signals": "like=1"} for e in events
        ],
        "quarantine": [
            {"table_name": "raw_events", "reason": "user_id is missing", "payload": "{}", "copies": 40},
            {"table_name": "raw_events", "reason": EVIL, "payload": "{}", "copies": 3},
        ],
        "memberships": [
            {"user_id": u, "community_id": ids[i], "probability": 0.9, "is_primary": True, "level": 0}
            for i, group in members.items() for u in group
        ],
        "user_interests": [
            {"user_id": u, "interest_id": known[j][0], "engaged": 3.0 if i == j else 1.0, "evidence": 5.0,
             "engaged_square": 1.0, "expected": 1.0, "affinity": 0.1, "lift": 2.0, "lift_low": 1.5, "lift_high": 2.5,
             "p_value": 0.01, "q_value": 0.01}
            for i, group in members.items() for u in group for j in {i, (i + 1) % communities}
        ],
        "communities": [
            {"community_id": ids[i], "level": 0, "users": len(members[i]), "verdict": verdict, "name": names[i],
             "q_value": 0.01, "stability": 0.9, "summary": "", "tested_users": 9.0, "excess": 1.0,
             "excess_promised": 1.0, "excess_square": 1.0, "excess_absolute": 1.0,
             "evidence": json.dumps({"interests": [{"interest_id": known[i][0], "lift": 3.21, "low": 2.5, "high": 4.0}]})}
            for i in range(communities)
        ],
        "mart_community_day": [
            {"community_id": ids[i], "name": names[i], "verdict": verdict, "users_rounded": len(members[i]) // 5 * 5,
             "q_value": 0.01, "stability": 0.9, "event": "born" if first else "continued", "summary": "",
             "proposed_strategies": sum(s["community_id"] == ids[i] for s in strategies)}
            for i in told
        ],
        "community_lineage": [
            {"community_id": c, "event": "born" if first else "merged" if c == "c02" and n == days - 1 else "continued",
             "from_ids": '["c02", "c01"]' if c == "c02" else "[]", "overlap": 0.9} for c in ids
        ],
        "interest_daily": [
            {"interest_id": known[i][0], "users": users[i], "active_users": len(everyone), "items": 2, "exposures": 9.0,
             "demand": 9.0, "supply": 1.0, "demand_share": 0.2, "user_share": 0.1, "share": 0.1}
            for i in range(communities)
        ],
        "mart_interest_trends": [
            {"interest_id": known[i][0], "domain": known[i][1], "interest": known[i][2], "users_rounded": users[i],
             "demand_share": 0.2, "supply_share": 0.1, "gap": 0.1,
             "baseline_share": None if n < 3 else 30 / (30 * communities),
             "trend_ratio": None if n < 3 else users[i] / 30,
             "q_value": None if n < 3 else 0.001 if users[i] == 60 else 0.9,
             "trend": "unknown" if n < 3 else "rising" if users[i] == 60 else "steady"}
            for i in range(communities)
        ],
        "strategies": strategies,
        "mart_strategy_board": [
            {**{k: s[k] for k in ("strategy_id", "kind", "metric", "baseline", "effect", "effect_low", "effect_high",
                                  "q_value", "evaluability", "status", "expires_on")},
             "community": names[int(str(s["community_id"])[1:])],
             "interest": called[str(s["interest_id"])],
             "users_rounded": 30, "users_per_arm": 300, "test_days": 9 if s["kind"] == "boost_interest" else None,
             "scored": 0}
            for s in strategies
        ],
        "experiment_plans": [
            {"strategy_id": s["strategy_id"], "unit": "user", "leakage": 0.1, "icc": 0.1, "mde": 0.01,
             "users_per_arm": 300, "days": 9, "alpha_adjusted": 0.05, "metrics": "{}"} for s in strategies
        ],
        "strategy_scorecard": _scores(day, n, ids, known) if verdict == "real" and n >= 8 else [],
        "label_quality": [
            {"interest_id": known[i][0], "labeller": "local", "model": "local-3", "prompt_version": "",
             "taxonomy_version": "t", "texts": 40, "precision": 0.8, "precision_low": 0.7, "precision_high": 0.9,
             "recall": None if i else 0.5, "recall_low": None if i else 0.4, "recall_high": None if i else 0.6}
            for i in range(2)
        ] if n == days - 1 else [],
    }  # fmt: skip


def _strategy(community: str, interest: str, kind: str, n: int, m: int) -> dict[str, object]:
    effect = 0.10 + 0.02 * m + 0.005 * int(community[1:])
    withheld = kind == "explore_interest"
    few = "withheld: not evaluable, fewer than 30 comparable showings"
    missed = "warning: only 3 of 20 of its kind came true as predicted in the last 28 days"
    return {
        "strategy_id": f"s-{community}-{m}", "kind": kind, "community_id": community, "interest_id": interest,
        "action": "{}", "users_affected": 30,
        "metric": METRICS.get(kind, "demand_minus_supply"),
        "baseline": 0.05, "effect": None if withheld else effect, "effect_low": None if withheld else effect - 0.05,
        "effect_high": None if withheld else effect + 0.05, "std_error": 0.03, "p_value": 0.01,
        "q_value": None if withheld else 0.01,
        "evaluability": "not_evaluable" if withheld else "random_exposure" if m == 0 else "observational",
        "evidence": "{}", "guardrail": "", "expires_on": date(2024, 6, 3), "kill_criterion": "",
        "status": few if withheld else missed if kind == "diversify" else "proposed",
    }  # fmt: skip


def _scores(day: date, n: int, ids: list[str], known: list[tuple[str, str, str]]) -> list[dict[str, object]]:
    issued = day - timedelta(days=7)
    return [
        {"strategy_id": f"s-{c}-{m}", "issued_on": issued, "horizon_days": 7, "predicted": 0.1,
         "realised": 0.11 if hit else 0.4, "realised_error": 0.03, "placebo": 0.0, "popularity": 0.0,
         "in_interval": hit, "verdict": "hit" if hit else "miss"}
        for i, c in enumerate(ids) for m in (0, 2) for hit in [i != 1]
    ] + [  # on the day after, which counts nowhere
        {"strategy_id": f"s-{c}-0", "issued_on": issued - timedelta(days=1), "horizon_days": 8, "predicted": 0.1,
         "realised": 0.9, "realised_error": 0.03, "placebo": 0.5, "popularity": 0.0, "in_interval": False,
         "verdict": "miss"}
        for c in ids
    ]  # fmt: skip
