"""Groups of users by Leiden, and the merger of groups that do not differ.

Belongs here: from a graph to a partition. Does not belong here: who belongs to a group with what probability
(membership), and whether a group is real (verdict).
"""

import random

import igraph
import leidenalg
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import gammaln

from coterie.matrices import Array, codes, ids_of

SEED = 20240501
# As igraph's and leidenalg's default. Going on until nothing improves takes longer, and what is found is no better once the
# mixture is fitted from it (`benchmarks.designs_search`).
ITERATIONS = 2
Groups = npt.NDArray[np.int64]


def leiden(user_graph: pl.DataFrame, yesterday: pl.DataFrame | None) -> tuple[pl.Series, Groups]:
    """Partition the user graph by modularity with the Leiden algorithm (Traag, Waltman and van Eck 2019).

    The search starts from yesterday's main communities, users without one on their own: equally good partitions are
    many, and this takes the one nearest to what is known.

    Args:
        user_graph: USER_GRAPH.
        yesterday: MEMBERSHIPS of the day before.

    Returns:
        The graph's users, sorted, and the number of each one's group; groups are numbered from the largest.
    """
    users, ends, weight = _ties(user_graph)
    start = None if yesterday is None else _start(users, yesterday)[0]
    return users, leiden_of(len(users), ends[:, 0], ends[:, 1], weight, resolution=1.0, start=start)


def place_newcomers(user_graph: pl.DataFrame, yesterday: pl.DataFrame) -> pl.DataFrame:
    """Yesterday's main communities, and where users of today's graph who had none belong by modularity.

    Everybody who had a community stays; only newcomers move, into a community or a group of their own (Leiden with
    fixed memberships, which of the two libraries only leidenalg has).

    Returns:
        user_id and group, a number; those of yesterday's communities come first, in the order of their ids.
    """
    main = yesterday.filter("is_primary").sort("user_id")
    ids = ids_of(main["community_id"])
    stay = main.select("user_id", group=codes(main["community_id"], ids))
    users, ends, weight = _ties(user_graph)
    start, known = _start(users, yesterday)
    if not len(users) or known.all() or not known.any():
        return stay
    graph = igraph.Graph(n=len(users))
    graph.add_edges(ends)
    partition = leidenalg.ModularityVertexPartition(graph, initial_membership=start.tolist(), weights=weight.tolist())
    optimiser = leidenalg.Optimiser()
    optimiser.set_rng_seed(SEED)
    optimiser.optimise_partition(partition, n_iterations=ITERATIONS, is_membership_fixed=known.tolist())
    found = pl.DataFrame({"user_id": users, "group": np.asarray(partition.membership, dtype=np.int64), "known": known})
    named = found.filter("known").join(stay.rename({"group": "is"}), on="user_id").select("group", "is").unique()
    came = found.filter(~pl.col("known")).join(named, on="group", how="left").sort("user_id")
    # Groups of newcomers alone get numbers after those of the communities.
    own = came.filter(pl.col("is").is_null())["group"].unique().sort()
    of_own = codes(came["group"].cast(pl.String), own.cast(pl.String).sort()) + len(ids)
    placed = came.select("user_id", group=pl.col("is").fill_null(pl.Series(of_own)))
    return pl.concat([stay, placed]).sort("user_id")


def _ties(user_graph: pl.DataFrame) -> tuple[pl.Series, Groups, Array]:
    """Users, sorted, the (t, 2) ends of each tie, and its weight, in canonical order."""
    users = ids_of(user_graph["source"], user_graph["target"])
    ties = user_graph.sort("source", "target")
    ends = np.stack([codes(ties["source"], users), codes(ties["target"], users)], axis=1)
    return users, ends, ties["weight"].to_numpy()


