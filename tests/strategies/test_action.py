"""The action's schema: it is one, every row that the product makes keeps to it, and what may be told is told coarsely."""

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_world import DAY, full_graph, taxonomy, world

from coterie.strategies.action import action_schema, told
from coterie.strategies.kinds import KINDS
from coterie.strategies.propose import strategies_of_day

CHECK = jsonschema.Draft202012Validator(action_schema())
GAP = {"type": "close_supply_gap", "community_id": "c", "interest_id": "i", "parameters": {"items_wanted": 73}}


def test_the_schema_is_a_schema_with_a_version_and_a_branch_for_every_kind() -> None:
    jsonschema.Draft202012Validator.check_schema(action_schema())
    assert action_schema()["$id"] == "urn:coterie:action:1"
    branches = [branch["$ref"].removeprefix("#/$defs/") for branch in action_schema()["oneOf"]]
    assert branches == ["none", *KINDS]


@pytest.mark.parametrize("seed", range(4))
def test_every_action_that_is_made_keeps_to_it(seed: int) -> None:
    made = world(seed)
    rows = strategies_of_day(
        day=DAY, days=made.days(DAY), communities=made.community_rows(), interest_graph=full_graph(),
        taxonomy=taxonomy("d0.i01"),
    )  # fmt: skip
    assert rows.height
    for text in rows["action"]:
        CHECK.validate(json.loads(text))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "nothing"},
        {"type": "none", "parameters": {}},
        {**GAP, "parameters": {}},
        {**GAP, "parameters": {"items_wanted": 0}},
        {**GAP, "parameters": {"items_wanted": 3, "more": 1}},
        {**GAP, "community_id": ""},
        {**GAP, "type": "boost_interest"},
        {**GAP, "type": "boost_interest", "parameters": {"multiplier": 1}},
    ],
)
def test_what_no_service_could_apply_is_refused(wrong: dict) -> None:
    assert not CHECK.is_valid(wrong)


@given(st.integers(1, 100_000), st.floats(1e-3, 1.0), st.floats(1e-3, 2.0))
def test_a_number_of_estimates_is_told_no_finer_than_they_are_known(items: int, effect: float, relative: float) -> None:
    action = {**GAP, "parameters": {"items_wanted": items}}
    answer = told(action, effect=effect, std_error=effect * relative)
    CHECK.validate(answer)
    wanted = answer["parameters"]["items_wanted"]
    error = items * relative
    assert items <= wanted <= items + max(1, round(error / 2))
    if error >= 10:
        step = max(s * 10**k for k in range(6) for s in (1, 2, 5) if s * 10**k <= error / 2)
        assert wanted == -(-items // step) * step


def test_what_the_schema_does_not_let_out_stays() -> None:
    assert told({"type": "none"}, effect=None, std_error=None) is None
    assert told({"type": "seed_creators", "parameters": {"creators": ["u1"]}}, effect=0.1, std_error=0.1) is None
    assert told({**GAP, "parameters": {"items_wanted": 3, "users": ["u1"]}}, effect=0.1, std_error=0.1) is None
    assert told(GAP, effect=None, std_error=None) is None
    assert told(GAP, effect=0.1, std_error=0.02)["parameters"] == {"items_wanted": 75}
