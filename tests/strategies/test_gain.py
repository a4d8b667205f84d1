"""The gain of moving a showing: against the jackknife, in closed form, and in a feed whose truth is known."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coterie.strategies.gain import feed_mean, gain
from coterie.strategies.showings import exposed_rows, weighted_showings
from coterie.strategies.window import Exposure, Feed, build_window

DAY = date(2024, 3, 20)


def exposure_of(rng: np.random.Generator, n: int = 80, j: int = 3, shift: float = 0.0, factor: float = 1.0) -> Exposure:
    """Users who are shown interests unequally, with weights unlike the feed's."""
    weight = rng.uniform(0.2, 3, (n, j)) * (rng.random((n, j)) < 0.8)
    liked = np.clip(rng.random((n, j)) * [0.3, 0.6, 1.0], 0, 1)
    now = rng.uniform(1, 9, n)
    served = rng.poisson(2, (n, j)).astype(float)
    strength = weight * (factor * liked + shift)
    feed = Feed(now * (factor * rng.random(n) + shift), now, sparse.csr_array(served), served.sum(axis=1) + 1)
    parts = (strength, weight, weight**2, np.zeros((n, j)))
    return Exposure("propensity", *(sparse.csr_array(part) for part in parts), feed)


def without(exposure: Exposure, user: int) -> Exposure:
    keep = np.arange(exposure.shown.shape[0]) != user
    feed = exposure.feed
    assert feed is not None
    parts = (exposure.strength, exposure.shown, exposure.square, exposure.cut)
    rest = Feed(feed.strength[keep], feed.shown[keep], feed.served[keep], feed.showings[keep])
    return Exposure("propensity", *(sparse.csr_array(part[keep]) for part in parts), rest)


def one(n: int) -> sparse.csr_array:
    return sparse.csr_array(np.ones((1, n)))


