"""The bench's scores of labels: closed forms, the peers' rules, and the local labeller on a sample of the packs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import label_scores, labels
from benchmarks.label_peers import KEYWORDS, LOCAL, _described, _nearest, characters, keywords, local, most_common
from benchmarks.label_scores import (
    HELD_OUT,
    LANGUAGES,
    TUNING,
    Labels,
    Texts,
    calibration_error,
    half_of,
    macro_f1,
    precision_at,
    reliability,
    resamples,
    scored,
    scores,
    texts_of,
)

ONES = np.ones(4)


def sample(language: str, every: int) -> Texts:
    """Every so-manieth text of a pack."""
    texts = texts_of(language)
    return texts.take(np.arange(0, len(texts.true), every))


def test_macro_f1_by_hand() -> None:
    true, said = np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1])
    # Class 0: 1 right of 2, 1 given. Class 1: 1 right of 1, 2 given. Class 2: nothing.
    assert macro_f1(true, said, np.array([0, 1, 2]), ONES) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert macro_f1(true, said, np.array([0, 1]), ONES) == pytest.approx(2 / 3)
    assert macro_f1(true, true, np.array([0, 1, 2]), ONES) == 1
    # A text that counts twice is as good as two texts.
    twice = macro_f1(np.append(true, 0), np.append(said, 0), np.array([0, 1, 2]), np.ones(5))
    assert macro_f1(true, said, np.array([0, 1, 2]), np.array([2.0, 1, 1, 1])) == pytest.approx(twice)


def test_precision_at_a_coverage_keeps_the_most_confident() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1.0, 0.0, 1.0])
    assert precision_at(confidence, right, ONES, 8, 0.25) == 1
    assert precision_at(confidence, right, ONES, 8, 0.375) == pytest.approx(2 / 3)
    assert precision_at(confidence, right, ONES, 8, 0.5) == pytest.approx(3 / 4)
    assert precision_at(confidence, right, ONES, 8, 0.51) is None
    assert precision_at(np.zeros(0), np.zeros(0), np.zeros(0), 8, 0.2) is None


def test_precision_among_equally_confident_labels_is_their_mean() -> None:
    confidence, right = np.array([0.9, 0.5, 0.5, 0.5]), np.array([1.0, 1.0, 0.0, 0.0])
    assert precision_at(confidence, right, ONES, 4, 0.5) == pytest.approx((1 + 1 / 3) / 2)


def test_calibration_error_of_a_calibrated_set_is_zero() -> None:
    confidence = np.array([0.25] * 4 + [0.75] * 4)
    right = np.array([1.0, 0, 0, 0, 1, 1, 1, 0])
    assert calibration_error(confidence, right, np.ones(8)) == pytest.approx(0)
    assert calibration_error(confidence, np.zeros(8), np.ones(8)) == pytest.approx(0.5)
    count, mean, share = reliability(confidence, right, np.ones(8))
    assert count[[2, 7]].tolist() == [4, 4]
    assert mean[[2, 7]].tolist() == pytest.approx([0.25, 0.75])
    assert share[[2, 7]].tolist() == pytest.approx([0.25, 0.75])
    assert np.isnan(share[0])


def test_a_certain_label_is_in_the_last_step() -> None:
    assert reliability(np.ones(3), np.ones(3), np.ones(3))[0].tolist() == [0.0] * 9 + [3.0]


def test_the_first_weighting_is_the_sample_and_all_sum_to_it() -> None:
    drawn = list(resamples(50, 3, seed=1))
    assert (drawn[0] == 1).all()
    assert [float(w.sum()) for w in drawn] == [50.0] * 4
    assert not np.array_equal(drawn[1], drawn[2])


def test_what_is_accepted_counts_as_right() -> None:
    texts = Texts(
        "en", pl.DataFrame({"row": [0, 1, 2]}), ("a.x", "a.y", "b.z"), np.array([0, 0, 1]), np.array([0, 0, 2]),
        np.array([[True, True, False], [True, False, False], [False, False, True]]), np.array([0, 2]),
    )  # fmt: skip
    given = Labels(np.array([0, 1]), np.array([1, 1]), np.array([0.9, 0.8]))
    found = {m: v for m, at, v in scores(texts, given, np.ones(3), calibrated=False) if not at}
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["precision"] == 0.5
    assert found["precision, domain"] == 1
    # The first text stands for its true interest, a.x: 1 of 2 right, 1 given; b.z has no label.
    assert found["macro-F1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["macro-F1, first id only"] == 0
    assert found["macro-F1, domain"] == pytest.approx(0.5)


def test_who_always_names_the_most_common_is_right_as_often_as_it_is_common() -> None:
    texts = sample("en", 50)
    found = {
        m: v for m, at, v in scores(texts, most_common(texts), np.ones(len(texts.true)), calibrated=False) if not at
    }
    assert found["coverage"] == 1
    assert found["precision"] == pytest.approx(texts.accepted[:, np.bincount(texts.true).argmax()].mean())


# What is measured less about 0.03, since a sample varies and is a shorter log to learn from.
@pytest.mark.parametrize(
    ("language", "every", "at_035", "domain_at_035", "coverage", "f1"),
    [("en", 4, 0.75, 0.79, 0.47, 0.42), ("zh", 1, 0.70, 0.76, 0.60, 0.43)],
)
@pytest.mark.parametrize("labeller", [local, keywords])
def test_the_local_labeller_is_good_enough_on_texts_that_nobody_read(
    language: str,
    every: int,
    at_035: float,
    domain_at_035: float,
    coverage: float,
    f1: float,
    labeller: Callable[[Texts], Labels],
) -> None:
    texts = texts_of(language).half(HELD_OUT)
    texts = texts.take(np.arange(0, len(texts.true), every))
    found = {(m, at): v for m, at, v in scores(texts, labeller(texts), np.ones(len(texts.true)), calibrated=True)}
    learnt = 0.0 if labeller is local else -0.03
    assert found["precision at coverage", 0.35] > at_035 + learnt  # type: ignore[operator]
    assert found["precision at coverage, domain", 0.35] > domain_at_035 + learnt  # type: ignore[operator]
    assert found["coverage", 0.0] > coverage + learnt  # type: ignore[operator]
    assert found["macro-F1", 0.0] > f1 + learnt  # type: ignore[operator]
    assert found["calibration error", 0.0] < 0.06  # type: ignore[operator]


def test_characters_find_a_text_that_is_a_description() -> None:
    pytest.importorskip("sklearn")
    texts = sample("en", 4_000)
    described = _described(texts)[: len(texts.true)]
    texts = replace(texts, frame=texts.frame.with_columns(text=pl.Series(described)))
    assert characters(texts).interest.tolist() == list(range(len(described)))


def test_nothing_alike_is_no_label() -> None:
    found = _nearest(np.array([[0.0, 0.0], [0.1, 0.3]]))
    assert (found.text.tolist(), found.interest.tolist(), found.confidence.tolist()) == ([1], [1], [0.3])


def test_the_halves_share_no_text_and_do_not_change() -> None:
    assert [half_of(text, []) for text in ("a cat", "a dog", "a bird")] == [TUNING, HELD_OUT, TUNING]
    for language in LANGUAGES:
        texts = texts_of(language)
        halves = [texts.half(name) for name in (TUNING, HELD_OUT)]
        assert sum(len(half.true) for half in halves) == len(texts.true)
        assert abs(len(halves[0].true) / len(texts.true) - 0.5) < 0.02
        said = [set(half.frame.select("text", pl.col("hashtags").list.join("|")).rows()) for half in halves]
        assert not said[0] & said[1]


def test_the_page_shows_both_languages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_scores, "DRAWS", 20)
    parts = []
    for language in LANGUAGES:
        texts = sample(language, 20)
        for method, label in ((LOCAL, local), (KEYWORDS, keywords)):
            rows = scored(texts, label(texts), method, 1, calibrated=True).with_columns(language=pl.lit(language))
            parts += [rows.with_columns(half=pl.lit(half)) for half in (TUNING, HELD_OUT)]
    page = labels.render(pl.concat(parts), tmp_path)
    assert "### English titles" in page
    assert "### Chinese captions" in page
    assert "were not installed" in page
    assert "| Chinese captions | keywords alone | tuning |" in page
    assert {p.name for p in tmp_path.iterdir()} == {"labels-precision-coverage.svg", "labels-reliability.svg"}
