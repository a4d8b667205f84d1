"""The gold set: texts drawn with known probability, what people say they are about, and what labellers said.

Belongs here: the frames that the other gold modules share, and joining them. Does not belong here: drawing
(gold_draw), the sheet (gold_sheet), measuring (gold_measures), where it is kept (resources.gold).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.labels.base import Labelled
from coterie.matrices import Array

# A row is a text in a draw; `probability` is that of its being drawn, `stratum` the group that it was drawn from.
DRAWN = {"draw": pl.String, "text_hash": pl.String, "stratum": pl.String, "probability": pl.Float64}
# A row is an interest that a labeller gave to a text; one row with a null interest where it gave none.
VERDICTS = {
    "labeller": pl.String,
    "model": pl.String,
    "prompt_version": pl.String,
    "taxonomy_version": pl.String,
    "text_hash": pl.String,
    "interest_id": pl.String,
    "confidence": pl.Float64,
}
# A row is an interest that a person gave to a text, the most fitting at place 1; a null interest: none fits.
ANSWERS = {
    "annotator": pl.String,
    "text_hash": pl.String,
    "place": pl.Int64,
    "interest_id": pl.String,
    "comment": pl.String,
    "taxonomy_version": pl.String,
}
_VERSION = ["labeller", "model", "prompt_version", "taxonomy_version"]


@dataclass(frozen=True, order=True)
class Version:
    """What a verdict depends on besides the text; `prompt_version` is empty where there is no prompt, or none known."""

    labeller: str
    model: str
    prompt_version: str
    taxonomy_version: str

    def __str__(self) -> str:
        prompt = f", prompt {self.prompt_version}" if self.prompt_version else ""
        return f"{self.labeller} {self.model}{prompt}, taxonomy {self.taxonomy_version}"


@dataclass(frozen=True)
class GoldSet:
    """Everything that is known of the gold texts: frames DRAWN, ANSWERS and VERDICTS."""

    drawn: pl.DataFrame
    answers: pl.DataFrame
    verdicts: pl.DataFrame

    @property
    def exists(self) -> bool:
        """Whether at least one drawn text has been annotated."""
        return self.annotated > 0

    @property
    def annotated(self) -> int:
        """How many drawn texts have been annotated."""
        return self.drawn.select("text_hash").unique().join(self.answers, on="text_hash", how="semi").height

    @property
    def annotators(self) -> list[str]:
        """Who annotated, sorted."""
        return sorted(self.answers["annotator"].unique())

    @property
    def versions(self) -> list[Version]:
        """The versions whose verdicts on gold texts are known, sorted."""
        rows = self.verdicts.select(_VERSION).unique().rows()
        return sorted(Version(*row) for row in rows)

    def version_like(self, version: Version) -> Version:
        """The version itself where its verdicts are known, else the same one with an unknown prompt."""
        known = self.versions
        unknown = Version(version.labeller, version.model, "", version.taxonomy_version)
        return version if version in known or unknown not in known else unknown


@dataclass(frozen=True)
class Marked:
    """Annotated texts beside one labeller's verdicts on them, as arrays: texts in rows, interests in columns.

    Attributes:
        texts: (n,) text hashes, sorted.
        interests: (k,) ids that a person or the labeller gave, sorted.
        weight: (n,) how many texts of the drawn populations each stands for, 1 / probability.
        chosen: (n, k) share of the annotators who gave the interest.
        given: (n, k) 1 where the labeller gave it.
        truth: (n, k) the text's share that belongs to the interest: equal parts of an annotator's interests, averaged
            over annotators; a row sums to at most 1.
        labels: (n, k) the same by the labeller, in proportion to its confidence, as in `item_labels`.
        confidence: (n, k) the labeller's confidence, 0 where not given.
        first_truth: (n, k + 1) share of the annotators who put the interest first; the last column: none fits.
        first_label: (n,) the column of the labeller's most confident interest; k: none.
    """

    texts: tuple[str, ...]
    interests: tuple[str, ...]
    weight: Array
    chosen: Array
    given: Array
    truth: Array
    labels: Array
    confidence: Array
    first_truth: Array
    first_label: npt.NDArray[np.int64]


def verdicts_of(version: Version, labelled: Labelled) -> pl.DataFrame:
    """A labeller's answers as VERDICTS; texts that failed have none."""
    none = pl.DataFrame({"text_hash": sorted(labelled.abstained)}, schema={"text_hash": pl.String})
    rows = pl.concat([labelled.labels.select("text_hash", "interest_id", "confidence"), none], how="diagonal")
    named = rows.with_columns(pl.lit(value).alias(name) for name, value in zip(_VERSION, _row(version), strict=True))
    return named.select(list(VERDICTS)).cast(VERDICTS).sort("text_hash", "interest_id")  # type: ignore[arg-type]


