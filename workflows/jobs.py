"""The jobs: what can be run by name."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from resources.configurable import Storage
from resources.forgotten import forget_users


class ForgetConfig(dg.Config):
    """Who asked to be forgotten."""

    user_ids: list[str]


@dg.op(description="Takes users out of every private table and leaves them out of every later ingest.")
def forget(context: dg.OpExecutionContext, config: ForgetConfig, storage: Storage) -> None:
    """Forget users; the ids are those that stand in the tables (pseudonyms, where a key is set)."""
    removed = forget_users(storage.lake, config.user_ids)
    context.log.info(f"{len(config.user_ids)} users forgotten; rows removed: {removed or 'none'}")
    context.add_output_metadata({"rows removed": removed})


@dg.job(name="forget_users", description="Forget users: remove their rows and ignore them from now on.")
def forget_users_job() -> None:
    """The job behind `coterie forget`."""
    forget()


def daily_job(days: dg.PartitionsDefinition) -> UnresolvedAssetJobDefinition:
    """`daily`: what the schedule and the sensor request."""
    return dg.define_asset_job(
        "daily",
        selection=dg.AssetSelection.all(),
        partitions_def=days,
        description="Everything, for one day: from the raw log to the report.",
    )


def other_jobs(days: dg.PartitionsDefinition) -> list[dg.JobDefinition | UnresolvedAssetJobDefinition]:
    """`label_items` and `forget_users`."""
    labels = dg.define_asset_job(
        "label_items",
        selection=dg.AssetSelection.assets("label_vocabulary", "item_labels"),
        partitions_def=days,
        description="Only the labels of a day's new items, and the words that they are read by.",
    )
    return [labels, forget_users_job]
