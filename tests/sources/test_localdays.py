"""Every moment lies in exactly one local day, on every clock change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.sources.localdays import BUCKET, EARLIEST, day_range, day_start, days_of_buckets

ZONES = ["UTC", "Asia/Taipei", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia",
         "Pacific/Chatham", "America/St_Johns", "Atlantic/Azores", "Africa/Cairo", "Asia/Beirut"]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Asia/Taipei", date(2018, 11, 26), datetime(2018, 11, 25, 16), 24),
        ("America/New_York", date(2024, 3, 10), datetime(2024, 3, 10, 5), 23),
        ("America/New_York", date(2024, 11, 3), datetime(2024, 11, 3, 4), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), datetime(2018, 11, 4, 3), 23),  # no midnight: begins at 01:00
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10), 0),  # the day that Samoa skipped
    ],
)
def test_days_with_clock_changes(zone: str, day: date, start: datetime, hours: int) -> None:
    found = day_range(day, zone)
    assert found[0] == start
    assert found[1] - found[0] == timedelta(hours=hours)


@given(st.sampled_from(ZONES), st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)))
def test_a_moment_lies_in_its_local_day(zone: str, moment: datetime) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    candidates = [local.date() + timedelta(days=d) for d in (-2, -1, 0, 1, 2)]
    holding = [d for d in candidates if day_range(d, zone)[0] <= moment < day_range(d, zone)[1]]
    assert len(holding) == 1
    # Where the clock falls back over midnight, the minutes before it come twice; they count to the new day.
    tomorrow = holding[0] - local.date() == timedelta(days=1)
    assert holding[0] == local.date() or (tomorrow and local.hour == 23)


@given(st.sampled_from(ZONES), st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)))
def test_buckets_agree_with_ranges(zone: str, moment: datetime) -> None:
    days, place = days_of_buckets(np.array([(moment - EARLIEST) // BUCKET]), zone)
    start, end = day_range(days[int(place[0])], zone)
    assert start <= moment < end


def test_days_follow_one_another() -> None:
    for zone in ZONES:
        starts = [day_start(date(2018, 1, 1) + timedelta(days=i), zone) for i in range(400)]
        assert all(a < b for a, b in pairwise(starts)), zone
