"""Matrices and sums of a window: against sums by hand, exact expectations, and a feed whose truth is known."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from coterie.strategies.showings import exposed_rows, weighted_showings
from coterie.strategies.window import (
    Sums,
    Window,
    adoption_sums,
    build_window,
    effective_rows,
    exposure_sums,
    share_sums,
    window_from_frames,
)

DAY = date(2024, 3, 20)
LABELS = pl.DataFrame(
    {"item_id": ["x1", "x2", "x2", "x3"], "interest_id": ["a", "a", "b", "b"], "weight": [1.0, 0.25, 0.75, 1.0]}
)
NOBODY = pl.DataFrame(schema={"user_id": pl.String, "community_id": pl.String})
NOTHING_BEFORE = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})


def engagement(
    *rows: tuple[str, str, float], day: date = DAY, exposures: int = 1, logged: bool = False
) -> pl.DataFrame:
    return pl.DataFrame(
        [(day, u, i, exposures, logged, s) for u, i, s in rows],
        schema={
            "day": pl.Date, "user_id": pl.String, "item_id": pl.String, "exposures": pl.Int64,
            "exposure_logged": pl.Boolean, "strength": pl.Float64,
        },
        orient="row",
    )  # fmt: skip


def members(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=NOBODY.schema, orient="row")


def one_group(x: np.ndarray, y: np.ndarray) -> Sums:
    """Sums of one group and one interest, from its users' values."""

    def cell(value: float) -> np.ndarray:
        return np.array([[float(value)]])

    return Sums(
        count=cell((x > 0).sum()), hits=cell((y > 0).sum()), x=cell(x.sum()), xx=cell((x**2).sum()),
        xxx=cell((x**3).sum()), y=cell(y.sum()), yy=cell((y**2).sum()), xy=cell((x * y).sum()),
    )  # fmt: skip


weights = st.lists(st.floats(0.1, 5.0), min_size=4, max_size=25).map(np.array)


# --- ratio and its variance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 40])
def test_for_users_of_equal_weight_the_variance_is_that_of_a_mean(n: int) -> None:
    y = np.random.default_rng(n).random(n)
    sums = one_group(np.full(n, 2.0), 2 * y)
    assert sums.ratio()[0, 0] == pytest.approx(y.mean())
    assert sums.variance()[0, 0] == pytest.approx(y.var(ddof=1) / n)


@settings(deadline=None)
@given(weights, st.integers(0, 1000))
def test_ratio_and_residuals_are_those_of_weighted_least_squares_on_a_constant(x: np.ndarray, seed: int) -> None:
    rate = np.random.default_rng(seed).random(len(x))
    fit = sm.WLS(rate, np.ones(len(x)), weights=x).fit(cov_type="HC0")
    sums = one_group(x, x * rate)
    assert sums.ratio()[0, 0] == pytest.approx(fit.params[0])
    assert sums.squares()[0, 0] / x.sum() ** 2 == pytest.approx(fit.cov_params()[0, 0], rel=1e-9, abs=1e-15)


@settings(deadline=None)
@given(weights)
def test_variance_is_exactly_unbiased_where_users_rates_vary_alike(x: np.ndarray) -> None:
    # The estimate is a quadratic form in the users' rates that vanishes for equal rates, so with independent rates of
    # variance one its expectation is its trace: the sum over unit vectors. The truth is sum (x_i / sum x)^2.
    share = x / x.sum()
    expected = (x**2).sum() * (1 + (share**2).sum()) - 2 * (x**3).sum() / x.sum()
    if expected <= 1e-6 * (x**2).sum():
        return
    traced = sum(one_group(x, x * unit).variance()[0, 0] for unit in np.eye(len(x)))
    assert traced == pytest.approx((share**2).sum())


