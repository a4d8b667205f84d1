"""Measures on a gold set: closed forms, statsmodels where it has the same, known truth under unequal chances."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from coterie.labels.gold import GoldSet, Version, marked
from coterie.labels.gold_measures import (
    Z,
    between_annotators,
    calibration,
    confusion,
    drift,
    first_kappa,
    kappa,
    overall,
    precision,
    recall,
    share,
)
from coterie.labels.gold_report import report
from tests.labels.gold_world import LOCAL, gold_set

A, B, C = "x.a", "x.b", "x.c"


def test_masses_and_marks_of_texts() -> None:
    of = marked(gold_set([[A], [A, B], [], [C]], [[(A, 0.8)], [(B, 0.6), (C, 0.2)], [(A, 0.5)], []]), LOCAL)
    assert of.interests == (A, B, C)
    assert of.truth.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]]
    assert np.allclose(of.labels, [[1, 0, 0], [0, 0.75, 0.25], [1, 0, 0], [0, 0, 0]])
    assert of.first_label.tolist() == [0, 1, 0, 3]
    assert of.first_truth.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]


def test_two_annotators_are_half_a_voice_each() -> None:
    one = gold_set([[A], [B]], [[(A, 0.9)], [(B, 0.9)]])
    other = gold_set([[B], [B]], [[], []], annotator="ben")
    both = GoldSet(one.drawn, pl.concat([one.answers, other.answers]), one.verdicts)
    assert marked(both, LOCAL).chosen.tolist() == [[0.5, 0.5], [0, 1]]
    assert precision(marked(both, LOCAL)).value.tolist() == [0.5, 1.0]
    assert marked(both, LOCAL, ["ann"]).chosen.tolist() == [[1, 0], [0, 1]]
    (row,) = between_annotators(both).rows()
    assert row[:3] == ("ann", "ben", 2)
    # They agree on one of two texts; by chance they would on 1/2 * 0 + 1/2 * 1.
    assert row[3] == pytest.approx(0.0)


def test_precision_and_recall_count_what_texts_stand_for() -> None:
    # Text 0 stands for 10 others, the rest for 1.
    of = marked(
        gold_set([[A], [B], [A], [A]], [[(A, 0.9)], [(A, 0.9)], [(A, 0.9)], []], probability=[0.1, 1, 1, 0.5]), LOCAL
    )
    assert precision(of).value[0] == pytest.approx(11 / 12)
    assert recall(of).value[0] == pytest.approx(11 / 13)
    labels, interests, labelled = overall(of)
    assert (labels.value[0], interests.value[0]) == (pytest.approx(11 / 12), pytest.approx(11 / 14))
    assert labelled.value[0] == pytest.approx(12 / 14)


def test_with_equal_chances_the_interval_is_wilson_s() -> None:
    of = marked(gold_set([[A]] * 17 + [[B]] * 3, [[(A, 0.9)]] * 20), LOCAL)
    found = precision(of)
    assert (found.low[0], found.high[0]) == pytest.approx(proportion_confint(17, 20, alpha=0.1, method="wilson"))
    assert found.texts[0] == 20


def ninety(theirs: Any) -> tuple[float, float, float]:
    """Statsmodels' kappa with a 90 % interval; its own is 95 %."""
    return theirs.kappa, theirs.kappa - Z * theirs.std_kappa, theirs.kappa + Z * theirs.std_kappa


def test_kappa_is_that_of_statsmodels_where_chances_are_equal() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 300, p=[0.5, 0.3, 0.2])
    label = np.where(rng.random(300) < 0.7, truth, rng.choice(3, 300))
    names = [A, B, C]
    of = marked(gold_set([[names[t]] for t in truth], [[(names[g], 0.9)] for g in label]), LOCAL)
    table = np.array([[((label == a) & (truth == b)).sum() for b in range(3)] for a in range(3)])
    theirs = cohens_kappa(table)
    assert first_kappa(of).one() == pytest.approx(ninety(theirs), abs=1e-9)
    for j, found in enumerate(zip(*(getattr(kappa(of), n) for n in ("value", "low", "high")), strict=True)):
        two = np.array([[((label == j) == a) & ((truth == j) == b) for b in (True, False)] for a in (True, False)])
        one = cohens_kappa(two.sum(axis=2))
        assert found == pytest.approx(ninety(one), abs=1e-9)


def test_full_agreement_on_few_texts_is_not_certainty() -> None:
    value, low, high = first_kappa(marked(gold_set([[A], [B]] * 5, [[(A, 0.9)], [(B, 0.9)]] * 5), LOCAL)).one()
    assert (value, high) == (1.0, 1.0)
    assert 0.4 < low < 0.8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 60), st.booleans())
