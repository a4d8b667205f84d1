"""Suggestions: what qualifies, what is said of it, what is never said, and how often they are right."""

import json
import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import false_discovery_control, norm
from statsmodels.stats.multitest import multipletests
from strategies_world import DAY, INTERESTS, World, full_graph, taxonomy, world

from coterie.strategies.candidates import MIN_ENGAGED
from coterie.strategies.days import Days
from coterie.strategies.grounds import disclosed, rounded
from coterie.strategies.kinds import BOOST, CLOSE_GAP, EXPLORE
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, MIN_USERS, OUTCOME_SCHEMA, SHARE
from coterie.strategies.propose import (
    PROPOSED,
    Q_LIMIT,
    ROWS_PER_KIND,
    propose,
    strategies_of_day,
    strategy_id,
)
from coterie.strategies.showings import exposed_rows
from coterie.strategies.shrinkage import shrink
from coterie.tables import COMMUNITIES, INTEREST_GRAPH, STRATEGIES

NUMBERS = ("effect", "effect_low", "effect_high", "std_error", "p_value", "q_value")
NO_GRAPH = INTEREST_GRAPH.empty()


def outcome(community: str, interest: str, metric: str = SHARE, **given_: Any) -> dict[str, Any]:
    """One measured pair, clear of every threshold unless told otherwise."""
    usual: dict[str, Any] = {
        "evaluability": "observational", "why_not": None, "value": 0.3, "baseline": 0.2, "difference": 0.1,
        "std_error": 0.02, "bias_bound": 0.0, "scale": 0.4, "unit_mean": 0.3, "unit_sd": 0.2, "community_mean": None,
        "supply": None, "supply_total": None, "members": 63, "engaged": 41, "others": 500, "engaged_others": 100,
        "effective_users": 50.0, "effective_rows": None, "cut_share": None, "served_share": None, "popularity": 0.0,
        "label_confidence": None, "label_items": None, "label_share": None,
    }  # fmt: skip
    unknown: dict[str, Any] = dict.fromkeys(("value", "difference", "std_error", "bias_bound", "unit_mean", "unit_sd"))
    blank = unknown | {"evaluability": "not_evaluable"} if "why_not" in given_ else {}
    return {"community_id": community, "interest_id": interest, "metric": metric} | usual | blank | given_


def outcomes(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=OUTCOME_SCHEMA)


def communities(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"community_id": c, "level": 0, "users": n, "verdict": v, "name": c, "summary": c, "evidence": "{}"}
         for c, n, v in rows],
        schema=COMMUNITIES.schema,
    )  # fmt: skip


REAL = communities(("c0", 73, "real"), ("c1", 60, "real"))


def proposed_from(rows: pl.DataFrame, **kwargs: Any) -> pl.DataFrame:
    usual: dict[str, Any] = {"communities": REAL, "interest_graph": NO_GRAPH, "taxonomy": taxonomy()}
    return propose(day=DAY, outcomes=rows, **(usual | kwargs))


def of_world(w: World, days: Days, **kwargs: Any) -> pl.DataFrame:
    usual: dict[str, Any] = {"communities": w.community_rows(), "interest_graph": full_graph(), "taxonomy": taxonomy()}
    return strategies_of_day(day=DAY, days=days, **(usual | kwargs))


# --- what is tested, and how --------------------------------------------------------------------------------------


