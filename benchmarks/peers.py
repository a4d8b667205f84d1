"""Other ways of grouping users, from the same data: the usual ones, one that knows the truth, one that knows nothing.

Belongs here: methods that the bench sets beside Coterie. Does not belong here: measures (scores).

All take what was learnt from (`scores.Split`) and give (n,) groups, -1 for none. Where a method wants the number of
groups it is given the true one, which nobody has in practice. Each runs with the settings that its library documents as
usual, and with a seed.
"""

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import igraph
import networkx as nx
import numpy as np
import polars as pl
from community import community_louvain
from scipy import sparse
from scipy import stats as distributions
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import silhouette_score

from benchmarks.scores import Groups, Split
from benchmarks.worlds import Known, WorldDay
from coterie.matrices import Array, codes, ids_of, matrix
from coterie.simulate.behaviour import ATTENTION, LIKE, NOT_INTERESTED, WATCH_SPREAD, play_chance

COTERIE, ORACLE, LEIDEN, LOUVAIN = "Coterie", "oracle", "Leiden, same graph", "Louvain, shared items"
KMEANS, NMF_, LDA = "k-means, true k", "NMF, true k", "LDA, true k"
PLACEBO, POPULARITY, OWN, TRUTH = "placebo", "popularity", "own week, no groups", "true communities"
RAW_GRAPH_METHODS = (LEIDEN, LOUVAIN)
MATRIX_METHODS = (KMEANS, NMF_, LDA)
WIDEST_ITEM = 200  # users; an item that more engaged with ties them all with all and tells none from another


def leiden(users: pl.Series, user_graph: pl.DataFrame, seed: int) -> tuple[Groups, float]:
    """Leiden by modularity at resolution 1 on Coterie's own user graph (igraph), and the modularity."""
    seated = ids_of(user_graph["source"], user_graph["target"])
    groups = np.full(len(users), -1, dtype=np.int64)
    if not len(seated):
        return groups, 0.0
    ends = np.stack([codes(user_graph["source"], seated), codes(user_graph["target"], seated)], axis=1)
    graph = igraph.Graph(n=len(seated), edges=ends.tolist())
    weights = user_graph["weight"].to_list()
    igraph.set_random_number_generator(random.Random(seed))
    found = graph.community_leiden("modularity", weights=weights, resolution=1.0, n_iterations=-1)
    at = codes(users, seated)
    groups[at >= 0] = np.asarray(found.membership, dtype=np.int64)[at[at >= 0]]
    return groups, float(graph.modularity(found, weights=weights))


def louvain(data: Split, seed: int, widest: int | None = None) -> tuple[Groups, float]:
    """Louvain (python-louvain) on users tied by the number of items that both engaged with (networkx); its modularity.

    Args:
        data: what is learnt from.
        seed: of the search.
        widest: items that more users engaged with are left out, so that the projection fits in memory; None for none.
    """
    has = sparse.csr_array(data.acts > 0).astype(np.float64)
    if widest is not None:
        has = has[:, np.flatnonzero(np.bincount(has.indices, minlength=has.shape[1]) <= widest)]
    shared = sparse.triu(has @ has.T, k=1, format="coo")
    graph = nx.Graph()
    graph.add_weighted_edges_from(zip(shared.row.tolist(), shared.col.tolist(), shared.data.tolist(), strict=True))
    groups = np.full(len(data.users), -1, dtype=np.int64)
    if not graph.number_of_edges():
        return groups, 0.0
    found = community_louvain.best_partition(graph, random_state=seed)
    groups[list(found)] = list(found.values())
    return groups, float(community_louvain.modularity(found, graph))


def kmeans(data: Split, k: int, seed: int) -> tuple[Groups, float]:
    """k-means on users' shares of interests (scikit-learn, ten starts), and the mean silhouette."""
    shares = _shares(data)
    found = KMeans(k, n_init=10, random_state=seed).fit_predict(shares).astype(np.int64)
    several = len(np.unique(found)) > 1
    return found, float(silhouette_score(shares, found, sample_size=2_000, random_state=seed)) if several else 0.0


