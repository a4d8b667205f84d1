"""What a gold set says of each interest's labels, and shares of interest corrected by it.

Belongs here: the table `label_quality`, the correction of shares and its interval, widened intervals of lift. Does not
belong here: the estimates themselves (gold_measures).

The correction is Rogan and Gladen's (1978): a share of labels x comes from what is caught of the interest and from what
is taken for it, x = caught * share + false * (1 - share), solved for the share. The interval is Lang and Reiczigel's
(2014), which adds a text to each count, so that an interest of which no error was seen still has an honest one. Both
rates are those of texts about one thing, so they hold for a day on which an interest is wanted more than when the gold
set was drawn, and for engagement, which is not spread over texts evenly. Prediction-powered estimates do not
(docs/method.md has the figures).
"""

from typing import Any

import numpy as np
import polars as pl

from coterie.labels.gold import GoldSet, Marked, Version, marked
from coterie.labels.gold_measures import Z, first_kappa, kappa, overall, precision, recall
from coterie.matrices import Array
from coterie.tables import LABEL_QUALITY

FEWEST = 5  # gold texts with an interest's label below which its share is not corrected
LEAST_PRECISION = 0.1  # what precision is taken to be at worst, or an interval of lift would have no end
RATES = ["caught", "caught_texts", "false_rate", "false_texts"]
LEAST_ROOM = 0.05  # of caught over false: below it the label hardly depends on the interest


