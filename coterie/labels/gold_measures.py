"""How good labels are on a gold set: precision, recall, kappa, calibration, confusion, drift; all with intervals.

Belongs here: estimates about the drawn populations from texts of unequal probability. Does not belong here: what the
estimates are used for (gold_quality, gold_report).

Every text counts for as many as it stands for (Horvitz and Thompson 1952). Shares have Wilson's interval at Kish's
effective number of texts, (sum of w)^2 / sum of w^2, which holds where few texts or none are wrong. Kappa has the
linearised variance (Fleiss, Cohen and Everitt 1969, for weighted texts). Intervals are 90 %.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from coterie.labels.gold import GoldSet, Marked, Version, marked
from coterie.matrices import Array

INTERVAL = 0.90
Z = float(stats.norm.ppf((1 + INTERVAL) / 2))
CONFIDENCE_STEPS = 10


@dataclass(frozen=True)
class Estimates:
    """Estimates with their 90 % intervals, (k,) each; nan where no text says anything.

    Attributes:
        value, low, high: the estimates and their intervals.
        texts: how many texts they rest on.
        parts: (n, k) what each text moves the estimate by, whose squares sum to the variance.
    """

    value: Array
    low: Array
    high: Array
    texts: npt.NDArray[np.int64]
    parts: Array

    def one(self) -> tuple[float, float, float]:
        """The first estimate and the ends of its interval."""
        return float(self.value[0]), float(self.low[0]), float(self.high[0])


def share(weight: Array, part: Array, whole: Array) -> Estimates:
    """Weighted sum of `part` over weighted sum of `whole`, by column.

    Args:
        weight: (n,) what each text stands for.
        part: (n, k) within [0, whole].
        whole: (n, k) within [0, 1].
    """
    counted = weight[:, None] * whole
    total = counted.sum(axis=0)
    seen = total > 0
    value = np.divide((weight[:, None] * part).sum(axis=0), total, out=np.full(len(total), np.nan), where=seen)
    value = np.clip(value, 0.0, 1.0)  # sums of weights may be off by a last digit
    squares = (counted**2).sum(axis=0)
    effective = np.divide(total**2, squares, out=np.zeros_like(total), where=seen)
    low, high = np.full_like(value, np.nan), np.full_like(value, np.nan)
    if seen.any():
        low[seen], high[seen] = proportion_confint(
            value[seen] * effective[seen], effective[seen], alpha=1 - INTERVAL, method="wilson"
        )
    low, high = np.fmin(low, value), np.fmax(high, value)
    parts = np.divide(
        weight[:, None] * (part - np.nan_to_num(value) * whole), total, out=np.zeros_like(counted), where=seen
    )
    return Estimates(value, low, high, (whole > 0).sum(axis=0).astype(np.int64), parts)


def precision(of: Marked) -> Estimates:
    """By interest: of the texts that have the label, the share of which a person says so too."""
    return share(of.weight, of.given * of.chosen, of.given)


def recall(of: Marked) -> Estimates:
    """By interest: of the texts of which a person says so, the share that has the label."""
    return share(of.weight, of.given * of.chosen, of.chosen)


def overall(of: Marked) -> tuple[Estimates, Estimates, Estimates]:
    """Over all interests, one estimate each: precision of labels, recall of interests, share of texts labelled."""
    right = (of.given * of.chosen).sum(axis=1, keepdims=True)
    # At most three labels a text: divided by the most, a text is never more than one voice.
    most = max(1.0, float(np.max([of.given.sum(axis=1), of.chosen.sum(axis=1)], initial=1.0)))
    given, chosen = of.given.sum(axis=1, keepdims=True), of.chosen.sum(axis=1, keepdims=True)
    some = (given > 0).astype(np.float64)
    return (
        share(of.weight, right / most, given / most),
        share(of.weight, right / most, chosen / most),
        share(of.weight, some, np.ones_like(some)),
    )


def kappa(of: Marked) -> Estimates:
    """By interest: Cohen's kappa between labeller and people on whether a text is about it.

    Not known (nan) for an interest that only one of the two ever names: kappa is then zero whatever the texts.
    """
    return _kappa(of.weight, of.given, of.chosen)


def _kappa(weight: Array, a: Array, b: Array) -> Estimates:
    w = (weight / weight.sum())[:, None]
    agree = a * b + (1 - a) * (1 - b)
    pa, pb, po = (w * a).sum(axis=0), (w * b).sum(axis=0), (w * agree).sum(axis=0)
    pe = pa * pb + (1 - pa) * (1 - pb)
    moved = (a - pa) * (2 * pb - 1) + (b - pb) * (2 * pa - 1)
    found = _kappa_of(w, agree, po, pe, moved)
    named = (a.max(axis=0, initial=0) > 0) & (b.max(axis=0, initial=0) > 0)
    value, low, high = (np.where(named, of, np.nan) for of in (found.value, found.low, found.high))
    return Estimates(value, low, high, found.texts, found.parts)


def first_kappa(of: Marked) -> Estimates:
    """Cohen's kappa between labeller and people on what a text is mainly about, "none fits" included; one estimate."""
    k = len(of.interests)
    label = np.zeros((len(of.texts), k + 1))
    label[np.arange(len(of.texts)), of.first_label] = 1.0
    return _kappa_many(of.weight, label, of.first_truth)


