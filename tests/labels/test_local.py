"""The local labeller: finds what a text is about in either language and script, and keeps quiet otherwise."""

import json
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.errors import LabelError
from coterie.labels.base import Labelled, Labeller
from coterie.labels.local import LocalLabeller
from coterie.labels.passing import PASSING
from coterie.taxonomy import Taxonomy, load_taxonomy

TAXONOMY = load_taxonomy()
LOCAL = LocalLabeller(TAXONOMY)
NOTHING_SAID = ["只有網址其他資訊不足", "有意義但不包含在以上標籤", "無意義"]


def items(texts: Sequence[str | None], tags: Sequence[Sequence[str] | None] | None = None) -> pl.DataFrame:
    written = [t if t is None else json.dumps(t, ensure_ascii=False) for t in tags or [None] * len(texts)]
    return pl.DataFrame(
        {"text_hash": [f"h{n:05}" for n in range(len(texts))], "text": texts, "hashtags": written, "language": None},
        schema={"text_hash": pl.String, "text": pl.String, "hashtags": pl.String, "language": pl.String},
    )


def found(text: str | None, tags: Sequence[str] | None = None) -> dict[str, float]:
    labels = LOCAL.label(items([text], [tags])).labels
    return dict(labels.select("interest_id", "confidence").rows())


def test_it_is_a_labeller() -> None:
    labeller: Labeller = LOCAL
    assert (labeller.name, labeller.model) == ("local", "local-3")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_interest_is_found_in_words_about_it(language: str) -> None:
    texts = {
        key: f"{i.name}. {i.description} {i.keywords[0]}, {i.keywords[1]}"
        if language == "en"
        else f"{i.name_zh}：{i.keywords_zh[0]}，{i.keywords_zh[1]}和{i.keywords_zh[2]}"
        for key, (_, i) in TAXONOMY.interests.items()
    }
    labels = LOCAL.label(items(list(texts.values()))).labels
    given = labels.group_by("text_hash").agg("interest_id").sort("text_hash")
    got = dict(zip(given["text_hash"], given["interest_id"].to_list(), strict=True))
    missed = [key for n, key in enumerate(texts) if key not in got.get(f"h{n:05}", [])]
    assert missed == []


@pytest.mark.parametrize(
    ("text", "interest_id"),
    [
        ("My sourdough bread finally came out right", "food.baking"),
        ("Leopard geckos and a ball python in one terrarium?", "pets.reptiles"),
        ("颱風來襲，氣象局發布警報，明天停班停課", "environment.weather_disasters"),
        ("同性婚姻公投 婚姻平權", "society.lgbt"),
        ("小心釣魚網站，這是詐騙集團的手法", "society.scams"),
        ("王者荣耀排位赛五杀", "gaming.moba"),
        ("Do I have to submit the FAFSA before the CSS Profile?", "education.financial_aid"),
        ("How many supplemental essays does the Common App allow", "education.admission_essays"),
    ],
)
def test_everyday_texts_are_understood(text: str, interest_id: str) -> None:
    labels = found(text)
    assert max(labels, key=labels.__getitem__) == interest_id


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        "wow lol ok",
        "Check this out!!! https://example.com/cats/kittens?dog=puppy",
        "asdf qwer zxcv 12345",
        "😀😀😀",
        "假的",
        "這個不是謠言",
        "Thoughts on this?",
    ],
)
def test_it_keeps_quiet_when_nothing_is_said(text: str | None) -> None:
    labelled = LOCAL.label(items([text]))
    assert labelled.labels.height == 0
    assert list(labelled.abstained) == ["h00000"]


@pytest.mark.parametrize("category", NOTHING_SAID)
def test_a_category_that_says_nothing_gives_no_label(category: str) -> None:
    assert found(None, [category]) == {}


def test_a_category_alone_gives_a_label() -> None:
    assert "health.food_safety" in found(None, ["保健秘訣、食品安全"])
    assert "society.scams" in found(None, ["免費訊息詐騙"])
    assert "politics.cross_strait" in found(None, ["中國影響力"])


def test_one_short_word_in_a_long_text_is_too_little() -> None:
    filler = "something else entirely was going on that nobody could quite put into words again " * 12
    assert "food.tea" in found("a cup of tea")
    assert found(filler + "tea") == {}


def test_a_word_said_in_passing_is_too_little_alone_but_counts_beside_another() -> None:
    assert "wife" in PASSING
    assert found("my wife said no") == {}
    alone, beside = found("our divorce"), found("our divorce, said my wife")
    assert beside["family_relationships.marriage_weddings"] > alone["family_relationships.marriage_weddings"]


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("颱風與地震的氣象資訊", "台风与地震的气象资讯"),
        ("糖尿病與高血壓的關係", "糖尿病与高血压的关系"),
        ("騎單車環島", "骑单车环岛"),
        ("我的貓咪跟寵物狗", "我的猫咪跟宠物狗"),
        ("核電廠與再生能源發電", "核电厂与再生能源发电"),
    ],
)
def test_both_scripts_give_the_same_label(traditional: str, simplified: str) -> None:
    assert found(traditional)
    assert found(traditional) == found(simplified)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kitten", "KITTENS"),
        ("puppy", "Puppies"),
        ("the kitten", "the kitten's"),
        ("street food", "Street-Food"),
        ("pokemon", "Pokémon"),
        ("ｋｉｔｔｅｎ", "kitten"),
        ("kitten", "看kitten呢"),
    ],
)
def test_number_case_accents_and_neighbours_do_not_matter(one: str, other: str) -> None:
    assert found(one)
    assert set(found(one)) == set(found(other))


