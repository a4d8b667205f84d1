"""The truth about engagement: against the log that users make, and by the identities that it must keep."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from coterie.engagement import engagement
from coterie.simulate import LifeEvent
from coterie.simulate.effects import APPEALS, BOOST_SHARE, boost_truth, engagement_truth, strength_of_appeal
from tests.simulate.platforms import SMALL, Ran, per_showing, ran, stated_policy

WORLD = replace(SMALL, users=2_000, events_per_day=40_000, days=2, life=(LifeEvent("death", 1),))
KINDS = {"impression": "exposure", "play": "watch", "like": "positive", "not_interested": "negative", "unlike": "undo"}


@pytest.fixture(scope="module")
def result() -> Ran:
    return ran(WORLD)


@pytest.fixture(scope="module")
def response(result: Ran) -> list[np.ndarray]:
    return [strength_of_appeal(result.world, day) for day in result.days]


@pytest.fixture(scope="module")
def truth(result: Ran, response: list[np.ndarray]) -> pl.DataFrame:
    return pl.concat([engagement_truth(result.world, d, r) for d, r in zip(result.days, response, strict=True)])


def test_the_strength_of_an_appeal_is_what_the_pipeline_measures_on_the_log(
    result: Ran, response: list[np.ndarray]
) -> None:
    """`coterie.engagement` over the simulated log; pairs of one showing, so that a pair is a showing."""
    for day, known in zip(result.days, response, strict=True):
        assert day.events is not None
        action = pl.col("action")
        events = day.events.select(
            user_id="uid", item_id="vid", event_type="action", kind=action.replace_strict(KINDS), watch_ms="play_ms",
            weight=pl.when(action.is_in(["like", "not_interested"])).then(3.0),
            undo_of=pl.when(action == "unlike").then(pl.lit("like")),
        )  # fmt: skip
        pairs = engagement(events, result.items.select(item_id="vid", duration_ms="dur"))
        appeal = result.log.filter(pl.col("number") == day.number).select("uid", "vid", "appeal").unique()
        once = pairs.filter(pl.col("exposures") == 1).join(
            appeal, left_on=["user_id", "item_id"], right_on=["uid", "vid"]
        )
        assert once.height > 15_000
        a, found = once["appeal"].to_numpy(), once["strength"].to_numpy()
        expected = np.interp(a, APPEALS, known)
        for low in np.arange(0, 1, 0.2):
            at = (a >= low) & (a <= low + 0.2)
            error = found[at].std() / np.sqrt(at.sum())
            assert found[at].mean() == pytest.approx(expected[at].mean(), abs=4 * error + 0.004), low
            assert error < 0.01


def test_strength_grows_with_appeal(response: list[np.ndarray]) -> None:
    assert (np.diff(response[0]) > 0).all()
    assert response[0][0] < 0.1
    assert response[0][-1] > 0.5


def test_it_is_the_mean_strength_of_the_showings_of_each_community(result: Ran, truth: pl.DataFrame) -> None:
    shown = per_showing(result.log).with_columns(
        day=pl.col("ts").dt.date(), community=pl.when(pl.col("community") >= 0).then("community")
    )
    known = shown.join(truth, on=["day", "community", "interest_id"], how="left", nulls_equal=True)
    assert known["strength_right"].null_count() == 0
    by = known.group_by("day", "community").agg(
        pl.len(), off=(pl.col("strength") - pl.col("strength_right")).mean(),
        error=(pl.col("strength") - pl.col("strength_right")).std() / pl.len().sqrt(),
    )  # fmt: skip
    assert by.height == 5 + 4  # one community has died
    assert by.filter(pl.col("off").abs() > 4 * pl.col("error") + 0.004).is_empty()


def test_affinities_are_shares_and_only_the_living_have_them(result: Ran, truth: pl.DataFrame) -> None:
    sums = truth.group_by("day", "community").agg(pl.col("affinity", "served").sum(), pl.col("appeal").max())
    for column in ("affinity", "served", "appeal"):
        assert sums[column].to_list() == pytest.approx([1] * 9)
    living = truth.group_by("day", maintain_order=True).agg(pl.col("community").unique().sort())
    assert living["community"].to_list() == [[None, 0, 1, 2, 3], [None, 1, 2, 3]]
    assert truth["play_rate"].to_numpy() == pytest.approx(0.1 + 0.7 * truth["appeal"].to_numpy())


def test_what_is_served_is_what_the_feed_shows_members_on_average(result: Ran, truth: pl.DataFrame) -> None:
    """Rebuilt from the words: the feed of the group that it takes a member for, by the members' activity."""
    day = result.days[0]
    users = pl.DataFrame(
        {
            "community": day.state.community,
            "feed_group": np.where(day.state.feed_group == 4, -1, day.state.feed_group),
            "activity": result.world.platform.activity,
        }
    )
    share = users.group_by("community", "feed_group").agg(pl.col("activity").sum()).with_columns(
        share=pl.col("activity") / pl.col("activity").sum().over("community")
    )  # fmt: skip
    assert share.height == 4 * 4 + 1
    shown = stated_policy(result, 0).group_by("feed_group", "interest_id").agg(pl.col("p").sum())
    stated = share.join(shown, on="feed_group").group_by("community", "interest_id").agg(
        stated=(pl.col("share") * pl.col("p")).sum()
    )  # fmt: skip
    today = truth.filter(pl.col("day") == day.on).with_columns(pl.col("community").fill_null(-1))
    both = today.join(stated, on=["community", "interest_id"], how="left").fill_null(0.0)
    assert both["served"].to_numpy() == pytest.approx(both["stated"].to_numpy(), abs=1e-12)


def test_boosts_are_weighed_against_what_they_take_the_place_of(result: Ran, truth: pl.DataFrame) -> None:
    boosts = boost_truth(truth, result.days[0].on)
    assert boosts.height == 5 * len(result.world.platform.interests)
    assert set(boosts["share"]) == {BOOST_SHARE}
    both = boosts.join(truth, on=["day", "community", "interest_id"], nulls_equal=True)
    # A boost of each interest as often as it is served changes nothing.
    still = both.group_by("community").agg((pl.col("effect") * pl.col("served")).sum())
    assert still["effect"].to_list() == pytest.approx([0] * 5, abs=1e-12)
    assert boosts["effect"].to_numpy() == pytest.approx(
        0.05 * (boosts["strength"] - boosts["mean_strength"]).to_numpy()
    )
    best = both.sort("effect").group_by("community", maintain_order=True).last()
    assert (best["appeal"] == 1).all()
    assert (best["effect"] > 0).all()


def test_where_nothing_is_shown_there_is_affinity_and_no_effect() -> None:
    forum = ran(replace(SMALL, exposures=False, days=1))
    truth = engagement_truth(forum.world, forum.days[0], None)
    assert truth["strength"].null_count() == truth["served"].null_count() == truth.height > 0
    assert truth["affinity"].null_count() == 0
    assert boost_truth(truth, forum.days[0].on).is_empty()
