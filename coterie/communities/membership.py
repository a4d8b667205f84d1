"""Who belongs to which community, with what probability.

Belongs here: the choice among partitions, and memberships of all users. Does not belong here: the partitions (starts),
the model that judges them (mixture), keeping ids (identity).
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from coterie.communities.acts import Acts, places
from coterie.communities.born import newborn
from coterie.communities.crowd import crowds
from coterie.communities.divided import divide_current
from coterie.communities.identity import keep_ids
from coterie.communities.mixture import Foretold, Groups, fit, foretold, spread, tempered
from coterie.communities.recent import merge_current, swallowed
from coterie.communities.starts import WITH_CROWD, YESTERDAY, starts
from coterie.graphs import stable_sample
from coterie.matrices import Array, codes, ids_of
from coterie.tables import MEMBERSHIPS

# The likeliest community is the main one from here on, also where belonging nowhere is likelier still. Below a half, as
# tempered probabilities are lower: with 0.5 fewer users would have a main community than before tempering.
MAIN = 0.4
KEPT = 0.1
CLEAR = 1.0  # standard errors by which another partition must foretell more than yesterday's to replace it
CANDIDATES = {"start": pl.String, "groups": pl.Int64, "gain": pl.Float64, "chosen": pl.Boolean}


def memberships(
    *,
    day: date,
    acts: Acts,
    user_graph: pl.DataFrame,
    yesterday: pl.DataFrame | None,
    min_size: int,
    max_users: int,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table `memberships`, and how the candidates for it did.

    Leiden proposes partitions (`starts`); from each the mixture is fitted and foretells engagements that were held out.
    The one that foretells most is taken, unless yesterday's communities do as well within a standard error: what
    cannot be told apart stays as it is. What members do by now decides where communities become one (`recent`), come apart
    (`divided`), end in the crowd (`crowd`) or come out of it (`born`; of a sample, its members first).
    The mixture judges all users, so that those who were not in the sample are judged by the same measure, and a user of
    one engagement is not forced into a group. Communities with fewer than `min_size` main members are dissolved.

    Args:
        day: the day, for the ids of new communities.
        acts: of the window that ends on the day.
        user_graph: USER_GRAPH of the day.
        yesterday: MEMBERSHIPS of the day before; None on the first day.
        min_size: fewest main members of a community.
        max_users: above it communities are found in a sample by a stable hash of the user ids, and everybody else is
            judged by what the sample's do, and then by what all members do.

    Returns:
        MEMBERSHIPS, one level; probabilities below 0.1 are left out, the main community has at least 0.4. And the
        candidates: start, groups, gain (bits an engagement over popularity, held out), chosen.
    """
    seen = acts if len(acts.users) <= max_users else acts.take(stable_sample(acts.users, max_users))
    found = {
        name: (start, foretold(seen, start, min_size))
        for name, start in starts(seen, user_graph, yesterday, min_size).items()
    }
    chosen = _choose({name: told for name, (_, told) in found.items()})
    tried = pl.DataFrame(
        [(n, int(s.max()) + 1, t.gain, n == chosen) for n, (s, t) in found.items()], schema=CANDIDATES, orient="row"
    )
    if chosen is None:
        return MEMBERSHIPS.empty(), tried
    posterior, main = settle(seen, found[chosen][0], min_size)
    origin, crowd = _of_yesterday(seen, yesterday)
    apart = swallowed(main, origin, min_size)
    merged = merge_current(seen, apart, origin) if posterior.shape[1] else main
    # What has become one with the crowd has ended.
    ended = np.unique(merged[np.append(crowds(seen, apart, origin, crowd), False)[apart]])
    now = divide_current(seen, merged, ended, min_size)
    posterior = _moved(posterior, main, now)
    nowhere = np.append(True, np.isin(np.arange(posterior.shape[1]), ended))
    whole = np.column_stack([np.maximum(1 - posterior.sum(axis=1), 0.0), posterior])
    if seen is not acts:
        known = np.zeros((len(acts.users), whole.shape[1]))
        known[codes(seen.users, acts.users)] = whole
        whole = spread(acts, known, min_size)
    posterior, main = _large(tempered(whole, found[chosen][1].temper)[:, ~nowhere], min_size)
    at = codes(seen.users, acts.users)
    born = np.zeros(len(acts.users))
    born[at] = newborn(seen, main[at] < 0, origin, crowd, min_size)
    if born.any():
        posterior, main = _large(np.column_stack([posterior * (1 - born)[:, None], born]), min_size)
    names = keep_ids(day, acts.users, main, yesterday)
    user, group = np.nonzero(posterior >= KEPT)
    frame = pl.DataFrame(
        {
            "user_id": acts.users.gather(user) if len(user) else pl.Series([], dtype=pl.String),
            "community_id": pl.Series([names[g] for g in group], dtype=pl.String),
            "probability": posterior[user, group],
            "is_primary": main[user] == group,
            "level": np.zeros(len(user), dtype=np.int64),
        }
    )
    return MEMBERSHIPS.conform(frame), tried


