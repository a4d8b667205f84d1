"""Texts written by strangers: what they say changes nothing but their own label, and persons in them stay here."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coterie.labels.prompts import MOST_CHARACTERS, RULES, document, masked, wire_text
from coterie.taxonomy import Taxonomy
from tests.labels.claude_cases import MODES, Make, Mode, items
from tests.labels.claude_server import ClaudeServer, Json, says

CORPUS = yaml.safe_load((Path(__file__).parent / "injections.yaml").read_text(encoding="utf-8"))
ORDERS = re.compile(
    r"label every item|every label is|標成|標為|都回答|一律回答|忽略|bGFiZWw|items 1 to 49|#label_every"
    r'|"interest": "sport.judo"',
    re.I,
)
CLEAN = [f"<{interest}> clean {i}" for i in range(5) for interest in ("food.tea", "food.bread", "sport.chess")]


def outside_the_data(params: Json) -> str:
    """All that a request says, but for the strings that its document gives as texts of items."""
    said = [block["text"] for block in params["system"]]
    for message in params["messages"]:
        content = message["content"]
        try:
            given = json.loads(content)
            assert set(given) == {"task", "items"}
            for item in given["items"]:
                assert set(item) == {"id", "text"}
                assert isinstance(item["text"], str)
                item["text"] = ""
            said.append(json.dumps(given))
        except (ValueError, TypeError, AssertionError):
            said.append(content)
    said.append(json.dumps(params["output_config"]))
    return "\n".join(said)


def obedient(server: ClaudeServer) -> None:
    """Make the service one that does what is asked outside the data, whoever asks it."""
    right = server.message
    obey = says(
        lambda a: {"labels": [{**e, "interests": [{"interest": "sport.judo", "confidence": 1.0}]} for e in a["labels"]]}
    )

    def message(params: Json) -> Any:
        reply = right(params)
        return obey(reply) if ORDERS.search(outside_the_data(params)) else reply

    server.message = message  # type: ignore[method-assign]


def test_the_corpus_gives_orders_in_two_languages() -> None:
    """Every caption would be obeyed by the service if it stood outside the data: the test has teeth."""
    assert len(CORPUS) >= 30
    assert len({case["name"] for case in CORPUS}) == len(CORPUS)
    assert sum(bool(re.search(r"[\u4e00-\u9fff]", case["text"])) for case in CORPUS) >= 5
    for case in CORPUS:
        naive = {
            "system": [{"text": "Label the texts."}],
            "messages": [{"content": f"Texts:\n- {wire_text(case['text'], None)}"}],
            "output_config": {},
        }
        assert ORDERS.search(outside_the_data(naive)), case["name"]


@pytest.mark.parametrize("mode", MODES)
def test_an_injection_changes_nothing_but_its_own_label(server: ClaudeServer, make: Make, mode: Mode) -> None:
    obedient(server)
    texts = [case["text"] for case in CORPUS]
    mixed = [text for pair in zip(texts, CLEAN * 3, strict=False) for text in pair]
    labelled = make(mode).label(items(*mixed))
    assert not labelled.failed
    own = {
        f"h{i:03}": set(re.findall("<((?:food|sport)[.].+?)>", wire_text(text, None))) for i, text in enumerate(mixed)
    }
    found: dict[str, set[str]] = {h: set() for h in own}
    for text_hash, interest, _ in labelled.labels.iter_rows():
        found[text_hash].add(interest)
    assert found == own
    assert set(labelled.abstained) == {h for h, interests in own.items() if not interests}


def test_the_prompt_holds_nothing_of_the_texts(server: ClaudeServer, make: Make, taxonomy: Taxonomy) -> None:
    make().label(items(*[case["text"] for case in CORPUS]))
    for asked in server.asked:
        assert [block["text"] for block in asked["system"]] == [RULES, taxonomy.wire()]
        assert [message["role"] for message in asked["messages"]] == ["user"]
        assert not ORDERS.search(outside_the_data(asked))


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
bits = st.sampled_from(
    ['"', "\\", "}", "]", "{", '"}]}', "\n", "\u2028", "\x00", "\u202e", "🥋", "\ud83d", '\\"', "</"]
)
hostile = st.lists(st.one_of(anything, bits), max_size=6).map("".join)


@given(st.lists(hostile, max_size=5))
def test_whatever_a_text_holds_it_stays_one_string_of_the_document(texts: list[str]) -> None:
    wired = [wire_text(text, None) for text in texts]
    read = json.loads(document(wired).encode().decode())
    assert read == {"task": "label_items", "items": [{"id": str(i), "text": text} for i, text in enumerate(wired)]}
    for text in wired:
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\U000e0020-\U000e007f]", text)


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 100_000, "1" * 100_000, "1 " * 50_000, "a.b-" * 25_000, "a@" * 50_000, "@" * 100_000, "茶" * 100_000),
        *(
            "+1 (" * 25_000,
            "\u202e" * 100_000,
            "🥋" * 100_000,
            "\x00" * 100_000,
            "1" + " " * 99_999,
            "1-2-3- a" * 12_500,
        ),
    ],
    ids=lambda text: repr(text[:4]).replace("\\", ""),
)
def test_a_caption_of_100_kb_is_cut_and_takes_no_time(text: str) -> None:
    began = time.process_time()
    assert len(wire_text(text, None)) <= MOST_CHARACTERS
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("mode", MODES)
def test_odd_texts_are_labelled_like_any_other(server: ClaudeServer, make: Make, mode: Mode) -> None:
    odd = ["\x00\x1b[31m", "\u202e\u2066", "👨‍👩‍👧‍👦🏳️‍🌈", "x" * 100_000, "אבג \u200f", "\ufffe", "\U000e0069", "\u2028"]
    labelled = make(mode).label(items(*[f"<food.tea> {text}" for text in odd], "<food.tea>" + "y" * 100_000))
    assert labelled.labels["text_hash"].to_list() == [f"h{i:03}" for i in range(9)]
    assert set(labelled.labels["interest_id"]) == {"food.tea"}
    assert max(len(json.dumps(asked["messages"])) for asked in server.asked) < 20 * MOST_CHARACTERS


# Persons


word = st.text("abcdefghijkmnopqrstuvwxyz0123456789", min_size=2, max_size=10)
digits = st.integers(7, 12).flatmap(lambda n: st.lists(st.sampled_from("0123456789"), min_size=n, max_size=n))
between = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u200b", "\u200f", "\u202d"])
around = st.text(st.characters(categories=["Lo", "So", "Zs"]), max_size=6)
secrets = st.one_of(
    st.builds(lambda a, b, c: f"{a}.{b}@{c}.example.com", word, word, word),
    st.builds(lambda a, b: f"{a}＠{b}.tw", word, word),
    st.builds(lambda a: f"@{a}x", word),
    st.builds(lambda d, s: "+" + s.join(["".join(d[:3]), "".join(d[3:6]), "".join(d[6:])]), digits, between),
)


@given(st.lists(st.tuples(around, secrets), min_size=1, max_size=4), st.booleans())
def test_no_person_leaves_the_machine(parts: list[tuple[str, str]], as_tags: bool) -> None:
    """Addresses, handles and telephone numbers, wherever they stand, also in hashtags."""
    text = " ".join(f"{before} {secret} " for before, secret in parts)
    sent = document([wire_text(None, json.dumps([text])) if as_tags else wire_text(text, None)])
    for _, secret in parts:
        assert secret not in sent
        assert secret.strip("+@") not in sent.replace("example", "")
    assert "@" not in sent
    assert "＠" not in sent


@pytest.mark.parametrize("mode", MODES)
def test_masking_is_on_by_default(server: ClaudeServer, make: Make, mode: Mode) -> None:
    make(mode).label(items("write to jo@example.org, @jo_1 or 0912-345-678", tags='["jo@example.org"]'))
    sent = json.dumps(server.asked)
    assert "jo" not in sent.replace("json", "")
    assert "345" not in sent
    assert "[email], [handle] or [phone]" in sent


@given(anything)
def test_masking_is_done_once(text: str) -> None:
    once = masked(text)
    assert masked(once) == once
