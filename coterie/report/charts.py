"""Charts of the report as Vega-Lite specifications; the page draws them, so that they can be zoomed and asked.

Belongs here: which marks show which columns. Does not belong here: colours of the page and sizes (templates/page.js sets both).

A row of a chart's data may hold `trace` (metric, a bar, keys as JSON): a click on its mark then opens the number's
origin; or `goto`: the click goes there.
"""

import altair as alt
import polars as pl

from coterie.report.facts import DayFacts
from coterie.report.map_chart import community_map
from coterie.report.marks import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Spec,
    day_axis,
    interval_words,
    intervals,
    number,
    spec_of,
    tooltips,
)
from coterie.report.names import community_name, interest_name
from coterie.report.river_chart import movement
from coterie.report.texts import Texts

TRENDS = {"rising": BLUE, "falling": ORANGE, "steady": GREY}
# Large counts along an axis: thousands, and in Chinese ten thousands.
COUNTS = {
    "en": "format(datum.value, '~s')",
    "zh": "datum.value < 10000 ? format(datum.value, ',~f') : format(datum.value / 10000, ',~f') + ' 萬'",
}
MOST_BARS = 15
MOST_SCORES = 300


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
            "group": t(f"trend.{row['trend']}"), **number("trends.ratio", row, t),
        }
        for row in shown.sort("ratio", "interest_id", descending=[True, False]).iter_rows(named=True)
    ]  # fmt: skip
    groups = {t(f"trend.{name}"): colour for name, colour in TRENDS.items()}
    return intervals(rows, t, t("interests.axis_ratio"), groups=groups, zero=1.0, log=True)


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
        .transform_calculate(said="format(datum.share, '.1%')", interval=interval_words(t), trace=trace)
        .encode(x=day_axis(ticks=6))
    )  # fmt: skip
    y = alt.Y("low:Q", title=t("interests.axis_share"), axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=True))
    band = base.mark_area(opacity=0.3, color=BLUE, line=False).encode(y=y, y2="high:Q")
    line = base.mark_line(color=BLUE, point=False).encode(y="share:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=60, cursor="pointer").encode(
        y="share:Q",
        tooltip=tooltips(t, d="data.day", said="interests.share", interval="trace.interval"),
    ).add_params(chosen)  # fmt: skip
    return spec_of(alt.layer(band, line, dots), height=260)


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
            "group": "", **number("gaps.gap", row, t),
        }
        for row in shown.sort("gap", "interest_id", descending=[True, False]).iter_rows(named=True)
    ]  # fmt: skip
    return intervals(rows, t, t("supply.axis"), zero=0.0)


def effects(facts: DayFacts, t: Texts) -> Spec | None:
    """Predicted differences with intervals, the strongest suggestions first."""
    known = facts["board"].filter(pl.col("effect").is_not_null(), pl.col("status") == "proposed")
    if known.is_empty():
        return None
    shown = known.sort("effect_low", "strategy_id", descending=[True, False]).head(MOST_BARS)
    kinds = [kind for kind in t.get("kinds") if kind in set(shown["kind"])]
    colours = (BLUE, GREEN, ORANGE, GREY)
    # Where there are more kinds than colours that everybody can tell apart, words say the kind.
    worded = len(kinds) > len(colours)
    rows = [
        {
            "what": (t(f"kinds.{row['kind']}") + t("colon") if worded else "")
            + interest_name(row["interest_id"] or "", facts.names, row["interest"])
            + " · " + community_name(row["community"], facts.names),
            "value": row["effect"] * 100, "low": row["effect_low"] * 100, "high": row["effect_high"] * 100,
            "group": t(f"kinds.{row['kind']}"), **number("board.effect", row, t),
        }
        for row in shown.iter_rows(named=True)
    ]  # fmt: skip
    groups = None if worded else dict(zip([t(f"kinds.{kind}") for kind in kinds], colours, strict=False))
    return intervals(rows, t, t("board.axis"), groups=groups, zero=0.0)


