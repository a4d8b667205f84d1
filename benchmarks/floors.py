"""Floors: the least work that a stage of the day cannot do without, done bare on the same data.

Belongs here: one bare operation for each stage that has one, in a fresh process
(`python -m benchmarks.floors STEP DAY`) over the source and the lake of a run. Does not belong here: the stages, tables.
"""

import random
import sys
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import duckdb
import igraph
import numpy as np
import polars as pl

from benchmarks.watch import MEMORY_ERRORS, OUT_OF_MEMORY, Bounds, environment, watch
from coterie.graphs import profiles
from coterie.matrices import codes, ids_of, matrix
from resources.lake import Lake
from resources.settings import load_settings
from resources.warehouse import Warehouse

# By the step whose floor it is.
WORDS: Mapping[str, str] = {
    "raw_events": "DuckDB reads every value of the same files once (a hash of all columns)",
    "dbt_engagement": "DuckDB counts events and sums watch time by user and item, over the lake's `raw_events`",
    "user_interests": "one product of sparse matrices (scipy), users by items with items by interests, both built before",
    "user_graph": "the product of the same users' profiles with themselves, float32, in blocks that are thrown away",
    "memberships": "igraph's Leiden by modularity on the same `user_graph`, built before, until nothing improves",
}
_READS: Mapping[str, tuple[str, ...]] = {
    "raw_events": (),
    "dbt_engagement": ("raw_events",),
    "user_interests": ("engagement", "item_labels"),
    "user_graph": ("user_interests",),
    "memberships": ("user_graph",),
}
ENOUGH, MOST = 1.0, 5  # seconds after which, and times that at most, an operation is repeated
_BLOCK_CELLS = 16_000_000


def run_floors(folder: Path, source: Path, day: date, bounds: Bounds) -> dict[str, tuple[float | None, str | None]]:
    """Seconds by step; or none, and why it was stopped. Steps whose inputs are not in the lake have no floor.

    Args:
        folder: where `daily.run_daily` ran: the lake is in `folder/home`.
        source: the description.
        day: the day.
        bounds: of each process.

    Raises:
        RuntimeError: a process failed for another reason than time or memory.
    """
    env = environment(folder / "home", source, folder / "dagster")
    floors: dict[str, tuple[float | None, str | None]] = {}
    for step in WORDS:
        found = watch("benchmarks.floors", [step, day.isoformat()], bounds, env)
        stopped = found.stopped
        if stopped is None and found.code:
            if not any(name in found.errors for name in MEMORY_ERRORS):
                raise RuntimeError(f"the floor of {step} failed: {found.errors[-2000:]}")
            stopped = OUT_OF_MEMORY
        if stopped:
            floors[step] = None, f"stopped {stopped}"
        elif found.output.strip():
            floors[step] = float(found.output), None
    return floors


def prepare(step: str, source: Path, lake: Lake, day: date, max_users: int) -> Callable[[], object] | None:
    """The bare operation of a step, with all that it needs in memory or in files; None if the lake lacks its inputs."""
    if not all(lake.has(table, day) for table in _READS[step]):
        return None
    if step == "raw_events":
        files = sorted(str(path) for path in (source.parent / "events").glob(f"{day}*.parquet"))
        return lambda: scan(files)
    if step == "dbt_engagement":
        return lambda: group(str(lake.partition("raw_events", day)))
    if step == "user_interests":
        return interests_product(lake, day)
    if step == "user_graph":
        return profiles_product(lake.read("user_interests", day), max_users)
    return bare_leiden(lake.read("user_graph", day))


def scan(files: list[str]) -> object:
    """Every value of some Parquet files, once."""
    with duckdb.connect() as connection:
        columns = connection.execute("describe select * from read_parquet($1)", [files]).fetchall()
        listed = ", ".join(f'"{name}"' for name, *_ in columns)
        return connection.execute(f"select bit_xor(hash({listed})) from read_parquet($1)", [files]).fetchone()


def group(file: str) -> object:
    """Engagement at its barest: one group for each user and item."""
    sql = """
        select count(*), sum(events), sum(watched)
        from (select user_id, item_id, count(*) as events, sum(watch_ms) as watched
              from read_parquet($1) group by user_id, item_id)
    """
    with duckdb.connect() as connection:
        return connection.execute(sql, [file]).fetchone()


def interests_product(lake: Lake, day: date) -> Callable[[], object]:
    """Engagement by user and item times labels by item and interest."""
    columns = ["user_id", "item_id", "strength"]
    rows = pl.read_parquet(lake.partition("engagement", day), columns=columns, hive_partitioning=False)
    labels = Warehouse().labels_of(lake, rows["item_id"], last=day)
    users, items, interests = ids_of(rows["user_id"]), ids_of(rows["item_id"]), ids_of(labels["interest_id"])
    strength = matrix(rows, "user_id", users, "item_id", items, "strength")
    label = matrix(labels, "item_id", items, "interest_id", interests, "weight")
    return lambda: strength @ label


def profiles_product(user_interests: pl.DataFrame, max_users: int) -> Callable[[], object]:
    """The profiles that the user graph is made of, with one another."""
    _, found = profiles(user_interests, max_users)
    block = max(1, _BLOCK_CELLS // max(len(found), 1))
    room = np.empty((block, len(found)), dtype=np.float32)

    def product() -> None:
        for start in range(0, len(found), block):
            rows = found[start : start + block]
            np.matmul(rows, found.T, out=room[: len(rows)])

    return product


def bare_leiden(user_graph: pl.DataFrame) -> Callable[[], object]:
    """One run of igraph's own Leiden."""
    users = ids_of(user_graph["source"], user_graph["target"])
    graph = igraph.Graph(n=len(users))
    graph.add_edges(np.stack([codes(user_graph[end], users) for end in ("source", "target")], axis=1))
    weights = user_graph["weight"].to_list()

    def leiden() -> object:
        igraph.set_random_number_generator(random.Random(1))
        return graph.community_leiden("modularity", weights=weights, n_iterations=-1)

    return leiden


def fastest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few: the first also pays for what is new to the process."""
    taken: list[float] = []
    while len(taken) < MOST and sum(taken) < ENOUGH:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


if __name__ == "__main__":
    _settings = load_settings()
    _work = prepare(
        sys.argv[1], _settings.source, Lake(_settings.home), date.fromisoformat(sys.argv[2]), _settings.graph_users
    )
    if _work is not None:
        print(f"{fastest(_work):.6f}")
