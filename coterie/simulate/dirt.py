"""What is wrong with real logs, in known doses.

Belongs here: spoiling rows and holding rows back. Does not belong here: the giant account, which is a user like any
other but for its activity (see platform).
"""

import numpy as np
import polars as pl

MISSING_USERS = 0.005
UNKNOWN_TYPES = 0.003
NEGATIVE_WATCHES = 0.005  # of rows with a watch time
DUPLICATES = 0.01
LATE_BY_ONE, LATE_BY_TWO = 0.015, 0.005  # days
UNKNOWN_TYPE = "heartbeat"


def soil(rng: np.random.Generator, events: pl.DataFrame) -> pl.DataFrame:
    """Blank user ids, unknown event types, negative watch times, and exact copies of rows, in random places."""
    n = events.height
    draws = {name: pl.Series(rng.random(n)) for name in ("user", "type", "watch")}
    spoilt = events.with_columns(
        pl.when(draws["user"] >= MISSING_USERS).then("uid").alias("uid"),
        pl.when(draws["type"] < UNKNOWN_TYPES).then(pl.lit(UNKNOWN_TYPE)).otherwise("action").alias("action"),
    )
    if "play_ms" in events.columns:
        wrong = draws["watch"] < NEGATIVE_WATCHES
        spoilt = spoilt.with_columns(pl.when(wrong).then(-pl.col("play_ms")).otherwise("play_ms").alias("play_ms"))
    return pl.concat([spoilt, spoilt.filter(pl.Series(rng.random(n) < DUPLICATES))])


def by_arrival(rng: np.random.Generator, events: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows that arrive on the day itself, one day late and two days late."""
    draw = rng.random(events.height)
    late = np.where(draw < LATE_BY_TWO, 2, np.where(draw < LATE_BY_TWO + LATE_BY_ONE, 1, 0))
    return [events.filter(pl.Series(late == days)) for days in range(3)]