def _kappa_many(weight: Array, a: Array, b: Array) -> Estimates:
    """Kappa of two ratings given as rows of shares over the same categories."""
    w = (weight / weight.sum())[:, None]
    agree = (a * b).sum(axis=1, keepdims=True)
    pa, pb = (w * a).sum(axis=0), (w * b).sum(axis=0)
    pe = np.array([pa @ pb])
    moved = (a @ pb + b @ pa)[:, None] - 2 * pe
    return _kappa_of(w, agree, (w * agree).sum(axis=0), pe, moved)


def _kappa_of(w: Array, agree: Array, po: Array, pe: Array, moved: Array) -> Estimates:
    """Kappa from observed and expected agreement; `moved` is what each text adds to the expected one."""
    room = 1 - pe
    seen = room > 1e-12
    inverse = np.divide(1.0, room, out=np.zeros_like(room), where=seen)
    value = np.where(seen, np.clip((po - pe) * inverse, -1.0, 1.0), np.nan)
    parts = w * ((agree - po) * room - (1 - po) * moved) * inverse**2
    error = np.sqrt((parts**2).sum(axis=0))
    # Where all agree the linearised variance is zero, which few texts do not make true: then Wilson's for agreement.
    effective = 1 / (w**2).sum()
    at_least = proportion_confint(np.clip(po, 0, 1) * effective, effective, alpha=1 - INTERVAL, method="wilson")[0]
    low = np.where(error > 0, value - Z * error, (at_least - pe) * inverse)
    low = np.where(seen, np.minimum(np.clip(low, -1, 1), value), np.nan)
    high = np.where(seen, np.clip(value + Z * error, -1, 1), np.nan)
    return Estimates(value, low, high, np.full(len(po), len(w), dtype=np.int64), parts)


