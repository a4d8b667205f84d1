"""The source: its description, and the index of which file holds which day, kept between runs."""

from datetime import date
from pathlib import Path

from coterie.errors import CoterieError
from coterie.sources import Source, SourceIndex, build_index, load_source
from resources.lake import locked, write_atomically


class SourceLog:
    """A described log and its index.

    The index lives in `<home>/state/source-<name>.json`; a file that has not changed is not read again.
    """

    def __init__(self, description: Path, home: Path) -> None:
        self.source: Source = load_source(description)
        self._kept = home.absolute() / "state" / f"source-{self.source.name}.json"

    def index(self) -> SourceIndex:
        """The index as of now: new and changed files are read, by one process at a time."""
        with locked(self._kept.with_suffix(".lock")):
            before = self._kept.read_text(encoding="utf-8") if self._kept.exists() else None
            index = build_index(self.source, SourceIndex.from_json(before) if before else None)
            now = index.to_json()
            if now != before:
                write_atomically(self._kept, now)
        return index

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
