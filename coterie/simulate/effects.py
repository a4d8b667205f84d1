"""What would truly happen: how strongly members engage with an interest they are shown, and what a boost would add.

Belongs here: the truth about engagement and boosts. Does not belong here: anything that is estimated from a log.

Engagement strength is that of `coterie.engagement`, for one showing: how it responds to an appeal is measured by
re-simulating showings of each appeal with the reactions of the simulation, and their watch quantile is taken among the
watches of the day's own log. Everything else follows from the known appeals and the known feed.
"""

from datetime import date

import numpy as np
import polars as pl

from coterie.engagement import HALVING_WEIGHT, SMALLEST_BUCKET
from coterie.simulate.behaviour import Reactions, play_chance, react
from coterie.simulate.feed import policy, position_shares, with_random
from coterie.simulate.platform import Array, Ints
from coterie.simulate.world import EFFECTS, Day, World

SIGNAL_WEIGHT = 3.0  # of a like and of "not interested", as the source description gives them
APPEALS = np.linspace(0.0, 1.0, 21)
SHOWINGS = 20_000  # re-simulated at each appeal: the standard error of a strength is about 0.002
BOOST_SHARE = 0.05
ENGAGEMENT = {
    "day": pl.Date, "community": pl.Int64, "interest_id": pl.String, "affinity": pl.Float64, "appeal": pl.Float64,
    "play_rate": pl.Float64, "strength": pl.Float64, "served": pl.Float64,
}  # fmt: skip
REHEARSAL = {
    "day": pl.Date, "community": pl.Int64, "showings": pl.Int64, "strength_without": pl.Float64,
    "strength_with": pl.Float64, "effect": pl.Float64, "error": pl.Float64,
}  # fmt: skip


def strength_of_appeal(world: World, day: Day) -> Array:
    """(21,) mean strength of a showing at each appeal of APPEALS, over the feed's positions and the items' lengths."""
    assert day.items is not None
    rng = world.stream(EFFECTS, day.number)
    # The same draws at every appeal: what differs between appeals is then not chance.
    position = np.tile(rng.choice(len(position_shares()), SHOWINGS, p=position_shares()), len(APPEALS))
    shown = rng.choice(len(day.items.popularity), SHOWINGS, p=day.items.popularity / day.items.popularity.sum())
    duration = np.tile(day.items.duration_ms[shown], len(APPEALS))
    done = react(rng, np.repeat(APPEALS, SHOWINGS), position, duration)
    strength = _strengths(done, duration, _log_watches(day))
    return np.asarray(strength.reshape(len(APPEALS), SHOWINGS).mean(axis=1))


def _strengths(done: Reactions, duration_ms: Ints, yardstick: tuple[Ints, Ints]) -> Array:
    """(n,) strength of each showing; the yardstick is the watches, and their items' lengths, to compare with."""
    quantile = np.zeros(len(duration_ms))
    at = np.flatnonzero(done.played)
    quantile[at] = _watch_quantiles(done.watch_ms[at], duration_ms[at], yardstick)
    likes, refusals = done.liked & ~done.undone, done.refused
    return np.asarray(
        (1 - (1 - quantile) * 2 ** (-SIGNAL_WEIGHT * likes / HALVING_WEIGHT))
        * 2 ** (-SIGNAL_WEIGHT * refusals / HALVING_WEIGHT)
    )


def _log_watches(day: Day) -> tuple[Ints, Ints]:
    """What each user watched of each item on a day, in milliseconds, and the items' lengths."""
    assert day.items is not None
    assert day.events is not None
    lengths = pl.DataFrame({"vid": day.items.ids, "duration": day.items.duration_ms})
    watched = (
        day.events.filter(pl.col("play_ms") > 0)
        .group_by("uid", "vid")
        .agg(pl.col("play_ms").sum())
        .join(lengths, on="vid")
    )
    return watched["play_ms"].to_numpy(), watched["duration"].to_numpy()


def _watch_quantiles(watch_ms: Ints, duration_ms: Ints, yardstick: tuple[Ints, Ints]) -> Array:
    """Where each watch stands among those of items of like length (mid-ranks, as `coterie.engagement`)."""
    log_watch, log_bucket = yardstick[0], _bucket(yardstick[1])
    every = np.sort(log_watch)
    bucket = _bucket(duration_ms)
    found = np.empty(len(watch_ms))
    for b in np.unique(bucket).tolist():
        at = bucket == b
        known = np.sort(log_watch[log_bucket == b])
        known = known if len(known) >= SMALLEST_BUCKET else every
        low, high = np.searchsorted(known, watch_ms[at], "left"), np.searchsorted(known, watch_ms[at], "right")
        found[at] = (low + high) / 2 / max(len(known), 1)
    return found


def _bucket(duration_ms: Ints) -> Array:
    return np.asarray(np.floor(2 * np.log2(duration_ms)))