def calibration(facts: DayFacts, t: Texts) -> Spec | None:
    """How often intervals of several levels held, beside the line on which honest ones lie."""
    known = facts["calibration"]
    if known.is_empty():
        return None
    rows = [
        {"level": row["level"], "value": row["share"], "low": row["share_low"], "high": row["share_high"],
         **number("calibration.share", row, t)}
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
    dots = base.mark_point(color=BLUE, filled=True, size=70, opacity=1, cursor="pointer").encode(
        y="value:Q", tooltip=[alt.Tooltip("level:Q", title=t("record.calibration_level"), format=".0%"),
                              alt.Tooltip("said:N", title=t("record.calibration_share")),
                              alt.Tooltip("interval:N", title=t("trace.interval"))],
    )  # fmt: skip
    return spec_of(alt.layer(line, rule, dots), height=280)


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
            **number("scores.realised", row, t),
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
        tooltip=tooltips(t, interest="interests.interest", what="communities.name", said="record.axis_realised",
                      interval="trace.interval", verdict="record.hit_rate"),
    )  # fmt: skip
    return spec_of(alt.layer(line, rule, dots), height=280)


def quality(facts: DayFacts, t: Texts) -> Spec | None:
    """Rows read and refused by day."""
    known = facts["quality"]
    if known.is_empty():
        return None
    rows = [
        {"day": row["day"].isoformat(), "what": t(f"data.{what}"), "rows": row[column],
         **number(f"quality.{column}", row, t)}
        for row in known.iter_rows(named=True) for column, what in (("events", "read"), ("refused", "rejected"))
    ]  # fmt: skip
    chart = alt.Chart(alt.Data(values=rows)).mark_bar(cursor="pointer").encode(
        x=alt.X("day:O", timeUnit="utcyearmonthdate", title=None,
                axis=alt.Axis(format="%m-%d", labelOverlap=True, labelAngle=0, grid=False)),
        y=alt.Y("rows:Q", title=t("data.axis_events"), axis=alt.Axis(labelExpr=COUNTS[t.language], tickCount=4)),
        color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top"),
                        scale=alt.Scale(domain=[t("data.read"), t("data.rejected")], range=[BLUE, ORANGE])),
        tooltip=tooltips(t, day="data.day", what="data.reason", said="data.rows"),
    )  # fmt: skip
    return spec_of(chart, height=200)


def gold(facts: DayFacts, t: Texts) -> Spec | None:
    """Share of labels that people agree with, by interest, those with most texts first."""
    known = facts["label_quality"].head(MOST_BARS)
    if known.is_empty():
        return None
    rows = [
        {
            "what": interest_name(row["interest_id"], facts.names), "value": row["precision"] * 100,
            "low": row["precision_low"] * 100, "high": row["precision_high"] * 100, "group": "",
            **number("label_quality.precision", row, t),
        }
        for row in known.iter_rows(named=True)
    ]  # fmt: skip
    return intervals(rows, t, t("data.precision") + ", %", zero=None)


def size_history(facts: DayFacts, community_id: str, t: Texts) -> Spec | None:
    """Sizes of a community by day."""
    known = facts["history"].filter(pl.col("community_id") == community_id)
    if known.height < 2:
        return None
    rows = [
        {"day": row["day"].isoformat(), "d": row["day"].isoformat(), "members": row["users_rounded"],
         **number("history.users_rounded", row, t)}
        for row in known.iter_rows(named=True)
    ]  # fmt: skip
    chart = alt.Chart(alt.Data(values=rows)).mark_line(
        color=BLUE, point={"filled": True, "size": 40, "color": BLUE, "cursor": "pointer"}
    ).encode(
        x=day_axis(ticks=5),
        y=alt.Y("members:Q", title=t("communities.members"), axis=alt.Axis(tickCount=4)),
        tooltip=tooltips(t, d="data.day", said="communities.members"),
    )  # fmt: skip
    return spec_of(chart, height=160)
