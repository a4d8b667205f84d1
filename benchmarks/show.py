"""How figures stand on the page: means with intervals over seeds, Markdown tables, plots.

Belongs here: what all sections share in showing. Does not belong here: what is shown.
"""

from collections.abc import Iterable, Sequence
from math import isfinite, sqrt
from pathlib import Path

import altair as alt
import polars as pl
import vl_convert
from scipy import stats

LEVEL = 0.95
# Okabe and Ito (2008): told apart by colour-blind readers too. Coterie is always the first.
COLOURS = ("#D55E00", "#000000", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#7A5195", "#999999", "#B8A000")
LINK = "benchmarks"  # of plots, relative to docs/benchmarks.md


def mean(values: Iterable[float | None]) -> tuple[float, float, int]:
    """Mean, half-width of its 95 % interval (Student's t over seeds), and how many; null values are left out."""
    known = [v for v in values if v is not None and isfinite(v)]
    n = len(known)
    if not n:
        return float("nan"), float("nan"), 0
    middle = sum(known) / n
    if n < 2:
        return middle, float("nan"), n
    spread = sqrt(sum((v - middle) ** 2 for v in known) / (n - 1))
    return middle, float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * spread / sqrt(n), n


def cell(values: Iterable[float | None], digits: int = 2) -> str:
    """`0.71 ± 0.02`: mean and half-width; the mean alone for one seed, a dash for none."""
    middle, half, n = mean(values)
    if not n:
        return "-"
    told = f"{middle:.{digits}f}"
    told = told.replace("-", "") if float(told) == 0 else told
    return told if n < 2 else f"{told} ± {half:.{digits}f}"


def count(hits: float, n: int) -> str:
    """`3 of 20 (3 to 38 %)`: with the interval of Clopper and Pearson (1934)."""
    if not n:
        return "-"
    low = 0.0 if hits <= 0 else float(stats.beta.ppf((1 - LEVEL) / 2, hits, n - hits + 1))
    high = 1.0 if hits >= n else float(stats.beta.ppf((1 + LEVEL) / 2, hits + 1, n - hits))
    return f"{hits:g} of {n} ({100 * low:.0f} to {100 * high:.0f} %)"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    rows = ["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] + ["---:"] * (len(head) - 1)) + " |"]
    return "\n".join([*rows, *("| " + " | ".join(line) + " |" for line in lines)]) + "\n"


def grid(rows: pl.DataFrame, column: str, methods: Sequence[str], *, corner: str = "", digits: int = 2) -> str:
    """A table of `value`, one line for each method that has any, one column for each value of `column`."""
    shown = sorted(rows[column].unique().to_list())
    lines = []
    for method in methods:
        own = rows.filter(pl.col("method") == method)
        if own.is_empty():
            continue
        cells = [cell(own.filter(pl.col(column) == at)["value"], digits) for at in shown]
        lines.append([method, *cells])
    return table([corner, *(str(at) for at in shown)], lines)


def means(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Mean, low and high of `value` over seeds, for plots."""
    found = [
        (*key, middle, middle - half if isfinite(half) else middle, middle + half if isfinite(half) else middle)
        for key, part in rows.group_by(*by, maintain_order=True)
        for middle, half, n in [mean(part["value"])]
        if n
    ]
    numbers: dict[str, pl.DataType] = {name: pl.Float64() for name in ("mean", "low", "high")}
    schema = {**{name: rows.schema[name] for name in by}, **numbers}
    return pl.DataFrame(found, schema=schema, orient="row")


def lines(rows: pl.DataFrame, x: str, methods: Sequence[str], *, panel: str | None = None, x_title: str = "",
          y_title: str = "", width: int = 380) -> alt.Chart | alt.FacetChart | alt.LayerChart:  # fmt: skip
    """A line for each method over `x`, with bands of the 95 % intervals."""
    by = ["method", x, *([panel] if panel else [])]
    frame = means(rows.filter(pl.col("method").is_in(list(methods))), *by)
    order = [m for m in methods if m in set(frame["method"])]
    scale = alt.Scale(domain=order, range=list(COLOURS[: len(order)]))
    legend = alt.Legend(title=None, orient="right", symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1)
    colour = alt.Color("method:N", sort=order, scale=scale, legend=legend)
    # By the means: the intervals of a few seeds would leave them no room.
    low, high = (float(frame["mean"].to_numpy().min()), float(frame["mean"].to_numpy().max()))
    room = alt.Scale(domain=[low - 0.06 * (high - low), high + 0.06 * (high - low)], nice=False)
    base = alt.Chart(frame.to_pandas()).encode(
        x=alt.X(f"{x}:Q", title=x_title, axis=alt.Axis(grid=False, format="g")), color=colour
    )
    band = base.mark_area(opacity=0.15, clip=True).encode(y=alt.Y("low:Q", title=y_title, scale=room), y2="high:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=25), clip=True).encode(
        y=alt.Y("mean:Q", title=y_title, scale=room),
        strokeWidth=alt.condition(alt.datum.method == order[0], alt.value(3), alt.value(1.5)),
    )
    chart = alt.layer(band, line).properties(width=width, height=260)
    if panel is None:
        return chart
    panels = frame[panel].unique(maintain_order=True).to_list()
    return chart.facet(column=alt.Column(f"{panel}:N", title=None, sort=panels, header=alt.Header(labelFontSize=13)))


def folded(summary: str, text: str) -> str:
    """Text that a reader unfolds."""
    return f"<details>\n<summary>{summary}</summary>\n\n{text.strip()}\n\n</details>"


def save(chart: alt.TopLevelMixin, folder: Path, name: str, alternative: str) -> str:
    """Save a plot as `<name>.svg` and return the Markdown that shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = chart.to_dict()
    spec["background"] = "white"
    spec.setdefault("config", {}).update(
        {"axis": {"labelFontSize": 12, "titleFontSize": 12}, "legend": {"labelFontSize": 12}, "view": {"stroke": None}}
    )
    (folder / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec) + "\n", encoding="utf-8")
    return f"![{alternative}]({LINK}/{name}.svg)\n"
