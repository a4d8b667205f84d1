"""Where the search for communities may start: several partitions by Leiden, and yesterday's communities.

Belongs here: the candidates. Does not belong here: the choice among them (membership), by what they foretell.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import sparse

from coterie.communities.acts import Acts, places
from coterie.communities.detect import Groups, leiden, leiden_of, merge_alike, place_newcomers
from coterie.communities.embedding import embed
from coterie.graphs import nearest_ties, quantised, stable_hashes
from coterie.matrices import Array, Matrix, codes, product

MOST_GROUPS = 100  # the largest; the mixture holds a column for each
LABEL_DIMENSIONS = 16
YESTERDAY = "yesterday's communities"
WITH_CROWD = "yesterday's communities and the crowd"


def starts(acts: Acts, user_graph: pl.DataFrame, yesterday: pl.DataFrame | None, min_size: int) -> Mapping[str, Groups]:
    """Partitions to fit the mixture from, each (n,) with -1 for users in no group.

    - Yesterday's main communities, newcomers placed among them; and the same with those who had none as one more group.
    - Leiden on the user graph, which ties users who are alike by labels, beginning with yesterday's communities; groups
      that engage alike are merged.
    - Leiden on a graph that ties users who are alike by the items that they engaged with, whatever their labels.
    - Leiden on a graph of both, at two resolutions; and the finer one with groups merged that engage alike.

    Args:
        acts: of n users.
        user_graph: USER_GRAPH; users who are not among those of `acts` are left out.
        yesterday: MEMBERSHIPS of the day before, or None.
        min_size: smaller groups are left out.
    """
    found: dict[str, Groups] = {}
    if yesterday is not None:
        found[YESTERDAY] = stood = places(place_newcomers(user_graph, yesterday), acts.users)
        had = pl.Series(acts.users).is_in(yesterday.filter("is_primary")["user_id"].implode()).to_numpy()
        found[WITH_CROWD] = np.where(~had & acts.not_new, stood.max(initial=-1) + 1, stood)
    by_interest = sparse.csr_array(product(acts.engaged, acts.labels) + acts.earlier)
    counts = np.asarray(by_interest.toarray())

    seated, near = leiden(user_graph, yesterday)
    at = codes(seated, acts.users)
    of_labels = np.full(len(acts.users), -1, dtype=np.int64)
    of_labels[at[at >= 0]] = near[at >= 0]
    found["labels"] = _merged(of_labels, counts)

    items = embed(acts.engaged)
    both = beside(items, by_interest)
    found["items"] = leiden_of(len(acts.users), *ties_of(items, acts.users), resolution=0.5)
    of_both = ties_of(both, acts.users)
    found["items and labels"] = leiden_of(len(acts.users), *of_both, resolution=0.5)
    found["items and labels, finer"] = finer = leiden_of(len(acts.users), *of_both, resolution=1.0)
    found["items and labels, finer, merged"] = _merged(large(finer, min_size), counts)
    found = {name: large(groups, min_size) for name, groups in found.items()}
    return {name: groups for name, groups in found.items() if (groups >= 0).any()}


def _merged(groups: Groups, counts: Array) -> Groups:
    merged = groups.copy()
    if (groups >= 0).any():
        merged[groups >= 0] = merge_alike(groups[groups >= 0], counts[groups >= 0])
    return merged


def beside(items: Array, by_interest: Matrix) -> Array:
    """(n, d) an embedding of users by items beside one by interests, of equal weight."""
    return np.hstack([_scaled(items), _scaled(embed(by_interest, LABEL_DIMENSIONS))])


def _scaled(points: Array) -> Array:
    """Points of mean square length 1, so that two embeddings count alike."""
    mean = float((points**2).sum(axis=1).mean()) if points.size else 0.0
    return points / np.sqrt(mean) if mean > 0 else points


def ties_of(points: Array, users: pl.Series) -> tuple[np.ndarray, np.ndarray, Array]:
    """Ties of users whose points are nearest: lower and higher row of each pair, sorted, and their cosine."""
    some = np.flatnonzero((points**2).sum(axis=1) > 1e-18)
    if len(some) < 2:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    low, high, cosine = nearest_ties(quantised(points[some]), stable_hashes(users.gather(some)))
    return some[low], some[high], cosine


def large(groups: Groups, min_size: int) -> Groups:
    """Groups of enough users, the largest first, at most `MOST_GROUPS`; -1 for all others."""
    size = np.bincount(groups[groups >= 0])
    kept = np.flatnonzero(size >= min_size)
    kept = kept[np.argsort(-size[kept], kind="stable")][:MOST_GROUPS]
    rank = np.full(len(size), -1, dtype=np.int64)
    rank[kept] = np.arange(len(kept))
    return np.where(groups >= 0, rank[np.maximum(groups, 0)], -1) if len(size) else groups
