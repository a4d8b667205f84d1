"""What users do: acts after their showings, position bias, watch time by length, hours, weekdays, trends."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate import Scenario
from coterie.simulate.behaviour import ATTENTION, LIKE, NOT_INTERESTED, UNLIKE, play_chance
from coterie.simulate.platform import VIRAL_DAYS, VIRAL_FROM, trends
from coterie.simulate.world import WEEKDAYS
from tests.simulate.platforms import FIRST, SMALL, per_showing, ran, z_of_sum

LARGE = replace(SMALL, days=2, events_per_day=30_000)
EVEN = replace(LARGE, null="no_preferences")  # every appeal is 0.5
FORUM = Scenario(seed=2, first_day=FIRST, days=15, users=1_000, events_per_day=10_000, communities=3, mixing=0.8,
                 exposures=False)  # fmt: skip
WEEKS = replace(SMALL, days=14, users=1_000, events_per_day=8_000, mixing=1.0)


def test_every_act_follows_its_showing() -> None:
    log = ran(SMALL).log
    pair = ["number", "uid", "vid"]
    acts = ("impression", "play", "like", "unlike", "not_interested")
    times = log.group_by(pair).agg(
        *(pl.col("ts").filter(pl.col("action") == a).min().alias(a) for a in acts),
        *((pl.col("action") == a).sum().alias(f"n_{a}") for a in acts),
    )
    assert times["impression"].null_count() == 0
    for earlier, later in (("impression", "play"), ("play", "like"), ("like", "unlike"), ("impression", acts[-1])):
        acted = times.filter(pl.col(later).is_not_null())
        assert acted.height > 0
        assert acted.filter(pl.col(earlier).is_null() | (pl.col(later) <= pl.col(earlier))).is_empty(), later
    for act, of in (("play", "impression"), ("like", "play"), ("unlike", "like")):
        assert times.filter(pl.col(f"n_{act}") > pl.col(f"n_{of}")).is_empty()
    refused = pl.col("n_not_interested") + pl.col("n_play") > pl.col("n_impression")
    assert times.filter(refused).is_empty()
    plays = log.filter(pl.col("action") == "play")
    assert plays.filter((pl.col("play_ms") < 1) | (pl.col("play_ms") > pl.col("dur"))).is_empty()
    assert log.filter((pl.col("action") != "play") & pl.col("play_ms").is_not_null()).is_empty()
    for column in ("slot", "p_show", "explore"):
        assert (log[column].is_not_null() == (log["action"] == "impression")).all()


def test_a_showing_further_down_is_played_less_often() -> None:
    """Where every appeal is one half, the chance of a play at each place is known."""
    shown = per_showing(ran(EVEN).log)
    by_slot = shown.group_by("slot").agg(pl.len(), pl.col("played").sum()).sort("slot")
    assert by_slot["slot"].to_list() == list(range(40))
    chance = 0.45 * ATTENTION ** np.arange(40)
    n, played = by_slot["len"].to_numpy(), by_slot["played"].to_numpy()
    z = (played - n * chance) / np.sqrt(n * chance * (1 - chance))
    assert stats.chi2.sf((z**2).sum(), 40) > 0.001
    flat = played.sum() / n.sum()  # and no constant chance would fit
    z = (played - n * flat) / np.sqrt(n * flat * (1 - flat))
    assert stats.chi2.sf((z**2).sum(), 39) < 1e-20


def test_members_play_by_the_appeal_to_their_community() -> None:
    shown = per_showing(ran(LARGE).log)
    appeal, slot = shown["appeal"].to_numpy(), shown["slot"].to_numpy()
    played = shown["played"].to_numpy()
    chance = play_chance(appeal, ATTENTION**slot)
    for community in range(-1, 4):
        theirs = shown["community"].to_numpy() == community
        for low in (0.0, 0.25, 0.5, 0.75):
            at = theirs & (appeal >= low) & (appeal <= low + 0.25)
            if at.sum() > 100:
                assert abs(z_of_sum(played[at], chance[at])) < 4, (community, low)
    best, worst = played[appeal > 0.9].mean(), played[appeal < 0.1].mean()
    assert best > 3 * worst


def test_likes_undos_and_refusals_come_at_their_rates() -> None:
    log, shown = ran(EVEN).log, per_showing(ran(EVEN).log)
    done = dict(log["action"].value_counts().rows())
    passed = shown.height - done["play"]
    for hits, tries, chance in (
        (done["like"], done["play"], LIKE * 0.5),
        (done["unlike"], done["like"], UNLIKE),
        (done["not_interested"], passed, NOT_INTERESTED * 0.5),
    ):
        assert stats.binomtest(hits, tries, chance).pvalue > 0.001


def test_members_like_what_appeals_and_refuse_what_does_not() -> None:
    shown = per_showing(ran(LARGE).log)
    for low in (0.0, 0.25, 0.5, 0.75):
        some = shown.filter(pl.col("appeal").is_between(low, low + 0.25))
        for tried, done, chance in (
            (some.filter(pl.col("played") > 0), "liked", LIKE * pl.col("appeal") * (1 - UNLIKE)),
            (some.filter(pl.col("played") == 0), "refused", NOT_INTERESTED * (1 - pl.col("appeal"))),
        ):
            hits, chances = tried[done].to_numpy(), tried.select(chance).to_series().to_numpy()
            assert chances.sum() > 10
            assert abs(z_of_sum(hits, chances)) < 4, (done, low)


def test_longer_videos_are_watched_longer_and_to_a_lesser_share() -> None:
    plays = ran(EVEN).log.filter(pl.col("action") == "play")
    length, watched = plays["dur"].to_numpy(), plays["play_ms"].to_numpy()
    share = np.clip(0.5 * (30_000 / length) ** 0.15, 0.05, 0.95)  # at an appeal of one half
    error = np.sqrt(share * (1 - share) / 5)  # of a Beta(4 s, 4 (1 - s)) variable
    shares, medians = [], []
    for low, high in ((3_000, 10_000), (10_000, 20_000), (20_000, 40_000), (40_000, 80_000), (80_000, 180_001)):
        at = (length >= low) & (length < high)
        z = (watched / length - share)[at].sum() / np.sqrt((error[at] ** 2).sum())
        assert abs(z) < 4, low
        shares.append((watched / length)[at].mean())
        medians.append(np.median(watched[at]))
    assert shares == sorted(shares, reverse=True)
    assert medians == sorted(medians)


def test_a_member_watches_more_of_what_appeals() -> None:
    plays = ran(LARGE).log.filter(pl.col("action") == "play").with_columns(share=pl.col("play_ms") / pl.col("dur"))
    appealing, dull = plays.filter(pl.col("appeal") > 0.8)["share"], plays.filter(pl.col("appeal") < 0.2)["share"]
    assert appealing.mean() > dull.mean() + 0.3


def test_acts_lie_within_their_day_most_in_the_evening_few_at_night() -> None:
    log = ran(LARGE).log
    days = (pl.col("ts").dt.date() - pl.lit(FIRST)).dt.total_days()
    assert log.filter(days != pl.col("number")).is_empty()
    begun = log.filter(pl.col("slot") == 0)
    hours = begun["ts"].dt.hour().to_numpy()
    night, evening = (hours < 5).mean(), ((hours >= 17) & (hours < 22)).mean()
    assert night < 0.08
    assert evening > 4 * night


def test_rows_are_as_many_as_asked_and_follow_the_weekday() -> None:
    assert sum(WEEKDAYS) == pytest.approx(7)
    for scenario, noise in ((WEEKS, 0.03), (replace(FORUM, days=14), 1e-3)):
        result = ran(scenario)
        rows = [day.events.height for day in result.days if day.events is not None]
        asked = [scenario.events_per_day * WEEKDAYS[day.on.weekday()] for day in result.days]
        assert rows == pytest.approx(asked, rel=noise)
        by_weekday = {k: rows[k] + rows[k + 7] for k in range(7)}
        assert max(by_weekday, key=lambda k: by_weekday[k]) == 3  # the log begins on a Wednesday; this is a Saturday


def test_comments_are_a_fifth_of_what_is_done_without_showings() -> None:
    log = ran(FORUM).log
    assert set(log["action"]) == {"like", "comment"}
    assert stats.binomtest((log["action"] == "comment").sum(), log.height, 0.2).pvalue > 0.001
    assert set(log.columns).isdisjoint({"slot", "p_show", "explore", "play_ms"})


def test_a_viral_interest_shows_in_what_users_choose() -> None:
    result = ran(FORUM)
    viral = result.world.platform.interests[result.world.platform.viral]
    share = result.log.group_by("number").agg((pl.col("interest_id") == viral).mean()).sort("number")["interest_id"]
    during = share[VIRAL_FROM : VIRAL_FROM + VIRAL_DAYS].mean()
    before, after = share[:VIRAL_FROM].mean(), share[VIRAL_FROM + VIRAL_DAYS :].mean()
    assert during > 2.5 * before
    assert during > 2.5 * after


def test_a_viral_interest_shows_in_new_items_in_showings_and_in_likes() -> None:
    result = ran(WEEKS)
    viral = result.world.platform.interests[result.world.platform.viral]
    made = result.items.with_columns(number=(pl.col("posted").dt.date() - pl.lit(FIRST)).dt.total_days())
    likes = result.log.filter(pl.col("action") == "like")
    for frame, growth in ((made, 2.5), (result.shown, 1.5), (likes, 2.5)):
        share = frame.group_by("number").agg((pl.col("interest_id") == viral).mean()).sort("number")
        during = share.filter(pl.col("number").is_between(VIRAL_FROM, VIRAL_FROM + VIRAL_DAYS - 1))
        before = share.filter(pl.col("number") < VIRAL_FROM)
        assert during["interest_id"].mean() > growth * before["interest_id"].mean()


def test_a_trend_shows_in_what_users_choose() -> None:
    """Choices of everybody's share, day by day, against the factors that the truth gives."""
    result = ran(replace(FORUM, mixing=1.0))
    truth = trends(result.world.platform)
    common = dict(zip(result.world.platform.interests, result.world.platform.common.tolist(), strict=True))
    statistic, freedom = 0.0, 0
    for day in result.days:
        assert day.items is not None
        factor = truth.filter(pl.col("day") == day.on)
        weight = factor["factor"].to_numpy() * np.array([common[i] for i in factor["interest_id"]])
        weight[np.bincount(day.items.interest, minlength=len(weight)) == 0] = 0
        chosen = result.log.filter(pl.col("number") == day.number)["interest_id"]
        hits = np.array([(chosen == i).sum() for i in factor["interest_id"]])
        expected = hits.sum() * weight / weight.sum()
        enough = expected >= 5
        statistic += float(((hits - expected)[enough] ** 2 / expected[enough]).sum())
        freedom += int(enough.sum()) - 1
    assert stats.chi2.sf(statistic, freedom) > 0.001
    calm = truth.filter(~pl.col("viral"))
    assert calm["factor"].log().abs().max() == pytest.approx(0.3, abs=0.01)
    # An interest has its ups and downs, and they are not the same for all.
    moves = calm.group_by("interest_id").agg(pl.col("factor").max() / pl.col("factor").min())["factor"]
    assert moves.max() > 1.5


def test_the_trends_truth_names_the_viral_interest_and_its_days() -> None:
    world = ran(FORUM).world
    truth = trends(world.platform)
    viral = truth.filter("viral")
    assert set(viral["interest_id"]) == {world.platform.interests[world.platform.viral]}
    assert viral["day"].to_list() == [FIRST + timedelta(days=VIRAL_FROM + k) for k in range(VIRAL_DAYS)]
    assert viral["factor"].min() > 6 * 0.7
