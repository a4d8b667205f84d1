"""The map of communities as a Vega-Lite specification: circles, the lines between them, and their names.

Belongs here: how the map is drawn. Does not belong here: where communities lie (layout).
"""

from collections.abc import Collection, Mapping
from typing import Any

import altair as alt
import polars as pl

from coterie.report.facts import DayFacts
from coterie.report.layout import NAME_HALF_WIDTH, NAME_HEIGHT, positions
from coterie.report.marks import BLUE, GREY, ORANGE, Spec, spec_of, tooltips
from coterie.report.names import community_name, interest_name
from coterie.report.texts import Texts

VERDICTS = {"real": (BLUE, "circle"), "weak": (GREY, "square"), "artefact": (ORANGE, "triangle-up")}
LEAST_EXTENT = 1.0  # of the map, in the unit of its places
STILL_LIMIT = 230  # pixels of a name where nobody can zoom in
STILL_WIDTH = 880  # pixels of a picture
LEAST_ROOM = 55  # pixels, below which a name says too little
LINES_EACH = 2  # lines of the map from each community, to those that share most with it


def community_map(facts: DayFacts, t: Texts, *, still: bool = False) -> Spec | None:
    """The map: circles of communities, lines between the nearest; zoom by dragging, search by the parameter `query`.

    A still picture, which nobody can point at, says under each name what else the page tells then: how many members and
    what they want most.
    """
    communities = facts["communities"]
    # A map of one says nothing; a picture that stands alone shows it all the same.
    if communities.height < (1 if still else 2):
        return None
    placed = communities.join(positions(communities, facts["neighbours"]), on="community_id")
    wants: dict[str, list[str]] = {}
    for community, interest in facts["wants"].select("community_id", "interest_id").iter_rows():
        wants.setdefault(community, []).append(interest_name(interest, facts.names))
    at = {row["community_id"]: row for row in placed.iter_rows(named=True)}
    places = {name: n for n, name in enumerate(communities["community_id"], 1)}
    nodes = [
        {
            "id": name,
            "x": row["x"],
            "y": row["y"],
            "radius": row["radius"],
            "number": str(places[name]),
            "name": community_name(row["name"], facts.names),
            "label": community_name(row["name"], facts.names).replace(" & ", " &\n").replace("、", "、\n"),
            "members": f"{row['users_rounded']:,} {t('interval', low=row['users_low'], high=row['users_high'])}",
            "verdict": t(f"verdict.{row['verdict']}"),
            "wants": str(t.get("join")).join(wants.get(name, [])[:3]) or t("none"),
            "words": " ".join([row["name"], community_name(row["name"], facts.names), *wants.get(name, [])]).lower(),
            "goto": f"#c-{name}",
        }
        for name, row in at.items()
    ]
    if still:
        for node, row in zip(nodes, at.values(), strict=True):
            node["label"] += f"\n{row['users_rounded']:,}: {(wants.get(str(node['id'])) or [t('none')])[0]}"
    lines = [
        {"x": at[a]["x"], "y": at[a]["y"], "x2": at[b]["x"], "y2": at[b]["y"], "overlap": overlap, "words": ""}
        for a, b, overlap in _nearest(facts["neighbours"], set(at))
    ]
    x, y = (
        getattr(alt, axis.upper())(
            f"{axis}:Q", axis=None, scale=alt.Scale(domain=_extent(at.values(), axis, still), nice=False)
        )
        for axis in ("x", "y")
    )
    query = alt.param(name="query", value="")
    found = "query === '' || indexof(datum.words, query) >= 0"
    view = alt.selection_interval(name="view", bind="scales", zoom="wheel![event.ctrlKey]", encodings=["x", "y"])
    rules = alt.Chart(alt.Data(values=lines)).mark_rule(color=GREY).encode(
        x=x, y=y, x2="x2:Q", y2="y2:Q",
        opacity=alt.Opacity("overlap:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.8]), legend=None),
    )  # fmt: skip
    shown = [v for v in VERDICTS if v in set(communities["verdict"])]
    labels = [t(f"verdict.{v}") for v in shown]
    # Sizes are areas in pixels: the radius follows the view, and the zoom. Where a view is wider than the map, places are
    # drawn further apart, and circles stay as they are: names have more room.
    pixels = "(min(width / span(domain('x')), height / span(domain('y'))) * datum.radius)"
    # Where there is no room for names, as on a phone, circles are numbered until one zooms in; the page lists the names.
    room = f"({2 * NAME_HALF_WIDTH} * width / span(domain('x')))"
    numbered = alt.param(name="numbered", expr=f"{room} < {LEAST_ROOM}")
    base = alt.Chart(alt.Data(values=nodes))
    circles = base.mark_point(filled=True, stroke=None, cursor="pointer", size=alt.expr(f"4 * pow({pixels}, 2)")).encode(
        x=x, y=y,
        color=alt.Color("verdict:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=labels, range=[VERDICTS[v][0] for v in shown])),
        shape=alt.Shape("verdict:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=labels, range=[VERDICTS[v][1] for v in shown])),
        opacity=alt.condition(found, alt.value(0.85), alt.value(0.12)),
        tooltip=tooltips(t, name="communities.name", members="communities.members", verdict="communities.verdict",
                      wants="communities.wants"),
    ).add_params(query, view)  # fmt: skip
    names = base.mark_text(
        baseline="top", fontSize=12, lineHeight=13, lineBreak="\n",
        limit=STILL_LIMIT if still else alt.expr(f"max({LEAST_ROOM}, {room})"), dy=alt.expr(f"{pixels} + 2"), cursor="pointer",
    ).encode(
        x=x, y=y, text=alt.condition("numbered", alt.Text("number:N"), alt.Text("label:N")),
        opacity=alt.condition(found, alt.value(1), alt.value(0.12)),
    )  # fmt: skip
    return spec_of(
        alt.layer(rules, circles, names).add_params(numbered),
        height=320 if len(nodes) <= 3 else 540 if len(nodes) <= 15 else 720,
    )


def _extent(rows: Collection[Mapping[str, Any]], axis: str, still: bool) -> list[float]:
    """From the edge of the first circle or name to that of the last; the page widens one axis so that circles stay round."""
    # Names are wider than small circles, and hang below them.
    reach = NAME_HALF_WIDTH if axis == "x" else 0.0
    low = min(row[axis] - max(row["radius"], reach) for row in rows) - NAME_HEIGHT * (1.6 if still else 1)
    high = max(row[axis] + max(row["radius"], reach) for row in rows) + 0.02
    if still and axis == "x":
        # Names of the first and of the last circle stay inside, however long they are cut.
        first, last = min(row[axis] for row in rows), max(row[axis] for row in rows)
        half = (last - first) * STILL_LIMIT / 2 / (STILL_WIDTH - STILL_LIMIT)
        low, high = min(low, first - half), max(high, last + half)
    # One or two communities do not fill the whole map.
    spare = max(0.0, LEAST_EXTENT - (high - low)) / 2
    return [round(low - spare, 4), round(high + spare, 4)]


def _nearest(neighbours: pl.DataFrame, present: set[str]) -> list[tuple[str, str, float]]:
    kept = (
        neighbours.filter(pl.col("community_id").is_in(sorted(present)), pl.col("neighbour_id").is_in(sorted(present)))
        .sort("community_id", "overlap", "neighbour_id", descending=[False, True, False])
        .group_by("community_id", maintain_order=True)
        .head(LINES_EACH)
    )
    pairs = {
        (min(a, b), max(a, b)): overlap
        for a, b, overlap in kept.select("community_id", "neighbour_id", "overlap").iter_rows()
    }
    return [(a, b, overlap) for (a, b), overlap in sorted(pairs.items())]
