"""Strategies against the truth: do the intervals hold, does the order hold, and what would following them bring?

Belongs here: the section and its page. Does not belong here: the scores of a world (strategy_scores).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl
from scipy import stats

from benchmarks import show
from benchmarks.section import Options, Section, Setting
from benchmarks.strategy_scores import (
    ADVISED,
    COTERIE,
    FOUND_BEST,
    METHODS,
    NAIVE,
    NO_ROW,
    NOT_REAL,
    PER_SHOWING,
    POPULARITY,
    RANDOM,
    figures,
)
from benchmarks.worlds import Known, local_labels, run_world, true_labels
from coterie.simulate import Scenario

# The candidates as they are tested, before any is picked: the library publishes only what it picks.
from coterie.strategies.kinds import BOOST, CLOSE_GAP, DIVERSIFY, EXPLORE, SEED_CREATORS

MIXINGS, USERS, EVENTS, DAYS = (0.2, 0.4, 0.6), 2_000, 20_000, 15
LABELS: Mapping[str, Callable[[Known], pl.DataFrame]] = {"true": true_labels, "local": local_labels}
MOST_POINTS = 120  # in a chart's panel


def settings(options: Options) -> Sequence[Setting]:
    """Worlds from clear to blurred communities, with true labels and with the local labeller's."""
    del options
    return [Setting({"mixing": mixing, "labels": labels}) for mixing in MIXINGS for labels in LABELS]


def measure_world(setting: Setting, seed: int) -> pl.DataFrame:
    """ROWS of one world."""
    scenario = Scenario(seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, mixing=float(setting["mixing"]))
    days, known = run_world(scenario)
    return figures(days, known, LABELS[str(setting["labels"])](known))


