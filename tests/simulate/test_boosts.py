"""A boost, re-simulated: it changes what it says and nothing else, by its share, with exact propensities, by the
effect that the truth foretells.
"""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from coterie.simulate import Boost, LifeEvent
from coterie.simulate.effects import boost_change, boost_truth, engagement_truth, strength_of_appeal
from tests.simulate.platforms import SMALL, Ran, per_showing, ran, stated_policy

BASE = replace(SMALL, days=4, events_per_day=30_000)
SHARE, FROM = 0.3, 2


def boosted(*boosts: Boost) -> Ran:
    return ran(replace(BASE, boosts=boosts))


@pytest.fixture(scope="module")
def effects() -> pl.DataFrame:
    """The truth about every boost on each day, of the platform without boosts."""
    base = ran(BASE)
    return pl.concat(
        [
            boost_truth(engagement_truth(base.world, day, strength_of_appeal(base.world, day)), day.on)
            for day in base.days[FROM:]
        ]
    )


@pytest.fixture(scope="module")
def favourite(effects: pl.DataFrame) -> str:
    return str(effects.filter(pl.col("community") == 1).sort("effect")["interest_id"][-1])


def order(log: pl.DataFrame) -> pl.DataFrame:
    return log.drop("id").sort("ts", "uid", "vid", "action", "slot")


def test_days_before_it_and_other_users_are_as_without_it(favourite: str) -> None:
    base, other = ran(BASE).log, boosted(Boost(1, favourite, SHARE, FROM)).log
    early = pl.col("number") < FROM
    assert_frame_equal(other.filter(early), base.filter(early))
    theirs = (pl.col("community") == 1) & ~early
    assert_frame_equal(order(other.filter(~theirs)), order(base.filter(~theirs)))
    # And the members' days have the same sessions, with the same places in them.
    key = ["number", "uid", "slot"]
    places = [
        log.filter(theirs, pl.col("action") == "impression").select(key).sort(key) for log in (base, other)
    ]  # fmt: skip
    assert_frame_equal(*places)


def test_it_gives_the_interest_its_share_by_popularity(favourite: str) -> None:
    shown = boosted(Boost(1, favourite, SHARE, FROM)).shown.filter(pl.col("community") == 1, pl.col("number") >= FROM)
    base = ran(BASE).shown.filter(pl.col("community") == 1, pl.col("number") >= FROM)
    usual = (base["interest_id"] == favourite).mean()
    given = (shown["interest_id"] == favourite).mean()
    expected = SHARE + (1 - SHARE) * usual
    assert given == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / shown.height))
    assert stats.binomtest(shown["explore"].sum(), shown.height, 0.1 * (1 - SHARE)).pvalue > 0.001
    rest = shown.filter(pl.col("interest_id") != favourite)["interest_id"].value_counts().sort("count").tail(1)
    assert rest["count"].item() / shown.height < (base["interest_id"] == rest["interest_id"].item()).mean()


def two() -> tuple[Boost, ...]:
    interests = ran(BASE).world.platform.interests
    return Boost(1, interests[0], 0.2, 0), Boost(1, interests[5], 0.5, 0), Boost(2, interests[0], 0.4, 1)


def test_propensities_under_boosts_are_those_of_the_stated_policy() -> None:
    """Rebuilt: each boost takes its share of what the ones before it left."""
    result = boosted(*two())
    for number in (0, 3):
        policy = stated_policy(result, number)
        shown = result.shown.filter(pl.col("number") == number)
        both = shown.join(policy.select("feed_group", "vid", "p"), on=["feed_group", "vid"], how="left")
        usual = expected = both["p"].to_numpy()
        for boost in result.world.scenario.boosts:
            if boost.day <= number:
                of_it = policy.filter(pl.col("feed_group") == -1, pl.col("interest_id") == boost.interest_id)
                of_it = of_it.select("vid", chance=pl.col("popularity") / pl.col("popularity").sum())
                chance = both.join(of_it, on="vid", how="left", maintain_order="left")["chance"].fill_null(0).to_numpy()
                theirs = (both["community"] == boost.community).to_numpy()
                expected = np.where(theirs, (1 - boost.share) * expected + boost.share * chance, expected)
        assert both["p_show"].to_numpy() == pytest.approx(expected, rel=1e-9)
        assert (expected != usual).mean() > 0.15


@pytest.mark.parametrize("boosts", [1, 3])
def test_under_boosts_inverse_propensity_weights_average_to_one(boosts: int, favourite: str) -> None:
    """Over all items, over those of the boosted interest, and over the others, for the members."""
    result = boosted(*(two() if boosts == 3 else (Boost(1, favourite, SHARE, FROM),)))
    boost = result.world.scenario.boosts[0]
    for day in result.days[FROM:]:
        assert day.items is not None
        place = result.world.platform.interests.index(boost.interest_id)
        shown = result.shown.filter(pl.col("number") == day.number, pl.col("community") == 1)
        count = len(day.items.popularity)
        weight = 1 / (shown["p_show"].to_numpy() * count)
        of_it = (shown["interest_id"] == boost.interest_id).to_numpy()
        share = (day.items.interest == place).mean()
        for values, expected in ((weight, 1.0), (weight * of_it, share), (weight * ~of_it, 1 - share)):
            error = values.std() / np.sqrt(len(values))
            assert values.mean() == pytest.approx(expected, abs=4 * error)
            assert error < 0.12


