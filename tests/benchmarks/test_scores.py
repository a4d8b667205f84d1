"""The measures of the bench against closed forms."""

from math import comb, log2

import numpy as np
import polars as pl
import pytest

from benchmarks import scores


def groups(*of: int) -> scores.Groups:
    return np.array(of, dtype=np.int64)


def test_a_perfect_grouping_agrees_fully_whatever_its_numbers() -> None:
    found = scores.agreement(groups(0, 0, 1, 1, 2), groups(7, 7, 0, 0, 3))
    assert found == pytest.approx({"ari": 1.0, "nmi": 1.0, "coverage": 1.0})


def test_users_without_a_group_are_groups_of_one() -> None:
    truth, left_out, alone = groups(0, 0, 0, 1, 1, 1), groups(0, 0, -1, 1, 1, -1), groups(0, 0, 2, 1, 1, 3)
    found = scores.agreement(truth, left_out)
    assert found["coverage"] == pytest.approx(4 / 6)
    assert found["ari"] == scores.agreement(truth, alone)["ari"]
    # Hubert and Arabie: pairs together in both, 2; in the truth, 6; in what was found, 2; of 15.
    expected = 6 * 2 / comb(6, 2)
    assert found["ari"] == pytest.approx((2 - expected) / ((6 + 2) / 2 - expected))


def test_nmi_is_by_the_mean_of_the_entropies() -> None:
    # One half of a true pair of pairs is split: mutual information is 1 bit, entropies are 1 and 1.5 bits.
    assert scores.agreement(groups(0, 0, 1, 1), groups(0, 0, 1, 2))["nmi"] == pytest.approx(1 / 1.25)


def test_users_without_a_true_group_do_not_count() -> None:
    assert scores.agreement(groups(0, 0, 1, 1, -1), groups(0, 0, 1, 1, 0))["ari"] == pytest.approx(1.0)
    assert scores.agreement(groups(-1, -1), groups(0, 1)) == {"ari": None, "nmi": None, "coverage": None}


def test_nobody_in_a_group_agrees_like_chance() -> None:
    assert scores.agreement(groups(0, 0, 0, 1, 1, 1), scores.nobody(6))["ari"] == pytest.approx(0.0)


