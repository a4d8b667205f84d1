"""Who belongs to which community, with what probability.

Belongs here: the mixture that turns groups into memberships of all users. Does not belong here: finding the groups
(detect), keeping their ids (identity).
"""

from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.communities.detect import Groups, leiden, merge_alike
from coterie.communities.identity import keep_ids
from coterie.matrices import Array, ids_of, matrix
from coterie.tables import MEMBERSHIPS

MAIN = 0.5
KEPT = 0.1
# Weight of the population's profile in a community's own, in effective engagements.
SMOOTHING = 10.0
# Share of users that is expected to belong nowhere, at least.
NOWHERE = 0.05


def memberships(
    *,
    day: date,
    user_graph: pl.DataFrame,
    user_interests: pl.DataFrame,
    yesterday: pl.DataFrame | None,
    min_size: int,
) -> pl.DataFrame:
    """The table `memberships`.

    Leiden finds groups in the user graph, groups that engage alike are merged, those of fewer than `min_size` users
    are dissolved. What remains are profiles: a mixture of multinomials, one component for each group and one for the
    population at large. A user's probabilities are the components' posterior given their engagements, so users who
    were not in the graph are judged by the same measure, and a user of one engagement is not forced into a group.

    Args:
        day: the day, for the ids of new communities.
        user_graph: USER_GRAPH of the day.
        user_interests: USER_INTERESTS of the day.
        yesterday: MEMBERSHIPS of the day before; None on the first day.
        min_size: fewest main members of a community.

    Returns:
        MEMBERSHIPS, one level; probabilities below 0.1 are left out, the main community has at least 0.5.
    """
    users, counts = effective_counts(user_interests)
    seated, groups = leiden(user_graph, yesterday)
    place = np.searchsorted(users.to_numpy(), seated.to_numpy()) if len(seated) else np.empty(0, dtype=np.int64)
    if not len(seated):
        return MEMBERSHIPS.empty()
    groups = merge_alike(groups, counts[place])
    of_user = np.full(len(users), -1, dtype=np.int64)
    of_user[place] = groups
    posterior, main = settle(of_user, counts, min_size)
    names = keep_ids(day, users, main, yesterday)
    user, group = np.nonzero(posterior >= KEPT)
    frame = pl.DataFrame(
        {
            "user_id": users.gather(user) if len(user) else pl.Series([], dtype=pl.String),
            "community_id": pl.Series([names[g] for g in group], dtype=pl.String),
            "probability": posterior[user, group],
            "is_primary": main[user] == group,
            "level": np.zeros(len(user), dtype=np.int64),
        }
    )
    return MEMBERSHIPS.conform(frame)


def effective_counts(user_interests: pl.DataFrame) -> tuple[pl.Series, Array]:
    """Users, sorted, and their (n, J) engagements in effective counts: strength over its dispersion."""
    rows = user_interests.filter(pl.col("engaged") > 0)
    users, interests = ids_of(rows["user_id"]), ids_of(rows["interest_id"])
    engaged = matrix(rows, "user_id", users, "interest_id", interests, "engaged").toarray()
    ordered = rows.sort("user_id", "interest_id")
    whole = float(ordered["engaged"].to_numpy().sum())
    squares = float(ordered["engaged_square"].to_numpy().sum())
    return users, engaged * (whole / squares if squares > 0 else 1.0)


def settle(of_user: Groups, counts: Array, min_size: int) -> tuple[Array, Groups]:
    """Posterior memberships of all users, groups dropped until each has `min_size` main members.

    Args:
        of_user: (n,) group of each user, -1 for none.
        counts: (n, J) effective engagements.
        min_size: fewest main members.

    Returns:
        (n, G) probabilities, which sum to at most 1, and (n,) each user's main group, -1 for none.
    """
    sizes = np.bincount(of_user[of_user >= 0])
    groups = [int(g) for g in np.flatnonzero(sizes >= min_size)]
    while groups:
        posterior = _posterior([of_user == g for g in groups], counts)
        best = posterior.argmax(axis=1)
        main = np.where(posterior[np.arange(len(posterior)), best] >= MAIN, best, -1)
        found = np.bincount(main[main >= 0], minlength=len(groups))
        if (found >= min_size).all():
            return posterior, main
        # One at a time, the smallest first: its members may make another one large enough.
        groups.pop(int(np.argmin(found)))
    return np.zeros((len(of_user), 0)), np.full(len(of_user), -1, dtype=np.int64)


def _posterior(members: list[npt.NDArray[np.bool_]], counts: Array) -> Array:
    population = counts.sum(axis=0) / counts.sum()
    profiles = [population]
    for inside in members:
        own = counts[inside].sum(axis=0) + SMOOTHING * population
        profiles.append(own / own.sum())
    sizes = np.array([inside.sum() for inside in members], dtype=np.float64)
    nowhere = max(1 - sizes.sum() / len(counts), NOWHERE)
    prior = np.concatenate([[nowhere], (1 - nowhere) * sizes / sizes.sum()])
    # einsum without BLAS: one order of summation on every machine.
    log = np.einsum("nj,gj->ng", counts, np.log(np.maximum(profiles, 1e-300)), optimize=False) + np.log(prior)
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray((weight / weight.sum(axis=1, keepdims=True))[:, 1:])
