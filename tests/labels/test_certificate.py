"""The certificate errs at most once in twenty, and says what it rests on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coterie.labels.certificate import FEWEST, LEVEL, MOST_WRONG, certificate


def sample(rng: np.random.Generator, n: int, error: float, slope: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences, the true chance that each label is wrong, and whether it is."""
    confidence = rng.random(n).round(3)
    chance = np.clip(error + slope * (0.5 - confidence), 0, 1)
    return confidence, chance, rng.random(n) < chance


@pytest.mark.parametrize(("error", "slope"), [(0.1, 0.0), (0.1, 0.08), (0.2, 0.3), (0.3, 0.5), (0.12, 0.05)])
def test_what_is_certified_is_true_nineteen_times_in_twenty(error: float, slope: float) -> None:
    rng = np.random.default_rng(1)
    many = np.linspace(0, 1, 2001)
    chances = np.clip(error + slope * (0.5 - many), 0, 1)
    false = 0
    for _ in range(600):
        confidence, _, wrong = sample(rng, 400, error, slope)
        found = certificate(confidence, wrong)
        if found.threshold is not None:
            false += float(chances[many >= found.threshold].mean()) > MOST_WRONG + 1e-9
    assert false <= stats.binom.ppf(0.999, 600, LEVEL)


def test_sure_labels_are_certified_and_unsure_ones_left_out() -> None:
    confidence = np.concatenate([np.linspace(0.8, 0.99, 300), np.linspace(0.3, 0.5, 300)])
    wrong = np.zeros(600, dtype=bool)
    wrong[300::2] = True
    found = certificate(confidence, wrong)
    assert found.threshold is not None
    assert 0.4 < found.threshold <= 0.8
    assert found.at_most <= MOST_WRONG + 1e-9
    assert "from a confidence of" in found.said("Claude")


def test_of_sixty_one_may_be_wrong_and_two_not() -> None:
    confidence = np.full(FEWEST, 0.9)
    for wrong, certified in ((1, True), (2, False)):
        found = certificate(confidence, np.arange(FEWEST) < wrong)
        assert (found.threshold is not None) is certified
        assert found.at_most == pytest.approx(stats.beta.ppf(0.95, wrong + 1, FEWEST - wrong))
    assert "No local label is certified" in found.said("Claude")


@pytest.mark.parametrize("n", [0, 1, FEWEST - 1])
def test_too_few_say_that_they_are_too_few(n: int) -> None:
    found = certificate(np.full(n, 0.9), np.zeros(n, dtype=bool))
    assert found.threshold is None
    assert not found.told_enough
    assert f"{n} were sampled, expected {FEWEST}" in found.said("Claude")


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 300))
def test_the_order_of_the_sample_does_not_show(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, _, wrong = sample(rng, n, 0.05, 0.1)
    mixed = rng.permutation(n)
    assert certificate(confidence, wrong) == certificate(confidence[mixed], wrong[mixed])
