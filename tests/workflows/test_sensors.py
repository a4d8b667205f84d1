"""Which days the late-data sensor asks for."""

from datetime import date
from pathlib import Path

import pytest

from coterie.sources.index import digest
from coterie.tables import RAW_EVENTS
from resources.lake import Lake
from workflows.sensors import changed_days

DAYS = [date(2024, 5, n) for n in (1, 2, 3, 4)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    for n, day in enumerate(DAYS[:3]):
        with lake.stage(RAW_EVENTS, day, RAW_EVENTS.empty(), {"source_digest": digest(n, n)}) as staged:
            lake.publish(staged)
    return lake


def test_only_published_days_whose_rows_changed_are_asked_for_oldest_first(lake: Lake) -> None:
    same = {day: digest(n, n) for n, day in enumerate(DAYS)}
    assert changed_days(lake, same) == {}
    assert list(changed_days(lake, same | {DAYS[2]: digest(9, 9), DAYS[1]: digest(1, 2)}).items()) == [
        (DAYS[1], digest(1, 2)), (DAYS[2], digest(9, 9)),
    ]  # fmt: skip


def test_a_day_whose_rows_have_all_gone_has_changed_and_an_empty_one_has_not(lake: Lake) -> None:
    assert list(changed_days(lake, {})) == DAYS[1:3], "the first day was published without rows"
