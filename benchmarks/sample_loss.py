"""What is lost where communities are found in a sample of the users and everybody else is judged by it.

Run: `python -m benchmarks.sample_loss [SEEDS]` (about two minutes a seed). The same platforms, with all users in the search
and with a quarter of them; agreement with the true communities is measured on the last day, over all users.
"""

import sys
import time

import polars as pl

from benchmarks import pipeline, scores, show
from benchmarks.worlds import Known, WorldDay, local_labels, run_world, true_labels
from coterie.simulate import Scenario

USERS, EVENTS, DAYS, COMMUNITIES = 6_000, 36_000, 5, 8
SEARCHED = {"all users": USERS, "a quarter": USERS // 4}
LABELS = {"true": true_labels, "local": local_labels}


def measure(days: list[WorldDay], known: Known, labels: str, searched: int) -> dict[str, float]:
    """ari, coverage (share of users with a community) and seconds."""
    began = time.perf_counter()
    *_, last = pipeline.run(days, LABELS[labels](known), exposures=True, max_users=searched)
    seconds = time.perf_counter() - began
    users = last.user_interests["user_id"].unique().sort()
    truth = scores.groups_of(users, known.communities_on(last.on), "community")
    found = scores.groups_of(users, last.memberships.filter("is_primary"), "community_id")
    agreed = scores.agreement(truth, found)
    return {"ari": float(agreed["ari"] or 0.0), "coverage": float((found >= 0).mean()), "seconds": seconds}


def main(count: int) -> None:
    """Print a table: labels, searched, and the mean of each measure over seeds."""
    rows = []
    for seed in range(1, count + 1):
        scenario = Scenario(
            seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, mixing=0.4
        )
        days, known = run_world(scenario)
        for labels in LABELS:
            for name, searched in SEARCHED.items():
                rows.append({"labels": labels, "searched": name, **measure(days, known, labels, searched)})
    found = pl.DataFrame(rows).group_by("labels", "searched", maintain_order=True).mean()
    print(show.table(["labels", "searched", "ARI", "coverage", "seconds"],
                     [[a, b, f"{c:.3f}", f"{d:.3f}", f"{e:.0f}"] for a, b, c, d, e in found.rows()]))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
