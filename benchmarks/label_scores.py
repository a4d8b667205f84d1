"""Texts of known interest, labels of them, and how good the labels are.

Belongs here: the texts in two halves, the scores. Does not belong here: who labels (label_peers), the page (labels).

A text is the title or caption with its hashtags. A label is right if it is among the ids that the pack accepts for the
text. Where a score asks for one interest (precision, F1), it is the most confident label of the text; a right one stands
for the text's first id, so that no class is punished for a second id that is right as well.

The texts of a pack fall into two halves by a hash of what they say. Keywords, weights and thresholds are chosen on the
*tuning* half alone; what is reported is the *held-out* half, which nobody reads.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.worlds import taxonomy
from coterie.simulate.texts import FEWEST, load_pack

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LANGUAGES = ("en", "zh")
TUNING, HELD_OUT = "tuning", "held out"
COVERAGES = (0.2, 0.35, 0.5, 0.7, 1.0)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
BINS = 10
DRAWS = 300  # resamples of the bootstrap


@dataclass(frozen=True)
class Texts:
    """The N texts of a pack and what is true of them; ids are places in `interests`.

    Attributes:
        frame: text, hashtags, and row, the number of the text.
        interests: ids of the taxonomy, sorted.
        domain: (interests,) domain of each, as a number.
        true: (N,) what the text is about.
        accepted: (N, interests) which ids count as right.
        counted: the interests that macro averages run over: those with enough texts to tell.
    """

    language: str
    frame: pl.DataFrame
    interests: tuple[str, ...]
    domain: Ints
    true: Ints
    accepted: Bools
    counted: Ints

    def half(self, name: str) -> "Texts":
        """The tuning or the held-out half."""
        said = self.frame.select("text", "hashtags").rows()
        return self.take(np.flatnonzero([half_of(text, tags) == name for text, tags in said]))

    def items(self) -> pl.DataFrame:
        """The texts as a labeller takes them: text_hash (the row's number), text, hashtags (JSON), language."""
        return self.frame.select(
            "text",
            text_hash=pl.col("row").cast(pl.String),
            hashtags=pl.col("hashtags").map_elements(_json, return_dtype=pl.String),
            language=pl.lit(self.language),
        )

    def take(self, rows: Ints) -> "Texts":
        """Some of the texts, by number; the interests that are averaged over stay the same."""
        frame = self.frame[rows].with_columns(row=pl.Series(np.arange(len(rows))))
        return replace(self, frame=frame, true=self.true[rows], accepted=self.accepted[rows])


@dataclass(frozen=True)
class Labels:
    """M labels of texts, those of a text from the most confident down: `text` (M,), `interest` (M,), `confidence` (M,)."""

    text: Ints
    interest: Ints
    confidence: Array

    def first(self) -> "Labels":
        """The most confident label of each text that has one."""
        _, at = np.unique(self.text, return_index=True)
        return Labels(self.text[at], self.interest[at], self.confidence[at])


@cache
def texts_of(language: str) -> Texts:
    """The pack of a language."""
    frame = load_pack(language).frame.with_row_index("row")
    names = tuple(sorted(taxonomy().interests))
    place = {name: k for k, name in enumerate(names)}
    domains = sorted({name.split(".")[0] for name in names})
    accepted = np.zeros((frame.height, len(names)), dtype=bool)
    pairs = frame.select("row", "accepted").explode("accepted")
    accepted[pairs["row"].to_numpy(), [place[name] for name in pairs["accepted"]]] = True
    true = np.array([place[name] for name in frame["interest_id"]], dtype=np.int64)
    return Texts(
        language=language,
        frame=frame.select("row", "text", "hashtags"),
        interests=names,
        domain=np.array([domains.index(name.split(".")[0]) for name in names], dtype=np.int64),
        true=true,
        accepted=accepted,
        counted=np.flatnonzero(np.bincount(true, minlength=len(names)) >= FEWEST),
    )


def half_of(text: str | None, tags: Sequence[str]) -> str:
    """The half that a text falls into, by what it says alone."""
    digest = hashlib.sha256(json.dumps([text, list(tags)], ensure_ascii=False).encode()).digest()
    return TUNING if digest[0] % 2 else HELD_OUT


def _json(tags: Sequence[str]) -> str:
    return json.dumps(list(tags), ensure_ascii=False)


ROWS = {"method": pl.String, "measure": pl.String, "at": pl.Float64, "value": pl.Float64, "low": pl.Float64,
        "high": pl.Float64}  # fmt: skip


# Scores. Each takes how often every text counts: once in the sample itself, by chance in a resample.


def resamples(n: int, draws: int, seed: int) -> Iterator[Array]:
    """How often each of n texts counts: once, and then as often as it is drawn, n draws with replacement (Efron 1979)."""
    yield np.ones(n)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)


