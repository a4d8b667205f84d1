"""What stands behind a suggestion: `strategies.evidence`, counts and numbers rounded so that they may be told.

Belongs here: which numbers, under which names. Does not belong here: where they come from (candidates, propose).
"""

import json
import math
from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any

from coterie.strategies import wording
from coterie.strategies.bridges import BRIDGE_GAIN
from coterie.strategies.creators import CREATOR_GAIN
from coterie.strategies.kinds import BOOST, BRIDGE, COLD_START, DIVERSIFY, REST, SEED_CREATORS, TIMING
from coterie.strategies.newcomers import PLACED
from coterie.strategies.outcome import GAIN, LOSS, WINDOW_DAYS
from coterie.strategies.resting import REST_GAIN
from coterie.strategies.timing import TIMING_GAIN

MOVING_METRICS = (GAIN, LOSS, CREATOR_GAIN, BRIDGE_GAIN, REST_GAIN)  # of a showing that moves

# What only candidates of a kind and metric have: its name here, and the column.
_OF_KIND: Mapping[tuple[str, str], Mapping[str, str]] = MappingProxyType(
    {
        (BOOST, GAIN): {
            "members_less_others": "beside_others",
            "members_less_others_std_error": "beside_others_error",
        },
        (DIVERSIFY, LOSS): {
            "share_rose_within_the_week": "share_rise",
            "gain_fell_within_the_week": "gain_fall",
            "gain_fell_std_error": "gain_fall_error",
        },
        (BRIDGE, BRIDGE_GAIN): {
            "from_community": "other_community_id",
            "share_of_their_showings_of_the_interest": "their_share",
            "share_of_own_showings_of_the_interest": "own_share",
        },
        (SEED_CREATORS, CREATOR_GAIN): {"share_of_others_showings": "shown_to_others"},
        (REST, REST_GAIN): {
            "share_of_its_showings_beyond_the_cap": "late_share",
            "loses_more_beyond_the_cap": "tired",
            "loses_more_std_error": "tired_error",
            "negative_signals_rise_beyond_the_cap": "annoyed",
            "negative_signals_rise_std_error": "annoyed_error",
        },
        (COLD_START, PLACED): {"engagements_until_known": "signals", "share_of_members_placed_right": "known_share"},
        (TIMING, TIMING_GAIN): {"the_same_for_everybody": "popularity"},
    }
)


def evidence_of(day: date, row: Mapping[str, Any], tested: int, disclosure_k: int, share: float) -> dict[str, Any]:
    """What is known of a candidate, and by whom.

    Args:
        day: the day of the suggestion.
        row: the candidate.
        tested: how many candidates were tested that day.
        disclosure_k: smaller counts are not told.
        share: of users that the numbers rest on.
    """
    evidence: dict[str, Any] = {
        "window": [(day - timedelta(days=WINDOW_DAYS - 1)).isoformat(), day.isoformat()],
        "members_as_of": (day - timedelta(days=WINDOW_DAYS)).isoformat(),
        "compared_with": wording.COMPARISONS[row["metric"]],
        "active_members": disclosed(row["members"], disclosure_k),
        "candidates_tested": tested,
    }
    if share < 1:
        evidence["share_of_users"] = rounded(share)  # counts of active and engaged users are of the sample
    if row["kind"] == TIMING:
        evidence |= _hours(row)
    if row["why_not"] is not None:
        return evidence | {"not_evaluable": row["why_not"]}
    evidence |= {
        "members_engaged": disclosed(row["engaged"], disclosure_k),
        "others_active": disclosed(row["others"], disclosure_k),
        "others_engaged": disclosed(row["engaged_others"], disclosure_k),
        "members_value": rounded(row["value"]),
        "raw_difference": rounded(row["difference"]),
        "raw_std_error": rounded(row["std_error"]),
        "bias_bound": rounded(row["bias_bound"]),
        "weekly_change": rounded(row["change"] if row["move"] is None else row["move"] / abs(row["effect"])),
        "shrinkage": {
            "method": "adaptive shrinkage, mixture of half-normals at zero",
            "kept_share": rounded(row["effect"] / row["difference"]) if row["difference"] else None,
            "prior_spread": rounded(row["spread"] * row["scale"]),
        },
        "label_confidence": rounded(row["label_confidence"]),
        "label_items": rounded(row["label_items"]),
        "label_error": rounded(row["label_error"]),
        "placebo": rounded(row["placebo"]),
        "effective_users": rounded(row["effective_users"]),
    }
    if row["moved"] is not None:
        evidence["share_of_showings_moved"] = rounded(row["moved"])
    if row["effective_rows"] is not None:
        evidence["effective_rows"] = rounded(row["effective_rows"])
    if row["cut_share"] is not None:
        evidence["share_of_weight_cut"] = rounded(row["cut_share"])
    if row["metric"] in MOVING_METRICS:
        evidence |= {
            "share_of_showings_now": rounded(row["served_share"]),
            "the_same_for_everybody": rounded(row["popularity"]),
        }
    evidence |= _of_kind(row)
    if row["link"] is not None:
        evidence["linked_with"] = row["link"]
    return evidence


def _hours(row: Mapping[str, Any]) -> dict[str, Any]:
    """When the members are there, which is known whether or not a showing can be valued."""
    return {name: row[name] for name in ("from_hour", "to_hour", "timezone")} | {
        "share_of_presence_in_hours": rounded(row["share_in_hours"]),
        "share_of_presence_interval": [rounded(row["share_low"]), rounded(row["share_high"])],
        "others_share_of_presence": rounded(row["others_in_hours"]),
    }


def _of_kind(row: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: row[column] for name, column in _OF_KIND.get((row["kind"], row["metric"]), {}).items()}
    return {name: value if isinstance(value, str) else rounded(value) for name, value in values.items()}


def disclosed(count: int, disclosure_k: int) -> int | None:
    """A count that may be shown: rounded down to a multiple of 5, null below the disclosure size."""
    return count // 5 * 5 if count >= disclosure_k else None


def rounded(value: float | None) -> float | None:
    """Six significant digits: enough for readers, and stable in text."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def as_json(value: Mapping[str, Any]) -> str:
    """Canonical JSON: sorted keys, real characters."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
