"""The reverse of a suggestion: which suggestions touched one user, and why.

Belongs here: joining a user's memberships to suggestions. Does not belong here: reading the tables (workflows.lookup).

A suggestion of day D touches a user in two ways. It is aimed at whom D's memberships give to its community. And it rests
on what those did who were members seven days before; all other active users stand on the other side of the comparison,
which says nothing about one of them and is not listed.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl

from coterie.strategies.outcome import WINDOW_DAYS

BEFORE = timedelta(days=WINDOW_DAYS)
_OWN = ("affinity", "lift", "lift_low", "lift_high", "q_value", "evidence")


def touched(
    strategies: pl.DataFrame,
    memberships: pl.DataFrame,
    interests: pl.DataFrame,
    decisions: pl.DataFrame,
) -> list[dict[str, Any]]:
    """What touched a user, the latest day of each suggestion alone; newest first, then by id.

    Args:
        strategies: day, strategy_id, kind, community_id, interest_id, status, expires_on: suggestions of any days.
        memberships: day, community_id, probability: the user's main communities on those days and seven days before.
        interests: interest_id and USER_INTERESTS' numbers of the user, as of the day of the question.
        decisions: DECISIONS that hold, one row a suggestion.

    Returns:
        For each suggestion its id, kind, community, interest, status, days; `aimed_at` and `in_evidence`, each with the
        day of the membership and its probability, or None; `own_interest`, how much the user wants the interest today,
        or None; `decision`, or None.
    """
    member: Mapping[tuple[date, str], float] = {
        (day, community): probability
        for day, community, probability in memberships.select("day", "community_id", "probability").rows()
    }
    own = {row["interest_id"]: {c: row[c] for c in _OWN} for row in interests.iter_rows(named=True)}
    decided = {row["strategy_id"]: row for row in decisions.iter_rows(named=True)}
    found: dict[str, dict[str, Any]] = {}
    for row in strategies.sort("day", "strategy_id").iter_rows(named=True):
        day, community = row["day"], row["community_id"]
        aimed, counted = member.get((day, community)), member.get((day - BEFORE, community))
        if aimed is None and counted is None:
            continue
        found[row["strategy_id"]] = {
            "strategy_id": row["strategy_id"],
            "kind": row["kind"],
            "community_id": community,
            "interest_id": row["interest_id"],
            "status": row["status"],
            "issued_on": day,
            "expires_on": row["expires_on"],
            "aimed_at": None if aimed is None else {"member_on": day, "probability": aimed},
            "in_evidence": None if counted is None else _evidence(day, counted),
            "own_interest": own.get(row["interest_id"]),
            "decision": _decision(decided.get(row["strategy_id"])),
        }
    return sorted(found.values(), key=lambda row: (-row["issued_on"].toordinal(), row["strategy_id"]))


def _evidence(day: date, probability: float) -> dict[str, Any]:
    """Whose acts of the week count: those of members as they were when it began."""
    start = day - BEFORE + timedelta(days=1)
    return {"member_on": day - BEFORE, "probability": probability, "acts_from": start, "acts_to": day}


def _decision(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: row[name] for name in ("decision", "decided_on", "issued_on", "note")}
