"""Text, tags and languages."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.sources.texts import clean, hashtags, language


@pytest.mark.parametrize(
    ("written", "tags"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("[]", None),
        ("#", None),
        ("#a #b", ["a", "b"]),
        ("#a#b", ["a", "b"]),
        ("look at this #cat, and #dog!", ["cat", "dog!"]),
        ("＃貓　＃狗", ["貓", "狗"]),
        ("a, b,c ,", ["a", "b", "c"]),
        ("貓，狗", ["貓", "狗"]),
        ('["a", "#b", "a b", "", null, "a"]', ["a", "b", "a b"]),
        ("[五爱街,女装]", ["五爱街", "女装"]),
        ("['a', 'b']", ["a", "b"]),
        ("science fiction", ["science fiction"]),
        ("保健秘訣、食品安全", ["保健秘訣、食品安全"]),
        ("a,b,a", ["a", "b"]),
    ],
)
def test_notations_of_tags(written: str | None, tags: list[str] | None) -> None:
    found = hashtags(written)
    assert (None if found is None else json.loads(found)) == tags


@given(st.lists(st.text(min_size=1), max_size=4))
def test_canonical_tags_are_a_fixed_point(tags: list[str]) -> None:
    once = hashtags(json.dumps(tags))
    assert hashtags(once) == once


def test_clean() -> None:
    dirty = ["\u0000a\u0007b", "  x\t \n", "a\r\nb\rc", " \u3000 ", "", None, "tab\tstays", "👩‍👩‍👧"]
    plain = pl.DataFrame({"t": dirty}).select(clean(pl.col("t"))).to_series().to_list()
    assert plain == ["ab", "x", "a\nb\nc", None, None, None, "tab\tstays", "👩‍👩‍👧"]


@pytest.mark.parametrize(
    ("said", "text", "code"),
    [
        (None, "國家中山科學研究院去年", "zh"),
        (None, "請看 https://example.org/abc 這個", "und"),
        (None, "這個 app 很好用", "zh"),
        (None, "阿嬤の店在台北車站附近，便宜又好吃", "zh"),
        (None, "この動画はとても面白いです", "ja"),
        (None, "이 영상은 정말 재미있어요", "ko"),
        (None, "How do I get into Stanford with a low GPA?", "en"),
        (None, "Stanford Harvard Yale 2024", "und"),
        (None, "Wo ist der Bahnhof und das Hotel", "und"),
        (None, "¿Qué es esto? No me gusta para nada", "und"),
        (None, "Это очень интересно", "und"),
        (None, "12345 !!!", "und"),
        (None, None, "und"),
        ("EN", "國家", "en"),
        ("zh-TW", "hello", "zh"),
        ("pt_BR", None, "pt"),
        (" ", "the cat is here", "en"),
        ("Chinese", "國家", "zh"),
    ],
)
def test_languages(said: str | None, text: str | None, code: str) -> None:
    frame = pl.DataFrame({"said": [said], "text": [text]}, schema={"said": pl.String, "text": pl.String})
    assert frame.select(language(pl.col("said"), pl.col("text"))).item() == code