def noisy(seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for c in ("c0", "c1"):
        for i in INTERESTS:
            for metric in (SHARE, GAP):
                more = {"supply": 5.0, "supply_total": 100.0} if metric == GAP else {}
                difference = float(rng.normal(0, 0.05))
                rows.append(outcome(c, i, metric, difference=difference, value=0.2 + difference, **more))
    return outcomes(*rows)


def test_q_values_are_benjamini_and_hochberg_s_over_all_candidates_of_the_day() -> None:
    rows = noisy()
    found = proposed_from(rows)
    assert found.height > 3
    p = norm.sf((rows["difference"] / rows["std_error"]).to_numpy())
    by_pair = dict(
        zip(
            rows.select("community_id", "interest_id", "metric").iter_rows(),
            zip(p, false_discovery_control(p), multipletests(p, method="fdr_bh")[1], strict=True),
            strict=True,
        )
    )
    for row in found.iter_rows(named=True):
        expected_p, q, same_q = by_pair[row["community_id"], row["interest_id"], row["metric"]]
        assert row["p_value"] == pytest.approx(expected_p)
        assert row["q_value"] == pytest.approx(q) == pytest.approx(same_q)
        assert json.loads(row["evidence"])["candidates_tested"] == rows.height
    assert found["q_value"].to_numpy().max() <= Q_LIMIT


def test_effects_are_shrunk_by_kind_on_the_natural_scale_and_widened_by_the_bias_bound() -> None:
    rng = np.random.default_rng(1)
    rows = outcomes(
        *(
            outcome("c0", i, difference=d, scale=s, std_error=0.02 * s / 0.3, bias_bound=0.004)
            for i, d, s in zip(INTERESTS, rng.normal(0.05, 0.05, 16), rng.uniform(0.2, 0.5, 16), strict=True)
        )
    )
    scale = rows["scale"].to_numpy()
    by_hand = shrink(rows["difference"].to_numpy() / scale, rows["std_error"].to_numpy() / scale)
    place = {i: k for k, i in enumerate(rows["interest_id"])}
    found = proposed_from(rows).filter(pl.col("kind") == BOOST)
    assert found.height == ROWS_PER_KIND
    for row in found.iter_rows(named=True):
        k = place[row["interest_id"]]
        assert row["effect"] == pytest.approx(by_hand.mean[k] * scale[k])
        assert row["std_error"] == pytest.approx(by_hand.sd[k] * scale[k])
        assert row["effect_low"] == pytest.approx(by_hand.low[k] * scale[k] - 0.004)
        assert row["effect_high"] == pytest.approx(by_hand.high[k] * scale[k] + 0.004)


def test_kinds_do_not_share_a_prior() -> None:
    boosts = [outcome("c0", i, difference=0.1) for i in INTERESTS[:8]]
    gaps = [
        outcome("c0", i, GAP, difference=d, supply=5.0, supply_total=100.0)
        for i, d in zip(INTERESTS[:8], [-0.3, 0.3] * 4, strict=True)
    ]
    alone = proposed_from(outcomes(*boosts)).filter(pl.col("kind") == BOOST)
    beside = proposed_from(outcomes(*boosts, *gaps)).filter(pl.col("kind") == BOOST)
    assert_frame_equal(alone.select("effect", "effect_low"), beside.select("effect", "effect_low"))


def test_a_bias_as_large_as_the_effect_withholds_it() -> None:
    found = proposed_from(
        outcomes(outcome("c0", INTERESTS[0], bias_bound=0.0), outcome("c1", INTERESTS[0], bias_bound=0.1))
    )
    assert dict(found.select("community_id", "status").rows()) == {
        "c0": PROPOSED, "c1": "withheld: the interval reaches zero"
    }  # fmt: skip


def test_pairs_with_too_few_engaged_members_cost_no_level_and_say_nothing() -> None:
    strong = [outcome("c0", INTERESTS[0], difference=0.05, std_error=0.02)]
    thin = [outcome("c0", i, engaged=MIN_ENGAGED - 1, difference=0.9) for i in INTERESTS[1:]]
    found = proposed_from(outcomes(*strong, *thin))
    assert found.height == 1
    assert found["interest_id"].item() == INTERESTS[0]
    assert found["q_value"].item() == pytest.approx(16 * norm.sf(2.5))
    assert proposed_from(outcomes(*strong, *[r | {"difference": -0.9, "engaged": 41} for r in thin])).height == 1


def test_numbers_that_rest_on_fewer_users_than_may_be_disclosed_are_no_candidates() -> None:
    few = outcome("c0", INTERESTS[0], engaged=12, engaged_others=7)
    assert proposed_from(outcomes(few)).is_empty()
    assert proposed_from(outcomes(few | {"engaged_others": 8})).height == 1
    assert proposed_from(outcomes(few | {"engaged_others": 8}), disclosure_k=21).is_empty()


# --- which communities and interests ------------------------------------------------------------------------------


def test_only_real_communities_of_at_least_k_users_are_cited() -> None:
    known = communities(
        ("c0", MIN_USERS, "real"), ("c1", MIN_USERS - 1, "real"), ("c2", 99, "weak"), ("c3", 99, "artefact")
    )
    rows = outcomes(*(outcome(c, INTERESTS[0]) for c in ("c0", "c1", "c2", "c3", "c4")))
    found = proposed_from(rows, communities=known)
    assert found["community_id"].to_list() == ["c0"]
    assert found["users_affected"].item() == MIN_USERS
    assert proposed_from(rows, communities=known, disclosure_k=MIN_USERS + 1).is_empty()


@pytest.mark.parametrize("verdict", ["weak", "artefact"])
def test_a_day_without_real_communities_has_no_suggestions(verdict: str) -> None:
    w = world(5, users=300, tilt=2.0)
    days = w.days(DAY)
    assert of_world(w, days).filter(pl.col("status") == PROPOSED).height
    found = of_world(w, days, communities=w.community_rows(verdict))
    assert_frame_equal(found, STRATEGIES.empty())


def test_unreal_communities_do_not_change_what_is_said_of_real_ones() -> None:
    w = world(5, users=400, tilt=2.0)
    days = w.days(DAY)
    rows = w.community_rows()
    one_less = rows.with_columns(
        verdict=pl.when(pl.col("community_id") == "c03").then(pl.lit("weak")).otherwise("verdict")
    )
    found = of_world(w, days, communities=one_less)
    assert "c03" not in set(found["community_id"])
    assert_frame_equal(found, of_world(w, days, communities=rows.filter(pl.col("community_id") != "c03")))


def test_sensitive_interests_are_kept_for_analysis_without_action() -> None:
    rows = outcomes(*(outcome("c0", i) for i in INTERESTS[:2]))
    found = proposed_from(rows, taxonomy=taxonomy(INTERESTS[1]))
    status = dict(found.select("interest_id", "status").rows())
    assert status == {INTERESTS[0]: PROPOSED, INTERESTS[1]: "withheld: sensitive interest"}
    action = dict(found.select("interest_id", "action").rows())
    assert json.loads(action[INTERESTS[1]]) == {"type": "none"}


def test_an_interest_that_the_taxonomy_does_not_know_is_taken_to_be_sensitive() -> None:
    found = proposed_from(outcomes(outcome("c0", "gone.interest")))
    assert found["status"].to_list() == ["withheld: sensitive interest"]


def test_nothing_sensitive_is_ever_proposed() -> None:
    for seed in range(3):
        w = world(seed, users=300, tilt=2.0)
        found = of_world(w, w.days(DAY), taxonomy=taxonomy(*INTERESTS[::2]))
        assert found.height
        proposed = found.filter(pl.col("status") == PROPOSED)
        assert not set(proposed["interest_id"]) & set(INTERESTS[::2])
        held = found.filter(pl.col("interest_id").is_in(INTERESTS[::2]))
        assert set(held["action"]) <= {'{"type": "none"}'}


# --- the three kinds ----------------------------------------------------------------------------------------------


def test_gap_asks_for_the_items_that_would_close_it() -> None:
    gap = outcome("c0", INTERESTS[0], GAP, baseline=0.1, difference=0.1, supply=10.0, supply_total=100.0)
    found = proposed_from(outcomes(gap, outcome("c0", INTERESTS[0]))).filter(pl.col("kind") == CLOSE_GAP)
    wanted = json.loads(found["action"].item())["parameters"]["items_wanted"]
    target = 0.1 + found["effect"].item()
    assert (10 + wanted) / (100 + wanted) >= target - 1e-9  # enough, and not one too many
    assert (10 + wanted - 1) / (100 + wanted - 1) < target


def test_a_gap_that_everybody_feels_is_not_repeated_for_each_community() -> None:
    gap = outcome("c0", INTERESTS[0], GAP, supply=10.0, supply_total=100.0)
    for difference, kinds in ((0.1, {CLOSE_GAP, BOOST}), (-0.01, set())):
        found = proposed_from(outcomes(gap, outcome("c0", INTERESTS[0], difference=difference, std_error=0.01)))
        assert set(found["kind"]) == kinds


def graph(*pairs: tuple[str, str, float]) -> pl.DataFrame:
    rows = [{"source": a, "target": b, "users": 50, "expected": 20.0, "weight": w, "lift": 2.0, "p_value": 0.0, "q_value": 0.0}
            for a, b, w in pairs]  # fmt: skip
    return pl.DataFrame(rows, schema=INTEREST_GRAPH.schema)


def test_explore_is_for_linked_interests_below_the_others_share() -> None:
    liked, near, far, nearer, above = INTERESTS[3], INTERESTS[0], INTERESTS[5], INTERESTS[6], INTERESTS[7]
    shares = [outcome("c0", i, difference=d, std_error=0.5) for i, d in
              ((liked, 0.2), (near, -0.1), (far, -0.1), (nearer, 0.0), (above, 0.05))]  # fmt: skip
    adoptions = [outcome("c0", i, ADOPTION) for i in (near, far, nearer, above)]
    ties = graph((near, liked, 0.4), (liked, nearer, 0.9), (liked, above, 0.9), (far, liked, 0.0), (near, far, 0.5))
    found = proposed_from(outcomes(*shares, *adoptions), interest_graph=ties).filter(pl.col("kind") == EXPLORE)
    assert found["interest_id"].to_list() == sorted([near, nearer], key=lambda i: strategy_id(EXPLORE, "c0", i))
    assert {json.loads(e)["linked_with"] for e in found["evidence"]} == {liked}
    assert set(found["metric"]) == {ADOPTION}


def test_where_showings_are_logged_they_alone_say_what_to_boost() -> None:
    by_share = [outcome("c0", i) for i in INTERESTS[:2]]
    by_showing = [
        outcome("c0", INTERESTS[2], EXPOSURE, community_mean=0.25, evaluability="propensity", effective_rows=80.0),
        outcome("c0", INTERESTS[3], EXPOSURE, community_mean=0.35, evaluability="propensity", effective_rows=80.0),
    ]
    found = proposed_from(outcomes(*by_share, *by_showing)).filter(pl.col("kind") == BOOST)
    # The fourth is above the others, but below what its members make of everything else.
    assert found.select("interest_id", "metric", "evaluability").rows() == [(INTERESTS[2], EXPOSURE, "propensity")]
    assert json.loads(found["evidence"].item())["effective_rows"] == 80


def test_where_moving_a_showing_can_be_valued_its_gain_says_what_to_boost() -> None:
    fair: dict[str, Any] = {
        "community_mean": 0.25,
        "evaluability": "propensity",
        "effective_rows": 80.0,
        "cut_share": 0.01,
    }
    rows = []
    for interest, gained, beside in zip(INTERESTS[:4], (0.1, 0.12, -0.1, 0.001), (0.1, -0.02, 0.1, 0.1), strict=True):
        rows.append(outcome("c0", interest, GAIN, difference=gained, served_share=0.04, popularity=0.03, **fair))
        rows.append(outcome("c0", interest, EXPOSURE, difference=beside, **fair))
    found = proposed_from(outcomes(*rows)).filter(pl.col("kind") == BOOST)
    # The second everybody likes better, the third members like better than others do but not than what they are shown.
    assert found.select("interest_id", "metric", "evaluability", "status").rows() == [
        (INTERESTS[0], GAIN, "propensity", PROPOSED)
    ]
    evidence = json.loads(found["evidence"].item())
    assert evidence["share_of_showings_now"] == 0.04
    assert evidence["the_same_for_everybody"] == 0.03
    assert evidence["members_less_others"] == 0.1
    assert evidence["share_of_weight_cut"] == 0.01
    assert evidence["candidates_tested"] == 4


# --- what cannot be evaluated -------------------------------------------------------------------------------------


def test_what_cannot_be_evaluated_is_one_row_without_a_number() -> None:
    silent = [
        outcome("c0", i, why_not="fewer than 20 active members", engaged=5 + k, members=18)
        for k, i in enumerate(INTERESTS[:4])
    ]
    found = proposed_from(outcomes(*silent, outcome("c1", INTERESTS[0])))
    row = found.row(by_predicate=pl.col("community_id") == "c0", named=True)
    assert found.height == 2
    assert row["interest_id"] == INTERESTS[3]  # what most members touched
    assert row["evaluability"] == "not_evaluable"
    assert all(row[n] is None for n in NUMBERS)
    assert row["status"] == "withheld: not evaluable, fewer than 20 active members"
    assert json.loads(row["action"]) == {"type": "none"}
    evidence = json.loads(row["evidence"])
    assert evidence["not_evaluable"] == "fewer than 20 active members"
    assert evidence["active_members"] is None
    assert not any("value" in k or "difference" in k for k in evidence)


def test_a_small_community_of_a_real_day_gives_no_number() -> None:
    w = world(6, users=400, tilt=2.0)
    idle = set(np.array(w.users)[w.home == 2][15:])
    days = w.days(DAY)
    days = replace(days, engagement=days.engagement.filter(~pl.col("user_id").is_in(list(idle))))
    found = of_world(w, days)
    silent = found.filter(pl.col("evaluability") == "not_evaluable")
    assert set(silent["community_id"]) == {"c02"} == set(found.filter(pl.col("community_id") == "c02")["community_id"])
    assert silent.height <= 3
    assert all(silent[n].is_null().all() for n in NUMBERS)
    assert found.filter(pl.col("evaluability") != "not_evaluable").select(NUMBERS).null_count().row(0) == (0,) * 6


# --- contract -----------------------------------------------------------------------------------------------------


def test_a_day_keeps_the_contract() -> None:
    w = world(7, tilt=2.0)
    found = of_world(w, w.days(DAY), taxonomy=taxonomy(INTERESTS[0]))
    assert found.schema == pl.Schema(STRATEGIES.schema)
    assert set(found["kind"]) >= {BOOST, CLOSE_GAP}
    assert found["strategy_id"].is_unique().all()
    assert found["strategy_id"].is_sorted()
    assert found.group_by("community_id", "kind").len()["len"].to_numpy().max() <= ROWS_PER_KIND
    assert set(found["expires_on"]) == {DAY + timedelta(14)}
    for column in STRATEGIES.columns:
        assert column.nullable or found[column.name].null_count() == 0, column.name
    for row in found.iter_rows(named=True):
        evidence = json.loads(row["evidence"])
        assert evidence["window"] == [(DAY - timedelta(6)).isoformat(), DAY.isoformat()]
        assert evidence["members_as_of"] == (DAY - timedelta(7)).isoformat()
        counts = [
            v
            for k, v in evidence.items()
            if k in {"active_members", "members_engaged", "others_active", "others_engaged"}
        ]
        assert all(v is None or (v % 5 == 0 and v >= 20) for v in counts)
        if row["status"] == PROPOSED:
            assert 0 < row["effect_low"] < row["effect"] < row["effect_high"]
            assert json.loads(row["action"])["type"] == row["kind"]
            assert f"{row['effect'] / 2:.4f}" in row["kill_criterion"]


def test_ids_are_stable_from_day_to_day_and_speak_of_nothing_else() -> None:
    w = world(8, tilt=2.5)
    days = w.days(DAY)
    one = of_world(w, days)
    next_day = DAY + timedelta(1)
    moved = Days(
        **{
            f: getattr(days, f).with_columns(pl.col("day") + timedelta(1))
            for f in ("engagement", "memberships", "user_interests", "interest_daily")
        },
        labels=days.labels,
    )
    two = strategies_of_day(
        day=next_day, days=moved, communities=w.community_rows(), interest_graph=full_graph(), taxonomy=taxonomy()
    )
    same = ["strategy_id", "kind", "community_id", "interest_id", "effect", "q_value", "status"]
    assert_frame_equal(one.select(same), two.select(same))
    assert one["strategy_id"].to_list() == [
        strategy_id(k, c, i) for k, c, i in one.select("kind", "community_id", "interest_id").iter_rows()
    ]
    # A fixed id: one that changed with the version of the code would break every track record.
    assert strategy_id("boost_interest", "c1", "food.baking") == "s-e36fcfaf27d4"


def test_no_memberships_a_week_ago_is_no_suggestion() -> None:
    w = world(1, users=200)
    days = w.days(DAY)
    early = replace(days, memberships=days.memberships.filter(pl.col("day") == DAY))
    assert_frame_equal(of_world(w, early), STRATEGIES.empty())


def test_members_who_joined_because_of_the_week_do_not_count() -> None:
    # A community of the day gathered from whoever engaged most with one interest; a week ago its members were anybody.
    w = world(9, users=500, tilt=0.0)
    days, interest = w.days(DAY), INTERESTS[int(np.argmax(w.profile[0]))]
    fans = (
        days.engagement.join(days.labels, on="item_id")
        .filter(pl.col("interest_id") == interest)
        .group_by("user_id").agg(pl.col("strength").sum())
        .sort("strength", "user_id", descending=True)["user_id"].head(50)
    )  # fmt: skip
    today = pl.DataFrame({"day": [DAY] * 50, "user_id": fans, "community_id": "c00", "is_primary": True})
    earlier = days.memberships.filter(pl.col("day") != DAY)
    mine = (pl.col("status") == PROPOSED) & (pl.col("interest_id") == interest) & (pl.col("community_id") == "c00")
    found = of_world(w, replace(days, memberships=pl.concat([earlier, today])))
    assert found.filter(mine).is_empty()
    # The same fans dated back are what the trap looks like.
    trap = of_world(w, replace(days, memberships=today.with_columns(day=pl.lit(DAY - timedelta(7)))))
    assert trap.filter(mine).height


def test_order_of_rows_does_not_show() -> None:
    w = world(10, users=400, tilt=1.5)
    days = w.days(DAY, exposed=True)

    def mix(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=3)

    mixed = Days(**{f: mix(of) for f, of in vars(days).items() if isinstance(of, pl.DataFrame)})
    two = of_world(
        w, mixed, communities=mix(w.community_rows()), interest_graph=mix(full_graph()), taxonomy=mix(taxonomy())
    )
    assert_frame_equal(of_world(w, days), two, check_exact=True)


def test_evidence_counts_and_numbers_are_rounded() -> None:
    assert [disclosed(n, 20) for n in (0, 19, 20, 24, 25, 1003)] == [None, None, 20, 20, 25, 1000]
    assert rounded(0.123456789) == 0.123457
    assert rounded(math.nan) is None
    assert rounded(None) is None


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 60))
def test_a_disclosed_count_is_never_the_exact_count_of_few(count: int, k: int) -> None:
    shown = disclosed(count, k)
    assert (shown is None) == (count < k)
    if shown is not None:
        assert shown % 5 == 0
        assert 0 <= count - shown < 5


