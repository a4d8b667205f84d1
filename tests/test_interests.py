"""Interest statistics: closed forms, known truth, and what must not matter."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coterie.interests import FEWEST_EVIDENCE, benjamini_hochberg, prior_strength, user_interests
from coterie.labels.gold_quality import label_quality
from coterie.tables import LABEL_QUALITY, USER_INTERESTS
from tests.labels.gold_world import LOCAL, gold_set


def engagement(rows: list[tuple[str, str, float]], logged: bool = False) -> pl.DataFrame:
    return pl.DataFrame(
        [(u, i, 1, logged, s) for u, i, s in rows],
        schema={
            "user_id": pl.String,
            "item_id": pl.String,
            "exposures": pl.Int64,
            "exposure_logged": pl.Boolean,
            "strength": pl.Float64,
        },
        orient="row",
    )


LABELS = pl.DataFrame(
    {
        "item_id": ["a", "a", "b", "c"],
        "interest_id": ["x.one", "x.two", "x.two", "x.three"],
        "weight": [0.75, 0.25, 1.0, 1.0],
    }
)


def run(rows: list[tuple[str, str, float]], before: pl.DataFrame | None = None, logged: bool = False) -> pl.DataFrame:
    return user_interests(engagement(rows, logged), LABELS, before, half_life_days=14.0, exposures_logged=logged)


def cell(frame: pl.DataFrame, user: str, interest: str) -> dict[str, float]:
    return frame.filter(pl.col("user_id") == user, pl.col("interest_id") == interest).row(0, named=True)


def test_engagement_is_split_by_label_share() -> None:
    frame = run([("u", "a", 0.8), ("u", "b", 0.4), ("v", "c", 1.0)])
    assert cell(frame, "u", "x.one")["engaged"] == pytest.approx(0.6)
    assert cell(frame, "u", "x.two")["engaged"] == pytest.approx(0.2 + 0.4)
    assert cell(frame, "u", "x.two")["evidence"] == pytest.approx(1.25)
    assert cell(frame, "u", "x.two")["engaged_square"] == pytest.approx(0.2**2 + 0.4**2)


def test_state_decays_by_the_half_life() -> None:
    first = run([("u", "b", 0.4)])
    later = first
    for _ in range(14):
        later = run([], later)
    assert cell(later, "u", "x.two")["engaged"] == pytest.approx(0.2)
    assert cell(later, "u", "x.two")["engaged_square"] == pytest.approx(0.16 / 4)


def test_what_has_faded_is_dropped() -> None:
    frame = run([("u", "b", 1.0)])
    days = int(np.ceil(14 * np.log2(1 / FEWEST_EVIDENCE)))
    for _ in range(days + 1):
        frame = run([], frame)
    assert frame.height == 0


def test_without_showings_everyone_is_expected_to_follow_popularity() -> None:
    frame = run([("u", "b", 1.0), ("u", "c", 1.0), ("v", "b", 1.0), ("w", "b", 1.0)])
    assert cell(frame, "u", "x.two")["expected"] == pytest.approx(2 * 3 / 4)
    assert cell(frame, "v", "x.two")["expected"] == pytest.approx(1 * 3 / 4)


def test_with_showings_the_expectation_follows_what_was_shown() -> None:
    # Both interests engage everyone at the rate of 1/2 and 1/4 of showings.
    rows = [("u", "b", 1.0), ("v", "b", 0.0), ("u", "c", 0.5), ("v", "c", 0.0)]
    frame = run(rows, logged=True)
    # u's 1.5 spread over rates 0.5 and 0.25: 1.0 and 0.5.
    assert cell(frame, "u", "x.two")["expected"] == pytest.approx(1.0)
    assert cell(frame, "u", "x.three")["expected"] == pytest.approx(0.5)
    # v did nothing, so nothing is expected of v; the showings are evidence nevertheless.
    assert cell(frame, "v", "x.two")["expected"] == 0
    assert cell(frame, "v", "x.two")["evidence"] == 1


def test_expectation_keeps_the_activity_of_each_user() -> None:
    rng = np.random.default_rng(3)
    rows = {(f"u{rng.integers(30)}", rng.choice(["a", "b", "c"])): float(rng.random()) for _ in range(200)}
    frame = run([(u, str(i), s) for (u, i), s in rows.items()], logged=True)
    sums = frame.group_by("user_id").agg(pl.col("expected").sum(), pl.col("engaged").sum())
    assert np.allclose(sums["expected"], sums["engaged"])


def test_lift_is_the_gamma_posterior() -> None:
    frame = run([("u", "b", 1.0), ("u", "c", 1.0), ("v", "b", 1.0), ("w", "b", 1.0)])
    one = cell(frame, "u", "x.three")
    found, expected = one["engaged"], one["expected"]  # strengths of 1: the dispersion is 1
    prior = prior_strength(
        frame["engaged"].to_numpy(), frame["expected"].to_numpy(), (2**2 + 1 + 1) * ((3 / 4) ** 2 + (1 / 4) ** 2)
    )
    posterior = stats.gamma(prior + found, scale=1 / (prior + expected))
    assert one["lift"] == pytest.approx(posterior.mean())
    assert (one["lift_low"], one["lift_high"]) == pytest.approx(posterior.interval(0.9))


def test_p_value_is_the_poisson_tail_for_whole_numbers() -> None:
    frame = run([("u", "b", 1.0), ("u", "c", 1.0), ("v", "b", 1.0), ("w", "b", 1.0)])
    one = cell(frame, "u", "x.three")
    assert one["p_value"] == pytest.approx(stats.poisson.sf(0, one["expected"]))


def test_halving_every_strength_changes_no_lift() -> None:
    rows = [("u", "b", 1.0), ("u", "c", 1.0), ("v", "b", 1.0), ("w", "b", 1.0), ("w", "a", 1.0)]
    whole, half = run(rows), run([(u, i, s / 2) for u, i, s in rows])
    for column in ("lift", "lift_low", "lift_high", "p_value", "q_value", "affinity"):
        assert np.allclose(whole[column], half[column])


def test_prior_strength_is_recovered() -> None:
    rng = np.random.default_rng(0)
    expected = rng.gamma(2, 2, 40_000)
    found = rng.poisson(expected * rng.gamma(3, 1 / 3, 40_000)).astype(float)
    assert prior_strength(found, expected) == pytest.approx(3, rel=0.1)
    assert prior_strength(rng.poisson(expected).astype(float), expected) > 50


def test_intervals_cover_the_lift_that_was_planted() -> None:
    rng = np.random.default_rng(1)
    users, interests = 400, 20
    lift = rng.gamma(4, 1 / 4, (users, interests))
    item = [f"i{j}" for j in range(interests)]
    labels = pl.DataFrame({"item_id": item, "interest_id": [f"x.{j:02d}" for j in range(interests)], "weight": 1.0})
    frame = None
    for _ in range(12):
        seen = rng.random((users, interests)) < np.minimum(0.25 * lift, 1)
        u, j = np.nonzero(np.ones_like(seen))
        rows = [(f"u{a:03d}", item[b], float(seen[a, b])) for a, b in zip(u, j, strict=True)]
        frame = user_interests(engagement(rows, True), labels, frame, half_life_days=1000, exposures_logged=True)
    assert frame is not None
    at = (frame["user_id"].str.slice(1).cast(pl.Int64).to_numpy(), frame["interest_id"].str.slice(2).cast(pl.Int64))
    # The null keeps a user's activity, so lift is relative to the user's own mean.
    truth = (np.minimum(0.25 * lift, 1) / np.minimum(0.25 * lift, 1).mean(axis=1, keepdims=True))[at[0], at[1]]
    covered = ((frame["lift_low"].to_numpy() <= truth) & (truth <= frame["lift_high"].to_numpy())).mean()
    assert 0.87 <= covered <= 0.98


def test_nobody_is_distinct_where_everyone_is_alike() -> None:
    rng = np.random.default_rng(5)
    interests = rng.dirichlet(np.ones(30))
    labels = pl.DataFrame(
        {"item_id": [f"i{j}" for j in range(30)], "interest_id": [f"x.{j:02d}" for j in range(30)], "weight": 1.0}
    )
    rows = {(f"u{rng.integers(500)}", f"i{rng.choice(30, p=interests)}"): 1.0 for _ in range(4000)}
    frame = user_interests(
        engagement([(u, i, s) for (u, i), s in rows.items()]), labels, None, half_life_days=14, exposures_logged=False
    )
    assert frame.filter(pl.col("q_value") <= 0.05).height <= 2


@settings(max_examples=30, deadline=None)
@given(st.data(), st.booleans())
def test_rows_are_in_range_and_order_does_not_matter(data: st.DataObject, logged: bool) -> None:
    pairs = data.draw(
        st.dictionaries(
            st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcd")), st.floats(0, 1), min_size=1, max_size=20
        )
    )
    rows = [(u, i, s) for (u, i), s in pairs.items()]
    frame = run(rows, logged=logged)
    assert frame.equals(run(data.draw(st.permutations(rows)), logged=logged))
    assert list(frame.schema.items()) == list(USER_INTERESTS.schema.items())
    assert frame.select(pl.col(pl.Float64).is_finite().all()).row(0) == (True,) * 10 or frame.is_empty()
    assert (frame["lift_low"] <= frame["lift"]).all()
    assert (frame["lift"] <= frame["lift_high"]).all()
    assert frame["affinity"].is_between(0, 1).all()


def test_benjamini_hochberg_counts_tests_that_have_no_row() -> None:
    p = np.array([0.001, 0.02, 0.5])
    whole = stats.false_discovery_control(np.concatenate([p, np.ones(7)]))
    assert np.allclose(benjamini_hochberg(p, 10), whole[:3])


def test_with_wrong_labels_widened_intervals_cover_the_lift_that_was_planted() -> None:
    rng = np.random.default_rng(6)
    users, interests, days, each = 150, 12, 10, 6
    names = [f"x.{j:02d}" for j in range(interests)]
    lift = rng.gamma(3, 1 / 3, (users, interests))
    lift /= lift.mean(axis=1, keepdims=True)
    truth = np.repeat(np.arange(interests), days * each)
    # Two in five labels are wrong, and say anything.
    label = np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(0, interests, len(truth)))
    labels = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(len(truth))], "interest_id": [names[j] for j in label], "weight": 1.0}
    )
    sample = rng.choice(len(truth), 400, replace=False)
    people = gold_set([[names[truth[n]]] for n in sample], [[(names[label[n]], 0.9)] for n in sample])
    quality = label_quality(people, LOCAL)

    def covered(given: pl.DataFrame | None) -> float:
        frame = None
        shown = np.random.default_rng(7)
        for day in range(days):
            items = np.concatenate([np.arange(each) + (j * days + day) * each for j in range(interests)])
            u, n = np.meshgrid(np.arange(users), items, indexing="ij")
            strength = shown.random(u.shape) < np.minimum(0.25 * lift[u, truth[n]], 1)
            rows = [
                (f"u{a:03d}", f"i{b}", float(s)) for a, b, s in zip(u.ravel(), n.ravel(), strength.ravel(), strict=True)
            ]
            frame = user_interests(
                engagement(rows, True), labels, frame, half_life_days=1000, exposures_logged=True, quality=given
            )
        assert frame is not None
        seen = np.minimum(0.25 * lift, 1)
        wanted = (seen / seen.mean(axis=1, keepdims=True))[
            frame["user_id"].str.slice(1).cast(pl.Int64).to_numpy(),
            frame["interest_id"].str.slice(2).cast(pl.Int64).to_numpy(),
        ]
        return float(((frame["lift_low"].to_numpy() <= wanted) & (wanted <= frame["lift_high"].to_numpy())).mean())

    assert covered(None) < 0.85
    assert covered(quality) >= 0.88


def test_without_a_gold_set_labels_are_taken_as_right() -> None:
    rows = [("u", "b", 1.0), ("u", "c", 1.0), ("v", "b", 1.0), ("w", "b", 1.0), ("w", "a", 1.0)]
    none = user_interests(
        engagement(rows), LABELS, None, half_life_days=14.0, exposures_logged=False, quality=LABEL_QUALITY.empty()
    )
    assert none.equals(run(rows))
