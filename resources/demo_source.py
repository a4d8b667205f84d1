"""The demo's source: a simulated platform that is made where it is first asked for.

Belongs here: what the demo's platform is like, and that it is made once. Does not belong here: how a platform is
simulated (coterie.simulate).
"""

import shutil
from pathlib import Path

from resources.lake import locked

DAYS = 21


def make_demo_source(source: Path) -> None:
    """Simulate the demo's platform, three weeks of it, unless it is there; killed on the way, it is made anew."""
    if source.exists():
        return
    from coterie.simulate import Scenario, default_life, simulate

    folder = source.parent
    with locked(folder.with_name(f".{folder.name}.lock")):
        if source.exists():
            return
        beside = folder.with_name(f".{folder.name}.next")
        shutil.rmtree(beside, ignore_errors=True)
        simulate(
            beside,
            Scenario(
                seed=7, days=DAYS, users=2_000, events_per_day=40_000, communities=6, mixing=0.2,
                life=default_life(DAYS), dirt=True,
            ),
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
