"""`python -m benchmarks.label_figures`: the figures of the local labeller that a change of it is judged by, in seconds.

Belongs here: one line for each half of each pack, with a learnt vocabulary and without. Does not belong here: the
scores (label_scores), the bench's page with its peers and intervals (labels).
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.label_peers import CALIBRATED, LABELLERS
from benchmarks.label_scores import HELD_OUT, LANGUAGES, TUNING, scores, texts_of

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


def lines(languages: Sequence[str], halves: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A line for each half and labeller: names, then FIGURES; `-` where fewer texts have a label."""
    for language in languages:
        for half in halves:
            texts = texts_of(language).half(half)
            for method in CALIBRATED:
                weight = np.ones(len(texts.true))
                found = {(m, at): v for m, at, v in scores(texts, LABELLERS[method](texts), weight, calibrated=True)}
                values = (found[figure] for figure in FIGURES)
                yield (language, half, method, *("-" if v is None else f"{v:.3f}" for v in values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_figures", description=__doc__)
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="both if not given")
    parser.add_argument("--half", choices=(HELD_OUT, TUNING), action="append", help="both if not given")
    given = parser.parse_args(arguments)
    print(" | ".join(HEAD))
    for line in lines(given.language or LANGUAGES, given.half or (HELD_OUT, TUNING)):
        print(" | ".join(line), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