@settings(deadline=None)
@given(weights, st.integers(0, 1000), st.floats(0.1, 10))
def test_variance_has_the_right_units(x: np.ndarray, seed: int, factor: float) -> None:
    y = x * np.random.default_rng(seed).random(len(x))
    plain = one_group(x, y).variance()
    np.testing.assert_allclose(one_group(x, factor * y).variance(), factor**2 * plain, rtol=1e-7)
    np.testing.assert_allclose(one_group(factor * x, factor * y).variance(), plain, rtol=1e-7)
    np.testing.assert_allclose(one_group(x, y + 3 * x).variance(), plain, rtol=1e-6)  # a shift is no variation


def test_variance_is_unknown_where_one_user_is_nearly_all() -> None:
    x = np.array([1e6, 1e-6])
    assert np.isnan(one_group(x, x * np.array([0.5, 0.1])).variance()[0, 0])
    assert np.isnan(one_group(np.array([1.0]), np.array([0.5])).variance()[0, 0])


def test_no_showing_is_no_ratio_rather_than_zero() -> None:
    empty = one_group(np.zeros(3), np.zeros(3))
    assert np.isnan(empty.ratio()[0, 0])
    assert np.isnan(empty.effective()[0, 0])


@settings(deadline=None)
@given(weights)
def test_effective_users_are_kish_s(x: np.ndarray) -> None:
    effective = one_group(x, x).effective()[0, 0]
    assert effective == pytest.approx(1 / ((x / x.sum()) ** 2).sum())
    assert 1 - 1e-9 <= effective <= len(x) + 1e-9
    assert one_group(np.ones(len(x)), x).effective()[0, 0] == pytest.approx(len(x))


