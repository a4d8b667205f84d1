"""think-cell's file: the form that its manual describes, checked by a JSON Schema; every element named once."""

import json

import export_world as world
import jsonschema

from coterie.export.findings import findings
from coterie.export.think_cell import ppttc

# From think-cell's manual, "Automation with JSON data": a cell is nothing, or one value.
CELL = {
    "oneOf": [
        {"type": "null"},
        {"type": "object", "required": ["string"], "properties": {"string": {"type": "string"}},
         "additionalProperties": False},
        {"type": "object", "required": ["number"], "properties": {"number": {"type": "number"}},
         "additionalProperties": False},
    ]
}  # fmt: skip
NAME = {"type": "string", "pattern": "^[^\\u0000-\\u001f\\u007f]+$"}
ELEMENT = {
    "type": "object",
    "required": ["name", "table"],
    "properties": {"name": NAME, "table": {"type": "array", "minItems": 1, "items": {"type": "array", "items": CELL}}},
    "additionalProperties": False,
}
SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["template", "data"],
        "properties": {"template": NAME, "data": {"type": "array", "items": ELEMENT}},
        "additionalProperties": False,
    },
}


def read(handout) -> dict[str, list]:
    text = ppttc(findings(handout), day=world.DAY, source="test", template="ours.pptx")
    document = json.loads(text)
    jsonschema.validate(document, SCHEMA)
    (one,) = document
    assert one["template"] == "ours.pptx"
    names = [element["name"] for element in one["data"]]
    assert len(names) == len(set(names)) == 1 + 5 * 4
    return {element["name"]: element["table"] for element in one["data"]}


def test_a_chart_is_a_datasheet_of_categories_and_series() -> None:
    tables = read(world.handout())
    figure = findings(world.handout())[1].figure
    head, hundred, effect, low, high = tables["Finding2Chart"]
    assert hundred == []
    assert head == [None, *({"string": c} for c in figure.categories)]
    for row, values in ((effect, figure.series[0].values), (low, figure.low), (high, figure.high)):
        assert [cell["number"] for cell in row[1:]] == [round(v * 100, 8) for v in values]
    counts = tables["Finding1Chart"]
    assert counts[2][1:3] == [{"number": 400}, {"number": 390}]
    assert tables["Title"] == [[{"string": "Interest communities of test, 2024-05-20"}]]


def test_a_finding_without_a_figure_leaves_no_number_of_the_template() -> None:
    assert read(world.handout([], [], []))["Finding1Chart"] == [[None], [], [None]]
