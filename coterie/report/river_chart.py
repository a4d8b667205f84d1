"""The river of movement as a Vega-Lite specification: a column a day, bands of members between.

Belongs here: how the river is drawn. Does not belong here: the places of its bars and bands (river).
"""

from typing import Any

import altair as alt
import polars as pl

from coterie.report.facts import DayFacts
from coterie.report.marks import BLUE, GREY, ORANGE, PURPLE, Spec, spec_of, tooltips, with_narrow
from coterie.report.names import community_name
from coterie.report.river import river
from coterie.report.texts import Texts

SEPARATORS = {"en": " & ", "zh": "、"}  # of the interests in a community's name
MOVES = {"stayed": GREY, "moved": ORANGE, "arrived": BLUE, "left": PURPLE}


def movement(moves: pl.DataFrame, facts: DayFacts, t: Texts, *, earlier: DayFacts | None = None) -> Spec | None:
    """The river: a column a day, bars of communities, bands of members between them.

    Args:
        moves: day (pl.Date), source, target (null: no community) and users_rounded.
        earlier: where two days are compared, the first of them.
    """
    drawn = river(moves, before=earlier.day if earlier else None)
    if drawn is None:
        return None
    metric = "moves_between.users_rounded" if earlier else "moves.users_rounded"
    known = [*(earlier["history"].rows(named=True) if earlier else ()), *facts["history"].rows(named=True)]
    name = {row["community_id"]: community_name(row["name"], facts.names) for row in known}

    def called(community: str | None) -> str:
        return t("movement.nobody") if community is None else name.get(community, community)

    bands = [
        {
            "band": n, "x": x, "low": low, "high": high, "move": t(f"movement.{band.move}"),
            "from": called(band.source), "to": called(band.target), "people": f"{band.users:,}",
            "trace": f"{metric}|{band.keys}",
        }
        for n, band in enumerate(drawn.bands) for x, low, high in band.outline
    ]  # fmt: skip
    bars: list[dict[str, Any]] = [
        {
            "x": bar.x - 0.02, "x2": bar.x + 0.02, "y": bar.low, "y2": bar.high, "name": called(bar.community),
            "day": bar.day.isoformat(), "people": f"{bar.users:,}",
            "goto": f"#c-{bar.community}" if bar.community else "",
        }
        for bar in drawn.bars
    ]  # fmt: skip
    # A community is named where it was last: on the last day, or where its row ends.
    ends = {bar.community: bar for bar in drawn.bars if bar.community is not None}
    last = [
        {
            "x": bar.x + 0.03,
            "y": (bar.low + max(bar.high, bar.low + drawn.slot)) / 2,
            "name": called(bar.community),
            "goto": f"#c-{bar.community}",
        }
        for bar in ends.values()
    ]
    first = min(bar["x"] for bar in bars)
    room = max(0.6, -first * 0.36)  # to the right of the last column, for names
    days = {round(bar.x): bar.day for bar in drawn.bars}
    where = "{" + ",".join(f"'{x}': '{day.isoformat()[5:]}'" for x, day in sorted(days.items())) + "}"
    x_axis = alt.Axis(values=sorted(days), labelExpr=f"({where})[toString(datum.value)]", title=None, grid=False,
                      domain=False, ticks=False)  # fmt: skip
    x = alt.X("x:Q", axis=x_axis, scale=alt.Scale(domain=[first - 0.02, room], nice=False))
    y = alt.Y("low:Q", axis=None, scale=alt.Scale(domain=[0, drawn.height], nice=False, reverse=True))
    hover = alt.selection_point(name="hover", on="pointerover", fields=["band"], empty=False, clear="pointerout")
    kinds = [t(f"movement.{kind}") for kind in MOVES]
    flows = alt.Chart(alt.Data(values=bands)).mark_area(interpolate="monotone", line=False, cursor="pointer").encode(
        x=x, y=y, y2="high:Q", detail="band:N",
        color=alt.Color("move:N", title=None, legend=alt.Legend(orient="top", columns=2),
                        scale=alt.Scale(domain=kinds, range=list(MOVES.values()))),
        opacity=alt.condition(hover, alt.value(0.85), alt.value(0.45)),
        tooltip=tooltips(t, **{"from": "movement.from", "to": "movement.to", "people": "movement.people"}),
    ).add_params(hover)  # fmt: skip
    columns = alt.Chart(alt.Data(values=bars)).mark_rect(color=BLUE, cursor="pointer").encode(
        x=x, x2="x2:Q", y=alt.Y("y:Q", axis=None), y2="y2:Q",
        tooltip=tooltips(t, name="communities.name", people="movement.people", day="data.day"),
    )  # fmt: skip
    names = alt.Chart(alt.Data(values=last)).mark_text(align="left", dx=4, fontSize=11, lineHeight=12, cursor="pointer",
        lineBreak=alt.expr(f"narrow ? '{SEPARATORS[t.language]}' : '\\n'"),
        limit=alt.expr(f"{(room - 0.03) / (room - first):.3f} * width - 6"),).encode(
        x=x, y=alt.Y("y:Q", axis=None), text="name:N"
    )  # fmt: skip
    return with_narrow(spec_of(alt.layer(flows, columns, names), height=min(1200, max(320, 26 * drawn.rows))))
