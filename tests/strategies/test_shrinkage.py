"""Shrinkage: the normal-normal model by hand, the mixture by brute force, and the luck of the best taken off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from coterie.strategies import shrinkage
from coterie.strategies.shrinkage import Z90, shrink


def test_z90_is_the_two_sided_ninety_percent_point() -> None:
    assert pytest.approx(1.6448536269514722) == Z90


@pytest.mark.parametrize("width", [0.3, 1.0, 4.0])
def test_one_width_on_both_sides_is_the_textbook_normal_model(width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinkage, "_widths", lambda *_: np.array([width]))
    x = np.array([0.4, -0.4, 2.5, -2.5])  # mirrored, so both sides weigh the same
    error = np.array([0.5, 0.5, 1.2, 1.2])
    found = shrink(x, error)
    kept = width**2 / (width**2 + error**2)
    sd = error * np.sqrt(kept)
    np.testing.assert_allclose(found.mean, kept * x, rtol=1e-6)
    np.testing.assert_allclose(found.sd, sd, rtol=1e-6)
    np.testing.assert_allclose(found.low, kept * x - Z90 * sd, rtol=1e-6)
    np.testing.assert_allclose(found.high, kept * x + Z90 * sd, rtol=1e-6)
    assert found.spread == pytest.approx(width)


def test_the_mixture_is_what_brute_force_on_a_grid_of_effects_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = np.array([0.2, 1.5])
    monkeypatch.setattr(shrinkage, "_widths", lambda *_: widths)
    x = np.array([0.1, -0.5, 2.2, 3.0, 0.4, -0.1, 1.0])
    error = np.array([0.3, 0.4, 0.5, 0.9, 0.2, 0.6, 0.7])
    found = shrink(x, error)

    theta = np.linspace(-12, 12, 48_001)  # zero is on the grid, and halved between the sides
    step = theta[1] - theta[0]
    right = np.where(theta > 0, 1.0, np.where(theta == 0, 0.5, 0.0))
    parts = [2 * norm.pdf(theta, scale=w) * side for side in (right, right[::-1]) for w in widths]
    fits = norm.pdf(x[:, None], theta[None, :], error[:, None])
    likelihood = np.stack([(fits * part).sum(axis=1) * step for part in parts], axis=1)
    weight = np.full(4, 0.25)
    for _ in range(5000):
        share = likelihood * weight
        weight = ((share / share.sum(axis=1, keepdims=True)).sum(axis=0) + 0.25) / (len(x) + 1)
    prior = sum(w * part for w, part in zip(weight, parts, strict=True))
    density = fits * prior
    density /= density.sum(axis=1, keepdims=True)
    mean = density @ theta
    below = density.cumsum(axis=1)
    np.testing.assert_allclose(found.mean, mean, atol=2e-3)
    np.testing.assert_allclose(found.sd, np.sqrt(density @ theta**2 - mean**2), atol=2e-3)
    for level, ends in ((0.05, found.low), (0.95, found.high)):
        np.testing.assert_allclose(ends, [np.interp(level, b, theta) for b in below], atol=4e-3)
    assert found.spread == pytest.approx(np.sqrt((prior * theta**2).sum() * step), abs=2e-3)


def test_nothing_to_shrink() -> None:
    found = shrink(np.zeros(0), np.zeros(0))
    assert len(found.mean) == len(found.low) == 0
    assert found.spread == 0.0


effects = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.2, 2)), min_size=1, max_size=8).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


@settings(max_examples=30, deadline=None)
@given(effects)
def test_interval_holds_the_mean_and_is_finite(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, error = data
    found = shrink(x, error)
    assert np.isfinite([found.mean, found.sd, found.low, found.high]).all()
    assert (found.low < found.high).all()
    assert (np.abs(found.mean - (found.low + found.high) / 2) < found.high - found.low).all()
    assert (found.sd <= 3 * error).all()


@settings(max_examples=20, deadline=None)
@given(effects, st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_units_sign_and_order_go_through(data: tuple[np.ndarray, np.ndarray], unit: float, random: object) -> None:
    x, error = data
    found = shrink(x, error)
    scaled = shrink(unit * x, unit * error)
    np.testing.assert_allclose(scaled.mean / unit, found.mean, atol=1e-4)
    np.testing.assert_allclose(scaled.low / unit, found.low, atol=1e-4)
    mirrored = shrink(-x, error)
    np.testing.assert_allclose(-mirrored.mean, found.mean, atol=1e-4)
    np.testing.assert_allclose(-mirrored.high, found.low, atol=1e-4)
    order = list(range(len(x)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_allclose(shrink(x[order], error[order]).mean, found.mean[order], atol=1e-4)


def test_where_nothing_is_there_almost_nothing_is_left() -> None:
    rng = np.random.default_rng(1)
    error = rng.uniform(0.5, 1.5, 200)
    found = shrink(rng.normal(0, error), error)
    assert np.abs(found.mean).max() < 1.0
    assert np.sqrt((found.mean**2).mean()) < 0.25
    assert (found.low > 0).sum() == 0


def test_a_few_strong_effects_are_not_pulled_down_for_the_others_sake() -> None:
    rng = np.random.default_rng(2)
    true = np.zeros(100)
    true[:4] = 10.0
    estimate = true + rng.normal(0, 1, 100)
    found = shrink(estimate, np.ones(100))
    # One normal for all would keep four fifths of each, of the strong as of the nil.
    assert (found.mean[:4] / estimate[:4]).min() > 0.9
    assert np.sqrt((found.mean[4:] ** 2).mean()) < 0.5


def test_prior_is_as_wide_as_the_effects() -> None:
    rng = np.random.default_rng(3)
    found = shrink(rng.normal(0, np.sqrt(2**2 + 1), 500), np.ones(500))
    assert found.spread == pytest.approx(2.0, rel=0.15)


def worlds(replicates: int, n: int = 40) -> tuple[np.ndarray, ...]:
    """Truth, estimate, mean, low, high of candidates of which three in four are nothing and the rest mostly upwards."""
    parts = []
    for seed in range(replicates):
        rng = np.random.default_rng([seed, 7])
        true = np.where(rng.random(n) < 0.75, rng.normal(0, 0.1, n), rng.normal(1.5, 1.5, n))
        error = rng.uniform(0.4, 1.0, n)
        estimate = rng.normal(true, error)
        found = shrink(estimate, error)
        parts.append(np.stack([true, estimate, found.mean, found.low, found.high, error]))
    return tuple(np.stack(parts, axis=1))


def test_intervals_hold_nine_in_ten_also_for_the_best_of_the_day() -> None:
    true, estimate, mean, low, high, error = worlds(100)
    inside = (low <= true) & (true <= high)
    assert 0.88 < inside.mean() < 0.96
    assert ((mean - true) ** 2).mean() < 0.6 * ((estimate - true) ** 2).mean()
    top = np.argsort(-estimate / error, axis=1)[:, :3]

    def best(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, top, axis=1)

    assert 0.84 < best(inside).mean() < 0.96
    assert abs(best(mean - true).mean()) < 0.12
    assert best(estimate - true).mean() > 0.2  # without shrinkage the best are overstated
    raised = low > 0
    assert (true[raised] > 0).mean() > 0.93
