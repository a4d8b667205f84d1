"""Placebo groups: of the right size, at random, the same every time, and blind to what communities want."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import sparse
from strategies_world import DAY, world

from coterie.strategies.gain import gain
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, SHARE, measure
from coterie.strategies.placebo import PLACEBO_GROUPS, PLACEBO_SCHEMA, placebo
from coterie.strategies.window import Window, window_from_frames

BEFORE = DAY - timedelta(7)


def planted(exposed: bool = False, shuffle: bool = False) -> tuple[Window, pl.DataFrame]:
    w = world(4, users=400, tilt=2.0)
    days = w.days(DAY, exposed=exposed)
    if shuffle:
        mixed = days.engagement.sample(fraction=1, shuffle=True, seed=1)
        days = replace(days, engagement=mixed, memberships=days.memberships[::-1])
    window = window_from_frames(
        start=DAY - timedelta(6), end=DAY, members_on=BEFORE, prior_on=BEFORE, communities=pl.Series(w.communities),
        engagement=days.engagement, labels=days.labels, memberships=days.memberships,
        user_interests=days.user_interests,
    )  # fmt: skip
    return window, days.interest_daily


def even_supply() -> pl.DataFrame:
    return pl.DataFrame({"day": [DAY] * 2, "interest_id": ["i0", "i1"], "supply": [1.0, 3.0], "items": [1, 3]})


def flat(share: np.ndarray, members: np.ndarray) -> Window:
    """Everybody active has a total of 1; one community."""
    active = ~np.isnan(share)
    engaged = np.where(active[:, None], np.stack([share, 1 - share], axis=1), 0.0)
    n = len(share)
    return Window(
        users=tuple(f"u{k:04d}" for k in range(n)), communities=("c0",), interests=("i0", "i1"),
        members=sparse.csr_array(members[None, :].astype(float)), engaged=sparse.csr_array(engaged),
        total=engaged.sum(axis=1), prior=sparse.csr_array((n, 2)), stratum=np.zeros(n, dtype=np.int64), exposure=None,
    )  # fmt: skip


def test_random_groups_see_nothing_where_communities_see_much() -> None:
    window, supply = planted()
    found = placebo(window, supply, DAY)
    joined = measure(window, supply).join(found, on=["community_id", "interest_id", "metric"])
    share = joined.filter(pl.col("metric") == SHARE)
    real, random = share["difference"].to_numpy(), share["placebo"].to_numpy()
    assert np.abs(random).max() < 0.2 * np.abs(real).max()
    assert np.sqrt((random**2).mean()) < 0.25 * np.sqrt((real**2).mean())
    assert abs(np.corrcoef(real, random)[0, 1]) < 0.4


def test_gap_of_random_groups_is_what_everybody_wants_beyond_supply() -> None:
    rng = np.random.default_rng(1)
    share = rng.beta(5, 3, 400)
    window = flat(share, np.arange(400) < 100)
    found = {(i, m): v for _, i, m, v in placebo(window, even_supply(), DAY, groups=200).rows()}
    assert found["i0", GAP] == pytest.approx(share.mean() - 0.25, abs=0.005)
    assert found["i0", SHARE] == pytest.approx(0.0, abs=0.005)
    assert found["i0", ADOPTION] == pytest.approx(0.0, abs=1e-12)  # all of them engage with both


@pytest.mark.parametrize("size", [15, 60])
def test_groups_have_the_size_of_the_active_membership_and_nobody_twice(size: int) -> None:
    # The mean over g groups of m of n users, less the rest's, has variance s^2 (1 / m + 1 / (n - m)) / g exactly.
    rng = np.random.default_rng(2)
    share = np.concatenate([rng.beta(1, 1, 90), np.full(60, np.nan)])
    members = np.zeros(150, dtype=bool)
    members[:size] = members[90:130] = True  # and 40 that are not active
    window = flat(share, members)
    values = []
    for d in range(120):
        found = placebo(window, even_supply(), DAY + timedelta(d))
        values.append(found.filter(pl.col("metric") == SHARE, pl.col("interest_id") == "i0")["placebo"].item())
    expected = np.sqrt(share[:90].var(ddof=1) * (1 / size + 1 / (90 - size)) / PLACEBO_GROUPS)
    assert np.std(values) == pytest.approx(expected, rel=0.2)
    assert np.mean(values) == pytest.approx(0, abs=4 * expected / np.sqrt(120))


def test_same_day_same_groups_other_day_or_community_others() -> None:
    window, supply = planted()
    one = placebo(window, supply, DAY)
    assert_frame_equal(one, placebo(window, supply, DAY), check_exact=True)
    other = placebo(window, supply, DAY + timedelta(1))
    assert (one["placebo"] != other["placebo"]).to_numpy().mean() > 0.9
    same_size = replace(window, members=sparse.csr_array(window.members.toarray()[[0, 0, 0, 0]]))
    twins = placebo(same_size, supply, DAY).filter(pl.col("metric") == SHARE)
    by_community = twins["placebo"].to_numpy().reshape(4, -1)
    assert len(np.unique(by_community[:, 0])) == 4


def test_order_of_rows_does_not_show() -> None:
    assert_frame_equal(placebo(*planted(), DAY), placebo(*planted(shuffle=True), DAY), check_exact=True)


def test_every_metric_of_the_measure_has_its_placebo() -> None:
    window, supply = planted(exposed=True)
    found = placebo(window, supply, DAY, groups=2)
    assert found.schema == pl.Schema(PLACEBO_SCHEMA)
    assert set(found["metric"]) == {SHARE, ADOPTION, GAP, EXPOSURE}
    key = ["community_id", "interest_id", "metric"]
    assert_frame_equal(found.select(key), measure(window, supply).select(key))


def test_a_boost_for_random_groups_gains_what_it_gains_for_everybody() -> None:
    window, supply = planted(exposed=True)
    assert window.exposure is not None
    fair = replace(window, exposure=replace(window.exposure, basis="propensity"))
    found = placebo(fair, supply, DAY).filter(pl.col("metric") == GAIN)
    whole = gain(fair.exposure, fair.everyone())
    assert whole is not None
    everybody = dict(zip(fair.interests, (whole.value - whole.baseline)[0], strict=True))
    off = found.with_columns(popular=pl.col("interest_id").replace_strict(everybody))
    assert off.height == len(fair.interests) * len(fair.communities)
    assert (off["placebo"] - off["popular"]).abs().mean() < 0.01
    key = ["community_id", "interest_id", "metric"]
    assert_frame_equal(placebo(fair, supply, DAY).select(key), measure(fair, supply).select(key))


@pytest.mark.parametrize("members", [np.zeros(30, dtype=bool), np.ones(30, dtype=bool)])
def test_no_placebo_for_nobody_or_for_everybody(members: np.ndarray) -> None:
    window = flat(np.linspace(0.1, 0.9, 30), members)
    assert placebo(window, even_supply(), DAY).is_empty()
