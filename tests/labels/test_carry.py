"""An edit of one branch of the taxonomy re-labels that branch only, and what stands is never bought again."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.labels import batches
from coterie.labels.carry import edit, standing
from coterie.labels.ledger import Key, Ledger
from coterie.taxonomy import Taxonomy, restored
from tests.labels.claude_cases import MODES, TREE, Make, Mode, documents, items, make_taxonomy
from tests.labels.claude_server import ClaudeServer

TEXTS = (
    "<food.tea> a",
    "<sport.judo> b",
    "nothing c",
    "<food.bread> <sport.chess> d",
    "we drink Oolong e <sport.judo>",
)
OLD = make_taxonomy(TREE)
# edit -> the taxonomy after it, and which of TEXTS are asked again
EDITS = {
    "a description of food": (make_taxonomy(TREE, tea={"description": "Leaves"}), [0, 3]),
    "a keyword of food": (make_taxonomy(TREE, tea={"keywords": ["tea", "oolong"]}), [0, 3, 4]),
    "an interest of food comes": (make_taxonomy({**TREE, "food": ["tea", "bread", "wine"]}), [0, 2, 3]),
    "an interest of food goes": (make_taxonomy({**TREE, "food": ["bread"]}), [0, 3]),
    "a domain comes": (make_taxonomy({**TREE, "music": ["jazz"]}), [2]),
    "a domain goes": (make_taxonomy({"food": TREE["food"]}), [1, 3, 4]),
    "both domains": (make_taxonomy(TREE, tea={"description": "x"}, judo={"description": "y"}), [0, 1, 3, 4]),
    "the order": (make_taxonomy({"sport": ["judo", "chess"], "food": ["bread", "tea"]}), []),
    "what the model does not read": (make_taxonomy(TREE, tea={"sensitive": True, "name_zh": "茶"}), []),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_re_labels_its_branch(server: ClaudeServer, make: Make, mode: Mode, name: str) -> None:
    new, again = EDITS[name]
    before = make(mode).label(items(*TEXTS))
    server.asked.clear()
    after = make(mode, tree=new).label(items(*TEXTS))
    # The service goes on naming an interest that is gone, so that one is asked for more than once.
    assert [item["text"] for asked in documents(server)[:1] for item in asked] == [TEXTS[i] for i in again]
    kept = [f"h{i:03}" for i in range(len(TEXTS)) if i not in again]
    assert after.usage["carried"] == after.usage["from_ledger"] == len(kept)
    for labelled in (before, after):
        assert set(labelled.labels["text_hash"]) | set(labelled.abstained) | set(labelled.failed) == {
            f"h{i:03}" for i in range(len(TEXTS))
        }
    assert after.labels.filter(after.labels["text_hash"].is_in(kept)).equals(
        before.labels.filter(before.labels["text_hash"].is_in(kept))
    )


def test_replaying_costs_nothing_before_and_after_an_edit(server: ClaudeServer, make: Make) -> None:
    new, _ = EDITS["a keyword of food"]
    first = [make(tree=tree).label(items(*TEXTS)) for tree in (OLD, new)]
    calls = len(server.calls)
    for _ in range(3):
        again = [make(tree=tree).label(items(*TEXTS)) for tree in (OLD, new)]
        assert all(a.labels.equals(f.labels) and a.usage["usd"] == 0 for a, f in zip(again, first, strict=True))
    assert len(server.calls) == calls


def test_what_was_carried_over_stays_whatever_comes_later(make: Make, ledger: Ledger) -> None:
    new, newer = EDITS["a description of food"][0], EDITS["both domains"][0]
    make().label(items(*TEXTS))
    first = make(tree=new).label(items(*TEXTS))
    key = make(tree=newer)._desk.key
    ledger.record(key, {"h001": (("food.bread", 0.3),)})
    assert make(tree=new).label(items(*TEXTS)).labels.equals(first.labels)


def test_the_nearest_taxonomy_stands_in(make: Make) -> None:
    """Of two answers that stand, that of the taxonomy with fewer changed branches is taken, whatever came first."""
    today = make_taxonomy(TREE, bread={"description": "today"})
    near = make_taxonomy(TREE)
    far = make_taxonomy({**TREE, "music": ["jazz"]})
    known = {t.version: t for t in (far, near)}
    by_version = {far.version: (("sport.judo", 0.5),), near.version: (("sport.chess", 0.5),)}
    found = standing({"h": "text"}, {"h": by_version}, known, today)
    assert found == {"h": (near.version, (("sport.chess", 0.5),))}
    assert standing({"h": "text"}, {"h": {"unknown": ()}}, known, today) == {}


def test_words_are_found_as_words() -> None:
    changed = edit(OLD, make_taxonomy(TREE, tea={"keywords": ["tea", "mate", "c++"], "keywords_zh": ["字", "普洱"]}))
    assert changed.words == {"mate", "c++", "普洱"}
    for text in ("MATE!", "two mates", "喝普洱茶", "learn c++ now"):
        assert changed.touches(text, ()), text
    for text in ("ultimate", "material", "字", "tea", ""):
        assert not changed.touches(text, (("sport.judo", 1.0),)), text


names = st.lists(st.sampled_from(["tea", "bread", "wine", "rice"]), min_size=1, max_size=4, unique=True)
trees = st.dictionaries(st.sampled_from(["food", "sport", "music"]), names, min_size=1)
described = st.dictionaries(st.sampled_from(["tea", "bread"]), st.sampled_from(["a", "b"]))


@given(trees, trees, described, described)
def test_an_answer_of_an_untouched_branch_stands_and_of_a_touched_one_does_not(
    one: dict[str, list[str]], two: dict[str, list[str]], d1: dict[str, str], d2: dict[str, str]
) -> None:
    old, new = (make_taxonomy(t, **{k: {"description": v} for k, v in d.items()}) for t, d in ((one, d1), (two, d2)))
    between = edit(old, new)
    assert restored(old.content()).version == old.version
    for key in old.interests:
        domain = key.split(".")[0]
        same = {k: v[1] for k, v in old.interests.items() if k.startswith(f"{domain}.")} == {
            k: v[1] for k, v in new.interests.items() if k.startswith(f"{domain}.")
        }
        assert between.touches("", ((key, 0.5),)) is not same
    assert between.touches("", ()) is bool(new.interests.keys() - old.interests.keys())


# The ledger's file


_OLD_FILE = """
create table answers (
    text_hash text not null, taxonomy_version text not null, prompt_version text not null, model text not null,
    interests text not null, primary key (text_hash, taxonomy_version, prompt_version, model)
) without rowid;
create table batches (
    number integer primary key, taxonomy_version text not null, prompt_version text not null, model text not null,
    state text not null check (state in ('intended', 'submitted', 'done', 'lost')), batch_id text, after_id text,
    requests text not null
);
"""


def old_file(path: Path, key: Key, taxonomy_version: str) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(_OLD_FILE)
        db.execute(
            "insert into answers values (?, ?, ?, ?, ?)",
            ("h000", taxonomy_version, key.prompt_version, key.model, json.dumps([["food.tea", 0.9]])),
        )


def test_a_ledger_of_an_earlier_version_is_read(server: ClaudeServer, make: Make, ledger: Ledger) -> None:
    labeller = make()
    old_file(ledger.path, labeller._desk.key, OLD.version)
    labelled = labeller.label(items(*TEXTS[:2]))
    assert labelled.usage["from_ledger"] == 1
    assert [[item["text"] for item in asked] for asked in documents(server)] == [[TEXTS[1]]]
    server.asked.clear()
    make(tree=EDITS["a domain comes"][0]).label(items(*TEXTS[:2]))
    assert server.asked == []


def test_a_migration_that_is_killed_leaves_the_earlier_file(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of the two statements of the step fails: the first must not have happened."""
    key = Key(OLD.version, "p", "m")
    old_file(ledger.path, key, OLD.version)
    with sqlite3.connect(ledger.path) as db:
        db.execute("create table taxonomies (something_else text)")
    with pytest.raises(Exception, match="taxonomies"):
        ledger.answers(key, ["h000"])
    with sqlite3.connect(ledger.path) as db:
        assert "asked_under" not in {row[1] for row in db.execute("pragma table_info(answers)")}
        db.execute("drop table taxonomies")
    assert ledger.answers(key, ["h000"]) == {"h000": (("food.tea", 0.9),)}


