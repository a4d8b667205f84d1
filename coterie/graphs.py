"""The interest graph and the user graph.

Belongs here: which pairs are tied, how strongly, and whether chance would tie them. Does not belong here: groups
(coterie.communities).
"""

import hashlib

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special

from coterie.interests import benjamini_hochberg
from coterie.matrices import Array, Matrix, ids_of, matrix
from coterie.tables import INTEREST_GRAPH, USER_GRAPH

SIGNIFICANT = 0.05
NEIGHBOURS = 15
# Profiles are whole numbers of this length: their products stay below 2^24, so single precision adds them exactly and
# the result does not depend on the order in which a machine adds.
NORM = 2048
WEAKEST_TIE = 0.1
_BLOCK_CELLS = 16_000_000
_GROUPS_OF_NEIGHBOURS = 32


def interest_graph(user_interests: pl.DataFrame) -> pl.DataFrame:
    """The table `interest_graph`: pairs of interests against a null that keeps both margins.

    The null is the bipartite configuration model (Saracco et al. 2015): the likeliest random log in which every user
    has as many interests, and every interest as many users, as in this one. The number of users with both interests
    is then a sum of independent trials; its tail is bounded by Poisson's with the same mean, which errs on the safe
    side.

    Args:
        user_interests: USER_INTERESTS; a user has an interest if they engaged with it.

    Returns:
        INTEREST_GRAPH: pairs with at least one user; q-values count the pairs without any as tests with p = 1.
    """
    rows = user_interests.filter(pl.col("engaged") > 0).with_columns(one=pl.lit(1.0))
    users, interests = ids_of(rows["user_id"]), ids_of(rows["interest_id"])
    if len(interests) < 2:
        return INTEREST_GRAPH.empty()
    has = matrix(rows, "user_id", users, "interest_id", interests, "one")
    both = (has.T @ has).toarray()
    expected = expected_pairs(has)
    i, j = np.triu_indices(len(interests), 1)
    count, mean = both[i, j], expected[i, j]
    seen = count > 0
    i, j, count, mean = i[seen], j[seen], count[seen], np.maximum(mean[seen], 1e-12)
    p = special.gammainc(count, mean)  # P(X >= count) for a Poisson of that mean
    q = benjamini_hochberg(p, len(interests) * (len(interests) - 1) // 2)
    lift = count / mean
    frame = pl.DataFrame(
        {
            "source": interests.gather(i),
            "target": interests.gather(j),
            "users": count.astype(np.int64),
            "expected": mean,
            "weight": np.where((q <= SIGNIFICANT) & (lift > 1), np.log(lift), 0.0),
            "lift": lift,
            "p_value": p,
            "q_value": q,
        }
    )
    return INTEREST_GRAPH.conform(frame)


def expected_pairs(has: Matrix) -> Array:
    """Users expected with both interests under the bipartite configuration model.

    Args:
        has: (n, J) 0/1, no empty row or column.

    Returns:
        (J, J) expected counts. Users of equal degree are alike, so the model is solved once for each degree.
    """
    degree = np.diff(has.indptr)
    popular = np.bincount(has.indices, minlength=has.shape[1]).astype(np.float64)
    degrees, users = np.unique(degree, return_counts=True)
    fitted = _fit(degrees.astype(np.float64), users.astype(np.float64), popular)
    # einsum without BLAS: one order of summation on every machine.
    return np.asarray(np.einsum("k,ki,kj->ij", users.astype(np.float64), fitted, fitted, optimize=False))


def _fit(degrees: Array, users: Array, popular: Array) -> Array:
    """(K, J) probabilities x y / (1 + x y) whose sums are the degrees and the popularities, by fixed-point iteration."""
    x = degrees / np.sqrt((users * degrees).sum())
    y = popular / np.sqrt(popular.sum())
    for _ in range(1000):
        # A user with every interest has x without bound; the cap keeps the numbers finite and the sums within 1e-6.
        x_new = np.minimum(degrees / (y[None, :] / (1 + x[:, None] * y[None, :])).sum(axis=1), 1e9)
        y_new = np.minimum(popular / ((users * x_new)[:, None] / (1 + x_new[:, None] * y[None, :])).sum(axis=0), 1e9)
        moved = max(np.abs(x_new / x - 1).max(), np.abs(y_new / y - 1).max())
        x, y = x_new, y_new
        if moved < 1e-10:
            break
    product = x[:, None] * y[None, :]
    return np.asarray(product / (1 + product))


def user_graph(user_interests: pl.DataFrame, *, max_users: int, neighbours: int = NEIGHBOURS) -> pl.DataFrame:
    """The table `user_graph`: each user with the users whose interests deviate most alike from what is expected.

    A pair is tied if one of the two is among the other's nearest by cosine of their profiles; among equally near ones a
    hash of the pair decides, so that the many users of a single interest are tied at random, not in a row.

    Args:
        user_interests: USER_INTERESTS.
        max_users: above it, a sample by a stable hash of the user ids stands for all.
        neighbours: nearest users that each user is tied to.

    Returns:
        USER_GRAPH: undirected, source < target, cosines above 0.1.
    """
    users, whole = profiles(user_interests, max_users)
    if len(users) < 2:
        return USER_GRAPH.empty()
    low, high, cosine = nearest_ties(whole, stable_hashes(users), neighbours)
    frame = pl.DataFrame(
        {
            "source": users.gather(low),
            "target": users.gather(high),
            "weight": cosine,
        }
    )
    return USER_GRAPH.conform(frame)


def nearest_ties(
    whole: npt.NDArray[np.float32], stable: npt.NDArray[np.uint64], neighbours: int = NEIGHBOURS
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Pairs of rows of which one is among the other's nearest by cosine; among equally near ones a hash decides.

    Args:
        whole: (n, d) profiles as `quantised` makes them, no row of zeros; n at least 2.
        stable: (n,) a hash of each row's id.
        neighbours: nearest rows that each is tied to.

    Returns:
        Lower and higher row of each pair, sorted, and their cosine; cosines above 0.1 only.
    """
    source, target, product = _nearest(whole, stable, min(neighbours, len(whole) - 1))
    length = np.sqrt((whole.astype(np.float64) ** 2).sum(axis=1))
    cosine = np.minimum(product / length[source] / length[target], 1.0)
    close = cosine > WEAKEST_TIE
    low, high = np.minimum(source, target)[close], np.maximum(source, target)[close]
    pair, first = np.unique(low * np.int64(len(whole)) + high, return_index=True)
    return pair // len(whole), pair % len(whole), cosine[close][first]


def profiles(user_interests: pl.DataFrame, max_users: int) -> tuple[pl.Series, npt.NDArray[np.float32]]:
    """What the user graph compares: a user's positive residuals, (engaged - expected) / sqrt(expected).

    What everyone engages with says little about a user.

    Args:
        user_interests: USER_INTERESTS.
        max_users: above it, a sample by a stable hash of the user ids stands for all.

    Returns:
        The users, sorted, and their (n, J) profiles: whole numbers, each row of length 2048 at most.
    """
    rows = user_interests.filter(pl.col("engaged") > pl.col("expected")).with_columns(
        residual=(pl.col("engaged") - pl.col("expected")) / pl.col("expected").clip(1e-9).sqrt()
    )
    users, interests = ids_of(rows["user_id"]), ids_of(rows["interest_id"])
    if len(users) > max_users:
        users = users.gather(stable_sample(users, max_users))
    if users.is_empty():
        return users, np.empty((0, len(interests)), dtype=np.float32)
    return users, quantised(matrix(rows, "user_id", users, "interest_id", interests, "residual").toarray())


def stable_hashes(ids: pl.Series) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each id, the same in every process and version."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in ids)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def stable_sample(ids: pl.Series, size: int) -> npt.NDArray[np.int64]:
    """Places of at most `size` of the ids, sorted: those of the lowest hashes, the same in every process and version."""
    return np.sort(np.argsort(stable_hashes(ids), kind="stable")[:size])


def quantised(dense: Array) -> npt.NDArray[np.float32]:
    """(n, d) points as whole numbers, each row of length 2048 at most."""
    norm = np.sqrt((dense**2).sum(axis=1, keepdims=True))
    return np.asarray(np.floor(dense / norm * (NORM - 1)), dtype=np.float32)


def _nearest(
    whole: npt.NDArray[np.float32], stable: npt.NDArray[np.uint64], k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Array]:
    """Rows, their k nearest other rows, and the products; ties fall to the smaller hash of the pair."""
    n = len(whole)
    block = max(1, _BLOCK_CELLS // n)
    small = (stable >> np.uint64(32)).astype(np.uint32)
    sources, targets, products = [], [], []
    for start in range(0, n, block):
        stop = min(start + block, n)
        product = whole[start:stop] @ whole.T
        product[np.arange(stop - start), np.arange(start, stop)] = -1
        row, column = _candidates(product, k)
        value = product[row, column]
        ends = np.searchsorted(row, np.arange(stop - start + 1))
        for r in range(stop - start):
            own, at = value[ends[r] : ends[r + 1]], column[ends[r] : ends[r + 1]]
            kth = np.partition(own, len(own) - k)[len(own) - k]
            better, level = at[own > kth], at[own == kth]
            wanted = k - len(better)
            if len(level) > wanted:
                mixed = (small[level] ^ small[start + r]) * np.uint32(2654435761)
                # One number for the hash and, of equal hashes, the column: all differ, so the smallest are a set.
                order = (mixed.astype(np.uint64) << np.uint64(32)) | level.astype(np.uint64)
                level = level[np.argpartition(order, wanted - 1)[:wanted]]
            sources.append(np.full(k, start + r, dtype=np.int64))
            targets.append(np.concatenate([better, level]))
            products.append(product[r, targets[-1]].astype(np.float64))
    return np.concatenate(sources), np.concatenate(targets), np.concatenate(products)


def _candidates(product: npt.NDArray[np.float32], k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cells, row by row, among which are the k largest of every row and all that equal the k-th of them.

    The columns are dealt to groups. The k-th largest of the groups' largest is at most the k-th largest of the row, and
    far fewer numbers are looked through to find it.
    """
    rows, n = product.shape
    groups = _GROUPS_OF_NEIGHBOURS * k
    if n < 4 * groups:
        bound = np.partition(product, n - k, axis=1)[:, n - k]
    else:
        whole = n // groups * groups
        largest = product[:, :whole].reshape(rows, -1, groups).max(axis=1)
        bound = np.partition(largest, groups - k, axis=1)[:, groups - k]
    cells = np.flatnonzero(product >= bound[:, None])
    return cells // n, cells % n
