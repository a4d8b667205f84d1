"""What is known of an id: how far back is looked, what is counted, and what is JSON."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coterie.strategies.decisions import Decision
from coterie.tables import TABLES
from resources.decisions import DecisionLog
from resources.lake import Lake
from workflows.lookup import JSON_COLUMNS, LATEST, look_up

DAYS = [date(2024, 5, n) for n in (1, 2, 3)]
AGO, LAST = DAYS[0], DAYS[-1]


class Home:
    """A lake to put rows into; a column that is not given is null."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(folder)

    def put(self, table: str, day: date, *rows: Mapping[str, Any]) -> None:
        contract = TABLES[table]
        frame = pl.DataFrame([dict.fromkeys(contract.schema) | dict(row) for row in rows], schema=contract.schema)
        with self.lake.stage(contract, day, frame) as staged:
            self.lake.publish(staged)

    def know(self, *ids: str, on: date = LAST, history: bool = False, everything: bool = False) -> dict[str, Any]:
        return look_up(self.lake, ids, on, history=history, everything=everything)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for day in DAYS:
        home.put("communities", day, {"community_id": "c1", "name": "Cats", "evidence": '{"a": 1}'})
    return home


def test_what_is_parsed_is_what_the_contracts_call_json() -> None:
    said = {name: tuple(c.name for c in table.columns if "JSON" in c.meaning) for name, table in TABLES.items()}
    assert {name: columns for name, columns in said.items() if columns} == dict(JSON_COLUMNS)


def test_a_text_that_looks_like_json_is_text(home: Home) -> None:
    user = "{A1-GUID}"
    home.put("memberships", LAST, {"user_id": user, "community_id": "[c]"})
    home.put(
        "quarantine", LAST, {"table_name": "raw_events", "reason": "r", "payload": '{"uid": "{A1-GUID}"}', "copies": 1}
    )
    found = home.know(user, history=True)
    assert found["memberships"][0]["community_id"] == "[c]"
    assert found["quarantine"]["latest"][0]["payload"] == {"uid": user}
    assert home.know("{A1-GUI") == {}


def test_a_strategy_is_found_where_it_was_last_issued(home: Home) -> None:
    for day, effect in zip(DAYS[:2], (0.1, 0.2), strict=True):
        home.put(
            "strategies", day, {"strategy_id": "s1", "community_id": "c1", "effect": effect, "action": '{"b": [1]}'}
        )
        home.put("experiment_plans", day, {"strategy_id": "s1", "days": 7})
    home.put("strategies", LAST, {"strategy_id": "s2", "community_id": "c1"})
    score = {"strategy_id": "s1", "issued_on": AGO}
    for day in DAYS[1:]:
        home.put("strategy_scorecard", day, *({**score, "horizon_days": age} for age in (7, 8, 14)))
    found = home.know("s1")
    assert [(row["day"], row["effect"], row["action"]) for row in found["strategies"]] == [(DAYS[1], 0.2, {"b": [1]})]
    assert [row["day"] for row in found["experiment_plans"]] == [DAYS[1]]
    # Of earlier days only the scores that count: the others share most of their week with the newest day's.
    assert [(row["day"], row["horizon_days"]) for row in found["strategy_scorecard"]] == [
        *((DAYS[1], age) for age in (7, 14)), *((LAST, age) for age in (7, 8, 14)),
    ]  # fmt: skip
    assert len(home.know("s1", history=True)["strategy_scorecard"]) == 6
    assert home.know("s1", on=AGO)["strategies"][0]["effect"] == 0.1
    assert [row["strategy_id"] for row in home.know("c1")["strategies"]] == ["s2"]


def test_a_community_that_has_died_is_shown_as_it_last_was_with_its_life(home: Home) -> None:
    home.put("communities", DAYS[1], {"community_id": "c1"}, {"community_id": "c2", "name": "Dogs"})
    home.put("community_lineage", DAYS[1], {"community_id": "c2", "event": "born", "from_ids": '["c1"]'})
    home.put("community_lineage", LAST, {"community_id": "c2", "event": "died", "from_ids": "[]"})
    found = home.know("c2")
    assert [(row["day"], row["name"]) for row in found["communities"]] == [(DAYS[1], "Dogs")]
    assert [(row["event"], row["from_ids"]) for row in found["community_lineage"]] == [("born", ["c1"]), ("died", [])]


def test_what_a_user_did_is_counted_and_the_latest_shown(home: Home) -> None:
    for day in DAYS:
        events = [
            {"event_id": f"{day}-{n}", "user_id": "u1", "occurred_at": datetime(day.year, day.month, day.day, n % 24)}
            for n in range(20)
        ]
        home.put("raw_events", day, *events, {"event_id": f"{day}-x", "user_id": "u10"})
        home.put("engagement", day, {"user_id": "u1", "item_id": "v1", "strength": 0.5})
    home.put("raw_items", AGO, {"item_id": "v9", "creator_id": "u1", "hashtags": '["cat"]'})
    events = home.know("u1")["raw_events"]
    assert (events["rows"], events["days"], events["first_day"], events["last_day"]) == (60, 3, AGO, LAST)
    assert [row["event_id"] for row in events["latest"]] == [f"{LAST}-{n}" for n in range(19, 19 - LATEST, -1)]
    assert len(home.know("u1", everything=True)["raw_events"]["all"]) == 60
    assert home.know("u1", on=AGO)["raw_events"]["rows"] == 20
    found = home.know("u1")
    assert found["engagement"]["rows"] == 3
    assert found["raw_items"]["latest"][0]["hashtags"] == ["cat"]