def nmf(data: Split, k: int, seed: int) -> Groups:
    """Non-negative factors of users' shares of interests (scikit-learn); a user's group is the largest factor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the groups stand long before the last digit does
        weights = NMF(k, init="nndsvda", random_state=seed, max_iter=500).fit_transform(_shares(data))
    return np.where(weights.max(axis=1) > 0, weights.argmax(axis=1), -1).astype(np.int64)


def lda(data: Split, k: int, seed: int) -> Groups:
    """Latent Dirichlet allocation (scikit-learn) of users as documents of interests; a user's group is the main topic.

    A word's count is the engagement with the interest over the mean engagement, so that counts are those of
    engagements; the library takes numbers that are not whole.
    """
    counts = data.learnt / data.learnt[data.learnt > 0].mean()
    topics = LatentDirichletAllocation(k, random_state=seed).fit_transform(counts)
    return np.asarray(topics.argmax(axis=1), dtype=np.int64)


def by_matrix(data: Split, k: int, seed: int) -> dict[str, Groups]:
    """The three that take the matrix of users and interests and the true number of groups."""
    return {KMEANS: kmeans(data, k, seed)[0], NMF_: nmf(data, k, seed), LDA: lda(data, k, seed)}


def placebo(groups: Groups, seed: int) -> Groups:
    """The same sizes with random members."""
    return np.asarray(np.random.default_rng(seed).permutation(groups))


def _shares(data: Split) -> Array:
    return np.asarray(data.learnt / data.learnt.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Oracle:
    """What one who knows how the world was made makes of n users' data.

    Attributes:
        groups: (n,) each user's likeliest true community, -1 where that is none.
        profile: (n, J) expected shares of interests in the user's next engagement.
    """

    groups: Groups
    profile: Array


def oracle(data: Split, days: Sequence[WorldDay], known: Known) -> Oracle:
    """The posterior of each user's community, and of the group that the feed takes the user for, from the whole log.

    By Bayes' rule with the true appeals of the true interests, the true chances of a play, its watch time, a like and a
    refusal, what the feed shows each group, how often it takes members of one for another, and the true sizes: no
    method that reads the same days is right about more users on average. What a user is expected to engage with is
    what the feed shows each group times what each community makes of a showing, as of the last day that is learnt from,
    weighted by the posterior.
    """
    on = days[-1].on
    people = known.users.filter(pl.col("from_day") <= on, pl.col("to_day") >= on).sort("uid")
    names = sorted(people["community"].drop_nulls().unique())
    place, none = {name: g for g, name in enumerate(names)}, len(names)
    community, feed = (
        people[c].replace_strict(place, default=none, return_dtype=pl.Int64).fill_null(none).to_numpy()
        for c in ("community", "feed_group")
    )
    together = np.full((none + 1, none + 1), 1e-9)
    np.add.at(together, (community, feed), 1.0)
    times, shown = _shown(people["uid"], feed, data.interests, days, known)
    log = np.log(together / together.sum())[None, :, :]
    log = log + (times[codes(data.users, people["uid"])] @ np.log(shown).T)[:, None, :]
    for day in days:
        log = log + _log_reactions(data.users, day, known, place)[:, :, None]
    posterior = np.exp(log - log.max(axis=(1, 2), keepdims=True))
    posterior /= posterior.sum(axis=(1, 2), keepdims=True)
    best = posterior.sum(axis=2).argmax(axis=1)
    expected = np.einsum("ngf,fj,gj->nj", posterior, shown, _of_truth(known, on, data.interests, place, "strength"))
    expected = np.maximum(expected, 1e-6)
    return Oracle(
        np.where(best == none, -1, best).astype(np.int64), expected / expected.sum(axis=1, keepdims=True)
    )  # fmt: skip


def _shown(
    people: pl.Series, feed: Groups, interests: pl.Series, days: Sequence[WorldDay], known: Known
) -> tuple[Array, Array]:
    """(U, J) showings of interests to users, and (F, J) their shares in what each group of the feed is shown."""
    interest = known.items.select(item_id="vid", interest_id="interest_id")
    showings = pl.concat([d.events.filter(pl.col("kind") == "exposure").select("user_id", "item_id") for d in days])
    named = showings.join(interest, on="item_id").with_columns(one=pl.lit(1.0))
    times = matrix(named, "user_id", people, "interest_id", interests, "one").toarray()
    shares = np.full((int(feed.max()) + 1, len(interests)), 0.5)
    np.add.at(shares, feed, times)
    return times, shares / shares.sum(axis=1, keepdims=True)


def _log_reactions(users: pl.Series, day: WorldDay, known: Known, place: dict[int, int]) -> Array:
    """(n, G + 1) log likelihood of what users did with what they were shown on a day, none last.

    The log does not say which of several showings of an item to a user was played; the mean of their places stands in.
    """
    kind, of = pl.col("kind"), pl.col("event_type")
    interest = known.items.select(item_id="vid", interest_id="interest_id")
    pairs = (
        day.events.group_by("user_id", "item_id")
        .agg(
            shown=(kind == "exposure").sum(), position=pl.col("position").filter(kind == "exposure").mean(),
            played=(kind == "watch").sum(), watch_ms=pl.col("watch_ms").filter(kind == "watch").mean(),
            liked=(of == "like").sum(), refused=(kind == "negative").sum(),
        )
        .join(interest, on="item_id")
        .join(day.items.select("item_id", "duration_ms"), on="item_id")
        .filter(pl.col("shown") > 0, pl.col("user_id").is_in(users.implode()))
        .sort("user_id", "item_id")
    )  # fmt: skip
    interests = ids_of(pairs["interest_id"])
    j = codes(pairs["interest_id"], interests)
    appeals = _of_truth(known, day.on, interests, place, "appeal")[:, j]
    value = {
        c: pairs[c].fill_null(0).to_numpy().astype(float)
        for c in ("shown", "played", "liked", "refused", "watch_ms", "position")
    }
    play = play_chance(appeals, ATTENTION ** value["position"])
    unplayed = value["shown"] - value["played"]
    log = value["played"] * np.log(play) + unplayed * np.log1p(-play)
    log += value["liked"] * np.log(np.maximum(LIKE * appeals, 1e-12))
    log += np.maximum(value["played"] - value["liked"], 0) * np.log1p(-LIKE * appeals)
    refusing = np.maximum(NOT_INTERESTED * (1 - appeals), 1e-6)
    log += value["refused"] * np.log(refusing) + np.maximum(unplayed - value["refused"], 0) * np.log1p(-refusing)
    duration = pairs["duration_ms"].to_numpy().astype(float)
    share = np.clip((0.2 + 0.6 * appeals) * (30_000 / duration) ** 0.15, 0.05, 0.95)
    watched = np.clip(value["watch_ms"] / duration, 1e-3, 1 - 1e-3)
    density = distributions.beta.logpdf(watched, WATCH_SPREAD * share, WATCH_SPREAD * (1 - share))
    log += np.where(value["played"] > 0, density, 0.0)
    found = np.zeros((len(users), len(log)))
    np.add.at(found, codes(pairs["user_id"], users), log.T)
    return found


def _of_truth(known: Known, on: date, interests: pl.Series, place: dict[int, int], what: str) -> Array:
    """(G + 1, J) what is true of communities and interests on a day; users without a community last."""
    rows = known.engagement.filter(pl.col("day") == on)
    found = np.zeros((len(place) + 1, len(interests)))
    g = np.asarray([place[c] if c is not None else len(place) for c in rows["community"]])
    j = codes(rows["interest_id"], interests)
    found[g[j >= 0], j[j >= 0]] = rows[what].to_numpy()[j >= 0]
    return found
