"""`python -m benchmarks.label_cascade [DRAWS]`: is what the cascade certifies true, and how much does it label?

Belongs here: the cascade over random lots of the held-out titles, the truth in place of Claude. So it is the bound that is
measured, not a model: against the forum that a title was posted in, which is often more than its words say, few local
labels are right nine times in ten. A judge who goes by the words would certify more.
"""

import sys
from typing import Any, cast

import numpy as np
import polars as pl

from benchmarks.label_peers import learnt_labeller
from benchmarks.label_scores import HELD_OUT, Texts, texts_of
from coterie.labels import certificate
from coterie.labels.base import LABELS, Labelled
from coterie.labels.cascade import CascadeLabeller

SEED, DRAWS = 20240501, 20
SIZES = (2_000, 10_000)
BOUNDS = (0.1, 0.2)


class Judge:
    """Says what is true; in place of the expensive labeller."""

    name, model, prompt_version = "judge", "truth", ""

    def __init__(self, texts: Texts) -> None:
        rows, places = np.nonzero(texts.accepted)
        self._true = pl.DataFrame(
            {
                "text_hash": rows.astype(str),
                "interest_id": [texts.interests[k] for k in places],
                "confidence": np.full(len(rows), 0.9),
            }
        ).cast(LABELS)  # type: ignore[arg-type]
        self.asked = 0

    def label(self, items: pl.DataFrame) -> Labelled:
        """The truth of some texts; see `Labeller`."""
        self.asked += items.height
        return Labelled(self._true.filter(pl.col("text_hash").is_in(items["text_hash"].implode())))


def measure(texts: Texts, size: int, seed: int) -> dict[str, float]:
    """One lot of titles."""
    rows = np.sort(np.random.default_rng([SEED, seed]).permutation(len(texts.true))[:size])
    lot = texts.take(rows)
    judge = Judge(lot)
    # Ids that are drawn anew with each lot: what is drawn goes by a hash of them.
    cascade = CascadeLabeller(learnt_labeller(lot), cast(Any, judge), lot.items().clear())
    found = cascade.label(lot.items())
    first = (
        found.labels.filter(pl.col("labeller") == "local")
        .sort("text_hash", -pl.col("confidence"), "interest_id")
        .unique("text_hash", keep="first", maintain_order=True)
    )
    place = {name: k for k, name in enumerate(lot.interests)}
    right = lot.accepted[first["text_hash"].cast(pl.Int64).to_numpy(), [place[i] for i in first["interest_id"]]]
    certified = cascade.certificate.threshold is not None
    return {
        "asked": judge.asked / size,
        "certified": float(certified),
        "local": first.height / size,
        "wrong": 1 - float(right.mean()) if certified and len(right) else float("nan"),
        "false": float(certified and len(right) > 0 and 1 - right.mean() > certificate.MOST_WRONG),
    }


def main(draws: int = DRAWS) -> None:
    """Print a table."""
    texts = texts_of("en").half(HELD_OUT)
    head = (
        "titles, most that may be wrong",
        "asked",
        "certified",
        "labelled locally",
        "of them wrong",
        "above the bound",
    )
    print(f"| {' | '.join(head)} |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for size in SIZES:
        for bound in BOUNDS:
            certificate.MOST_WRONG = bound
            rows = pl.DataFrame([measure(texts, size, seed) for seed in range(draws)])
            sure = rows.filter(pl.col("certified") == 1)
            told = [sure["local"].mean(), sure["wrong"].mean()]
            shown = " | ".join("-" if value is None else f"{value:.3f}" for value in told)
            print(
                f"| {size:,}, {bound:.0%} | {rows['asked'].mean():.3f} | {sure.height} of {draws} | {shown} | "
                f"{int(rows['false'].sum())} of {draws} |",
                flush=True,
            )


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))
