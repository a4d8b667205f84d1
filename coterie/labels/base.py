"""What every labeller gives, and how its answers become rows.

Belongs here: the protocol, the shape of an answer, weights. Does not belong here: any one way of labelling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from coterie.tables import ITEM_LABELS

MOST_INTERESTS = 3
LABELS = {"text_hash": pl.String, "interest_id": pl.String, "confidence": pl.Float64}


@dataclass(frozen=True)
class Labelled:
    """Answers for a set of texts, each named by its hash.

    Attributes:
        labels: text_hash, interest_id, confidence in (0, 1]; at most three rows a text. Where several labellers share
            the work, also labeller and model: whose each label is.
        abstained: texts that no interest fits.
        failed: text_hash -> why it could not be labelled, for a technical reason.
        usage: what it took: requests, tokens, US dollars, as far as the labeller knows.
    """

    labels: pl.DataFrame
    abstained: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)


class Labeller(Protocol):
    """Says which interests a text is about."""

    @property
    def name(self) -> str:
        """`local`, `claude` or `cascade`."""

    @property
    def model(self) -> str:
        """The model, or the version of the local method."""

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts.

        Args:
            items: text_hash (unique), text, hashtags (a JSON list), language; the last three may be null.

        Returns:
            One verdict for each row: labelled, abstained or failed.
        """


def texts_of(items: pl.DataFrame) -> pl.DataFrame:
    """The different texts of RAW_ITEMS, as labellers take them: text_hash, text, hashtags, language."""
    return items.unique("text_hash", keep="first", maintain_order=True).select(
        "text_hash", "text", "hashtags", "language"
    )


def item_labels(items: pl.DataFrame, labelled: Labelled, labeller: Labeller, taxonomy_version: str) -> pl.DataFrame:
    """Rows of ITEM_LABELS for items whose texts were labelled.

    The weight is the interest's share of the item's summed confidence, so an item's weights sum to 1.

    Args:
        items: item_id, text_hash.
        labelled: answers for the text hashes; hashes without a label give no row.
        labeller: who answered, where the answers themselves do not say.
        taxonomy_version: the version that the labels belong to.
    """
    total = pl.col("confidence").sum().over("item_id")
    labels = labelled.labels
    if "labeller" not in labels.columns:
        labels = labels.with_columns(labeller=pl.lit(labeller.name), model=pl.lit(labeller.model))
    return ITEM_LABELS.conform(
        items.select("item_id", "text_hash")
        .join(labels, on="text_hash")
        .with_columns(
            weight=pl.col("confidence") / total,
            taxonomy_version=pl.lit(taxonomy_version),
        )
        .select(list(ITEM_LABELS.schema))
    )
