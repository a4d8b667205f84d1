"""Drawing the texts of a gold set: a stratified sample in which every text has a known chance.

Belongs here: strata, allocation, probabilities. Does not belong here: reading texts and labels from the lake.
"""

import hashlib

import numpy as np
import polars as pl

from coterie.errors import LabelError
from coterie.labels.gold import DRAWN
from coterie.matrices import Array

UNLABELLED = "unlabelled"
LEAST_UNLABELLED = 0.2  # of the sample: what a labeller keeps quiet about decides its recall
EACH = 2  # texts of a stratum at least, so that it has a variance


def draw(population: pl.DataFrame, size: int, *, seed: int = 0) -> pl.DataFrame:
    """Draw texts, stratified by interest and confidence, abstention being a stratum of its own.

    A text belongs to the interest that its labeller is most confident of; each interest is halved by confidence. Where
    the sample is too small for two texts of each stratum, halves are put together, then the interests of a domain,
    then all. A stratum's part of the sample is in proportion to the square root of its size (power allocation; Bankier
    1988), which lies between equal errors for each interest and the least error overall; texts without a label are a
    fifth at least. Within a stratum each text has the same chance.

    Args:
        population: text_hash (unique), interest_id (null: no label), confidence.
        size: texts to draw; all of them, if there are no more.
        seed: another seed draws other texts; the same one always the same.

    Returns:
        DRAWN, in an order that says nothing about strata.

    Raises:
        LabelError: the size is below 10, or there is nothing to draw from.
    """
    if size < 10:
        raise LabelError(f"gold draw: --size: found {size}; expected at least 10 texts")
    if population.is_empty():
        raise LabelError("gold draw: found no text on these days; expected days with items that have text")
    rows = population.with_columns(_lot(population["text_hash"], seed)).sort("text_hash")
    strata = _strata(rows, size)
    counts = strata.group_by("stratum").len("texts").sort("stratum")
    share = allocate(counts, size)
    taken = counts.with_columns(take=pl.Series(share), probability=pl.Series(share) / counts["texts"])
    drawn = (
        strata.join(taken, on="stratum")
        .filter(pl.col("lot").rank("ordinal").over("stratum") <= pl.col("take"))
        .sort("lot")
    )
    content = "|".join(f"{text}={p!r}" for text, p in drawn.select("text_hash", "probability").rows())
    name = hashlib.sha256(content.encode()).hexdigest()[:12]
    return drawn.select(pl.lit(name).alias("draw"), *list(DRAWN)[1:]).cast(DRAWN)  # type: ignore[arg-type]


def _lot(hashes: pl.Series, seed: int) -> pl.Series:
    """A random number for each text that depends on nothing but the text and the seed."""
    lots = [hashlib.sha256(f"{seed}|{text}".encode()).hexdigest() for text in hashes]
    return pl.Series("lot", lots, dtype=pl.String)


def _strata(rows: pl.DataFrame, size: int) -> pl.DataFrame:
    """The rows with the finest strata of which the sample has room for two texts each."""
    interest = pl.col("interest_id")
    place = pl.struct("confidence", "lot").rank("ordinal").over("interest_id")
    half = pl.when(place * 2 > pl.len().over("interest_id")).then(pl.lit("high")).otherwise(pl.lit("low"))
    finest_first = (
        pl.concat_str(interest, half, separator="|"),
        interest,
        interest.str.split(".").list.first(),
        pl.when(interest.is_not_null()).then(pl.lit("labelled")),
    )
    for by in finest_first:
        found = rows.with_columns(stratum=pl.when(interest.is_null()).then(pl.lit(UNLABELLED)).otherwise(by))
        if found["stratum"].n_unique() * EACH <= size:
            break
    return found


def allocate(counts: pl.DataFrame, size: int) -> list[int]:
    """Texts to take from each stratum; no more than it has, and two at least where it has them."""
    texts = counts["texts"].to_numpy()
    silent = (counts["stratum"] == UNLABELLED).to_numpy()
    least = np.minimum(texts, EACH)
    want = np.sqrt(texts.astype(np.float64))
    if silent.any() and not silent.all():
        others = want[~silent].sum()
        want[silent] = max(float(want[silent][0]), others * LEAST_UNLABELLED / (1 - LEAST_UNLABELLED))
    return _whole(want, least, texts, min(size, int(texts.sum())))


def _whole(want: Array, least: "np.ndarray", most: "np.ndarray", size: int) -> list[int]:
    """Whole numbers in proportion to `want`, within bounds, that sum to `size` (bisection on the factor)."""
    low, high = 0.0, float((most / want).max()) + 1.0
    for _ in range(100):
        factor = (low + high) / 2
        if np.clip(want * factor, least, most).sum() > size:
            high = factor
        else:
            low = factor
    exact = np.clip(want * low, least, most)
    taken = np.floor(exact + 1e-9).astype(np.int64)
    # The largest remainders first; ties by place, so that the order is always the same.
    for place in np.argsort(-(exact - taken), kind="stable")[: max(size - int(taken.sum()), 0)]:
        taken[place] += int(taken[place] < most[place])
    return [int(n) for n in taken]
