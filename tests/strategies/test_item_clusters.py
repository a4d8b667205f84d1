"""Items as clusters: against the sums written out, and in a feed whose items differ."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coterie.strategies.gain import gain
from coterie.strategies.items import ItemCells, extra_variance
from coterie.strategies.outcome import GAIN, NO_VARIANCE, measure
from coterie.strategies.showings import exposed_rows, weighted_showings
from coterie.strategies.window import build_window

DAY = date(2024, 3, 20)
EACH = 40  # items of each of three interests
LIKING = np.array([0.6, 0.3, 0.2])
OF_ITEM = np.repeat(np.arange(3), EACH)
OTHERS = (("y0", 0.3), ("y1", 0.4), ("y2", 0.35))
POPULARITY = np.tile(np.arange(1, EACH + 1) ** -0.5, 3)


def cells_of(rng: np.random.Generator, users: int = 12, items: int = 9, interests: int = 3) -> ItemCells:
    shown = rng.random((users, items)) < 0.6
    weight, now = rng.uniform(0.2, 3, shown.shape) * shown, rng.uniform(1, 2, shown.shape) * shown
    strength = rng.random(shown.shape) + 0.3 * np.arange(items) / items
    label = rng.dirichlet(np.ones(interests + 1), items)[:, :interests] * (rng.random((items, 1)) < 0.8)
    parts = (weight * strength, weight, now * strength, now, label)
    return ItemCells(*(sparse.csr_array(part) for part in parts))


def written_out(cells: ItemCells, value: np.ndarray) -> np.ndarray:
    """(J,) of all users: influences of single pairs, squared over items and over pairs."""
    y, x, feed_y, feed_x, label = (
        part.toarray() for part in (cells.strength, cells.shown, cells.feed_strength, cells.feed_shown, cells.label)
    )
    whole = np.column_stack([label, 1 - label.sum(axis=1)])  # unlabelled as one more interest
    mean = (feed_y.sum(axis=0) @ whole) / (feed_x.sum(axis=0) @ whole)
    on_mean = (feed_y - (whole @ mean) * feed_x) / feed_x.sum()
    found = []
    for j, ratio in enumerate(value):
        influence = label[:, j] * (y - ratio * x) / (x @ label[:, j]).sum() - on_mean
        by_item = x.sum(axis=0) * label[:, j]
        one, two, three = by_item.sum(), (by_item**2).sum(), (by_item**3).sum()
        few = two / (two * (1 + two / one**2) - 2 * three / one)
        found.append(max((influence.sum(axis=0) ** 2).sum() - (influence**2).sum(), 0) * few)
    return np.array(found)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_is_the_sum_of_influences(seed: int) -> None:
    cells = cells_of(np.random.default_rng(seed))
    value = (cells.strength @ cells.label).sum(axis=0) / (cells.shown @ cells.label).sum(axis=0)
    everyone = sparse.csr_array(np.ones((1, cells.shown.shape[0])))
    np.testing.assert_allclose(
        extra_variance(cells, everyone, value[None, :])[0], written_out(cells, value), atol=1e-12
    )


def test_groups_are_measured_apart() -> None:
    cells = cells_of(np.random.default_rng(2))
    half = np.repeat([True, False], 6)
    value = np.array([[0.5, 0.4, 0.6], [0.3, 0.5, 0.7]])
    both = extra_variance(cells, sparse.csr_array(np.array([half, ~half], dtype=float)), value)
    for row, of in enumerate((half, ~half)):
        alone = extra_variance(cells, sparse.csr_array(of[None, :].astype(float)), value[row : row + 1])
        np.testing.assert_allclose(both[row], alone[0])


def test_items_that_one_user_saw_add_nothing() -> None:
    cells = cells_of(np.random.default_rng(3), users=5, items=5)
    own = sparse.csr_array(np.eye(5))
    parts = {name: sparse.csr_array(own.multiply(getattr(cells, name))) for name in
             ("strength", "shown", "feed_strength", "feed_shown")}  # fmt: skip
    found = extra_variance(replace(cells, **parts), sparse.csr_array(np.ones((1, 5))), np.full((1, 3), 0.5))
    np.testing.assert_allclose(np.nan_to_num(found), 0, atol=1e-12)


def log_of(rng: np.random.Generator, showings: int, spread: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Showings of items that bring more or less than their interest does, to users who like more or less."""
    liking, extra = LIKING[OF_ITEM] + rng.normal(0, spread, 3 * EACH), rng.normal(0, 0.1, 120)
    taken_for, user = rng.integers(0, 3, 120), rng.integers(0, 120, showings)
    policy = POPULARITY * np.where(taken_for[user][:, None] == OF_ITEM, 3.0, 1.0)
    policy /= policy.sum(axis=1, keepdims=True)
    item = (rng.random((showings, 1)) > policy.cumsum(axis=1)).sum(axis=1).clip(0, 3 * EACH - 1)
    shown = pl.DataFrame(
        {"day": [DAY] * showings, "user_id": [f"u{k:03d}" for k in user], "item_id": [f"x{i:03d}" for i in item],
         "kind": "exposure", "propensity": policy[np.arange(showings), item], "is_random": False,
         "strength": liking[item] + extra[user] * (item < EACH) + rng.normal(0, 0.05, showings)}
    )  # fmt: skip
    rows = shown.group_by("day", "user_id", "item_id", maintain_order=True).agg(
        pl.col("strength").max(), exposures=pl.len().cast(pl.Int64), exposure_logged=pl.lit(True)
    )
    return shown.drop("strength"), rows


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_intervals_hold_for_the_next_items(spread: float) -> None:
    labels = pl.DataFrame({"item_id": [f"x{i:03d}" for i in range(3 * EACH)],
                           "interest_id": [f"i{j}" for j in OF_ITEM], "weight": 1.0})  # fmt: skip
    nobody = pl.DataFrame(schema={"user_id": pl.String, "community_id": pl.String})
    before = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    truth = LIKING - ((np.ones((3, 3)) + 2 * np.eye(3)) / 5 @ LIKING).mean()
    held = {"both": [], "users": []}
    for seed in range(60):
        shown, rows = log_of(np.random.default_rng(seed), 3000, spread)
        basis, weighted = weighted_showings(exposed_rows(shown, rows))
        window = build_window(
            engagement=rows, labels=labels, members=nobody, prior=before, exposed=weighted, basis=basis
        )
        assert window.exposure is not None
        for name, exposure in (("both", window.exposure), ("users", replace(window.exposure, cells=None))):
            found = gain(exposure, window.everyone())
            assert found is not None
            error = np.sqrt(found.variance[0])
            held[name].append(np.abs((found.value - found.baseline)[0] - truth) < 1.645 * error)
    assert 0.83 < np.mean(held["both"]) < 0.97
    if spread:
        assert np.mean(held["users"]) < 0.75