def marked(gold: GoldSet, version: Version, annotators: Sequence[str] | None = None) -> Marked:
    """Texts that were drawn, annotated and labelled by this version.

    A text of several draws stands for the sum of what it stands for in each: the estimates are then about the drawn
    populations taken together.

    Args:
        gold: the gold set.
        version: whose verdicts.
        annotators: only theirs; default: everybody's.
    """
    answers = gold.answers if annotators is None else gold.answers.filter(pl.col("annotator").is_in(annotators))
    of_version = [pl.col(name) == value for name, value in zip(_VERSION, _row(version), strict=True)]
    verdicts = gold.verdicts.filter(*of_version)
    weights = gold.drawn.group_by("text_hash").agg(weight=(1 / pl.col("probability")).sum())
    both = weights.join(answers.select("text_hash").unique(), on="text_hash").join(
        verdicts.select("text_hash").unique(), on="text_hash"
    )
    both = both.sort("text_hash")
    texts = both["text_hash"]
    answers = answers.join(both, on="text_hash", how="semi").sort("text_hash", "annotator", "place")
    verdicts = verdicts.join(both, on="text_hash", how="semi").sort("text_hash", "interest_id")
    interests = pl.concat([answers["interest_id"], verdicts["interest_id"]]).drop_nulls().unique().sort().to_list()
    row = {text: n for n, text in enumerate(texts)}
    column = {interest: n for n, interest in enumerate(interests)} | {None: len(interests)}
    n, k = len(row), len(interests)

    # One more column for "none fits", cut off where only interests are meant.
    chosen, truth, first_truth, confidence = (np.zeros((n, k + 1)) for _ in range(4))
    count = answers.group_by("text_hash").agg(pl.col("annotator").n_unique())
    people = dict(count.rows())
    of_each = pl.len().over("text_hash", "annotator").alias("interests")
    for text, place, interest, parts in answers.select("text_hash", "place", "interest_id", of_each).rows():
        cell = row[text], column[interest]
        chosen[cell] += 1 / people[text]
        truth[cell] += 1 / people[text] / parts
        first_truth[cell] += (place == 1) / people[text]
    for text, interest, sure in verdicts.select("text_hash", "interest_id", "confidence").rows():
        confidence[row[text], column[interest]] = sure or 0.0
    confidence = confidence[:, :k]
    whole = confidence.sum(axis=1, keepdims=True)
    first = np.where(whole[:, 0] > 0, confidence.argmax(axis=1) if k else 0, k)
    return Marked(
        texts=tuple(texts), interests=tuple(interests), weight=both["weight"].to_numpy().astype(np.float64),
        chosen=chosen[:, :k], given=(confidence > 0).astype(np.float64), truth=truth[:, :k],
        labels=np.divide(confidence, whole, out=np.zeros_like(confidence), where=whole > 0),
        confidence=confidence, first_truth=first_truth, first_label=first.astype(np.int64),
    )  # fmt: skip


def _row(version: Version) -> tuple[str, str, str, str]:
    return version.labeller, version.model, version.prompt_version, version.taxonomy_version
