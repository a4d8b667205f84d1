"""Which pairs are tested: a narrowing feed, and creators whom members hardly see."""

import polars as pl
import pytest
from test_propose import outcome, outcomes, proposed_from

from coterie.strategies.candidates import LEAST_SERVED, MOST_SEEDS, candidates
from coterie.strategies.creators import BY_CREATOR, CREATOR_GAIN
from coterie.strategies.kinds import DIVERSIFY, SEED_CREATORS
from coterie.strategies.outcome import LOSS
from coterie.strategies.propose import PROPOSED, Changes, with_change
from coterie.tables import INTEREST_GRAPH

INTEREST = "d0.i00"


def narrowing(served: float, rise: float, fall: float, error: float = 0.005) -> pl.DataFrame:
    row = outcome("c0", INTEREST, LOSS, served_share=served, evaluability="propensity", community_mean=0.2)
    moves = {
        "community_id": ["c0"],
        "interest_id": [INTEREST],
        "move": [0.0],
        "share_rise": [rise],
        "gain_fall": [fall],
        "gain_fall_error": [error],
    }
    return proposed_from(outcomes(row), changes=Changes(moves=pl.DataFrame(moves)))


def test_a_feed_that_narrows_while_returns_fall_is_told_to_show_less() -> None:
    row = narrowing(LEAST_SERVED, 0.01, 0.01).row(0, named=True)
    assert (row["kind"], row["status"], row["metric"]) == (DIVERSIFY, PROPOSED, LOSS)
    assert '"multiplier": 0.8' in row["action"]
    assert '"share_rose_within_the_week": 0.01' in row["evidence"]


@pytest.mark.parametrize(
    ("served", "rise", "fall"),
    [(LEAST_SERVED - 0.01, 0.01, 0.01), (0.3, -0.01, 0.01), (0.3, 0.01, -0.01), (0.3, 0.01, 0.008)],
)
def test_one_that_is_small_or_shrinks_or_pays_is_left_alone(served: float, rise: float, fall: float) -> None:
    assert narrowing(served, rise, fall).is_empty()


def test_the_creators_seen_least_beside_others_are_tested_and_no_more() -> None:
    rows = [
        outcome("c0", INTEREST, CREATOR_GAIN, served_share=0.01)
        | {"creator_id": f"k{n:02d}", "shown_to_others": n / 1000, "avoided": False}
        for n in range(60)
    ]
    frame = with_change(pl.DataFrame(rows, schema=BY_CREATOR), None)
    found = candidates(frame, INTEREST_GRAPH.empty(), 20)
    assert set(found["kind"]) == {SEED_CREATORS}
    assert sorted(found["creator_id"]) == [f"k{n:02d}" for n in range(60 - MOST_SEEDS, 60)]
    few = candidates(frame.filter(pl.col("shown_to_others") <= 0.012), INTEREST_GRAPH.empty(), 20)
    assert sorted(few["creator_id"]) == ["k11", "k12"]  # 0.010 is no less than what members see


def test_creators_who_cannot_be_measured_take_no_place() -> None:
    rows = [
        outcome("c0", INTEREST, CREATOR_GAIN, served_share=0.0, **({"why_not": "few"} if n >= 30 else {}))
        | {"creator_id": f"k{n:02d}", "shown_to_others": n / 1000, "avoided": False}
        for n in range(60)
    ]
    found = candidates(with_change(pl.DataFrame(rows, schema=BY_CREATOR), None), INTEREST_GRAPH.empty(), 20)
    assert sorted(found["creator_id"]) == [*(f"k{n:02d}" for n in range(30 - MOST_SEEDS, 30)), "k59"]
