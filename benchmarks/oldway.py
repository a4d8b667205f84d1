"""The usual way of finding groups in a day's log: pandas, a networkx projection, python-louvain.

Belongs here: that script, as people write it, in a process of its own (`python -m benchmarks.oldway FOLDER DAY`). Does
not belong here: how good its groups are (communities).
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.watch import MEMORY_ERRORS, OUT_OF_MEMORY, Bounds, told, watch

NAME = "pandas, networkx, python-louvain"
STEPS = ("read", "drop_duplicates", "groupby", "projection", "louvain")
ENGAGED = ("play", "like")  # a showing alone says nothing about a user


@dataclass(frozen=True)
class OldWay:
    """Seconds of the steps that finished, the largest resident memory in GB, and why it was stopped, if it was."""

    steps: dict[str, float]
    peak: float
    stopped: str | None


def run_old_way(source: Path, day: date, bounds: Bounds) -> OldWay:
    """Run it on a day of a source.

    Raises:
        RuntimeError: it failed for another reason than time or memory.
    """
    found = watch("benchmarks.oldway", [str(source.parent), day.isoformat()], bounds)
    stopped = found.stopped
    if stopped is None and found.code:
        if not any(name in found.errors for name in MEMORY_ERRORS):
            raise RuntimeError(f"{NAME} failed: {found.errors[-2000:]}")
        stopped = OUT_OF_MEMORY
    steps = {name: float(seconds) for name, seconds in (line.split("\t") for line in found.output.splitlines())}
    running = next((name for name in STEPS if name not in steps), None)
    return OldWay(steps, found.peak, stopped and told(stopped, running))


def group_users(files: list[Path], tell: Callable[[str, float], None]) -> dict[str, int]:
    """Groups of users by the items that they engaged with: uid -> group."""
    import networkx as nx
    import pandas as pd
    from community import community_louvain

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        tell(name, time.perf_counter() - started)

    with step("read"):
        events = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    with step("drop_duplicates"):
        events = events.drop_duplicates("id")
    with step("groupby"):
        engaged = events[events["action"].isin(ENGAGED)]
        pairs = engaged.groupby(["uid", "vid"]).size().reset_index(name="times")
    with step("projection"):
        users = pairs["uid"].unique()
        graph = nx.Graph()
        graph.add_nodes_from(users)
        graph.add_edges_from(zip(pairs["uid"], pairs["vid"], strict=True))
        shared = nx.bipartite.weighted_projected_graph(graph, users)
    with step("louvain"):
        groups = community_louvain.best_partition(shared, random_state=1)
    return dict(groups)


def _print(step: str, seconds: float) -> None:
    print(f"{step}\t{seconds:.6f}", flush=True)


if __name__ == "__main__":
    group_users(sorted((Path(sys.argv[1]) / "events").glob(f"{sys.argv[2]}*.parquet")), _print)
