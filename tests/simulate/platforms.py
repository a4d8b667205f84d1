"""Simulated platforms in memory for these tests, each simulated once, and their logs joined with what is true.

Belongs here: running a world, and the strength of a showing read off its log. Does not belong here: what is claimed.
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from coterie.simulate import Scenario, World
from coterie.simulate.world import Day

FIRST = date(2024, 5, 1)  # a Wednesday
SMALL = Scenario(seed=3, first_day=FIRST, days=3, users=400, events_per_day=8_000, communities=4)


@dataclass(frozen=True)
class Ran:
    """A world and its logged days.

    Attributes:
        world: with scenario and platform.
        days: those of the log.
        items: vid, dur, caption, tags, lang, posted, interest_id, popularity, accepted of every item.
        log: the rows with number (of the day), u (number of the user), community, feed_group (-1: none), is_bot,
            interest_id, popularity, dur and appeal.
    """

    world: World
    days: tuple[Day, ...]
    items: pl.DataFrame
    log: pl.DataFrame

    @property
    def shown(self) -> pl.DataFrame:
        """The showings of the log."""
        return self.log.filter(pl.col("action") == "impression")


@cache
def ran(scenario: Scenario) -> Ran:
    """Simulate a scenario, once for all tests of a file."""
    world = World(scenario)
    every = list(world.days())
    days = tuple(day for day in every if day.events is not None)
    truth = pl.concat([day.item_truth for day in every]).select("vid", "interest_id", "popularity", "accepted")
    items = pl.concat([day.new_items for day in every]).join(truth, on="vid", maintain_order="left")
    known = items.select("vid", "interest_id", "popularity", "dur")
    place = {interest: j for j, interest in enumerate(world.platform.interests)}
    logs = []
    for day in days:
        assert day.events is not None
        rows = day.events.with_columns(u=pl.col("uid").str.slice(1).cast(pl.Int64), number=pl.lit(day.number))
        rows = rows.join(known, on="vid", how="left", maintain_order="left")
        user = rows["u"].to_numpy()
        interest = rows["interest_id"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
        taken_for = day.state.feed_group[user]
        logs.append(
            rows.with_columns(
                community=day.state.community[user],
                feed_group=np.where(taken_for == len(day.state.affinity) - 1, -1, taken_for),
                is_bot=world.platform.is_bot[user],
                appeal=day.state.appeal[day.state.group[user], interest],
            )
        )
    return Ran(world, days, items, pl.concat(logs))


def counts(frame: pl.DataFrame, row: str, column: str) -> np.ndarray:
    """How often each value of one column meets each of another, both in the order of their values."""
    pairs = frame.group_by(row, column).len()
    names = [pairs.select(pl.col(c).unique().sort()) for c in (row, column)]
    full = names[0].join(names[1], how="cross").join(pairs, on=[row, column], how="left").sort(row, column)
    return full["len"].fill_null(0).to_numpy().reshape(names[0].height, names[1].height).astype(float)


def stated_policy(result: Ran, number: int) -> pl.DataFrame:
    """feed_group (-1: nobody's), vid, interest_id, popularity, p: the feed of a day by the words of its module.

    0.1 at random, 0.3 by popularity, 0.6 by popularity times what is favoured: 20 times as much again of a group's
    favourite interest. For days on which communities want what they did on the first.
    """
    on, own = result.days[number].on, result.world.platform.own
    age = (pl.lit(on) - pl.col("posted").dt.date()).dt.total_days()
    reach = result.items.filter(age >= 1, age <= 14)
    favour = np.vstack([1 + 20 * own / own.max(axis=1, keepdims=True), np.ones(own.shape[1])])
    groups = pl.DataFrame(
        {
            "feed_group": [g for g in (*range(len(own)), -1) for _ in range(own.shape[1])],
            "interest_id": list(result.world.platform.interests) * len(favour),
            "favour": favour.ravel(),
        }
    )
    weight = pl.col("popularity") * pl.col("favour")
    popular, personal = (w / w.sum().over("feed_group") for w in (pl.col("popularity"), weight))
    return reach.join(groups, on="interest_id").select(
        "feed_group", "vid", "interest_id", "popularity", p=0.1 / reach.height + 0.3 * popular + 0.6 * personal
    )


def per_showing(log: pl.DataFrame, yardstick: pl.DataFrame | None = None) -> pl.DataFrame:
    """The showings of a log, each with what followed: played, watch_ms, liked, refused, strength.

    What users did is put to the latest showing of the item to them. Strength is by the words of docs/method.md, not by
    the code: the quantile of the watch among the day's of like length, a like (weight 3) halves the distance to 1, a
    "not interested" (weight 3) halves the strength.

    Args:
        log: of `Ran`.
        yardstick: the log whose watches those of this one are compared with; default: itself.
    """
    pair = ["number", "uid", "vid"]
    shown = log.filter(pl.col("action") == "impression").drop("play_ms", "action").sort("ts")
    shown = shown.with_row_index("showing")
    acts = log.filter(pl.col("action") != "impression").select(*pair, "ts", "action", "play_ms").sort("ts")
    whose = acts.join_asof(shown.select(*pair, "ts", "showing"), on="ts", by=pair, check_sortedness=False)

    def times(action: str) -> pl.Expr:
        return (pl.col("action") == action).sum().cast(pl.Int64)

    did = whose.group_by("showing").agg(
        times("play").alias("played"), times("unlike"), times("not_interested").alias("refused"),
        (times("like") - times("unlike")).alias("liked"), pl.col("play_ms").sum().alias("watch_ms"),
    )  # fmt: skip
    both = shown.join(did, on="showing", how="left", maintain_order="left").with_columns(
        pl.col("played", "liked", "refused", "watch_ms").fill_null(0)
    )
    quantile = _quantiles(both, log if yardstick is None else yardstick)
    halved = [pl.lit(0.5).pow(pl.col(c).clip(0, 1)) for c in ("liked", "refused")]
    return both.with_columns(strength=(1 - (1 - pl.Series(quantile)) * halved[0]) * halved[1])


def _quantiles(shown: pl.DataFrame, yardstick: pl.DataFrame) -> np.ndarray:
    def cells(frame: pl.DataFrame) -> np.ndarray:
        half_octave = np.floor(2 * np.log2(frame["dur"].to_numpy()) + 1e-9).astype(int)
        return np.asarray(frame["number"].to_numpy() * 100 + half_octave)

    plays = yardstick.filter(pl.col("action") == "play")
    known, watches = cells(plays), plays["play_ms"].to_numpy()
    found, at, cell = np.zeros(shown.height), shown["watch_ms"].to_numpy(), cells(shown)
    for c in np.unique(cell[at > 0]):
        mine = (cell == c) & (at > 0)
        among = watches[known == c]
        among = np.sort(among if len(among) >= 20 else watches[known // 100 == c // 100])
        low, high = (np.searchsorted(among, at[mine], side) for side in ("left", "right"))
        found[mine] = (low + high) / 2 / len(among)
    return found


def z_of_sum(values: np.ndarray, chances: np.ndarray) -> float:
    """How many standard errors a number of hits lies from what is expected of draws with known chances."""
    return float((values.sum() - chances.sum()) / np.sqrt((chances * (1 - chances)).sum()))
