"""The interest graph and the user graph."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from coterie.graphs import expected_pairs, interest_graph, stable_hashes, user_graph
from coterie.tables import USER_INTERESTS


def interests_of(has: np.ndarray, expected: float = 0.5) -> pl.DataFrame:
    u, j = np.nonzero(has)
    return pl.DataFrame(
        {
            "user_id": [f"u{a:04d}" for a in u],
            "interest_id": [f"x.{b:02d}" for b in j],
            "engaged": has[u, j].astype(float),
            "expected": expected,
        }
    )


def random_log(seed: int, users: int = 400, interests: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    popular, active = rng.pareto(2, interests) + 0.2, rng.lognormal(0, 1, users)
    return rng.random((users, interests)) < np.minimum(0.3 * np.outer(active, popular), 0.9)


def test_the_null_keeps_both_margins() -> None:
    has = random_log(0)
    has = has[has.any(axis=1)]
    expected = expected_pairs(sparse.csr_array(has.astype(float)))
    # The fitted degrees: sum over the other interests plus own squares is k * d summed, so check by simulation.
    degree, popular = has.sum(axis=1), has.sum(axis=0)
    assert expected.shape == (12, 12)
    # Every pair is expected less often than its rarer interest has users, and the order of magnitude is Chung-Lu's.
    crude = np.outer(popular, popular) * (degree.astype(float) ** 2).sum() / degree.sum() ** 2
    off = ~np.eye(12, dtype=bool)
    assert (expected <= np.minimum.outer(popular, popular) + 1e-6)[off].all()
    assert np.corrcoef(expected[off], crude[off])[0, 1] > 0.9


def test_expected_pairs_match_the_closed_form_of_equal_users() -> None:
    # Every user has exactly 2 of 4 equally popular interests: each probability is 1/2, each pair n / 4.
    has = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]], dtype=float)
    assert expected_pairs(sparse.csr_array(has))[~np.eye(4, dtype=bool)] == pytest.approx(6 / 4)


def test_a_user_with_every_interest_says_nothing() -> None:
    has = np.vstack([np.ones((50, 5)), np.eye(5).repeat(20, axis=0)])
    frame = interest_graph(interests_of(has))
    # 50 users for certain, and 100 of one interest each, who are expected with a given pair at 1/25.
    assert np.allclose(frame["expected"], 54, rtol=0.01)
    assert (frame["weight"] == 0).all()


def test_chance_ties_nothing_and_a_planted_pair_is_found() -> None:
    false = sum(
        interest_graph(interests_of(random_log(seed))).filter(pl.col("weight") > 0).height for seed in range(20)
    )
    assert false <= 2  # of 20 logs; every one would have many if activity or popularity were not kept
    has = random_log(1)
    rng = np.random.default_rng(1)
    rare, rarer = np.argsort(has.sum(axis=0))[[3, 2]]
    has[:, rarer] |= has[:, rare] & (rng.random(len(has)) < 0.8)
    found = interest_graph(interests_of(has)).filter(pl.col("weight") > 0)
    assert tuple(sorted((f"x.{rare:02d}", f"x.{rarer:02d}"))) in list(found.select("source", "target").iter_rows())
    assert np.allclose(found["weight"], found["lift"].log())


def test_users_of_like_interests_are_tied() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 60)
    likes = np.where(group[:, None] == np.arange(8)[None, :] // 4, 3.0, 0.1) * rng.gamma(2, 0.5, (120, 8))
    frame = interests_of(likes, expected=1.0)
    graph = user_graph(frame, max_users=1000)
    of = {f"u{k:04d}": g for k, g in enumerate(group)}
    same = [of[a] == of[b] for a, b in graph.select("source", "target").iter_rows()]
    assert np.mean(same) > 0.97
    assert (graph["source"] < graph["target"]).all()
    assert graph.select("source", "target").is_unique().all()
    assert graph["weight"].is_between(0.1, 1).all()


def test_neighbours_are_the_nearest_by_cosine() -> None:
    rng = np.random.default_rng(2)
    likes = rng.gamma(1, 1, (80, 10)) + 1.01
    graph = user_graph(interests_of(likes, expected=1.0), max_users=1000, neighbours=5)
    residual = likes - 1
    unit = residual / np.linalg.norm(residual, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -1)
    for row in graph.iter_rows(named=True):
        a, b = int(row["source"][1:]), int(row["target"][1:])
        assert row["weight"] == pytest.approx(cosine[a, b], abs=2e-3)
        worst = min(np.sort(cosine[a])[-5], np.sort(cosine[b])[-5])
        assert cosine[a, b] >= worst - 2e-3


@pytest.mark.parametrize(("users", "interests"), [(60, 6), (400, 2), (900, 3), (900, 20)])
def test_neighbours_are_those_of_a_search_through_every_pair(users: int, interests: int) -> None:
    # Few interests and small numbers: most users have more equally near ones than there is room for.
    rng = np.random.default_rng(users + interests)
    likes = rng.integers(0, 3, (users, interests)).astype(float)
    graph = user_graph(interests_of(likes, expected=0.5), max_users=1000, neighbours=4)
    kept = np.flatnonzero(likes.any(axis=1))
    residual = np.where(likes > 0, (likes - 0.5) / np.sqrt(0.5), 0)[kept]
    # NORM - 1 is what a profile of one interest has there.
    whole = np.floor(residual / np.linalg.norm(residual, axis=1, keepdims=True) * 2047)
    product = whole @ whole.T
    np.fill_diagonal(product, -1)
    ids = pl.Series([f"u{k:04d}" for k in kept])
    small = (stable_hashes(ids) >> np.uint64(32)).astype(np.uint32)
    mixed = (small[:, None] ^ small[None, :]) * np.uint32(2654435761)
    nearest = np.lexsort((mixed, -product), axis=1)[:, :4]
    norm = np.sqrt((whole**2).sum(axis=1))
    expected = {
        (ids[min(a, b)], ids[max(a, b)])
        for a, row in enumerate(nearest.tolist())
        for b in row
        if product[a, b] / norm[a] / norm[b] > 0.1
    }
    assert set(graph.select("source", "target").iter_rows()) == expected


def test_identical_users_are_tied_at_random_not_in_a_row() -> None:
    graph = user_graph(interests_of(np.ones((300, 1)), expected=0.3), max_users=1000)
    degree = pl.concat([graph["source"], graph["target"]]).value_counts()["count"]
    assert degree.min() >= 15
    assert degree.max() <= 60
    a = graph["source"].str.slice(1).cast(pl.Int64)
    b = graph["target"].str.slice(1).cast(pl.Int64)
    assert (a - b).abs().mean() == pytest.approx(100, rel=0.2)


def test_order_of_rows_does_not_matter_and_the_sample_is_stable() -> None:
    frame = interests_of(random_log(3).astype(float), expected=0.2)
    whole = user_graph(frame, max_users=100)
    assert whole.equals(user_graph(frame.sample(fraction=1, shuffle=True, seed=1), max_users=100))
    kept = set(whole["source"]) | set(whole["target"])
    users = frame["user_id"].unique().sort()
    chosen = users.gather(np.sort(np.argsort(stable_hashes(users))[:100]))
    assert len(kept) <= 100
    assert kept <= set(chosen)


def test_nothing_in_nothing_out() -> None:
    empty = USER_INTERESTS.empty()
    assert interest_graph(empty).is_empty()
    assert user_graph(empty, max_users=10).is_empty()
