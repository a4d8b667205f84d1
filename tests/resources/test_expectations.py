"""A look never clears what Great Expectations refuses, and leaves nothing open of a sound table."""

import math
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from assets.gate import suite
from coterie.tables import ENGAGEMENT, RAW_EVENTS, Table
from resources.audit import audit
from resources.expectations import is_clear

EVENT = {
    "event_id": "e", "user_id": "u", "item_id": "i", "event_type": "show", "kind": "exposure", "weight": 1.0,
    "undo_of": None, "occurred_at": datetime(2024, 5, 1), "watch_ms": 5, "position": 0, "propensity": 0.5,
    "is_random": True,
}  # fmt: skip
PAIR = {
    "user_id": "u", "item_id": "i", "exposures": 1, "exposure_logged": True, "strength": 0.5, "watch_quantile": 0.5,
    "signals": "like=1",
}  # fmt: skip
SOUND = {"raw_events": EVENT, "engagement": PAIR}
WRONG = [
    (RAW_EVENTS, {"kind": "shown"}),
    (RAW_EVENTS, {"kind": None}),
    (RAW_EVENTS, {"user_id": ""}),
    (RAW_EVENTS, {"event_id": "e0"}),  # the key of the first row
    (RAW_EVENTS, {"watch_ms": -1}),
    (RAW_EVENTS, {"propensity": 0.0}),
    (RAW_EVENTS, {"propensity": 1.1}),
    (RAW_EVENTS, {"propensity": math.nan}),
    (RAW_EVENTS, {"weight": math.inf}),
    (ENGAGEMENT, {"strength": 1.5}),
    (ENGAGEMENT, {"strength": -0.5}),
    (ENGAGEMENT, {"exposures": 0}),
    (ENGAGEMENT, {"user_id": "u0"}),
    (ENGAGEMENT, {"item_id": None}),
]


def three(table: Table, **last: Any) -> pl.DataFrame:
    """Three rows, keys told apart by number but for what is given of the last one."""
    first = table.key[0]
    rows = [SOUND[table.name] | {first: f"{SOUND[table.name][first]}{n}"} for n in range(3)]
    return pl.DataFrame([*rows[:2], rows[2] | last], schema=table.schema)


def left_open(table: Table, frame: pl.DataFrame) -> set[str]:
    return {c.name for c in suite(table).checks if not all(is_clear(e, frame) for e in c.expectations)}


@pytest.mark.parametrize("table", [RAW_EVENTS, ENGAGEMENT], ids=lambda t: t.name)
def test_nothing_is_left_open_of_a_sound_table(table: Table) -> None:
    assert not left_open(table, three(table))
    assert all(f.passed for f in audit(suite(table), three(table)))


@pytest.mark.parametrize(("table", "last"), WRONG, ids=str)
def test_what_is_refused_was_left_open(table: Table, last: dict[str, Any]) -> None:
    frame = three(table, **last)
    refused = {f.check for f in audit(suite(table), frame) if not f.passed}
    assert refused
    assert refused <= left_open(table, frame)


@pytest.mark.parametrize("table", [RAW_EVENTS, ENGAGEMENT], ids=lambda t: t.name)
def test_columns_that_are_not_the_contracts_are_left_open(table: Table) -> None:
    assert "contract" in left_open(table, three(table).drop(table.key[-1]))
    assert "contract" in left_open(table, three(table).with_columns(more=1))