def test_one_item_is_no_interest() -> None:
    """However many members were shown it: the next week brings another item."""
    rng = np.random.default_rng(5)
    rows = [(f"u{k:03d}", item, 4.0, float(rng.binomial(4, p))) for k in range(80) for item, p in (("x", 0.6), *OTHERS)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "exposures", "strength"], orient="row")
    window = build_window(
        engagement=frame.with_columns(pl.col("exposures").cast(pl.Int64), day=pl.lit(DAY), exposure_logged=pl.lit(True)),
        labels=pl.DataFrame({"item_id": ["x", "y0", "y1", "y2"], "interest_id": ["a", "b", "b", "b"], "weight": 1.0}),
        members=pl.DataFrame({"user_id": [f"u{k:03d}" for k in range(40)], "community_id": "c"}),
        prior=pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64}),
        exposed=frame.select("user_id", "item_id", pl.col("strength") / 4, weight=pl.lit(4.0)), basis="propensity",
    )  # fmt: skip
    supply = pl.DataFrame({"day": [DAY] * 2, "interest_id": ["a", "b"], "supply": [1.0, 3.0], "items": [1, 3]})
    told = measure(window, supply).filter(pl.col("metric") == GAIN).select("interest_id", "why_not").rows()
    assert dict(told) == {"a": NO_VARIANCE[GAIN], "b": None}
