"""Simulated platforms in memory, as the library's functions take them.

Belongs here: a world's days as frames, true and estimated labels. Does not belong here: any method.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import polars as pl

from coterie.engagement import engagement
from coterie.labels.local import LocalLabeller
from coterie.simulate import Scenario, World
from coterie.simulate.effects import boost_truth, engagement_truth, strength_of_appeal
from coterie.simulate.life import members_over_time
from coterie.sources.texts import hashtags
from coterie.taxonomy import Taxonomy, load_taxonomy

KINDS = {"impression": "exposure", "play": "watch", "like": "positive", "comment": "positive",
         "not_interested": "negative", "unlike": "undo"}  # fmt: skip
WEIGHTS = {True: {"like": 3.0, "not_interested": 3.0}, False: {"like": 1.0, "comment": 3.0}}


@dataclass(frozen=True)
class WorldDay:
    """A day: `events` and `items` as RAW_EVENTS and RAW_ITEMS have them (what is read of them), and `engagement`."""

    on: date
    events: pl.DataFrame
    items: pl.DataFrame
    engagement: pl.DataFrame


@dataclass(frozen=True)
class Known:
    """What is true of a world.

    Attributes:
        users: uid, from_day, to_day, community, feed_group, activity.
        items: vid, interest_id, accepted, language, pack, popularity.
        texts: vid, author, caption, tags, lang, dur, posted.
        engagement: by day, community and interest (`effects.engagement_truth`).
        boosts: by community and interest, on the last day (`effects.boost_truth`).
        lineage: day, event, community, from_communities.
    """

    scenario: Scenario
    users: pl.DataFrame
    items: pl.DataFrame
    texts: pl.DataFrame
    engagement: pl.DataFrame
    boosts: pl.DataFrame
    lineage: pl.DataFrame

    def communities_on(self, on: date) -> pl.DataFrame:
        """user_id and community (null for none) of every user on a day."""
        return self.users.filter(pl.col("from_day") <= on, pl.col("to_day") >= on).select(
            user_id="uid", community="community"
        )


def run_world(scenario: Scenario) -> tuple[list[WorldDay], Known]:
    """Every day of a world, and the truth about it; for worlds that fit in memory many times."""
    world = World(scenario)
    days, texts, truth, engaged = [], [], [], []
    last = scenario.first_day + timedelta(days=scenario.days - 1)
    for day in world.days():
        texts.append(day.new_items.select("vid", "author", "caption", "tags", "lang", "dur", "posted"))
        truth.append(day.item_truth)
        if day.events is None:
            continue
        if scenario.exposures:
            engaged.append(engagement_truth(world, day, strength_of_appeal(world, day)))
        items = pl.concat(texts[-15:]).select(item_id="vid", duration_ms="dur")
        events = _as_read(day.events, scenario.exposures)
        items = items.filter(pl.col("item_id").is_in(events["item_id"].unique().implode()))
        days.append(WorldDay(day.on, events, items, engagement(events, items)))
    known = pl.concat(engaged) if engaged else pl.DataFrame()
    return days, Known(
        scenario=scenario,
        users=members_over_time(world.platform, world.course, world.user_ids),
        items=pl.concat(truth),
        texts=pl.concat(texts),
        engagement=known,
        boosts=boost_truth(known, last) if engaged else pl.DataFrame(),
        lineage=world.lineage,
    )


def _as_read(events: pl.DataFrame, exposures: bool) -> pl.DataFrame:
    missing = [pl.lit(None, t).alias(c) for c, t in (("play_ms", pl.Int64), ("slot", pl.Int64), ("p_show", pl.Float64),
               ("explore", pl.Boolean)) if c not in events.columns]  # fmt: skip
    action = pl.col("action")
    return events.with_columns(missing).select(
        event_id=pl.col("id").cast(pl.String), user_id="uid", item_id="vid", event_type="action",
        kind=action.replace_strict(KINDS), weight=action.replace_strict(WEIGHTS[exposures], default=None),
        undo_of=pl.when(action == "unlike").then(pl.lit("like")), occurred_at="ts", watch_ms="play_ms",
        position="slot", propensity="p_show", is_random="explore",
    )  # fmt: skip


def true_labels(known: Known) -> pl.DataFrame:
    """Labels without error: item_id, interest_id, weight."""
    return known.items.select(item_id="vid", interest_id="interest_id", weight=pl.lit(1.0)).sort("item_id")


def local_labels(known: Known) -> pl.DataFrame:
    """What the local labeller makes of the items' texts: item_id, interest_id, weight, confidence."""
    texts = known.texts.select(
        "vid",
        text_hash=pl.concat_str(pl.col("caption").fill_null(""), pl.lit("\n"), pl.col("tags").fill_null("")),
        text="caption",
        hashtags=pl.col("tags").map_elements(hashtags, return_dtype=pl.String),
        language="lang",
    )
    labelled = _labeller().label(texts.unique("text_hash").select("text_hash", "text", "hashtags", "language"))
    total = pl.col("confidence").sum().over("item_id")
    return (
        texts.select("vid", "text_hash")
        .join(labelled.labels, on="text_hash")
        .select(item_id="vid", interest_id="interest_id", confidence="confidence")
        .with_columns(weight=pl.col("confidence") / total)
        .sort("item_id", "interest_id")
    )


@cache
def taxonomy() -> Taxonomy:
    """The shipped taxonomy."""
    return load_taxonomy()


@cache
def _labeller() -> LocalLabeller:
    return LocalLabeller(taxonomy())


def seeds(count: int, first: int = 1) -> Iterator[int]:
    """The seeds of a benchmark: 1, 2, 3, ..."""
    return iter(range(first, first + count))