def macro_f1(true: Ints, said: Ints, counted: Ints, weight: Array) -> float:
    """Mean over classes of F1, 2 TP / (2 TP + FP + FN), over the classes that have a text.

    Args:
        true: (N,) class of each text.
        said: (N,) class that it is given; -1 for none.
        counted: the classes to average over.
        weight: (N,) how often each text counts.
    """
    classes = int(max(true.max(), said.max())) + 1
    have = np.bincount(true, weight, minlength=classes)[counted]
    given = np.bincount(said[said >= 0], weight[said >= 0], minlength=classes)[counted]
    right = np.bincount(true, weight * (true == said), minlength=classes)[counted]
    known = have > 0
    return float((2 * right[known] / (have + given)[known]).mean())


def precision_at(confidence: Array, right: Array, weight: Array, whole: float, coverage: float) -> float | None:
    """Share of right labels if only the most confident are kept, so many that `coverage` of the texts have one.

    Of equally confident labels as many as are needed are taken at random: this is the expectation. None where fewer
    texts have a label.

    Args:
        confidence: (M,) of the label of each labelled text.
        right: (M,) 1 where it is right.
        weight: (M,) how often the text counts.
        whole: the number of texts, labelled or not.
        coverage: share of them to keep.
    """
    wanted = coverage * whole
    if not len(confidence):
        return None
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
    kept, good = np.cumsum(weight[order])[ends], np.cumsum((weight * right)[order])[ends]
    if kept[-1] < wanted * (1 - 1e-9):
        return None
    return float(np.interp(wanted, np.append(0.0, kept), np.append(0.0, good)) / wanted)


def reliability(confidence: Array, right: Array, weight: Array) -> tuple[Array, Array, Array]:
    """By tenths of the confidence: (10,) labels, mean confidence, share of them right; NaN where there are none."""
    tenth = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(tenth, weight, minlength=BINS)
    sums = [np.bincount(tenth, weight * v, minlength=BINS) for v in (confidence, right)]
    mean, share = (np.divide(s, count, out=np.full(BINS, np.nan), where=count > 0) for s in sums)
    return np.asarray(count, dtype=np.float64), mean, share


def calibration_error(confidence: Array, right: Array, weight: Array) -> float:
    """Expected calibration error: mean distance of confidence and share right, over tenths (Guo et al. 2017)."""
    count, mean, share = reliability(confidence, right, weight)
    known = count > 0
    return float((count[known] * np.abs(mean - share)[known]).sum() / count.sum())


