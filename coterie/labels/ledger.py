"""The ledger: what has been paid for, and which batches are on their way.

Belongs here: durable storage that survives a kill at any instruction and serves several processes. Does not belong
here: what is asked, what it costs, which answers outlive an edit of the taxonomy (carry.py), and texts: the ledger
knows hashes only.

Every write is one short transaction of SQLite; no connection is kept, so no process waits on another for long.
"""

import fcntl
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coterie.errors import LabelError
from coterie.taxonomy import Taxonomy, restored

Interests = tuple[tuple[str, float], ...]  # (interest_id, confidence), best first; empty: none fits
Requests = tuple[tuple[str, ...], ...]  # for each request of a batch, the text hashes in their order

# Steps from one form of the file to the next; `pragma user_version` says how many a file has behind it.
_FORMS = (
    (
        """
create table if not exists answers (
    text_hash text not null,
    taxonomy_version text not null,
    prompt_version text not null,
    model text not null,
    interests text not null,
    primary key (text_hash, taxonomy_version, prompt_version, model)
) without rowid
""",
        """
create table if not exists batches (
    number integer primary key,
    taxonomy_version text not null,
    prompt_version text not null,
    model text not null,
    state text not null check (state in ('intended', 'submitted', 'done', 'lost')),
    batch_id text,
    after_id text,
    requests text not null
)
""",
    ),
    (
        # The taxonomy that the question was asked under, where an answer was carried over; null: the row's own.
        "alter table answers add column asked_under text",
        "create table taxonomies (version text primary key, content text not null) without rowid",
    ),
)
_SAME = "taxonomy_version = ? and prompt_version = ? and model = ?"
_WAIT_SECONDS = 60.0
_AT_ONCE = 500  # hashes in one query: SQLite bounds the variables of a statement


@dataclass(frozen=True)
class Key:
    """What an answer depends on besides the text.

    The taxonomy's version is that of the whole tree: one request labels against the whole tree. Answers of other
    versions that stand for all that are carried over (`Ledger.carry`), once, so that they never change afterwards.
    """

    taxonomy_version: str
    prompt_version: str
    model: str

    @property
    def row(self) -> tuple[str, str, str]:
        """The values in the order of the tables' columns."""
        return self.taxonomy_version, self.prompt_version, self.model


@dataclass(frozen=True)
class Batch:
    """A batch that has not been read yet.

    Attributes:
        number: its row in the ledger.
        key: what it was asked under.
        batch_id: its id at the service; None: it was about to be submitted, and nobody noted whether it was.
        after_id: the newest batch at the service just before; None: there was none, or it is not known.
        requests: what it asks.
    """

    number: int
    key: Key
    batch_id: str | None
    after_id: str | None
    requests: Requests

    @property
    def mark(self) -> str:
        """How its requests begin their `custom_id`: a hash of what it asks, so that it can be recognised."""
        return hashlib.sha256(json.dumps(self.requests).encode()).hexdigest()[:24]

    @property
    def hashes(self) -> frozenset[str]:
        """All texts that it asks about."""
        return frozenset(text_hash for request in self.requests for text_hash in request)