def test_estimates_lie_in_their_intervals_and_within_bounds(seed: int, texts: int, right: bool) -> None:
    rng = np.random.default_rng(seed)
    pick = lambda: [str(i) for i in rng.choice([A, B, C], rng.integers(0, 3), replace=False)]  # noqa: E731
    people = [pick() for _ in range(texts)]
    gold = gold_set(
        people,
        [[(i, float(rng.uniform(0.01, 1))) for i in (said if right else pick())] for said in people],
        probability=rng.uniform(0.01, 1, texts).tolist(),
    )
    of = marked(gold, LOCAL)
    for found, least in ((precision(of), 0), (recall(of), 0), (kappa(of), -1), (first_kappa(of), -1)):
        known = np.isfinite(found.value)
        for low, value, high in zip(found.low[known], found.value[known], found.high[known], strict=True):
            assert least <= low <= value <= high <= 1  # to the last digit: the audit bounds them
    assert report(gold, LOCAL) == report(gold, LOCAL)


def test_unequal_chances_bias_nothing_and_intervals_cover() -> None:
    rng = np.random.default_rng(4)
    covered, values = 0, []
    for _ in range(300):
        # Two strata: 5,000 texts of precision 0.9 of which 60 are drawn, and 500 of precision 0.4, of which 60 are.
        right = np.concatenate([rng.random(60) < 0.9, rng.random(60) < 0.4]).astype(float)[:, None]
        found = share(np.repeat([5000 / 60, 500 / 60], 60), right, np.ones_like(right))
        truth = (5000 * 0.9 + 500 * 0.4) / 5500
        covered += bool(found.low[0] <= truth <= found.high[0])
        values.append(found.value[0])
    assert np.mean(values) == pytest.approx(truth, abs=0.01)
    assert covered / 300 >= 0.87


def test_calibration_and_confusion_say_what_was_planted() -> None:
    people = [[A]] * 8 + [[B]] * 2 + [[A]] * 3 + [[]] * 3
    labels = [[(A, 0.85)]] * 10 + [[(A, 0.5)]] * 6
    of = marked(gold_set(people, labels), LOCAL)
    found = calibration(of).select("from", "labels", "confidence", "precision").rows()
    assert found == [(0.5, 6, pytest.approx(0.5), 0.5), (0.8, 10, pytest.approx(0.85), pytest.approx(0.8))]
    assert confusion(of).select("label", "truth", "texts", "share").rows() == [
        (A, None, 3, pytest.approx(3 / 16)),
        (A, B, 2, pytest.approx(2 / 16)),
    ]


def test_drift_is_judged_on_the_same_texts() -> None:
    rng = np.random.default_rng(2)
    right = rng.random(200) < 0.9
    newer = Version("claude", "m", "p2", "t1")
    people = [[A] if n % 2 else [B] for n in range(200)]

    def labels(ok: np.ndarray) -> list[list[tuple[str, float]]]:
        return [[(p if r else C, 0.9)] for (p,), r in zip(people, ok, strict=True)]

    old = gold_set(people, labels(right))
    worse = right & (rng.random(200) < 0.85)
    new = gold_set(people, labels(worse), version=newer)
    both = GoldSet(old.drawn, old.answers, pl.concat([old.verdicts, new.verdicts.head(150)]))
    found = {row["measure"]: row for row in drift(both, LOCAL, newer).to_dicts()}
    assert set(found) == {"precision", "recall", "labelled", "kappa"}
    assert found["precision"]["texts"] == 150
    assert found["precision"]["change"] == pytest.approx(float(worse[:150].mean() - right[:150].mean()))
    assert found["precision"]["high"] < 0
    assert (found["labelled"]["low"], found["labelled"]["high"]) == (0.0, 0.0)
    # The interval is narrower than two samples' would be: what both got wrong falls out.
    apart = 2 * 1.645 * np.sqrt((right.var() + worse.var()) / 150)
    assert found["precision"]["high"] - found["precision"]["low"] < 0.9 * apart
    assert "| precision | 150 |" in report(both, newer)
    assert "changed" in report(both, newer)


def test_the_report_says_what_is_not_known() -> None:
    gold = gold_set([[A], [B]] * 4, [[(A, 0.9)], [(C, 0.9)]] * 4)
    told = report(gold, Version("local", "lexical-9", "", "t2"))
    assert "No verdict of local lexical-9, taxonomy t2 is known" in told
    assert "No text was read by two people" in told
    assert "Only one version judged these texts" in told
    assert "annotated with taxonomy" not in told
