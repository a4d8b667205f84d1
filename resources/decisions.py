"""Where decisions are kept: `decisions.jsonl` in the home folder, one line each, to which lines are only ever added.

Belongs here: reading and adding lines. Does not belong here: what makes a decision right (coterie.strategies.decisions).
"""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

import polars as pl

from coterie.errors import DecisionError
from coterie.strategies.decisions import DECISIONS, Decision, decide
from resources.lake import Lake, locked, write_atomically

FILE = "decisions.jsonl"


class DecisionLog:
    """The decisions of a home."""

    def __init__(self, home: Path) -> None:
        self.path = home.absolute() / FILE

    def read(self) -> pl.DataFrame:
        """All decisions, DECISIONS, in the order in which they were recorded.

        Raises:
            DecisionError: a line is not as this class wrote it; names the file and the line.
        """
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return pl.DataFrame([self._row(n, line) for n, line in enumerate(text.splitlines(), 1)], schema=DECISIONS)

    def add(self, decision: Decision) -> bool:
        """Record a decision; one that already holds in the same words changes nothing. Returns whether it was new."""
        with locked(self.path.parent / "state" / "decisions.lock"):
            row = asdict(decision)
            same = self.read().filter(pl.col("strategy_id") == decision.strategy_id).tail(1)
            if same.height and same.row(0, named=True) == row:
                return False
            before = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            line = json.dumps(row, ensure_ascii=False, default=str)
            write_atomically(self.path, f"{before}{line}\n")
        return True

    def _row(self, number: int, line: str) -> dict[str, object]:
        try:
            row = json.loads(line)
            days = {name: date.fromisoformat(row[name]) for name in ("decided_on", "issued_on")}
            return {name: days.get(name, str(row[name])) for name in DECISIONS}
        except (ValueError, KeyError, TypeError) as error:
            raise DecisionError(
                f"{self.path}: line {number}: found {line[:60]!r} ({error!r}); expected a decision as `coterie decide` "
                "writes it. Restore the file from a copy: people's work is in it"
            ) from error


def decided(lake: Lake, strategy_id: str, word: str, *, on: date, note: str) -> Decision:
    """A decision about a suggestion of the lake, checked; see `coterie.strategies.decisions.decide`.

    Raises:
        DecisionError: it is not right, or nothing was suggested yet.
    """
    days = lake.days("strategies")
    if not days:
        raise DecisionError(f"{lake.home}: found no strategies; expected some: run `make demo`, or materialize a day")
    issued = [
        pl.scan_parquet(lake.partition("strategies", day), hive_partitioning=False).select(
            pl.lit(day).alias("day"), "strategy_id"
        )
        for day in days
    ]
    return decide(strategy_id, word, on=on, note=note, issued=pl.concat(pl.collect_all(issued)))
