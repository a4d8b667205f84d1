"""Words for people who read a sheet or a slide: kinds, actions, and how an effect is known.

Belongs here: short English texts made of ids and numbers. Does not belong here: what is true.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "boost_interest": "Show more",
        "explore_interest": "Try something new",
        "close_supply_gap": "Get more items",
        "diversify": "Show less",
        "seed_creators": "Show a creator they hardly see",
        "bridge": "Show what another community sees",
        "timing": "Reach them at their hours",
        "cold_start_bundle": "Show newcomers first",
        "rest_interest": "Show at most so often a day",
    }
)
_VERBS: Mapping[str, str] = MappingProxyType(
    {
        "boost_interest": "Show more of",
        "explore_interest": "Try",
        "close_supply_gap": "Get more items of",
        "diversify": "Show less of",
        "seed_creators": "Show a creator of",
        "bridge": "Show another community's",
    }
)
_METRICS: Mapping[str, str] = MappingProxyType(
    {
        "strength_per_exposure": "engagement strength per showing, against others",
        "share_of_engagement": "share of engagement, against others",
        "gain_per_showing": "engagement strength for each showing given to it, against what is shown now",
        "loss_per_showing": "engagement strength for each showing taken from it, against what is shown otherwise",
        "gain_per_showing_of_creator": "engagement strength for each showing given to the creator, against what is shown now",
        "gain_per_showing_bridged": "engagement strength for each showing given to the items, against the interest as shown now",
        "gain_per_showing_rested": "engagement strength for each showing beyond the cap that goes to something else, the same day",
        "placed_right": "share of those placed in the community who belong to it, above its share of all users",
        "gain_per_showing_in_hours": "engagement strength for each showing in the hours, against other times of the same day",
        "adoption": "share of newcomers to the interest who take it up, against others",
        "demand_minus_supply": "share of engagement above share of supply",
    }
)
_KNOWN_BY: Mapping[str, str] = MappingProxyType(
    {
        "random_exposure": "random showings",
        "propensity": "logged propensities",
        "observational": "observed, bias bounded",
        "not_evaluable": "not evaluable",
    }
)


_ASKS: Mapping[str, str] = MappingProxyType(
    {
        "boost_interest": "ranking score × {multiplier:g}",
        "diversify": "ranking score × {multiplier:g}",
        "explore_interest": "{slots_per_100} of 100 places in the feed",
        "close_supply_gap": "about {items_wanted:,} more items in a week",
        "bridge": "{share_of_interest:.0%} of its showings to items of {from_community_id}",
        "rest_interest": "at most {most_per_day} showings of it a day and user",
        "timing": "from {from_hour}:00 to {to_hour}:00, {timezone}",
    }
)


def plain(word: str) -> str:
    """An id as words: `boost_interest` becomes `boost interest`."""
    return word.replace("_", " ")


def kind_of(kind: str) -> str:
    """What a kind of suggestion asks for."""
    return _KINDS.get(kind, plain(kind).capitalize())


def verb_of(kind: str) -> str:
    """A kind as the beginning of a sentence that goes on with the interest."""
    return _VERBS.get(kind, f"{plain(kind).capitalize()}:")


def asks_of(kind: str, interest: str, community: str, action: Mapping[str, Any] | None = None) -> str:
    """What a suggestion asks for, as a sentence without its full stop; with what there is of its action."""
    if kind == "timing":
        return f"Reach {community} {ask_of(action) or 'at their own hours'}"
    if kind == "rest_interest":
        often = "so often" if action is None else f"{action['parameters']['most_per_day']} times"
        return f"Show {community} {interest} at most {often} a day"
    if kind == "cold_start_bundle":
        return f"Show newcomers {interest} first, to tell who belongs to {community}"
    return f"{verb_of(kind)} {interest} for {community}"


def metric_of(metric: str) -> str:
    """What an effect measures."""
    return _METRICS.get(metric, plain(metric))


def known_by(evaluability: str) -> str:
    """How an effect is known."""
    return _KNOWN_BY.get(evaluability, plain(evaluability))


def ask_of(action: Mapping[str, Any] | None) -> str:
    """An action that was told, in words; empty if there is none."""
    if action is None:
        return ""
    parameters = action.get("parameters", {})
    if action["type"] == "cold_start_bundle":
        shown = ", ".join(f"{part['items']} items of {part['interest_id']}" for part in parameters["bundle"])
        return f"{shown}; {parameters['signals']} engagements tell who belongs here"
    if action["type"] in _ASKS:
        return _ASKS[action["type"]].format(**parameters)
    return ", ".join(f"{plain(name)} {value}" for name, value in sorted(parameters.items()))


def points(value: float | None) -> str:
    """A difference between shares in points of a hundred, with its sign."""
    return "—" if value is None else f"{value * 100 + 0.0:+.1f}"


def points_above_zero(value: float) -> str:
    """The lower end of what passed the test of being above zero, where rounding alone may have made it zero."""
    said = points(value)
    return said if said.strip("+-0.") else "just above 0.0"


def number_of(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
