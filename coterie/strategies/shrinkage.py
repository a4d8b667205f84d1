"""Empirical Bayes for the day's candidates: the best of many noisy differences is mostly luck, so all are shrunk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr
from scipy.stats import norm

Array = npt.NDArray[np.float64]
Z90 = float(norm.ppf(0.95))
ITERATIONS = 300


@dataclass(frozen=True)
class Posterior:
    """Posterior of N effects: mean, standard deviation, 90 % interval; `spread` is the prior's root mean square."""

    mean: Array
    sd: Array
    low: Array
    high: Array
    spread: float


def shrink(estimate: Array, error: Array) -> Posterior:
    """Posterior of effects under a prior that peaks at zero and is learnt from all of them.

    The prior is a mixture of narrow and ever wider half-normals on either side of zero, its weights by maximum
    likelihood (adaptive shrinkage; Stephens 2017, Biostatistics 18). One symmetric normal would make it the textbook
    normal-normal model. The mixture lets a few strong effects stand among many that are nothing, and effects be larger
    upwards than downwards, which is what communities look like; the strong are not pulled down for the others' sake.

    Args:
        estimate: (N,) unbiased estimates on a common scale.
        error: (N,) their standard errors, > 0.

    Returns:
        The posterior; sums run in the order of the input, so pass rows in a canonical order.
    """
    if not len(estimate):
        empty = np.zeros(0)
        return Posterior(empty, empty, empty, empty, 0.0)
    widths = _widths(estimate, error)
    grid, side = np.tile(widths, 2), np.repeat([1.0, -1.0], len(widths))
    variance = grid**2 + error[:, None] ** 2
    mean = grid**2 / variance * estimate[:, None]
    sd = grid * error[:, None] / np.sqrt(variance)
    within = log_ndtr(side * mean / sd)  # share of the untruncated posterior that is on the right side
    log_likelihood = -0.5 * (np.log(variance) + estimate[:, None] ** 2 / variance) + within
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weight = _weights(likelihood)
    joint = likelihood * weight
    share = joint / joint.sum(axis=1, keepdims=True)

    standard = side * mean / sd
    hazard = np.exp(-0.5 * standard**2 - 0.5 * np.log(2 * np.pi) - within)
    means = mean + side * sd * hazard
    squares = sd**2 * np.maximum(1 - hazard * (hazard + standard), 0) + means**2
    average = (share * means).sum(axis=1)

    def below(x: Array) -> Array:
        """Posterior probability of effects below x, (N,)."""
        beyond = np.where(side > 0, np.maximum(x[:, None], 0), np.minimum(x[:, None], 0))
        tail = np.exp(log_ndtr(side * (mean - beyond) / sd) - within)  # probability of being further out than x
        return np.asarray((share * np.where(side > 0, 1 - tail, tail)).sum(axis=1))

    return Posterior(
        mean=average,
        sd=np.sqrt(np.maximum((share * squares).sum(axis=1) - average**2, 0)),
        low=_quantile(0.05, below, estimate, error),
        high=_quantile(0.95, below, estimate, error),
        spread=float(np.sqrt((weight * grid**2).sum())),
    )


def _weights(likelihood: Array) -> Array:
    """Mixture weights by expectation maximisation, with one pseudo-observation spread over all parts.

    Without that observation a handful of candidates could declare all but one width impossible.
    """
    n, parts = likelihood.shape
    weight = np.full(parts, 1 / parts)
    for _ in range(ITERATIONS):
        joint = likelihood * weight
        share = joint / joint.sum(axis=1, keepdims=True)
        updated = (share.sum(axis=0) + 1 / parts) / (n + 1)
        moved = float(np.abs(updated - weight).max())
        weight = updated
        if moved < 1e-7:
            break
    return np.asarray(weight)


def _widths(estimate: Array, error: Array) -> Array:
    """Widths of the prior's parts, sqrt(2) apart, from a tenth of the least error to beyond the largest effect."""
    least = float(error.min()) / 10
    most = max(2 * float(np.sqrt(max((estimate**2 - error**2).max(), 0.0))), 8 * least)
    steps = int(np.ceil(2 * np.log2(most / least)))
    return np.asarray(most * 2.0 ** (-0.5 * np.arange(steps, -1, -1)))


def _quantile(level: float, below: Callable[[Array], Array], estimate: Array, error: Array) -> Array:
    """Quantile of each row's posterior by bisection; it lies between zero and the estimate, give or take nine errors."""
    low, high = np.minimum(estimate, 0) - 9 * error, np.maximum(estimate, 0) + 9 * error
    for _ in range(60):
        middle = (low + high) / 2
        under = below(middle) < level
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.asarray((low + high) / 2)