# A batch that an edit overtakes


class Killed(BaseException):
    """The process is gone."""


def _kill(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.parametrize("second", MODES)
def test_a_batch_on_its_way_is_read_after_an_edit(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch, second: Mode
) -> None:
    """What was paid for under the earlier taxonomy is taken where it stands; the rest is asked under today's."""
    new, again = EDITS["a description of food"]
    server.polls = 1
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_sleep", _kill)
        with pytest.raises(Killed):
            make("batch").label(items(*TEXTS))
    labelled = make(second, tree=new).label(items(*TEXTS))
    assert not labelled.failed
    assert [item["text"] for item in documents(server)[-1]] == [TEXTS[i] for i in again]
    assert sum(len(asked) for asked in documents(server)) == len(TEXTS) + len(again)
    assert make("batch").label(items(*TEXTS)).usage["requests"] == 0


def test_a_batch_of_a_taxonomy_that_is_gone_is_checked_against_it(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: Taxonomy = EDITS["a domain goes"][0]
    server.polls = 1
    with monkeypatch.context() as patch:
        patch.setattr(batches, "_sleep", _kill)
        with pytest.raises(Killed):
            make("batch").label(items("<sport.judo>", "<food.tea>"))
    labelled = make("batch", tree=gone).label(items("<sport.judo>", "<food.tea>"))
    assert labelled.labels["text_hash"].to_list() == ["h001"]
    assert "does not have" in labelled.failed["h000"]  # the service still names the interest that is gone
