"""What users are interested in, as of the day."""

from collections.abc import Iterator

import dagster as dg

from assets.gate import Candidate, Yielded, gate, in_fives
from assets.tables import YESTERDAY, shares, table_asset, today, yesterday
from coterie.interests import user_interests
from coterie.tables import USER_INTERESTS
from resources.configurable import Log, Method, Storage
from resources.warehouse import Warehouse


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `interests` that are not dbt's."""

    @table_asset(
        USER_INTERESTS,
        days,
        deps=["engagement", "item_labels", "propagated_labels", "label_quality"],
        looks_back={"user_interests": YESTERDAY},
        kinds={"python", "scipy"},
        says="How much more each user engages with each interest than exposure alone predicts: decayed and shrunk.",
    )
    def interests(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        engagement = lake.read("engagement", day, ["user_id", "item_id", "exposures", "exposure_logged", "strength"])
        labels = warehouse.labels_of(lake, engagement["item_id"], last=day, spread_on=day)
        frame = user_interests(
            engagement,
            labels,
            yesterday(lake, method, "user_interests", day),
            half_life_days=method.half_life_days,
            exposures_logged=log.open().source.exposures_logged,
            quality=lake.read("label_quality", day),
        )
        labelled = int(engagement["item_id"].is_in(labels["item_id"].unique().implode()).sum())
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    USER_INTERESTS,
                    frame,
                    metadata=shares(
                        users=in_fives(frame["user_id"].n_unique()),
                        interests=frame["interest_id"].n_unique(),
                        distinct_interests_at_q_5_percent=frame.filter(frame["q_value"] <= 0.05).height,
                        share_of_engagement_labelled=labelled / engagement.height if engagement.height else 0.0,
                    ),
                )
            ],
        )

    return [interests]
