"""The ledger keeps what was paid for, through processes and kills."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from coterie.errors import LabelError
from coterie.labels.ledger import Key, Ledger

KEY = Key("t1", "p1", "m1")
REQUESTS = (("a", "b"), ("c",))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "labels.sqlite")


def test_an_answer_is_found_under_its_whole_key_only(ledger: Ledger) -> None:
    ledger.record(KEY, {"a": (("x.y", 0.5),), "b": ()})
    assert ledger.answers(KEY, ["a", "b", "c"]) == {"a": (("x.y", 0.5),), "b": ()}
    for other in (Key("t2", "p1", "m1"), Key("t1", "p2", "m1"), Key("t1", "p1", "m2")):
        assert ledger.answers(other, ["a", "b"]) == {}


def test_the_first_answer_stays(ledger: Ledger) -> None:
    ledger.record(KEY, {"a": (("x.y", 0.5),)})
    assert ledger.record(KEY, {"a": (), "b": ()}) == {"a": (("x.y", 0.5),), "b": ()}


def test_more_texts_than_a_statement_has_variables(ledger: Ledger) -> None:
    many = {f"{i:05}": ((f"x.i{i}", i / 5000),) for i in range(5000)}
    assert ledger.record(KEY, many) == many
    assert ledger.answers(KEY, list(many)) == many


def test_a_batch_is_open_until_it_is_read(ledger: Ledger) -> None:
    intended = ledger.intend(KEY, REQUESTS, "newest")
    assert Ledger(ledger.path).open_batches(KEY) == [intended]
    assert intended.batch_id is None
    assert intended.after_id == "newest"
    assert intended.hashes == {"a", "b", "c"}
    submitted = ledger.submitted(intended, "msgbatch_1")
    assert Ledger(ledger.path).open_batches(KEY) == [submitted]
    assert submitted.mark == intended.mark
    assert ledger.open_batches(Key("t1", "p2", "m1")) == []
    assert ledger.close(submitted, {"a": ()}) == (True, {"a": ()})
    assert ledger.open_batches(KEY) == []
    assert ledger.close(submitted, {"a": ()}) == (False, {"a": ()})
    assert ledger.known_ids() == {"msgbatch_1"}


def test_a_lost_batch_is_not_open(ledger: Ledger) -> None:
    ledger.lose(ledger.intend(KEY, REQUESTS, None))
    assert ledger.open_batches(KEY) == []


def test_a_disowned_batch_is_intended_again(ledger: Ledger) -> None:
    batch = ledger.submitted(ledger.intend(KEY, REQUESTS, None), "other")
    ledger.disown(batch)
    assert [b.batch_id for b in ledger.open_batches(KEY)] == [None]
    assert ledger.known_ids() == frozenset()


def test_the_mark_says_what_is_asked(ledger: Ledger) -> None:
    marks = [ledger.intend(KEY, r, None).mark for r in (REQUESTS, REQUESTS, (("a",), ("b", "c")))]
    assert marks[0] == marks[1] != marks[2]


def test_a_failure_within_a_write_leaves_nothing(ledger: Ledger) -> None:
    batch = ledger.submitted(ledger.intend(KEY, REQUESTS, None), "id")
    with pytest.raises(TypeError):
        ledger.close(batch, {"a": (("x.y", 0.5),), "b": ((object(), 1.0),)})  # type: ignore[dict-item]
    assert ledger.open_batches(KEY) == [batch]
    assert ledger.answers(KEY, ["a"]) == {}


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.sqlite"
    path.write_text("not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(LabelError, match=r"labels\.sqlite"):
        Ledger(path).answers(KEY, ["a"])


_WRITER = """
import sys
from pathlib import Path
from coterie.labels.ledger import Key, Ledger
ledger, name = Ledger(Path(sys.argv[1])), sys.argv[2]
for i in range(40):
    ledger.record(Key("t1", "p1", "m1"), {f"{name}{i}": (), f"both{i}": ((name, 1.0),)})
    with ledger.submitting():
        batch = ledger.intend(Key("t1", "p1", "m1"), ((f"{name}{i}",),), None)
        assert len(ledger.open_batches(Key("t1", "p1", "m1"))) == 1
        ledger.lose(batch)
"""


def test_two_processes_write_at_once(ledger: Ledger) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(ledger.path), name]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    names = [f"{name}{i}" for name in ("one", "two") for i in range(40)]
    assert sorted(ledger.answers(KEY, names)) == sorted(names)
    both = ledger.answers(KEY, [f"both{i}" for i in range(40)])
    assert len(both) == 40
    assert all(answer in {(("one", 1.0),), (("two", 1.0),)} for answer in both.values())


_KILLED = """
import os, sys
from pathlib import Path
from coterie.labels.ledger import Key, Ledger
ledger = Ledger(Path(sys.argv[1]))
with ledger.submitting():
    ledger.intend(Key("t1", "p1", "m1"), (("a",),), None)
    os._exit(9)
"""


def test_a_killed_process_leaves_its_intent_and_no_lock(ledger: Ledger) -> None:
    assert subprocess.run([sys.executable, "-c", _KILLED, str(ledger.path)], check=False, timeout=60).returncode == 9
    with ledger.submitting():
        assert [b.requests for b in ledger.open_batches(KEY)] == [(("a",),)]


def test_no_text_of_an_item_is_in_the_file(ledger: Ledger) -> None:
    ledger.record(KEY, {"a": ()})
    with sqlite3.connect(ledger.path) as db:
        columns = {row[0] for row in db.execute("select name from pragma_table_info('answers')")}
    assert columns == {"text_hash", "taxonomy_version", "prompt_version", "model", "interests", "asked_under"}
