"""What the assets of suggestions read of a week that is more than may be read."""

from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import assets.strategies as asset
from coterie.strategies.decisions import Decision
from coterie.strategies.sample import sampled
from coterie.tables import TABLES
from resources.decisions import DecisionLog
from resources.lake import Lake
from resources.warehouse import Warehouse

DAY = date(2024, 5, 1)
USERS = [f"u{k:03d}" for k in range(60)]


def put(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    schema = TABLES[name].schema
    frame = pl.DataFrame([{c: row.get(c) for c in schema} for row in rows], schema=schema)
    with lake.stage(TABLES[name], DAY, frame) as staged:
        lake.publish(staged)


def test_only_users_of_the_sample_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path / "home")
    ids = [{"user_id": u, "item_id": f"x{n}", "event_id": f"{u}{n}"} for u in USERS for n in range(3)]
    put(lake, "engagement", [row | {"exposures": 1, "exposure_logged": True, "strength": 0.5} for row in ids])
    shown = {"kind": "exposure", "propensity": 0.1, "is_random": False, "occurred_at": datetime(2024, 5, 1, 14)}
    annoyed = {
        "user_id": USERS[0],
        "item_id": "x1",
        "event_id": "n",
        "kind": "negative",
        "occurred_at": datetime(2024, 5, 1, 14),
    }
    put(lake, "raw_events", [annoyed, *(row | shown for row in ids)])
    put(lake, "raw_items", [])
    put(lake, "item_labels", [])
    put(lake, "interest_daily", [])
    put(lake, "memberships", [{"user_id": u, "community_id": "c", "is_primary": True} for u in USERS])
    log: Any = SimpleNamespace(
        open=lambda: SimpleNamespace(
            source=SimpleNamespace(exposures_logged=True, creators_known=True, timezone="Asia/Taipei")
        )
    )
    method: Any = SimpleNamespace(first_day=DAY.isoformat())

    def read() -> tuple[float, set[str], set[str], int]:
        days = asset._days(lake, Warehouse(), log, method, DAY, members_on=[DAY])
        assert days.exposed is not None
        assert days.present is not None
        order = days.exposed.filter(pl.col("user_id") == days.exposed["user_id"][0]).select("item_id", "place")
        assert order.rows() == [("x0", 1), ("x1", 2), ("x2", 3)]
        assert days.exposed.filter("negative").select("user_id", "item_id").rows() in ([(USERS[0], "x1")], [])
        assert days.exposed["hour"].unique().to_list() == [22]  # in the source's time zone
        assert days.present.select("user_id", "hour").rows() == [
            (u, 22) for u in days.engagement["user_id"].unique().sort()
        ]
        return days.share, set(days.engagement["user_id"]), set(days.exposed["user_id"]), days.memberships.height

    assert read() == (1.0, set(USERS), set(USERS), 60)
    monkeypatch.setattr(asset, "share_of_users", lambda rows: 0.25)
    some = set(sampled(pl.Series(USERS), 0.25))
    assert 0 < len(some) < 30
    assert read() == (0.25, some, some, 60)


def test_what_was_shipped_is_read_as_it_was_issued_and_no_further_back_than_a_score_asks(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "home")
    row = {"kind": "boost_interest", "effect": 0.1, "status": "proposed", "expires_on": DAY + timedelta(days=14)}
    rows = [row | {"strategy_id": name} for name in ("held", "back", "late", "old")]
    put(lake, "strategies", [*rows, row | {"strategy_id": "withheld", "status": "withheld: sensitive interest"}])
    log = DecisionLog(lake.home)
    first = DAY + timedelta(days=2)
    for name, word, on in (
        ("held", "shipped", first), ("back", "shipped", first), ("back", "rejected", first + timedelta(days=3)),
        ("late", "shipped", DAY + timedelta(days=14)), ("withheld", "shipped", first), ("old", "shipped", DAY),
    ):  # fmt: skip
        log.add(Decision(name, word, on, DAY, ""))
    now = DAY + timedelta(days=35)  # 34 days are looked back
    found = asset._shipped(lake, now).sort("strategy_id")
    assert found.select("strategy_id", "issued_on", "shipped_on", "held").rows() == [
        ("back", DAY, first, False), ("held", DAY, first, True)
    ]  # fmt: skip
    assert asset._shipped(lake, first).filter("held").height == 3  # taken back later, and what was shipped before
    assert asset._shipped(Lake(tmp_path / "other"), now).is_empty()
    lake.partition("strategies", DAY).unlink()
    assert asset._shipped(lake, now).is_empty()  # a deleted day stops nothing
