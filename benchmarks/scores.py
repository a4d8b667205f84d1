"""Measures of groups of users: agreement with the truth, and what the groups say about what users do next.

Belongs here: numbers made of arrays. Does not belong here: the methods that find groups (peers, pipeline), the worlds.

Groups are (n,) whole numbers, one for each user, -1 for a user whom the method leaves without one.
"""

from dataclasses import dataclass

import igraph
import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.matrices import Array, Matrix, codes, ids_of, matrix

Groups = npt.NDArray[np.int64]
# Weight of the population's profile in a group's own, in engagements: a group of one user stays near the population.
SMOOTHING = 20.0
# The same for a user's own week: of 2, 5, 10, 20 and 40 the best over mixings 0.2, 0.5 and 0.9.
OWN_SMOOTHING = 10.0
# Weight of an even profile in the population's, in engagements an interest, so that nothing has probability 0.
LEAST = 0.5


@dataclass(frozen=True)
class Split:
    """What n users did with J interests in the days that methods learn from, and in the days held out.

    Attributes:
        users: (n,) users with engagement in the days that are learnt from, sorted.
        interests: (J,) sorted.
        learnt: (n, J) engagement strength summed over the days learnt from.
        held_out: (n, J) the same of the days held out; other users of those days are left out.
        acts: (n, M) on how many days a user engaged with an item, in the days learnt from.
    """

    users: pl.Series
    interests: pl.Series
    learnt: Array
    held_out: Array
    acts: Matrix


def split(learn: pl.DataFrame, hold_out: pl.DataFrame, labels: pl.DataFrame) -> Split:
    """Arrays from engagement.

    Args:
        learn: user_id, item_id, strength of the days to learn from, by day.
        hold_out: the same of the days held out.
        labels: item_id, interest_id, weight: what engagement is counted by.
    """
    labels = labels.select("item_id", "interest_id", "weight")
    engaged, later = (
        frame.filter(pl.col("strength") > 0).select("user_id", "item_id", "strength") for frame in (learn, hold_out)
    )
    known, known_later = (_by_interest(frame, labels) for frame in (engaged, later))
    users, interests = ids_of(known["user_id"]), ids_of(known["interest_id"], known_later["interest_id"])
    items = ids_of(engaged["item_id"])
    return Split(
        users,
        interests,
        matrix(known, "user_id", users, "interest_id", interests, "strength").toarray(),
        matrix(known_later, "user_id", users, "interest_id", interests, "strength").toarray(),
        matrix(engaged.with_columns(one=pl.lit(1.0)), "user_id", users, "item_id", items, "one"),
    )


