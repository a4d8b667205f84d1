"""`python -m benchmarks.label_calibration`: fits the curves of coterie.labels.calibration and prints them as code.

Belongs here: the isotonic fit on the tuning halves. Does not belong here: applying the curves, and whether they hold on
the held-out halves (`python -m benchmarks.label_figures`).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.optimize import isotonic_regression

from benchmarks.label_peers import learnt_labeller
from benchmarks.label_scores import LANGUAGES, TUNING, Array, Texts, texts_of
from benchmarks.worlds import taxonomy
from coterie.labels.local import NONE, LocalLabeller

STEPS = 14
APART = 0.02  # log-odds and share: nearer knots are one


def curve(raw: Array, right: Array, steps: int = STEPS) -> list[tuple[float, float]]:
    """Knots (log-odds, share right) of an isotonic fit, both rising.

    Args:
        raw: (N,) probabilities in (0, 1).
        right: (N,) 1 where the label is right.
        steps: at most so many, each with about equally many right labels, by the isotonic fit of all.
    """
    order = np.argsort(raw, kind="stable")
    raw, right = raw[order], right[order]
    rising = isotonic_regression(right).x
    step = np.minimum((np.cumsum(rising) / rising.sum() * steps).astype(np.int64), steps - 1)
    count = np.bincount(step)
    held = np.flatnonzero(count)
    odds = np.bincount(step, np.log(raw / (1 - raw)))[held] / count[held]
    share = isotonic_regression(np.bincount(step, right)[held] / count[held], weights=count[held]).x
    knots: list[tuple[float, float]] = []
    for x, y in zip(odds.tolist(), share.tolist(), strict=True):
        if not knots or (x - knots[-1][0] > APART and y - knots[-1][1] > APART / 10):
            knots.append((round(x, 2), round(y, 3)))
    return knots


def fitted(texts: Texts, labeller: LocalLabeller) -> list[tuple[float, float]]:
    """The curve of a labeller on texts of known interest."""
    told = labeller.posteriors(texts.items(), raw=True).filter(pl.col("interest_id") != NONE)
    place = {name: k for k, name in enumerate(texts.interests)}
    rows = told["text_hash"].cast(pl.Int64).to_numpy()
    columns = np.array([place[name] for name in told["interest_id"]], dtype=np.int64)
    raw = np.clip(told["probability"].to_numpy(), 1e-6, 1 - 1e-6)
    return curve(raw, texts.accepted[rows, columns].astype(np.float64))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    del arguments
    for language in LANGUAGES:
        texts = texts_of(language).half(TUNING)
        for learnt in (False, True):
            labeller = learnt_labeller(texts) if learnt else LocalLabeller(taxonomy())
            knots = ", ".join(f"({x:g}, {y:g})" for x, y in fitted(texts, labeller))
            print(f'    ("{language}", {learnt}): ({knots}),', flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
