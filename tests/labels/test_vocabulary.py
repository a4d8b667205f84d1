"""The vocabulary: learnt from confident texts alone, the same in any order, bounded, and of use."""

import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coterie.labels.local import LEARNT_ENOUGH, NONE, LocalLabeller
from coterie.labels.vocabulary import ANY, SCHEMA, model, updated
from coterie.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
LOCAL = LocalLabeller(TAXONOMY)


def items(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"text_hash": [f"h{n:05}" for n in range(len(texts))], "text": texts, "hashtags": [json.dumps([])] * len(texts)}
    )


def log(n: int) -> pl.DataFrame:
    """Texts in which `zorblat` keeps company with kittens, and `mumbler` with bread."""
    texts = [f"a kitten and its zorblat number {k} today" for k in range(n)]
    texts += [f"sourdough bread with mumbler number {k} today" for k in range(n)]
    texts += [f"nobody could say what number {k} was" for k in range(n)]
    return items(texts)


def test_a_word_is_learnt_from_the_company_it_keeps() -> None:
    labeller = LocalLabeller(TAXONOMY, LOCAL.learn(None, log(600)))
    asked = items(["the zorblat again", "mumbler again"])
    assert LOCAL.label(asked).labels.is_empty()
    found = labeller.posteriors(asked).filter(pl.col("interest_id") != NONE)
    best = found.sort("probability", descending=True).group_by("text_hash", maintain_order=True).first()
    assert dict(best.select("text_hash", "interest_id").rows()) == {"h00000": "pets.cats", "h00001": "food.baking"}


def test_a_vocabulary_of_little_is_left_aside() -> None:
    little = LOCAL.learn(None, log(3))
    assert model(little, "en", sorted(TAXONOMY.interests)).learnt < LEARNT_ENOUGH
    asked = items(["the zorblat again", "kitten"])
    assert_frame_equal(LocalLabeller(TAXONOMY, little).posteriors(asked), LOCAL.posteriors(asked))


def test_probabilities_of_a_text_sum_to_one() -> None:
    labeller = LocalLabeller(TAXONOMY, LOCAL.learn(None, log(600)))
    for raw in (False, True):
        told = labeller.posteriors(log(20), raw=raw)
        sums = told.group_by("text_hash").agg(pl.col("probability").sum())["probability"]
        assert sums.to_list() == pytest.approx([1.0] * 60, abs=1e-4)


def test_the_same_texts_teach_the_same_in_any_order_and_whatever_was_known() -> None:
    texts = log(40)
    first = LOCAL.learn(None, texts)
    assert dict(first.schema) == SCHEMA
    assert_frame_equal(first, LOCAL.learn(None, texts.reverse()))
    taught = LocalLabeller(TAXONOMY, LOCAL.learn(None, log(600)))
    assert_frame_equal(first, taught.learn(None, texts))


def test_old_texts_count_less_and_the_rare_is_forgotten() -> None:
    first = LOCAL.learn(None, log(40))
    after = LOCAL.learn(first, log(0), days=90)

    def count(frame: pl.DataFrame, token: str) -> float:
        return float(frame.filter(pl.col("token") == token, pl.col("interest_id") == ANY)["texts"].sum())

    assert count(after, "zorblat") == pytest.approx(count(first, "zorblat") / 2)
    assert count(LOCAL.learn(first, log(0), days=900), "zorblat") == 0
    none = pl.DataFrame(schema={"language": pl.String, "text_hash": pl.String, "token": pl.String})
    seeds = {"text_hash": pl.String, "interest_id": pl.String, "keyword": pl.String, "share": pl.Float64}
    assert updated(None, none, pl.DataFrame(schema=seeds)).is_empty()


def test_a_keyword_does_not_vouch_for_itself() -> None:
    learnt = LOCAL.learn(None, items(["a kitten alone", "a kitten and a tabby"]))
    counts = {t: n for _, t, i, n in learnt.rows() if i == "pets.cats"}
    assert counts["alone"] == 1
    assert counts["=kitten"] == counts["=tabby"] == 1  # in the second text, for the sake of the other


def test_an_interest_that_the_log_speaks_of_is_believed_sooner() -> None:
    interests = sorted(TAXONOMY.interests)
    common = model(LOCAL.learn(None, log(600)), "en", interests).common
    assert common[interests.index("pets.cats")] > 0 > common[interests.index("sports.golf")]


@pytest.mark.parametrize(
    "text",
    [
        "el perro y los gatos de mi casa son muy bonitos",
        "这是日本語のテキストですから読めません",
        "Привет, котята и щенки",
    ],
)
def test_a_language_that_is_not_known_has_none(text: str) -> None:
    assert LOCAL.posteriors(items([text])).select("interest_id", "probability").rows() == [(NONE, 1.0)]