class Ledger:
    """The ledger in one SQLite file, made on first use.

    Raises:
        LabelError: from every method, if the file cannot be used; names the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def answers(self, key: Key, hashes: Sequence[str]) -> dict[str, Interests]:
        """The answers that are there for these texts."""
        with self._transaction() as db:
            return _read(db, key, hashes)

    def elsewhere(self, key: Key, hashes: Sequence[str]) -> dict[str, dict[str, Interests]]:
        """Answers to these texts under other taxonomies, in the same words by the same model.

        Returns:
            text hash -> version of the taxonomy that it was asked under -> answer.
        """
        found: dict[str, dict[str, Interests]] = {}
        with self._transaction() as db:
            for some in _portions(hashes):
                query = (
                    "select text_hash, taxonomy_version, interests from answers where asked_under is null and "
                    f"taxonomy_version <> ? and prompt_version = ? and model = ? and text_hash in ({_marks(some)})"
                )
                for text_hash, version, interests in db.execute(query, (*key.row, *some)):
                    found.setdefault(text_hash, {})[version] = _interests(interests)
        return found

    def under(self, taxonomy_version: str) -> dict[Key, dict[str, Interests]]:
        """All answers under a version of the taxonomy, by what else they depend on: text hash -> answer."""
        found: dict[Key, dict[str, Interests]] = {}
        query = "select text_hash, prompt_version, model, interests from answers where taxonomy_version = ?"
        with self._transaction() as db:
            for text_hash, prompt_version, model, interests in db.execute(query, (taxonomy_version,)):
                found.setdefault(Key(taxonomy_version, prompt_version, model), {})[text_hash] = _interests(interests)
        return found

    def carry(self, key: Key, answers: Mapping[str, tuple[str, Interests]]) -> dict[str, Interests]:
        """Keep answers that were given under other taxonomies: text hash -> version asked under, answer.

        Returns:
            What stands in the ledger for these texts now.
        """
        with self._transaction() as db:
            for asked_under in sorted({version for version, _ in answers.values()}):
                _write(db, key, {h: a for h, (v, a) in answers.items() if v == asked_under}, asked_under)
            return _read(db, key, sorted(answers))

    def learn(self, taxonomy: Taxonomy) -> None:
        """Keep the content of a taxonomy, so that answers under it can be judged when another has come."""
        with self._transaction() as db:
            if not db.execute("select 1 from taxonomies where version = ?", (taxonomy.version,)).fetchone():
                db.execute("insert into taxonomies values (?, ?)", (taxonomy.version, taxonomy.content()))

    def taxonomies(self) -> dict[str, Taxonomy]:
        """The taxonomies whose content is known, by version."""
        with self._transaction() as db:
            return {version: restored(text) for version, text in db.execute("select version, content from taxonomies")}

    def record(self, key: Key, answers: Mapping[str, Interests]) -> dict[str, Interests]:
        """Keep answers; of two for the same text the first stays, so that a text never changes its labels.

        Returns:
            What stands in the ledger for these texts now.
        """
        with self._transaction() as db:
            _write(db, key, answers)
            return _read(db, key, sorted(answers))

    def intend(self, key: Key, requests: Requests, after_id: str | None) -> Batch:
        """Note that a batch is about to be submitted."""
        with self._transaction() as db:
            number = db.execute(
                "insert into batches (taxonomy_version, prompt_version, model, state, after_id, requests) "
                "values (?, ?, ?, 'intended', ?, ?)",
                (*key.row, after_id, json.dumps(requests)),
            ).lastrowid
        assert number is not None
        return Batch(number, key, None, after_id, requests)

    def submitted(self, batch: Batch, batch_id: str) -> Batch:
        """Note the id that the service gave to a batch."""
        with self._transaction() as db:
            db.execute(
                "update batches set state = 'submitted', batch_id = ? where number = ?", (batch_id, batch.number)
            )
        return replace(batch, batch_id=batch_id)

    def open_batches(self, key: Key) -> list[Batch]:
        """Batches that have neither been read nor given up, oldest first: those of this key, and those in the same words
        by the same model under another taxonomy that is known, for they are paid for as well.
        """
        with self._transaction() as db:
            rows = db.execute(
                "select number, taxonomy_version, batch_id, after_id, requests from batches "
                "where state in ('intended', 'submitted') and prompt_version = ? and model = ? and (taxonomy_version = ? "
                "or taxonomy_version in (select version from taxonomies)) order by number",
                (key.prompt_version, key.model, key.taxonomy_version),
            ).fetchall()
        return [
            Batch(n, replace(key, taxonomy_version=v), i, a, tuple(tuple(request) for request in json.loads(r)))
            for n, v, i, a, r in rows
        ]

    def known_ids(self) -> frozenset[str]:
        """Ids at the service of the batches of this ledger."""
        with self._transaction() as db:
            rows = db.execute("select batch_id from batches where batch_id is not null")
            return frozenset(row[0] for row in rows)

    def close(self, batch: Batch, answers: Mapping[str, Interests]) -> tuple[bool, dict[str, Interests]]:
        """Keep a batch's answers and mark it as read, in one transaction.

        Returns:
            Whether this call was the one that closed it (another process may have), and what stands in the ledger for
            the batch's texts.
        """
        with self._transaction() as db:
            changed = db.execute(
                "update batches set state = 'done' where number = ? and state = 'submitted'", (batch.number,)
            ).rowcount
            _write(db, batch.key, answers)
            return changed == 1, _read(db, batch.key, sorted(batch.hashes))

    def lose(self, batch: Batch) -> None:
        """Give a batch up: the service does not have it."""
        with self._transaction() as db:
            db.execute("update batches set state = 'lost' where number = ? and state <> 'done'", (batch.number,))

    def disown(self, batch: Batch) -> None:
        """The id that was taken for this batch's is another's: forget it."""
        with self._transaction() as db:
            db.execute(
                "update batches set state = 'intended', batch_id = null "
                "where number = ? and batch_id = ? and state = 'submitted'",
                (batch.number, batch.batch_id),
            )

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Only one process at a time submits batches.

        The lock goes with its process. So whoever holds it and finds an intended batch without an id knows that the
        one who intended it was killed.
        """
        with self._transaction():  # makes the folder, or says why it cannot
            lock = self.path.with_name(f"{self.path.name}.lock")
        with lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)) as db:
                db.execute("begin immediate")
                _bring_up_to_date(db)
                yield db
                db.execute("commit")  # an exception leaves the transaction to the closing, which rolls it back
        except (sqlite3.Error, OSError) as error:
            raise LabelError(
                f"{self.path}: found a ledger that cannot be used ({error}); expected an SQLite file that may be "
                "written. It holds the labels that were paid for: restore it from a copy rather than delete it"
            ) from error


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    """Bring the file to today's form, within the transaction that is open: wholly or not at all."""
    (behind,) = db.execute("pragma user_version").fetchone()
    for number, step in enumerate(_FORMS[behind:], behind + 1):
        for statement in step:
            db.execute(statement)
        db.execute(f"pragma user_version = {number}")


def _read(db: sqlite3.Connection, key: Key, hashes: Sequence[str]) -> dict[str, Interests]:
    found: dict[str, Interests] = {}
    for some in _portions(hashes):
        query = f"select text_hash, interests from answers where {_SAME} and text_hash in ({_marks(some)})"
        for text_hash, interests in db.execute(query, (*key.row, *some)):
            found[text_hash] = _interests(interests)
    return found


def _write(db: sqlite3.Connection, key: Key, answers: Mapping[str, Interests], asked_under: str | None = None) -> None:
    db.executemany(
        "insert or ignore into answers values (?, ?, ?, ?, ?, ?)",
        [(text_hash, *key.row, json.dumps(interests), asked_under) for text_hash, interests in sorted(answers.items())],
    )


def _portions(hashes: Sequence[str]) -> Iterator[Sequence[str]]:
    return (hashes[start : start + _AT_ONCE] for start in range(0, len(hashes), _AT_ONCE))


def _marks(some: Sequence[str]) -> str:
    return ", ".join("?" * len(some))


def _interests(text: str) -> Interests:
    return tuple((interest, float(confidence)) for interest, confidence in json.loads(text))