@settings(deadline=None)
@given(weights, st.integers(0, 1000))
def test_what_is_left_after_a_part_is_the_rest(x: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, part = x * rng.random(len(x)), rng.random(len(x)) < 0.5
    rest = one_group(x, y).minus(one_group(x[part], y[part]))
    direct = one_group(x[~part], y[~part])
    for name in Sums.__dataclass_fields__:
        np.testing.assert_allclose(getattr(rest, name), getattr(direct, name), rtol=1e-9, atol=1e-9)


# --- the window's matrices ----------------------------------------------------------------------------------------

ROWS = engagement(("u1", "x1", 0.5), ("u1", "x2", 0.4), ("u2", "x3", 1.0), ("u3", "x9", 0.7), ("u3", "x1", 0.0))


def small_window(rows: pl.DataFrame = ROWS, **kwargs: Any) -> Window:
    given_: dict[str, Any] = {
        "labels": LABELS,
        "members": members(("u1", "c1"), ("u2", "c2")),
        "prior": NOTHING_BEFORE,
    } | kwargs
    return build_window(engagement=rows, **given_)


def test_strength_is_shared_out_by_label_weight() -> None:
    window = small_window()
    assert (window.users, window.interests, window.communities) == (("u1", "u2", "u3"), ("a", "b"), ("c1", "c2"))
    np.testing.assert_allclose(window.engaged.toarray(), [[0.6, 0.3], [0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(window.total, [0.9, 1.0, 0.0])  # what has no label does not count as activity
    np.testing.assert_array_equal(window.members.toarray(), [[1, 0, 0], [0, 1, 0]])


def test_the_last_label_of_an_item_counts() -> None:
    dated = pl.concat(
        [
            pl.DataFrame({"day": [DAY - timedelta(5)], "item_id": ["x1"], "interest_id": ["b"], "weight": [1.0]}),
            pl.DataFrame({"day": [DAY], "item_id": ["x1"], "interest_id": ["a"], "weight": [1.0]}),
            pl.DataFrame({"day": [DAY - timedelta(9)], "item_id": ["x3"], "interest_id": ["b"], "weight": [1.0]}),
        ]
    )
    window = small_window(labels=dated)
    np.testing.assert_allclose(window.engaged.toarray(), [[0.5, 0.0], [0.0, 1.0], [0.0, 0.0]])


def test_activity_classes_count_rows_with_labelled_engagement() -> None:
    counts = {"v01": 1, "v02": 2, "v03": 3, "v04": 4, "v07": 7, "v08": 8, "v20": 20, "v21": 21, "v99": 0}
    rows = pl.concat(
        [engagement(*[(u, "x1", 0.3)] * n, (u, "x9", 0.9), (u, "x3", 0.0)) for u, n in sorted(counts.items())]
    )
    assert small_window(rows).stratum.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 0]


def test_share_sums_by_hand() -> None:
    window = small_window()
    sums = share_sums(window, window.everyone())
    np.testing.assert_allclose(sums.count, [[2, 2]])
    np.testing.assert_allclose(sums.hits, [[1, 2]])
    np.testing.assert_allclose(sums.ratio(), [[0.6 / 1.9, 1.3 / 1.9]])
    np.testing.assert_allclose(sums.xx, [[0.81 + 1] * 2])
    np.testing.assert_allclose(sums.xxx, [[0.729 + 1] * 2])
    np.testing.assert_allclose(sums.yy, [[0.36, 1.09]])
    np.testing.assert_allclose(sums.xy, [[0.54, 0.27 + 1]])


def test_adoption_counts_only_those_new_to_the_interest() -> None:
    before = pl.DataFrame(
        {"user_id": ["u1", "u2", "u3"], "interest_id": ["b", "a", "a"], "engaged": [2.0, 1.0, 1.0]}
    ).vstack(pl.DataFrame({"user_id": ["u2"], "interest_id": ["b"], "engaged": [0.0]}))
    window = small_window(prior=before)
    sums = adoption_sums(window, window.everyone())
    # a: u1 is new and engages, u2 is not new, u3 is not active. b: u1 is not new, u2 is (0 is no engagement).
    np.testing.assert_allclose(sums.count, [[1, 1]])
    np.testing.assert_allclose(sums.y, [[1, 1]])
    np.testing.assert_allclose(adoption_sums(window, window.members).count, [[1, 0], [0, 1]])


def test_logged_showings_in_the_table_are_the_denominator() -> None:
    rows = pl.concat([engagement(("u1", "x2", 0.8), exposures=4, logged=True), engagement(("u2", "x1", 1.0))])
    window = small_window(rows, use_exposures=True)
    assert window.exposure is not None
    np.testing.assert_allclose(window.exposure.shown.toarray(), [[1, 3], [0, 0]])  # an action alone is no showing
    np.testing.assert_allclose(window.exposure.strength.toarray(), [[0.2, 0.6], [0.0, 0.0]])
    np.testing.assert_allclose(exposure_sums(window.exposure, window.everyone()).ratio(), [[0.2, 0.2]])
    assert small_window(rows).exposure is None


def test_effective_rows_are_kish_s_over_weighted_showings() -> None:
    weight = np.array([1.0, 2.0, 5.0, 10.0])
    shown = pl.DataFrame({"user_id": ["u1", "u1", "u2", "u3"], "item_id": "x1", "strength": 0.5, "weight": weight})
    window = small_window(exposed=shown, basis="propensity")
    assert window.exposure is not None
    np.testing.assert_allclose(
        effective_rows(window.exposure, window.everyone())[0, 0], weight.sum() ** 2 / (weight**2).sum()
    )
    equal = small_window(exposed=shown.with_columns(weight=pl.lit(3.0)), basis="propensity")
    assert equal.exposure is not None
    assert effective_rows(equal.exposure, equal.everyone())[0, 0] == pytest.approx(4)


def test_a_showing_of_an_item_that_is_partly_about_it_is_part_of_a_row() -> None:
    shown = pl.DataFrame({"user_id": ["u1", "u2"], "item_id": ["x1", "x2"], "strength": 0.5, "weight": [2.0, 4.0]})
    window = small_window(exposed=shown, basis="propensity")
    assert window.exposure is not None
    row_weights = np.array([2 * 1.0, 4 * 0.25])
    found = effective_rows(window.exposure, window.everyone())
    assert found[0, 0] == pytest.approx(row_weights.sum() ** 2 / (row_weights**2).sum())
    assert found[0, 1] == pytest.approx(1)


def random_rows(rng: np.random.Generator, n: int) -> pl.DataFrame:
    return engagement(
        *((f"u{u}", f"x{i}", s) for u, i, s in zip(rng.integers(0, 9, n), rng.integers(1, 5, n), rng.random(n), strict=True))
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 60))
def test_order_of_rows_changes_no_bit(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, n)
    shown = rows.select("user_id", "item_id", "strength", weight=1 / (pl.col("strength") + 0.1))
    belongs = members(*((f"u{u}", f"c{u % 2}") for u in range(6)))

    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=seed)

    one = small_window(rows, members=belongs, exposed=shown)
    two = small_window(shuffled(rows), members=shuffled(belongs), labels=shuffled(LABELS), exposed=shuffled(shown))
    assert (one.users, one.interests, one.communities) == (two.users, two.interests, two.communities)
    assert one.exposure is not None
    assert two.exposure is not None
    pairs = [(one.engaged, two.engaged), (one.members, two.members), (one.exposure.square, two.exposure.square)]
    pairs += [(one.exposure.strength, two.exposure.strength), (one.exposure.shown, two.exposure.shown)]
    for left, right in pairs:
        np.testing.assert_array_equal(left.toarray(), right.toarray())
    np.testing.assert_array_equal(one.total, two.total)


def test_sums_hold_for_groups_whatever_the_users_are_called() -> None:
    rows = random_rows(np.random.default_rng(3), 200)
    belongs = members(*((f"u{u}", f"c{u % 2}") for u in range(6)))
    renamed = {f"u{u}": f"{(7 * u) % 10}-known" for u in range(10)}

    def rename(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("user_id").replace_strict(renamed))

    one, two = small_window(rows, members=belongs), small_window(rename(rows), members=rename(belongs))
    assert one.users != two.users
    np.testing.assert_allclose(share_sums(one, one.members).variance(), share_sums(two, two.members).variance())


# --- cutting a window out of daily frames -------------------------------------------------------------------------


def test_window_takes_its_own_days_and_primary_members_of_the_day_asked_for() -> None:
    start, end, before = DAY - timedelta(6), DAY, DAY - timedelta(7)
    rows = pl.concat(
        [engagement((f"u{k}", "x1", 0.5), day=d) for k, d in enumerate([before, start, end, end + timedelta(1)])]
    )
    belongs = pl.DataFrame(
        [
            (before, "u1", "c1", True), (before, "u1", "c2", False), (before, "u2", "c3", True),
            (end, "u2", "c1", True),
        ],
        schema={"day": pl.Date, "user_id": pl.String, "community_id": pl.String, "is_primary": pl.Boolean},
        orient="row",
    )  # fmt: skip
    known = pl.DataFrame(
        {"day": [before, end], "user_id": ["u1", "u2"], "interest_id": ["a", "a"], "engaged": [1.0, 1.0]}
    )

    def cut(members_on: date) -> Window:
        return window_from_frames(
            start=start, end=end, members_on=members_on, prior_on=before, communities=pl.Series(["c1", "c2"]),
            engagement=rows, labels=LABELS, memberships=belongs, user_interests=known,
        )  # fmt: skip

    window = cut(before)
    assert window.users == ("u1", "u2")
    assert window.communities == ("c1",)  # c2 is nobody's main community, c3 is not asked for
    np.testing.assert_array_equal(window.members.toarray(), [[1, 0]])
    np.testing.assert_array_equal(window.prior.toarray(), [[1], [0]])
    np.testing.assert_array_equal(cut(end).members.toarray(), [[0, 1]])
    assert cut(end + timedelta(1)).communities == ()


# --- showings and their weights -----------------------------------------------------------------------------------


def events(*rows: tuple[str, str, str, float | None, bool | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(DAY, *row) for row in rows],
        schema={
            "day": pl.Date, "user_id": pl.String, "item_id": pl.String, "kind": pl.String,
            "propensity": pl.Float64, "is_random": pl.Boolean,
        },
        orient="row",
    )  # fmt: skip


def test_strength_is_divided_over_all_showings_of_the_pair_also_those_left_out() -> None:
    # Four showings, of which two were drawn from the log: each carries a quarter of what followed.
    shown = events(("u1", "x1", "exposure", None, True), ("u1", "x1", "exposure", 0.5, None),
                   ("u1", "x1", "watch", None, None), ("u2", "x1", "exposure", 0.2, None))  # fmt: skip
    rows = pl.concat(
        [engagement(("u1", "x1", 0.8), exposures=4, logged=True), engagement(("u2", "x1", 0.3), logged=True)]
    )
    found = exposed_rows(shown, rows)
    assert found.columns == ["day", "user_id", "item_id", "strength", "showings", "propensity", "is_random"]
    assert found.drop("day", "item_id").rows() == [
        ("u1", pytest.approx(0.2), 4, None, True), ("u1", pytest.approx(0.2), 4, 0.5, None),
        ("u2", pytest.approx(0.3), 1, 0.2, None),
    ]  # fmt: skip


def test_strength_of_another_day_does_not_follow_a_showing() -> None:
    shown = events(("u1", "x1", "exposure", 0.5, None))
    assert exposed_rows(shown, engagement(("u1", "x1", 0.8), day=DAY - timedelta(1))).is_empty()


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_order_of_events_does_not_show(order: list[int]) -> None:
    shown = events(*((f"u{k % 2}", "x1", "exposure", 0.1 * (k + 1), k % 3 == 0 or None) for k in range(6)))
    rows = engagement(("u0", "x1", 0.6), ("u1", "x1", 0.9), exposures=3, logged=True)
    assert_frame_equal(exposed_rows(shown[order], rows), exposed_rows(shown, rows[::-1]))


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 99))
def test_all_showings_together_carry_exactly_the_strength_that_followed(showings: list[int], seed: int) -> None:
    strength = np.random.default_rng(seed).random(len(showings))
    pairs = list(zip(range(len(showings)), showings, strength, strict=True))
    shown = events(*((f"u{k}", "x1", "exposure", 0.5, None) for k, n, _ in pairs for _ in range(n)))
    rows = pl.concat([engagement((f"u{k}", "x1", s), exposures=n, logged=True) for k, n, s in pairs])
    assert exposed_rows(shown, rows)["strength"].sum() == pytest.approx(strength.sum())


