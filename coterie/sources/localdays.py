"""Local days as ranges of UTC, by one rule for the index and for reading.

A day begins at its first local midnight, or at the first moment after it where a clock change skips midnight, and
ends where the next day begins. So every moment belongs to exactly one day, on every clock change.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

# Every zone's offset since 1970 is a multiple of five minutes but for Liberia's before 1972: moments can be counted
# in buckets of this size without a bucket lying in two days.
BUCKET = timedelta(minutes=5)
BUCKET_US = BUCKET // timedelta(microseconds=1)

# Times out of this range are taken for unreadable: they are defaults and overflows, not events.
EARLIEST = datetime(1970, 1, 1)
LATEST = datetime(2200, 1, 1)


@lru_cache(maxsize=100_000)
def day_start(day: date, zone: str) -> datetime:
    """The first moment of a local day, as naive UTC, rounded down to five minutes."""
    midnight = datetime.combine(day, time(), ZoneInfo(zone))  # where midnight comes twice, the first one
    moment = midnight.astimezone(UTC)
    if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != midnight.replace(tzinfo=None):
        moment = _after_gap(day, zone, moment)
    since = moment.replace(tzinfo=None) - EARLIEST
    return EARLIEST + since // BUCKET * BUCKET


def _after_gap(day: date, zone: str, near: datetime) -> datetime:
    """The first moment whose local date is `day` or later, found by halving around a skipped midnight."""
    before, after = near - timedelta(days=2), near + timedelta(days=2)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(ZoneInfo(zone)).date() >= day:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def day_range(day: date, zone: str) -> tuple[datetime, datetime]:
    """The moments [start, end) of a local day, as naive UTC."""
    return day_start(day, zone), day_start(day + timedelta(days=1), zone)


def days_of_buckets(buckets: np.ndarray, zone: str) -> tuple[Sequence[date], np.ndarray]:
    """The local days that five-minute buckets span, and for each bucket the index of its day.

    Args:
        buckets: numbers of five-minute steps since 1970, UTC; not empty.
        zone: an IANA time zone.
    """
    low, high = (EARLIEST + int(b) * BUCKET for b in (buckets.min(), buckets.max()))
    first, last = low.date() - timedelta(days=1), high.date() + timedelta(days=1)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    starts = np.array([(day_start(d, zone) - EARLIEST) // BUCKET for d in days], dtype=np.int64)
    return days, np.searchsorted(starts, buckets, side="right") - 1