def leiden_of(
    n: int, source: Groups, target: Groups, weight: Array, *, resolution: float, start: Groups | None = None
) -> Groups:
    """Partition a graph by modularity with igraph's Leiden.

    Args:
        n: vertices.
        source: (t,) one end of each tie.
        target: (t,) the other.
        weight: (t,) its weight.
        resolution: of modularity (Reichardt and Bornholdt 2006): higher makes more and smaller groups.
        start: (n,) groups that the search begins with; None for each vertex on its own.

    Returns:
        (n,) groups, numbered from the largest; -1 for vertices without a tie.
    """
    groups = np.full(n, -1, dtype=np.int64)
    seated = np.unique(np.concatenate([source, target]))
    if not len(seated):
        return groups
    ends = np.stack([np.searchsorted(seated, source), np.searchsorted(seated, target)], axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    graph = igraph.Graph(n=len(seated))
    graph.add_edges(ends[order])
    igraph.set_random_number_generator(random.Random(SEED))  # noqa: S311 - a search, not a secret
    begin = None if start is None else np.unique(start[seated], return_inverse=True)[1].tolist()
    found = graph.community_leiden(
        "modularity",
        weights=weight[order].tolist(),
        resolution=resolution,
        initial_membership=begin,
        n_iterations=ITERATIONS,
    )
    groups[seated] = _by_size(np.asarray(found.membership, dtype=np.int64))
    return groups


def merge_alike(groups: Groups, counts: Array) -> Groups:
    """Merge groups whose members engage alike, as long as one profile explains them better than two.

    Modularity splits a large homogeneous group into parts of its own scale (Fortunato and Barthelemy 2007). Two
    profiles are kept only if they raise the integrated likelihood: each group's engagements are multinomial with a
    Dirichlet prior of mean the population's shares, and the pair with the largest gain is merged first.

    Args:
        groups: (n,) group of each user.
        counts: (n, J) effective engagements.

    Returns:
        (n,) groups after merging, numbered from the largest.
    """
    total = counts.sum(axis=0)
    # One pseudo-engagement for each interest in all, as Perks' prior has it, spread as the population's are.
    prior = total / total.sum() if total.sum() > 0 else np.full(len(total), 1.0)
    prior = np.maximum(prior, 1e-9)
    sums = _group_sums(groups, counts)
    alive = list(range(len(sums)))
    parent = np.arange(len(sums))
    fit = np.array([_evidence(row, prior) for row in sums])
    gain = np.full((len(sums), len(sums)), -np.inf)
    for a in alive:
        for b in alive[a + 1 :]:
            gain[a, b] = _evidence(sums[a] + sums[b], prior) - fit[a] - fit[b]
    while True:
        a, b = divmod(int(np.argmax(gain)), gain.shape[1])
        if not gain[a, b] > 0:
            break
        sums[a] += sums[b]
        parent[parent == b] = a
        gain[b, :] = gain[:, b] = -np.inf
        alive.remove(b)
        fit[a] = _evidence(sums[a], prior)
        for c in alive:
            if c != a:
                low, high = min(a, c), max(a, c)
                gain[low, high] = _evidence(sums[a] + sums[c], prior) - fit[a] - fit[c]
    return _by_size(parent[groups])


def _evidence(row: Array, prior: Array) -> float:
    """Log likelihood of the engagements with the profile integrated out (Dirichlet-multinomial)."""
    return float(
        gammaln(prior.sum()) - gammaln(prior.sum() + row.sum()) + (gammaln(prior + row) - gammaln(prior)).sum()
    )


def _group_sums(groups: Groups, counts: Array) -> Array:
    sums = np.zeros((int(groups.max()) + 1 if len(groups) else 0, counts.shape[1]))
    np.add.at(sums, groups, counts)
    return sums


def _by_size(groups: Groups) -> Groups:
    """Number groups from the largest; of equal ones, the one with the first user comes first."""
    found, first, size = np.unique(groups, return_index=True, return_counts=True)
    rank = np.empty(int(found.max()) + 1 if len(found) else 0, dtype=np.int64)
    rank[found[np.lexsort((first, -size))]] = np.arange(len(found))
    return rank[groups] if len(groups) else groups


def _start(users: pl.Series, yesterday: pl.DataFrame) -> tuple[Groups, npt.NDArray[np.bool_]]:
    """(n,) yesterday's main community of each user as a number below n, users without one on their own; who had one."""
    group = dict(yesterday.filter("is_primary").select("user_id", "community_id").iter_rows())
    numbers: dict[str, int] = {}
    at = [numbers.setdefault(f"community {group[u]}" if u in group else f"user {u}", len(numbers)) for u in users]
    return np.asarray(at, dtype=np.int64), np.asarray([u in group for u in users], dtype=bool)