@pytest.mark.parametrize("rank", [0, 0.5, 1], ids=["the worst", "a middling one", "the best"])
def test_its_effect_is_the_one_foretold(rank: float, effects: pl.DataFrame) -> None:
    """Mean strength per showing of the members, with it less without it, on the days on which it holds."""
    for community in (0, 1):
        theirs = effects.filter(pl.col("community") == community)
        mean = theirs.group_by("interest_id").agg(pl.col("effect").mean()).sort("effect")
        interest, foretold = mean.row(round(rank * (mean.height - 1)))
        days = theirs.filter(pl.col("interest_id") == interest).sort("day")["effect"].to_numpy() * SHARE / 0.05
        logs = boosted(Boost(community, interest, SHARE, FROM)).log, ran(BASE).log
        # By one yardstick: a watch is compared with the day's others, and a boost that makes many people watch longer
        # would else raise what it is measured by.
        with_it, without = (
            per_showing(log, yardstick=logs[1]).filter(pl.col("community") == community, pl.col("number") >= FROM)
            .sort("number", "uid", "slot", "ts")
            for log in logs
        )  # fmt: skip
        assert with_it.height == without.height
        change = with_it["strength"].to_numpy() - without["strength"].to_numpy()
        weight = np.bincount(without["number"].to_numpy())[FROM:] / without.height
        error = change.std() / np.sqrt(len(change))
        assert error < 0.008
        assert change.mean() == pytest.approx((days * weight).sum(), abs=4 * error + 0.003)
        if rank == 1:
            assert (days * weight).sum() > max(0.06, 10 * error)
            assert foretold > 0
            own = per_showing(logs[0]).filter(pl.col("community") == community, pl.col("number") >= FROM)
            assert 0.75 < (own["strength"].mean() - without["strength"].mean()) / change.mean() < 1


def test_for_a_community_that_is_gone_it_does_nothing(favourite: str) -> None:
    gone = replace(BASE, days=3, events_per_day=3_000, life=(LifeEvent("merger", 1),))
    assert_frame_equal(ran(replace(gone, boosts=(Boost(1, favourite, SHARE, 1),))).log, ran(gone).log)
    for community in (0, 2):
        assert not ran(replace(gone, boosts=(Boost(community, favourite, SHARE, 1),))).log.equals(ran(gone).log)


def test_what_a_boost_changed_is_what_two_logs_show(favourite: str) -> None:
    """Without and with it, read off both logs by the one yardstick."""
    result = boosted(Boost(1, favourite, SHARE, FROM))
    logs = {"strength_without": ran(BASE).log, "strength_with": result.log}
    read = {
        name: per_showing(log, yardstick=logs["strength_without"]).filter(pl.col("community") == 1)
        for name, log in logs.items()
    }
    for day in result.days:
        change = boost_change(result.world, day)
        if day.number < FROM:
            assert change.is_empty()
            continue
        row = change.row(0, named=True)
        assert change.height == 1
        assert (row["day"], row["community"]) == (day.on, 1)
        for name, showings in read.items():
            today = showings.filter(pl.col("number") == day.number)
            assert row["showings"] == today.height
            # A log does not say which of a user's showings of an item a late undo is about.
            assert row[name] == pytest.approx(today["strength"].mean(), abs=3e-4)
        assert row["effect"] == pytest.approx(row["strength_with"] - row["strength_without"])
        assert row["effect"] > 10 * row["error"] > 0


def test_the_error_of_what_a_boost_changed_is_honest() -> None:
    """Over eight platforms, what re-simulation shows lies as far from the truth as its error says."""
    z = []
    for seed in range(8):
        platform = replace(BASE, seed=seed, days=1, events_per_day=8_000, communities=2)
        base = ran(platform)
        day, place = base.days[0], int(np.argmax(base.world.platform.own[0]))
        interest = base.world.platform.interests[place]
        truth = boost_truth(engagement_truth(base.world, day, strength_of_appeal(base.world, day)), day.on)
        told = truth.filter(pl.col("community") == 0, pl.col("interest_id") == interest)["effect"].item()
        other = ran(replace(platform, boosts=(Boost(0, interest, SHARE, 0),)))
        row = boost_change(other.world, other.days[0]).row(0, named=True)
        z.append((row["effect"] - told * SHARE / 0.05) / row["error"])
    # A little above 1: the truth is about the members as they come on average, the error about those who came.
    assert abs(np.mean(z)) < 1.2
    assert 0.5 < np.std(z) < 2
    assert np.abs(z).max() < 5