def showings(*rows: tuple[str, str, float | None, bool], day: date = DAY, repeats: int = 1) -> pl.DataFrame:
    """Showings as `exposed_rows` gives them: user, item, propensity, is_random."""
    names = ["user_id", "item_id", "propensity", "is_random"]
    frame = pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"propensity": pl.Float64})
    return frame.with_columns(day=pl.lit(day), strength=pl.lit(0.5), showings=pl.lit(repeats))


def weights_of(exposed: pl.DataFrame) -> tuple[str, list[float]]:
    basis, weighted = weighted_showings(exposed)
    assert weighted is not None
    return basis, weighted["weight"].to_list()


def test_a_showing_weighs_the_items_share_of_all_showings_over_its_propensity() -> None:
    # Of four showings of the day three are of x1; one showing a user, so none can be its pair's second.
    shown = showings(
        ("u1", "x1", 0.9, False), ("u2", "x1", 0.5, False), ("u3", "x1", 0.5, True), ("u4", "x2", 0.5, False)
    )
    ratio = np.array([0.75 / 0.9, 0.75 / 0.5, 0.75 / 0.5, 0.25 / 0.5])
    basis, found = weights_of(shown)
    assert basis == "propensity"
    np.testing.assert_allclose(found, ratio / ratio.mean())
    # Another day has shares and a mean of its own.
    other = showings(("u1", "x2", 0.2, False), ("u2", "x2", 0.1, False), day=DAY + timedelta(1))
    both = weights_of(pl.concat([shown, other]))[1]
    np.testing.assert_allclose(both, [*found, 1 / 1.5, 2 / 1.5])


