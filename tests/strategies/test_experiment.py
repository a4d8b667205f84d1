"""Experiment plans: sample sizes, units, leakage, correlation within communities and time, against closed forms."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import norm
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import TTestIndPower, zt_ind_solve_power
from strategies_world import DAY, INTERESTS, World, full_graph, taxonomy, world

from coterie.strategies.days import Days
from coterie.strategies.experiment import (
    LEAST_DAYS,
    LEVEL,
    MOST_DAYS,
    MOVED_SHOWINGS,
    POWER,
    UNIT_SCHEMA,
    Traffic,
    choose_unit,
    detectable,
    intra_cluster_correlation,
    plan,
    plans_of_day,
    tie_leakage,
    traffic,
    unit_statistics,
    users_needed,
)
from coterie.strategies.gain import gain
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, MIN_USERS, SHARE, measure
from coterie.strategies.propose import PROPOSED, strategies_of_day
from coterie.strategies.window import build_window
from coterie.tables import EXPERIMENT_PLANS, STRATEGIES, USER_GRAPH

# --- sample sizes -------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.floats(0.02, 0.9), st.floats(0.001, 0.05), st.floats(0.01, 10))
def test_users_needed_is_the_closed_form(ratio: float, alpha: float, sd: float) -> None:
    z = norm.isf(alpha / 2) + norm.ppf(POWER)
    assert users_needed(ratio * sd, sd, alpha) == pytest.approx(2 * (z / ratio) ** 2, rel=1e-3)


@pytest.mark.parametrize(("effect", "alpha"), [(0.1, 0.05), (0.05, 0.005), (0.3, 0.01)])
def test_users_needed_agrees_with_the_power_functions_of_statsmodels(effect: float, alpha: float) -> None:
    n = users_needed(effect, 1.0, alpha)
    assert n == pytest.approx(zt_ind_solve_power(effect_size=effect, alpha=alpha, power=0.8), rel=1e-6)
    assert n == pytest.approx(TTestIndPower().solve_power(effect_size=effect, alpha=alpha, power=0.8), rel=0.03)


def test_so_many_users_do_find_the_effect_four_times_in_five() -> None:
    sd, effect, alpha = 0.3, 0.06, 0.01
    n = math.ceil(users_needed(effect, sd, alpha))
    rng = np.random.default_rng(1)
    treated, control = rng.normal(effect, sd, (2000, n)), rng.normal(0, sd, (2000, n))
    z = (treated.mean(axis=1) - control.mean(axis=1)) / (sd * np.sqrt(2 / n))
    assert (np.abs(z) > norm.isf(alpha / 2)).mean() == pytest.approx(0.8, abs=0.04)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 0.9), st.floats(0.001, 0.05), st.floats(0.01, 10))
def test_detectable_is_the_inverse(ratio: float, alpha: float, sd: float) -> None:
    assert detectable(users_needed(ratio * sd, sd, alpha), sd, alpha) == pytest.approx(ratio * sd, rel=1e-3)


def test_effects_beyond_one_standard_deviation_ask_for_no_smaller_test() -> None:
    assert users_needed(5.0, 1.0, 0.05) == users_needed(1.0, 1.0, 0.05)


# --- unit ---------------------------------------------------------------------------------------------------------


def test_unit_by_hand() -> None:
    # Half of the nine in ten ties within lead to the other arm: contrast 0.55. Communities: half of one in ten, 0.95,
    # but a design effect of 1 + 49 * 0.02.
    unit, users, across, design = choose_unit(users=1000, leakage=0.1, icc=0.02, size=50, clusters=200)
    assert (unit, across, design) == ("community", pytest.approx(0.05), pytest.approx(1.98))
    assert users == pytest.approx(1000 * 1.98 / 0.95**2)
    unit, users, across, design = choose_unit(users=1000, leakage=0.1, icc=0.1, size=50, clusters=200)
    assert (unit, across, design) == ("user", pytest.approx(0.45), 1.0)
    assert users == pytest.approx(1000 / 0.55**2)


@pytest.mark.parametrize(("clusters", "unit"), [(7, "user"), (8, "community")])
def test_communities_are_randomised_only_if_there_are_four_for_each_arm(clusters: int, unit: str) -> None:
    assert choose_unit(users=100, leakage=0.0, icc=0.0, size=50, clusters=clusters)[0] == unit


@pytest.mark.parametrize(("clusters", "unit"), [(19, "user"), (20, "community")])
def test_and_only_if_they_hold_the_users_needed(clusters: int, unit: str) -> None:
    assert choose_unit(users=500, leakage=0.0, icc=0.0, size=50, clusters=clusters)[0] == unit


@settings(deadline=None)
@given(st.floats(10, 1e5), st.floats(0, 1), st.floats(0, 1), st.floats(1, 500), st.integers(1, 1000))
def test_the_unit_chosen_needs_no_more_users_than_the_other(
    users: float, leakage: float, icc: float, size: float, clusters: int
) -> None:
    unit, needed, across, design = choose_unit(users=users, leakage=leakage, icc=icc, size=size, clusters=clusters)
    assert needed >= users
    assert needed == pytest.approx(users * design / (1 - across) ** 2)
    assert needed <= users / (1 - (1 - leakage) / 2) ** 2 + 1e-6  # users are always possible
    assert design == 1.0 or unit == "community"


# --- leakage and traffic ------------------------------------------------------------------------------------------


def ties(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=USER_GRAPH.schema, orient="row")


def at_home(**home: str) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(home), "community_id": list(home.values())})


def test_leakage_by_hand() -> None:
    graph = ties(("a", "b", 1.0), ("b", "c", 0.5), ("b", "x", 0.25), ("c", "d", 2.0), ("x", "y", 9.0))
    found = tie_leakage(graph, at_home(a="c1", b="c1", c="c2", d="c2", e="c3"))
    # c1: 1 counts for a and for b, 0.5 leads to c2, 0.25 to somebody without a community.
    assert found == {"c1": pytest.approx(0.75 / 2.75), "c2": pytest.approx(0.5 / 4.5), "c3": 0.0}


@settings(deadline=None)
@given(st.permutations(range(10)), st.booleans())
def test_leakage_knows_no_order_and_no_direction(order: list[int], turn: bool) -> None:
    rng = np.random.default_rng(1)
    pairs = [
        (f"u{i}", f"u{i + j}", float(w))
        for i, j, w in zip(range(10), rng.integers(1, 5, 10), rng.random(10), strict=True)
    ]
    home = at_home(**{f"u{k}": f"c{k % 3}" for k in range(12)})
    turned = [(b, a, w) if turn else (a, b, w) for a, b, w in pairs]
    assert tie_leakage(ties(*(turned[k] for k in order)), home[::-1]) == tie_leakage(ties(*pairs), home)


def test_traffic_counts_days_and_strength_of_members_silent_ones_too() -> None:
    rows = [("a", 0, 0.5), ("a", 0, 0.25), ("a", 3, 0.25), ("b", 1, 0.4), ("x", 2, 1.0)]
    engagement = pl.DataFrame(
        [(DAY - timedelta(d), u, s) for u, d, s in rows],
        schema={"day": pl.Date, "user_id": pl.String, "strength": pl.Float64}, orient="row",
    )  # fmt: skip
    found = traffic(engagement, at_home(a="c1", b="c1", silent="c1", e="c2"))
    np.testing.assert_array_equal(found["c1"].active_days, [1, 1, 1, 0, 0, 0, 0, 0])
    daily = np.array([1.0, 0.4, 0.0]) / 7
    assert found["c1"].guardrail_mean == pytest.approx(daily.mean())
    assert found["c1"].guardrail_sd == pytest.approx(daily.std(ddof=1))
    assert found["c2"].guardrail_sd == 0.0


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), min_size=8, max_size=8), st.integers(1, 28))
def test_reach_is_that_of_independent_days(active: list[int], days: int) -> None:
    here = Traffic(np.array(active), 0.0, 0.0)
    by_hand = sum(n * (1 - (1 - k / 7) ** days) for k, n in enumerate(active))
    assert here.reach(days) == pytest.approx(by_hand)
    assert here.reach(1) == pytest.approx(sum(n * k for k, n in enumerate(active)) / 7)  # members there on a day
    assert here.reach(days) <= here.reach(days + 1) + 1e-9
    assert here.reach(days) <= sum(active[1:]) + 1e-9


# --- correlation within communities -------------------------------------------------------------------------------


def clustered(seed: int, sizes: list[int], between: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(len(sizes)), sizes)
    return code, rng.normal(0, np.sqrt(between), len(sizes))[code] + rng.normal(0, np.sqrt(1 - between), len(code))


def icc_of(code: np.ndarray, values: np.ndarray) -> float:
    count = np.bincount(code).astype(float)
    first, second = (np.bincount(code, weights=values**k).astype(float) for k in (1, 2))
    return float(intra_cluster_correlation(count[:, None], first[:, None], second[:, None])[0])


@pytest.mark.parametrize("sizes", [[10] * 6, [3, 20, 7, 40]])
def test_icc_is_that_of_the_analysis_of_variance(sizes: list[int]) -> None:
    code, values = clustered(3, sizes, 0.3)
    table = anova_lm(smf.ols("y ~ C(c)", data=pd.DataFrame({"y": values, "c": code})).fit())
    between, within = table["mean_sq"].to_list()
    n = np.array(sizes)
    m0 = (n.sum() - (n**2).sum() / n.sum()) / (len(n) - 1)
    assert icc_of(code, values) == pytest.approx((between - within) / (between + (m0 - 1) * within))


@pytest.mark.parametrize("truth", [0.05, 0.3])
def test_icc_recovers_the_truth_and_with_it_the_design_effect(truth: float) -> None:
    sizes, found, means = [25] * 40, [], []
    for seed in range(60):
        code, values = clustered(seed, sizes, truth)
        found.append(icc_of(code, values))
        means.append(values.mean())
    assert np.mean(found) == pytest.approx(truth, abs=0.03)
    # The variance of a mean over whole clusters is the design effect times that of independent users.
    assert np.var(means) * 1000 == pytest.approx(1 + 24 * truth, rel=0.5)


def test_icc_is_zero_where_it_is_not_defined_or_negative() -> None:
    one = np.array([[5.0]])
    assert intra_cluster_correlation(one, one, one).tolist() == [0.0]
    alike = np.tile([0.0, 1.0], 10)
    assert icc_of(np.repeat(np.arange(10), 2), alike) == 0.0
    singles = np.ones((4, 1))
    assert intra_cluster_correlation(singles, singles * 2, singles * 4).tolist() == [0.0]


def test_icc_of_a_share_is_that_of_its_members_where_all_are_equally_active() -> None:
    rng = np.random.default_rng(5)
    home = np.repeat(np.arange(6), 40)
    share = np.clip(rng.normal(0.4, 0.1, 6)[home] + rng.normal(0, 0.1, 240), 0.01, 0.99)
    users = [f"u{k:03d}" for k in range(240)]
    rows = pl.concat(
        [
            pl.DataFrame({"day": [DAY] * 240, "user_id": users, "item_id": x, "strength": s})
            for x, s in (("x0", 0.5 * share), ("x1", 0.5 * (1 - share)))
        ]
    ).with_columns(exposures=pl.lit(1), exposure_logged=pl.lit(False))
    window = build_window(
        engagement=rows,
        labels=pl.DataFrame({"item_id": ["x0", "x1"], "interest_id": ["i0", "i1"], "weight": [1.0, 1.0]}),
        members=pl.DataFrame({"user_id": users, "community_id": [f"c{h}" for h in home]}),
        prior=pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64}),
    )
    supply = pl.DataFrame({"day": [DAY] * 2, "interest_id": ["i0", "i1"], "supply": [1.0, 1.0], "items": [1, 1]})
    units = unit_statistics(window, measure(window, supply))
    assert units.schema == pl.Schema(UNIT_SCHEMA)
    row = units.row(
        by_predicate=(pl.col("community_id") == "c2") & (pl.col("interest_id") == "i0") & (pl.col("metric") == SHARE)
    )
    assert row[3] == pytest.approx(share[home == 2].mean())
    assert row[4] == pytest.approx(share[home == 2].std(ddof=1))
    assert row[5] == pytest.approx(icc_of(home, share))
    assert row[5] > 0.2
    # The gap is about the same members' shares, adoption is complete and so has no variation to plan with.
    gap = units.filter(pl.col("metric") == GAP, pl.col("interest_id") == "i0")
    assert gap["icc"].to_list() == pytest.approx([row[5]] * 6)
    assert units.filter(pl.col("metric") == ADOPTION)["unit_sd"].to_list() == [0.0] * 12


# --- plans --------------------------------------------------------------------------------------------------------


def suggestions(*effects: float, status: str = PROPOSED) -> pl.DataFrame:
    rows = [
        {"strategy_id": f"s-{k}", "kind": "boost_interest", "community_id": "c0", "interest_id": INTERESTS[k],
         "action": "{}", "users_affected": 100, "metric": SHARE, "baseline": 0.2, "effect": e, "status": status}
        for k, e in enumerate(effects)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=STRATEGIES.schema)


def units(n: int, sd: float = 0.3, icc: float = 0.0) -> pl.DataFrame:
    rows = [("c0", INTERESTS[k], SHARE, 0.25, sd, icc) for k in range(n)]
    return pl.DataFrame(rows, schema=UNIT_SCHEMA, orient="row")


def everyday(users: int, communities: int = 1) -> dict[str, Traffic]:
    active = np.array([0] * 7 + [users])
    return {f"c{k}": Traffic(active, 0.5, 0.1) for k in range(communities)}


def test_level_is_divided_by_the_proposals_of_the_day() -> None:
    withheld = suggestions(0.9, status="withheld: x").with_columns(strategy_id=pl.lit("w"))
    rows = pl.concat([suggestions(0.2, 0.1, 0.1, 0.1), withheld])
    plans = plan(strategies=rows, units=units(4), leakage={"c0": 1.0}, traffic=everyday(5000))
    assert plans["strategy_id"].to_list() == ["s-0", "s-1", "s-2", "s-3"]
    assert plans["alpha_adjusted"].to_list() == [LEVEL / 4] * 4
    assert plans["mde"].to_list() == [0.1, 0.05, 0.05, 0.05]
    z = norm.isf(LEVEL / 8) + norm.ppf(POWER)
    assert plans["users_per_arm"][1] == pytest.approx(2 * (z * 0.3 / 0.05) ** 2, abs=2)


def test_a_gain_is_measured_on_the_showings_that_move() -> None:
    rows = pl.concat([suggestions(0.2).with_columns(metric=pl.lit(GAIN)), suggestions(0.2, 0.2)[1:]])
    both = units(2).with_columns(metric=pl.Series([GAIN, SHARE]))
    plans = plan(strategies=rows, units=both, leakage={}, traffic=everyday(5000)).sort("strategy_id")
    moved, shared = (json.loads(text)["primary"] for text in plans["metrics"])
    assert moved["measured_on"] == MOVED_SHOWINGS
    assert "measured_on" not in shared
    assert plans["users_per_arm"].n_unique() == 1


def test_a_gain_has_the_correlation_of_what_a_showing_brings() -> None:
    rng = np.random.default_rng(2)
    rows = [(f"u{k:03d}", f"x{k % 5}", 4, float(rng.binomial(4, 0.2 + 0.15 * (k // 50)))) for k in range(150)]
    rows += [(f"u{k:03d}", f"y{k % 5}", 4, float(rng.binomial(4, 0.5))) for k in range(150)]
    items = [(f"{letter}{k}", interest, 1.0) for letter, interest in (("x", "a"), ("y", "b")) for k in range(5)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "exposures", "strength"], orient="row")
    window = build_window(
        engagement=frame.with_columns(day=pl.lit(DAY), exposure_logged=pl.lit(True)),
        labels=pl.DataFrame(items, schema=["item_id", "interest_id", "weight"], orient="row"),
        members=pl.DataFrame([(f"u{k:03d}", f"c{k // 50}") for k in range(150)],
                             schema=["user_id", "community_id"], orient="row"),
        prior=pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64}),
        exposed=frame.select("user_id", "item_id", pl.col("strength") / 4, weight=pl.lit(4.0)), basis="propensity",
    )  # fmt: skip
    supply = pl.DataFrame({"day": [DAY] * 2, "interest_id": ["a", "b"], "supply": [1.0, 1.0], "items": [1, 1]})
    outcomes = measure(window, supply)
    found = unit_statistics(window, outcomes).filter(pl.col("interest_id") == "a")
    by_metric = {m: (icc, sd) for m, icc, sd in found.select("metric", "icc", "unit_sd").iter_rows()}
    assert by_metric[GAIN][0] == by_metric[EXPOSURE][0] > 0.1
    gains = outcomes.filter(pl.col("metric") == GAIN, pl.col("interest_id") == "a")
    # Both arms are shown the same items, so users alone are the noise of a test: there may be less than of a forecast.
    assert (gains["unit_sd"] <= gains["std_error"] * 50**0.5 + 1e-12).all()

    assert window.exposure is not None
    of_it = gain(window.exposure, window.members)
    assert of_it is not None
    np.testing.assert_allclose(gains["unit_sd"], (50 * of_it.of_users[:, 0]) ** 0.5)
    # A member is shown 4 items of the interest a week, of which a boost adds a fifth; the error rests on one row each.
    assert by_metric[GAIN][1] == pytest.approx(float(gains["unit_sd"][-1]) * (50 / (0.2 * 4 * 50)) ** 0.5)


def test_ties_to_the_other_arm_ask_for_more_users() -> None:
    def per_arm(leakage: float) -> int:
        plans = plan(strategies=suggestions(0.1), units=units(1), leakage={"c0": leakage}, traffic=everyday(50_000))
        assert plans["unit"].to_list() == ["user"]
        assert plans["leakage"].item() == leakage
        return int(plans["users_per_arm"].item())

    assert per_arm(0.0) == pytest.approx(4 * per_arm(1.0), abs=4)  # all ties within, half of them across
    assert per_arm(0.5) == pytest.approx(per_arm(1.0) / 0.75**2, abs=2)


def test_communities_pay_the_design_effect_and_may_use_everybody() -> None:
    plans = plan(strategies=suggestions(0.1), units=units(1, icc=0.01), leakage={"c0": 0.0}, traffic=everyday(51, 60))
    row = plans.row(0, named=True)
    metrics = json.loads(row["metrics"])
    assert row["unit"] == "community"
    assert metrics["design_effect"] == pytest.approx(1.5)
    assert row["users_per_arm"] == pytest.approx(1.5 * users_needed(0.05, 0.3, LEVEL), abs=1)
    assert row["days"] == LEAST_DAYS  # 60 communities of 51 users, while 51 alone would never do
    assert row["icc"] == 0.01


def test_days_are_the_first_on_which_both_arms_are_full() -> None:
    per_arm = math.ceil(users_needed(0.06, 0.3, LEVEL))  # nothing leaks to the other arm at a leakage of 1
    weekly = Traffic(np.array([0, 1000, 0, 0, 0, 0, 0, 0]), 0.5, 0.1)  # active one day in seven
    plans = plan(strategies=suggestions(0.12), units=units(1), leakage={"c0": 1.0}, traffic={"c0": weekly})
    days = plans["days"].item()
    assert LEAST_DAYS < days < MOST_DAYS
    assert weekly.reach(days) >= 2 * per_arm > weekly.reach(days - 1)


def test_a_community_that_is_too_small_gets_no_days_but_what_it_could_detect() -> None:
    plans = plan(strategies=suggestions(0.1), units=units(1), leakage={"c0": 0.4}, traffic=everyday(200))
    assert plans["days"].to_list() == [None]
    could = json.loads(plans["metrics"].item())["detectable_by_all_members"]
    assert could > plans["mde"].item()
    # A suggestion of twice that effect could be tested with all of them, and with no fewer.
    enough = plan(strategies=suggestions(2 * could), units=units(1), leakage={"c0": 0.4}, traffic=everyday(200))
    assert enough["users_per_arm"].item() == pytest.approx(100, abs=1)


def test_no_arm_is_smaller_than_the_disclosure_size() -> None:
    plans = plan(strategies=suggestions(0.9), units=units(1, sd=0.1), leakage={"c0": 1.0}, traffic=everyday(1000))
    assert plans["users_per_arm"].item() == MIN_USERS
    assert plans["days"].item() == LEAST_DAYS
    larger = plan(
        strategies=suggestions(0.9),
        units=units(1, sd=0.1),
        leakage={"c0": 1.0},
        traffic=everyday(1000),
        disclosure_k=50,
    )
    assert larger["users_per_arm"].item() == 50


def test_no_plan_is_made_for_a_community_below_the_disclosure_size() -> None:
    w, days, strategies, graph = a_day()
    given = {"day": DAY, "days": days, "strategies": strategies, "communities": w.community_rows(), "user_graph": graph}
    largest = w.community_rows()["users"].max()
    assert plans_of_day(**given, disclosure_k=20).height
    assert plans_of_day(**given, disclosure_k=largest + 1).is_empty()


def test_nothing_proposed_or_nothing_known_is_no_plan() -> None:
    nothing = EXPERIMENT_PLANS.empty()
    usual: dict[str, Any] = {"units": units(1), "leakage": {}, "traffic": everyday(100)}
    assert_frame_equal(plan(strategies=STRATEGIES.empty(), **usual), nothing)
    assert_frame_equal(plan(strategies=suggestions(0.1, status="withheld: x"), **usual), nothing)
    assert_frame_equal(plan(strategies=suggestions(0.1), **(usual | {"units": units(1, sd=0.0)})), nothing)
    assert_frame_equal(plan(strategies=suggestions(0.1), **(usual | {"traffic": {}})), nothing)


# --- a whole day --------------------------------------------------------------------------------------------------


def a_day(seed: int = 7) -> tuple[World, Days, pl.DataFrame, pl.DataFrame]:
    w = world(seed, users=500, tilt=2.0)
    days = w.days(DAY)
    strategies = strategies_of_day(
        day=DAY, days=days, communities=w.community_rows(), interest_graph=full_graph(), taxonomy=taxonomy()
    )
    rng = np.random.default_rng(seed)
    pairs = {(int(a), int(b)) for a, b in np.sort(rng.integers(0, 500, (3000, 2)), axis=1) if a != b}
    graph = ties(*((f"u{a:05d}", f"u{b:05d}", 0.1 + 0.8 * (w.home[a] == w.home[b])) for a, b in sorted(pairs)))
    return w, days, strategies, graph


def test_every_proposal_of_a_day_has_its_plan() -> None:
    w, days, strategies, graph = a_day()
    plans = plans_of_day(day=DAY, days=days, strategies=strategies, communities=w.community_rows(), user_graph=graph)
    proposed = strategies.filter(pl.col("status") == PROPOSED)
    assert plans.schema == pl.Schema(EXPERIMENT_PLANS.schema)
    assert plans["strategy_id"].to_list() == proposed["strategy_id"].sort().to_list()
    assert set(plans["alpha_adjusted"]) == {LEVEL / proposed.height}
    joined = plans.join(proposed, on="strategy_id")
    np.testing.assert_allclose(joined["mde"], joined["effect"] / 2)
    primary = days.memberships.filter(pl.col("day") == DAY).select("user_id", "community_id")
    by_hand = tie_leakage(graph, primary)
    assert joined["leakage"].to_list() == [by_hand[c] for c in joined["community_id"]]
    assert all(0.1 < v < 0.9 for v in by_hand.values())
    for row in plans.iter_rows(named=True):
        metrics = json.loads(row["metrics"])
        assert metrics["power"] == POWER
        assert metrics["primary"]["sd"] > 0
        assert metrics["guardrails"][0]["may_fall_by"] == 0.02


def test_plans_are_about_members_of_the_day_and_of_real_communities() -> None:
    w, days, strategies, graph = a_day()
    usual: dict[str, Any] = {
        "day": DAY,
        "days": days,
        "strategies": strategies,
        "communities": w.community_rows(),
        "user_graph": graph,
    }
    plans = plans_of_day(**usual)
    earlier = replace(days, memberships=days.memberships.filter(pl.col("day") == DAY))
    assert_frame_equal(plans_of_day(**(usual | {"days": earlier})), plans)
    later = replace(days, memberships=days.memberships.filter(pl.col("day") < DAY))
    assert plans_of_day(**(usual | {"days": later})).is_empty()
    assert plans_of_day(**(usual | {"communities": w.community_rows("weak")})).is_empty()


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 1000))
def test_order_of_rows_does_not_show(seed: int) -> None:
    w, days, strategies, graph = a_day()

    def mix(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=seed)

    mixed = Days(**{f: mix(of) for f, of in vars(days).items() if isinstance(of, pl.DataFrame)})
    one = plans_of_day(day=DAY, days=days, strategies=strategies, communities=w.community_rows(), user_graph=graph)
    two = plans_of_day(
        day=DAY, days=mixed, strategies=mix(strategies), communities=mix(w.community_rows()), user_graph=mix(graph)
    )
    assert_frame_equal(one, two, check_exact=True)
