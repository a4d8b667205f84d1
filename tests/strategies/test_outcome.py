"""The measure: closed forms, coverage in worlds whose truth is known, and what it refuses to answer."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import sparse
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep
from strategies_world import DAY, INTERESTS, World, world

from coterie.strategies.days import Days
from coterie.strategies.outcome import (
    ADOPTION,
    EXPOSURE,
    GAIN,
    GAP,
    MIN_USERS,
    OUTCOME_SCHEMA,
    SHARE,
    measure,
    supply_of,
)
from coterie.strategies.window import ACTIVITY_BOUNDS, Exposure, Feed, Window, window_from_frames

Z90 = float(norm.ppf(0.95))
NUMBERS = ("value", "difference", "std_error", "bias_bound", "unit_mean", "unit_sd")
BEFORE = DAY - timedelta(7)


def cut(days: Days, communities: list[str], exposed: pl.DataFrame | None = None) -> Window:
    return window_from_frames(
        start=DAY - timedelta(6), end=DAY, members_on=BEFORE, prior_on=BEFORE, communities=pl.Series(communities),
        engagement=days.engagement, labels=days.labels, memberships=days.memberships,
        user_interests=days.user_interests, exposed=exposed,
    )  # fmt: skip


def measured(w: World, days: Days) -> pl.DataFrame:
    return measure(cut(days, w.communities), days.interest_daily)


def row(outcomes: pl.DataFrame, metric: str, community: str = "c0", interest: str = "i0") -> dict[str, Any]:
    return outcomes.row(by_predicate=(pl.col("metric") == metric) & (pl.col("community_id") == community)
                        & (pl.col("interest_id") == interest), named=True)  # fmt: skip


def made(
    engaged: np.ndarray, home: np.ndarray, *, prior: np.ndarray | None = None, exposure: Exposure | None = None
) -> Window:
    """A window straight from arrays; rows count as many as engaged interests for the activity class."""
    n, j = engaged.shape
    ids = range(int(home.max()) + 1)
    return Window(
        users=tuple(f"u{k:05d}" for k in range(n)),
        communities=tuple(f"c{c}" for c in ids),
        interests=tuple(f"i{k}" for k in range(j)),
        members=sparse.csr_array(np.array([home == c for c in ids], dtype=float)),
        engaged=sparse.csr_array(engaged),
        total=engaged.sum(axis=1),
        prior=sparse.csr_array(np.zeros((n, j)) if prior is None else prior),
        stratum=np.searchsorted(ACTIVITY_BOUNDS, (engaged > 0).sum(axis=1), side="right"),
        exposure=exposure,
    )


def exposed(basis: str, strength: np.ndarray, shown: np.ndarray, square: np.ndarray | None = None) -> Exposure:
    """Showings straight from arrays, one row a showing unless `square` says otherwise, all of the feed's."""
    parts = (strength, shown, shown if square is None else square, np.zeros(shown.shape))
    feed = Feed(strength.sum(axis=1), shown.sum(axis=1), sparse.csr_array(shown), shown.sum(axis=1))
    return Exposure(basis, *(sparse.csr_array(part) for part in parts), feed)