def test_no_row_of_a_users_state_is_left_out(home: Home) -> None:
    home.put("user_interests", LAST, *({"user_id": "u1", "interest_id": f"d.i{n:03d}"} for n in range(80)))
    home.put("user_interests", AGO, {"user_id": "u1", "interest_id": "d.old"})
    home.put("user_graph", LAST, {"source": "u0", "target": "u1"}, {"source": "u1", "target": "u2"})
    found = home.know("u1")
    assert len(found["user_interests"]) == 80
    assert [(row["source"], row["target"]) for row in found["user_graph"]] == [("u0", "u1"), ("u1", "u2")]


def test_rejected_rows_are_found_by_value(home: Home) -> None:
    rejected = {"table_name": "raw_events", "reason": "r", "copies": 1}
    payloads = ['{"uid": "u1"}', '{"uid": "u10"}', '{"line": "u1,play"}', '{"uid": 7.0}']
    home.put("quarantine", LAST, *({**rejected, "payload": payload} for payload in payloads))
    assert home.know("u1")["quarantine"]["rows"] == 2
    assert home.know("7")["quarantine"]["rows"] == 1


def test_each_form_of_an_id_is_looked_for(home: Home) -> None:
    home.put("memberships", LAST, {"user_id": "0fa1", "community_id": "c1"})
    assert home.know("alice", "0fa1")["memberships"][0]["user_id"] == "0fa1"


def test_a_user_is_told_which_suggestions_touch_them_and_why(home: Home) -> None:
    week = [date(2024, 5, n) for n in (10, 17)]
    mine = {"user_id": "u1", "community_id": "c1", "probability": 0.9, "is_primary": True}
    for day in week:
        home.put("memberships", day, mine, {**mine, "user_id": "u2", "community_id": "c2"})
        both = [{"strategy_id": f"s-{c}-{day.day}", "community_id": c, "interest_id": "d.i", "status": "proposed",
                 "expires_on": date(2024, 6, 1)} for c in ("c1", "c2")]  # fmt: skip
        home.put("strategies", day, *both, {**both[0], "strategy_id": "s-withheld", "status": "withheld: small"})
    home.put("user_interests", week[1], {"user_id": "u1", "interest_id": "d.i", "lift": 3.0})
    (row,) = home.know("u1", on=week[1])["touched_by"]
    assert (row["strategy_id"], row["aimed_at"]["member_on"], row["in_evidence"]["member_on"]) == (
        "s-c1-17",
        week[1],
        week[0],
    )
    assert row["own_interest"]["lift"] == 3.0
    ever = home.know("u1", on=week[1], history=True)["touched_by"]
    assert [row["strategy_id"] for row in ever] == ["s-c1-17", "s-c1-10"]
    log = DecisionLog(home.lake.home)
    log.add(Decision("s-c1-10", "shipped", week[0], week[0], "live"))
    log.add(Decision("s-c2-10", "shipped", week[0], week[0], "theirs"))
    held = home.know("u1", on=week[1])["touched_by"]
    assert [(row["strategy_id"], row["decision"] and row["decision"]["note"]) for row in held] == [
        ("s-c1-17", None), ("s-c1-10", "live"),
    ]  # fmt: skip


def test_what_was_decided_is_told_with_the_suggestion_and_its_community(home: Home) -> None:
    home.put(
        "strategies", LAST, {"strategy_id": "s1", "community_id": "c1"}, {"strategy_id": "s2", "community_id": "c9"}
    )
    log = DecisionLog(home.lake.home)
    for word, day in (("accepted", DAYS[1]), ("shipped", LAST), ("rejected", date(2024, 5, 4))):
        log.add(Decision("s1", word, day, DAYS[1], ""))
    told = ["accepted", "shipped"]
    assert [row["decision"] for row in home.know("s1")["decisions"]] == told
    assert [row["decision"] for row in home.know("c1")["decisions"]] == told
    assert "decisions" not in home.know("s2")


def test_a_long_history_is_read_when_asked_for(home: Home) -> None:
    for day in (date(2024, 1, 1), date(2024, 4, 25)):
        home.put("community_lineage", day, {"community_id": "c1", "event": "continued", "from_ids": "[]"})
    assert [row["day"] for row in home.know("c1")["community_lineage"]] == [date(2024, 4, 25)]
    assert len(home.know("c1", history=True)["community_lineage"]) == 2
    home.put("memberships", LAST, {"user_id": "u1", "community_id": "c1", "is_primary": True})
    home.put("raw_events", AGO, {"event_id": "e", "user_id": "u1"})
    assert "raw_events" not in home.know("u1")
    assert home.know("u1", history=True)["raw_events"]["rows"] == 1