def pooled(frame: pl.DataFrame) -> tuple[float, float]:
    """The ratio of sums over worlds, and the half-width of its 95 % interval; NaN for what is not defined.

    By linearisation with seeds as clusters (Cochran 1977, chapter 6), since worlds of a seed are alike at every mixing,
    and Student's t.

    Args:
        frame: seed, value, weight; a seed may have several lines.
    """
    worlds = (
        frame.filter(pl.col("value").is_not_null())
        .group_by("seed")
        .agg(y=(pl.col("value") * pl.col("weight")).sum(), x=pl.col("weight").sum())
        .sort("seed")
    )
    y, x, n = worlds["y"].to_numpy(), worlds["x"].to_numpy(), worlds.height
    if not n or not x.sum() > 0:
        return float("nan"), float("nan")
    ratio = float(y.sum() / x.sum())
    if n < 2:
        return ratio, float("nan")
    variance = n / (n - 1) * float(((y - ratio * x) ** 2).sum()) / float(x.sum()) ** 2
    return ratio, float(stats.t.ppf(0.975, n - 1)) * variance**0.5


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Markdown and plots from the rows of all worlds."""
    seeds, shares = rows["seed"].n_unique(), rows.filter(pl.col("measure") != "row")
    regrets = [_regret_table(shares.filter(pl.col("labels") == labels), how) for labels, how in SHOWN]
    parts = [
        f"Worlds of {USERS:,} users, 6 communities, {EVENTS:,} events a day and {DAYS} days, {seeds} of each kind; showings are "
        "logged, a tenth of them at random. *Mixing* is the share of what members want that everybody wants. On the last day "
        "the library makes its suggestions. What is true of each is known exactly (`benchmarks/strategy_truths.py` says how): "
        "the same members and others and their showings, with the true strength of each. With the local labeller's labels, "
        "too, a row is taken at its word: it is about the interest that it names. Intervals are 95 %, over seeds.",
        "### Do the 90 % intervals hold?",
        _coverage_table(shares),
        "- *overstated*: the truth is below the interval; *error*: mean of effect less truth, below zero where shrinkage takes "
        "too much.\n"
        "- *as labelled*: the same against the truth about the items that bear the label, whatever they are about. What is "
        "better here than under *coverage* is lost to wrong labels.\n"
        "- *no such items*: rows about interests that only wrong labels speak of. They have no truth and count as neither.\n"
        "- *with a number*: of all candidates of real communities; the others cannot be evaluated, have too few members "
        "behind them, or rest on labels that are too uncertain.\n"
        "- With local labels the interval allows for wrong labels, and that of a supply gap for missing ones. A boost's "
        "lower end does not: it moves showings to the items as labelled.\n"
        "- The interval of a supply gap allows for chance in what was supplied. The truth takes supply as it came, so this "
        "interval should hold more often than it says.\n"
        "- The interval also allows for as much change until next week as was seen within the week, which the truth of "
        "that week does not know. This, too, makes it hold more often than it says.\n"
        "- The scorecard measures a suggestion again on later days by the same measure. An error that both share, such as a "
        "wrong label, shows here and not there.",
        _points_plot(rows, folder),
        "### Does the order hold?",
        _rank_table(shares),
        "Spearman's correlation of the score with the true effect of boosting the interest, which is to give it 5 % of the "
        "members' showings, over the boosts of a day; mean over worlds. All methods rank the pairs to which Coterie gives a "
        f"number. *{PER_SHOWING.capitalize()}*: the members' engagement per showing of the interest, whoever chose to show it.",
        "### What does following it bring?",
        _loss_line(shares),
        "Now each method chooses one interest to boost for each found community; sensitive interests are nobody's choice. "
        "*Regret* is the share of the best gain for the same members that is missed: 0 is the best choice, 1 what doing nothing "
        "costs, more is harm. Coterie takes the proposed boost whose interval has the highest lower end; without one it "
        f"abstains, at regret 1. *{NAIVE.capitalize()}* takes the interest whose share of the members' engagement is the highest "
        f"multiple of its share of everybody's, *{POPULARITY}* what everybody engages with most, *{RANDOM}* any interest. "
        "*Platform* compares with the best boost of each true community, so it counts communities that are not found or not "
        "real, and members in the wrong one.",
        f"Regret with true labels:\n\n{regrets[0]}",
        f"Regret with the local labeller's labels, where the items that bear the label are boosted, whatever they are about:\n\n"
        f"{regrets[1]}",
        f"If instead the interest is taken at its word, regret with local labels is: {_at_its_word(shares)}.",
        _regret_plot(shares, folder),
        "Where Coterie abstains, and what that costs:",
        _abstention_table(shares),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


SHOWN = (("true", ""), ("local", ", items as labelled"))
KIND_NAMES = {
    BOOST: "boost an interest",
    EXPLORE: "explore an interest",
    CLOSE_GAP: "close a supply gap",
    DIVERSIFY: "show less of an interest",
    SEED_CREATORS: "show a creator",
}


def _cell(frame: pl.DataFrame, method: str, measure: str, digits: int = 2) -> str:
    value, half = pooled(frame.filter(pl.col("method") == method, pl.col("measure") == measure))
    if np.isnan(value):
        return "-"
    told = f"{value + 0.0:.{digits}f}"
    return told if np.isnan(half) else f"{told} ± {half:.{digits}f}"


def _of(shares: pl.DataFrame, labels: str) -> pl.DataFrame:
    return shares.filter(pl.col("labels") == labels)


def _weight(frame: pl.DataFrame, method: str, measure: str) -> float:
    return float(frame.filter(pl.col("method") == method, pl.col("measure") == measure)["weight"].sum())


def _coverage_table(shares: pl.DataFrame) -> str:
    columns = {
        "coverage": ("coverage of rows", 2),
        "as labelled": ("coverage of rows, items as labelled", 2),
        "overstated": ("overstated rows", 2),
        "error": ("error of rows", 3),
        "no such items": ("rows about interests without items", 2),
        "candidates' coverage": ("coverage of candidates", 2),
        "with a number": ("candidates with a number", 2),
    }
    lines = []
    for labels in LABELS:
        frame = _of(shares, labels)
        for kind, name in KIND_NAMES.items():
            told = [_cell(frame, kind, measure, digits) for measure, digits in columns.values()]
            count = f"{_weight(frame, kind, 'coverage of rows'):,.0f}"
            lines.append([f"{name}, {labels} labels", count, *told])
    return show.table(["", "rows", *columns], lines)


def _rank_table(shares: pl.DataFrame) -> str:
    columns = [(labels, name) for labels in LABELS for name in ("candidates", "rows")]
    lines = []
    for method in (COTERIE, PER_SHOWING, NAIVE, POPULARITY):
        told = [_cell(_of(shares, labels), method, f"rank correlation of {name}") for labels, name in columns]
        lines.append([method, *told])
    return show.table(["", *(f"{name}, {labels} labels" for labels, name in columns)], lines)


def _loss_line(shares: pl.DataFrame) -> str:
    told = []
    for labels in LABELS:
        for kind in (BOOST, EXPLORE, DIVERSIFY, SEED_CREATORS):
            frame = _of(shares, labels)
            if n := _weight(frame, kind, "gains that are losses"):
                share = _cell(frame, kind, "gains that are losses")
                line = f"{KIND_NAMES[kind]}, {labels} labels: {share} of {n:,.0f}"
                if labels != "true":
                    line += (
                        f" ({_cell(frame, kind, 'gains that are losses, items as labelled')} for the items as labelled)"
                    )
                told.append(line)
    if not told:
        return "No row was proposed."
    return f"Share of the proposed rows whose interest, given showings, truly adds nothing or less: {'; '.join(told)}."


def _regret_table(shares: pl.DataFrame, how: str) -> str:
    mixings = shares["mixing"].unique().sort().to_list()
    lines = []
    for method in (*METHODS, FOUND_BEST):
        cells = [_cell(shares.filter(pl.col("mixing") == m), method, f"regret{how}") for m in mixings]
        measures = ("regret", f"regret{ADVISED}", "regret on the platform")
        lines.append([method, *cells, *(_cell(shares, method, f"{measure}{how}") for measure in measures)])
    return show.table(["", *(f"mixing {m:g}" for m in mixings), "all", "where Coterie advises", "platform"], lines)


def _at_its_word(shares: pl.DataFrame) -> str:
    return ", ".join(f"{method} {_cell(_of(shares, 'local'), method, 'regret')}" for method in METHODS)


def _abstention_table(shares: pl.DataFrame) -> str:
    measures = {
        "share of found communities": "communities without advice",
        "of the platform's best gain": "cost of abstaining",
    }
    lines = []
    for labels in LABELS:
        for why in (NOT_REAL, NO_ROW):
            lines.append([f"{why}, {labels} labels", *(_cell(_of(shares, labels), why, m) for m in measures.values())])
    return show.table(["", *measures], lines)


def _points_plot(rows: pl.DataFrame, folder: Path) -> str:
    points = rows.filter(pl.col("measure") == "row", pl.col("method") == BOOST, pl.col("truth").is_not_null())
    if points.is_empty():
        return ""
    held = pl.col("truth").is_between("effect_low", "effect_high")
    points = (
        points.sort("seed", "mixing", "effect")
        .group_by("labels", maintain_order=True)
        .head(MOST_POINTS)
        .with_columns(pl.col("labels") + " labels", held=pl.when(held).then(pl.lit("held")).otherwise(pl.lit("missed")))
        .select("labels", "effect", "effect_low", "effect_high", "truth", "held")
    )
    every = np.concatenate([points[c].to_numpy() for c in ("effect_low", "effect_high", "truth")])
    scale = alt.Scale(domain=[float(every.min()), float(every.max())], nice=False)
    colours = alt.Scale(domain=["held", "missed"], range=[show.COLOURS[2], show.COLOURS[0]])
    across, up = "true gain of a showing that moves", "predicted, with 90 % interval"
    base = alt.Chart(points.to_pandas()).encode(x=alt.X("truth:Q", title=across, scale=scale))
    coloured = base.encode(color=alt.Color("held:N", title="interval", scale=colours))
    rule = coloured.mark_rule(opacity=0.35).encode(y=alt.Y("effect_low:Q", title=up, scale=scale), y2="effect_high:Q")
    dot = coloured.mark_circle(size=22, opacity=0.9).encode(y=alt.Y("effect:Q", title=up, scale=scale))
    diagonal = base.mark_line(color="#999999", strokeDash=[4, 3]).encode(y=alt.Y("truth:Q", title=up, scale=scale))
    chart = alt.layer(diagonal, rule, dot).properties(width=320, height=300).facet(column=_by_labels())
    told = "Predicted against true effects of boosts, with their intervals"
    return show.save(chart, folder, "strategies-predicted", told)


def _by_labels() -> alt.Column:
    return alt.Column("labels:N", title=None, sort=[f"{labels} labels" for labels in LABELS])


def _regret_plot(shares: pl.DataFrame, folder: Path) -> str:
    lines = []
    for labels, how in SHOWN:
        for mixing in shares["mixing"].unique().sort().to_list():
            frame = _of(shares, labels).filter(pl.col("mixing") == mixing, pl.col("measure") == f"regret{how}")
            for method in METHODS:
                value, half = pooled(frame.filter(pl.col("method") == method))
                half = 0.0 if np.isnan(half) else half
                lines.append((f"{labels} labels", f"{mixing:g}", method, value, value - half, value + half))
    names = ["labels", "mixing", "method", "regret", "low", "high"]
    frame = pl.DataFrame(lines, schema=names, orient="row").filter(~pl.col("regret").is_nan())
    if frame.is_empty():
        return ""
    order = list(METHODS)
    title = "regret (0: the best, 1: nothing done)"
    colours = alt.Scale(domain=order, range=list(show.COLOURS[: len(order)]))
    base = alt.Chart(frame.to_pandas()).encode(
        x=alt.X("mixing:N", title="mixing", axis=alt.Axis(labelAngle=0)), xOffset=alt.XOffset("method:N", sort=order)
    )
    bars = base.mark_bar().encode(
        y=alt.Y("regret:Q", title=title), color=alt.Color("method:N", title=None, sort=order, scale=colours)
    )
    whiskers = base.mark_rule(color="#333333").encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    chart = alt.layer(bars, whiskers).properties(width=300, height=240).facet(column=_by_labels())
    told = "Regret of each way of choosing, by mixing, with true and with local labels"
    return show.save(chart, folder, "strategies-regret", told)


SECTION = Section("strategies", "Strategies", settings, measure_world, render)