def _by_interest(engaged: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    labelled = engaged.join(labels, on="item_id").with_columns(strength=pl.col("strength") * pl.col("weight"))
    return labelled.filter(pl.col("strength") > 0)


def groups_of(users: pl.Series, members: pl.DataFrame, group: str) -> Groups:
    """(n,) groups of users from a frame of user_id and a column of names; -1 for users that it lacks or null."""
    named = members.drop_nulls(group)
    names = ids_of(named[group])
    at = codes(users, ids_of(named["user_id"]))
    by_user = named.sort("user_id")
    assert by_user["user_id"].is_unique().all(), "a user has several groups"
    group_of = np.append(codes(by_user[group], names), -1)
    return np.asarray(group_of[at])


def moved(groups: Groups, known: pl.Series, users: pl.Series) -> Groups:
    """(n,) groups of `users` from those of the `known` users; -1 for others."""
    members = pl.DataFrame({"user_id": known, "group": groups}).filter(pl.col("group") >= 0)
    return groups_of(users, members.with_columns(pl.col("group").cast(pl.String)), "group")


def nobody(n: int) -> Groups:
    """(n,) no user in a group."""
    return np.full(n, -1, dtype=np.int64)


def agreement(truth: Groups, found: Groups) -> dict[str, float | None]:
    """ARI (Hubert and Arabie 1985), NMI (by the mean entropy), and coverage.

    Over users who truly have a group; those whom a method leaves without one are a group each, so leaving a user out
    costs what splitting them off would. ARI and NMI are None where they are not defined: nobody has a true group.
    """
    has = truth >= 0
    if not has.any():
        return {"ari": None, "nmi": None, "coverage": None}
    true, own = truth[has], found[has].copy()
    alone = own < 0
    own[alone] = (own.max(initial=-1) + 1) + np.arange(int(alone.sum()))
    pair = [np.unique(x, return_inverse=True)[1].tolist() for x in (true, own)]
    return {
        "ari": float(igraph.compare_communities(*pair, method="adjusted_rand")),
        "nmi": float(igraph.compare_communities(*pair, method="nmi")),
        "coverage": float(1 - alone.mean()),
    }


def calibration_error(memberships: pl.DataFrame, truth: pl.DataFrame) -> float | None:
    """Expected calibration error of membership probabilities, in ten bins of equal width (Guo et al. 2017).

    A found community stands for the true one that most of its main members are of; a membership is right if the user is of
    that one. Found communities most of whose main members are truly of none are left out: whether they exist is a question
    for the verdict.

    Args:
        memberships: user_id, community_id, probability, is_primary.
        truth: user_id, community (null for none).

    Returns:
        The mean over memberships of |probability - share that is right|, taken by bin; None without any.
    """
    both = memberships.join(truth, on="user_id").with_columns(pl.col("community").fill_null(-1))
    meant = (
        both.filter("is_primary")
        .group_by("community_id", "community")
        .len()
        .sort("community_id", "len", "community", descending=[False, True, False])
        .group_by("community_id", maintain_order=True)
        .agg(meant=pl.col("community").first())
        .filter(pl.col("meant") >= 0)
    )
    bins = (
        both.join(meant, on="community_id")
        .with_columns(
            bin=(pl.col("probability") * 10).floor().clip(0, 9),
            right=pl.col("community") == pl.col("meant"),
        )
        .group_by("bin")
        .agg(pl.len(), off=(pl.col("probability").mean() - pl.col("right").mean()).abs())
        .sort("bin")
    )
    return float((bins["off"] * bins["len"]).sum() / bins["len"].sum()) if bins.height else None


def population(learnt: Array) -> Array:
    """(J,) shares of all engagement, smoothed; sums to 1."""
    total = learnt.sum(axis=0) + LEAST
    return np.asarray(total / total.sum())


def profiles(learnt: Array, groups: Groups, smoothing: float = SMOOTHING) -> Array:
    """(n, J) shares of interests in the engagement of each user's group, smoothed; users without one: everybody's.

    Args:
        learnt: (n, J) engagement.
        groups: (n,) groups.
        smoothing: weight of everybody's shares, in engagements.
    """
    everybody = population(learnt)
    found = np.tile(everybody, (len(learnt), 1))
    for g in np.unique(groups[groups >= 0]).tolist():
        own = learnt[groups == g].sum(axis=0) + smoothing * everybody
        found[groups == g] = own / own.sum()
    return found


def own_shares(learnt: Array, smoothing: float = OWN_SMOOTHING) -> Array:
    """(n, J) shares of interests in each user's own engagement, smoothed: a profile without any group."""
    own = learnt + smoothing * population(learnt)
    return np.asarray(own / own.sum(axis=1, keepdims=True))


def gain(held_out: Array, profile: Array, everybody: Array) -> float | None:
    """Bits per engagement by which a profile foretells the held-out engagement better than everybody's shares do.

    The mean of log2(profile / everybody) over the held-out engagement, each weighted by its strength; None without any.
    """
    whole = float(held_out.sum())
    if not whole > 0:
        return None
    return float((held_out * (np.log2(profile) - np.log2(everybody))).sum() / whole)


def recall_of_new(learnt: Array, held_out: Array, profile: Array, k: int = 5) -> float | None:
    """The share of a user's new interests that is among the first k of the profile, of interests new to them.

    An interest is new if the user engages with it in the days held out and did not before. The mean over users with a
    new interest; None without any. Equal shares rank in the interests' order.
    """
    new = (held_out > 0) & (learnt == 0)
    having = new.any(axis=1)
    if not having.any():
        return None
    score = np.where(learnt > 0, -np.inf, profile)[having]
    first = np.argsort(-score, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(new[having], first, axis=1).sum(axis=1)
    return float((hits / new[having].sum(axis=1)).mean())


def foretold(data: Split, profile: Array) -> dict[str, float | None]:
    """The held-out measures of one method: gain and recall."""
    return {
        "gain": gain(data.held_out, profile, population(data.learnt)),
        "recall": recall_of_new(data.learnt, data.held_out, profile),
    }


def jaccard(truth: Groups, found: Groups) -> Array:
    """(T, F) users in both over users in either, for each true and each found group (by number, without gaps)."""
    t, f = int(truth.max(initial=-1)) + 1, int(found.max(initial=-1)) + 1
    both = np.zeros((t, f))
    inside = (truth >= 0) & (found >= 0)
    np.add.at(both, (truth[inside], found[inside]), 1)
    of_truth = np.bincount(truth[truth >= 0], minlength=t).astype(float)
    of_found = np.bincount(found[found >= 0], minlength=f).astype(float)
    either = of_truth[:, None] + of_found[None, :] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def large(groups: Groups, least: int) -> Groups:
    """The same groups, but users of groups with fewer than `least` have none; numbered without gaps."""
    size = np.bincount(groups[groups >= 0])
    kept = np.flatnonzero(size >= least)
    number = np.full(len(size) + 1, -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    return np.asarray(number[groups])