def supplied(*shares: float, days: int = 1, items: tuple[int, ...] = ()) -> pl.DataFrame:
    rows = [
        (DAY - timedelta(d), f"i{k}", float(s), items[k] if items else 10)
        for d in range(days) for k, s in enumerate(shares)
    ]  # fmt: skip
    schema = {"day": pl.Date, "interest_id": pl.String, "supply": pl.Float64, "items": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


# --- closed forms -------------------------------------------------------------------------------------------------


def test_share_is_what_a_sum_by_hand_says() -> None:
    w = world(2)
    days = w.days(DAY)
    home = days.memberships.filter(pl.col("day") == BEFORE).select("user_id", "community_id")
    rows = days.engagement.join(days.labels, on="item_id").join(home, on="user_id", how="left")
    inside = rows.filter(pl.col("community_id") == "c01")
    outside = rows.filter(pl.col("community_id").ne_missing("c01"))

    def share(frame: pl.DataFrame) -> float:
        mine = frame.filter(pl.col("interest_id") == INTERESTS[3])
        return float(mine["strength"].sum()) / float(frame["strength"].sum())

    found = row(measured(w, days), SHARE, "c01", INTERESTS[3])
    assert found["value"] == pytest.approx(share(inside))
    assert found["baseline"] == pytest.approx(share(outside))
    assert found["difference"] == pytest.approx(share(inside) - share(outside))
    assert found["members"] == inside["user_id"].n_unique()
    assert found["engaged"] == inside.filter(pl.col("interest_id") == INTERESTS[3])["user_id"].n_unique()
    assert found["others"] == outside["user_id"].n_unique()
    everybody = share(rows)
    assert found["scale"] == pytest.approx(np.sqrt(everybody * (1 - everybody)))


def test_error_of_a_share_is_of_two_independent_groups_with_users_as_units() -> None:
    rng = np.random.default_rng(4)
    home = np.repeat([0, -1], [60, 200])
    share = rng.beta(2, 3, 260)
    engaged = np.stack([share, 1 - share], axis=1)  # everybody's total is 1, so the ratio is a mean
    found = row(measure(made(engaged, home), supplied(1, 1)), SHARE)
    inside, outside = share[:60], share[60:]
    assert found["difference"] == pytest.approx(inside.mean() - outside.mean())
    assert found["std_error"] == pytest.approx(np.sqrt(inside.var(ddof=1) / 60 + outside.var(ddof=1) / 200))
    assert found["unit_sd"] == pytest.approx(inside.std(ddof=1))
    assert found["unit_mean"] == pytest.approx(inside.mean())
    assert found["effective_users"] == pytest.approx(60)


@pytest.mark.parametrize(("hits", "other_hits"), [(12, 30), (0, 40), (25, 0)])
def test_error_of_adoption_is_agresti_and_caffo_s(hits: int, other_hits: int) -> None:
    n, m = 25, 120
    home = np.repeat([0, -1], [n, m])
    touched = np.concatenate([np.arange(n) < hits, np.arange(m) < other_hits])
    engaged = np.stack([touched * 0.3, np.full(n + m, 0.7)], axis=1)
    found = row(measure(made(engaged, home), supplied(1, 1)), ADOPTION)
    low, high = confint_proportions_2indep(hits, n, other_hits, m, method="agresti-caffo", compare="diff", alpha=0.1)
    assert found["std_error"] == pytest.approx((high - low) / 2 / Z90)
    assert found["difference"] == pytest.approx(hits / n - other_hits / m)
    rate = hits / n
    assert found["unit_sd"] == pytest.approx(np.sqrt(rate * (1 - rate)))


def test_adoption_leaves_out_who_had_engaged_before() -> None:
    home = np.repeat([0, -1], [50, 50])
    engaged = np.stack([np.tile([0.5, 0.0], 50), np.ones(100)], axis=1)
    prior = np.zeros((100, 2))
    prior[:25, 0] = 1  # thirteen of whom engage in the window
    found = row(measure(made(engaged, home, prior=prior), supplied(1, 1)), ADOPTION)
    assert (found["members"], found["engaged"], found["others"]) == (25, 12, 50)
    assert found["value"] == pytest.approx(12 / 25)


def test_gap_is_against_the_share_of_new_supply_with_its_sampling_error() -> None:
    rng = np.random.default_rng(6)
    home = np.repeat([0, -1], [60, 100])
    share = rng.beta(3, 3, 160)
    window = made(np.stack([share, 1 - share], axis=1), home)
    supply = supplied(3, 9, days=2, items=(40, 60)).vstack(
        pl.DataFrame({"day": [DAY], "interest_id": ["never engaged with"], "supply": [6.0], "items": [50]})
    )
    found = row(measure(window, supply), GAP)
    assert (found["supply"], found["supply_total"]) == (6, 30)
    assert found["baseline"] == pytest.approx(0.2)
    assert found["difference"] == pytest.approx(share[:60].mean() - 0.2)
    assert found["std_error"] == pytest.approx(np.sqrt(share[:60].var(ddof=1) / 60 + 0.2 * 0.8 / 30))
    assert found["bias_bound"] == pytest.approx(
        abs(0.2 - 40 / 125)
    )  # the third interest's 50 items are a day's mean of 25
    assert row(measure(window, supply), SHARE)["supply"] is None


def test_without_new_items_the_items_on_offer_are_the_supply() -> None:
    window = made(np.ones((60, 2)), np.repeat([0, -1], 30))
    supply = supply_of(window, supplied(0, 0, days=3, items=(10, 30)))
    np.testing.assert_allclose(supply.share, [0.25, 0.75])
    assert supply.total == 40
    np.testing.assert_allclose(supply.offered, supply.share)


def test_strength_per_exposure_compares_showings_and_reports_the_mean_over_interests() -> None:
    rng = np.random.default_rng(7)
    home = np.repeat([0, -1], [40, 60])
    shown = rng.poisson(4, (100, 2)) + 1.0
    strength = shown * rng.random((100, 2))
    exposure = exposed("observational", strength, shown)
    outcomes = measure(made(strength, home, exposure=exposure), supplied(1, 1))
    found = row(outcomes, EXPOSURE)
    assert found["value"] == pytest.approx(strength[:40, 0].sum() / shown[:40, 0].sum())
    assert found["baseline"] == pytest.approx(strength[40:, 0].sum() / shown[40:, 0].sum())
    assert found["community_mean"] == pytest.approx(strength[:40].sum() / shown[:40].sum())
    assert found["effective_rows"] == pytest.approx(shown[:40, 0].sum())
    assert found["evaluability"] == "observational"
    fair = row(measure(made(strength, home, exposure=replace(exposure, basis="propensity")), supplied(1, 1)), EXPOSURE)
    assert (fair["evaluability"], fair["bias_bound"]) == ("propensity", 0.0)
    assert fair["difference"] == pytest.approx(found["difference"])


def test_the_gain_of_a_boost_is_beside_what_members_are_shown_now() -> None:
    rng = np.random.default_rng(7)
    home = np.repeat([0, -1], [40, 60])
    shown = rng.poisson(4, (100, 2)) + 1.0
    strength = shown * rng.random((100, 2))
    exposure = exposed("propensity", strength, shown)
    found = row(measure(made(strength, home, exposure=exposure), supplied(1, 1)), GAIN)
    now = strength[:40].sum() / shown[:40].sum()
    assert found["value"] == pytest.approx(strength[:40, 0].sum() / shown[:40, 0].sum())
    assert found["baseline"] == found["community_mean"] == pytest.approx(now)
    assert found["served_share"] == pytest.approx(shown[:40, 0].sum() / shown[:40].sum())
    assert found["popularity"] == pytest.approx(strength[:, 0].sum() / shown[:, 0].sum() - strength.sum() / shown.sum())
    assert (found["evaluability"], found["bias_bound"], found["cut_share"]) == ("propensity", 0.0, 0.0)
    observational = measure(made(strength, home, exposure=replace(exposure, basis="observational")), supplied(1, 1))
    assert GAIN not in set(observational["metric"]), "the feed's choices would be part of it"


@pytest.mark.parametrize(
    ("share", "expected"), [(0.09, None), (0.11, "more than 10% of the showings' weight is cut off")]
)
def test_too_little_overlap_is_no_number(share: float, expected: str | None) -> None:
    rng = np.random.default_rng(3)
    shown, liked = np.full((100, 2), 4.0), rng.random((100, 2))
    cut = sparse.csr_array(shown * share / (1 - share))
    exposure = replace(exposed("propensity", liked * shown, shown), cut=cut)
    outcomes = measure(made(liked, np.repeat([0, -1], [40, 60]), exposure=exposure), supplied(1, 1))
    assert reason(outcomes, EXPOSURE) == reason(outcomes, GAIN) == expected
    assert row(outcomes, GAIN)["cut_share"] == pytest.approx(share)


def test_bias_bound_is_the_shift_of_the_comparison_at_the_members_mix_of_activity() -> None:
    # Three interests, of which a user engages with one (class 0) or two (class 1).
    light, heavy = [1.0, 0.0, 0.0], [1.0, 3.0, 0.0]
    engaged = np.array([light] * 10 + [heavy] * 30 + [light] * 80 + [heavy] * 20)
    engaged[0, 0], engaged[50, 0] = 1.5, 1.5  # otherwise nothing varies within a class
    home = np.repeat([0, -1], [40, 100])
    window = made(engaged, home)
    assert set(window.stratum.tolist()) == {0, 1}
    found = row(measure(window, supplied(1, 1, 1)), SHARE)
    light_weight = engaged[:10].sum() / engaged[:40].sum()
    adjusted = light_weight * 1.0 + (1 - light_weight) * 0.25
    assert found["bias_bound"] == pytest.approx(abs(found["baseline"] - adjusted))
    assert found["bias_bound"] > 0.1
    # Adoption counts every user once: of the others, no light one takes up the second interest, every heavy one does.
    adoption = row(measure(window, supplied(1, 1, 1)), ADOPTION, interest="i1")
    assert adoption["baseline"] == pytest.approx(0.2)
    assert adoption["bias_bound"] == pytest.approx(30 / 40 - 0.2)


def test_fairly_drawn_showings_need_no_bias_bound() -> None:
    rng = np.random.default_rng(2)
    engaged = np.where(rng.random((200, 8)) < rng.uniform(0.2, 0.9, (200, 1)), rng.random((200, 8)), 0.0)
    shown = np.ones((200, 8))

    def bound(basis: str) -> float:
        exposure = exposed(basis, engaged, shown)
        window = made(engaged, np.repeat([0, -1], [60, 140]), exposure=exposure)
        return float(row(measure(window, supplied(*[1.0] * 8)), EXPOSURE)["bias_bound"])

    assert bound("observational") > 0.001
    assert bound("propensity") == bound("random_exposure") == 0.0


def test_bias_bound_holds_what_activity_alone_explains() -> None:
    # Busy users care more for the first interest, whoever they are; all members are busy. No effect of belonging.
    rng = np.random.default_rng(11)
    n = 800
    home = np.where(np.arange(n) < 150, 0, -1)
    busy = (home == 0) | (rng.random(n) < 0.2)
    share = rng.beta(np.where(busy, 6, 2), 8)
    rest = (1 - share)[:, None] * np.where(
        busy[:, None], rng.dirichlet(np.full(8, 9.0), n), np.eye(8)[rng.integers(0, 8, n)]
    )
    found = row(measure(made(np.column_stack([share, rest]), home), supplied(*[1.0] * 9)), SHARE)
    assert found["difference"] > 5 * found["std_error"]
    assert found["difference"] - found["bias_bound"] < 3 * found["std_error"]


# --- coverage -----------------------------------------------------------------------------------------------------

PROFILE = np.array([[0.35, 0.25, 0.2, 0.12, 0.08], [0.15, 0.3, 0.25, 0.2, 0.1], [0.2, 0.2, 0.2, 0.2, 0.2]])
LIKED = np.array([[0.5, 0.3, 0.2, 0.4, 0.6], [0.3, 0.3, 0.3, 0.3, 0.3], [0.4, 0.35, 0.2, 0.3, 0.5]])
CONCENTRATION, SHAPE, MEAN = 15.0, 2.0, 8.0


def drawn(rng: np.random.Generator, sizes: tuple[int, ...]) -> Window:
    """Users who vary around their group's profile, in activity, and in what they make of a showing."""
    home = np.repeat([0, 1, -1], sizes)
    n = len(home)
    preference = rng.gamma(CONCENTRATION * PROFILE[home])
    preference /= preference.sum(axis=1, keepdims=True)  # Dirichlet
    count = rng.poisson(rng.gamma(SHAPE, MEAN / SHAPE, n)[:, None] * preference)
    engaged = count * rng.uniform(0.2, 0.8, count.shape)
    shown = rng.poisson(rng.gamma(SHAPE, 3.0, n)[:, None] * np.ones(5)).astype(float)
    liked = np.clip(LIKED[home] + rng.uniform(-0.2, 0.2, (n, 5)), 0, 1)
    return made(engaged, home, exposure=exposed("random_exposure", shown * liked, shown))


def expected_values(sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Metric -> (2, 5) true difference: from the profiles, and for adoption by a large draw of activities."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(SHAPE, MEAN / SHAPE, 400_000)
    part = rng.beta(CONCENTRATION * PROFILE[..., None], CONCENTRATION * (1 - PROFILE[..., None]), (3, 5, 400_000))
    active = 1 - (1 + MEAN / SHAPE) ** -SHAPE
    adopts = (1 - np.exp(-rate * part)).mean(axis=2) / active

    def less_others(of: np.ndarray) -> np.ndarray:
        size = np.array(sizes, dtype=float)[:, None]
        others = ((size * of).sum(axis=0) - (size * of)[:2]) / (size.sum() - size[:2])
        return of[:2] - others

    # Every interest is shown as often, so a showing as it is brings the mean over interests.
    gained = (LIKED - LIKED.mean(axis=1, keepdims=True))[:2]
    return {SHARE: less_others(PROFILE), ADOPTION: less_others(adopts), EXPOSURE: less_others(LIKED), GAIN: gained}


def test_intervals_cover_the_truth_nine_times_in_ten() -> None:
    sizes, replicates = (60, 90, 150), 150
    offered = np.array([0.1, 0.3, 0.3, 0.2, 0.1])
    truth = expected_values(sizes) | {GAP: PROFILE[:2] - offered}
    off: dict[str, list[np.ndarray]] = {metric: [] for metric in truth}
    for seed in range(replicates):
        rng = np.random.default_rng([seed, 1])
        outcomes = measure(drawn(rng, sizes), supplied(*rng.multinomial(80, offered)))
        for metric, true in truth.items():
            rows = outcomes.filter(pl.col("metric") == metric)
            found, error = (rows[c].to_numpy().reshape(2, 5) for c in ("difference", "std_error"))
            off[metric].append((found - true) / error)
    for metric, parts in off.items():
        z = np.stack(parts)
        assert 0.87 < (np.abs(z) <= Z90).mean() < 0.93, metric
        assert np.abs(z.mean(axis=0)).max() < 4 / np.sqrt(replicates) + 0.1, metric  # each pair on its own is unbiased
        assert 0.92 < z.std() < 1.09, metric


# --- what it refuses to answer ------------------------------------------------------------------------------------


def reason(outcomes: pl.DataFrame, metric: str = SHARE) -> str | None:
    found = row(outcomes, metric)
    assert (found["evaluability"] == "not_evaluable") == (found["why_not"] is not None)
    assert all((found[n] is None) == (found["why_not"] is not None) for n in NUMBERS)
    return found["why_not"]


def mixed(n: int, seed: int = 0) -> np.ndarray:
    share = np.random.default_rng(seed).beta(2, 2, n)
    return np.stack([share, 1 - share], axis=1)


@pytest.mark.parametrize(
    ("members", "others", "expected"),
    [
        (MIN_USERS, MIN_USERS, None),
        (MIN_USERS - 1, 100, "fewer than 20 active members"),
        (100, MIN_USERS - 1, "fewer than 20 active users to compare with"),
    ],
)
def test_too_few_on_either_side_is_no_number(members: int, others: int, expected: str | None) -> None:
    outcomes = measure(made(mixed(members + others), np.repeat([0, -1], [members, others])), supplied(1, 1))
    assert reason(outcomes, SHARE) == expected
    assert reason(outcomes, ADOPTION) == expected


@pytest.mark.parametrize(
    ("disclosure_k", "members", "others", "expected"),
    [
        (50, 50, 50, None),
        (50, 49, 100, "fewer than 50 active members"),
        (50, 100, 49, "fewer than 50 active users to compare with"),
        (5, MIN_USERS - 1, 100, "fewer than 20 active members"),  # too few for the interval, whoever may be told of
    ],
)
def test_a_number_rests_on_no_fewer_users_than_may_be_told_of(
    disclosure_k: int, members: int, others: int, expected: str | None
) -> None:
    window = made(mixed(members + others), np.repeat([0, -1], [members, others]))
    assert reason(measure(window, supplied(1, 1), disclosure_k), SHARE) == expected


def test_inactive_members_do_not_count() -> None:
    engaged = mixed(100)
    engaged[:5] = 0
    found = measure(made(engaged, np.repeat([0, -1], [24, 76])), supplied(1, 1))
    assert reason(found) == "fewer than 20 active members"


def test_a_few_heavy_users_are_not_a_community() -> None:
    engaged = mixed(200)
    engaged[:2] *= 500
    home = np.repeat([0, -1], [50, 150])
    assert reason(measure(made(engaged, home), supplied(1, 1))) == "a few users make up most of the activity"
    assert reason(measure(made(engaged, home), supplied(1, 1)), ADOPTION) is None  # there every user counts once


def test_nothing_supplied_and_nothing_varying_are_no_numbers() -> None:
    home = np.repeat([0, -1], [50, 50])
    assert reason(measure(made(mixed(100), home), supplied(0, 0, items=(0, 0))), GAP) == "no supply to compare with"
    alike = measure(made(np.ones((100, 2)), home), supplied(1, 1))
    assert reason(alike) == "no variation between users"


@pytest.mark.parametrize(
    ("basis", "expected"), [("propensity", "fewer than 30 comparable showings"), ("observational", None)]
)
def test_a_handful_of_weighted_showings_is_no_number(basis: str, expected: str | None) -> None:
    rng = np.random.default_rng(1)
    shown = np.ones((100, 2))
    liked = rng.random((100, 2))
    square = shown.copy()
    square[:25] = 2.0  # 25 members with an effective number of 25 / 2 showings
    exposure = exposed(basis, liked, shown, square)
    window = made(liked, np.repeat([0, -1], [25, 75]), exposure=exposure)
    assert reason(measure(window, supplied(1, 1)), EXPOSURE) == expected


def test_nobody_to_measure_is_an_empty_frame_of_the_right_shape() -> None:
    w = world(1, users=60)
    days = w.days(DAY)
    assert measure(cut(days, []), days.interest_daily).schema == pl.Schema(OUTCOME_SCHEMA)
    later = replace(days, engagement=days.engagement.clear())
    assert measure(cut(later, w.communities), days.interest_daily).is_empty()


# --- invariances --------------------------------------------------------------------------------------------------


def shuffled(days: Days, seed: int = 5) -> Days:
    def mix(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=seed)

    return Days(
        engagement=mix(days.engagement), labels=mix(days.labels), memberships=mix(days.memberships),
        user_interests=mix(days.user_interests), interest_daily=mix(days.interest_daily),
    )  # fmt: skip


def test_order_of_rows_does_not_show() -> None:
    w = world(3, users=300)
    days = w.days(DAY, exposed=True)
    one, two = measured(w, days), measured(w, shuffled(days))
    assert set(one["metric"]) == {SHARE, ADOPTION, GAP, EXPOSURE}
    assert_frame_equal(one, two, check_exact=True)


def test_names_of_users_do_not_show() -> None:
    w = world(3, users=300)
    days = w.days(DAY, exposed=True)
    new = dict(zip(w.users, np.random.default_rng(1).permutation([f"z{k}" for k in range(300)]).tolist(), strict=True))

    def rename(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("user_id").replace_strict(new))

    renamed = replace(
        days, engagement=rename(days.engagement), memberships=rename(days.memberships),
        user_interests=rename(days.user_interests),
    )  # fmt: skip
    assert_frame_equal(measured(w, days), measured(w, renamed), rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("day", [DAY + timedelta(1), DAY - timedelta(7)])
def test_days_outside_the_window_do_not_show(day: date) -> None:
    w = world(3, users=200)
    days = w.days(DAY)
    stranger = days.engagement.with_columns(day=pl.lit(day), strength=pl.lit(1.0))
    assert_frame_equal(
        measured(w, days),
        measured(w, replace(days, engagement=days.engagement.vstack(stranger.select(days.engagement.columns)))),
    )
