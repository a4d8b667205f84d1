"""The form of `strategies.action`: a JSON Schema with a version, and what of an action may leave the lake.

Belongs here: reading the schema. Does not belong here: which action a suggestion has (propose).

Of each parameter the schema says with `x-told` whether it may be told outside the private tables: `as it is` (a constant
of the method, hours of the day, or a count of showings), `rounded` (made from estimates). A parameter without the word is
not told, and an action with such a parameter stays in the lake.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

SCHEMA_FILE = "action.v1.json"
NOTHING = "none"  # the type of the action of a suggestion that is withheld for good
_AS_IT_IS, _ROUNDED = "as it is", "rounded"


@cache
def action_schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) that every `strategies.action` keeps to; its `$id` holds the version."""
    text = (resources.files("coterie.strategies") / SCHEMA_FILE).read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def told(action: Mapping[str, Any], *, effect: float | None, std_error: float | None) -> dict[str, Any] | None:
    """An action as it may leave the lake; None if the schema does not allow it to, or there is nothing to do.

    A parameter made from an estimate is rounded up to a multiple of between a fifth and a half of its standard error,
    as the marts round the estimate itself. Its relative error is taken to be the effect's, which is the least that it
    can be.

    Args:
        action: a `strategies.action`, parsed.
        effect: the suggestion's effect, in the metric's unit.
        std_error: its standard error, in the same unit.
    """
    kind = action.get("type")
    known = action_schema()["$defs"].get(kind, {}).get("properties", {}).get("parameters")
    if kind == NOTHING or known is None:
        return None
    parameters = {}
    for name, value in action.get("parameters", {}).items():
        how = known["properties"].get(name, {}).get("x-told")
        if how == _AS_IT_IS:
            parameters[name] = value
        elif how == _ROUNDED and effect and std_error:
            step = max(1, round(_step(abs(value * std_error / effect))))
            parameters[name] = math.ceil(value / step) * step
        else:
            return None
    return {**action, "parameters": parameters}


def _step(error: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is at most half an error: `step_of` of the marts."""
    half = error / 2
    unit: float = 10.0 ** math.floor(math.log10(half))
    return unit * (5 if half / unit >= 5 else 2 if half / unit >= 2 else 1)
