"""The feed: three ways of showing, exact propensities, sessions, and whom it shows to."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate import Scenario
from coterie.simulate.feed import LONGEST_SESSION, MEAN_SESSION
from coterie.simulate.platform import KNOWN_TO_FEED
from tests.simulate.platforms import SMALL, Ran, ran, stated_policy

LARGE = replace(SMALL, days=2, events_per_day=30_000)


def catalogue(result: Ran, number: int) -> pl.DataFrame:
    """The items in reach on a day: those made in the 14 days before."""
    on = result.days[number].on
    age = (pl.lit(on) - pl.col("posted").dt.date()).dt.total_days()
    return result.items.filter(age >= 1, age <= 14)


def test_logged_propensities_are_those_of_the_stated_policy() -> None:
    result = ran(SMALL)
    policy = stated_policy(result, 2)
    sums = policy.group_by("feed_group").agg(pl.col("p").sum())["p"]
    assert sums.to_list() == pytest.approx([1] * 5)
    shown = result.shown.filter(pl.col("number") == 2)
    assert shown["feed_group"].n_unique() == 5
    both = shown.join(policy, on=["feed_group", "vid"], how="left", maintain_order="left")
    assert both["p_show"].to_numpy() == pytest.approx(both["p"].to_numpy(), rel=1e-9)


def test_showings_come_as_often_as_their_propensities_say() -> None:
    """By group and class of propensity, hits against the sum of chances over the items of the class."""
    result = ran(LARGE)
    shown = result.shown.filter(pl.col("number") == 0)
    statistic, freedom = 0.0, 0
    for _, rows in shown.group_by("feed_group", maintain_order=True):
        by_item = rows.group_by("vid").agg(pl.len(), pl.col("p_show").first()).sort("p_show")
        expected = by_item["p_show"].to_numpy() * rows.height
        often = expected >= 5
        statistic += float(((by_item["len"].to_numpy() - expected)[often] ** 2 / expected[often]).sum())
        freedom += int(often.sum())
    assert freedom > 500
    assert stats.chi2.sf(statistic, freedom) > 0.001


def test_random_showings_are_a_tenth_and_uniform_over_the_catalogue() -> None:
    result = ran(LARGE)
    shown = result.shown.filter(pl.col("number") == 1)
    random = shown.filter("explore")
    assert stats.binomtest(random.height, shown.height, 0.1).pvalue > 0.001
    reach = catalogue(result, 1)
    hits = reach.join(random.group_by("vid").len(), on="vid", how="left")["len"].fill_null(0)
    assert len(hits) == 14 * 150
    assert stats.chisquare(hits.to_numpy()).pvalue > 0.001
    assert random["slot"].mean() == pytest.approx(shown["slot"].mean(), rel=0.1)


def test_inverse_propensity_weights_make_showings_uniform() -> None:
    """By popularity, the weighted count per item is the number of showings over the number of items."""
    result = ran(LARGE)
    reach = catalogue(result, 1)
    classes = reach.select("vid", rank=(pl.col("popularity").rank("ordinal") - 1) * 8 // reach.height)
    shown = result.shown.filter(pl.col("number") == 1)
    weighted = shown.with_columns(share=1 / (pl.col("p_show") * shown.height)).join(classes, on="vid")
    assert weighted["share"].sum() == pytest.approx(reach.height, abs=4 * np.sqrt((weighted["share"] ** 2).sum()))
    plain = []
    for rank in range(8):
        values = weighted.filter(pl.col("rank") == rank)["share"].to_numpy()
        n = classes.filter(pl.col("rank") == rank).height
        error = np.sqrt((values**2).sum())
        assert values.sum() == pytest.approx(n, abs=4 * error)
        assert error < 0.15 * n
        plain.append(len(values))
    assert plain[-1] > 3 * plain[0]  # while the plain counts are far from equal


def test_sessions_go_on_with_a_constant_chance_up_to_their_cut() -> None:
    shown = ran(LARGE).shown
    reached = np.bincount(shown["slot"].to_numpy(), minlength=LONGEST_SESSION)
    assert len(reached) == LONGEST_SESSION
    for k in (1, 5, 12, 25, 39):
        # The day's last session is cut off where the day's rows are full.
        assert stats.binomtest(int(reached[k]), int(reached[0]), (1 - 1 / MEAN_SESSION) ** k).pvalue > 0.001, k


def test_showings_of_a_session_follow_one_another() -> None:
    shown = ran(SMALL).shown.sort("number", "uid", "ts")
    same = (pl.col("uid") == pl.col("uid").shift(1)) & (pl.col("number") == pl.col("number").shift(1))
    follows = shown.filter(same & (pl.col("slot") > 0)).height
    in_order = shown.filter(same & (pl.col("slot") == pl.col("slot").shift(1) + 1)).height
    assert in_order / follows > 0.95  # a user's sessions may overlap
    gaps = shown.with_columns(gap=pl.col("ts").diff().dt.total_milliseconds()).filter(
        same & (pl.col("slot") == pl.col("slot").shift(1) + 1)
    )
    assert gaps["gap"].min() >= 0
    assert gaps["gap"].quantile(0.1) >= 2_000


def test_users_come_in_proportion_to_their_activity_which_is_log_normal() -> None:
    result = ran(LARGE)
    activity = result.world.platform.activity
    begun = result.shown.filter(pl.col("slot") == 0)
    visits = np.bincount(begun["u"].to_numpy(), minlength=400)
    expected = activity * visits.sum()
    enough = expected >= 5
    assert enough.sum() > 100
    rest = [visits[~enough].sum()], [expected[~enough].sum()]
    assert stats.chisquare([*visits[enough], *rest[0]], [*expected[enough], *rest[1]]).pvalue > 0.001
    logs = np.log(activity)
    assert stats.kstest((logs - logs.mean()) / logs.std(), "norm").pvalue > 0.001
    assert logs.std() == pytest.approx(1, abs=0.1)


def test_the_feed_knows_most_groups_and_nobodys_users_always() -> None:
    result = ran(Scenario(seed=5, users=5_000, days=1, events_per_day=100, communities=5))
    state = result.days[0].state
    joined = state.community >= 0
    right = (state.feed_group == state.community)[joined]
    chance = KNOWN_TO_FEED + (1 - KNOWN_TO_FEED) / 5  # who is not known may be taken rightly by chance
    assert stats.binomtest(int(right.sum()), len(right), chance).pvalue > 0.001
    assert (state.feed_group[~joined] == 5).all()
