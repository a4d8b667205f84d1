"""Labels spread along co-engagement where audiences tell something, and nowhere else."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.labels.base import MOST_INTERESTS
from coterie.labels.propagation import PROPAGATED, SMOOTHING, _Model, propagated, standing, together

INTERESTS = ("a.one", "b.two", "c.three", "d.four")


def world(seed: int, *, users: int = 240, items: int = 240, told: float = 0.6, wrong: float = 0.2, taste: float = 0.85):
    """Labels by text, engagement and the truth: a user engages with items of their own interest with chance `taste`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(INTERESTS), items)
    names = [f"i{k:03}" for k in range(items)]
    shown = np.where(rng.random(items) < wrong, rng.integers(0, len(INTERESTS), items), truth)
    labels = pl.DataFrame(
        {"item_id": names, "interest_id": [INTERESTS[k] for k in shown], "confidence": 1 - wrong * 0.75}
    ).filter(pl.Series(rng.random(items) < told))
    wants = rng.integers(0, len(INTERESTS), users)
    acts = []
    for user in range(users):
        own, others = np.flatnonzero(truth == wants[user]), np.flatnonzero(truth != wants[user])
        for _ in range(15):
            chosen = rng.choice(own if rng.random() < taste else others)
            acts.append((f"u{user:03}", names[chosen], 1.0))
    engagement = pl.DataFrame(acts, schema=["user_id", "item_id", "strength"], orient="row")
    known = pl.DataFrame({"item_id": names, "truth": [INTERESTS[k] for k in truth]})
    return labels, engagement, known


def right(labels: pl.DataFrame, known: pl.DataFrame) -> tuple[float, float]:
    """Coverage, and precision of the first label."""
    first = labels.sort("item_id", -pl.col("confidence"), "interest_id").unique("item_id", keep="first")
    both = known.join(first, on="item_id")
    return both.height / known.height, float((both["truth"] == both["interest_id"]).mean())


@pytest.mark.parametrize("seed", range(5))
def test_silent_items_get_their_label_and_wrong_ones_are_mended(seed: int) -> None:
    labels, engagement, known = world(seed)
    found = propagated(labels, engagement)
    assert found.trust > 0
    covered, precise = right(together(standing(labels), standing(found.labels)), known)
    before_covered, before_precise = right(labels, known)
    assert covered > 0.95 > before_covered
    assert precise > 0.93 > before_precise


def test_where_audiences_tell_nothing_nothing_spreads() -> None:
    trusted = 0
    for seed in range(20):
        labels, engagement, _ = world(seed, taste=1 / len(INTERESTS))
        found = propagated(labels, engagement)
        trusted += found.trust > 0
        assert found.trust > 0 or found.labels.is_empty()
    assert trusted <= 1


def test_a_hit_whose_text_misleads_does_not_confirm_itself() -> None:
    labels, engagement, known = world(3)
    hit = known.filter(pl.col("truth") == "a.one")["item_id"][0]
    fans = engagement.join(known, on="item_id").group_by("user_id").agg(pl.col("truth").mode().first())
    fans = fans.filter(pl.col("truth") == "a.one")["user_id"].sort()
    crowd = pl.DataFrame({"user_id": fans, "item_id": hit, "strength": 1.0})
    misled = pl.concat(
        [
            labels.filter(pl.col("item_id") != hit),
            pl.DataFrame({"item_id": [hit], "interest_id": ["b.two"], "confidence": [0.6]}),
        ]
    )
    found = propagated(misled, pl.concat([engagement, crowd])).labels.filter(pl.col("item_id") == hit)
    assert found.sort(-pl.col("confidence"))["interest_id"][0] == "a.one"


def test_the_order_of_rows_does_not_show() -> None:
    labels, engagement, _ = world(1)
    once = propagated(labels, engagement)
    again = propagated(
        labels.sample(fraction=1, shuffle=True, seed=1), engagement.sample(fraction=1, shuffle=True, seed=2)
    )
    assert once.labels.equals(again.labels)
    assert (once.trust, once.gain) == (again.trust, again.gain)


def test_a_ratio_is_that_of_the_textbook() -> None:
    text = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    audiences = np.array([[8.0, 2.0], [1.0, 9.0], [3.0, 1.0]])
    model = _Model.of(text, audiences)
    everybody = np.array([12.0, 12.0]) / 24
    first = (np.array([8.0, 2.0]) + SMOOTHING * everybody) / (10 + SMOOTHING)
    expected = 3 * np.log(first[0] / 0.5) + 1 * np.log(first[1] / 0.5)
    assert model.ratios(text, audiences)[2, 0] == pytest.approx(expected)
    # The first item is left out of its own interest, of which nothing but everybody is left.
    assert model.ratios(text, audiences)[0, 0] == pytest.approx(0.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 1), st.floats(0, 0.9), st.floats(0.25, 1))
def test_what_comes_out_are_probabilities(seed: int, told: float, wrong: float, taste: float) -> None:
    labels, engagement, _ = world(seed, users=60, items=60, told=told, wrong=wrong, taste=taste)
    found = propagated(labels, engagement)
    assert dict(found.labels.schema) == PROPAGATED
    assert 0 <= found.trust <= 1
    assert found.labels["confidence"].is_between(0, 1).all()
    by_item = found.labels.group_by("item_id").agg(pl.len(), pl.col("confidence").sum())
    assert (by_item["len"] <= MOST_INTERESTS).all()
    assert (by_item["confidence"] <= 1 + 1e-5).all()


@pytest.mark.parametrize("lacking", ["labels", "engagement", "both"])
def test_without_labels_or_engagement_nothing_is_said(lacking: str) -> None:
    labels, engagement, _ = world(0)
    found = propagated(
        labels.clear() if lacking != "engagement" else labels, engagement.clear() if lacking != "labels" else engagement
    )
    assert found.labels.is_empty()
    assert found.trust == 0