def test_where_the_feed_treats_all_alike_every_showing_weighs_the_same() -> None:
    shown = showings(*((f"u{k}", f"x{k % 2}", 0.5, False) for k in range(20)))
    np.testing.assert_allclose(weights_of(shown)[1], 1.0)


def test_a_pair_shown_twice_is_left_out_and_the_others_stand_for_it() -> None:
    often, once = showings(*[("u1", "x1", 0.5, False)] * 2, repeats=2), showings(("u1", "x2", 0.25, False))
    basis, found = weighted_showings(pl.concat([often, once]))
    assert found is not None
    assert (basis, found["item_id"].to_list()) == ("propensity", ["x2"])
    assert found["feed_weight"].item() == pytest.approx(1 / 0.75**2)  # three showings of the user: not among two others


def test_no_showing_counts_for_more_than_ten() -> None:
    rows = [(f"u{k:03d}", "x1", 0.5, False) for k in range(400)]
    basis, found = weighted_showings(showings(*rows, ("v", "x1", 0.0005, False)))
    assert found is not None
    weight, cut = found["weight"].to_numpy(), found["cut"].to_numpy()
    assert (weight + cut).mean() == pytest.approx(1)
    assert (weight[-1], basis) == (10.0, "propensity")
    assert cut[-1] > 100
    assert not cut[:-1].any()


