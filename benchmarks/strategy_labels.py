"""How much labels of an interest are right or wrong together: the correlation that docs/method.md names.

Run: `python -m benchmarks.strategy_labels [SEEDS]` (seconds). Labels are the local labeller's, on the simulated platforms
of the bench's strategies, whose items have true interests.
"""

import sys

import polars as pl

from benchmarks import show
from benchmarks.strategies import DAYS, EVENTS, MIXINGS, USERS
from benchmarks.worlds import local_labels, run_world
from coterie.simulate import Scenario


def correlation(judged: pl.DataFrame) -> float:
    """Mean product of the residuals of two labels of an interest over what it would be if they were the same label.

    Interests count by their number of labels.

    Args:
        judged: interest_id, confidence, right (0 or 1), one row a label.
    """
    spread = (pl.col("confidence") * (1 - pl.col("confidence"))).sqrt()
    rows = judged.with_columns(residual=pl.col("right") - pl.col("confidence"), spread=spread)
    pairs = rows.group_by("interest_id").agg(
        n=pl.len(),
        found=pl.col("residual").sum() ** 2 - (pl.col("residual") ** 2).sum(),
        most=pl.col("spread").sum() ** 2 - (pl.col("spread") ** 2).sum(),
    ).filter(pl.col("n") > 1)  # fmt: skip
    return float((pairs["found"] / pairs["n"]).sum() / (pairs["most"] / pairs["n"]).sum())


def main(seeds: int) -> None:
    """Print the correlation on each platform: over the interests it has items of, and over all."""
    lines = []
    for seed in range(1, seeds + 1):
        scenario = Scenario(seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, mixing=MIXINGS[0])
        known = run_world(scenario)[1]
        judged = local_labels(known).join(known.items.select(item_id="vid", about="interest_id"), on="item_id")
        judged = judged.with_columns(right=(pl.col("about") == pl.col("interest_id")).cast(pl.Float64))
        there = judged.filter(pl.col("interest_id").is_in(known.items["interest_id"].unique().implode()))
        lines.append([str(seed), f"{correlation(there):.2f}", f"{correlation(judged):.2f}"])
    print(show.table(["platform", "interests that it has", "all interests"], lines))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
