"""The mixture and its starts: known truth, closed forms, and what must not matter."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from coterie.communities.acts import Acts, acts_of
from coterie.communities.detect import leiden_of, place_newcomers
from coterie.communities.embedding import embed
from coterie.communities.membership import memberships, settle
from coterie.communities.mixture import ITEM_PRIOR, NOWHERE, ROUNDS, _Model, fit, foretold, spread, tempered
from coterie.communities.starts import starts
from coterie.interests import user_interests
from coterie.tables import MEMBERSHIPS, USER_GRAPH, USER_INTERESTS

DAY = date(2024, 5, 1)
Ints = np.ndarray


def planted(
    seed: int, *, users: int = 400, items: int = 200, groups: int = 2, taste: float = 6.0, labelled: float = 1.0
) -> tuple[Acts, Ints]:
    """Users of equal groups, each of which engages `taste` times as much with its own items; labels name the group."""
    rng = np.random.default_rng(seed)
    group, of_item = rng.integers(0, groups, users), np.arange(items) % groups
    rate = 0.03 * np.where(group[:, None] == of_item[None, :], taste, 1.0)
    label = np.zeros((items, groups))
    known = rng.random(items) < labelled
    label[known, of_item[known]] = 1.0
    engaged = sparse.csr_array((rng.random(rate.shape) < rate).astype(float))
    acts = Acts(
        users=pl.Series([f"u{k:04d}" for k in range(users)]),
        engaged=engaged,
        labels=sparse.csr_array(label),
        earlier=sparse.csr_array((users, groups)),
        recent=engaged,
        former=sparse.csr_array(engaged.shape),
    )
    return acts, group


def agreement(found: Ints, truth: Ints) -> float:
    """Share of users in a group whose majority is theirs."""
    right = sum(np.bincount(truth[found == g]).max() for g in np.unique(found[found >= 0]))
    return float(right / (found >= 0).sum())


def halves(acts: Acts) -> Ints:
    return np.arange(len(acts.users)) % 2


# --- the model ---


def test_one_round_is_bayes_rule_by_hand() -> None:
    """Two users in two groups, one item each, no labels, no showings."""
    acts = Acts(
        users=pl.Series(["a", "b"]),
        engaged=sparse.csr_array(np.diag([2.0, 2.0])),
        labels=sparse.csr_array((2, 1)),
        earlier=sparse.csr_array((2, 1)),
        recent=sparse.csr_array((2, 2)),
        former=sparse.csr_array((2, 2)),
    )
    popular = np.full(2, 0.5)
    own = (2 + ITEM_PRIOR) / (1 + ITEM_PRIOR)  # found 2, expected half of the 2 engagements of the group
    other = ITEM_PRIOR / (1 + ITEM_PRIOR)
    shares = popular * np.array([own, other]) / (0.5 * (own + other))
    prior = np.array([NOWHERE, 0.5, 0.5]) / (1 + NOWHERE)
    log = np.log(prior) + 2 * np.log([1.0, shares[0] / 0.5, shares[1] / 0.5])
    start = np.zeros((2, 3))
    start[0, 1] = start[1, 2] = 1.0
    assert _Model(acts).log_evidence(start)[0] == pytest.approx(log, abs=1e-9)


def test_an_item_nobody_met_is_judged_by_its_label() -> None:
    acts, group = planted(1)
    fitted = fit(acts, group, 20)
    # A new item with the label of the first group: only the prior speaks, and it is the interest's lift.
    engaged = sparse.csr_array(sparse.hstack([acts.engaged, sparse.csr_array((len(group), 1))]))
    labels = sparse.csr_array(sparse.vstack([acts.labels, sparse.csr_array(np.array([[1.0, 0.0]]))]))
    shares = fit(replace(acts, engaged=engaged, labels=labels), group, 20).shares[-1]
    first, second = shares[1] / shares[0], shares[2] / shares[0]
    assert first > 1.3
    assert second < 0.8
    assert fitted.posterior.sum(axis=1) == pytest.approx(1.0)
    assert fitted.shares.sum(axis=0) == pytest.approx(1.0)


@pytest.mark.parametrize("labelled", [1.0, 0.3, 0.0])
def test_planted_groups_are_recovered_from_a_bad_start(labelled: float) -> None:
    acts, group = planted(2, labelled=labelled)
    rng = np.random.default_rng(0)
    start = np.where(rng.random(len(group)) < 0.65, group, 1 - group)
    _, main = settle(acts, start, 20)
    assert agreement(main, group) > 0.95
    assert (main >= 0).mean() > 0.9


def test_a_user_of_one_engagement_is_not_forced() -> None:
    acts, group = planted(4)
    lone = sparse.csr_array(([1.0], ([0], [0])), shape=(1, acts.engaged.shape[1]))
    more = replace(
        acts,
        users=pl.Series([*acts.users, "u9999"]),
        engaged=sparse.csr_array(sparse.vstack([acts.engaged, lone])),
        earlier=sparse.csr_array((len(group) + 1, 2)),
    )
    posterior = fit(more, np.append(group, -1), 20).posterior
    assert posterior[-1].max() < 0.9
    assert np.median(posterior[:-1].max(axis=1)) > 0.9


def test_what_is_older_than_the_window_counts_by_interest() -> None:
    acts, group = planted(5)
    earlier = np.ones((len(group), 2))
    earlier[0, 1 - group[0]] = 60.0
    before = fit(acts, group, 20).posterior[0]
    after = fit(replace(acts, earlier=sparse.csr_array(earlier)), group, 20).posterior[0]
    assert before[group[0] + 1] > 0.9
    assert after[group[0] + 1] < 0.01, "sixty engagements with the other group's interest outweigh a dozen"


def test_too_small_groups_are_dissolved() -> None:
    acts, group = planted(6, users=120, groups=3)
    few = np.flatnonzero(group == 2)[15:]
    kept = np.setdiff1d(np.arange(120), few)
    small = acts.take(kept)
    posterior, main = settle(small, group[kept], 20)
    assert set(np.unique(main)) <= {-1, 0, 1}
    assert np.bincount(main[main >= 0]).min() >= 20
    assert (posterior.sum(axis=1) <= 1 + 1e-12).all()


# --- what is held out ---


def test_true_groups_foretell_and_random_ones_do_not() -> None:
    acts, group = planted(7)
    true, none = foretold(acts, group, 20), foretold(acts, np.full(len(group), -1), 20)
    assert true.gain > 0.15
    assert true.ahead_of(none) > 5
    assert abs(none.gain) < 1e-9, "the population alone is popularity"


def test_where_there_is_nothing_hardly_anything_is_foretold() -> None:
    gains = []
    for seed in range(5):
        acts, _ = planted(20 + seed, taste=1.0)
        gains.append(foretold(acts, halves(acts), 20).gain)
    assert max(gains) < 0.02


# --- starts ---


def test_the_embedding_is_the_singular_vectors() -> None:
    acts, _ = planted(8, groups=4)
    of = acts.engaged.toarray()
    scaled = of / np.sqrt(of.sum(axis=1) + 1)[:, None] / np.sqrt(of.sum(axis=0) + 1)[None, :]
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    found = embed(acts.engaged, 3)
    expected = left[:, 1:4] * values[1:4]
    assert np.abs((found * expected).sum(axis=0)) == pytest.approx((expected**2).sum(axis=0), rel=1e-3)


def test_leiden_finds_two_cliques_and_leaves_out_who_has_no_tie() -> None:
    ends = [(a, b) for base in (0, 5) for a in range(base, base + 5) for b in range(a + 1, base + 5)]
    source, target = (np.array(column) for column in zip(*ends, strict=True))
    groups = leiden_of(11, source, target, np.ones(len(ends)), resolution=1.0)
    assert groups.tolist() == [0] * 5 + [1] * 5 + [-1]
    turned = leiden_of(11, target[::-1], source[::-1], np.ones(len(ends)), resolution=1.0)
    assert turned.tolist() == groups.tolist()


def test_starts_without_labels_come_from_items() -> None:
    acts, group = planted(9, labelled=0.0)
    found = starts(acts, USER_GRAPH.empty(), None, 20)
    assert agreement(found["items"], group) > 0.9
    assert "labels" not in found


# --- the table ---


def days_of(acts: Acts, days: int) -> pl.DataFrame:
    cells = acts.engaged.tocoo()
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "day": [DAY + timedelta(days=int(k)) for k in rng.integers(0, days, len(cells.data))],
            "user_id": acts.users.gather(cells.row),
            "item_id": [f"i{k:03d}" for k in cells.col],
            "exposures": 1,
            "exposure_logged": False,
            "strength": 0.5,
        }
    )


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_order_of_rows_does_not_show(seed: int) -> None:
    acts, _ = planted(10, users=150)
    rows = days_of(acts, 3)
    labels = pl.DataFrame(
        {"item_id": [f"i{k:03d}" for k in range(200)], "interest_id": ["x.a", "x.b"] * 100, "weight": 1.0}
    )
    found = [_members(frame, labels) for frame in (rows, rows.sample(fraction=1, shuffle=True, seed=seed))]
    assert found[0][0].equals(found[1][0])
    assert found[0][1].equals(found[1][1])


def _members(rows: pl.DataFrame, labels: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    interests = user_interests(rows.drop("day"), labels, None, half_life_days=14, exposures_logged=False)
    return memberships(
        day=DAY,
        acts=acts_of(rows, labels, interests, half_life_days=14),
        user_graph=USER_GRAPH.empty(),
        yesterday=None,
        min_size=20,
        max_users=100,
    )


def test_a_sample_searches_and_everybody_is_judged() -> None:
    acts, group = planted(11)
    labels = pl.DataFrame(
        {"item_id": [f"i{k:03d}" for k in range(200)], "interest_id": ["x.a", "x.b"] * 100, "weight": 1.0}
    )
    members, tried = _members(days_of(acts, 3), labels)
    main = members.filter("is_primary")
    assert main.height > 300, "the search saw 100 users"
    names = sorted(main["community_id"].unique())
    codes = np.array([names.index(c) for c in main["community_id"]])
    assert agreement(codes, group[[int(u[1:]) for u in main["user_id"]]]) > 0.95
    assert tried["chosen"].sum() == 1


def test_blocks_of_items_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, _ = planted(13, labelled=0.7)
    whole = fit(acts, halves(acts), 20)
    monkeypatch.setattr("coterie.communities.mixture.BLOCK_CELLS", 100)
    parts = fit(acts, halves(acts), 20)
    np.testing.assert_allclose(parts.posterior, whole.posterior, atol=1e-9)
    np.testing.assert_allclose(parts.shares, whole.shares, rtol=1e-9)


def test_a_sample_of_everybody_is_a_fit() -> None:
    acts, _ = planted(14)
    known = np.eye(3)[halves(acts) + 1]
    np.testing.assert_allclose(spread(acts, known, 20, ROUNDS), fit(acts, halves(acts), 20).posterior)


def test_everybody_is_judged_by_a_sample_nearly_as_well_as_by_all() -> None:
    right = {"sample": [], "all": []}
    for seed in range(5):
        acts, group = planted(20 + seed, users=1200, groups=3, taste=4.0)
        mine = np.arange(0, 1200, 4)
        posterior, _ = settle(acts.take(mine), group[mine], 20)
        known = np.zeros((1200, posterior.shape[1] + 1))
        known[mine, 1:], known[mine, 0] = posterior, 1 - posterior.sum(axis=1)
        for name, found in (("sample", spread(acts, known, 20)[:, 1:]), ("all", settle(acts, group, 20)[0])):
            assert found.shape == (1200, 3)
            right[name].append((found.argmax(axis=1) == group).mean())
    assert np.mean(right["all"]) > 0.9
    assert np.mean(right["sample"]) > np.mean(right["all"]) - 0.01


def test_some_of_the_users_bring_their_items_along() -> None:
    acts, _ = planted(15, users=40, items=300)
    some = acts.take(np.array([3, 8]))
    touched = np.flatnonzero(acts.engaged[[3, 8]].sum(axis=0))
    assert some.engaged.toarray().tolist() == acts.engaged[[3, 8]].toarray()[:, touched].tolist()
    assert some.labels.toarray().tolist() == acts.labels.toarray()[touched].tolist()
    assert some.recent.shape == some.engaged.shape
    assert list(some.users) == ["u0003", "u0008"]


def test_less_evidence_lies_between_what_is_known_of_all_and_of_one() -> None:
    posterior = np.array([[0.7, 0.3], [0.1, 0.9], [0.4, 0.6]])
    assert np.allclose(tempered(posterior, 1.0), posterior)
    prior = posterior.mean(axis=0)
    assert np.allclose(tempered(posterior, 1e-9), prior)
    # Prior odds times evidence to the power of a half.
    odds = prior[1] / prior[0] * ((0.9 / 0.1) / (prior[1] / prior[0])) ** 0.5
    assert tempered(posterior, 0.5)[1, 1] == pytest.approx(odds / (1 + odds))


def test_nothing_in_nothing_out() -> None:
    rows = days_of(planted(12, users=2, items=2)[0], 1).clear()
    labels = pl.DataFrame(schema={"item_id": pl.String, "interest_id": pl.String, "weight": pl.Float64})
    acts = acts_of(rows.cast({"day": pl.Date}), labels,
                   USER_INTERESTS.empty(), half_life_days=14)  # fmt: skip
    found, tried = memberships(
        day=DAY, acts=acts, user_graph=USER_GRAPH.empty(), yesterday=None, min_size=20, max_users=10
    )
    assert found.is_empty()
    assert tried.is_empty()


def test_acts_decay_by_day_and_know_what_is_older() -> None:
    rows = pl.DataFrame(
        {
            "day": [DAY, DAY + timedelta(days=14)],
            "user_id": ["a", "a"],
            "item_id": ["i", "j"],
            "strength": [1.0, 1.0],
        }
    )
    labels = pl.DataFrame({"item_id": ["i", "j"], "interest_id": ["x.a", "x.a"], "weight": [1.0, 1.0]})
    known = USER_INTERESTS.conform(
        pl.DataFrame(
            {c: ["a"] if c == "user_id" else ["x.a"] if c == "interest_id" else [4.0] for c in USER_INTERESTS.schema}
        )
    )
    acts = acts_of(rows, labels, known, half_life_days=14)
    dispersion = (0.25 + 1) / 1.5
    assert acts.engaged.toarray().tolist() == [pytest.approx([0.5 / dispersion, 1 / dispersion])]
    assert acts.earlier.toarray()[0] == pytest.approx([(4.0 - 1.5) / dispersion])


def test_newcomers_join_whom_they_are_tied_to_and_nobody_else_moves() -> None:
    def clique(names: list[str]) -> list[tuple[str, str, float]]:
        return [(a, b, 1.0) for a in names for b in names if a < b]

    old = {"c1": [f"a{k}" for k in range(6)], "c2": [f"b{k}" for k in range(6)]}
    new = [f"n{k}" for k in range(5)]
    ties = [*clique(old["c1"]), *clique(old["c2"]), *clique(new[1:]), *((name, "n0", 1.0) for name in old["c2"])]
    graph = pl.DataFrame(ties, schema=["source", "target", "weight"], orient="row")
    # a5 was with c2 yesterday, and the graph of today would have them elsewhere.
    rows = [(u, "c2" if u == "a5" else c, 1.0, True, 0) for c, users in old.items() for u in users]
    rows.append(("gone", "c1", 1.0, True, 0))
    yesterday = MEMBERSHIPS.conform(pl.DataFrame(rows, schema=MEMBERSHIPS.schema, orient="row"))
    found = dict(place_newcomers(graph, yesterday).iter_rows())
    assert {found[u] for u in [*old["c1"][:5], "gone"]} == {0}
    assert {found[u] for u in [*old["c2"], "a5", "n0"]} == {1}
    assert {found[u] for u in new[1:]} == {2}
