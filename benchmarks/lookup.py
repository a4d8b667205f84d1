"""`python -m benchmarks.lookup`: how long an answer of `coterie lookup` takes, over the tables of `COTERIE_HOME`.

Belongs here: the median of some answers for a user, a community and a suggestion, of the day and with all history, and
of a whole process. Does not belong here: what is answered (workflows.lookup).
"""

import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median

from coterie.errors import CoterieError
from resources.lake import Lake
from resources.settings import load_settings
from workflows.lookup import look_up

ASKED, STARTED = 20, 5
KINDS = (("a user", "memberships", "user_id"), ("a community", "communities", "community_id"),
         ("a suggestion", "strategies", "strategy_id"))  # fmt: skip


def some(lake: Lake, table: str, column: str, day: date) -> list[str]:
    """Ids of a day, evenly spaced."""
    ids = lake.read(table, day, [column])[column].unique().sort()
    return ids.gather_every(max(1, len(ids) // ASKED)).head(ASKED).to_list()


def answered(lake: Lake, ids: list[str], day: date, *, history: bool) -> float:
    """Median milliseconds of an answer."""
    taken = []
    for one in ids:
        started = time.perf_counter()
        look_up(lake, [one], day, history=history)
        taken.append(time.perf_counter() - started)
    return 1000 * median(taken)


def process(one: str) -> float:
    """Median seconds of a whole `coterie lookup`."""
    taken = []
    for _ in range(STARTED):
        started = time.perf_counter()
        subprocess.run([str(Path(sys.executable).with_name("coterie")), "lookup", one], check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return median(taken)


def main() -> None:
    """Print the table."""
    lake = Lake(load_settings().home)
    days = [d for d in lake.days("strategies") if lake.read("strategies", d).height]
    if not days:
        raise CoterieError(f"{lake.home}: no day has suggestions. Make some first, for example by `make demo`.")
    day = days[-1]
    print(f"{day}, {len(lake.days('communities'))} days, {lake.read('memberships', day).height:,} memberships\n")
    print("| of | the day | all history |\n| --- | ---: | ---: |")
    for of, table, column in KINDS:
        ids = some(lake, table, column, day)
        look_up(lake, ids[:1], day)  # the first also pays for imports
        recent, ever = (answered(lake, ids, day, history=history) for history in (False, True))
        print(f"| {of} | {recent:.0f} ms | {ever:.0f} ms |")
    print(f"\nwith the start of a process: {process(some(lake, 'communities', 'community_id', day)[0]):.2f} s")


if __name__ == "__main__":
    main()
