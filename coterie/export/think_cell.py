"""`findings.ppttc`: the day's findings as data for think-cell, which fills a template of yours with it.

Belongs here: think-cell's JSON (its manual, "Automation with JSON data"). Does not belong here: the template: only
PowerPoint with think-cell can make one.

An array of templates, each with named elements. A text is a table of one cell; a chart is the datasheet: the first row
has the categories, the second the 100 % values (none: the chart sums up), then each row is a series.
"""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from coterie.export.findings import Figure, Finding
from coterie.export.texts import clean


def ppttc(findings: Sequence[Finding], *, day: date, source: str, template: str) -> str:
    """The file's text.

    Elements: `Title`, and for the n-th finding `Finding<n>Topic`, `Finding<n>Sentence`, `Finding<n>Notes` and
    `Finding<n>Chart`. A chart without data gets an empty table, so that no number of the template stays.

    Args:
        findings: the day's findings.
        day: the day.
        source: name of the source.
        template: path or address of the template, as think-cell shall find it.
    """
    data = [_text("Title", f"Interest communities of {source}, {day}")]
    for n, finding in enumerate(findings, 1):
        data += [
            _text(f"Finding{n}Topic", finding.topic),
            _text(f"Finding{n}Sentence", finding.sentence),
            _text(f"Finding{n}Notes", "\n".join(finding.notes)),
            {"name": f"Finding{n}Chart", "table": _sheet(finding.figure)},
        ]
    return json.dumps([{"template": template, "data": data}], ensure_ascii=False, indent=2) + "\n"


def _text(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "table": [[_string(text)]]}


def _sheet(figure: Figure | None) -> list[list[dict[str, Any] | None]]:
    if figure is None:
        return [[None], [], [None]]
    series = [(s.name, s.values) for s in figure.series]
    series += [("90 % from", figure.low), ("90 % to", figure.high)] if figure.low else []
    share = figure.unit != "count"
    return [
        [None, *map(_string, figure.categories)],
        [],
        *([_string(name), *(_number(value, share=share) for value in values)] for name, values in series),
    ]


def _string(text: str) -> dict[str, Any]:
    return {"string": clean(text)}


def _number(value: float | None, *, share: bool) -> dict[str, Any] | None:
    """A number; a share in percent, so that a template needs no number format of its own."""
    return None if value is None else {"number": round(value * 100, 8) if share else value}