# --- known truth --------------------------------------------------------------------------------------------------


def test_planted_interests_are_found_with_intervals_that_hold() -> None:
    held, found_planted, planted, wrong = [], 0, 0, 0
    for seed in range(20):
        w = world(seed, users=500, tilt=2.0)
        truth = w.true_share()
        rows = of_world(w, w.days(DAY), interest_graph=NO_GRAPH).filter(
            pl.col("kind") == BOOST, pl.col("evaluability") != "not_evaluable"
        )
        for c, name in enumerate(w.communities):
            best = int(np.argmax(truth[c]))
            if truth[c, best] > 0.12:
                planted += 1
                found_planted += rows.filter(
                    pl.col("community_id") == name,
                    pl.col("interest_id") == INTERESTS[best],
                    pl.col("status") == PROPOSED,
                ).height
        for row in rows.iter_rows(named=True):
            true = truth[w.communities.index(row["community_id"]), INTERESTS.index(row["interest_id"])]
            held.append(row["effect_low"] <= true <= row["effect_high"])
            wrong += row["status"] == PROPOSED and true <= 0
    assert planted > 30
    assert found_planted / planted > 0.9
    assert len(held) > 100
    assert np.mean(held) > 0.85  # of what was picked as the best of the day
    assert wrong / len(held) < 0.03


