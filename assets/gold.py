"""What the gold set says of the day's labels: the table `label_quality`, and the check that labels are good enough."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.gate import Candidate, Yielded, gate, markdown
from assets.tables import shares, table_asset, today
from coterie.labels.gold import GoldSet, Version
from coterie.labels.gold_quality import agreement, label_quality, overall_precision
from coterie.labels.moved import moved_most
from coterie.tables import LABEL_QUALITY
from resources.audit import Finding
from resources.configurable import Storage
from resources.gold import GoldStore, version_on
from resources.lake import Lake

# Below the first bound a day still publishes: its error is measured, shares are corrected by it and intervals widened,
# and to stop would take those honest numbers away. Below the second most labels are wrong for certain, which no
# correction mends: that blocks.
WANTED, WORST = 0.80, 0.50
GOLD = (
    f"On the gold set, if there is one, the 90 % interval of the labels' precision reaches {WANTED:.0%} (a warning), "
    f"and {WORST:.0%} (blocks)"
)
DAYS_BEFORE = 7


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The asset `label_quality`."""

    @table_asset(
        LABEL_QUALITY,
        days,
        deps=["item_labels"],
        kinds={"python", "statsmodels"},
        says=(
            "How far labels like the day's can be trusted, by interest: measured on the gold set that people "
            "annotated. No rows without one (docs/gold.md)."
        ),
    )
    def quality(context: dg.AssetExecutionContext, storage: Storage) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        lake.read("item_labels", day)  # refuses in words where it is not there
        gold, version = GoldStore(lake.home).read(), version_on(lake, day)
        frame = label_quality(gold, gold.version_like(version)) if version else LABEL_QUALITY.empty()
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    LABEL_QUALITY,
                    frame,
                    metadata={"gold_texts": gold.annotated, "version": str(version or "not noted")},
                )
            ],
        )

    return [quality]


def precision_finding(gold: GoldSet, version: Version) -> Finding:
    """The check `gold_precision` of item_labels."""
    if not gold.exists:
        return Finding("gold_precision", True, "There is no gold set yet, so nothing was measured (docs/gold.md)")
    found = overall_precision(gold, gold.version_like(version))
    if found is None:
        return Finding(
            "gold_precision",
            False,
            f"item_labels: no label of {version} on a gold text is known; run `coterie gold label` to measure it",
            severity="warning",
            numbers={"gold_texts": gold.annotated},
        )
    value, low, high, texts = found
    bound = WORST if high < WORST else WANTED
    said = f"precision on gold is {value:.0%} (90 % interval {low:.0%} to {high:.0%}, {texts} texts)"
    return Finding(
        "gold_precision",
        high >= WANTED,
        f"{GOLD}: {said}" if high >= WANTED else f"item_labels: {said}; expected at least {bound:.0%} within reach",
        severity="error" if high < WORST else "warning",
        numbers=shares(precision=value, low=low, high=high, gold_texts=texts, wanted=WANTED, worst=WORST),
    )


def described(lake: Lake, day: date, gold: GoldSet, version: Version, frame: pl.DataFrame) -> dict[str, Any]:
    """For the page of item_labels: agreement with people, and the interests that moved most against the week before."""
    files = lake.files("item_labels", first=day - timedelta(days=DAYS_BEFORE), last=day - timedelta(days=1))
    names = ["item_id", "interest_id"]
    before = pl.concat([frame.select(names).clear(), *(pl.read_parquet(f, columns=names) for f in files)])
    moved = moved_most(frame, before)
    words = markdown(moved) if moved.height else "nothing to compare with"
    return {**shares(**agreement(gold, gold.version_like(version))), "moved_most": dg.MetadataValue.md(words)}
