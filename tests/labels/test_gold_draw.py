"""Drawing a gold set: known probabilities, every stratum, and nothing that depends on the order of rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import LabelError
from coterie.labels.gold_draw import LEAST_UNLABELLED, UNLABELLED, draw


def population(sizes: dict[str | None, int], seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [(interest, float(rng.random())) for interest, n in sizes.items() for _ in range(n)]
    return pl.DataFrame(
        {
            "text_hash": [f"{n:08x}" for n in range(len(rows))],
            "interest_id": [i for i, _ in rows],
            "confidence": [None if i is None else c for i, c in rows],
        },
        schema={"text_hash": pl.String, "interest_id": pl.String, "confidence": pl.Float64},
    )


SIZES = st.dictionaries(
    st.sampled_from([None, *(f"{d}.{i}" for d in "abc" for i in "xyz")]), st.integers(1, 60), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(10, 120), st.integers(0, 3))
def test_probabilities_are_what_was_drawn_and_every_stratum_has_some(sizes, size: int, seed: int) -> None:
    people = population(sizes)
    drawn = draw(people, size, seed=seed)
    assert drawn.height == min(size, people.height)
    assert drawn["text_hash"].n_unique() == drawn.height
    assert drawn["probability"].is_between(0, 1, closed="right").all()
    # Within a stratum each text stands for as many, and together they stand for all of it: sums are exact.
    assert (1 / drawn["probability"]).sum() == pytest.approx(people.height)
    silent = drawn.filter(pl.col("stratum") == UNLABELLED)
    assert (1 / silent["probability"]).sum() == pytest.approx(sizes.get(None, 0))


def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    people = population({None: 200, "a.x": 300, "a.y": 40, "b.z": 5})
    drawn = draw(people, 60)
    assert drawn.equals(draw(people.sample(fraction=1, shuffle=True, seed=1), 60))
    other = draw(people, 60, seed=1)
    assert set(other["text_hash"]) != set(drawn["text_hash"])
    assert other["draw"][0] != drawn["draw"][0]


def test_strata_are_interests_halved_by_confidence_and_coarser_where_there_is_no_room() -> None:
    people = population({None: 100, "a.x": 50, "a.y": 50, "b.z": 50})
    assert set(draw(people, 40)["stratum"]) == {f"{i}|{h}" for i in ("a.x", "a.y", "b.z") for h in ("low", "high")} | {
        UNLABELLED
    }
    assert set(draw(population({None: 50, **{f"a.i{n}": 20 for n in range(30)}}), 70)["stratum"]) == {
        UNLABELLED,
        *(f"a.i{n}" for n in range(30)),
    }
    many = population({None: 50, **{f"{d}.i{n}": 9 for d in "ab" for n in range(30)}})
    assert set(draw(many, 20)["stratum"]) == {UNLABELLED, "a", "b"}
    halves = draw(people, 40).join(people, on="text_hash")
    low, high = (halves.filter(pl.col("stratum") == f"a.x|{half}")["confidence"] for half in ("low", "high"))
    assert low.max() < high.min()


def test_rare_interests_get_more_than_their_part_and_silence_a_fifth() -> None:
    drawn = draw(population({None: 10, "a.x": 10_000, "b.z": 100}), 200)
    assert drawn.filter(pl.col("stratum").str.starts_with("b.z")).height > 10  # in proportion it would be 2
    drawn = draw(population({None: 5_000, **{f"a.i{n}": 400 for n in range(20)}}), 200)
    assert drawn.filter(pl.col("stratum") == UNLABELLED).height >= 200 * LEAST_UNLABELLED - 1


def test_every_text_of_a_stratum_is_drawn_as_often_as_its_probability_says() -> None:
    people = population({None: 20, "a.x": 30})
    counts: dict[str, int] = {}
    for seed in range(200):
        for text in draw(people, 20, seed=seed)["text_hash"]:
            counts[text] = counts.get(text, 0) + 1
    drawn = draw(people, 20)
    chance = dict(people.join(drawn, on="text_hash", how="left").select("text_hash", "probability").rows())
    share = drawn.filter(pl.col("stratum") == UNLABELLED)["probability"][0]
    silent = [counts.get(t, 0) / 200 for t in people.filter(pl.col("interest_id").is_null())["text_hash"]]
    assert chance
    assert np.mean(silent) == pytest.approx(share)
    assert max(abs(s - share) for s in silent) < 4 * np.sqrt(share * (1 - share) / 200)


def test_too_small_a_sample_and_nothing_to_draw_from_are_refused() -> None:
    with pytest.raises(LabelError, match="found 9; expected at least 10"):
        draw(population({"a.x": 50}), 9)
    with pytest.raises(LabelError, match="found no text on these days"):
        draw(population({"a.x": 1}).clear(), 20)
