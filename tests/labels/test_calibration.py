"""Calibration: what is given as a probability is one, in the order that it had, and never more than there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.label_calibration import curve
from coterie.labels.calibration import CURVES, LOWEST, calibrated

KINDS = sorted(CURVES)


@pytest.mark.parametrize(("language", "learnt"), KINDS)
def test_curves_rise_between_nothing_and_certainty(language: str, learnt: bool) -> None:
    odds, share = np.array(CURVES[language, learnt]).T
    assert odds[0] > LOWEST
    assert (np.diff(odds) > 0).all()
    assert (np.diff(share) > 0).all()
    assert share[0] > 0
    assert share[-1] < 1


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(KINDS), arrays(np.float64, (3, 4), elements=st.floats(0, 0.25)))
def test_no_order_is_changed_and_nothing_comes_of_nothing(kind: tuple[str, bool], raw: np.ndarray) -> None:
    meant = calibrated(raw, kind[0], learnt=kind[1])
    assert (meant >= 0).all()
    assert (meant.sum(axis=1) <= 1 + 1e-9).all()
    assert (meant[raw == 0] == 0).all()
    for before, after in zip(raw, meant, strict=True):
        order = np.argsort(before, kind="stable")
        assert (np.diff(after[order]) >= -1e-12).all()


def test_a_sum_above_one_is_brought_to_one() -> None:
    odds, share = max(CURVES["zh", True])
    raw = 1 / (1 + np.exp(-odds))
    assert share > 0.5
    assert calibrated(np.full((1, 3), raw), "zh", learnt=True).tolist() == [pytest.approx([1 / 3] * 3)]


def test_the_fit_finds_a_known_curve() -> None:
    rng = np.random.default_rng(3)
    raw = rng.uniform(0.01, 0.99, 60_000)
    right = (rng.random(60_000) < raw**2).astype(np.float64)  # too sure by a known amount
    odds, share = np.array(curve(raw, right)).T
    meant = 1 / (1 + np.exp(-odds))
    assert share == pytest.approx(meant**2, abs=0.03)


def test_the_fit_pools_what_falls() -> None:
    raw = np.repeat([0.2, 0.4, 0.6], 100)
    right = np.concatenate(
        [np.repeat([1.0, 0.0], [20, 80]), np.repeat([1.0, 0.0], [70, 30]), np.repeat([1.0, 0.0], [50, 50])]
    )
    shares = [y for _, y in curve(raw, right)]
    assert shares == sorted(shares)
    assert max(shares) <= 0.7
