"""What is wrong with real logs, in known doses.

Belongs here: spoiling rows and items, and holding rows back. Does not belong here: the giant account and the bots,
which are users like any other but for what they do (see platform and behaviour).
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

MISSING_USERS = 0.005
UNKNOWN_TYPES = 0.003
NEGATIVE_WATCHES = 0.005  # of rows with a watch time
MISSING_ITEMS = 0.001
IMPOSSIBLE_PROPENSITIES = 0.002  # of rows with a propensity
DUPLICATES = 0.01
LATE_BY_ONE, LATE_BY_TWO = 0.015, 0.005  # days
UNKNOWN_TYPE = "heartbeat"
CHANGED_TEXTS, DELETED_ITEMS = 0.01, 0.005  # of items, within LATEST_CHANGE days after they were made
LATEST_CHANGE = 10
CHANGED_PREFIX = "[edit] "
CHANGES = {"vid": pl.String, "day": pl.Date, "change": pl.String, "text_before": pl.String}


def soil(rng: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    """Blank user and item ids, unknown event types, negative watch times, propensities above 1, and exact copies."""
    n = events.height

    def hit(share: float) -> pl.Series:
        return pl.Series(rng.random(n) < share)

    spoilt = events.with_columns(
        pl.when(~hit(MISSING_USERS)).then("uid").alias("uid"),
        pl.when(hit(UNKNOWN_TYPES)).then(pl.lit(UNKNOWN_TYPE)).otherwise("action").alias("action"),
    )
    wrong_watch, wrong_item, wrong_chance = hit(NEGATIVE_WATCHES), hit(MISSING_ITEMS), hit(IMPOSSIBLE_PROPENSITIES)
    spoilt = spoilt.with_columns(pl.when(~wrong_item).then("vid").alias("vid"))
    if "play_ms" in events.columns:
        spoilt = spoilt.with_columns(
            pl.when(wrong_watch).then(-pl.col("play_ms")).otherwise("play_ms").alias("play_ms"),
            pl.when(wrong_chance).then(pl.col("p_show") + 1).otherwise("p_show").alias("p_show"),
        )
    return pl.concat([spoilt, spoilt.filter(hit(DUPLICATES))])


def by_arrival(rng: np.random.Generator, events: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows that arrive on the day itself, one day late and two days late."""
    draw = rng.random(events.height)
    late = np.where(draw < LATE_BY_TWO, 2, np.where(draw < LATE_BY_TWO + LATE_BY_ONE, 1, 0))
    return [events.filter(pl.Series(late == days)) for days in range(3)]


def change_items(
    rng: np.random.Generator, items: pl.DataFrame, made_on: date, last_day: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A day's items as the item file has them at the end of the last day, and what happened to them until then.

    A longer log has more changes: an item file is as of the day it is written.

    Returns:
        The rows of the item file; vid, day, change (`text` or `deleted`), text_before.
    """
    n = items.height
    draw, after = rng.random(n), rng.integers(1, LATEST_CHANGE + 1, n)
    what = np.where(draw < DELETED_ITEMS, "deleted", np.where(draw < DELETED_ITEMS + CHANGED_TEXTS, "text", ""))
    changes = pl.DataFrame(
        {
            "vid": items["vid"],
            "day": [made_on + timedelta(days=d) for d in after.tolist()],
            "change": what.tolist(),
            "text_before": items["caption"],
        },
        schema=CHANGES,
    ).filter(pl.col("change") != "", pl.col("day") <= last_day)
    # Where all is said in hashtags there is no text that could change.
    changes = changes.filter((pl.col("change") != "text") | pl.col("text_before").is_not_null())
    known = items.join(changes.select("vid", "change"), on="vid", how="left", maintain_order="left")
    edited = pl.when(pl.col("change") == "text").then(CHANGED_PREFIX + pl.col("caption")).otherwise("caption")
    return (
        known.with_columns(edited.alias("caption"))
        .filter(pl.col("change").fill_null("") != "deleted")
        .select(items.columns),
        changes,
    )
