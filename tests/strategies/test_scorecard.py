"""The scorecard: the right week, the right members, a fair verdict, and intervals that hold as often as they say."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import norm
from strategies_world import DAY, INTERESTS, World, full_graph, taxonomy, world

from coterie.strategies.days import Days
from coterie.strategies.horizons import AGES, HORIZONS, in_record
from coterie.strategies.outcome import ADOPTION, GAIN, OUTCOME_SCHEMA, SHARE, measure
from coterie.strategies.placebo import PLACEBO_SCHEMA, placebo
from coterie.strategies.propose import PROPOSED, strategies_of_day
from coterie.strategies.scorecard import NO_MEMBERS, NOTHING_OF_IT, Measured, coverage, score, scorecard_of_day
from coterie.strategies.window import window_from_frames
from coterie.tables import STRATEGIES, STRATEGY_SCORECARD

Z90 = float(norm.ppf(0.95))


def suggestion(name: str, community: str, interest: str, **given_: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "strategy_id": name, "kind": "boost_interest", "community_id": community, "interest_id": interest,
        "metric": SHARE, "baseline": 0.2, "effect": 0.1, "effect_low": 0.05, "effect_high": 0.15, "std_error": 0.03,
        "evaluability": "observational", "status": PROPOSED,
    }  # fmt: skip
    return usual | given_


def issued(*rows: dict[str, Any], on: date | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=STRATEGIES.schema)
    return frame if on is None else frame.with_columns(day=pl.lit(on))


def outcome(community: str, interest: str, difference: float | None, error: float | None, how: str) -> dict[str, Any]:
    return {"community_id": community, "interest_id": interest, "metric": SHARE, "evaluability": how,
            "difference": difference, "std_error": error}  # fmt: skip


def scored(rows: pl.DataFrame, found: list[dict[str, Any]], placebos: Sequence[tuple[Any, ...]] = ()) -> pl.DataFrame:
    measured = Measured(
        pl.DataFrame(found, schema=OUTCOME_SCHEMA),
        pl.DataFrame(list(placebos), schema=PLACEBO_SCHEMA, orient="row"),
    )
    return score(day=DAY, issued={7: rows}, found={7: measured})


# --- the verdict --------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(0.001, 0.2), st.floats(0.001, 0.2), st.sampled_from([-1, 1]), st.sampled_from([0.999, 1.001]))
def test_a_hit_is_within_the_root_of_both_errors_at_ninety_percent(a: float, b: float, side: int, edge: float) -> None:
    realised = 0.1 + side * edge * Z90 * math.hypot(a, b)
    rows = issued(suggestion("s", "c", "i", std_error=a, effect=0.1))
    found = scored(rows, [outcome("c", "i", realised, b, "observational")]).row(0, named=True)
    assert found["verdict"] == ("hit" if edge < 1 else "miss")
    assert found["in_interval"] == (edge < 1)
    assert (found["predicted"], found["realised"], found["realised_error"]) == (0.1, realised, b)
    assert found["issued_on"] == DAY - timedelta(7)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([], NO_MEMBERS),
        ([outcome("c", "other", 0.1, 0.01, "observational")], NOTHING_OF_IT),
        ([outcome("c", "i", None, None, "not_evaluable") | {"why_not": "too few"}], "too few"),
        ([outcome("c", "i", 0.1, 0.01, "random_exposure")], "predicted by observational, measured by random_exposure"),
    ],
)
def test_what_cannot_be_measured_as_predicted_is_not_scorable(found: list[dict[str, Any]], why: str) -> None:
    row = scored(issued(suggestion("s", "c", "i")), found, [("c", "i", SHARE, 0.01)]).row(0, named=True)
    assert (row["verdict"], row["why_not"]) == ("not_scorable", why)
    assert [row[n] for n in ("realised", "realised_error", "placebo", "in_interval")] == [None] * 4
    assert row["predicted"] == 0.1


def test_the_placebo_stands_beside_the_outcome() -> None:
    rows = issued(suggestion("s", "c", "i"), suggestion("t", "c", "j"))
    found = scored(
        rows,
        [outcome("c", k, 0.1, 0.01, "observational") for k in "ij"],
        [("c", "i", SHARE, 0.01), ("x", "j", SHARE, 9.0)],
    )
    assert found["placebo"].to_list() == [0.01, None]
    assert found["popularity"].to_list() == [0.0, 0.0]


def test_popularity_of_a_boost_is_what_it_gains_for_everybody() -> None:
    rows = issued(suggestion("s", "c", "i", metric=GAIN), suggestion("t", "c", "j", metric=GAIN))
    known = outcome("c", "i", 0.1, 0.01, "observational") | {"metric": GAIN, "popularity": 0.04}
    found = scored(rows, [known])
    assert found.select("strategy_id", "verdict", "popularity").rows() == [
        ("s", "hit", 0.04),
        ("t", "not_scorable", None),
    ]


def test_only_what_was_proposed_is_scored() -> None:
    rows = issued(suggestion("s", "c", "i", status="withheld: sensitive interest"))
    assert_frame_equal(scored(rows, [outcome("c", "i", 0.1, 0.01, "observational")]), STRATEGY_SCORECARD.empty())


# --- which week, which members ------------------------------------------------------------------------------------


def scenario(seed: int = 3) -> tuple[World, Days, pl.DataFrame]:
    """Three weeks of engagement; half of the members of the day a week ago were elsewhere two weeks ago."""
    w = world(seed, users=500, tilt=2.0)
    days = w.days(DAY, weeks=3)
    other = {f"c{c:02d}": f"c{(c + 1) % 4:02d}" for c in range(4)}
    moved = (pl.col("day") == DAY - timedelta(14)) & (pl.col("user_id").str.slice(-1).is_in(list("01234")))
    memberships = days.memberships.with_columns(
        community_id=pl.when(moved).then(pl.col("community_id").replace_strict(other)).otherwise("community_id")
    )
    rows = [suggestion(f"s{c}{k}", f"c{c:02d}", INTERESTS[k]) for c in range(4) for k in range(3)]
    made = pl.concat([issued(*rows, on=DAY - timedelta(h)) for h in (7, 14)])
    return w, replace(days, memberships=memberships), made


@pytest.mark.parametrize("horizon", HORIZONS)
def test_members_of_the_issue_day_are_measured_on_the_seven_days_that_end_today(horizon: int) -> None:
    _, days, made = scenario()
    start, issue = DAY - timedelta(6), DAY - timedelta(horizon)
    members = days.memberships.filter(pl.col("day") == issue).select("user_id", "community_id")
    rows = (
        days.engagement.filter(pl.col("day").is_between(start, DAY))
        .join(days.labels, on="item_id").join(members, on="user_id", how="left")
    )  # fmt: skip
    found = scorecard_of_day(day=DAY, days=days, issued=made).filter(pl.col("horizon_days") == horizon)
    assert found.height == 12
    assert set(found["issued_on"]) == {issue}
    for row in found.iter_rows(named=True):
        community, interest = f"c0{row['strategy_id'][1]}", INTERESTS[int(row["strategy_id"][2])]
        mine, of_interest = pl.col("community_id").eq_missing(community), pl.col("interest_id") == interest
        shares = [
            float(g.filter(of_interest)["strength"].sum()) / float(g["strength"].sum())
            for g in (rows.filter(mine), rows.filter(~mine))
        ]
        assert row["realised"] == pytest.approx(shares[0] - shares[1])


def test_error_and_placebo_are_those_of_the_measure_itself() -> None:
    w, days, made = scenario()
    found = scorecard_of_day(day=DAY, days=days, issued=made).filter(pl.col("horizon_days") == 14)
    window = window_from_frames(
        start=DAY - timedelta(6), end=DAY, members_on=DAY - timedelta(14), prior_on=DAY - timedelta(7),
        communities=pl.Series(w.communities), engagement=days.engagement, labels=days.labels,
        memberships=days.memberships, user_interests=days.user_interests,
    )  # fmt: skip
    supply = days.interest_daily.filter(pl.col("day") > DAY - timedelta(7))
    both = measure(window, supply).join(placebo(window, supply, DAY), on=["community_id", "interest_id", "metric"])
    named = both.filter(pl.col("metric") == SHARE).with_columns(
        strategy_id="s" + pl.col("community_id").str.slice(-1) + pl.col("interest_id").str.slice(-1)
    )
    joined = found.join(named.filter(pl.col("interest_id").is_in(INTERESTS[:3])), on="strategy_id", suffix="_again")
    assert joined.height == 12
    np.testing.assert_allclose(joined["realised_error"], joined["std_error"])
    np.testing.assert_allclose(joined["placebo"], joined["placebo_again"])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_adoption_is_counted_among_those_who_were_new_before_the_week_that_is_scored(horizon: int) -> None:
    _, days, _ = scenario()
    issue, before = DAY - timedelta(horizon), DAY - timedelta(7)
    days = replace(days, user_interests=days.user_interests.filter(pl.col("day") == before))
    rows = [suggestion("s", "c01", INTERESTS[0], kind="explore_interest", metric=ADOPTION)]
    found = scorecard_of_day(day=DAY, days=days, issued=issued(*rows, on=issue)).row(0, named=True)
    week = days.engagement.filter(pl.col("day") > before).join(days.labels, on="item_id")
    touched = week.filter(pl.col("interest_id") == INTERESTS[0])["user_id"].unique().to_list()
    new = (
        week.select("user_id").unique()
        .join(days.user_interests, on="user_id", how="anti")
        .join(days.memberships.filter(pl.col("day") == issue), on="user_id", how="left")
        .with_columns(took=pl.col("user_id").is_in(touched), mine=pl.col("community_id").eq_missing(pl.lit("c01")))
    )  # fmt: skip
    rates = [new.filter(pl.col("mine") == m)["took"].to_numpy().mean() for m in (True, False)]
    assert found["realised"] == pytest.approx(rates[0] - rates[1])


def test_what_counts_in_the_record_does_not_depend_on_what_else_is_scored() -> None:
    _, days, made = scenario()
    usual = scorecard_of_day(day=DAY, days=days, issued=made)
    week = replace(
        days,
        engagement=days.engagement.filter(pl.col("day") > DAY - timedelta(7)),
        interest_daily=days.interest_daily.filter(pl.col("day") > DAY - timedelta(7)),
        memberships=days.memberships.filter(pl.col("day") < DAY),
        user_interests=days.user_interests.filter(pl.col("day") == DAY - timedelta(7)),
    )
    never, between = (0, 1, 6, 29, 40), (8, 13, 15, 28)
    more = pl.concat([made, *(made.with_columns(day=pl.lit(DAY - timedelta(d))) for d in (*never, *between))])
    found = scorecard_of_day(day=DAY, days=week, issued=more)
    assert_frame_equal(found.filter(in_record()), usual, check_exact=True)
    assert set(found["horizon_days"]) == {*HORIZONS, *between}


def every_day(made: pl.DataFrame) -> pl.DataFrame:
    """What was suggested a week ago, as if it had been suggested every day."""
    once = made.filter(pl.col("day") == DAY - timedelta(7))
    return pl.concat([once.with_columns(day=pl.lit(DAY - timedelta(d))) for d in range(40)])


def test_every_suggestion_is_scored_every_day_from_a_week_to_four_weeks_after() -> None:
    _, days, made = scenario()
    found = scorecard_of_day(day=DAY, days=days, issued=every_day(made))
    assert sorted(found["horizon_days"].unique()) == list(range(7, 29))
    assert found.group_by("horizon_days").len()["len"].unique().to_list() == [12]
    assert found.filter((pl.lit(DAY) - pl.col("issued_on")).dt.total_days() != pl.col("horizon_days")).is_empty()
    assert "not_scorable" not in set(found["verdict"])


def test_a_score_is_what_a_prediction_of_the_day_would_be_measured_to_be() -> None:
    """Members as of the day before the week, as for suggestions; but at 14 days those for whom it was made."""
    w, days, made = scenario()
    found = scorecard_of_day(day=DAY, days=days, issued=every_day(made))
    for age in (7, 8, 14, 21, 28):
        ago = 14 if age == 14 else 7
        window = days.window(DAY - timedelta(6), DAY, pl.Series(w.communities), members_on=DAY - timedelta(ago))
        shares = measure(window, days.interest_daily).filter(pl.col("metric") == SHARE).with_columns(
            strategy_id="s" + pl.col("community_id").str.slice(-1) + pl.col("interest_id").str.slice(-1)
        ).filter(pl.col("interest_id").is_in(INTERESTS[:3]))  # fmt: skip
        joined = found.filter(pl.col("horizon_days") == age).join(shares, on="strategy_id", validate="1:1")
        assert joined.height == 12
        assert joined["realised"].to_list() == joined["difference"].to_list()
        assert joined["realised_error"].to_list() == joined["std_error"].to_list()


def test_a_community_that_had_no_members_is_not_scorable() -> None:
    _, days, made = scenario()
    gone = replace(days, memberships=days.memberships.filter(pl.col("community_id") != "c02"))
    found = scorecard_of_day(day=DAY, days=gone, issued=made)
    lost = pl.col("strategy_id").str.starts_with("s2")
    assert set(found.filter(lost)["verdict"]) == {"not_scorable"}
    assert found.filter(lost).height == 6
    assert "not_scorable" not in set(found.filter(~lost)["verdict"])


def test_members_who_have_all_left_are_not_scorable() -> None:
    w, days, made = scenario()
    left = np.array(w.users)[w.home == 1].tolist()
    gone = replace(days, engagement=days.engagement.filter(~pl.col("user_id").is_in(left)))
    made = made.filter(pl.col("day") == DAY - timedelta(7))
    found = scorecard_of_day(day=DAY, days=gone, issued=made)
    assert set(found.filter(pl.col("strategy_id").str.starts_with("s1"))["verdict"]) == {"not_scorable"}


def test_what_too_few_did_is_not_scored() -> None:
    _, days, made = scenario()
    assert "not_scorable" not in set(scorecard_of_day(day=DAY, days=days, issued=made)["verdict"])
    found = scorecard_of_day(day=DAY, days=days, issued=made, disclosure_k=10_000)
    assert set(found["verdict"]) == {"not_scorable"}
    assert found["realised"].null_count() == found.height


def test_a_day_keeps_the_contract_and_knows_no_order() -> None:
    _, days, made = scenario()

    def mix(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.sample(fraction=1, shuffle=True, seed=2)

    one = scorecard_of_day(day=DAY, days=days, issued=made)
    assert one.schema == pl.Schema(STRATEGY_SCORECARD.schema)
    assert one.select("strategy_id", "issued_on", "horizon_days").is_unique().all()
    mixed = Days(**{f: mix(of) for f, of in vars(days).items() if isinstance(of, pl.DataFrame)})
    assert_frame_equal(one, scorecard_of_day(day=DAY, days=mixed, issued=mix(made)), check_exact=True)


def test_nothing_issued_is_an_empty_card() -> None:
    _, days, made = scenario()
    assert_frame_equal(scorecard_of_day(day=DAY, days=days, issued=made.clear()), STRATEGY_SCORECARD.empty())


# --- coverage -----------------------------------------------------------------------------------------------------


def card(*held: bool | None, name: str = "s", age: int = 7) -> pl.DataFrame:
    rows = [
        {"strategy_id": f"{name}{k}", "issued_on": DAY, "horizon_days": age, "predicted": 0.1, "in_interval": h, "verdict": "x"}
        for k, h in enumerate(held)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=STRATEGY_SCORECARD.schema)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_coverage_is_a_share_with_wilson_s_interval(held: list[bool]) -> None:
    strategies = issued(*(suggestion(f"s{k}", "c", "i") for k in range(60)), *[suggestion("s0", "c", "i")])
    found = coverage(scorecard=card(*held, None), strategies=strategies)["boost_interest"]
    n, p, z = len(held), sum(held) / len(held), norm.ppf(0.975)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found["n"], found["share"]) == (n, pytest.approx(p))
    assert found["low"] == pytest.approx(max(middle - half, 0), abs=1e-12)
    assert found["high"] == pytest.approx(min(middle + half, 1), abs=1e-12)


def test_coverage_is_told_by_kind_and_only_of_what_was_scored() -> None:
    strategies = issued(
        *(suggestion(f"s{k}", "c", "i") for k in range(3)),
        *(suggestion(f"t{k}", "c", "i", kind="explore_interest") for k in range(2)),
        suggestion("u0", "c", "i", kind="close_supply_gap"),
    )
    rows = pl.concat(
        [card(True, False, True), card(False, None, name="t"), card(None, name="u"), card(True, name="stranger")]
    )
    found = coverage(scorecard=rows, strategies=strategies)
    assert {kind: (v["n"], v["share"]) for kind, v in found.items()} == {
        "boost_interest": (3.0, pytest.approx(2 / 3)), "explore_interest": (1.0, 0.0)
    }  # fmt: skip
    assert coverage(scorecard=STRATEGY_SCORECARD.empty(), strategies=strategies) == {}


def test_a_suggestion_counts_once_at_each_age_of_the_record_however_often_it_is_scored() -> None:
    strategies = issued(suggestion("s0", "c", "i"), suggestion("s1", "c", "i"))
    daily = [card(age == 14, age == 14, age=age) for age in AGES]
    shipped = card(True, True).with_columns(shipped_on=pl.lit(DAY))
    found = coverage(scorecard=pl.concat([*daily, shipped]), strategies=strategies)
    assert (found["boost_interest"]["n"], found["boost_interest"]["share"]) == (4.0, 0.5)


def proposed_and_scored(seed: int, change: bool) -> pl.DataFrame:
    """Suggestions of a week, scored on the next; with `change`, everybody's wishes are drawn anew in between."""
    w = world(seed, users=500, tilt=2.0)
    issue = DAY - timedelta(7)
    made = strategies_of_day(
        day=issue, days=w.days(issue), communities=w.community_rows(), interest_graph=full_graph(), taxonomy=taxonomy()
    )
    if change:
        w.preference = w.preference[w.rng.permutation(len(w.home))]
    return scorecard_of_day(day=DAY, days=w.days(DAY), issued=made.with_columns(day=pl.lit(issue)))


def test_while_nothing_changes_predictions_come_true_as_often_as_they_say_and_without_bias() -> None:
    cards = pl.concat([proposed_and_scored(seed, change=False) for seed in range(14)])
    scorable = cards.filter(pl.col("verdict") != "not_scorable")
    assert scorable.height > 100
    assert scorable.height == cards.height
    predicted, realised, random = (scorable[c].to_numpy() for c in ("predicted", "realised", "placebo"))
    assert 0.85 < scorable["in_interval"].to_numpy().mean() <= 1.0
    assert abs((realised - predicted).mean() / predicted.mean()) < 0.12  # the best of the day are not overstated
    assert np.abs(random).mean() < 0.3 * realised.mean()


def test_when_wishes_change_the_card_says_so() -> None:
    cards = pl.concat([proposed_and_scored(seed, change=True) for seed in range(4)])
    boosts = cards.filter(pl.col("predicted") > 0.06)
    assert boosts.height > 10
    assert boosts["in_interval"].to_numpy().mean() < 0.5
