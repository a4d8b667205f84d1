"""Labels that spread along co-engagement: the table `propagated_labels`."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets import label_checks
from assets.gate import Candidate, Yielded, gate
from assets.sampling import of_sample
from assets.tables import YESTERDAY, shares, table_asset, today, yesterday
from coterie.labels.propagation import Propagated, propagated, standing
from coterie.strategies.sample import share_of_users
from coterie.tables import PROPAGATED_LABELS
from resources.configurable import Log, Method, Storage
from resources.lake import Lake
from resources.warehouse import Warehouse

WINDOW = (-14, -1)  # today's engagement is left out, so that labels are tested on what they did not see
MOST_ROWS = 4_000_000  # of engagement; of a larger window a sample of users is read
KNOWN = "Every interest is one of the taxonomy, and every item was engaged with before the day"


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The asset `propagated_labels`."""

    @table_asset(
        PROPAGATED_LABELS,
        days,
        deps=["item_labels"],
        looks_back={"engagement": WINDOW, "propagated_labels": YESTERDAY},
        kinds={"python", "igraph"},
        says=(
            "What items are about by their text and by who engaged with them in the two weeks before the day: labels "
            "spread from items whose texts are clear. Nothing spreads where audiences foretell no labels."
        ),
        checks={"known": KNOWN, "weights_sum": label_checks.SUMS},
    )
    def spread(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        before = yesterday(lake, method, "propagated_labels", day)
        engagement, share = _before(lake, method, day)
        labels = warehouse.labels_of(lake, engagement["item_id"], last=day)
        found = propagated(labels, engagement)
        frame = PROPAGATED_LABELS.conform(standing(found.labels).select(list(PROPAGATED_LABELS.schema)))
        context.log.info(_said(found))
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    PROPAGATED_LABELS,
                    frame,
                    findings=[
                        label_checks.known(
                            PROPAGATED_LABELS, KNOWN, frame, engagement["item_id"], log.taxonomy().interests
                        ),
                        label_checks.sums(PROPAGATED_LABELS, frame),
                    ],
                    metadata={
                        **shares(**_figures(found, labels, before), share_of_users=share),
                        "in_words": dg.MetadataValue.md(_said(found)),
                    },
                )
            ],
        )

    return [spread]


def _before(lake: Lake, method: Method, day: date) -> tuple[pl.DataFrame, float]:
    """user_id, item_id, strength of the days before, and the share of users that is read; nothing on the first day."""
    first = max(day + timedelta(days=WINDOW[0]), date.fromisoformat(method.first_day))
    last = day + timedelta(days=WINDOW[1])
    columns = ["user_id", "item_id", "strength"]
    if last < first:
        return lake.read("engagement", day, columns).clear(), 1.0
    share = share_of_users(lake.rows("engagement", first, last), MOST_ROWS)
    return lake.read_days("engagement", first, last, columns, of_sample(lake, first, last, share)), share


def _figures(found: Propagated, labels: pl.DataFrame, before: pl.DataFrame | None) -> dict[str, float | int]:
    by_text = labels["item_id"].unique().implode()
    made = found.labels.filter(~pl.col("item_id").is_in(by_text))["item_id"].n_unique()
    main = _main(found.labels)
    earlier = main.join(_main(before) if before is not None else main.clear(), on="item_id")
    return {
        "trust": found.trust,
        "nats_per_label": found.gain,
        "items_with_audience": found.items,
        "labelled_by_text": labels["item_id"].n_unique(),
        "labels_made": made,
        "other_than_yesterday": earlier.filter(pl.col("interest_id") != pl.col("interest_id_right")).height,
        "other_than_by_text": main.filter(pl.col("item_id").is_in(by_text), pl.col("by_text") == 0).height,
    }


def _main(labels: pl.DataFrame) -> pl.DataFrame:
    """The most confident label of each item."""
    return labels.sort("item_id", -pl.col("confidence"), "interest_id").unique("item_id", keep="first")


def _said(found: Propagated) -> str:
    if not found.items:
        return "Nobody engaged with anything before the day: labels are those by text."
    if not found.trust:
        return (
            f"Audiences of {found.items} items foretell no labels clearly better than how common interests are: "
            "labels are those by text."
        )
    return (
        f"Audiences of {found.items} items foretell labels {found.gain:.2f} nats better than how common interests are, "
        f"and are believed at {found.trust:.2f} of what they say."
    )
