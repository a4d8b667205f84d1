"""Charts of the report as Vega-Lite specifications; the page draws them, so that they can be zoomed and asked.

Belongs here: which marks show which columns. Does not belong here: colours of the page and sizes (templates/page.js sets both).

A row of a chart's data may hold `trace` (metric, a bar, keys as JSON): a click on its mark then opens the number's
origin; or `goto`: the click goes there.
"""

from collections.abc import Collection, Mapping
from typing import Any

import altair as alt
import polars as pl

from coterie.report.facts import DayFacts
from coterie.report.layout import NAME_HALF_WIDTH, NAME_HEIGHT, positions
from coterie.report.names import community_name, interest_name
from coterie.report.numbers import METRICS, keys_of, written
from coterie.report.river import river
from coterie.report.texts import Texts

Spec = dict[str, Any]

# Okabe and Ito (2008): told apart by colour-blind readers; these stand out against white and against black.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#B0709A", "#808080"
VERDICTS = {"real": (BLUE, "circle"), "weak": (GREY, "square"), "artefact": (ORANGE, "triangle-up")}
TRENDS = {"rising": BLUE, "falling": ORANGE, "steady": GREY}
MOVES = {"stayed": GREY, "moved": ORANGE, "arrived": BLUE, "left": PURPLE}
MOST_BARS = 15
MOST_SCORES = 300
LEAST_EXTENT = 1.0  # of the map, in the unit of its places
LINES_EACH = 2  # lines of the map from each community, to those that share most with it
BAR = 26


def charts_of(facts: DayFacts, t: Texts) -> dict[str, Spec]:
    """All charts of a day by name; those without data are left out."""
    made = {
        "map": community_map(facts, t),
        "river": movement(facts["moves"], facts, t),
        "trends": trends(facts, t),
        "days": interest_days(facts, t),
        "gaps": gaps(facts, t),
        "effects": effects(facts, t),
        "calibration": calibration(facts, t),
        "scores": scores(facts, t),
        "quality": quality(facts, t),
        "gold": gold(facts, t),
    }
    return {name: spec for name, spec in made.items() if spec}


