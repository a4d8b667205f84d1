"""From raw probabilities to meant ones: of the labels given with 0.7, seven in ten shall be right.

Belongs here: the curves and how to apply them. Does not belong here: the raw probabilities (coterie.labels.local), the
fit (`python -m benchmarks.label_calibration`, which prints this table).

Method: isotonic regression (Zadrozny and Elkan 2002) of the share of right labels on the raw log-odds, over steps that
hold equally many right ones, with straight lines between the middles of the steps so that no two labels become equally
sure that were not. Fitted on the tuning halves of the English titles and Chinese captions, for each language, and apart
for a labeller that has learnt a vocabulary. Texts of other sources are as sure as these only as far as they are like
them; where labels by hand are at hand, the same command's method gives another table.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# (language, learnt) -> raw log-odds and the share that was right there.
CURVES: Mapping[tuple[str, bool], tuple[tuple[float, float], ...]] = {
    ("en", False): (
        (-1.95, 0.182),
        (-0.95, 0.306),
        (-0.7, 0.395),
        (-0.32, 0.582),
        (0.06, 0.739),
        (0.41, 0.751),
        (0.46, 0.781),
        (1.15, 0.799),
        (1.47, 0.806),
        (2.29, 0.939),
    ),
    ("en", True): (
        (-5.88, 0.007),
        (-3.78, 0.036),
        (-3.1, 0.064),
        (-2.38, 0.164),
        (-1.43, 0.388),
        (-0.44, 0.543),
        (0.26, 0.695),
        (0.69, 0.757),
        (1.03, 0.787),
        (1.67, 0.81),
        (2.08, 0.834),
        (2.69, 0.863),
        (4.11, 0.931),
    ),
    ("zh", False): (
        (-2.32, 0.145),
        (-1.44, 0.278),
        (-1.03, 0.31),
        (-0.83, 0.394),
        (-0.54, 0.47),
        (-0.37, 0.48),
        (0.03, 0.606),
        (0.28, 0.689),
        (0.72, 0.749),
        (1.46, 0.801),
        (2.18, 0.883),
    ),
    ("zh", True): (
        (-5.94, 0.029),
        (-4.04, 0.096),
        (-2.86, 0.199),
        (-1.91, 0.252),
        (-1.11, 0.344),
        (-0.46, 0.441),
        (0.11, 0.529),
        (0.69, 0.567),
        (1.28, 0.668),
        (1.82, 0.679),
        (2.39, 0.735),
        (2.98, 0.848),
        (5.53, 0.898),
    ),
}
LOWEST = -12.0  # log-odds at which nothing is right any more


def calibrated(probability: Array, language: str, *, learnt: bool) -> Array:
    """(texts, interests) meant probabilities, with a sum of at most 1 a text; 0 stays 0.

    Args:
        probability: (texts, interests) raw.
        language: `en` or `zh`.
        learnt: whether a vocabulary had its say.
    """
    odds, share = np.array([(LOWEST, 0.0), *CURVES[language, learnt]]).T
    with np.errstate(divide="ignore"):
        raw = np.log(probability) - np.log1p(-np.minimum(probability, 1 - 1e-12))
    meant = np.where(probability > 0, np.interp(raw, odds, share), 0.0)
    return np.asarray(meant / np.maximum(meant.sum(axis=1, keepdims=True), 1.0))
