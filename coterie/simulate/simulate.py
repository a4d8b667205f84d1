"""Simulate a platform: the days in turn, and the files that they leave.

Belongs here: the order of the days, the files, the description. Does not belong here: chance, which has its rules in
the modules beside.

Each day draws from a stream of its own, made of the seed and the day's number. So a day costs what it costs however
many came before, and a longer simulation begins with the same days.
"""

from collections import deque
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from coterie.errors import SettingError
from coterie.simulate.behaviour import act, play_chance, respond, rows_per_showing
from coterie.simulate.dirt import by_arrival, soil
from coterie.simulate.feed import draw_showings, policy, with_random
from coterie.simulate.items import LIFETIME, Cohort, catalogue, draw_cohort, words_of
from coterie.simulate.platform import Platform, draw_platform
from coterie.taxonomy import load_taxonomy

_PLATFORM, _ITEMS, _EVENTS, _DIRT = range(4)  # streams of chance
_SHOWN_TYPES: Mapping[str, Mapping[str, object]] = {
    "impression": {"kind": "exposure"},
    "play": {"kind": "watch"},
    "like": {"kind": "positive", "weight": 3},
    "not_interested": {"kind": "negative", "weight": 3},
    "unlike": {"kind": "undo", "of": "like"},
}
_ACT_TYPES: Mapping[str, Mapping[str, object]] = {
    "like": {"kind": "positive", "weight": 1},
    "comment": {"kind": "positive", "weight": 3},
}
_EVENT_COLUMNS = {"user_id": "uid", "item_id": "vid", "event_type": "action", "occurred_at": "ts", "event_id": "id"}
_SHOWN_COLUMNS = {"watch_ms": "play_ms", "position": "slot", "propensity": "p_show", "is_random": "explore"}
_ITEM_COLUMNS = {
    "item_id": "vid", "text": "caption", "creator_id": "author", "hashtags": "tags", "language": "lang",
    "duration_ms": "dur", "created_at": "posted",
}  # fmt: skip


def simulate(
    out: Path,
    *,
    seed: int,
    first_day: date,
    days: int,
    users: int,
    events_per_day: int,
    communities: int,
    mixing: float,
    exposures: bool,
    dirt: bool,
) -> str:
    """Write a source and the truth behind it.

    The folder gets `source.yaml`, `events/YYYY-MM-DD.parquet` (what arrived on that day, UTC), `items.parquet`, and
    `truth/`: `users.parquet` (uid, community, activity), `affinities.parquet` (community, interest_id, affinity,
    appeal, play_rate at the top of the feed, feed_weight) and `items.parquet` (vid, interest_id, popularity).
    A day's showings come from the items made in the two weeks before it, with the propensity

        0.1 / N + 0.9 w_i / sum w,    w_i = popularity_i * feed_weight of the item's interest for the community.

    Args:
        out: a folder that does not exist yet, or an empty one.
        seed: equal seeds, with equal arguments, give equal bytes; at least 0.
        first_day: the first day of the log.
        days: how many days, at least 1.
        users: how many users, at least 2 and as many as communities.
        events_per_day: rows of the log on a day, on average; at least 10.
        communities: how many communities, at least 1.
        mixing: from 0, where a member wants only what is the community's own, to 1, where everybody wants alike.
        exposures: log what the feed showed; else only likes and comments are logged.
        dirt: add duplicates, late rows, missing users, negative watch times, unknown event types and a giant account
            (user u0000000, 2 % of all sessions). See `coterie.simulate.dirt` for the doses.

    Returns:
        A sentence that says what was written.

    Raises:
        SettingError: an argument is out of its range, or the folder holds something.
    """
    _check(out, seed, days, users, events_per_day, communities, mixing)
    taxonomy = load_taxonomy()

    def stream(*place: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))

    platform = draw_platform(
        stream(_PLATFORM),
        interests=list(taxonomy.interests),
        users=users,
        communities=communities,
        mixing=mixing,
        giant=dirt,
    )
    words = words_of(taxonomy, platform.interests)
    user_ids = pl.Series("uid", [f"u{u:07d}" for u in range(users)], dtype=pl.String)
    (out / "events").mkdir(parents=True)
    (out / "truth").mkdir()
    in_reach: deque[Cohort] = deque(maxlen=LIFETIME)
    item_rows, item_truth = [], []
    late: list[list[pl.DataFrame]] = [[], []]  # rows for the next day, for the day after it
    total = 0
    for number in range(-LIFETIME, days):
        day = first_day + timedelta(days=number)
        if number >= 0:
            events = _events(stream(_EVENTS, number), platform, catalogue(in_reach), events_per_day, exposures)
            events = _logged(events, day, user_ids, catalogue(in_reach).ids)
            if dirt:
                rng = stream(_DIRT, number)
                on_time, by_one, by_two = by_arrival(rng, soil(rng, events))
                events = pl.concat([on_time, *late[0]])
                late = [[*late[1], by_one], [by_two]]
            # Late rows of the last days have not arrived when the log ends.
            events.write_parquet(out / "events" / f"{day}.parquet")
            total += events.height
        cohort, rows, truth = draw_cohort(
            stream(_ITEMS, number + LIFETIME), platform=platform, words=words, day=day, events_per_day=events_per_day
        )
        in_reach.append(cohort)
        item_rows.append(rows)
        item_truth.append(truth)
    items = pl.concat(item_rows)
    items.write_parquet(out / "items.parquet")
    pl.concat(item_truth).write_parquet(out / "truth" / "items.parquet")
    _write_truth(out / "truth", platform, user_ids)
    last_day = first_day + timedelta(days=days - 1)
    # Last: a folder that has a description is whole.
    (out / "source.yaml").write_text(_description(first_day, last_day, exposures), encoding="utf-8")
    what = "showings and what followed" if exposures else "likes and comments"
    return (
        f"{out}: {total:,} rows ({what}) from {first_day} to {last_day}, {users:,} users in {communities} communities "
        f"mixed {mixing:g}, {items.height:,} items of {len(platform.interests)} interests; the truth is in "
        f"{out / 'truth'}."
    )