def community_map(facts: DayFacts, t: Texts) -> Spec | None:
    """The map: circles of communities, lines between the nearest; zoom by dragging, search by the parameter `query`."""
    communities = facts["communities"]
    if communities.is_empty():
        return None
    placed = communities.join(positions(communities, facts["neighbours"]), on="community_id")
    wants: dict[str, list[str]] = {}
    for community, interest in facts["wants"].select("community_id", "interest_id").iter_rows():
        wants.setdefault(community, []).append(interest_name(interest, facts.names))
    at = {row["community_id"]: row for row in placed.iter_rows(named=True)}
    nodes = [
        {
            "id": name,
            "x": row["x"],
            "y": row["y"],
            "radius": row["radius"],
            "name": community_name(row["name"], facts.names),
            "label": community_name(row["name"], facts.names).replace(" & ", " &\n"),
            "members": f"{row['users_rounded']:,} {t('interval', low=row['users_low'], high=row['users_high'])}",
            "verdict": t(f"verdict.{row['verdict']}"),
            "wants": ", ".join(wants.get(name, [])[:3]) or t("none"),
            "words": " ".join([row["name"], community_name(row["name"], facts.names), *wants.get(name, [])]).lower(),
            "goto": f"#c-{name}",
        }
        for name, row in at.items()
    ]
    lines = [
        {"x": at[a]["x"], "y": at[a]["y"], "x2": at[b]["x"], "y2": at[b]["y"], "overlap": overlap, "words": ""}
        for a, b, overlap in _nearest(facts["neighbours"], set(at))
    ]
    x, y = (
        getattr(alt, axis.upper())(
            f"{axis}:Q", axis=None, scale=alt.Scale(domain=_extent(at.values(), axis), nice=False)
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
    # Sizes are areas in pixels: the radius follows the width of the view, and the zoom.
    pixels = "(width * datum.radius / span(domain('x')))"
    # Where there is no room for names, as on a phone, circles stand alone until one zooms in.
    room = f"({2 * NAME_HALF_WIDTH} * width / span(domain('x')))"
    base = alt.Chart(alt.Data(values=nodes))
    circles = base.mark_point(filled=True, stroke=None, cursor="pointer", size=alt.expr(f"4 * pow({pixels}, 2)")).encode(
        x=x, y=y,
        color=alt.Color("verdict:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=labels, range=[VERDICTS[v][0] for v in shown])),
        shape=alt.Shape("verdict:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=labels, range=[VERDICTS[v][1] for v in shown])),
        opacity=alt.condition(found, alt.value(0.85), alt.value(0.12)),
        tooltip=_tips(t, name="communities.name", members="communities.members", verdict="communities.verdict",
                      wants="communities.wants"),
    ).add_params(query, view)  # fmt: skip
    names = base.mark_text(
        baseline="top", fontSize=alt.expr(f"{room} < 55 ? 0 : 12"), lineHeight=13, lineBreak="\n",
        limit=alt.expr(f"max(55, {room})"), dy=alt.expr(f"{pixels} + 2"), cursor="pointer",
    ).encode(
        x=x, y=y, text="label:N", opacity=alt.condition(found, alt.value(1), alt.value(0.12)),
    )  # fmt: skip
    return _spec(alt.layer(rules, circles, names), height=540 if len(nodes) <= 15 else 720)


def _extent(rows: Collection[Mapping[str, Any]], axis: str) -> list[float]:
    """From the edge of the first circle to that of the last; the page widens one axis so that circles stay round."""
    low = min(row[axis] - row["radius"] for row in rows) - NAME_HEIGHT
    high = max(row[axis] + row["radius"] for row in rows) + 0.02
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
        tooltip=_tips(t, **{"from": "movement.from", "to": "movement.to", "people": "movement.people"}),
    ).add_params(hover)  # fmt: skip
    columns = alt.Chart(alt.Data(values=bars)).mark_rect(color=BLUE, cursor="pointer").encode(
        x=x, x2="x2:Q", y=alt.Y("y:Q", axis=None), y2="y2:Q",
        tooltip=_tips(t, name="communities.name", people="movement.people", day="data.day"),
    )  # fmt: skip
    names = alt.Chart(alt.Data(values=last)).mark_text(align="left", dx=4, fontSize=11, cursor="pointer",
        limit=alt.expr(f"{(room - 0.03) / (room - first):.3f} * width - 6"),).encode(
        x=x, y=alt.Y("y:Q", axis=None), text="name:N"
    )  # fmt: skip
    return _spec(alt.layer(flows, columns, names), height=min(1200, max(320, 26 * drawn.rows)))


def trends(facts: DayFacts, t: Texts) -> Spec | None:
    """Today's share of people over that of the week before, with intervals, clearest change first."""
    known = facts["trends"].filter(pl.col("ratio_low").is_not_null())
    if known.is_empty():
        return None
    shown = known.sort("q_value", "interest_id", nulls_last=True).head(MOST_BARS)
    rows = [
        {
            "what": interest_name(row["interest_id"], facts.names, row["interest"]),
            "value": row["ratio"], "low": row["ratio_low"], "high": row["ratio_high"],
            "group": t(f"trend.{row['trend']}"), **_number("trends.ratio", row, t),
        }
        for row in shown.sort("ratio", "interest_id", descending=[True, False]).iter_rows(named=True)
    ]  # fmt: skip
    groups = {t(f"trend.{name}"): colour for name, colour in TRENDS.items()}
    return _intervals(rows, t, t("interests.axis_ratio"), groups=groups, zero=1.0, log=True)


def interest_days(facts: DayFacts, t: Texts) -> Spec | None:
    """Share of people by day with its interval, of the interest in the parameter `interest`."""
    days = facts["interest_days"]
    often = days.group_by("interest_id").agg(pl.len()).filter(pl.col("len") >= 3)
    days = days.join(often, on="interest_id", how="semi").sort("interest_id", "day")
    if days.is_empty():
        return None
    rows = [
        {"i": row["interest_id"], "day": row["day"].isoformat(), "d": row["day"].isoformat(),
         "share": row["share"], "low": row["share_low"], "high": row["share_high"]}
        for row in days.iter_rows(named=True)
    ]  # fmt: skip
    chosen = alt.param(name="interest", value=first_interest(facts))
    # `day` becomes a time when the chart reads it; `d` stays as it is.
    trace = "'interest_days.share|[\"' + datum.d + '\",\"' + datum.i + '\"]'"
    base = (
        alt.Chart(alt.Data(values=rows)).transform_filter("datum.i === interest")
        .transform_calculate(said="format(datum.share, '.1%')", interval=_interval_of(t), trace=trace)
        .encode(x=_days(ticks=6))
    )  # fmt: skip
    y = alt.Y("low:Q", title=t("interests.axis_share"), axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=True))
    band = base.mark_area(opacity=0.3, color=BLUE, line=False).encode(y=y, y2="high:Q")
    line = base.mark_line(color=BLUE, point=False).encode(y="share:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=60, cursor="pointer").encode(
        y="share:Q",
        tooltip=_tips(t, d="data.day", said="interests.share", interval="trace.interval"),
    ).add_params(chosen)  # fmt: skip
    return _spec(alt.layer(band, line, dots), height=260)


def first_interest(facts: DayFacts) -> str | None:
    """The interest that the day-by-day chart begins with: the clearest change of those that have days to show."""
    often = facts["interest_days"].group_by("interest_id").agg(pl.len()).filter(pl.col("len") >= 3)
    trends = facts["trends"].join(often, on="interest_id", how="semi").sort("q_value", "interest_id", nulls_last=True)
    if trends.height:
        return str(trends["interest_id"][0])
    return str(often["interest_id"].sort()[0]) if often.height else None


def gaps(facts: DayFacts, t: Texts) -> Spec | None:
    """Wanted minus offered with intervals, widest gaps first."""
    known = facts["gaps"].filter(pl.col("gap_low").is_not_null())
    if known.is_empty():
        return None
    shown = known.sort(pl.col("gap").abs(), "interest_id", descending=[True, False]).head(MOST_BARS)
    rows = [
        {
            "what": interest_name(row["interest_id"], facts.names, row["interest"]),
            "value": row["gap"] * 100, "low": row["gap_low"] * 100, "high": row["gap_high"] * 100,
            "group": "", **_number("gaps.gap", row, t),
        }
        for row in shown.sort("gap", "interest_id", descending=[True, False]).iter_rows(named=True)
    ]  # fmt: skip
    return _intervals(rows, t, t("supply.axis"), zero=0.0)


def effects(facts: DayFacts, t: Texts) -> Spec | None:
    """Predicted differences with intervals, the strongest suggestions first."""
    known = facts["board"].filter(pl.col("effect").is_not_null(), pl.col("status") == "proposed")
    if known.is_empty():
        return None
    shown = known.sort("effect_low", "strategy_id", descending=[True, False]).head(MOST_BARS)
    kinds = [kind for kind in t.get("kinds") if kind in set(shown["kind"])]
    rows = [
        {
            "what": interest_name(row["interest_id"] or "", facts.names, row["interest"])
            + " · " + community_name(row["community"], facts.names),
            "value": row["effect"] * 100, "low": row["effect_low"] * 100, "high": row["effect_high"] * 100,
            "group": t(f"kinds.{row['kind']}"), **_number("board.effect", row, t),
        }
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    groups = dict(zip([t(f"kinds.{kind}") for kind in kinds], (BLUE, GREEN, ORANGE, GREY), strict=False))
    return _intervals(rows, t, t("board.axis"), groups=groups, zero=0.0)


def calibration(facts: DayFacts, t: Texts) -> Spec | None:
    """How often intervals of several levels held, beside the line on which honest ones lie."""
    known = facts["calibration"]
    if known.is_empty():
        return None
    rows = [
        {"level": row["level"], "value": row["share"], "low": row["share_low"], "high": row["share_high"],
         **_number("calibration.share", row, t)}
        for row in known.iter_rows(named=True)
    ]  # fmt: skip
    whole, levels = alt.Scale(domain=[0, 1]), alt.Scale(domain=[0.4, 1])
    percent = alt.Axis(format=".0%", tickCount=5)
    line = alt.Chart(alt.Data(values=[{"a": 0.4, "b": 0.4}, {"a": 1, "b": 1}])).mark_line(
        color=GREY, strokeDash=[4, 4]
    ).encode(x=alt.X("a:Q", scale=levels), y=alt.Y("b:Q", scale=whole))  # fmt: skip
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("level:Q", scale=levels, axis=percent, title=t("record.axis_level"))
    )
    rule = base.mark_rule(color=BLUE, strokeWidth=2).encode(
        y=alt.Y("low:Q", scale=whole, axis=percent, title=t("record.axis_held")), y2="high:Q"
    )
    dots = base.mark_point(color=BLUE, filled=True, size=70, cursor="pointer").encode(
        y="value:Q", tooltip=[alt.Tooltip("level:Q", title=t("record.calibration_level"), format=".0%"),
                              alt.Tooltip("said:N", title=t("record.calibration_share")),
                              alt.Tooltip("interval:N", title=t("trace.interval"))],
    )  # fmt: skip
    return _spec(alt.layer(line, rule, dots), height=280)


def scores(facts: DayFacts, t: Texts) -> Spec | None:
    """What was predicted and what came, a point a suggestion that was measured again."""
    known = facts["scores"].filter(pl.col("realised").is_not_null())
    if known.is_empty():
        return None
    rows = [
        {
            "predicted": row["predicted"] * 100, "realised": row["realised"] * 100,
            "low": row["realised_low"] * 100, "high": row["realised_high"] * 100,
            "verdict": t(f"record.{row['verdict']}"), "what": community_name(row["community"], facts.names),
            "interest": facts.names.words.get(row["interest"], row["interest"]),
            **_number("scores.realised", row, t),
        }
        for row in known.tail(MOST_SCORES).iter_rows(named=True)
    ]  # fmt: skip
    ends = [min(row["predicted"] for row in rows), max(row["predicted"] for row in rows)]
    line = alt.Chart(alt.Data(values=[{"a": v} for v in ends])).mark_line(color=GREY, strokeDash=[4, 4]).encode(
        x="a:Q", y="a:Q"
    )  # fmt: skip
    words = [t("record.hit"), t("record.miss")]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("predicted:Q", title=t("record.axis_predicted")),
        color=alt.Color("verdict:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=words, range=[BLUE, ORANGE])),
    )  # fmt: skip
    rule = base.mark_rule(opacity=0.3).encode(y=alt.Y("low:Q", title=t("record.axis_realised")), y2="high:Q")
    dots = base.mark_point(filled=True, size=50, opacity=0.8, cursor="pointer").encode(
        y="realised:Q",
        shape=alt.Shape("verdict:N", title=None, scale=alt.Scale(domain=words, range=["circle", "cross"])),
        tooltip=_tips(t, interest="interests.interest", what="communities.name", said="record.axis_realised",
                      interval="trace.interval", verdict="record.hit_rate"),
    )  # fmt: skip
    return _spec(alt.layer(line, rule, dots), height=280)


def quality(facts: DayFacts, t: Texts) -> Spec | None:
    """Rows read and refused by day."""
    known = facts["quality"]
    if known.is_empty():
        return None
    rows = [
        {"day": row["day"].isoformat(), "what": t(f"data.{what}"), "rows": row[column],
         "trace": f"quality.{column}|{keys_of(METRICS[f'quality.{column}'], row)}"}
        for row in known.iter_rows(named=True) for column, what in (("events", "read"), ("refused", "rejected"))
    ]  # fmt: skip
    chart = alt.Chart(alt.Data(values=rows)).mark_bar(cursor="pointer").encode(
        x=alt.X("day:O", timeUnit="utcyearmonthdate", title=None,
                axis=alt.Axis(format="%m-%d", labelOverlap=True, labelAngle=0, grid=False)),
        y=alt.Y("rows:Q", title=t("data.axis_events"), axis=alt.Axis(format="~s", tickCount=4)),
        color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=[t("data.read"), t("data.rejected")], range=[BLUE, ORANGE])),
        tooltip=_tips(t, day="data.day", what="data.reason", rows="data.rows"),
    )  # fmt: skip
    return _spec(chart, height=200)


