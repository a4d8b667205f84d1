"""Item labels: what each new text is about, by the labeller that the settings choose."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets import gold, label_checks
from assets.gate import Candidate, Yielded, gate, markdown
from assets.tables import shares, table_asset, today
from coterie.labels.base import Labelled, Labeller, item_labels, texts_of
from coterie.labels.cascade import CascadeLabeller, drawn
from coterie.labels.look import examples, figures
from coterie.labels.preview import preview_of
from coterie.tables import ITEM_LABELS, RAW_ITEMS
from resources.audit import Finding
from resources.configurable import LabellerChoice, Log, Storage
from resources.gold import LABELLED_BY, GoldStore, as_note, version_of
from resources.lake import Lake

MOST_FAILED = 0.05
LEAST_COVERED = 0.2
FAILED = f"At most {MOST_FAILED:.0%} of the texts could not be labelled for a technical reason"
KNOWN = "Every labelled item is an item of the day, every interest one of the taxonomy"
CERTIFIED = "With the cascade: at most one local label in ten is wrong by Claude's judgement (a warning)"
DRAWN_DAYS = 28
COVERAGE = "At least a fifth of the items with text has a label (a warning: an honest labeller may abstain)"


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `labels`."""

    @table_asset(
        ITEM_LABELS,
        days,
        deps=["raw_events", "raw_items", "label_vocabulary"],
        kinds={"python", "anthropic"},
        says="The interests of each item that is new or changed. An item that no interest fits has no row.",
        checks={
            "failed_share": FAILED,
            "known": KNOWN,
            "weights_sum": label_checks.SUMS,
            "coverage": COVERAGE,
            "certified": CERTIFIED,
            "gold_precision": gold.GOLD,
        },
    )
    def labels(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, labeller: LabellerChoice
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        items = lake.read("raw_items", day)
        taxonomy = log.taxonomy()
        cascade = labeller.labeller == "cascade"
        chosen = labeller.make(taxonomy, lake.read("label_vocabulary", day), _past(lake, day) if cascade else None)
        texts = _met(lake, day, items) if cascade else texts_of(items)
        planned = _announce(context, chosen, texts)
        labelled = chosen.label(texts)
        frame = item_labels(items, labelled, chosen, taxonomy.version)
        people, version = GoldStore(lake.home).read(), version_of(chosen, taxonomy.version)
        context.log.info(
            f"{texts.height} texts: {labelled.labels['text_hash'].n_unique()} labelled, "
            f"{len(labelled.abstained)} abstained, {len(labelled.failed)} failed"
        )
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    ITEM_LABELS,
                    frame,
                    findings=[
                        _failed(labelled, texts.height),
                        label_checks.known(ITEM_LABELS, KNOWN, frame, items["item_id"], taxonomy.interests),
                        label_checks.sums(ITEM_LABELS, frame),
                        _coverage(frame, items),
                        _certified(chosen),
                        gold.precision_finding(people, version),
                    ],
                    notes={LABELLED_BY: as_note(version)},
                    metadata={
                        **shares(**figures(labelled)),
                        "labeller": f"{chosen.name} {chosen.model}",
                        "taxonomy_version": taxonomy.version,
                        **gold.described(lake, day, people, version, frame),
                        "examples": dg.MetadataValue.md(markdown(examples(items, labelled))),
                        **planned,
                    },
                )
            ],
        )

    return [labels]


def _past(lake: Lake, day: date) -> pl.DataFrame:
    """Texts of the days before that the cascade draws from, as far as they are in the lake."""
    days = [d for d in lake.days("raw_items") if day - timedelta(days=DRAWN_DAYS) <= d < day]
    parts = [texts_of(lake.read("raw_items", d)) for d in days]
    empty = texts_of(RAW_ITEMS.empty())
    return pl.concat([empty, *(part.filter(drawn(part["text_hash"])) for part in parts)]).unique(
        "text_hash", keep="first", maintain_order=True
    )


def _met(lake: Lake, day: date, items: pl.DataFrame) -> pl.DataFrame:
    """The day's texts with `seen`: how often their items were met that day."""
    events = lake.scan("raw_events", day).group_by("item_id").agg(seen=pl.len()).collect()
    seen = items.join(events, on="item_id").group_by("text_hash").agg(pl.col("seen").sum())
    return texts_of(items).join(seen, on="text_hash", how="left").with_columns(pl.col("seen").fill_null(0))


def _announce(context: dg.AssetExecutionContext, labeller: Labeller, texts: pl.DataFrame) -> dict[str, Any]:
    """Say what will be bought before it is bought, in the log and on the asset; the same for its materialization."""
    planned = preview_of(labeller, texts)
    if planned is None:
        return {}
    context.log.info(planned.told())
    for warning in planned.warnings:
        context.log.warning(warning)
    numbers = shares(**planned.numbers())
    if planned.to_buy:
        context.log_event(
            dg.AssetObservation(
                ITEM_LABELS.name, partition=context.partition_key, description=planned.told(), metadata=numbers
            )
        )
    return numbers


def _failed(labelled: Labelled, texts: int) -> Finding:
    share = len(labelled.failed) / texts if texts else 0.0
    reasons = "; ".join(sorted(set(labelled.failed.values()))[:5])
    return Finding(
        "failed_share",
        share <= MOST_FAILED,
        FAILED if share <= MOST_FAILED else f"item_labels: {len(labelled.failed)} of {texts} texts failed: {reasons}",
        numbers=shares(failed=len(labelled.failed), texts=texts, share=share, bound=MOST_FAILED),
    )


def _certified(labeller: Labeller) -> Finding:
    """What is certified of the labels; a warning where a certificate was wanted and could not be given."""
    if not isinstance(labeller, CascadeLabeller):
        return Finding("certified", True, f"No certificate: the labeller is {labeller.name}, not cascade", "warning")
    found = labeller.certificate
    return Finding(
        "certified",
        found.threshold is not None,
        found.said("Claude"),
        severity="warning",
        numbers=shares(sampled=found.sampled, kept=found.kept, wrong=found.wrong, at_most=found.at_most),
    )


def _coverage(frame: pl.DataFrame, items: pl.DataFrame) -> Finding:
    with_text = items.filter(pl.col("text").is_not_null() | (pl.col("hashtags") != "[]"))
    covered = int(with_text["item_id"].is_in(frame["item_id"].implode()).sum())
    share = covered / with_text.height if with_text.height else 1.0
    return Finding(
        "coverage",
        share >= LEAST_COVERED,
        COVERAGE
        if share >= LEAST_COVERED
        else f"item_labels: {covered} of {with_text.height} items with text have a label ({share:.0%}); expected at "
        f"least {LEAST_COVERED:.0%} (a warning: an honest labeller may abstain)",
        severity="warning",
        numbers=shares(labelled=covered, items_with_text=with_text.height, share=share, bound=LEAST_COVERED),
    )