def test_the_rand_index_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 5, 300), rng.integers(0, 7, 300)
    ours = scores.agreement(truth, found)
    assert ours["ari"] == pytest.approx(metrics.adjusted_rand_score(truth, found))
    assert ours["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(truth, found))


def test_popularity_gains_nothing() -> None:
    learnt = np.array([[3.0, 1.0], [0.0, 2.0]])
    everybody = scores.profiles(learnt, scores.nobody(2))
    assert scores.gain(np.array([[1.0, 5.0], [2.0, 0.0]]), everybody, scores.population(learnt)) == pytest.approx(0.0)


def test_the_gain_of_a_known_mixture_is_its_mutual_information() -> None:
    # Two halves of the users, one of whom wants the first interest 3 times of 4, the other the second.
    profile = np.array([[0.75, 0.25], [0.25, 0.75]])
    everybody = np.array([0.5, 0.5])
    entropy = -(0.75 * log2(0.75) + 0.25 * log2(0.25))
    assert scores.gain(10 * profile, profile, everybody) == pytest.approx(1 - entropy)
    # Stronger engagement counts for more: the user of the second half engages nine times as much with her rare one.
    held_out = np.array([[1.0, 0.0], [9.0, 0.0]])
    assert scores.gain(held_out, profile, everybody) == pytest.approx((log2(1.5) + 9 * log2(0.5)) / 10)
    assert scores.gain(np.zeros((2, 2)), profile, everybody) is None


def test_profiles_are_smoothed_with_what_everybody_does() -> None:
    learnt = np.array([[30.0, 0.0], [10.0, 0.0], [0.0, 40.0]])
    everybody = scores.population(learnt)
    assert everybody == pytest.approx([40.5 / 81, 40.5 / 81])
    found = scores.profiles(learnt, groups(0, 0, -1), smoothing=20.0)
    assert found[0] == pytest.approx([(40 + 10) / 60, 10 / 60])
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(everybody)
    assert scores.profiles(learnt, groups(0, 0, 1)).sum(axis=1) == pytest.approx([1.0, 1.0, 1.0])


def test_recall_is_of_interests_that_are_new() -> None:
    learnt = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [1.0, 1.0, 1.0, 1.0]])
    held_out = np.array([[5.0, 1.0, 0, 1.0], [0, 0, 0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    profile = np.tile([0.4, 0.3, 0.2, 0.1], (3, 1))
    # The first user is new to 1 and 3 and is offered 1; the second is new to 3 and is offered 0; the third to nothing.
    assert scores.recall_of_new(learnt, held_out, profile, k=1) == pytest.approx((1 / 2 + 0) / 2)
    assert scores.recall_of_new(learnt, held_out, profile, k=3) == pytest.approx(1.0)
    assert scores.recall_of_new(learnt, learnt, profile) is None


def test_engagement_is_split_by_user_interest_and_time() -> None:
    def engaged(*rows: tuple[str, str, float]) -> pl.DataFrame:
        return pl.DataFrame(list(rows), schema=["user_id", "item_id", "strength"], orient="row")

    labels = pl.DataFrame({"item_id": ["a", "b", "b"], "interest_id": ["x", "x", "y"], "weight": [1.0, 0.5, 0.5]})
    learn = engaged(("u1", "a", 0.5), ("u1", "a", 0.5), ("u2", "b", 1.0), ("u3", "a", 0.0), ("u4", "unlabelled", 1.0))
    data = scores.split(learn, engaged(("u1", "b", 1.0), ("u9", "a", 1.0)), labels)
    assert data.users.to_list() == ["u1", "u2"]
    assert data.interests.to_list() == ["x", "y"]
    assert data.learnt == pytest.approx(np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert data.held_out == pytest.approx(np.array([[0.5, 0.5], [0.0, 0.0]]))
    assert data.acts.sum() == 3


def test_groups_of_names_and_sizes() -> None:
    users = pl.Series(["u1", "u2", "u3"])
    members = pl.DataFrame({"user_id": ["u3", "u1", "u9"], "name": ["b", None, "a"]})
    assert scores.groups_of(users, members, "name").tolist() == [-1, -1, 1]
    assert scores.moved(groups(4, -1, 2), users, pl.Series(["u3", "u0", "u1"])).tolist() == [0, -1, 1]
    assert scores.large(groups(0, 0, 1, 2, 2, -1), 2).tolist() == [0, 0, -1, 1, 1, -1]
    assert scores.large(groups(0, 1), 5).tolist() == [-1, -1]


def test_jaccard_counts_users_in_either() -> None:
    found = scores.jaccard(groups(0, 0, 0, 1, -1), groups(0, 0, 1, 1, 1))
    assert found == pytest.approx(np.array([[2 / 3, 1 / 5], [0, 1 / 3]]))


def test_calibration_error_by_hand() -> None:
    members = pl.DataFrame(
        [("a", "c", 0.9, True), ("b", "c", 0.9, True), ("d", "c", 0.9, True), ("e", "c", 0.2, False), ("f", "k", 0.5, True)],
        schema=["user_id", "community_id", "probability", "is_primary"], orient="row",
    )  # fmt: skip
    truth = pl.DataFrame({"user_id": list("abdef"), "community": [1, 1, 2, 1, None]})
    # Two of three are right where 0.9 is said, one of one at 0.2; k stands for nobody's and is left out.
    expected = (3 * abs(0.9 - 2 / 3) + abs(0.2 - 1)) / 4
    assert scores.calibration_error(members, truth) == pytest.approx(expected)
    assert scores.calibration_error(members.clear(), truth) is None
