"""The list of users who asked to be forgotten: ingest leaves them out from then on."""

import json
from collections.abc import Iterable
from pathlib import Path

from resources.lake import Lake, locked, write_atomically


def read_forgotten(home: Path) -> frozenset[str]:
    """User ids as they stand in the tables."""
    path = home / "state" / "forgotten.json"
    return frozenset(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else frozenset()


def add_forgotten(home: Path, user_ids: Iterable[str]) -> None:
    """Add users to the list; two processes may do so at once."""
    with locked(home / "state" / "forgotten.lock"):
        everyone = sorted(read_forgotten(home) | set(user_ids))
        write_atomically(home / "state" / "forgotten.json", json.dumps(everyone))


def forget_users(lake: Lake, user_ids: Iterable[str]) -> dict[str, int]:
    """Put users on the list, then take them out of every table that names persons; rows removed, see `Lake.forget`.

    The list comes first: a day that is ingested meanwhile already leaves them out.
    """
    wanted = sorted(set(user_ids))
    add_forgotten(lake.home, wanted)
    return lake.forget(wanted)
