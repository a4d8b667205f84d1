"""What the assets of suggestions read of a week that is more than may be read."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import assets.strategies as asset
from coterie.strategies.sample import sampled
from coterie.tables import TABLES
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
    put(lake, "raw_events", [row | {"kind": "exposure", "propensity": 0.1, "is_random": False} for row in ids])
    put(lake, "raw_items", [])
    put(lake, "item_labels", [])
    put(lake, "interest_daily", [])
    put(lake, "memberships", [{"user_id": u, "community_id": "c", "is_primary": True} for u in USERS])
    log: Any = SimpleNamespace(
        open=lambda: SimpleNamespace(source=SimpleNamespace(exposures_logged=True, creators_known=True))
    )
    method: Any = SimpleNamespace(first_day=DAY.isoformat())

    def read() -> tuple[float, set[str], set[str], int]:
        days = asset._days(lake, Warehouse(), log, method, DAY, members_on=[DAY])
        assert days.exposed is not None
        return days.share, set(days.engagement["user_id"]), set(days.exposed["user_id"]), days.memberships.height

    assert read() == (1.0, set(USERS), set(USERS), 60)
    monkeypatch.setattr(asset, "share_of_users", lambda rows: 45 / rows)
    some = set(sampled(pl.Series(USERS), 0.25))
    assert 0 < len(some) < 30
    assert read() == (0.25, some, some, 60)
