"""Write a simulated platform: the log as it arrived, its items, its description, and the truth behind it.

Belongs here: files. Does not belong here: what is in them.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from coterie.errors import SettingError
from coterie.simulate.dirt import CHANGES, by_arrival, change_items, soil
from coterie.simulate.effects import boost_change, boost_truth, engagement_truth, strength_of_appeal
from coterie.simulate.life import members_over_time
from coterie.simulate.platform import trends
from coterie.simulate.scenario import Scenario
from coterie.simulate.world import DIRT, ITEM_DIRT, World

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


def simulate(out: Path, scenario: Scenario) -> str:
    """Write a source and the truth behind it; memory is bounded by a day.

    The folder gets `source.yaml`, `events/YYYY-MM-DD.parquet` (what arrived on that day, UTC), `items.parquet` (as of
    the end of the last day), and `truth/`:

    - `users.parquet`: uid, from_day, to_day (both count), community (null: none), feed_group, activity, is_bot;
    - `items.parquet`: vid, interest_id, accepted (ids that are right as well), language, pack, popularity;
    - `item_changes.parquet`: vid, day, change, text_before (with dirt);
    - `engagement.parquet`: by day, community and interest what `effects.engagement_truth` says;
    - `boosts.parquet`: the true effect of each possible boost on the last day (`effects.boost_truth`);
    - `rehearsal.parquet`: day, community, showings, strength_without, strength_with, effect, error: what the boosts
      of the scenario changed (with boosts; `effects.boost_change`);
    - `lineage.parquet`: day, event, community, from_communities;
    - `trends.parquet`: day, interest_id, factor (of everybody's want of it), viral.

    Args:
        out: a folder that does not exist yet, or an empty one.
        scenario: the platform.

    Returns:
        A sentence that says what was written.

    Raises:
        SettingError: the folder holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(f"simulate: {out}: found files there; expected a new or an empty folder")
    world = World(scenario)
    (out / "events").mkdir(parents=True)
    truth = out / "truth"
    truth.mkdir()
    last_day = scenario.first_day + timedelta(days=scenario.days - 1)
    items, item_truth, changes, engagement, rehearsal = [], [], [pl.DataFrame(schema=CHANGES)], [], []
    late: list[list[pl.DataFrame]] = [[], []]  # rows for the next day, for the day after it
    total = 0
    for day in world.days():
        if day.events is not None:
            response = strength_of_appeal(world, day) if scenario.exposures else None
            engagement.append(engagement_truth(world, day, response))
            rehearsal.append(boost_change(world, day))
            arrived = day.events
            if scenario.dirt:
                rng = world.stream(DIRT, day.number)
                on_time, by_one, by_two = by_arrival(rng, soil(rng, day.events))
                arrived = pl.concat([on_time, *late[0]])
                late = [[*late[1], by_one], [by_two]]
            # Late rows of the last days have not arrived when the log ends.
            arrived.write_parquet(out / "events" / f"{day.on}.parquet")
            total += arrived.height
        rows = day.new_items
        if scenario.dirt:
            rng = world.stream(ITEM_DIRT, day.number + 10_000)
            rows, changed = change_items(rng, rows, day.on, last_day)
            changes.append(changed)
        items.append(rows)
        item_truth.append(day.item_truth)
    pl.concat(items).write_parquet(out / "items.parquet")
    pl.concat(item_truth).write_parquet(truth / "items.parquet")
    if scenario.dirt:
        pl.concat(changes).write_parquet(truth / "item_changes.parquet")
    known = pl.concat(engagement)
    known.write_parquet(truth / "engagement.parquet")
    boost_truth(known, last_day).write_parquet(truth / "boosts.parquet")
    if scenario.boosts:
        pl.concat(rehearsal).write_parquet(truth / "rehearsal.parquet")
    world.lineage.write_parquet(truth / "lineage.parquet")
    trends(world.platform).write_parquet(truth / "trends.parquet")
    members_over_time(world.platform, world.course, world.user_ids).write_parquet(truth / "users.parquet")
    # Last: a folder that has a description is whole.
    (out / "source.yaml").write_text(_description(scenario), encoding="utf-8")
    what = "showings and what followed" if scenario.exposures else "likes and comments"
    communities = scenario.null or f"{scenario.communities} communities mixed {scenario.mixing:g}"
    return (
        f"{out}: {total:,} rows ({what}) from {scenario.first_day} to {last_day}, {scenario.users:,} users, "
        f"{communities}, {sum(f.height for f in items):,} items of {len(world.platform.interests)} interests; "
        f"the truth is in {truth}."
    )


def _description(scenario: Scenario) -> str:
    last_day = scenario.first_day + timedelta(days=scenario.days - 1)
    description: dict[str, Any] = {
        # Each platform under a name of its own: a home keeps the tables of sources apart by their names.
        "name": f"simulated-{hashlib.sha256(repr(scenario).encode()).hexdigest()[:8]}",
        "timezone": "UTC",
        "first_day": scenario.first_day,
        "last_day": last_day,
        "events": {
            "path": "events/*.parquet",
            "columns": _EVENT_COLUMNS | (_SHOWN_COLUMNS if scenario.exposures else {}),
            "event_types": dict(_SHOWN_TYPES if scenario.exposures else _ACT_TYPES),
        },
        "items": {"path": "items.parquet", "columns": _ITEM_COLUMNS},
    }
    return yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
