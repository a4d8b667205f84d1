"""Platforms on which there is nothing to find, and that they are what they say; beside them one with communities."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate.effects import engagement_truth, strength_of_appeal
from coterie.simulate.life import members_over_time
from coterie.simulate.platform import trends
from tests.simulate.platforms import SMALL, Ran, counts, ran

PLANTED = replace(SMALL, events_per_day=30_000)
FEED_ONLY = replace(PLANTED, null="feed_only")
NO_PREFERENCES = replace(PLANTED, null="no_preferences")


def independence(log: pl.DataFrame, act: str, column: str, within: str | None) -> float:
    """p-value of acts given showings not depending on a column, over all or within each value of another column."""
    log = log.with_columns(all=pl.lit(0)) if within is None else log
    within = within or "all"
    statistic, freedom = 0.0, 0
    for _, rows in log.group_by(within, maintain_order=True):
        both = rows.group_by(column).agg(
            tried=(pl.col("action") == "impression").sum(), done=(pl.col("action") == act).sum()
        )
        tried, done = both["tried"].to_numpy().astype(float), both["done"].to_numpy().astype(float)
        rate = done.sum() / tried.sum()
        enough = tried * min(rate, 1 - rate) >= 5
        if enough.sum() < 2:
            continue
        done, tried = done[enough], tried[enough]
        rate = done.sum() / tried.sum()
        statistic += float(((done - tried * rate) ** 2 / (tried * rate * (1 - rate))).sum())
        freedom += len(done) - 1
    assert freedom > 2
    return float(stats.chi2.sf(statistic, freedom))


def founding(result: Ran) -> pl.DataFrame:
    """The log with the group that each user would have belonged to, had there been communities."""
    return result.log.with_columns(group=result.world.platform.founding[result.log["u"].to_numpy()])


@pytest.mark.parametrize("act", ["play", "like"])
def test_without_preferences_engagement_given_exposure_knows_neither_groups_nor_interests(act: str) -> None:
    log = founding(ran(NO_PREFERENCES))
    assert independence(log, act, "interest_id", None) > 0.001
    assert independence(log, act, "group", "interest_id") > 0.001
    planted = founding(ran(PLANTED))  # the same tests find what is there
    assert independence(planted, act, "interest_id", None) < 1e-20
    assert independence(planted, act, "group", "interest_id") < 1e-20


def test_without_preferences_the_feed_goes_by_popularity_for_everybody() -> None:
    result = ran(NO_PREFERENCES)
    shown = founding(result).filter(pl.col("action") == "impression")
    often = shown.filter(pl.len().over("vid") >= 100)
    assert stats.chi2_contingency(counts(often, "vid", "group")).pvalue > 0.001
    for day in result.days:
        assert day.items is not None
        popularity = dict(zip(day.items.ids, (day.items.popularity / day.items.popularity.sum()).tolist(), strict=True))
        today = shown.filter(pl.col("number") == day.number)
        stated = 0.1 / len(popularity) + 0.9 * np.array([popularity[vid] for vid in today["vid"]])
        assert today["p_show"].to_numpy() == pytest.approx(stated, rel=1e-9)


def test_without_preferences_no_interest_has_a_trend() -> None:
    truth = trends(ran(replace(NO_PREFERENCES, days=12, events_per_day=500)).world.platform)
    assert set(truth["factor"]) == {1.0}
    assert not truth["viral"].any()


@pytest.mark.parametrize("act", ["play", "like"])
@pytest.mark.parametrize("group", ["feed_group", "group"])
def test_where_only_the_feed_differs_groups_engage_alike_given_exposure(act: str, group: str) -> None:
    assert independence(founding(ran(FEED_ONLY)), act, group, "interest_id") > 0.001
    assert independence(founding(ran(PLANTED)), act, group, "interest_id") < 1e-20


def test_where_only_the_feed_differs_it_differs_greatly_and_interests_do_too() -> None:
    shown = ran(FEED_ONLY).shown
    often = shown.filter(pl.len().over("interest_id") >= 100)
    table = counts(often, "feed_group", "interest_id")
    assert len(table) == 5
    assert stats.chi2_contingency(table).pvalue < 1e-100
    # Everybody likes some interests more than others: it is not the other null.
    assert independence(ran(FEED_ONLY).log, "play", "interest_id", None) < 1e-20


def test_where_only_the_feed_differs_plain_likes_would_look_like_communities() -> None:
    """What a method that does not know what was shown would see."""
    likes = ran(FEED_ONLY).log.filter(pl.col("action") == "like")
    often = likes.filter(pl.len().over("interest_id") >= 50)
    assert stats.chi2_contingency(counts(often, "feed_group", "interest_id")).pvalue < 1e-20


@pytest.mark.parametrize("scenario", [FEED_ONLY, NO_PREFERENCES], ids=["feed_only", "no_preferences"])
def test_the_truth_of_a_null_has_no_communities(scenario: object) -> None:
    result = ran(scenario)  # type: ignore[arg-type]
    world = result.world
    assert world.lineage.is_empty()
    users = members_over_time(world.platform, world.course, world.user_ids)
    assert users.height == 400
    assert users["community"].null_count() == 400
    groups = users["feed_group"].drop_nulls().n_unique()
    assert groups == (4 if scenario is FEED_ONLY else 0)
    day = result.days[0]
    truth = engagement_truth(world, day, strength_of_appeal(world, day))
    assert truth["community"].null_count() == truth.height == len(world.platform.interests)
    assert (truth["appeal"].n_unique() == 1) == (scenario is NO_PREFERENCES)


@pytest.mark.parametrize("scenario", [FEED_ONLY, NO_PREFERENCES], ids=["feed_only", "no_preferences"])
def test_on_a_null_what_is_served_is_served_to_everybody(scenario: object) -> None:
    """The share of showings, expected from the propensities of the log's own users, is the truth's."""
    result = ran(scenario)  # type: ignore[arg-type]
    day = result.days[0]
    truth = engagement_truth(result.world, day, strength_of_appeal(result.world, day))
    assert truth["served"].sum() == pytest.approx(1)
    shown = result.shown.filter(pl.col("number") == 0)["interest_id"]
    for interest, served in truth.select("interest_id", "served").iter_rows():
        # Users come in sessions of twelve showings, so counts vary more than single draws would.
        error = np.sqrt(4 * served * (1 - served) / len(shown))
        assert (shown == interest).mean() == pytest.approx(served, abs=4 * error), interest


def test_with_everything_shared_there_is_nothing_in_the_choices() -> None:
    for mixing, equal in ((1.0, True), (0.5, False)):
        log = founding(ran(replace(SMALL, mixing=mixing, exposures=False)))
        often = log.filter(pl.len().over("interest_id") >= 50)
        p = stats.chi2_contingency(counts(often, "interest_id", "group")).pvalue
        assert p > 0.001 if equal else p < 1e-100


def test_without_preferences_and_showings_everyone_chooses_alike() -> None:
    log = founding(ran(replace(SMALL, null="no_preferences", exposures=False)))
    often = log.filter(pl.len().over("interest_id") >= 50)
    assert stats.chi2_contingency(counts(often, "interest_id", "group")).pvalue > 0.001
