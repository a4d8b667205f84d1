"""The schedule: yesterday's partition, every morning."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Two hours after midnight: most platforms have delivered the day by then, and what comes later is late data.
HOUR = 2


def schedules(daily: UnresolvedAssetJobDefinition, days: dg.DailyPartitionsDefinition) -> list[dg.ScheduleDefinition]:
    """`daily_schedule`, off until somebody turns it on."""

    # Dagster's own schedule of a partitioned job requests the last partition there is: for a log that has ended, the
    # same day again every morning.
    @dg.schedule(
        job=daily,
        name="daily_schedule",
        cron_schedule=f"0 {HOUR} * * *",
        execution_timezone=days.timezone,
        description="Requests the latest day that is over, every morning in the source's time zone.",
    )
    def daily_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(ZoneInfo(days.timezone))
        day = tick.date() - timedelta(days=1)
        first, end = days.start.date(), days.end.date() if days.end else None  # the end is exclusive
        if day < first:
            return dg.SkipReason(f"{day} is before the source's first day, {first}.")
        if end is not None and day >= end:
            return dg.SkipReason(
                f"{day} is after the source's last day, {end - timedelta(days=1)}: nothing to request."
            )
        return dg.RunRequest(run_key=day.isoformat(), partition_key=day.isoformat())

    return [daily_schedule]
