"""Shares and lifts corrected for label error: known truth under simulated noise, and where nothing was measured."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.label_shares import FEW, SHARES, TEXTS, gold, measured, naive, ppi_tuned, rogan_gladen, world
from coterie.labels.gold import GoldSet, Version, marked
from coterie.labels.gold_quality import (
    FEWEST,
    LEAST_PRECISION,
    agreement,
    corrected,
    error_rates,
    label_quality,
    overall_precision,
    precision_of,
    widened,
)
from coterie.tables import LABEL_QUALITY
from tests.labels.gold_world import LOCAL, gold_set

A, B = "x.a", "x.b"


@pytest.mark.parametrize(
    ("grown", "texts"), [(False, TEXTS), (True, TEXTS), (True, FEW)], ids=["like the draw", "doubled", "few texts"]
)
@pytest.mark.parametrize("size", [200, 500, 1000])
def test_corrected_shares_cover_where_naive_ones_do_not(size: int, grown: bool, texts: int) -> None:
    rng = np.random.default_rng(size)
    places = [world(rng, grown=grown, texts=texts) for _ in range(120)]
    runs = [(place, gold(place, size, rng)) for place in places]
    used, plain = measured(rogan_gladen, runs), measured(naive, runs)
    assert used["common"] >= 0.88
    assert used["rare"] >= 0.88
    assert used["worst"] >= 0.80  # one of twelve interests alone, in 120 worlds
    assert plain["common"] < (0.2 if texts == TEXTS else 0.75)
    if grown and texts == TEXTS:
        assert measured(ppi_tuned, runs)["common"] < 0.8  # why it was not kept


def test_labels_that_are_right_need_no_correction_and_get_a_narrow_interval() -> None:
    rng = np.random.default_rng(0)
    place = world(rng, noise=0.0)
    value, low, high = rogan_gladen(place, gold(place, 1000, rng))
    assert np.allclose(value, place.truth, atol=0.01)
    assert ((low <= place.truth) & (place.truth <= high)).all()
    assert (high - low)[SHARES >= 0.1].max() < 0.08


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(1, 999), st.floats(0, 999), st.floats(0, 1))
def test_a_corrected_share_lies_in_its_interval(
    x: float, caught: float, false: float, n1: float, n0: float, d: float
) -> None:
    rates = tuple(np.array([v]) for v in (caught, n1, false, n0))
    value, low, high = corrected(np.array([x]), rates, d)  # type: ignore[arg-type]
    if caught - false < 0.05:
        assert np.isnan(value[0])
    elif np.isfinite(value[0]):
        assert 0 <= low[0] <= value[0] <= high[0] <= 1


def test_a_share_made_by_known_error_is_undone() -> None:
    truth, caught, false = 0.3, 0.7, 0.1
    rates = tuple(np.array([v]) for v in (caught, 1e9, false, 1e9))
    found = corrected(np.array([truth * caught + (1 - truth) * false]), rates, 0.0)  # type: ignore[arg-type]
    assert [f[0] for f in found] == pytest.approx([truth] * 3, abs=1e-3)


def test_error_rates_reproduce_the_labels_of_the_gold_set() -> None:
    rng = np.random.default_rng(1)
    pick = lambda: [str(i) for i in rng.choice([A, B, "x.c"], rng.integers(0, 3), replace=False)]  # noqa: E731
    texts = 4000
    people, labels = [pick() for _ in range(texts)], [[(i, 0.9) for i in pick()] for _ in range(texts)]
    of = marked(gold_set(people, labels), LOCAL)
    caught, _, false, _ = error_rates(of)
    share = of.truth.mean(axis=0)
    assert np.allclose(share * caught + (1 - share) * false, of.labels.mean(axis=0), atol=1e-3)


def test_the_table_has_a_row_for_each_interest_that_was_given() -> None:
    people = [[A]] * 8 + [[B]] * 2 + [["x.missed"]]
    found = label_quality(gold_set(people, [[(A, 0.9)]] * 8 + [[(B, 0.9)]] * 2 + [[]]), LOCAL)
    assert found.schema == pl.Schema(LABEL_QUALITY.schema)
    assert found.select("interest_id", "texts", "precision", "recall").rows() == [(A, 8, 1.0, 1.0), (B, 2, 1.0, 1.0)]
    assert found["caught"].is_null().to_list() == [False, True], f"fewer than {FEWEST} texts correct nothing"
    assert (found["precision_low"] < 1).all()


def test_an_interest_that_only_one_side_names_has_no_kappa() -> None:
    found = label_quality(gold_set([[A]] * 6 + [[]] * 6, [[(A, 0.9)]] * 6 + [[(B, 0.9)]] * 6), LOCAL)
    assert found.select("interest_id", "kappa").rows() == [(A, 1.0), (B, None)]
    assert found["recall"].to_list() == [1.0, None]


def test_without_gold_nothing_is_said() -> None:
    none = gold_set([], [])
    other = Version("claude", "m", "", "t1")
    assert label_quality(none, LOCAL).height == 0
    assert overall_precision(none, LOCAL) is None
    assert agreement(none, LOCAL) == {"gold_texts": 0}
    one = gold_set([[A]] * 9, [[(A, 0.9)]] * 9)
    assert label_quality(one, other).height == 0
    assert overall_precision(one, other) is None
    assert [a.tolist() for a in precision_of(LABEL_QUALITY.empty(), pl.Series([A, B]))] == [[1.0, 1.0]] * 2


def test_a_known_prompt_is_preferred_to_an_unknown_one() -> None:
    bare, full = Version("claude", "m", "", "t1"), Version("claude", "m", "p1", "t1")
    one = gold_set([[A]], [[(A, 0.9)]], version=bare)
    assert one.version_like(full) == bare
    two = gold_set([[A]], [[(A, 0.9)]], version=full)
    both = GoldSet(one.drawn, one.answers, pl.concat([one.verdicts, two.verdicts]))
    assert both.version_like(full) == full
    assert both.version_like(Version("claude", "m", "p2", "t1")) == bare


def test_an_interest_without_gold_texts_stands_for_all() -> None:
    people = [[A]] * 6 + [[B]] * 3 + [["x.c"]] * 9
    quality = label_quality(gold_set(people, [[(A, 0.9)]] * 9 + [[(B, 0.9)]] * 9), LOCAL)
    value, (a, b, other) = precision_of(quality, pl.Series([A, B, "x.new"]))
    assert value.tolist() == pytest.approx([6 / 9, LEAST_PRECISION, 3 / 9])
    assert a == pytest.approx(quality["precision_low"][0])
    assert b == LEAST_PRECISION
    assert other == pytest.approx(quality["precision_low"].mean())


LIFTS = st.lists(st.floats(0.0, 50.0), min_size=3, max_size=3).map(sorted)
PRECISIONS = st.lists(st.floats(0.1, 1.0), min_size=2, max_size=2).map(sorted)


@settings(max_examples=100, deadline=None)
@given(LIFTS, PRECISIONS, st.floats(0.3, 1.0))
def test_wrong_labels_widen_intervals_of_lift_the_more_the_worse(
    lifts: list[float], precisions: list[float], less: float
) -> None:
    low, lift, high = (np.array([v]) for v in lifts)
    worst, right = (np.array([p]) for p in precisions)
    first = widened(lift, low, high, right, worst)
    second = widened(lift, low, high, right * less, worst * less)
    assert 0 <= second[0][0] <= first[0][0] + 1e-9
    assert first[0][0] <= low[0]
    assert high[0] <= first[1][0] <= second[1][0] + 1e-9
    one = np.ones(1)
    same = widened(lift, low, high, one, one)
    assert (same[0][0], same[1][0]) == (low[0], high[0])


def test_a_lift_that_labels_diluted_lies_in_the_widened_interval() -> None:
    lift, right = np.array([0.2, 1.0, 3.0, 9.0]), np.full(4, 0.6)
    seen = 1 + right * (lift - 1)
    low, high = widened(seen, seen, seen, right, right)
    assert ((low <= lift + 1e-9) & (lift <= high + 1e-9)).all()
