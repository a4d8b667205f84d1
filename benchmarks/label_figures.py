"""`python -m benchmarks.label_figures`: the figures of the local labeller that a change of it is judged by, in seconds.

Belongs here: one line for each half of each pack, with a learnt vocabulary and without; with `--lost` also what the
learnt parts give, each left out in turn, and before calibration. Does not belong here: the scores (label_scores), the
bench's page with its peers and intervals (labels).
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from benchmarks.label_peers import CALIBRATED, CHARACTERS, LABELLERS, WORDS, local
from benchmarks.label_scores import HELD_OUT, LANGUAGES, TUNING, Array, Labels, Texts, scores, texts_of
from coterie.labels import local as module

FIGURES = (
    ("precision", 0.0),
    ("coverage", 0.0),
    ("precision at coverage", 0.35),
    ("precision at coverage", 0.5),
    ("precision at coverage, domain", 0.5),
    ("macro-F1", 0.0),
    ("calibration error", 0.0),
)
HEAD = (
    "language",
    "half",
    "labeller",
    "precision",
    "coverage",
    "at 0.35",
    "at 0.5",
    "domain at 0.5",
    "macro-F1",
    "ECE",
)


def _without(part: str) -> Callable[[Texts], Labels]:
    """The labeller with the weight of a part at 0; what it ranks first is comparable, its calibration error is not."""

    def label(texts: Texts) -> Labels:
        weights = {code: replace(given, **{part: 0.0}) for code, given in module.LEARNT.items()}
        with patch.object(module, "LEARNT", weights):
            return local(texts)

    return label


def _uncalibrated(texts: Texts) -> Labels:
    def as_it_is(probability: Array, language: str, *, learnt: bool) -> Array:
        del language, learnt
        return probability

    with patch.object(module, "calibrated", as_it_is):
        return local(texts)


LOST: Mapping[str, Callable[[Texts], Labels]] = {
    "without how common": _without("common"),
    "without tokens": _without("token"),
    "not calibrated": _uncalibrated,
}


def lines(languages: Sequence[str], halves: Sequence[str], methods: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A line for each half and labeller: names, then FIGURES; `-` where fewer texts have a label."""
    for language in languages:
        for half in halves:
            texts = texts_of(language).half(half)
            for method in methods:
                if method == WORDS and language == "zh":  # which is not written in words
                    continue
                weight, labels = np.ones(len(texts.true)), {**LABELLERS, **LOST}[method](texts)
                found = {(m, at): v for m, at, v in scores(texts, labels, weight, calibrated=True)}
                values = (found[figure] for figure in FIGURES)
                yield (language, half, method, *("-" if v is None else f"{v:.3f}" for v in values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_figures", description=__doc__)
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="both if not given")
    parser.add_argument("--half", choices=(HELD_OUT, TUNING), action="append", help="both if not given")
    parser.add_argument("--lost", action="store_true", help="also with each learnt part left out")
    parser.add_argument("--peers", action="store_true", help="also TF-IDF, which needs scikit-learn")
    given = parser.parse_args(arguments)
    methods = [*CALIBRATED, *(LOST if given.lost else ()), *((WORDS, CHARACTERS) if given.peers else ())]
    print(" | ".join(HEAD))
    for line in lines(given.language or LANGUAGES, given.half or (HELD_OUT, TUNING), methods):
        print(" | ".join(line), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