def gold(facts: DayFacts, t: Texts) -> Spec | None:
    """Share of labels that people agree with, by interest, those with most texts first."""
    known = facts["label_quality"].head(MOST_BARS)
    if known.is_empty():
        return None
    rows = [
        {
            "what": interest_name(row["interest_id"], facts.names), "value": row["precision"] * 100,
            "low": row["precision_low"] * 100, "high": row["precision_high"] * 100, "group": "",
            **_number("label_quality.precision", row, t),
        }
        for row in known.iter_rows(named=True)
    ]  # fmt: skip
    return _intervals(rows, t, t("data.precision") + ", %", zero=None)


def size_history(facts: DayFacts, community_id: str, t: Texts) -> Spec | None:
    """Sizes of a community by day."""
    known = facts["history"].filter(pl.col("community_id") == community_id)
    if known.height < 2:
        return None
    rows = [
        {"day": row["day"].isoformat(), "d": row["day"].isoformat(), "members": row["users_rounded"],
         "trace": f"history.users_rounded|{keys_of(METRICS['history.users_rounded'], row)}"}
        for row in known.iter_rows(named=True)
    ]  # fmt: skip
    chart = alt.Chart(alt.Data(values=rows)).mark_line(
        color=BLUE, point={"filled": True, "size": 40, "color": BLUE, "cursor": "pointer"}
    ).encode(
        x=_days(ticks=5),
        y=alt.Y("members:Q", title=t("communities.members"), axis=alt.Axis(tickCount=4)),
        tooltip=_tips(t, d="data.day", members="communities.members"),
    )  # fmt: skip
    return _spec(chart, height=160)