def test_where_communities_want_what_everybody_wants_and_gets_almost_nothing_is_found() -> None:
    proposed, days_with = 0, 0
    for seed in range(24):
        w = world(seed, users=300, tilt=0.0)
        share = pl.DataFrame({"interest_id": INTERESTS, "supply": 100 * w.profile[0]})
        days = w.days(DAY)
        days = replace(days, interest_daily=days.interest_daily.drop("supply").join(share, on="interest_id"))
        rows = of_world(w, days).filter(pl.col("evaluability") != "not_evaluable")
        proposed += rows.filter(pl.col("status") == PROPOSED).height
        days_with += rows.height > 0
    assert days_with <= 6  # where nothing is to be found, q <= 0.1 holds anything on at most one day in ten
    assert proposed <= 2


@pytest.mark.parametrize("found", ["nobody", "nothing real"])
def test_with_fair_showings_and_no_community_there_is_no_suggestion(found: str) -> None:
    w = world(3, users=100)
    days = w.days(DAY, exposed=True)
    events = days.engagement.with_columns(kind=pl.lit("exposure"), propensity=pl.lit(0.01), is_random=pl.lit(False))
    days = replace(days, exposed=exposed_rows(events, days.engagement))
    if found == "nobody":
        assert of_world(
            w, replace(days, memberships=days.memberships.clear()), communities=w.community_rows().clear()
        ).is_empty()
    else:
        assert of_world(w, days, communities=w.community_rows("weak")).is_empty()


