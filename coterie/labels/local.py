"""A labeller that needs no model and no network: the taxonomy's own words, and the words that the log itself goes with.

Belongs here: what keywords and vocabulary say together, how sure that makes, when it is too little to say anything.
Does not belong here: finding keywords (coterie.labels.keywords), learning words (coterie.labels.vocabulary), telling
languages apart (coterie.labels.language).

Method: a text's interest is a draw from a softmax over the interests that anything speaks for, and over none of them.
The log-odds of an interest are a weighted sum of the evidence of its keywords, of the likelihood of the text's tokens,
tempered because tokens of a text are not independent, and of how common the interest is in the log. The few weights were
chosen for each language by what they rank first among texts of known subject; what is given as a probability is one by
calibration (coterie.labels.calibration).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.labels import keywords as words
from coterie.labels import vocabulary as vocabularies
from coterie.labels.base import LABELS, MOST_INTERESTS, Labelled
from coterie.labels.calibration import calibrated
from coterie.labels.keywords import Keywords
from coterie.labels.language import CHINESE, ENGLISH, OTHER, language
from coterie.labels.tokens import tokens
from coterie.taxonomy import Taxonomy

Array = npt.NDArray[np.float64]

NONE = "none"  # in place of an interest: none that the text speaks of
POSTERIORS = {"text_hash": pl.String, "interest_id": pl.String, "probability": pl.Float64}
LEAST_PROBABILITY = 0.005  # what is less is not told, and goes to none
LEAST_RAW = 0.0005  # the same before calibration
LEAST_LABEL = 0.2  # least probability of a label, of which a text has up to three
SURE_ENOUGH = 0.35  # that one of its labels is right, or the text gets none
LEARNT_ENOUGH = 3_000.0  # tokens in confident texts: a vocabulary of fewer is left aside
SEED_EVIDENCE = 0.7  # a keyword of common length in a title is enough; alone in a text of 100 words it is not
SEED_SHARE = 0.6  # of a text's evidence
CHUNK = 10_000  # texts at a time, so that memory does not grow with a day


@dataclass(frozen=True)
class Weights:
    """How evidence becomes log-odds.

    Attributes:
        keyword: of the evidence of keywords, which grows less than in proportion: log(1 + evidence).
        token: of the log-likelihood ratio of the tokens.
        length: the ratio is divided by the number of known tokens to this power.
        common: of the logarithm of how common the interest is in the log.
        none: log-odds of no interest at all.
    """

    keyword: float
    token: float
    length: float
    common: float
    none: float


ALONE: Mapping[str, Weights] = {
    ENGLISH: Weights(keyword=3.7, token=0.0, length=0.0, common=0.0, none=2.1),
    CHINESE: Weights(keyword=2.2, token=0.0, length=0.0, common=0.0, none=1.7),
}
LEARNT: Mapping[str, Weights] = {
    ENGLISH: Weights(keyword=5.0, token=1.0, length=1.4, common=1.0, none=3.5),
    CHINESE: Weights(keyword=4.3, token=0.4, length=1.4, common=1.0, none=4.0),
}


class LocalLabeller:
    """Labels English and Chinese texts. The same text always gets the same answer from the same vocabulary."""

    name = "local"
    model = "local-3"

    def __init__(self, taxonomy: Taxonomy, vocabulary: pl.DataFrame | None = None) -> None:
        """Prepare the keywords of `taxonomy` and the words of `vocabulary` (`coterie.labels.vocabulary.SCHEMA`)."""
        self._keywords = Keywords(taxonomy)
        self._interests = sorted(taxonomy.interests)
        self._models: dict[str, vocabularies.Model] = {}
        if vocabulary is not None:
            both = {code: vocabularies.model(vocabulary, code, self._interests) for code in (ENGLISH, CHINESE)}
            self._models = {code: model for code, model in both.items() if model.learnt >= LEARNT_ENOUGH}

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `coterie.labels.base.Labeller`. Nothing ever fails: a text without evidence is abstained.

        Raises:
            LabelError: a column is missing, a text hash comes twice, or hashtags are not a JSON list.
        """
        told = self.posteriors(items).filter(pl.col("interest_id") != NONE)
        labels = (
            told.filter(pl.col("probability") >= LEAST_LABEL)
            .sort("text_hash", -pl.col("probability"), "interest_id")
            .group_by("text_hash", maintain_order=True)
            .head(MOST_INTERESTS)
            .filter(pl.col("probability").sum().over("text_hash") >= SURE_ENOUGH)
            .rename({"probability": "confidence"})
            .select(list(LABELS))
            .sort("text_hash", "interest_id")
        )
        abstained = items.join(labels, on="text_hash", how="anti")["text_hash"].cast(pl.String).sort().to_list()
        return Labelled(labels, abstained=abstained)

    def posteriors(self, items: pl.DataFrame, *, raw: bool = False) -> pl.DataFrame:
        """What each text is about, with probabilities.

        Args:
            items: text_hash (unique), text, hashtags (a JSON list); the last two may be null.
            raw: before calibration, which is what a calibration is fitted to.

        Returns:
            POSTERIORS, sorted: of every text the interests that are at all likely and a row `none`, which sum to 1. A
            text in a language that the labeller does not know has `none` at 1.

        Raises:
            LabelError: a column is missing, a text hash comes twice, or hashtags are not a JSON list.
        """
        parts = [self._posteriors(part, raw) for part in self._read(items)]
        found = pl.concat([pl.DataFrame(schema=POSTERIORS), *parts])
        return found.sort("text_hash", "interest_id")

    def learn(self, before: pl.DataFrame | None, items: pl.DataFrame, *, days: float = 1.0) -> pl.DataFrame:
        """The vocabulary after another day of texts; see `coterie.labels.vocabulary.updated`.

        What this labeller knows beyond keywords is not asked: the same texts teach the same, whatever was learnt before.

        Args:
            before: the vocabulary of the day before; None on the first day.
            items: the day's texts, as for `label`.
            days: since `before`.

        Raises:
            LabelError: a column is missing, a text hash comes twice, or hashtags are not a JSON list.
        """
        read = list(self._read(items))
        known = pl.col("language") != OTHER
        seen = [part.tokens.join(part.texts.filter(known), on="text_hash") for part in read]
        seeds = [_seeds(part.hits, part.texts) for part in read]
        nothing = pl.DataFrame(schema={"language": pl.String, "text_hash": pl.String, "token": pl.String})
        no_seeds = pl.DataFrame(schema=_SEEDS)
        return vocabularies.updated(
            before,
            pl.concat([nothing, *(part.select(nothing.columns) for part in seen)]),
            pl.concat([no_seeds, *seeds]),
            days=days,
        )

    def _read(self, items: pl.DataFrame) -> Iterator["_Read"]:
        fields = words.fields(items)
        texts = (
            items.select(pl.col("text_hash", "text", "hashtags").cast(pl.String))
            .sort("text_hash")
            .select("text_hash", language=language(pl.concat_str("text", "hashtags", separator=" ", ignore_nulls=True)))
        )
        for start in range(0, texts.height, CHUNK):
            some = texts.slice(start, CHUNK)
            marked = self._keywords.marked(
                fields.join(some, on="text_hash", how="semi").sort("text_hash", "in_tag", "plain")
            )
            yield _Read(some, self._keywords.hits(marked), tokens(marked, self._keywords))

    def _posteriors(self, read: "_Read", raw: bool) -> pl.DataFrame:
        """POSTERIORS of some texts."""
        texts = read.texts.with_row_index("row")
        hashes = texts["text_hash"].to_list()
        columns = pl.DataFrame({"interest_id": self._interests, "column": np.arange(len(self._interests))})
        found = words.evidence(read.hits).join(texts, on="text_hash").join(columns, on="interest_id")
        keyword = np.zeros((texts.height, len(self._interests)))
        keyword[found["row"].to_numpy(), found["column"].to_numpy()] = found["evidence"].to_numpy()
        told: list[pl.DataFrame] = []
        for code in (ENGLISH, CHINESE):
            rows = np.flatnonzero((texts["language"] == code).to_numpy())
            if not len(rows):
                continue
            probability = self._probabilities(code, keyword[rows], read.tokens, [hashes[k] for k in rows])
            if not raw:
                probability = calibrated(probability, code, learnt=code in self._models)
            at, column = np.nonzero(probability >= (LEAST_RAW if raw else LEAST_PROBABILITY))
            told.append(
                pl.DataFrame(
                    {
                        "text_hash": [hashes[rows[k]] for k in at],
                        "interest_id": [self._interests[k] for k in column],
                        "probability": probability[at, column].round(6),
                    },
                    schema=POSTERIORS,
                )
            )
        some = pl.concat([pl.DataFrame(schema=POSTERIORS), *told])
        rest = (
            texts.select("text_hash")
            .join(
                some.group_by("text_hash").agg(pl.col("probability").sum().alias("given")), on="text_hash", how="left"
            )
            .select("text_hash", interest_id=pl.lit(NONE), probability=(1 - pl.col("given").fill_null(0.0)).clip(0, 1))
        )
        return pl.concat([some, rest])

    def _probabilities(self, code: str, keyword: Array, tokens: pl.DataFrame, hashes: list[str]) -> Array:
        """(texts, interests) raw probabilities of texts of a language; what is left of 1 is that of none."""
        weights = ALONE[code]
        score, common = np.zeros_like(keyword), np.zeros(len(self._interests))
        if code in self._models:
            weights = LEARNT[code]
            place = pl.DataFrame(
                {"text_hash": hashes, "row": np.arange(len(hashes))}, schema_overrides={"text_hash": pl.String}
            )
            mine = tokens.join(place, on="text_hash")
            raw, known = self._models[code].scores(mine["row"].to_numpy(), mine["token"], len(hashes))
            score = raw / np.maximum(known, 1)[:, None] ** weights.length
            common = self._models[code].common
        logits = weights.keyword * np.log1p(keyword) + weights.token * score + weights.common * common
        spoken = (keyword > 0) | (score > 0)
        odds = np.where(spoken, np.exp(np.clip(logits, -50, 50)), 0.0)
        return np.asarray(odds / (odds.sum(axis=1, keepdims=True) + np.exp(weights.none)))


@dataclass(frozen=True)
class _Read:
    """Some texts as read: `texts` (text_hash, language), `hits` and `tokens` of them."""

    texts: pl.DataFrame
    hits: pl.DataFrame
    tokens: pl.DataFrame


_SEEDS = {"text_hash": pl.String, "interest_id": pl.String, "keyword": pl.String, "share": pl.Float64}


def _seeds(hits: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """_SEEDS of the texts whose keywords leave no doubt; see `coterie.labels.vocabulary.updated`."""
    evidence = words.evidence(hits.join(texts.filter(pl.col("language") != OTHER), on="text_hash", how="semi"))
    share = pl.col("evidence") / pl.col("evidence").sum().over("text_hash")
    sure = evidence.with_columns(share=share).filter(pl.col("evidence") >= SEED_EVIDENCE, pl.col("share") >= SEED_SHARE)
    sole = (
        hits.join(sure, on=["text_hash", "interest_id"])
        .filter(pl.col("evidence") - pl.col("points") / words.UNIT < SEED_EVIDENCE)
        .select(list(_SEEDS))
    )
    whole = sure.with_columns(keyword=pl.lit(None, pl.String)).select(list(_SEEDS))
    return pl.concat([whole, sole])