def _number(metric: str, row: Mapping[str, Any], t: Texts) -> dict[str, str]:
    """What a mark says of the number that it shows, and where that comes from."""
    of = METRICS[metric]
    low, high = (row[name] if name else None for name in (of.low, of.high))
    interval = ""
    if low is not None and high is not None:
        interval = t("interval", low=written(low, of.written), high=written(high, of.written))
    return {"said": written(row[of.column], of.written), "interval": interval, "trace": f"{metric}|{keys_of(of, row)}"}


def _days(*, ticks: int) -> alt.X:
    """An axis of days. A day is a date, wherever the reader's clock stands."""
    axis = alt.Axis(format="%m-%d", grid=False, tickCount=ticks)
    return alt.X("day:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def _tips(t: Texts, **columns: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{column}:N", title=t(key)) for column, key in columns.items()]


def _intervals(
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
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    axis = alt.Axis(format="~g", tickCount=6) if log else alt.Axis(tickCount=6)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "place:N", sort=None, title=None, axis=alt.Axis(labelExpr=f"({_object(names)})[datum.value]", grid=False)
        )
    )
    colour: Any = alt.value(BLUE)
    if groups:
        colour = alt.Color(
            "group:N", title=None, legend=alt.Legend(orient="top", columns=1 if len(groups) > 3 else 3),
            scale=alt.Scale(domain=list(groups), range=list(groups.values())),
        )  # fmt: skip
    tips = _tips(t, what="trace.value", said="trace.column", interval="trace.interval")
    tips = [alt.Tooltip("what:N", title=" "), alt.Tooltip("said:N", title=t("trace.value")), tips[2]]
    rule = base.mark_rule(strokeWidth=2, cursor="pointer").encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=axis), x2="high:Q", color=colour, tooltip=tips
    )
    dots = base.mark_point(filled=True, size=70, cursor="pointer").encode(
        x=alt.X("value:Q", scale=scale), color=colour, tooltip=tips
    )
    layers: list[Any] = [rule, dots]
    if zero is not None:
        line = alt.Chart(alt.Data(values=[{"zero": zero}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(x="zero:Q")
        layers.insert(0, line)
    return _spec(alt.layer(*layers), height=BAR * len(rows) + 10)


def _object(names: Mapping[str, str]) -> str:
    """A Vega expression of a mapping."""
    return "{" + ", ".join(f"'{key}': {_quoted(name)}" for key, name in names.items()) + "}"


def _interval_of(t: Texts) -> str:
    """A Vega expression of the interval in words, of a row with `low` and `high`."""
    before, between, after = str(t("interval", low="|", high="|")).split("|")
    return f"{_quoted(before)} + format(datum.low, '.1%') + {_quoted(between)} + format(datum.high, '.1%') + {_quoted(after)}"


def _quoted(text: str) -> str:
    """A text in a Vega expression; whatever it holds stays inside the quotes."""
    safe = (c if c.isalnum() or c in " &,-" else f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000)
    return f"'{''.join(safe)}'"


def _spec(chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, height: int) -> Spec:
    made: Spec = chart.properties(width="container", height=height).to_dict(validate=False)
    # The page has its own look; what Altair adds is its default one and the address of the language.
    return {key: value for key, value in made.items() if key not in {"config", "$schema"}}
