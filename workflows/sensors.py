"""The sensor: notices that the source has changed for a day that is already published."""

import json
from collections.abc import Mapping
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from coterie.sources.index import digest
from resources.configurable import Log, Storage
from resources.lake import Lake

NO_ROWS = digest(0, 0)
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]


def changed_days(lake: Lake, digests: Mapping[date, str]) -> dict[date, str]:
    """Published days whose source rows are no longer those that were read, oldest first, with the new digest.

    A day whose rows have all gone counts as changed too: its run then says that it is empty.
    """
    published = {day: lake.note("raw_events", day, "source_digest") for day in lake.days("raw_events")}
    return {day: now for day, read in published.items() if (now := digests.get(day, NO_ROWS)) != read}


def sensors(daily: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
    """`late_data`, off until somebody turns it on."""

    @dg.sensor(
        job=daily,
        name="late_data",
        minimum_interval_seconds=60,
        description=(
            "Requests a published day again when events of it arrive late or are corrected. One day at a time, oldest "
            "first, because each day builds on the day before; later days show as stale and can be re-run forward."
        ),
    )
    def late_data(context: dg.SensorEvaluationContext, storage: Storage, log: Log) -> dg.SensorResult | dg.SkipReason:
        asked: dict[str, str] = json.loads(context.cursor or "{}")
        changed = changed_days(storage.lake, log.open().index().days())
        running = context.instance.get_runs(
            dg.RunsFilter(tags={"dagster/sensor_name": "late_data"}, statuses=UNFINISHED), limit=1
        )
        if running:
            return dg.SkipReason("A day that was requested earlier is still running.")
        for day, now in changed.items():
            if asked.get(day.isoformat()) != now:
                asked[day.isoformat()] = now
                request = dg.RunRequest(
                    run_key=f"{day}:{now}", partition_key=day.isoformat(), tags={"coterie/reason": "late data"}
                )
                return dg.SensorResult(run_requests=[request], cursor=json.dumps(asked))
        if changed:
            days = ", ".join(map(str, changed))
            return dg.SkipReason(f"Requested before with the same rows and still not published (did it fail?): {days}")
        return dg.SkipReason("No published day has changed at the source.")

    return [late_data]
