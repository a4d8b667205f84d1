"""A taxonomy proposed from texts: minibatch by minibatch, reviewed, and never a word of the existing one changed."""

import json
import re
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.errors import LabelError
from coterie.labels import propose
from coterie.labels.propose import Proposer
from coterie.labels.propose_words import RULES, merged
from coterie.taxonomy import Taxonomy, as_yaml, load_taxonomy
from tests.labels.claude_cases import TREE, make_taxonomy
from tests.labels.claude_server import ClaudeServer, Json, Status, says, stops

TEXTS = [f"<music.m{i % 7}> <food.tea> <music.m{i % 7}_dup> {i}" for i in range(250)]
BASE = make_taxonomy(TREE)


def proposer(server: ClaudeServer, base: Taxonomy | None = None, budget_usd: float = 5.0) -> Proposer:
    client = anthropic.Anthropic(api_key="key", base_url=server.url)
    return Proposer(client, base, model="claude-haiku-4-5", budget_usd=budget_usd)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propose, "_SDK_RETRIES", 0)


def asked(server: ClaudeServer) -> list[Json]:
    return [json.loads(params["messages"][-1]["content"]) for params in server.asked]


def test_minibatches_then_a_review(server: ClaudeServer) -> None:
    labeller = proposer(server)
    planned = labeller.preview(TEXTS)
    assert server.calls == []
    found = labeller.propose(TEXTS)
    documents = asked(server)
    assert [(d["task"], d["stage"], len(d["items"])) for d in documents] == [
        ("propose_taxonomy", "propose", 100),
        ("propose_taxonomy", "propose", 100),
        ("propose_taxonomy", "propose", 50),
        ("propose_taxonomy", "review", 0),
    ]
    assert documents[0]["proposed"] == {"domains": []}
    assert {d["id"] for d in documents[1]["proposed"]["domains"]} == {"music", "food"}
    assert planned.requests == found.usage["requests"] == 4
    assert found.usage["usd"] <= planned.most_usd
    assert found.taxonomy is not None
    assert sorted(found.taxonomy.interests) == [
        "food.tea",
        *(f"music.m{i}" for i in range(7)),
    ]  # the review dropped some
    tea = found.taxonomy.interests["food.tea"][1]
    assert (tea.keywords, tea.keywords_zh, tea.name_zh) == (("tea",), ("tea茶",), "tea茶")
    assert (found.seen, found.left_out, found.reviewed, found.taxonomy.edition) == (250, {}, True, 1)


def test_the_prompt_is_the_same_and_holds_no_text(server: ClaudeServer) -> None:
    proposer(server, BASE).propose(TEXTS)
    prompts = {json.dumps([p["system"], p["output_config"]]) for p in server.asked}
    assert len(prompts) == 1
    assert [block["text"] for block in server.asked[0]["system"]] == [RULES, BASE.wire()]
    assert "m3" not in prompts.pop()


def test_what_exists_stays_as_it_is(server: ClaudeServer) -> None:
    """Other words for an existing interest are not taken, and an existing domain only grows."""
    found = proposer(server, BASE).propose([*TEXTS, "<sport.golf>"]).taxonomy
    assert found is not None
    assert list(found.interests)[: len(TREE["food"])] == ["food.tea", "food.bread"]
    difference = BASE.diff(found)
    assert (difference.removed, difference.changed) == ((), ())
    assert set(difference.added) == {"sport.golf", *(f"music.m{i}" for i in range(7))}
    assert found.edition == 2
    assert [d.model_dump(exclude={"interests"}) for d in found.domains[:2]] == [
        d.model_dump(exclude={"interests"}) for d in BASE.domains
    ]


def test_the_file_is_read_back(server: ClaudeServer, tmp_path: Any) -> None:
    found = proposer(server, BASE).propose(TEXTS).taxonomy
    assert found is not None
    path = tmp_path / "new.yaml"
    path.write_text(as_yaml(found, "one\n\ntwo"), encoding="utf-8")
    again = load_taxonomy(path)
    assert again == found
    assert again.edition == 2
    assert path.read_text(encoding="utf-8").startswith("# one\n#\n# two\nedition: 2\n")


names = st.sampled_from(
    ["Tea", "tea", "TEA ", "street food", "1", "", "茶", "a" * 90, "../etc", "x: y", "mail a@b.org"]
)
interests = st.builds(
    lambda i, n, k: {"id": i, "name": n, "description": n, "keywords": k}, names, names, st.lists(names, max_size=3)
)
domains = st.builds(
    lambda i, n, f: {"id": i, "name": n, "description": n, "interests": f},
    names,
    names,
    st.lists(interests, max_size=3),
)


@given(st.lists(domains, max_size=4), st.lists(domains, max_size=4), st.sampled_from([None, BASE]))
def test_whatever_is_answered_makes_a_valid_taxonomy_and_renames_nothing(
    one: list[Json], two: list[Json], base: Taxonomy | None
) -> None:
    proposed = merged(merged((), one, base), two, base)
    whole = Taxonomy(propose._added(base, proposed))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", key) for key in whole.interests)
    assert len(whole.interests) == sum(len(domain.interests) for domain in whole.domains)
    assert "@" not in as_yaml(whole, "")
    if base:
        assert base.diff(whole).removed == base.diff(whole).changed == ()
    # What was proposed first keeps its name; a second answer adds.
    assert {d.id for d in merged((), one, base)} <= {d.id for d in proposed}


@pytest.mark.parametrize(
    "fault",
    [
        stops("refusal"),
        stops("max_tokens"),
        says(lambda a: {"labels": []}),
        says(lambda a: "no"),
        says(lambda a: {"domains": [1]}),
    ],
    ids=["refusal", "max_tokens", "schema", "words", "entry"],
)
def test_a_wrong_answer_is_asked_again_three_times(server: ClaudeServer, fault: Any) -> None:
    server.faults = [fault, fault, None, fault, fault, fault]
    found = proposer(server).propose(TEXTS)
    assert found.seen == 150
    (reason,) = found.left_out
    assert found.left_out[reason] == 100
    assert found.reviewed
    assert found.usage["requests"] == 8


def test_a_review_that_comes_to_nothing_leaves_what_was_proposed(server: ClaudeServer) -> None:
    server.faults = [None, *[stops("refusal")] * 3]
    found = proposer(server).propose(TEXTS[:10])
    assert not found.reviewed
    assert found.taxonomy is not None
    assert "music.m3_dup" in found.taxonomy.interests


def test_the_budget_holds(server: ClaudeServer) -> None:
    found = proposer(server, budget_usd=0.0).propose(TEXTS)
    assert server.calls == []
    assert found.taxonomy is None
    assert found.left_out == {"budget of $0 reached (COTERIE_LABEL_BUDGET_USD)": 250}


def test_a_service_that_is_down_is_soon_left(server: ClaudeServer) -> None:
    server.drops = {"POST /v1/messages": [Status(503)] * 100}
    found = proposer(server).propose(TEXTS * 3)
    assert len(server.calls) == 3
    assert found.left_out == {"the service answered 503: scripted": 300, "the service is down": 450}


@pytest.mark.parametrize(("code", "setting"), [(401, "ANTHROPIC_API_KEY"), (404, "COTERIE_LABEL_MODEL")])
def test_what_a_person_must_mend_is_said(server: ClaudeServer, code: int, setting: str) -> None:
    server.drops = {"POST /v1/messages": [Status(code)]}
    with pytest.raises(LabelError, match=setting):
        proposer(server).propose(TEXTS)
