"""Charts of the report, drawn by Vega-Lite into SVG: no script and no request in the page."""

import altair as alt
import polars as pl
import vl_convert

# Okabe and Ito (2008): told apart by colour-blind readers too.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
VERDICT_COLOURS = {"real": BLUE, "weak": GREY, "artefact": ORANGE}
MOST_BARS = 15


def communities(frame: pl.DataFrame) -> str:
    """Bars of community sizes, coloured by verdict; columns name, users_rounded, verdict. Empty text if no rows."""
    if frame.is_empty():
        return ""
    shown = frame.sort("users_rounded", "name", descending=[True, False]).head(MOST_BARS)
    chart = (
        alt.Chart(shown.select("name", "users_rounded", "verdict"))
        .mark_bar()
        .encode(
            x=alt.X("users_rounded:Q", title="members (rounded down to 5)"),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)),
            color=alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=list(VERDICT_COLOURS), range=list(VERDICT_COLOURS.values())),
                legend=alt.Legend(orient="top", title=None),
            ),
        )
    )
    return _svg(chart, rows=shown.height)


def trends(frame: pl.DataFrame) -> str:
    """Today's share of active users per interest beside that of the week before, strongest change first."""
    known = frame.filter(
        pl.col("trend").is_in(["rising", "falling", "steady"]) & pl.col("baseline_share").is_not_null()
    )
    if known.is_empty():
        return ""
    shown = known.sort("q_value", "interest", nulls_last=True).head(MOST_BARS)
    today = (pl.col("trend_ratio") * pl.col("baseline_share")).alias("today")
    both = shown.select("interest", "trend", today, pl.col("baseline_share").alias("week before"))
    base = alt.Chart(both).encode(y=alt.Y("interest:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)))
    line = base.mark_rule(color=GREY).encode(x="week before:Q", x2="today:Q")
    before = base.mark_point(color=GREY, filled=False, size=50).encode(
        x=alt.X(
            "week before:Q", title="share of active users (circle: week before, dot: today)", axis=alt.Axis(format="%")
        )
    )
    now = base.mark_point(filled=True, size=70).encode(
        x="today:Q",
        color=alt.Color(
            "trend:N",
            scale=alt.Scale(domain=["rising", "falling", "steady"], range=[BLUE, ORANGE, GREY]),
            legend=alt.Legend(orient="top", title=None),
        ),
    )
    return _svg(line + before + now, rows=shown.height)


def gaps(frame: pl.DataFrame) -> str:
    """Demand share minus supply share per interest, widest gaps first."""
    known = frame.filter(pl.col("gap").is_not_null())
    if known.is_empty():
        return ""
    shown = (
        known.sort(pl.col("gap").abs(), "interest", descending=[True, False]).head(MOST_BARS).sort("gap", "interest")
    )
    chart = (
        alt.Chart(shown.select("interest", "gap"))
        .mark_bar()
        .encode(
            x=alt.X("gap:Q", title="share of engagement minus share of new items", axis=alt.Axis(format="+%")),
            y=alt.Y("interest:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)),
            color=alt.condition(alt.datum.gap > 0, alt.value(BLUE), alt.value(ORANGE)),
        )
    )
    return _svg(chart, rows=shown.height)


def effects(frame: pl.DataFrame) -> str:
    """Predicted effects with their 90 % intervals, one line per proposed strategy."""
    known = frame.filter(pl.col("effect").is_not_null() & (pl.col("status") == "proposed"))
    if known.is_empty():
        return ""
    shown = known.sort("effect_low", "strategy_id", descending=[True, False]).head(MOST_BARS)
    named = shown.select(
        pl.concat_str(
            pl.col("kind").str.replace_all("_", " "), pl.lit(" · "), "interest", pl.lit(" → "), "community"
        ).alias("what"),
        "effect",
        "effect_low",
        "effect_high",
    )
    base = alt.Chart(named).encode(y=alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=420)))
    interval = base.mark_rule(color=BLUE, strokeWidth=2).encode(
        x=alt.X("effect_low:Q", title="predicted difference, with 90 % interval", axis=alt.Axis(format="+.0%")),
        x2="effect_high:Q",
    )
    point = base.mark_point(filled=True, color=BLUE, size=60).encode(x="effect:Q")
    return _svg(interval + point, rows=named.height)


def _svg(chart: alt.Chart | alt.LayerChart, *, rows: int) -> str:
    sized = chart.properties(width=420, height=24 * rows + 10).configure_view(stroke=None).configure_axis(
        labelFontSize=12, titleFontSize=12, grid=False
    )  # fmt: skip
    return str(vl_convert.vegalite_to_svg(sized.to_json()))
