"""What a community is about: its most distinctive interests, a name and a sentence.

Belongs here: words by rule. Does not belong here: membership, and whether the community is real.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import special

from coterie.interests import prior_strength
from coterie.matrices import Array, codes, ids_of, matrix

SHOWN = 5
INTERVAL = 0.90
MIXED = "Mixed interests"


@dataclass(frozen=True)
class Distinctive:
    """An interest that members engage with `lift` times as much as everyone, with a 90 % interval."""

    interest_id: str
    lift: float
    low: float
    high: float


def distinctive(
    memberships: pl.DataFrame, user_interests: pl.DataFrame, disclosure_k: int
) -> dict[str, list[Distinctive]]:
    """The most distinctive interests of each community, by the lower end of the interval of their lift.

    Args:
        memberships: MEMBERSHIPS; main members count.
        user_interests: USER_INTERESTS of the same day.
        disclosure_k: fewest members engaged with an interest for it to be told.

    Returns:
        Community id -> up to five interests with a lower end above 1.
    """
    users, counts = _effective_counts(user_interests)
    interests = user_interests.filter(pl.col("engaged") > 0)["interest_id"].unique().sort().to_list()
    main = memberships.filter("is_primary")
    ids = sorted(main["community_id"].unique())
    if not ids or not len(users):
        return {name: [] for name in ids}
    everyone = counts.sum(axis=0) / counts.sum()
    inside = [np.sort(codes(main.filter(pl.col("community_id") == name)["user_id"], users)) for name in ids]
    inside = [at[at >= 0] for at in inside]
    found = np.array([counts[at].sum(axis=0) for at in inside])
    engaged = np.array([(counts[at] > 0).sum(axis=0) for at in inside])
    expected = found.sum(axis=1, keepdims=True) * everyone[None, :]
    prior = prior_strength(found.ravel(), expected.ravel())
    lift = (prior + found) / (prior + expected)
    low = special.gammaincinv(prior + found, (1 - INTERVAL) / 2) / (prior + expected)
    high = special.gammaincinv(prior + found, (1 + INTERVAL) / 2) / (prior + expected)
    told: dict[str, list[Distinctive]] = {}
    for row, name in enumerate(ids):
        citable = np.flatnonzero((engaged[row] >= disclosure_k) & (low[row] > 1))
        best = citable[np.lexsort((citable, -low[row, citable]))][:SHOWN]
        told[name] = [
            Distinctive(interests[j], float(lift[row, j]), float(low[row, j]), float(high[row, j])) for j in best
        ]
    return told


def names_of(told: dict[str, list[Distinctive]], words: dict[str, str], kept: dict[str, str]) -> dict[str, str]:
    """A name for each community, each different.

    `kept` are yesterday's names. They stay, so that people can speak of a community, unless they said nothing yet.
    """
    names = {k: kept[k] for k, found in told.items() if k in kept and not (found and kept[k].startswith(MIXED))}
    taken = set(names.values())
    for community, interests in told.items():
        if community in names:
            continue
        parts = [words.get(d.interest_id, d.interest_id) for d in interests]
        candidates = [_joined(parts[:n]) for n in (2, 3, 4, 5) if len(parts) >= n] or [_joined(parts)]
        free = [c for c in candidates if c not in taken]
        name = free[0] if free else f"{candidates[-1]} ({community})"
        names[community] = name
        taken.add(name)
    return names


def summary_of(interests: list[Distinctive], words: dict[str, str]) -> str:
    """One sentence that says what members want."""
    if not interests:
        return "Its members engage like everyone else, as far as the labels tell."
    told = [
        f"{d.lift:.1f} times as much with {words.get(d.interest_id, d.interest_id)} ({d.low:.1f} to {d.high:.1f})"
        for d in interests[:3]
    ]
    return f"Compared with everyone, members engage {_joined(told, ' and ')}."


def _joined(parts: list[str], last: str = " & ") -> str:
    if not parts:
        return MIXED
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + last + parts[-1]


def _effective_counts(user_interests: pl.DataFrame) -> tuple[pl.Series, Array]:
    """Users, sorted, and their (n, J) engagements in effective counts: strength over its dispersion."""
    rows = user_interests.filter(pl.col("engaged") > 0)
    users, interests = ids_of(rows["user_id"]), ids_of(rows["interest_id"])
    engaged = matrix(rows, "user_id", users, "interest_id", interests, "engaged").toarray()
    ordered = rows.sort("user_id", "interest_id")
    whole = float(ordered["engaged"].to_numpy().sum())
    squares = float(ordered["engaged_square"].to_numpy().sum())
    return users, engaged * (whole / squares if squares > 0 else 1.0)