def test_random_showings_stand_alone_where_propensities_are_not_logged_or_say_less() -> None:
    random = showings(*((f"u{k}", "x1", None, True) for k in range(5)))
    assert weights_of(random) == ("random_exposure", [1.0] * 5)
    few = showings(*((f"v{k}", "x1", 0.5, False) for k in range(4)))
    assert weights_of(pl.concat([random, few])) == ("random_exposure", [1.0] * 5)
    many = showings(*((f"v{k}", "x1", 0.5, False) for k in range(6)))
    assert weights_of(pl.concat([random, many])) == ("propensity", [1.0] * 6)
    unknown = showings(("u1", "x1", None, False), ("u2", "x1", 0.0, False))
    assert weighted_showings(unknown) == ("observational", None)


LIKING = np.linspace(0.05, 0.95, 20)
FANS = 150  # of 300 users; everybody likes the same items, but to fans the feed shows what is liked


def biased_feed(seed: int, n: int = 4000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Showings by a feed that treats fans otherwise, and what followed.

    Three showings in four draw an item in proportion to its liking squared for fans, and evenly for others; the fourth
    draws evenly and is marked. Strength goes to the pair, and is no sum over its showings.
    """
    rng = np.random.default_rng(seed)
    user, random = rng.integers(0, 300, n), rng.random(n) < 0.25
    fan = LIKING**2 / (LIKING**2).sum()
    policy = np.where((user < FANS)[:, None], fan, 1 / 20)
    item = np.where(
        random, rng.integers(0, 20, n), (rng.random((n, 1)) > policy.cumsum(axis=1)).sum(axis=1).clip(0, 19)
    )
    shown = pl.DataFrame(
        {"day": [DAY] * n, "user_id": [f"u{k:05d}" for k in user], "item_id": [f"y{i:02d}" for i in item],
         "kind": "exposure", "propensity": 0.25 / 20 + 0.75 * policy[np.arange(n), item], "is_random": random,
         "strength": np.clip(LIKING[item] + rng.normal(0, 0.05, n), 0, 1)}
    )  # fmt: skip
    rows = shown.group_by("day", "user_id", "item_id", maintain_order=True).agg(
        pl.col("strength").max(), exposures=pl.len().cast(pl.Int64), exposure_logged=pl.lit(True)
    )
    return shown.drop("strength"), rows


def fans_and_others(shown: pl.DataFrame, rows: pl.DataFrame) -> tuple[Window, Sums]:
    fans = [(f"u{k:05d}", "fans") for k in range(FANS)]
    others = [(f"u{k:05d}", "others") for k in range(FANS, 300)]
    window = window_from_frames(
        start=DAY, end=DAY, members_on=DAY, prior_on=DAY, communities=pl.Series(["fans", "others"]), engagement=rows,
        labels=pl.DataFrame({"item_id": [f"y{i:02d}" for i in range(20)], "interest_id": "a", "weight": 1.0}),
        memberships=members(*fans, *others).with_columns(day=pl.lit(DAY), is_primary=pl.lit(True)),
        user_interests=NOTHING_BEFORE.with_columns(pl.lit(None, pl.Date).alias("day")),
        exposed=exposed_rows(shown, rows),
    )  # fmt: skip
    assert window.exposure is not None
    return window, exposure_sums(window.exposure, window.members)


@pytest.mark.parametrize("basis", ["random_exposure", "propensity", "observational"])
def test_fair_showings_undo_what_the_feed_chose(basis: str) -> None:
    shown, rows = biased_feed(5, n=1500)
    if basis != "propensity":
        shown = shown.with_columns(propensity=pl.lit(None, pl.Float64))
    if basis == "observational":
        shown = shown.with_columns(is_random=pl.lit(None, pl.Boolean))
    window, sums = fans_and_others(shown, rows)
    assert window.exposure is not None
    assert window.exposure.basis == basis
    fans, others = sums.ratio()[:, 0]
    error = float(np.sqrt(sums.variance()[:, 0].sum()))
    assert 0 < error < 0.06
    if basis == "observational":
        assert fans > others + 6 * error  # they like the same items, but are shown the best
        return
    assert fans == pytest.approx(others, abs=2.6 * error)
    share = shown.group_by("item_id").len().sort("item_id")["len"].to_numpy() / shown.height
    truth = LIKING.mean() if basis == "random_exposure" else (share * LIKING).sum()
    assert fans == pytest.approx(truth, abs=2.6 * error)


def test_propensities_say_more_than_the_random_slice_alone() -> None:
    shown, rows = biased_feed(6, n=1500)
    errors = {}
    for name in ("all", "random slice"):
        known = shown if name == "all" else shown.with_columns(propensity=pl.lit(None, pl.Float64))
        errors[name] = fans_and_others(known, rows)[1].variance()[0, 0]
    assert errors["all"] < 0.6 * errors["random slice"]


def test_weighted_estimates_are_right_on_average_and_know_their_error() -> None:
    off = []
    for seed in range(100):
        shown, rows = biased_feed(seed, n=1500)
        sums = fans_and_others(shown, rows)[1]
        share = shown.group_by("item_id").len().sort("item_id")["len"].to_numpy() / shown.height
        off.append((sums.ratio()[:, 0] - (share * LIKING).sum()) / np.sqrt(sums.variance()[:, 0]))
    assert np.abs(np.mean(off, axis=0)).max() < 0.4  # four standard errors of the mean of a hundred
    assert 0.75 < np.std(off) < 1.25


def test_what_is_left_stands_for_all_that_users_were_shown() -> None:
    off = []
    for seed in range(40):
        shown, rows = biased_feed(seed, n=3000)
        window, _ = fans_and_others(shown, rows)
        assert window.exposure is not None
        feed = window.exposure.feed
        assert feed is not None
        assert feed.showings.sum() == shown.height
        fan = np.array(window.users) < f"u{FANS:05d}"
        policy = 0.25 / 20 + 0.75 * LIKING**2 / (LIKING**2).sum()
        off.append(feed.strength[fan].sum() / feed.shown[fan].sum() - (policy * LIKING).sum())
    assert np.mean(off) == pytest.approx(0, abs=4 * np.std(off) / 40**0.5)
    assert np.std(off) < 0.02


def test_propensities_of_a_random_slice_alone_do_not_stand_for_the_feed() -> None:
    shown, rows = biased_feed(7, n=1500)
    only = shown.with_columns(propensity=pl.when("is_random").then(1 / 20))
    window, _ = fans_and_others(only, rows)
    assert window.exposure is not None
    feed = window.exposure.feed
    assert feed is not None
    np.testing.assert_allclose(feed.shown, feed.showings)
    assert feed.strength.sum() == pytest.approx(rows["strength"].sum())


def test_where_many_propensities_are_missing_no_gain_is_claimed() -> None:
    shown, rows = biased_feed(7, n=1500)
    part = shown.with_columns(propensity=pl.when(pl.int_range(pl.len()) % 5 < 3).then("propensity"))
    window, _ = fans_and_others(part, rows)
    assert window.exposure is not None
    assert window.exposure.basis == "propensity"
    assert window.exposure.feed is None
