"""The bench's scores of strategies: closed forms, the truth against what the library measures, and a small run."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from benchmarks import pipeline, strategies
from benchmarks.section import Options
from benchmarks.strategies import pooled
from benchmarks.strategy_estimators import WAYS, compared, table
from benchmarks.strategy_labels import correlation
from benchmarks.strategy_scores import (
    COTERIE,
    NAIVE,
    PER_SHOWING,
    POPULARITY,
    RANDOM,
    best_choice,
    candidates,
    choices,
    covered,
    figures,
    gains,
    last_day,
    observed,
    rank_correlation,
    regret,
    suggestions,
)
from benchmarks.strategy_truths import (
    boost_effects,
    boosts_of_labels,
    members_less_others,
    possible_gain,
    showings_of,
    truths,
)
from benchmarks.worlds import Known, run_world, true_labels
from coterie.simulate import Scenario
from coterie.strategies.days import Days
from coterie.strategies.kinds import BOOST
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, measure
from coterie.strategies.propose import PROPOSED
from coterie.strategies.showings import exposed_rows
from coterie.strategies.window import window_from_frames

DAY = date(2024, 5, 15)
SMALL: dict[str, Any] = {"days": 11, "users": 800, "events_per_day": 12_000, "communities": 4, "mixing": 0.2}


def known(
    users: Sequence[tuple[str, int | None, float]],
    boosts: Sequence[tuple[int | None, str, float]],
    items: Sequence[tuple[str, str, float]] = (),
) -> Known:
    """A truth of few lines: user, community, activity; community, interest, effect; item, interest, popularity."""
    posted = datetime(2024, 5, 14, 12, tzinfo=UTC)
    return SimpleNamespace(  # type: ignore[return-value]
        users=pl.DataFrame(users, schema=["uid", "community", "activity"], orient="row").with_columns(
            from_day=pl.lit(date(2024, 5, 1)), to_day=pl.lit(DAY)
        ),
        boosts=pl.DataFrame(boosts, schema=["community", "interest_id", "effect"], orient="row").with_columns(
            day=pl.lit(DAY)
        ),
        items=pl.DataFrame(items, schema=["vid", "interest_id", "popularity"], orient="row"),
        texts=pl.DataFrame({"vid": [i[0] for i in items], "author": "a000", "posted": [posted] * len(items)}),
    )


def effects(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["community_id", "interest_id", "boost"], orient="row")
    return frame.with_columns(weight=pl.lit(0.5))


def proposed(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["community_id", "interest_id", "effect_low"], orient="row")
    return frame.with_columns(kind=pl.lit(BOOST), status=pl.lit(PROPOSED))


def scores_of(*rows: tuple[str, str, float]) -> pl.DataFrame:
    frame = pl.DataFrame(list(rows), schema=["community_id", "interest_id", "score"], orient="row")
    return frame.with_columns(pl.col("score").alias(m) for m in (NAIVE, POPULARITY, PER_SHOWING)).drop("score")


def test_members_less_others_is_the_difference_of_two_ratios() -> None:
    members = sparse.csr_array(np.array([[1.0, 1.0, 0.0, 0.0]]))
    y = np.array([[2.0], [1.0], [1.0], [0.0]])
    x = np.array([[4.0], [2.0], [2.0], [2.0]])
    assert members_less_others(members, y, x)[0, 0] == pytest.approx(3 / 6 - 1 / 4)
    assert np.isnan(members_less_others(members, y, np.array([[4.0], [2.0], [0.0], [0.0]]))[0, 0])


def test_a_boost_of_a_found_community_is_the_mean_over_its_members_by_activity() -> None:
    truth = known([("a", 0, 0.1), ("b", 1, 0.3), ("c", None, 0.2)], [(0, "x", 0.4), (1, "x", -0.2), (None, "x", 0.1)])
    members = pl.DataFrame({"community_id": ["m", "m", "n"], "user_id": ["a", "b", "c"]})
    found = boost_effects(members, truth, truth.boosts)
    assert found.rows() == [
        ("m", "x", pytest.approx((0.04 - 0.06) / 0.4), pytest.approx(0.4)),
        ("n", "x", pytest.approx(0.1), 0.2),
    ]


def test_the_possible_gain_is_the_best_boost_of_each_true_community() -> None:
    truth = known([("a", 0, 0.7), ("b", None, 0.3)], [(0, "x", 0.4), (0, "s", 0.9), (None, "x", 0.1), (None, "y", 0.2)])
    assert possible_gain(truth, ["s"]) == pytest.approx(0.7 * 0.4 + 0.3 * 0.2)


def test_a_boost_of_a_label_goes_to_the_items_that_bear_it() -> None:
    truth = known([], [(0, "x", 0.4), (0, "y", -0.2)], [("1", "x", 3.0), ("2", "y", 1.0), ("3", "y", 8.0)])
    labels = pl.DataFrame({"item_id": ["1", "2", "3"], "interest_id": ["x", "x", "y"], "weight": [1.0, 0.5, 1.0]})
    found = {name: effect for _, name, effect in boosts_of_labels(truth, labels).rows()}
    assert found == {"x": pytest.approx((0.4 * 3 - 0.2 * 0.5) / 3.5), "y": pytest.approx(-0.2)}


def test_regret_is_zero_for_the_best_one_for_nothing_and_more_for_harm() -> None:
    chosen = pl.DataFrame({"best": [0.4, 0.1], "weight": [0.5, 0.5]})
    assert regret(chosen.with_columns(gain="best")) == pytest.approx(0)
    assert regret(chosen.with_columns(gain=0.0)) == 1
    assert regret(chosen.with_columns(gain=pl.Series([0.4, -0.1]))) == pytest.approx(1 - 0.3 / 0.5)
    assert regret(chosen.with_columns(gain=pl.Series([-0.4, -0.1]))) == pytest.approx(2)
    assert regret(chosen.with_columns(gain="best"), best=0.5) == pytest.approx(0.5)


def test_each_method_chooses_by_its_score_and_coterie_may_abstain() -> None:
    true = effects(
        ("c", "x", 0.2), ("c", "y", -0.1), ("c", "s", 0.9), ("d", "x", 0.1), ("d", "y", 0.3), ("d", "s", 0.0)
    )
    rows = proposed(("c", "y", 0.01), ("c", "x", 0.02))
    scores = scores_of(("c", "s", 9.0), ("c", "y", 2.0), ("c", "x", 1.0), ("d", "nowhere", 5.0), ("d", "y", 1.0))
    chosen = choices(rows, scores, pl.Series(["c", "d"]), ["s"])
    gained = {(c, m): g for c, m, g in gains(chosen, true, ["s"]).select("community_id", "method", "gain").rows()}
    assert gained["c", COTERIE] == 0.2
    assert gained["d", COTERIE] == 0.0
    assert gained["c", NAIVE] == -0.1
    assert gained["d", NAIVE] == 0.0, "an interest without items adds nothing"
    assert gained["c", RANDOM] == pytest.approx(0.05)
    best = best_choice(true, ["s"]).sort("community_id")
    assert best.rows() == [("c", 0.2, 0.5), ("d", 0.3, 0.5)]


def test_withheld_rows_are_no_choice() -> None:
    rows = proposed(("c", "x", 0.5)).with_columns(status=pl.lit("withheld: the interval reaches zero"))
    chosen = choices(rows, scores_of(("c", "x", 1.0)), pl.Series(["c"]), []).filter(pl.col("method") == COTERIE)
    assert chosen["interest_id"].to_list() == [None]


def test_coverage_counts_rows_with_a_number_and_a_truth() -> None:
    columns = {"effect": [1.0] * 4, "effect_low": [0.0, 0.0, None, 0.0], "effect_high": [2.0] * 4}
    held = covered(pl.DataFrame({**columns, "truth": [2.0, -0.1, 1.0, None]}))
    assert held["inside"].to_list() == [True, False]
    assert held["overstated"].to_list() == [False, True]


def test_coverage_of_exact_intervals_is_their_level() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=4_000)
    seen = truth + rng.normal(size=4_000)
    frame = pl.DataFrame({"effect": seen, "effect_low": seen - 1.6449, "effect_high": seen + 1.6449, "truth": truth})
    assert covered(frame)["inside"].mean() == pytest.approx(0.9, abs=0.015)


def test_rank_correlation() -> None:
    up = pl.Series([1.0, 2.0, 3.0, 4.0, 5.0])
    assert rank_correlation(up, up**3) == pytest.approx(1)
    assert rank_correlation(up, -up) == pytest.approx(-1)
    assert rank_correlation(up.head(4), up.head(4)) is None
    assert rank_correlation(up, pl.Series([1.0] * 5)) is None


def test_pooling_is_the_ratio_of_sums_with_its_linearised_interval() -> None:
    frame = pl.DataFrame({"seed": [1, 1, 2], "value": [1.0, 0.5, 0.0], "weight": [1.0, 2.0, 2.0]})
    value, half = pooled(frame)
    assert value == pytest.approx(2 / 5)
    residuals = np.array([2 - 0.4 * 3, 0 - 0.4 * 2])
    assert half == pytest.approx(12.706 * np.sqrt(2 * (residuals**2).sum()) / 5, rel=1e-4)
    assert np.isnan(pooled(frame.head(2))[1])
    assert np.isnan(pooled(frame.clear())[0])


def test_what_the_simpler_methods_look_at() -> None:
    engagement = pl.DataFrame(
        {"user_id": ["a", "a", "b"], "item_id": ["1", "2", "1"], "strength": [0.6, 0.2, 0.8], "exposures": [20, 10, 5]}
    )
    labels = pl.DataFrame({"item_id": ["1", "2"], "interest_id": ["x", "y"], "weight": [1.0, 1.0]})
    found = observed(pl.DataFrame({"community_id": ["c"], "user_id": ["a"]}), engagement, labels)
    assert found[POPULARITY].to_list() == pytest.approx([1.4, 0.2])
    assert found[NAIVE].to_list() == pytest.approx([0.75 / 0.875, 0.25 / 0.125])
    assert found[PER_SHOWING].to_list() == [pytest.approx(0.03), None]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_truth_is_what_the_library_measures_without_bias(seed: int) -> None:
    days, truth = run_world(Scenario(seed=seed, **{**SMALL, "days": 7}))
    labels = true_labels(truth)
    engaged = pl.concat([d.engagement.with_columns(day=pl.lit(d.on)) for d in days])
    events = pl.concat([d.events.with_columns(day=pl.lit(d.on)) for d in days])
    before = date(2024, 4, 30)
    members = truth.communities_on(days[0].on).drop_nulls().select(
        "user_id", community_id=pl.format("c{}", "community"), is_primary=True, day=pl.lit(before)
    )  # fmt: skip
    nothing = pl.DataFrame(
        schema={"day": pl.Date, "user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64}
    )
    frames = Days(
        engagement=engaged, labels=labels, memberships=members, user_interests=nothing,
        interest_daily=pl.DataFrame(), exposed=exposed_rows(events, engaged),
    )  # fmt: skip
    window = window_from_frames(
        start=days[0].on, end=days[-1].on, members_on=before, prior_on=before, communities=members["community_id"].unique(),
        engagement=engaged, labels=labels, memberships=members, user_interests=nothing, exposed=frames.exposed,
    )  # fmt: skip
    supply = truth.items.join(truth.texts.filter(pl.col("posted").dt.date() >= days[0].on), on="vid", how="semi")
    supply = (
        supply.group_by("interest_id")
        .agg(supply=pl.len().cast(pl.Float64))
        .with_columns(day=pl.lit(days[0].on), items=1)
    )
    measured = measure(window, supply).filter(pl.col("difference").is_not_null(), pl.col("engaged") >= 10)
    joined = measured.join(
        truths(window, frames, truth, showings_of(days, truth)), on=["community_id", "interest_id", "metric"]
    )
    z = joined.with_columns(z=(pl.col("difference") - pl.col("truth")) / pl.col("std_error"))
    spreads = {EXPOSURE: (0.75, 1.25), GAIN: (0.75, 1.25), ADOPTION: (0.6, 1.15), GAP: (0.1, 1.0)}
    for metric, spread in spreads.items():
        found = z.filter(pl.col("metric") == metric)["z"]
        assert len(found) > 20
        assert abs(found.mean()) < 0.35, metric  # type: ignore[arg-type]
        assert spread[0] < found.std() < spread[1], metric  # type: ignore[operator]


@pytest.fixture(scope="module")
def small() -> dict[int, tuple[Any, Known, Any]]:
    worlds = {}
    for seed in (1, 2):
        days, truth = run_world(Scenario(seed=seed, **SMALL))
        worlds[seed] = (days, truth, list(pipeline.run(days, true_labels(truth), exposures=True)))
    return worlds


def test_rows_are_among_the_candidates_with_the_same_numbers(small: dict[int, tuple[Any, Known, Any]]) -> None:
    days, truth, found = small[1]
    last = last_day(days, truth, true_labels(truth), found, by_text=true_labels(truth))
    tested = candidates(last)  # those that showings of an interest tell of: hours and bundles have no truth here
    rows = suggestions(last).filter(pl.col("effect").is_not_null(), pl.col("kind").is_in(tested["kind"].implode()))
    assert rows.height
    key = ["kind", "community_id", "interest_id"]
    joined = rows.join(tested.select(*key, "effect", "effect_low"), on=key, suffix="_tested")
    assert joined.height == rows.height
    for column in ("effect", "effect_low"):
        assert joined[column].to_list() == pytest.approx(joined[f"{column}_tested"].to_list())


def test_the_correlation_of_labels_is_found_again() -> None:
    rng = np.random.default_rng(1)
    names, confidence = np.repeat(np.arange(400), 20), np.full(8_000, 0.7)
    together = np.repeat(rng.random(400), 20)  # a label is right by its interest's luck or by its own
    own = rng.random(8_000) < 0.6
    luck = np.where(own, rng.random(8_000), together)
    frame = pl.DataFrame({"interest_id": names, "confidence": confidence, "right": (luck < confidence).astype(float)})
    assert correlation(frame) == pytest.approx(0.4**2, abs=0.05)
    alone = frame.with_columns(right=pl.Series((rng.random(8_000) < confidence).astype(float)))
    assert correlation(alone) == pytest.approx(0, abs=0.02)


def test_of_the_ways_to_estimate_a_gain_the_one_used_is_no_worse_than_those_that_lost(
    small: dict[int, tuple[Any, Known, Any]],
) -> None:
    days, truth, found = small[1]
    last = last_day(days, truth, true_labels(truth), found, by_text=true_labels(truth))
    frame = compared(last, truths(last.window, last.days, truth, showings_of(days[-7:], truth)))
    off = frame.with_columns(off=pl.col("gain") - pl.col("truth")).group_by("way").agg(
        pairs=pl.len(), bias=pl.col("off").mean(), error=(pl.col("off") ** 2).mean().sqrt()
    )  # fmt: skip
    by_way = {row["way"]: row for row in off.iter_rows(named=True)}
    used, robust, _, uniform, random, plain = (by_way[way] for way in WAYS)
    assert used["error"] < min(0.03, 0.8 * random["error"], plain["error"])
    assert used["pairs"] > 1.5 * random["pairs"]
    assert abs(used["bias"]) < min(0.006, plain["bias"] - 0.002)
    assert used["error"] == pytest.approx(robust["error"], rel=0.1)
    assert used["error"] < 1.1 * uniform["error"]
    assert table(frame).count("|") > 7 * len(WAYS)


def test_a_small_run_is_good_enough_and_shows(
    small: dict[int, tuple[Any, Known, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []
    for seed, (days, truth, found) in small.items():
        monkeypatch.setattr(pipeline, "run", lambda *_, _found=found, **__: iter(_found))
        frame = figures(days, truth, true_labels(truth))
        parts += [
            frame.with_columns(seed=pl.lit(seed), mixing=pl.lit(0.2), labels=pl.lit(labels))
            for labels in ("true", "local")
        ]
    rows = pl.concat(parts)
    assert {"method", "measure", "value"} <= set(rows.columns)

    def score(method: str, measure: str) -> float:
        of_it = (pl.col("method") == method) & (pl.col("measure") == measure) & (pl.col("labels") == "true")
        return pooled(rows.filter(of_it))[0]

    # Large worlds give 0.95 and more, 0.9, a tenth of observed lift's, and 0.03; a small world has few rows.
    assert score(BOOST, "coverage of candidates") > 0.85
    assert score(COTERIE, "rank correlation of candidates") > 0.6
    assert score(COTERIE, "regret") < min(0.2, score(NAIVE, "regret"))
    assert score(RANDOM, "regret") > 1
    assert score(BOOST, "gains that are losses") <= 0.1
    page = strategies.render(rows, tmp_path)
    assert "| Coterie |" in page
    assert {p.name for p in tmp_path.iterdir()} == {"strategies-predicted.svg", "strategies-regret.svg"}
    assert len(strategies.settings(Options())) == 6