def _check(out: Path, seed: int, days: int, users: int, events_per_day: int, communities: int, mixing: float) -> None:
    least = (("seed", seed, 0), ("days", days, 1), ("events_per_day", events_per_day, 10),
             ("communities", communities, 1), ("users", users, max(2, communities)))  # fmt: skip
    for name, found, minimum in least:
        if found < minimum:
            raise SettingError(f"simulate: {name}: found {found}; expected at least {minimum}")
    if not 0 <= mixing <= 1:
        raise SettingError(f"simulate: mixing: found {mixing}; expected a number from 0 to 1")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"simulate: {out}: found files there; expected a new or an empty folder")


def _events(
    rng: np.random.Generator, platform: Platform, items: Cohort, events_per_day: int, exposures: bool
) -> pl.DataFrame:
    if not exposures:
        return act(rng, platform, items, events_per_day)
    chosen = policy(platform, items)
    showings = max(1, round(events_per_day / rows_per_showing(platform, items, with_random(chosen))))
    return respond(rng, platform, items, draw_showings(rng, platform, chosen, showings))


def _logged(events: pl.DataFrame, day: date, user_ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    """The rows as the platform writes them: in the order of time, numbered, with ids for numbers."""
    start = pl.lit(datetime(day.year, day.month, day.day), dtype=pl.Datetime("ms"))
    ordered = events.sort("ts", maintain_order=True)
    first_id = int(f"{day:%Y%m%d}") * 10**9
    return ordered.select(
        pl.Series("id", np.arange(first_id, first_id + events.height)),
        user_ids.gather(ordered["uid"]).alias("uid"),
        item_ids.gather(ordered["vid"]).alias("vid"),
        "action",
        (start + pl.duration(milliseconds=pl.col("ts"), time_unit="ms")).dt.replace_time_zone("UTC").alias("ts"),
        pl.exclude("uid", "vid", "action", "ts"),
    )


def _write_truth(folder: Path, platform: Platform, user_ids: pl.Series) -> None:
    users = pl.DataFrame({"uid": user_ids, "community": platform.community, "activity": platform.activity})
    users.write_parquet(folder / "users.parquet")
    groups, interests = platform.affinity.shape
    affinities = pl.DataFrame(
        {
            "community": np.repeat(np.arange(groups), interests),
            "interest_id": list(platform.interests) * groups,
            "affinity": platform.affinity.reshape(-1),
            "appeal": platform.appeal.reshape(-1),
            "play_rate": play_chance(platform.appeal, 1.0).reshape(-1),
            "feed_weight": platform.feed_weight.reshape(-1),
        }
    )
    affinities.write_parquet(folder / "affinities.parquet")


def _description(first_day: date, last_day: date, exposures: bool) -> str:
    description: dict[str, Any] = {
        "name": "simulated",
        "timezone": "UTC",
        "first_day": first_day,
        "last_day": last_day,
        "events": {
            "path": "events/*.parquet",
            "columns": _EVENT_COLUMNS | (_SHOWN_COLUMNS if exposures else {}),
            "event_types": dict(_SHOWN_TYPES if exposures else _ACT_TYPES),
        },
        "items": {"path": "items.parquet", "columns": _ITEM_COLUMNS},
    }
    return yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