def engagement_truth(world: World, day: Day, response: Array | None) -> pl.DataFrame:
    """What each community wants and is served on a day, and how it engages when shown.

    Args:
        world: the platform.
        day: the day.
        response: what `strength_of_appeal` gives; None where showings are not logged.

    Returns:
        day, community (null for users without one), interest_id, affinity, appeal, play_rate (at the top of the
        feed), strength (of a showing), served (share of the showings); the last two are null without showings.
    """
    now, groups = day.state, len(day.state.affinity)
    living = [g for g in range(groups) if g == groups - 1 or (now.alive[g] and not world.scenario.null)]
    served, strength = np.full(now.affinity.shape, np.nan), np.full(now.affinity.shape, np.nan)
    if response is not None:
        served, strength = _served(world, day), np.interp(now.appeal, APPEALS, response)
    interests = len(world.platform.interests)
    return pl.DataFrame(
        {
            "day": day.on,
            "community": [g if g < groups - 1 else None for g in living for _ in range(interests)],
            "interest_id": list(world.platform.interests) * len(living),
            "affinity": now.affinity[living].ravel(),
            "appeal": now.appeal[living].ravel(),
            "play_rate": play_chance(now.appeal[living], 1.0).ravel(),
            "strength": strength[living].ravel(),
            "served": served[living].ravel(),
        },
        schema=ENGAGEMENT,
    ).with_columns(pl.col("strength", "served").fill_nan(None))


def _served(world: World, day: Day) -> Array:
    """(G, J) share of a group's showings that each interest has: its members as the feed takes them, boosts aside."""
    assert day.items is not None
    groups, interests = day.state.affinity.shape
    # On a null everybody is one group, whatever the feed takes them for.
    group = np.full_like(day.state.group, groups - 1) if world.scenario.null else day.state.group
    shown = with_random(policy(day.state, day.items))
    by_interest = np.stack([np.bincount(day.items.interest, p, minlength=interests) for p in shown])
    pairs = np.bincount(
        group * groups + day.state.feed_group, world.platform.activity, minlength=groups * groups
    ).reshape(groups, groups)
    whole = pairs.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(pairs, whole, out=np.zeros_like(pairs), where=whole > 0) @ by_interest)


def boost_truth(truth: pl.DataFrame, day: date) -> pl.DataFrame:
    """The true effect of each possible boost: a twentieth of what members are shown is given to one interest.

    The showings that give way are an average of what the feed shows them, so a member's mean strength per showing
    changes by 0.05 times the interest's strength less the mean; by n times as much for n times the share.
    `Scenario.boosts` re-simulates one, with the log.

    The yardstick is held: watches are compared with those of the log without the boost, as both arms of an experiment
    have one. A re-simulated day that is measured by its own watches shows less, by up to a seventh where a large
    community is served what it likes: longer watches everywhere raise what each is compared with.

    Args:
        truth: what `engagement_truth` gives.
        day: the day of it to take.

    Returns:
        day, community, interest_id, share, strength, mean_strength, effect (per showing).
    """
    mean = (pl.col("strength") * pl.col("served")).sum().over("community")
    return (
        truth.filter(pl.col("day") == day, pl.col("strength").is_not_null())
        .with_columns(mean_strength=mean, share=pl.lit(BOOST_SHARE))
        .with_columns(effect=BOOST_SHARE * (pl.col("strength") - pl.col("mean_strength")))
        .select("day", "community", "interest_id", "share", "strength", "mean_strength", "effect")
    )


def boost_change(world: World, day: Day) -> pl.DataFrame:
    """What the boosts of the scenario changed on a day, by re-simulation: the same showings without and with them.

    Both are measured by one yardstick, the watches of the day without boosts.

    Returns:
        day, community, showings (of its members), strength_without, strength_with (means per showing), effect (the
        difference), error (its standard error: from the reactions of these showings, given who was there); a row for
        each community that a boost holds for and that has showings.
    """
    if day.boosted is None or day.items is None:
        return pl.DataFrame(schema=REHEARSAL)
    (shown, done), (shown_with, done_with) = day.boosted.without, day.boosted.with_boosts
    length = day.items.duration_ms[shown.item]
    yardstick = done.watch_ms[done.played], length[done.played]
    without = _strengths(done, length, yardstick)
    with_boosts = _strengths(done_with, day.items.duration_ms[shown_with.item], yardstick)
    rows = []
    for community in sorted({b.community for b in world.scenario.boosts if b.day <= day.number}):
        theirs = day.state.community[shown.user] == community
        if (n := int(theirs.sum())) > 0:
            change = (with_boosts - without)[theirs]
            means = float(without[theirs].mean()), float(with_boosts[theirs].mean()), float(change.mean())
            rows.append((day.on, community, n, *means, float(change.std() / np.sqrt(n))))
    return pl.DataFrame(rows, schema=REHEARSAL, orient="row")
