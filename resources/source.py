"""The source: its description, and the index of which file holds which day, kept between runs."""

import json
from datetime import date
from pathlib import Path

from coterie.errors import CoterieError, SettingError
from coterie.sources import Source, SourceIndex, build_index, load_source
from resources.lake import locked, write_atomically

OWNER = "owner.json"


def owner_of(home: Path) -> str | None:
    """The name of the source that a home's tables are made of; None for a new home."""
    path = home / "state" / OWNER
    return str(json.loads(path.read_text(encoding="utf-8"))["source"]) if path.exists() else None


def home_beside(home: Path, source: str) -> Path:
    """Where the tables of another source belong."""
    return home.with_name(f"{home.name}-{source}")


class SourceLog:
    """A described log and its index.

    The index lives in `<home>/state/source-<name>.json`; a file that has not changed is not read again.
    `<home>/state/owner.json` names the source that the home's tables are made of: days of two logs in the same tables
    would be neither's.

    Raises:
        SettingError: the home holds the tables of another source.
    """

    def __init__(self, description: Path, home: Path) -> None:
        self.source: Source = load_source(description)
        self._state = home.absolute() / "state"
        self._kept = self._state / f"source-{self.source.name}.json"
        self._refuse_foreign_home()

    def index(self) -> SourceIndex:
        """The index as of now: new and changed files are read, by one process at a time."""
        with locked(self._state / "source.lock"):
            self._refuse_foreign_home()
            if owner_of(self._state.parent) is None:
                write_atomically(self._state / OWNER, json.dumps({"source": self.source.name}, ensure_ascii=False))
            before = self._kept.read_text(encoding="utf-8") if self._kept.exists() else None
            index = build_index(self.source, SourceIndex.from_json(before) if before else None)
            now = index.to_json()
            if now != before:
                write_atomically(self._kept, now)
        return index

    def _refuse_foreign_home(self) -> None:
        owner = owner_of(self._state.parent)
        if owner not in (None, self.source.name):
            raise SettingError(
                f"COTERIE_HOME={self._state.parent}: found the tables of source {owner!r}; expected those of "
                f"{self.source.name!r}, which COTERIE_SOURCE describes, or an empty folder. "
                f"Choose another home, such as COTERIE_HOME={home_beside(self._state.parent, self.source.name)}."
            )

    def first_day(self) -> date:
        """The first day of the partitions: the description's, else the first day found in the log.

        Raises:
            CoterieError: the description gives none and the log has no readable day.
        """
        if self.source.first_day is not None:
            return self.source.first_day
        days = self.index().days()
        if not days:
            raise CoterieError(
                f"{self.source.name}: no event file with a readable day was found at {self.source.events.path}. "
                "Run `coterie check-source` to see why, or set `first_day` in the description."
            )
        return min(days)
