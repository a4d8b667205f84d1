"""The schedule: yesterday's partition, every morning."""

from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

# Two hours after midnight: most platforms have delivered the day by then, and what comes later is late data.
HOUR = 2


def schedules(daily: UnresolvedAssetJobDefinition) -> list[Any]:
    """`daily_schedule`, off until somebody turns it on."""
    return [
        dg.build_schedule_from_partitioned_job(
            daily,
            name="daily_schedule",
            description="Requests the latest day that is over, every morning in the source's time zone.",
            hour_of_day=HOUR,
        )
    ]