def scores(
    texts: Texts, labels: Labels, weight: Array, *, calibrated: bool
) -> Iterator[tuple[str, float, float | None]]:
    """measure, at (what it is taken at; 0 if nothing) and value, for one weighting of the texts."""
    n, first, whole = len(texts.true), labels.first(), float(weight.sum())
    right = texts.accepted[first.text, first.interest].astype(np.float64)
    of_domain = np.zeros((n, int(texts.domain.max()) + 1), dtype=bool)
    text, interest = np.nonzero(texts.accepted)
    of_domain[text, texts.domain[interest]] = True
    right_domain = of_domain[first.text, texts.domain[first.interest]]
    w, total = weight[first.text], float(weight[first.text].sum())

    yield "coverage", 0.0, total / whole
    yield "precision", 0.0, float((w * right).sum()) / total if total else None
    yield "precision, domain", 0.0, float((w * right_domain).sum()) / total if total else None
    for measure, strict in (("macro-F1", False), ("macro-F1, first id only", True)):
        said = np.full(n, -1)
        said[first.text] = np.where((right > 0) & (not strict), texts.true[first.text], first.interest)
        yield measure, 0.0, macro_f1(texts.true, said, texts.counted, weight)
    said = np.full(n, -1)
    domain = texts.domain[texts.true]
    said[first.text] = np.where(right_domain, domain[first.text], texts.domain[first.interest])
    yield "macro-F1, domain", 0.0, macro_f1(domain, said, np.unique(texts.domain[texts.counted]), weight)
    for coverage in COVERAGES:
        yield "precision at coverage", coverage, precision_at(first.confidence, right, w, whole, coverage)
        kept = precision_at(first.confidence, right_domain.astype(np.float64), w, whole, coverage)
        yield "precision at coverage, domain", coverage, kept
    if not calibrated:
        return
    for threshold in THRESHOLDS:
        sure = first.confidence >= threshold
        yield "coverage from confidence", threshold, float(w[sure].sum()) / whole
        yield (
            "precision from confidence",
            threshold,
            float((w * right)[sure].sum() / w[sure].sum()) if w[sure].sum() else None,
        )
    every = texts.accepted[labels.text, labels.interest].astype(np.float64)
    yield "calibration error", 0.0, calibration_error(labels.confidence, every, weight[labels.text])
    for tenth, share in enumerate(reliability(labels.confidence, every, weight[labels.text])[2].tolist()):
        yield "right, by tenth", (tenth + 0.5) / BINS, None if np.isnan(share) else share


def scored(texts: Texts, labels: Labels, method: str, seed: int, *, calibrated: bool) -> pl.DataFrame:
    """ROWS of one who labels: each score with its 95 % bootstrap interval over texts."""
    found: dict[tuple[str, float], list[float]] = {}
    for k, weight in enumerate(resamples(len(texts.true), DRAWS, seed)):
        for measure, at, value in scores(texts, labels, weight, calibrated=calibrated):
            if k == 0:
                found[measure, at] = []
            found[measure, at].append(np.nan if value is None else value)
    lines: list[tuple[str, str, float, float | None, float | None, float | None]] = []
    for (measure, at), values in found.items():
        if np.isnan(values[0]):
            lines.append((method, measure, at, None, None, None))
        else:
            low, high = np.nanquantile(values, [0.025, 0.975])
            lines.append((method, measure, at, values[0], float(low), float(high)))
    lines += [
        (method, measure, at, value, None, None) for measure, at, value in _plain_counts(texts, labels, calibrated)
    ]
    return pl.DataFrame(lines, schema=ROWS, orient="row")


def _plain_counts(texts: Texts, labels: Labels, calibrated: bool) -> Iterator[tuple[str, float, float | None]]:
    """What needs no interval: sizes, and the points of the curves."""
    n, first = len(texts.true), labels.first()
    yield "texts", 0.0, float(n)
    yield "interests with enough texts", 0.0, float(len(texts.counted))
    right = texts.accepted[first.text, first.interest].astype(np.float64)
    for coverage in np.linspace(0.02, 1.0, 50).round(2).tolist():
        yield "curve", coverage, precision_at(first.confidence, right, np.ones(len(right)), float(n), coverage)
    if calibrated:
        every = texts.accepted[labels.text, labels.interest].astype(np.float64)
        count, mean, _ = reliability(labels.confidence, every, np.ones(len(every)))
        for tenth in np.flatnonzero(count > 0).tolist():
            yield "labels, by tenth", (tenth + 0.5) / BINS, float(count[tenth])
            yield "confidence, by tenth", (tenth + 0.5) / BINS, float(mean[tenth])