@pytest.mark.parametrize("text", ["category", "concatenate this", "cathedral", "the educated guess", "scat"])
def test_a_word_inside_another_word_is_not_it(text: str) -> None:
    assert "pets.cats" in found("cat")
    assert "pets.cats" not in found(text)


def test_neighbouring_words_are_all_found() -> None:
    assert set(found("kitten puppy")) == {"pets.cats", "pets.dogs"}


def test_the_longest_keyword_wins() -> None:
    assert set(found("hot wheels")) == {"family_relationships.toys"}
    assert "society.gender" not in found("馬拉松跑者")
    assert set(found("寵物蛇")) == {"pets.reptiles"}


def test_hashtags_count_more_than_text_and_may_be_written_together() -> None:
    assert found(None, ["kitten"])["pets.cats"] > found("kitten")["pets.cats"]
    assert "food.street_food" in found(None, ["streetfood"])
    labels = found("puppy", ["kitten"])
    assert labels["pets.cats"] > labels.get("pets.dogs", 0.0)


def test_more_evidence_gives_more_confidence() -> None:
    weak, strong = found("kitten"), found("kitten, tabby, litter box and catnip")
    assert weak["pets.cats"] < strong["pets.cats"]
    assert found("kitten and a puppy")["pets.cats"] < weak["pets.cats"]


def test_the_same_text_gets_the_same_answer_in_any_company_and_order() -> None:
    texts = [f"{i.description} {' '.join(i.keywords_zh)}" for _, i in TAXONOMY.interests.values()]
    frame = items(texts)
    whole = LOCAL.label(frame)
    turned = LOCAL.label(frame.reverse())
    assert whole.labels.equals(turned.labels)
    assert list(whole.abstained) == list(turned.abstained)
    some = LOCAL.label(frame.filter(pl.col("text_hash") == "h00003"))
    assert some.labels.equals(whole.labels.filter(pl.col("text_hash") == "h00003"))


def test_keywords_of_which_matching_leaves_nothing_match_nothing() -> None:
    first = TAXONOMY.domains[0]
    odd = first.interests[0].model_copy(update={"keywords": ("C++", "!!", "goulash"), "keywords_zh": ("茶",)})
    local = LocalLabeller(Taxonomy((first.model_copy(update={"interests": (odd,)}),)))
    labelled = local.label(items(["c c !! c", "goulash", "茶"]))
    assert labelled.labels["text_hash"].to_list() == ["h00001"]
    assert list(labelled.abstained) == ["h00000", "h00002"]


def test_no_items_give_no_answers() -> None:
    labelled = LOCAL.label(items([]))
    assert labelled.labels.height == 0
    assert list(labelled.abstained) == []
    assert labelled.labels.schema == {"text_hash": pl.String, "interest_id": pl.String, "confidence": pl.Float64}


def test_a_column_of_nulls_without_type_is_read() -> None:
    frame = pl.DataFrame({"text_hash": ["a"], "text": [None], "hashtags": [None]})
    assert list(LOCAL.label(frame).abstained) == ["a"]


def test_bad_input_is_told() -> None:
    with pytest.raises(LabelError, match="no column hashtags"):
        LOCAL.label(items(["cat"]).drop("hashtags"))
    with pytest.raises(LabelError, match="text_hash h00000 more than once"):
        LOCAL.label(pl.concat([items(["cat"]), items(["dog"])]))
    for broken in ("cats, dogs", '"cats"', "["):
        with pytest.raises(LabelError, match=r"text_hash h00000: hashtags: found .* expected a JSON list"):
            LOCAL.label(items(["cat"]).with_columns(hashtags=pl.lit(broken)))


KEYWORDS = sorted({k for _, i in TAXONOMY.interests.values() for k in i.keywords + i.keywords_zh})
PIECES = st.one_of(st.sampled_from(KEYWORDS), st.text(max_size=12))
TEXTS = st.one_of(st.none(), st.lists(PIECES, max_size=12).map(" ".join))
TAGS = st.one_of(st.none(), st.lists(PIECES, max_size=3))


def _verdicts(labelled: Labelled) -> list[str]:
    return sorted([*labelled.labels["text_hash"].unique().to_list(), *labelled.abstained, *labelled.failed])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TAGS), max_size=6))
def test_whatever_the_texts_each_gets_one_verdict_within_bounds(
    rows: list[tuple[str | None, list[str] | None]],
) -> None:
    frame = items([text for text, _ in rows], [tags for _, tags in rows])
    labelled = LOCAL.label(frame)
    assert _verdicts(labelled) == frame["text_hash"].to_list()
    assert labelled.labels["confidence"].is_between(0, 1, closed="right").all()
    assert set(labelled.labels["interest_id"]) <= set(TAXONOMY.interests)
    assert labelled.labels.select(pl.struct("text_hash", "interest_id").is_duplicated().any()).item() in (False, None)
    assert labelled.labels.group_by("text_hash").len()["len"].max() in (None, 1, 2, 3)
