"""The columns of the workbook's sheets: headings, formats and widths, and the board in words.

Belongs here: what a column shows and how. Does not belong here: sheets (workbook).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import polars as pl

from coterie.export.words import ask_of, kind_of, known_by, metric_of

LINE, MOST_LINES = 15.0, 8  # points of a line; Excel allows a row 409 points
FORMATS: Mapping[str, Mapping[str, Any]] = {
    "text": {"text_wrap": True, "indent": 1},
    "count": {"num_format": "#,##0"},
    "share": {"num_format": "0.0%"},
    "difference": {"num_format": "+0.0%;-0.0%;0.0%"},
    "ratio": {"num_format": "0.00"},
    "alarms": {"num_format": "0.0###"},
    "day": {"num_format": "yyyy-mm-dd"},
}


@dataclass(frozen=True)
class Field:
    """A column of a sheet: whose values, under which heading, how they look, how wide (characters)."""

    column: str
    heading: str
    kind: str = "text"
    width: int = 12


SUGGESTED = (
    Field("state", "Status", width=11),
    Field("asks", "What to do", width=16),
    Field("interest", "Interest", width=26),
    Field("community", "Community", width=40),
    Field("action", "How much", width=26),
    Field("effect", "Effect", "difference", 10),
    Field("effect_low", "90 % from", "difference", 10),
    Field("effect_high", "90 % to", "difference", 10),
    Field("baseline", "Without it", "share", 11),
    Field("measures", "The effect measures", width=30),
    Field("known", "How it is known", width=18),
    Field("q_value", "False alarms", "alarms", 12),
    Field("users_rounded", "Members", "count", 10),
    Field("users_per_arm", "Users per arm of a test", "count", 12),
    Field("test_days", "Days of a test", "count", 10),
    Field("scored", "Kind: scored in 28 days", "count", 11),
    Field("hit_rate", "Kind: came true", "share", 11),
    Field("expires_on", "Expires on", "day", 12),
    Field("decision", "Decision", width=11),
    Field("decided_on", "Decided on", "day", 12),
    Field("note", "Note", width=30),
    Field("why_not", "Why not suggested", width=34),
    Field("strategy_id", "Id", width=17),
)
OWN = tuple(f for f in SUGGESTED if f.column not in {"community", "users_rounded"})
FOUND = (
    Field("name", "Community", width=40),
    Field("verdict", "Verdict", width=10),
    Field("users_rounded", "Members", "count", 10),
    Field("proposed_strategies", "Suggestions", "count", 12),
    Field("event", "What happened", width=14),
    Field("stability", "Stayed since yesterday", "share", 13),
    Field("q_value", "False alarms", "alarms", 12),
    Field("summary", "What members want", width=90),
    Field("community_id", "Id", width=15),
)
TRENDING = (
    Field("interest", "Interest", width=30),
    Field("domain", "Domain", width=26),
    Field("trend", "Trend", width=10),
    Field("trend_ratio", "Against the week before", "ratio", 13),
    Field("users_rounded", "Users", "count", 9),
    Field("baseline_share", "Share of users, week before", "share", 14),
    Field("demand_share", "Share of engagement", "share", 13),
    Field("supply_share", "Share of new items", "share", 12),
    Field("gap", "Gap", "difference", 10),
    Field("q_value", "False alarms", "alarms", 12),
    Field("interest_id", "Id", width=30),
)
CHOSEN = (
    Field("decided_on", "Decided on", "day", 12),
    Field("decision", "Decision", width=11),
    Field("strategy_id", "Suggestion", width=17),
    Field("issued_on", "Suggested on", "day", 13),
    Field("note", "Note", width=80),
)


def height(values: Sequence[Any], fields: Sequence[Field]) -> float:
    """Points that a row needs so that wrapped texts are seen; a Chinese character is as wide as two others."""
    wide = [sum(2 if ord(c) > 0x2E7F else 1 for c in str(v)) / (f.width - 2) for v, f in zip(values, fields, strict=True)
            if isinstance(v, str)]  # fmt: skip
    return LINE * min(MOST_LINES, max([1, *(ceil(lines) for lines in wide)]))


def readable(board: pl.DataFrame, actions: Mapping[str, Any]) -> pl.DataFrame:
    """The board with columns for people: state, asks, action, measures, known, why_not."""

    def said(column: str, words: Any) -> pl.Series:
        return pl.Series([words(value) for value in board[column]], dtype=pl.String)

    status = pl.col("status")
    return board.with_columns(
        state=status.str.split(": ").list.first(),
        why_not=status.str.splitn(": ", 2).struct.field("field_1"),
        asks=said("kind", kind_of),
        measures=said("metric", metric_of),
        known=said("evaluability", known_by),
        action=said("strategy_id", lambda key: ask_of(actions.get(key))),
    )