def test_variance_is_that_of_the_jackknife() -> None:
    n = 80
    exposure = exposure_of(np.random.default_rng(1), n)
    found = gain(exposure, one(n))
    assert found is not None
    left = []
    for user in range(n):
        part = gain(without(exposure, user), one(n - 1))
        assert part is not None
        left.append((part.value - part.baseline)[0])
    jackknife = (n - 1) / n * ((left - np.mean(left, axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(found.variance[0], jackknife, rtol=0.08)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(-0.2, 0.2), st.floats(0.1, 3))
def test_a_shift_is_no_gain_and_a_factor_scales_it(seed: int, shift: float, factor: float) -> None:
    plain, moved = (
        gain(exposure_of(np.random.default_rng(seed), shift=s, factor=f), one(80)) for s, f in ((0, 1), (shift, factor))
    )
    assert plain is not None
    assert moved is not None
    np.testing.assert_allclose(moved.value - moved.baseline, factor * (plain.value - plain.baseline), atol=1e-9)
    np.testing.assert_allclose(moved.variance, factor**2 * plain.variance, rtol=1e-6, atol=1e-12)


def test_groups_are_measured_apart() -> None:
    exposure = exposure_of(np.random.default_rng(2))
    half = np.repeat([True, False], 40)
    both = gain(exposure, sparse.csr_array(np.array([half, ~half], dtype=float)))
    first = gain(exposure, sparse.csr_array(half[None, :].astype(float)))
    assert both is not None
    assert first is not None
    for name in ("value", "baseline", "variance", "served"):
        np.testing.assert_allclose(getattr(both, name)[0], getattr(first, name)[0])


def test_more_of_the_only_interest_gains_nothing_for_sure() -> None:
    n = 50
    liked = np.random.default_rng(3).random((n, 1))
    ones = sparse.csr_array(np.ones((n, 1)))
    feed = Feed(liked[:, 0], np.ones(n), ones, np.ones(n))
    found = gain(Exposure("propensity", sparse.csr_array(liked), ones, ones, sparse.csr_array((n, 1)), feed), one(n))
    assert found is not None
    assert (found.value - found.baseline)[0, 0] == pytest.approx(0)
    assert found.variance[0, 0] == pytest.approx(0, abs=1e-15)
    assert found.served[0, 0] == 1


def test_nothing_is_known_without_a_log_of_showings() -> None:
    exposure = exposure_of(np.random.default_rng(4))
    assert (
        gain(Exposure("propensity", exposure.strength, exposure.shown, exposure.square, exposure.cut), one(80)) is None
    )
    nobody = feed_mean(Feed(np.zeros(80), np.zeros(80), exposure.shown, np.zeros(80)), one(80))
    assert np.isnan(nobody[0, 0])


LIKING = np.array([0.6, 0.3, 0.2])  # of three interests with ten items each, the first items shown most
POPULARITY = np.tile(np.arange(10, 0, -1), 3) / 165


def log_of(rng: np.random.Generator, n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Showings to users whom the feed takes for fans of an interest, rightly or not, and each user's extra liking."""
    taken_for, extra = rng.integers(0, 3, 120), rng.normal(0, 0.1, 120)
    user = rng.integers(0, 120, n)
    policy = POPULARITY * np.where(np.arange(30) // 10 == taken_for[user][:, None], 3.0, 1.0)
    policy /= policy.sum(axis=1, keepdims=True)
    item = (rng.random((n, 1)) > policy.cumsum(axis=1)).sum(axis=1).clip(0, 29)
    shown = pl.DataFrame(
        {"day": [DAY] * n, "user_id": [f"u{k:03d}" for k in user], "item_id": [f"x{i:02d}" for i in item],
         "kind": "exposure", "propensity": policy[np.arange(n), item], "is_random": False,
         "strength": LIKING[item // 10] + extra[user] * (item < 10) + rng.normal(0, 0.05, n)}
    )  # fmt: skip
    rows = shown.group_by("day", "user_id", "item_id", maintain_order=True).agg(
        pl.col("strength").max(), exposures=pl.len().cast(pl.Int64), exposure_logged=pl.lit(True)
    )
    return shown.drop("strength"), rows


def true_gain() -> np.ndarray:
    """LIKING less what a showing as it is brings, over users taken for fans of each of the three alike."""
    served = (np.ones((3, 3)) + 2 * np.eye(3)) / 5
    return LIKING - (served @ LIKING).mean()


def test_gains_are_right_on_average_and_their_intervals_hold() -> None:
    labels = pl.DataFrame({"item_id": [f"x{i:02d}" for i in range(30)], "interest_id": [f"i{i // 10}" for i in range(30)],
                           "weight": 1.0})  # fmt: skip
    nobody = pl.DataFrame(schema={"user_id": pl.String, "community_id": pl.String})
    before = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    z = []
    for seed in range(100):
        shown, rows = log_of(np.random.default_rng(seed), 1200)
        basis, weighted = weighted_showings(exposed_rows(shown, rows))
        window = build_window(
            engagement=rows, labels=labels, members=nobody, prior=before, exposed=weighted, basis=basis
        )
        assert window.exposure is not None
        found = gain(window.exposure, window.everyone())
        assert found is not None
        z.append((found.value - found.baseline - true_gain())[0] / np.sqrt(found.variance[0]))
    assert np.abs(np.mean(z, axis=0)).max() < 0.45
    assert 0.84 < (np.abs(z) < 1.645).mean() < 0.96


def test_an_interest_that_nobody_engages_with_is_a_loss_with_an_error() -> None:
    exposure = exposure_of(np.random.default_rng(3), 80)
    strength = exposure.strength.toarray()
    strength[:, 1] = 0.0
    found = gain(replace(exposure, strength=sparse.csr_array(strength)), one(80))
    assert found is not None
    assert found.value[0, 1] == 0.0
    assert found.baseline[0, 1] > 0.1
    assert 0 < found.variance[0, 1] < found.baseline[0, 1] ** 2
