"""The test of a community on a day that its members were not chosen by.

Belongs here: how much more its members, fixed yesterday, engage today with one another's interests than chance
allows. Does not belong here: what is concluded from it (verdict).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from coterie.independence import opportunity, quasi_independent
from coterie.matrices import Array, Matrix, codes, ids_of, matrix, product

SMOOTHING = 10.0
# The share of its profile that a community is expected to keep: the score is the most powerful against that.
KEPT = 0.2
# A user at a time would be slow, all at once large.
_BLOCK = 8192


@dataclass(frozen=True)
class Evidence:
    """Sums over a community's members active today: of the excess, its size, its square, and the promise."""

    excess: float
    absolute: float
    square: float
    promised: float
    members: int


def evidence_of_day(
    *,
    yesterday_memberships: pl.DataFrame,
    yesterday_user_interests: pl.DataFrame,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    exposures_logged: bool,
) -> dict[str, Evidence]:
    """Excess engagement of each of yesterday's communities, out of sample.

    Each interest has a score from r, how many times as much the community engaged with it up to yesterday as the
    population did: (r - 1) / (1 + 0.2 (r - 1)), the likelihood score of members who engage a fifth of the time as the
    profile says and else like everyone. For every member the profile leaves their own engagements out, so what they
    are measured against is what the others like. A member's excess is the scored engagement of today less what the
    null expects of it, as a mean over their engagements, weighted by n / (n + 1) for n engagements: no single member
    has more than one voice. The null keeps the user's activity, the day, and what they were shown with everyone's rate
    of engagement for it; where showings are not logged, the day's popularity of each interest. Its expectation is zero
    whatever the scores are, since they come from before today: sums over days are martingales.

    The promise is the excess that members would have if they engaged today just as their profile of yesterday says.

    Args:
        yesterday_memberships: MEMBERSHIPS of the day before.
        yesterday_user_interests: USER_INTERESTS of the day before.
        engagement: ENGAGEMENT of today.
        labels: item_id, interest_id, weight.
        exposures_logged: whether the log says what users were shown.

    Returns:
        Community id -> evidence, for communities with an active member.
    """
    rows = engagement.filter(pl.col("item_id").is_in(labels["item_id"].unique().implode()))
    past = yesterday_user_interests.filter(pl.col("engaged") > 0)
    users, interests = ids_of(rows["user_id"]), ids_of(labels["interest_id"], past["interest_id"])
    items = ids_of(rows["item_id"])
    if not len(users):
        return {}
    label = matrix(labels, "item_id", items, "interest_id", interests, "weight")
    engaged = product(matrix(rows, "user_id", users, "item_id", items, "strength"), label)
    expected = _null(rows, users, items, label, engaged, exposures_logged)
    total = np.asarray(engaged.sum(axis=1)).reshape(-1)
    everyone = _column_sums(past, interests)
    everyone = (everyone + 1e-6) / (everyone + 1e-6).sum()
    # Scores come from strengths; smoothing is in engagements, so it is brought to the size of one.
    ordered = past.sort("user_id", "interest_id")
    whole = float(ordered["engaged"].to_numpy().sum())
    size = float(ordered["engaged_square"].to_numpy().sum()) / whole if whole > 0 else 1.0
    main = yesterday_memberships.filter("is_primary").select("user_id", "community_id")
    own_past = matrix(past, "user_id", users, "interest_id", interests, "engaged")
    found: dict[str, Evidence] = {}
    for name in sorted(main["community_id"].unique()):
        members = main.filter(pl.col("community_id") == name).select("user_id")
        group = _column_sums(past.join(members, on="user_id", how="semi"), interests)
        active = np.sort(codes(members["user_id"], users))
        active = active[active >= 0]
        active = active[total[active] > 0]
        if not len(active):
            continue
        excess, promised = [], []
        for start in range(0, len(active), _BLOCK):
            part = active[start : start + _BLOCK]
            others = np.maximum(group[None, :] - own_past[part].toarray(), 0) + SMOOTHING * size * everyone[None, :]
            profile = others / others.sum(axis=1, keepdims=True)
            score = score_of(profile / everyone[None, :] - 1)
            weight = 1 / (total[part] + size)
            null = expected[part].toarray() if sparse.issparse(expected) else total[part, None] * expected[None, :]
            excess.append(((engaged[part].toarray() - null) * score).sum(axis=1) * weight)
            # What members would do if the profile held: their null, tilted by it.
            tilted = null * profile / everyone[None, :]
            tilted *= (total[part] / np.maximum(tilted.sum(axis=1), 1e-300))[:, None]
            promised.append(((tilted - null) * score).sum(axis=1) * weight)
        d, m = np.concatenate(excess), np.concatenate(promised)
        found[name] = Evidence(float(d.sum()), float(np.abs(d).sum()), float((d**2).sum()), float(m.sum()), len(active))
    return found


def score_of(ratio: Array) -> Array:
    """Score of an interest that a community engages with `1 + ratio` times as much as everyone."""
    return np.asarray(ratio / (1 + KEPT * ratio))


def _null(
    rows: pl.DataFrame, users: pl.Series, items: pl.Series, label: Matrix, engaged: Matrix, exposures_logged: bool
) -> Matrix | Array:
    """Expected engagement by user and interest; without logged showings the shares of interests, alike for everyone."""
    gained = np.asarray(engaged.sum(axis=0), dtype=np.float64).reshape(-1)
    if not exposures_logged:
        return gained / gained.sum() if gained.sum() > 0 else gained
    shown = product(matrix(opportunity(rows), "user_id", users, "item_id", items, "opportunity"), label)
    return quasi_independent(shown, np.asarray(engaged.sum(axis=1), dtype=np.float64).reshape(-1), gained)


def _column_sums(rows: pl.DataFrame, interests: pl.Series) -> Array:
    ordered = rows.sort("interest_id", "user_id")
    at = codes(ordered["interest_id"], interests)
    return np.bincount(at, weights=ordered["engaged"].to_numpy(), minlength=len(interests)).astype(np.float64)
