"""Design choices of the search for communities, side by side: what docs/method.md says lost.

Run: `python -m benchmarks.designs_search`. The worlds are those of the bench (`benchmarks.communities`); everything is
learnt from their first week at once, without a day before. Figures are adjusted Rand indices against the true
communities, over the users whom the oracle of the bench can judge.

Belongs here: variants of what the mixture reads and of where it starts. Does not belong here: tests of communities
(designs), the methods of others (peers).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from scipy import sparse

from benchmarks import scores
from benchmarks.communities import LABELS, LEARN, scenario
from benchmarks.pipeline import DISCLOSURE, HALF_LIFE_DAYS, MOST_USERS
from benchmarks.worlds import run_world, true_labels
from coterie.communities import detect
from coterie.communities.acts import Acts, acts_of
from coterie.communities.membership import settle
from coterie.communities.mixture import foretold
from coterie.communities.starts import starts
from coterie.graphs import user_graph
from coterie.interests import user_interests
from coterie.matrices import product

SEEDS, MIXINGS = range(1, 4), (0.3, 0.6, 0.8)


def by_interest(acts: Acts) -> Acts:
    """Interests in the place of items: what an item's own engagements say is lost."""
    known = acts.labels.shape[1]
    return replace(
        acts,
        engaged=product(acts.engaged, acts.labels),
        labels=sparse.csr_array(np.eye(known)),
    )


def without_labels(acts: Acts) -> Acts:
    """No labels: every item speaks for itself alone."""
    return replace(
        acts, labels=sparse.csr_array(acts.labels.shape), earlier=sparse.csr_array(acts.earlier.shape)
    )  # fmt: skip


READS: Mapping[str, Callable[[Acts], Acts]] = {
    "items and labels (used)": lambda acts: acts,
    "without labels": without_labels,
    "interests in the place of items": by_interest,
}


def main() -> None:
    """Print both comparisons as Markdown."""
    rows: list[tuple[str, str, float, float]] = []
    for mixing in MIXINGS:
        for seed in SEEDS:
            for name, labels in LABELS.items():
                rows += [(kind, f"{name} labels", mixing, ari) for kind, ari in _one(mixing, seed, labels)]
    frame = pl.DataFrame(rows, schema=["variant", "labels", "mixing", "ari"], orient="row")
    means = frame.group_by("variant", "labels", "mixing", maintain_order=True).agg(pl.col("ari").mean())
    print("| variant | " + " | ".join(f"{name} labels, mixing {m}" for name in LABELS for m in MIXINGS) + " |")
    print("| --- |" + " ---: |" * (len(LABELS) * len(MIXINGS)))
    for variant in frame["variant"].unique(maintain_order=True):
        cells = [
            means.filter(pl.col("variant") == variant, pl.col("labels") == f"{name} labels", pl.col("mixing") == m)[
                "ari"
            ]
            for name in LABELS
            for m in MIXINGS
        ]
        print(f"| {variant} | " + " | ".join(f"{c[0]:.2f}" if len(c) else "-" for c in cells) + " |")


def _one(mixing: float, seed: int, label: Callable[..., pl.DataFrame]) -> list[tuple[str, float]]:
    days, known = run_world(scenario(mixing, seed))
    learnt = days[:LEARN]
    labels = label(known)
    interests = None
    for day in learnt:
        interests = user_interests(
            day.engagement, labels, interests, half_life_days=HALF_LIFE_DAYS, exposures_logged=True
        )
    assert interests is not None
    engaged = pl.concat([day.engagement.with_columns(day=pl.lit(day.on)) for day in learnt])
    acts = acts_of(engaged, labels, interests, half_life_days=HALF_LIFE_DAYS)
    data = scores.split(engaged.select("user_id", "item_id", "strength"), engaged.clear(), true_labels(known))
    truth = scores.groups_of(data.users, known.communities_on(learnt[-1].on), "community")

    def ari(read: Acts, start: np.ndarray) -> float:
        _, found = settle(read, start, DISCLOSURE)
        frame = pl.DataFrame({"user_id": read.users, "group": found}).filter(pl.col("group") >= 0)
        groups = scores.groups_of(data.users, frame.with_columns(pl.col("group").cast(pl.String)), "group")
        return float(scores.agreement(truth, groups)["ari"] or 0.0)

    graph = user_graph(interests, max_users=MOST_USERS)
    begin = starts(acts, graph, None, DISCLOSURE)
    longer = _until_nothing_improves(acts, graph)
    gains = {start: foretold(acts, groups, DISCLOSURE).gain for start, groups in longer.items()}
    found = [("Leiden until nothing improves", ari(acts, longer[max(gains, key=lambda k: gains[k])]))]
    for name, change in READS.items():
        read = change(acts)
        gains = {start: foretold(read, groups, DISCLOSURE).gain for start, groups in begin.items()}
        found.append((name, ari(read, begin[max(gains, key=lambda k: gains[k])])))
    return found + [(f"one start: {name}", ari(acts, groups)) for name, groups in begin.items()]


def _until_nothing_improves(acts: Acts, graph: pl.DataFrame) -> Mapping[str, np.ndarray]:
    usual, detect.ITERATIONS = detect.ITERATIONS, -1
    try:
        return starts(acts, graph, None, DISCLOSURE)
    finally:
        detect.ITERATIONS = usual


if __name__ == "__main__":
    main()
