"""What spreading labels along co-engagement brings, and what could be brought at most: figures of docs/method.md.

Run: `python -m benchmarks.propagation [SEEDS]` (a minute for 10). Platforms are those of the bench's communities; items
are those that were shown to anybody in two weeks. *Oracle* has the same labels by text, and knows everything about users:
who belongs to which group, how much each group turns to each interest, how much the feed favours it, how many items of
it there are. Nobody can make more of the same log.
"""

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.communities import COMMUNITIES, EVENTS, USERS
from benchmarks.worlds import Known, WorldDay, local_labels, run_world
from coterie.labels import propagation
from coterie.labels.propagation import propagated, standing, together
from coterie.matrices import codes, ids_of, matrix
from coterie.simulate import Scenario, World
from coterie.simulate.behaviour import play_chance

DAYS = 14
MIXINGS = (0.3, 0.6)
COVERAGES = (0.35, 0.5, 0.6, 0.7, 0.85)
ATTENTION = 0.9  # of a showing at a usual place
# Constants of the method in each design; the first is the one that is used.
DESIGNS: Mapping[str, Mapping[str, object]] = {
    "text and audience": {},
    "an item counts as often as it was met": {"MOST_OF_AN_ITEM": float("inf")},
    "audiences believed outright": {"TRUSTS": (1.0,)},
    "audiences never doubted": {"DOUBT": 0.0},
    "fewer groups of users": {"RESOLUTION": 0.3},
    "more groups of users": {"RESOLUTION": 3.0},
}
Array = npt.NDArray[np.float64]


def measure(mixing: float, seed: int) -> Mapping[str, Mapping[str, float]]:
    """For each way: coverage, precision, confidence and expected calibration error, precision at each coverage."""
    scenario = Scenario(
        seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, mixing=mixing
    )  # fmt: skip
    days, known = run_world(scenario)
    by_text = standing(local_labels(known).select("item_id", "interest_id", "confidence"))
    engaged = pl.concat([day.engagement for day in days])
    shown = engaged.filter(pl.col("exposures") > 0)["item_id"].unique()
    ways = {"by text": _scored(by_text, known, shown)}
    for name, changed in DESIGNS.items():
        with ExitStack() as stack:
            for constant, value in changed.items():
                stack.enter_context(patch.object(propagation, constant, value))
            both = together(by_text, standing(propagated(by_text, engaged).labels))
        ways[name] = _scored(both, known, shown)
    return {
        **ways,
        "oracle": _scored(_oracle(by_text, days, known), known, shown),
    }


def _scored(labels: pl.DataFrame, known: Known, shown: pl.Series) -> dict[str, float]:
    first = labels.sort("item_id", -pl.col("confidence"), "interest_id").unique(
        "item_id", keep="first", maintain_order=True
    )
    items = known.items.filter(pl.col("vid").is_in(shown.implode()))
    told = items.join(first.rename({"interest_id": "told"}), left_on="vid", right_on="item_id").sort(
        -pl.col("confidence"), "vid"
    )
    right = told.select(
        pl.col("accepted").list.contains(pl.col("told")) | (pl.col("interest_id") == pl.col("told"))
    ).to_series()
    off = (
        told.select(bin=(pl.col("confidence") * 10).floor(), off=right.cast(pl.Float64) - pl.col("confidence"))
        .group_by("bin")
        .agg(pl.col("off").sum())["off"]
        .abs()
        .sum()
    )
    found = {
        "coverage": told.height / items.height,
        "precision": float(right.mean()),
        "calibration error": off / told.height,
    }
    for share in COVERAGES:
        kept = int(share * items.height)
        found[f"at {share}"] = float(right[:kept].mean()) if kept <= told.height else float("nan")
    return found


def _oracle(by_text: pl.DataFrame, days: list[WorldDay], known: Known) -> pl.DataFrame:
    """The likeliest interest of each item, however unlikely."""
    world = World(known.scenario)
    state, platform = world.state(DAYS // 2), world.platform
    items, interests = ids_of(known.items["vid"]), pl.Series(platform.interests)
    rows = pl.concat([day.engagement for day in days]).select(
        "item_id",
        user=pl.col("user_id").str.slice(1).cast(pl.Int64),
        shown="exposures",
        played=pl.min_horizontal((pl.col("strength") > 0).cast(pl.Int64), "exposures"),
    )
    user, item = rows["user"].to_numpy(), codes(rows["item_id"], items)
    shown, played = rows["shown"].to_numpy(), rows["played"].to_numpy()
    chance = np.clip(play_chance(state.appeal, ATTENTION), 1e-3, 1 - 1e-3)[state.group[user]]
    odds = np.zeros((len(items), len(interests)))
    np.add.at(odds, item, played[:, None] * np.log(chance) + (shown - played)[:, None] * np.log(1 - chance))
    groups = len(state.feed_weight)
    reached = np.zeros((len(items), groups))
    np.add.at(reached, (item, state.feed_group[user]), shown)
    activity = np.bincount(state.feed_group, platform.activity, minlength=groups)
    favoured = state.feed_weight / (state.feed_weight @ platform.supply)[:, None]
    share = activity[:, None] * (0.4 + 0.6 * favoured)
    odds += reached @ np.log(share / share.sum(axis=0))
    text = matrix(by_text, "item_id", items, "interest_id", interests, "confidence").toarray()
    prior = text + np.maximum(1 - text.sum(axis=1, keepdims=True), 1e-3) * platform.supply
    odds += np.log(prior)
    likely = np.exp(odds - odds.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    best = likely.argmax(axis=1)
    return pl.DataFrame(
        {"item_id": items, "interest_id": interests.gather(best), "confidence": likely[np.arange(len(items)), best]}
    )


def main(seeds: int = 10) -> None:
    """Print a table."""
    names = ["coverage", "precision", "calibration error", *(f"at {share}" for share in COVERAGES)]
    print(f"| mixing, labels | {' | '.join(names)} |")
    print("| --- |" + " ---: |" * len(names))
    for mixing in MIXINGS:
        found = [measure(mixing, seed) for seed in range(1, seeds + 1)]
        for way in found[0]:
            means = [np.mean([of_seed[way][name] for of_seed in found]) for name in names]
            print(f"| {mixing}, {way} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))
