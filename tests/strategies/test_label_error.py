"""Wrong labels: the spread of the share of right ones against simulation, and what it does to rows."""

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies_world import INTERESTS
from test_propose import outcome, outcomes, proposed_from

from coterie.strategies.kinds import BOOST, CLOSE_GAP
from coterie.strategies.label_error import CORRELATION, FEWEST_ITEMS, WHY_NOT, label_error, label_missed
from coterie.strategies.outcome import EXPOSURE, GAIN, GAP, SHARE
from coterie.strategies.propose import PROPOSED
from coterie.strategies.shrinkage import Z90
from coterie.strategies.window import Labels, build_window

DAY = date(2024, 3, 20)


def error(confidence: float, items: float, share: float = 1.0) -> tuple[float, float]:
    frame = pl.DataFrame({"label_confidence": [confidence], "label_items": [items], "label_share": [share]})
    (found,) = frame.select(wrong=label_error(), missed=label_missed()).rows()
    return found


@pytest.mark.parametrize(("confidence", "items"), [(0.8, 4), (0.6, 30), (0.9, 1)])
def test_error_is_the_relative_spread_of_the_share_of_right_labels(confidence: float, items: int) -> None:
    # Beta-binomial: labels of an interest are right together, with the correlation 1 / (a + b + 1).
    rng = np.random.default_rng(1)
    size = 1 / CORRELATION - 1
    right = rng.binomial(items, rng.beta(confidence * size, (1 - confidence) * size, 200_000)) / items
    assert error(confidence, items)[0] == pytest.approx(right.std() / confidence, rel=0.02)


@settings(deadline=None)
@given(st.floats(0.05, 1), st.floats(1, 500), st.floats(0.05, 1))
def test_surer_and_more_labels_err_less(confidence: float, items: float, share: float) -> None:
    wrong, missed = error(confidence, items, share)
    assert wrong >= error(min(1, confidence + 0.01), items)[0]
    assert wrong >= error(confidence, items + 1)[0]
    assert missed >= error(confidence, items, min(1, share + 0.01))[1]
    assert error(1.0, items, 1.0) == (0, 0)


def engaged(**confidence: float) -> Labels | None:
    """Two members and a stranger; x1 and x2 are about a, x3 about nothing known."""
    rows = [("u1", "x1", 0.6), ("u2", "x2", 0.2), ("u2", "x3", 0.2), ("v", "x2", 1.0)]
    engagement = pl.DataFrame(rows, schema=["user_id", "item_id", "strength"], orient="row").with_columns(
        day=pl.lit(DAY), exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(False)
    )
    labels = pl.DataFrame({"item_id": ["x1", "x2"], "interest_id": "a", "weight": [1.0, 0.5]})
    if confidence:
        labels = labels.with_columns(confidence=pl.Series(list(confidence.values())))
    members = pl.DataFrame({"user_id": ["u1", "u2"], "community_id": "c"})
    nothing = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    return build_window(engagement=engagement, labels=labels, members=members, prior=nothing).labels


def test_what_labels_rest_on_is_counted_by_the_members_engagement() -> None:
    found = engaged(x1=0.9, x2=0.4)
    assert found is not None
    assert found.confidence[0, 0] == pytest.approx((0.6 * 0.9 + 0.1 * 0.4) / 0.7)
    assert found.items[0, 0] == pytest.approx(0.7**2 / (0.6**2 + 0.1**2))
    assert found.share[0, 0] == pytest.approx(0.8)
    assert engaged() is None


def of(kind: str, **known: Any) -> dict[str, Any]:
    """The row of one interest among others with sure labels."""
    metric = GAIN if kind == BOOST else GAP
    usual: dict[str, Any] = {"evaluability": "propensity", "community_mean": 0.2} if kind == BOOST else {
        "supply": 5.0, "supply_total": 100.0}  # fmt: skip
    rows = []
    for n, interest in enumerate(INTERESTS[:2]):
        rows.append(outcome("c0", interest, metric, **usual, **(known if n == 0 else {})))
        rows.append(outcome("c0", interest, EXPOSURE if kind == BOOST else SHARE))
    found = proposed_from(outcomes(*rows)).filter(pl.col("kind") == kind, pl.col("interest_id") == INTERESTS[0])
    return found.row(0, named=True)


LABELLED = {"label_confidence": 0.8, "label_items": 20.0, "label_share": 0.7}


def test_the_upper_end_of_a_boost_allows_for_dilution_and_the_lower_is_of_what_bears_the_label() -> None:
    sure, unsure = of(BOOST), of(BOOST, **LABELLED)
    wrong = error(0.8, 20)[0]
    assert unsure["effect"] == sure["effect"]
    assert unsure["effect_low"] == pytest.approx(sure["effect_low"])
    up = np.hypot(sure["effect_high"] - sure["effect"], Z90 * wrong * sure["effect"])
    assert unsure["effect_high"] == pytest.approx(sure["effect"] + up)
    evidence = json.loads(unsure["evidence"])
    assert (evidence["label_confidence"], evidence["label_items"]) == (0.8, 20.0)
    assert evidence["label_error"] == pytest.approx(wrong, rel=1e-4)


def test_both_ends_of_a_gap_allow_for_wrong_labels_and_the_upper_for_missing_ones() -> None:
    sure, unsure = of(CLOSE_GAP), of(CLOSE_GAP, **LABELLED)
    wrong, missed = error(0.8, 20, 0.7)
    down = np.hypot(sure["effect"] - sure["effect_low"], Z90 * wrong * sure["effect"])
    assert unsure["effect_low"] == pytest.approx(sure["effect"] - down)
    up = np.hypot(
        np.hypot(sure["effect_high"] - sure["effect"], Z90 * wrong * sure["effect"]), Z90 * missed * sure["effect"]
    )
    assert unsure["effect_high"] == pytest.approx((sure["effect"] + up) / 0.8)


def test_an_error_of_labels_is_none_of_the_score_that_shares_it() -> None:
    assert of(CLOSE_GAP, **LABELLED)["std_error"] == of(CLOSE_GAP)["std_error"]


@pytest.mark.parametrize(
    "known", [{**LABELLED, "label_confidence": 0.5}, {**LABELLED, "label_items": FEWEST_ITEMS - 0.1}]
)
def test_where_wrong_labels_may_be_all_of_it_there_is_no_number(known: dict[str, float]) -> None:
    rows = [
        outcome("c0", i, GAP, supply=5.0, supply_total=100.0, **(known if n == 0 else {}))
        for n, i in enumerate(INTERESTS[:2])
    ]
    rows += [outcome("c0", i) for i in INTERESTS[:2]]
    found = proposed_from(outcomes(*rows)).filter(pl.col("kind") == CLOSE_GAP)
    lost = found.filter(pl.col("interest_id") == INTERESTS[0]).row(0, named=True)
    assert lost["status"] == f"withheld: not evaluable, {WHY_NOT}"
    assert lost["effect"] is None
    assert lost["evaluability"] == "not_evaluable"
    assert found.filter(pl.col("status") == PROPOSED)["interest_id"].to_list() == [INTERESTS[1]]
    # It counts as tested and lost: the other's q-value is as if it were there.
    assert json.loads(found["evidence"][0])["candidates_tested"] == 4


def test_few_items_with_labels_beyond_doubt_are_enough() -> None:
    assert of(BOOST, label_confidence=1.0, label_items=1.0, label_share=1.0)["status"] == PROPOSED
