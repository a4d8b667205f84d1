"""What teams decided about suggestions: the words, and what a decision must look like.

Belongs here: the columns of a decision and its rules. Does not belong here: where decisions are kept
(resources.decisions).
"""

import difflib
import unicodedata
from dataclasses import dataclass
from datetime import date

import polars as pl

from coterie.errors import DecisionError

WORDS = ("accepted", "rejected", "shipped")
LONGEST_NOTE = 500  # characters
DECISIONS: dict[str, type[pl.DataType]] = {
    "strategy_id": pl.String,
    "decision": pl.String,
    "decided_on": pl.Date,
    "issued_on": pl.Date,
    "note": pl.String,
}
MEANINGS = {
    "strategy_id": "The suggestion",
    "decision": "accepted, rejected or shipped",
    "decided_on": "The day of the decision; of shipped, the first day on which people saw the change",
    "issued_on": "The latest day up to then on which the suggestion was made: the one that was decided about",
    "note": "What the team wrote about it",
}


@dataclass(frozen=True)
class Decision:
    """One decision about one suggestion."""

    strategy_id: str
    decision: str
    decided_on: date
    issued_on: date
    note: str


def decide(strategy_id: str, decision: str, *, on: date, note: str, issued: pl.DataFrame) -> Decision:
    """A decision, checked.

    Args:
        strategy_id: the suggestion.
        decision: one of WORDS.
        on: the day of the decision.
        note: free text; white space in it becomes single spaces.
        issued: day (pl.Date), strategy_id: every suggestion ever made.

    Raises:
        DecisionError: the word is none of WORDS, the id was never issued, the day is before it was, or the note is too
            long or has characters that are no text.
    """
    if decision not in WORDS:
        raise DecisionError(f"found the decision {decision!r}; expected {_either(WORDS)}{_near(decision, list(WORDS))}")
    days = issued.filter(pl.col("strategy_id") == strategy_id)["day"].sort()
    if days.is_empty():
        known = issued["strategy_id"].unique().sort().to_list()
        raise DecisionError(
            f"found the id {strategy_id!r}; expected that of a suggestion, from mart_strategy_board"
            + _near(strategy_id, known)
        )
    upto = days.filter(days <= on)
    if upto.is_empty():
        raise DecisionError(
            f"{strategy_id}: found the day {on}; expected {days[0]} or later, when it was first suggested"
        )
    return Decision(strategy_id, decision, on, upto[-1], _note(note))


def latest(decisions: pl.DataFrame, *, on: date) -> pl.DataFrame:
    """The decision that holds for each suggestion at the end of a day: the last by day, then by order of recording.

    Args:
        decisions: DECISIONS, in the order in which they were recorded.
        on: the day.

    Returns:
        DECISIONS, one row a suggestion, sorted by strategy_id.
    """
    return (
        decisions.filter(pl.col("decided_on") <= on)
        .sort("decided_on", maintain_order=True)
        .group_by("strategy_id", maintain_order=True)
        .last()
        .select(list(DECISIONS))
        .sort("strategy_id")
    )


def _note(note: str) -> str:
    text = " ".join(note.split())
    strange = sorted({c for c in text if unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"}})
    if strange:
        raise DecisionError(f"note: found the character U+{ord(strange[0]):04X}; expected text")
    if len(text) > LONGEST_NOTE:
        raise DecisionError(f"note: found {len(text)} characters; expected at most {LONGEST_NOTE}")
    return text


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _near(text: str, known: list[str]) -> str:
    found = difflib.get_close_matches(text, known, n=1)
    return f". Did you mean {found[0]}?" if found else ""
