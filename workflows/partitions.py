"""The partitions: one a day, in the source's time zone."""

from datetime import timedelta

import dagster as dg

from resources.source import SourceLog


def daily_partitions(log: SourceLog) -> dg.DailyPartitionsDefinition:
    """From the source's first day to its last; without a last day, to the latest day that is over."""
    last = log.source.last_day
    return dg.DailyPartitionsDefinition(
        start_date=log.first_day().isoformat(),
        # Dagster's end is exclusive.
        end_date=(last + timedelta(days=1)).isoformat() if last else None,
        timezone=log.source.timezone,
    )