def _large(posterior: Array, min_size: int) -> tuple[Array, Groups]:
    """Probabilities and main groups without the groups that have fewer main members."""
    main = _main(posterior)
    kept = np.flatnonzero(np.bincount(main[main >= 0], minlength=posterior.shape[1]) >= min_size)
    return posterior[:, kept], _main(posterior[:, kept])


def _main(posterior: Array) -> Groups:
    """(n,) the group of the largest probability, if it is MAIN at least; -1 for none."""
    if not posterior.shape[1]:
        return np.full(len(posterior), -1, dtype=np.int64)
    best = posterior.argmax(axis=1)
    return np.where(posterior[np.arange(len(posterior)), best] >= MAIN, best, -1)


def _moved(posterior: Array, main: Groups, now: Groups) -> Array:
    """(n, G') probabilities after groups were merged or divided.

    The probability of a merged group is the sum of its parts'; that of a member of a divided one goes with them into
    their part, that of others stays with the part that keeps the number.
    """
    if np.array_equal(main, now):
        return posterior
    moved = np.zeros((len(posterior), int(now.max()) + 1))
    for group in range(posterior.shape[1]):
        inside = main == group
        # The part that keeps the number has the most members.
        stays = int(np.bincount(now[inside]).argmax())
        np.add.at(moved, (np.arange(len(now)), np.where(inside, now, stays)), posterior[:, group])
    return moved


def _of_yesterday(acts: Acts, yesterday: pl.DataFrame | None) -> tuple[Groups, int]:
    """(n,) main community of the day before as a number, -1 for newcomers; and the number of those who had none."""
    if yesterday is None:
        return np.full(len(acts.users), -1, dtype=np.int64), -2
    main = yesterday.filter("is_primary")
    ids = ids_of(main["community_id"])
    origin = places(main.select("user_id", group=codes(main["community_id"], ids)), acts.users)
    return np.where((origin < 0) & acts.not_new, len(ids), origin), len(ids)


def _choose(told: Mapping[str, Foretold]) -> str | None:
    if not told:
        return None
    best = max(told, key=lambda name: told[name].gain)  # of equal ones the first
    stood = max(
        (name for name in (YESTERDAY, WITH_CROWD) if name in told), key=lambda name: told[name].gain, default=None
    )
    if stood is not None and told[best].ahead_of(told[stood]) <= CLEAR:
        return stood
    return best


def settle(acts: Acts, start: Groups, min_size: int) -> tuple[Array, Groups]:
    """Posterior memberships of all users, groups dropped until each has `min_size` main members.

    Args:
        acts: of n users.
        start: (n,) group of each user, -1 for none.
        min_size: fewest main members.

    Returns:
        (n, G) probabilities, which sum to at most 1, and (n,) each user's main group, -1 for none.
    """
    while (start >= 0).any():
        posterior = fit(acts, start, min_size).posterior[:, 1:]
        kept = posterior.sum(axis=0) > 0
        posterior = posterior[:, kept]
        if not kept.any():
            break
        main = _main(posterior)
        size = np.bincount(main[main >= 0], minlength=posterior.shape[1])
        if (size >= min_size).all():
            return posterior, main
        # One at a time, the smallest first: its members may make another one large enough.
        start = main.copy()
        smallest = int(np.argmin(size))
        start[main == smallest] = -1
        start[main > smallest] -= 1
    return np.zeros((len(start), 0)), np.full(len(start), -1, dtype=np.int64)
