"""The catalogues: both languages say the same things, and everything that is asked for is there."""

import re
from collections.abc import Iterator
from importlib.resources import files
from string import Formatter

import pytest

from coterie.communities.profile import MIXED
from coterie.errors import SettingError
from coterie.report.facts import Names, names_of
from coterie.report.names import community_name
from coterie.report.numbers import METRICS
from coterie.report.page import says_status
from coterie.report.sentences import nothing_to_do
from coterie.report.texts import LANGUAGES, Texts, catalogue
from coterie.strategies.label_error import WHY_NOT
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, MIN_EFFECTIVE_ROWS, MOST_CUT, NO_VARIANCE, SHARE
from coterie.taxonomy import load_taxonomy


def leaves(words: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(words, dict):
        for key, value in words.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(words, list):
        for n, value in enumerate(words):
            yield from leaves(value, f"{path}/{n}")
    else:
        yield path, str(words)


def braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_language_has_the_same_texts_with_the_same_braces() -> None:
    found = {language: {path: braces(text) for path, text in leaves(catalogue(language))} for language in LANGUAGES}
    for language in LANGUAGES:
        assert found[language] == found["en"], language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_is_defined(language: str) -> None:
    assert set(catalogue(language)["metrics"]) == set(METRICS)  # type: ignore[arg-type]


def test_every_text_that_a_template_names_is_there() -> None:
    t = Texts("en")
    pages = [
        p.read_text(encoding="utf-8")
        for p in (files("coterie.report") / "templates").iterdir()
        if p.name.endswith("j2")
    ]
    for page in pages:
        for key in re.findall(r'\bt\("([a-z_.0-9]+)"[,)]', page):
            assert t.has(key), key


def test_what_is_filled_in_is_escaped_and_lists_read_well() -> None:
    t = Texts("en")
    assert t("strategy.expires", date="<b>") == "Holds until &lt;b&gt;."
    assert t.listed(["a", "b", "c"]) == "a, b and c"
    assert Texts("zh").listed(["a", "b", "c"]) == "a、b和c"
    assert Texts("en", html=False)("strategy.expires", date="<b>") == "Holds until <b>."


def test_a_community_without_a_common_interest_has_a_name_in_chinese() -> None:
    assert community_name(MIXED, names_of(load_taxonomy().frame(), "zh")) == "興趣混合"
    assert community_name(MIXED, names_of(load_taxonomy().frame(), "en")) == Texts("en")("communities.mixed") == MIXED


def test_another_language_is_refused() -> None:
    with pytest.raises(SettingError, match="found 'fr'; expected en or zh"):
        Texts("fr")  # type: ignore[arg-type]


def test_names_of_communities_are_put_together_from_those_of_interests() -> None:
    names = Names({}, {"Dogs": "狗", "Hot dogs": "熱狗", "Beer, wine and home brewing": "啤酒"})
    assert community_name("Dogs & Beer, wine and home brewing", names) == "狗、啤酒"
    assert community_name("Hot dogs & Dogs", names) == "熱狗、狗"
    assert community_name("Bulldogs & Dogs", names) == "Bulldogs & 狗", "what is no name stays"
    assert community_name("Dogs & Cats", Names()) == "Dogs & Cats"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_metric_and_every_reason_of_a_suggestion_has_words(language: str) -> None:
    t = Texts(language)  # type: ignore[arg-type]
    assert all(t.has(f"strategy.{metric}") for metric in (ADOPTION, EXPOSURE, GAIN, GAP, SHARE))
    for reason in (
        f"more than {MOST_CUT:.0%} of the showings' weight is cut off",
        f"fewer than {MIN_EFFECTIVE_ROWS:.0f} comparable showings",
        WHY_NOT,
        NO_VARIANCE[GAIN],
    ):
        assert "not evaluable" not in says_status(f"withheld: not evaluable, {reason}", t)
    # Reasons stand in the code as the second of a pair: what fails, and what is then said.
    written = [p.read_text(encoding="utf-8") for p in (files("coterie.strategies")).iterdir() if p.name.endswith(".py")]
    pairs = [found for text in written for found in re.findall(r'^ +\([^"]+, f?"([^"]+)"\),$', text, re.M)]
    assert len(pairs) >= 15
    for reason in [*pairs, *NO_VARIANCE.values(), "nothing to compare with"]:
        template = re.sub(r"\{(?!n\})[^}]*\}", "{n}", re.sub(r"\{[^}]*%\}", "{n}%", reason))
        assert f"not evaluable, {template}" in t.get("reasons")
    missed = says_status("warning: only 57 of 89 of its kind came true as predicted in the last 28 days", t)
    assert all(n in missed for n in ("57", "89", "28"))
    assert missed.startswith(t("status.warning"))
    assert "predicted" not in missed
    assert ">2</button>" in nothing_to_do({"warnings": 2}, t)
    assert nothing_to_do({"warnings": 0}, t) == t("first.no_strategy")