@pytest.mark.parametrize("basis", ["random_exposure", "propensity", "observational"])
def test_fair_showings_find_what_the_feed_hides_and_say_how_it_is_known(basis: str) -> None:
    # Members make 0.15 more of the second interest when it is shown, but the feed shows them its worse items most.
    w = world(3, users=500, tilt=0.0)
    rng = np.random.default_rng(8)
    interest = rng.integers(0, 3, 12_000)
    user = rng.integers(0, 500, 12_000)
    fan = (w.home[user] == 1) & (interest == 1)
    uniform = rng.random(12_000) < 0.3
    good = np.where(uniform, rng.random(12_000) < 0.5, rng.random(12_000) < np.where(fan, 0.1, 0.5))
    each = 300  # good items of an interest, and as many that are not
    propensity = (0.3 * 0.5 + 0.7 * np.where(fan, np.where(good, 0.1, 0.9), 0.5)) / 3 / each  # of an item
    strength = np.clip(0.1 + 0.6 * good + 0.15 * fan + rng.normal(0, 0.1, 12_000), 0, 1)
    item = interest * 2 * each + np.where(good, 0, each) + rng.integers(0, each, 12_000)
    labels = [(f"x{i:04d}", INTERESTS[i // (2 * each)], 1.0) for i in range(6 * each)]
    base = pl.DataFrame(
        {
            "day": [DAY - timedelta(int(d)) for d in rng.integers(0, 7, 12_000)],
            "user_id": np.array(w.users)[user].tolist(), "item_id": [f"x{i:04d}" for i in item],
            "exposures": 1, "exposure_logged": True, "strength": strength, "kind": "exposure",
            "propensity": propensity, "is_random": uniform,
        }
    ).unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)  # fmt: skip
    events = base.with_columns(
        is_random=pl.col("is_random") if basis == "random_exposure" else pl.lit(None, pl.Boolean),
        propensity=pl.col("propensity") if basis == "propensity" else pl.lit(None, pl.Float64),
    )
    days = replace(
        w.days(DAY), engagement=base.select(*w.engagement(DAY).columns),
        labels=pl.DataFrame(labels, schema=["item_id", "interest_id", "weight"], orient="row"),
    )  # fmt: skip
    found = of_world(w, replace(days, exposed=exposed_rows(events, days.engagement)), interest_graph=NO_GRAPH)
    boost = found.filter(
        pl.col("kind") == BOOST, pl.col("community_id") == "c01", pl.col("interest_id") == INTERESTS[1]
    )
    if basis == "observational":
        assert boost.filter(pl.col("status") == PROPOSED).is_empty()  # the feed's choices hide it
    else:
        row = boost.row(0, named=True)
        assert (row["status"], row["evaluability"], row["metric"]) == (PROPOSED, basis, GAIN)
        # As evenly as the random slice shows it, half of its items are good; in the average feed, nearly.
        fans = (w.home == 1).mean()
        of_good = 0.5 if basis == "random_exposure" else 0.5 * (1 - fans) + 0.22 * fans
        now = (2 * (0.1 + 0.6 * 0.5) + 0.1 + 0.6 * 0.22 + 0.15) / 3
        assert row["effect_low"] < 0.1 + 0.6 * of_good + 0.15 - now < row["effect_high"]
