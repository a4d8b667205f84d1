"""Sentences that go with a suggestion: what must not get worse, and what stops it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from coterie.strategies.bridges import BRIDGE_GAIN
from coterie.strategies.creators import CREATOR_GAIN
from coterie.strategies.newcomers import PLACED
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, LOSS, SHARE, WINDOW_DAYS
from coterie.strategies.resting import REST_GAIN
from coterie.strategies.timing import TIMING_GAIN

GUARDRAIL_LOSS = 0.02

NOT_APPLIED = "Nothing is applied: the log does not allow an estimate."

COMPARISONS: Mapping[str, str] = MappingProxyType(
    {
        SHARE: "all users active in the window who are not members",
        EXPOSURE: "users who were shown the interest in the window and are not members",
        GAIN: "a showing of what the members are shown now",
        LOSS: "a showing of the interest",
        CREATOR_GAIN: "a showing of what the members are shown now",
        BRIDGE_GAIN: "a showing of the interest, as members are shown it now",
        PLACED: "the community's share of all users who had so many engagements",
        REST_GAIN: "a showing of the interest beyond the cap, on the same days of the same members",
        TIMING_GAIN: "a showing that the same members were given at other times of the same days",
        ADOPTION: "users active in the window who are not members and had no earlier engagement with the interest",
        GAP: "the interest's share of the items supplied in the window",
    }
)

_MEASURES: Mapping[str, str] = MappingProxyType(
    {
        SHARE: "share of the members' engagement that goes to this interest",
        EXPOSURE: "members' engagement strength per showing of this interest",
        GAIN: "members' engagement strength, for each showing that is given to this interest,",
        LOSS: "members' engagement strength, for each showing that is taken from this interest,",
        CREATOR_GAIN: "members' engagement strength, for each showing that is given to this creator,",
        BRIDGE_GAIN: "members' engagement strength, for each showing of the interest that is given to these items,",
        PLACED: "share of newcomers placed in the community who turn out to belong to it, above its share of all users",
        REST_GAIN: "members' engagement strength, for each showing beyond the cap that goes to something else,",
        TIMING_GAIN: "members' engagement strength, for each showing in these hours against one at other times,",
        ADOPTION: "share of members new to this interest who engage with it",
        GAP: "share of the members' engagement that goes to this interest, above its share of supply",
    }
)


def guardrail(row: Mapping[str, Any]) -> str:
    """What must not get worse while the suggestion is followed."""
    loss = f"{GUARDRAIL_LOSS:.0%}"
    if row["metric"] in (EXPOSURE, GAIN, LOSS, CREATOR_GAIN, BRIDGE_GAIN, TIMING_GAIN, REST_GAIN):
        return (
            f"Engagement strength per showing over all interests, now {row['community_mean']:.4f} among members, must "
            f"not fall by more than {loss} against the control group."
        )
    if row["metric"] == GAP:
        return (
            "Engagement strength per item of this interest must not fall by more than 10% as items are added, and "
            f"members' total engagement must not fall by more than {loss} against the control group."
        )
    if row["metric"] == PLACED:
        return (
            f"Newcomers' engagement strength a day over all interests must not fall by more than {loss} against the "
            "control group, nor the share of them who come back within 7 days."
        )
    return (
        f"Members' engagement strength a day over all interests must not fall by more than {loss} against the control "
        "group, nor the share of them who come back within 7 days."
    )


def kill_criterion(row: Mapping[str, Any]) -> str:
    """What stops the suggestion before it expires."""
    return (
        f"Stop if after {WINDOW_DAYS} days the upper end of the 90% interval of the measured gain in the "
        f"{_MEASURES[row['metric']]} is below {row['effect'] / 2:.4f} (half of what is predicted), or as soon as the "
        "guardrail is broken with 95% confidence."
    )