def error_rates(of: Marked) -> tuple[Array, Array, Array, Array]:
    """By interest: what is caught of it and what is falsely taken for it, each with its effective texts, (k,).

    In shares of texts, so that a text with two interests is half of each. Effective numbers are Kish's.
    """

    def rate(part: Array, whole: Array) -> tuple[Array, Array]:
        counted = of.weight[:, None] * whole
        total, square = counted.sum(axis=0), (counted**2).sum(axis=0)
        value = np.divide((of.weight[:, None] * part).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
        return np.clip(value, 0.0, 1.0), np.divide(total**2, square, out=np.zeros_like(total), where=square > 0)

    both = np.minimum(of.truth, of.labels)
    return (*rate(both, of.truth), *rate(of.labels - both, 1 - of.truth))


def corrected(
    share: Array, rates: tuple[Array, Array, Array, Array], concentration: float
) -> tuple[Array, Array, Array]:
    """The corrected share with the ends of its 90 % interval, by interest; nan where the label hardly depends on it.

    dbt's `interest_daily` does the same in SQL. The interval has two sources: rates known from so many gold texts, and
    the day's own texts, of which a few with much engagement may be labelled right or wrong together.

    Args:
        share: (k,) share of everything that has the label, what has no label included.
        rates: as from `error_rates`.
        concentration: sum of the squares of each text's share of everything: one over the effective number of texts.
    """
    caught, caught_texts, false, false_texts = rates
    # A text is added to each count for the interval, not for the estimate, as Lang and Reiczigel do.
    c, f = ((n * p + 1) / (n + 2) for p, n in ((caught, caught_texts), (false, false_texts)))
    known = (caught_texts > 0) & (caught - false >= LEAST_ROOM) & (c - f >= LEAST_ROOM)
    room, inner = np.where(known, caught - false, np.nan), np.where(known, c - f, np.nan)
    value = np.clip((share - false) / room, 0.0, 1.0)
    centre = np.clip((share - f) / inner, 0.0, 1.0)
    of_caught, of_false = c * (1 - c), f * (1 - f)
    gold_caught, gold_false = of_caught / np.maximum(caught_texts, 1), of_false / np.maximum(false_texts, 1)
    variance = centre**2 * gold_caught + (1 - centre) ** 2 * gold_false
    variance = variance + concentration * (centre * of_caught + (1 - centre) * of_false)
    error = Z * np.sqrt(variance) / inner
    moved = centre + 2 * Z**2 * (centre * gold_caught - (1 - centre) * gold_false) / inner
    return value, np.clip(np.minimum(moved - error, value), 0, 1), np.clip(np.maximum(moved + error, value), 0, 1)


def label_quality(gold: GoldSet, version: Version) -> pl.DataFrame:
    """The table LABEL_QUALITY for one version of a labeller: a row for each interest that it gave to a gold text.

    What the share is corrected by is null where fewer than 5 gold texts have the label. No gold set gives no rows.
    """
    of = marked(gold, version) if gold.exists else None
    if of is None or not of.texts or not of.interests:
        return LABEL_QUALITY.empty()
    columns: dict[str, Any] = {"interest_id": of.interests, "texts": (of.given > 0).sum(axis=0)}
    for name, found in (("precision", precision(of)), ("recall", recall(of)), ("kappa", kappa(of))):
        columns |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    columns |= dict(zip(RATES, error_rates(of), strict=True))
    frame = pl.DataFrame(columns).with_columns(pl.col(pl.Float64).fill_nan(None))
    frame = frame.with_columns(
        pl.when(pl.col("texts") >= FEWEST).then(pl.col(RATES)),
        labeller=pl.lit(version.labeller), model=pl.lit(version.model),
        prompt_version=pl.lit(version.prompt_version), taxonomy_version=pl.lit(version.taxonomy_version),
    )  # fmt: skip
    return LABEL_QUALITY.conform(frame.filter(pl.col("texts") > 0).select(list(LABEL_QUALITY.schema)))


def overall_precision(gold: GoldSet, version: Version) -> tuple[float, float, float, int] | None:
    """Precision of a version's labels on the gold set with its interval, and texts; None: it judged none of them."""
    of = marked(gold, version)
    if not of.given.any():
        return None
    found = overall(of)[0]
    return *found.one(), int(found.texts[0])


def agreement(gold: GoldSet, version: Version) -> dict[str, float | int]:
    """Numbers for a page: gold texts, and Cohen's kappa on the main interest with its 90 % interval; else none."""
    of = marked(gold, version)
    if not of.texts:
        return {"gold_texts": 0}
    value, low, high = first_kappa(of).one()
    if np.isnan(value):  # one interest is all there is
        return {"gold_texts": len(of.texts)}
    return {"gold_texts": len(of.texts), "agreement_kappa": value, "agreement_low": low, "agreement_high": high}


def precision_of(quality: pl.DataFrame, interests: pl.Series) -> tuple[Array, Array]:
    """For each interest the precision of its labels and its lower end, (k,), both at least 0.1; 1 if none was measured.

    An interest that no gold text has stands for all: the mean over gold texts, of the lower ends too, which is lower
    than the lower end of all together.

    Args:
        quality: LABEL_QUALITY of the day.
        interests: (k,) ids.
    """
    if quality.is_empty():
        return np.ones(len(interests)), np.ones(len(interests))
    known = quality.select("interest_id", "precision", "precision_low", "texts").sort("interest_id")
    weights = known["texts"].to_numpy()
    usual = {
        name: float(np.average(known[name].to_numpy(), weights=weights)) for name in ("precision", "precision_low")
    }
    found = interests.to_frame("interest_id").join(known, on="interest_id", how="left", maintain_order="left")
    value, low = (np.maximum(found[name].fill_null(of).to_numpy(), LEAST_PRECISION) for name, of in usual.items())
    return value, low


def widened(lift: Array, low: Array, high: Array, precision: Array, worst: Array) -> tuple[Array, Array]:
    """Intervals of lift that hold for the interest itself, not only for what is labelled so.

    Of engagement with a label, a share `precision` is with the interest; the rest is with others, which on average the
    user likes as everybody does. So the lift of the label is 1 + precision * (lift - 1): error pulls it towards 1
    (regression dilution; Spearman 1904). The ends are moved away from 1 by precision, and further by what precision may
    be at worst, both errors put together as squares (MOVER; Zou and Donner 2008). An end never moves towards the other.

    Args:
        lift, low, high: the label's lift and its interval, of one length.
        precision, worst: precision and the lower end of its interval, in (0, 1]; 1 where labels are taken as right.
    """
    away = lift - 1
    doubt = 1 / worst - 1 / precision
    upper = 1 + away / precision + np.hypot((high - lift) / precision, np.maximum(away, 0) * doubt)
    lower = 1 + away / precision - np.hypot((lift - low) / precision, np.maximum(-away, 0) * doubt)
    errs = worst < 1  # elsewhere the ends stay to the last digit
    return np.where(errs, np.clip(lower, 0.0, low), low), np.where(errs, np.maximum(upper, high), high)
