"""What a suggestion asks a service to do: the action of each kind, with its parameters.

Belongs here: how much of anything is asked for. Does not belong here: the form of an action, and what of it may be told
(action).
"""

import math
from collections.abc import Mapping
from typing import Any

from coterie.strategies.kinds import BOOST, BRIDGE, COLD_START, DIVERSIFY, EXPLORE, REST, SEED_CREATORS, TIMING
from coterie.strategies.newcomers import bundle_of

MOVED_SHARE = 0.2  # of an interest's showings, that a boost adds and diversifying takes away
EXPLORE_SLOTS, SEED_SLOTS = 2, 1


def action_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The action of a candidate, as action.v1.json has it."""
    parameters: dict[str, Any]
    if row["kind"] == BOOST:
        parameters = {"multiplier": round(1 + MOVED_SHARE, 6)}
    elif row["kind"] == DIVERSIFY:
        parameters = {"multiplier": round(1 - MOVED_SHARE, 6)}
    elif row["kind"] == SEED_CREATORS:
        parameters = {"slots_per_100": SEED_SLOTS}  # whom stands in its own column, where a person can be forgotten
    elif row["kind"] == EXPLORE:
        parameters = {"slots_per_100": EXPLORE_SLOTS}
    elif row["kind"] == BRIDGE:
        parameters = {"from_community_id": row["other_community_id"], "share_of_interest": MOVED_SHARE}
    elif row["kind"] == REST:
        parameters = {"most_per_day": row["most_per_day"]}
    elif row["kind"] == COLD_START:
        parameters = {"signals": row["signals"], "bundle": bundle_of(row["bundle"])}
    elif row["kind"] == TIMING:
        parameters = {name: row[name] for name in ("from_hour", "to_hour", "timezone")}
    else:
        # Items of the interest to add so that its share of supply meets the share that is asked for.
        wanted = min(row["baseline"] + row["effect"], 0.9)
        missing = (wanted * row["supply_total"] - row["supply"]) / (1 - wanted)
        parameters = {"items_wanted": max(1, math.ceil(round(missing, 6)))}
    about = {} if row["interest_id"] is None else {"interest_id": row["interest_id"]}
    return {"type": row["kind"], "community_id": row["community_id"], **about, "parameters": parameters}
