"""What the charts of the report share: colours, axes, tips, intervals, and texts inside Vega's expressions.

Belongs here: marks that several charts use. Does not belong here: which columns a chart shows.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import altair as alt

from coterie.report.numbers import METRICS, bounds_of, keys_of, told
from coterie.report.texts import Texts

Spec = dict[str, Any]

# Okabe and Ito (2008): told apart by colour-blind readers; these stand out against white and against black.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#B0709A", "#808080"
BAR = 26
# Where an axis of ratios has its marks.
TIMES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 4, 5, 7, 10, 20, 50]
NEAR_ONE = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 2]  # where all lie within a factor of two


def number(metric: str, row: Mapping[str, Any], t: Texts) -> dict[str, str]:
    """What a mark says of the number that it shows, and where that comes from."""
    of = METRICS[metric]
    bounds = bounds_of(of, row, t)
    interval = t("interval", low=bounds[0], high=bounds[1]) if bounds else ""
    return {"said": told(row[of.column], of.written, t), "interval": interval, "trace": f"{metric}|{keys_of(of, row)}"}


def day_axis(*, ticks: int) -> alt.X:
    """An axis of days. A day is a date, wherever the reader's clock stands."""
    axis = alt.Axis(format="%m-%d", grid=False, tickCount=ticks)
    return alt.X("day:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def tooltips(t: Texts, **columns: str) -> list[alt.Tooltip]:
    """What a mark says when it is pointed at: a text of the catalogue and the column's value, for each column."""
    return [alt.Tooltip(f"{column}:N", title=t(key)) for column, key in columns.items()]


def intervals(
    rows: list[dict[str, Any]],
    t: Texts,
    title: str,
    *,
    groups: Mapping[str, str] | None = None,
    zero: float | None = 0.0,
    log: bool = False,
) -> Spec:
    """One line a row: the interval as a rule and the value as a dot, in the order of the rows."""
    for n, row in enumerate(rows):
        row["place"] = f"{n:03d}"
    names = {row["place"]: row["what"] for row in rows}
    short = {place: in_two(name) for place, name in names.items()}
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    near = log and max(row["high"] for row in rows) < 2 * min(row["low"] for row in rows)
    axis = alt.Axis(format="~g", values=NEAR_ONE if near else TIMES) if log else alt.Axis(tickCount=6)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "place:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelExpr=f"(narrow ? {mapping(short)} : {mapping(names)})[datum.value]", grid=False),
        )
    )
    colour: Any = alt.value(BLUE)
    if groups:
        colour = alt.Color(
            "group:N", title=None, legend=alt.Legend(orient="top", columns=1 if len(groups) > 3 else alt.expr("narrow ? 1 : 3")),
            scale=alt.Scale(domain=list(groups), range=list(groups.values())),
        )  # fmt: skip
    tips = [alt.Tooltip("what:N", title=" "), *tooltips(t, said="trace.value", interval="trace.interval")]
    rule = base.mark_rule(strokeWidth=2, cursor="pointer").encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=axis), x2="high:Q", color=colour, tooltip=tips
    )
    dots = base.mark_point(filled=True, size=70, opacity=1, cursor="pointer").encode(
        x=alt.X("value:Q", scale=scale), color=colour, tooltip=tips
    )
    layers: list[Any] = [rule, dots]
    if zero is not None:
        line = alt.Chart(alt.Data(values=[{"zero": zero}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="zero:Q")
        layers.insert(0, line)
    return with_narrow(spec_of(alt.layer(*layers), height=BAR * len(rows) + 10))


def with_narrow(spec: Spec) -> Spec:
    """The specification with a parameter that the page sets where there is little room for names."""
    return {**spec, "params": [*spec.get("params", []), {"name": "narrow", "value": False}]}


def in_two(name: str) -> list[str]:
    """A name in two lines at most: an interest and a community, or halves of about the same length."""
    parts = name.split(" · ")
    if len(parts) > 1:
        return [parts[0], " · ".join(parts[1:])]
    return textwrap.wrap(name, max(20, len(name) // 2 + 3)) or [name]


def mapping(names: Mapping[str, str | list[str]]) -> str:
    """A Vega expression of a mapping to texts, or to texts of several lines."""

    def said(name: str | list[str]) -> str:
        return quoted(name) if isinstance(name, str) else "[" + ", ".join(map(quoted, name)) + "]"

    return "{" + ", ".join(f"'{key}': {said(name)}" for key, name in names.items()) + "}"


def interval_words(t: Texts) -> str:
    """A Vega expression of the interval in words, of a row with `low` and `high`."""
    before, between, after = str(t("interval", low="|", high="|")).split("|")
    return (
        f"{quoted(before)} + format(datum.low, '.1%') + {quoted(between)} + format(datum.high, '.1%') + {quoted(after)}"
    )


def quoted(text: str) -> str:
    """A text in a Vega expression; whatever it holds stays inside the quotes."""
    safe = (c if c.isalnum() or c in " &,-" else f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000)
    return f"'{''.join(safe)}'"


def spec_of(chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, height: int) -> Spec:
    """The specification of a chart as wide as its place on the page, `height` pixels high."""
    made: Spec = chart.properties(width="container", height=height).to_dict(validate=False)
    # The page has its own look; what Altair adds is its default one and the address of the language.
    return {key: value for key, value in made.items() if key not in {"config", "$schema"}}
