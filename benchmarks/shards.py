"""A source of any size, made of several simulated platforms: a day of 100 million events does not fit in memory.

Belongs here: putting platforms beside one another as one log. Does not belong here: what is in them (coterie.simulate).
`python -m benchmarks.shards FOLDER DAYS USERS EVENTS SEED` does it in a process of its own, so that the memory it took
is free again.
"""

import shutil
import sys
from datetime import date
from pathlib import Path

import polars as pl
import yaml

from coterie.simulate import Scenario, simulate

FIRST = date(2024, 5, 1)
LARGEST = 5_000_000  # events a day of one platform
COMMUNITIES = 8  # of each platform
_IDS = 10**7  # event ids of a shard and day: more than it has events
_MOST = 100  # shards, so that the ids of a day stay below those of the next


def make_source(folder: Path, *, days: int, users: int, events: int, seed: int, largest: int = LARGEST) -> Path:
    """Write a source whose ids carry the number of their platform.

    Args:
        folder: a new folder; it gets `source.yaml`, `items.parquet` and one file of events for each platform and day.
        days: from 2024-05-01 on.
        users: of all platforms together.
        events: rows of the log on an average day, of all platforms together.
        seed: of the first platform; the others follow from it.
        largest: most events a day of one platform.

    Returns:
        The path of the description.

    Raises:
        ValueError: more platforms than event ids are there for.
    """
    shards = -(-events // largest)
    if shards > _MOST:
        raise ValueError(f"{events:,} events a day: expected at most {_MOST * largest:,}")
    (folder / "events").mkdir(parents=True)
    items = folder / "items"
    items.mkdir()
    for shard in range(shards):
        whole = folder / f"platform-{shard:02d}"
        simulate(
            whole,
            Scenario(
                seed=seed + 1000 * shard, first_day=FIRST, days=days, communities=COMMUNITIES,
                users=_part(users, shard, shards), events_per_day=_part(events, shard, shards),
            ),
        )  # fmt: skip
        mark = pl.lit(f"{shard:02d}-")
        for day in sorted((whole / "events").glob("*.parquet")):
            pl.read_parquet(day).with_columns(
                pl.col("id") + shard * _IDS, *((mark + pl.col(name)).alias(name) for name in ("uid", "vid"))
            ).write_parquet(folder / "events" / f"{day.stem}-{shard:02d}.parquet")
        pl.read_parquet(whole / "items.parquet").with_columns(
            (mark + pl.col(name)).alias(name) for name in ("vid", "author")
        ).write_parquet(items / f"{shard:02d}.parquet")
        if shard == 0:
            description = yaml.safe_load((whole / "source.yaml").read_text(encoding="utf-8"))
        shutil.rmtree(whole)
    pl.scan_parquet(sorted(items.glob("*.parquet"))).sink_parquet(folder / "items.parquet")
    shutil.rmtree(items)
    path = folder / "source.yaml"
    path.write_text(yaml.safe_dump(description | {"name": "simulated-bench"}, sort_keys=False), encoding="utf-8")
    return path


def _part(whole: int, shard: int, shards: int) -> int:
    return whole * (shard + 1) // shards - whole * shard // shards


if __name__ == "__main__":
    _days, _users, _events, _seed = (int(argument) for argument in sys.argv[2:])
    make_source(Path(sys.argv[1]), days=_days, users=_users, events=_events, seed=_seed)