def between_annotators(gold: GoldSet) -> pl.DataFrame:
    """Each pair of annotators: a, b, texts that both read, kappa on the main interest with low and high."""
    rows = []
    people = gold.annotators
    weights = gold.drawn.group_by("text_hash").agg(weight=(1 / pl.col("probability")).sum())
    main = gold.answers.filter(pl.col("place") == 1).with_columns(pl.col("interest_id").fill_null("none"))
    for n, one in enumerate(people):
        for other in people[n + 1 :]:
            both = (
                main.filter(pl.col("annotator") == one)
                .join(main.filter(pl.col("annotator") == other), on="text_hash", suffix="_b")
                .join(weights, on="text_hash")
                .sort("text_hash")
            )
            if both.height < 2:
                continue
            names = pl.concat([both["interest_id"], both["interest_id_b"]]).unique().sort()
            a, b = (
                np.eye(len(names))[both[c].cast(pl.Enum(names)).to_physical().to_numpy()]
                for c in ("interest_id", "interest_id_b")
            )
            rows.append((one, other, both.height, *_kappa_many(both["weight"].to_numpy(), a, b).one()))
    schema = {"a": pl.String, "b": pl.String, "texts": pl.Int64, **dict.fromkeys(("kappa", "low", "high"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def calibration(of: Marked) -> pl.DataFrame:
    """By step of confidence: labels, mean confidence, precision with low and high; steps without labels left out."""
    step = np.minimum((of.confidence * CONFIDENCE_STEPS).astype(np.int64), CONFIDENCE_STEPS - 1)
    rows = []
    for n in range(CONFIDENCE_STEPS):
        inside = of.given * (step == n)
        labels = int(inside.sum())
        if not labels:
            continue
        whole = inside.sum(axis=1, keepdims=True)
        most = max(1.0, float(whole.max()))
        right = share(of.weight, (inside * of.chosen).sum(axis=1, keepdims=True) / most, whole / most)
        sure = float((of.weight[:, None] * inside * of.confidence).sum() / (of.weight[:, None] * inside).sum())
        rows.append((n / CONFIDENCE_STEPS, (n + 1) / CONFIDENCE_STEPS, labels, sure, *right.one()))
    names = ("from", "to", "labels", "confidence", "precision", "low", "high")
    return pl.DataFrame(rows, schema={n: pl.Int64 if n == "labels" else pl.Float64 for n in names}, orient="row")


def confusion(of: Marked, most: int = 10) -> pl.DataFrame:
    """What is taken for what most: label, truth (null: none), texts, share of all texts with low and high.

    Of a text, the labeller's most confident interest beside what people put first.
    """
    k = len(of.interests)
    names = [*of.interests, None]
    rows = []
    for a in range(k + 1):
        for b in range(k + 1):
            cell = ((of.first_label == a) * of.first_truth[:, b])[:, None]
            if a != b and cell.any():
                found = share(of.weight, cell, np.ones_like(cell))
                rows.append((names[a], names[b], int((cell > 0).sum()), *found.one()))
    schema = {"label": pl.String, "truth": pl.String, "texts": pl.Int64}
    frame = pl.DataFrame(
        rows, schema=schema | dict.fromkeys(("share", "low", "high"), pl.Float64), orient="row"
    )  # fmt: skip
    return frame.sort("share", "label", "truth", descending=[True, False, False]).head(most)


def drift(gold: GoldSet, older: Version, newer: Version) -> pl.DataFrame:
    """What changed from one version to another on the texts that both judged.

    Returns:
        measure (precision, recall, labelled, kappa), texts, older, newer, change, low, high. The interval is that of
        the difference on the same texts, so what is hard about a text falls out of it.
    """
    common = gold.verdicts.filter(_is(older))["text_hash"].unique()
    common = common.filter(common.is_in(gold.verdicts.filter(_is(newer))["text_hash"].unique().implode()))
    same = GoldSet(gold.drawn, gold.answers, gold.verdicts.filter(pl.col("text_hash").is_in(common.implode())))
    before, after = marked(same, older), marked(same, newer)
    rows = []
    if before.texts:
        measures = ("precision", "recall", "labelled", "kappa")
        both = zip(
            measures, (*overall(before), first_kappa(before)), (*overall(after), first_kappa(after)), strict=True
        )
        for name, a, b in both:
            change = float(b.value[0] - a.value[0])
            error = float(np.sqrt(((b.parts[:, 0] - a.parts[:, 0]) ** 2).sum()))
            rows.append(
                (
                    name,
                    len(before.texts),
                    float(a.value[0]),
                    float(b.value[0]),
                    change,
                    change - Z * error,
                    change + Z * error,
                )
            )
    names = ("older", "newer", "change", "low", "high")
    schema = {"measure": pl.String, "texts": pl.Int64, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _is(version: Version) -> pl.Expr:
    return pl.all_horizontal(
        pl.col("labeller") == version.labeller, pl.col("model") == version.model,
        pl.col("prompt_version") == version.prompt_version, pl.col("taxonomy_version") == version.taxonomy_version,
    )  # fmt: skip
