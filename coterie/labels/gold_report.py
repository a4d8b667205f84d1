"""The gold report in words and tables, as Markdown.

Belongs here: what a person reads of the measures. Does not belong here: the measures (gold_measures).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from coterie.labels.gold import GoldSet, Marked, Version, marked
from coterie.labels.gold_measures import (
    Estimates,
    between_annotators,
    calibration,
    confusion,
    drift,
    first_kappa,
    kappa,
    overall,
    precision,
    recall,
)

FEW = 5  # texts below which an interest's numbers say little: such interests are counted, not listed


def report(gold: GoldSet, current: Version | None) -> str:
    """Everything that the gold set says: annotators, each version, and in detail the current one.

    Args:
        gold: with at least one annotated text.
        current: the version whose labels are published now; None, or one without verdicts: the last of those known.
    """
    versions = gold.versions
    chosen = gold.version_like(current) if current else None
    if chosen not in versions:
        chosen = versions[-1] if versions else None
    lines = [
        "# Gold report",
        "",
        f"{gold.annotated} of {gold.drawn['text_hash'].n_unique()} drawn texts are annotated, by "
        f"{', '.join(gold.annotators)}. Brackets hold 90 % intervals. Texts count for as many as they stand for.",
    ]
    if current and chosen != gold.version_like(current):
        lines += ["", f"No verdict of {current} is known, whose labels are published now: run `coterie gold label`."]
    lines += _annotators(gold)
    lines += _versions(gold, versions)
    if chosen is not None:
        of = marked(gold, chosen)
        lines += _changed_taxonomy(gold, chosen)
        if of.texts:
            lines += [*_interests(of, chosen), *_calibration(of), *_confusion(of), *_drift(gold, versions, chosen)]
    return "\n".join(lines) + "\n"


def _annotators(gold: GoldSet) -> list[str]:
    both = between_annotators(gold)
    if both.is_empty():
        return ["", "No text was read by two people, so it is not known how far people agree with one another."]
    rows = [
        (f"{r['a']} and {r['b']}", r["texts"], _said(r["kappa"], r["low"], r["high"])) for r in both.to_dicts()
    ]  # fmt: skip
    return ["", "## Between annotators", "", *_table(("who", "texts", "kappa on the main interest"), rows)]


def _versions(gold: GoldSet, versions: list[Version]) -> list[str]:
    rows: list[tuple[object, ...]] = []
    for version in versions:
        of = marked(gold, version)
        if of.texts:
            rows.append((version, len(of.texts), *map(_first, (*overall(of), first_kappa(of)))))
    names = ("version", "texts", "precision", "recall", "labelled", "kappa on the main interest")
    return ["", "## Labellers", "", *_table(names, rows)]


def _changed_taxonomy(gold: GoldSet, version: Version) -> list[str]:
    others = sorted(set(gold.answers["taxonomy_version"]) - {version.taxonomy_version})
    if not others:
        return []
    return [
        "",
        f"Some texts were annotated with taxonomy {', '.join(others)}, the labels are those of "
        f"{version.taxonomy_version}: interests that came later could not be chosen, and count as wrong where given.",
    ]


def _interests(of: Marked, version: Version) -> list[str]:
    p, r, k = precision(of), recall(of), kappa(of)
    texts = np.maximum(p.texts, r.texts)
    shown = [int(j) for j in np.argsort(-texts, kind="stable") if texts[j] >= FEW]
    rows = [(of.interests[j], int(p.texts[j]), int(r.texts[j]), *(_one(e, j) for e in (p, r, k))) for j in shown]
    few = len(of.interests) - len(shown)
    tail = ["", f"{few} more interests have fewer than {FEW} gold texts."] if few else []
    names = ("interest", "labelled so", "so by people", "precision", "recall", "kappa")
    return ["", f"## Interests: {version}", "", *_table(names, rows), *tail]


def _calibration(of: Marked) -> list[str]:
    found = calibration(of)
    rows = [
        (f"{r['from']:.1f} to {r['to']:.1f}", r["labels"], f"{r['confidence']:.2f}", _said(r["precision"], r["low"], r["high"]))
        for r in found.to_dicts()
    ]  # fmt: skip
    away = (found["confidence"] - found["precision"]).abs().to_numpy()
    gap = float(np.average(away, weights=found["labels"].to_numpy())) if rows else 0.0
    return [
        "", "## Calibration", "",
        *_table(("confidence", "labels", "mean confidence", "precision"), rows),
        "", f"On average confidence is off by {gap:.2f} (expected calibration error).",
    ]  # fmt: skip


def _confusion(of: Marked) -> list[str]:
    rows = [
        (r["label"] or "none", r["truth"] or "none", r["texts"], _said(r["share"], r["low"], r["high"]))
        for r in confusion(of).to_dicts()
    ]
    return ["", "## Taken for another", "", *_table(("label", "people say", "texts", "share of all texts"), rows)]


def _drift(gold: GoldSet, versions: list[Version], chosen: Version) -> list[str]:
    found = [
        drift(gold, other, chosen).with_columns(pl.lit(str(other)).alias("than"))
        for other in versions
        if other != chosen
    ]
    rows = [
        (r["than"], r["measure"], r["texts"], f"{r['older']:.2f}", f"{r['newer']:.2f}",
         _said(r["change"], r["low"], r["high"], sign=True),
         "changed" if r["low"] > 0 or r["high"] < 0 else "no evidence of change")
        for frame in found for r in frame.to_dicts()
    ]  # fmt: skip
    if not rows:
        return ["", "Only one version judged these texts, so nothing is known about drift."]
    names = ("than", "measure", "texts", "then", "now", "change", "verdict")
    return ["", f"## Drift to {chosen}", "", *_table(names, rows)]


def _first(of: Estimates) -> str:
    return _one(of, 0)


def _one(of: Estimates, column: int) -> str:
    return _said(float(of.value[column]), float(of.low[column]), float(of.high[column]))


def _said(value: float, low: float, high: float, *, sign: bool = False) -> str:
    if not np.isfinite(value):
        return "not known"
    form = "+.2f" if sign else ".2f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _table(names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(str, row))} |" for row in (names, ("---",) * len(names), *rows)]
    return lines if rows else ["nothing yet"]
