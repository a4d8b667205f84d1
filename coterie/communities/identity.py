"""Which community of today is which of yesterday, and what became of those that are not.

Belongs here: ids and lives. Depends on the day and the day before only.
"""

import json
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import linear_sum_assignment

from coterie.tables import COMMUNITY_LINEAGE

# Share of the members of either day, among users seen on both, that makes a core.
CORE = 0.3
# Share of a group's members that must come from (go to) one place for that to be where it came from (went to).
ORIGIN = 0.5


def keep_ids(day: date, users: pl.Series, main: npt.NDArray[np.int64], yesterday: pl.DataFrame | None) -> list[str]:
    """Ids of today's groups: yesterday's where the core continues, else new ones.

    Groups and communities are paired so that as many users as possible stay (linear sum assignment); a pair counts
    if, among the users seen on both days, it holds at least 30 % of the community of yesterday and of the group of
    today. New ids are `cYYYYMMDD-nn`, numbered by size.

    Args:
        day: the day of birth of new communities.
        users: all users of today.
        main: main group of each, -1 for none; groups are numbered without gaps.
        yesterday: MEMBERSHIPS of the day before.

    Returns:
        An id for each group.
    """
    groups = int(main.max()) + 1 if len(main) else 0
    today = pl.DataFrame({"user_id": users, "group": main}).filter(pl.col("group") >= 0)
    names: dict[int, str] = {}
    if yesterday is not None:
        before = yesterday.filter("is_primary").select("user_id", "community_id")
        known = sorted(before["community_id"].unique())
        shared = _shared(today, before, known, groups)
        present = before.filter(pl.col("user_id").is_in(users.implode()))["community_id"].value_counts()
        stood = dict(present.iter_rows())
        came = shared.sum(axis=1)
        rows, columns = linear_sum_assignment(-shared)
        for group, k in zip(rows.tolist(), columns.tolist(), strict=True):
            stays = float(shared[group, k])
            if stays > 0 and stays >= CORE * stood.get(known[k], 0) and stays >= CORE * came[group]:
                names[group] = known[k]
    sizes = np.bincount(main[main >= 0], minlength=groups)
    fresh = [g for g in np.lexsort((np.arange(groups), -sizes)).tolist() if g not in names]
    for number, born in enumerate(fresh, start=1):
        names[born] = f"c{day:%Y%m%d}-{number:02d}"
    return [names[g] for g in range(groups)]


def lineage(before: pl.DataFrame | None, now: pl.DataFrame) -> pl.DataFrame:
    """The table `community_lineage`.

    A community continues if its id stands on both days. A new one is split off if at least half of its members who
    had a community came from a single one, else born. A community that stands absorbed another (merged) if the other is
    gone, at least half of its members who still have a community are in it, and at least 30 % of all its members. One
    that is gone has died, absorbed or not.

    Args:
        before: MEMBERSHIPS of the day before; None on the first day.
        now: MEMBERSHIPS of the day.

    Returns:
        COMMUNITY_LINEAGE; `overlap` is the share of the smaller side that both have in common, 0 for births.
    """
    today = now.filter("is_primary").select("user_id", community="community_id")
    ids = sorted(today["community"].unique())
    known: list[str] = []
    shared = np.zeros((len(ids), 0))
    if before is not None:
        main = before.filter("is_primary").select("user_id", "community_id")
        known = sorted(main["community_id"].unique())
        coded = today.with_columns(
            group=pl.col("community").replace_strict(ids, range(len(ids)), return_dtype=pl.Int64)
        )
        shared = _shared(coded, main, known, len(ids))
    else:
        main = now.clear().select("user_id", "community_id")
    size = dict(today["community"].value_counts().iter_rows())
    stood = dict(main["community_id"].value_counts().iter_rows())

    def overlap(name: str, origin: str) -> float:
        return float(shared[ids.index(name), known.index(origin)] / min(size[name], stood[origin]))

    rows: list[tuple[str, str, list[str], float]] = []
    gone = [k for k in known if k not in ids]
    absorbed: dict[str, list[str]] = {}
    for name in gone:
        column = shared[:, known.index(name)]
        if column.max(initial=0) >= max(ORIGIN * column.sum(), CORE * stood[name]):
            absorbed.setdefault(ids[int(column.argmax())], []).append(name)
    for name in ids:
        taken = [k for _, k in sorted((-overlap(name, k), k) for k in absorbed.get(name, []))]
        if name in known:
            rows.append((name, "continued", [name], overlap(name, name)))
            if taken:
                rows.append((name, "merged", [name, *taken], overlap(name, taken[0])))
            continue
        row = shared[ids.index(name)]
        parent = known[int(row.argmax())] if row.sum() > 0 else None
        if len(taken) > 1:
            rows.append((name, "merged", taken, overlap(name, taken[0])))
        elif parent is not None and row.max() >= ORIGIN * row.sum() and overlap(name, parent) >= ORIGIN:
            rows.append((name, "split", [parent], overlap(name, parent)))
        else:
            rows.append((name, "born", [], 0.0))
    rows += [(name, "died", [name], 0.0) for name in gone]
    frame = pl.DataFrame(
        [(name, event, json.dumps(origins), share) for name, event, origins, share in rows],
        schema=COMMUNITY_LINEAGE.schema,
        orient="row",
    )
    return COMMUNITY_LINEAGE.conform(frame)


def _shared(today: pl.DataFrame, before: pl.DataFrame, known: list[str], groups: int) -> npt.NDArray[np.float64]:
    """(groups, known) users whose main community is both; `today` has user_id and group."""
    shared = np.zeros((groups, len(known)))
    place = {name: k for k, name in enumerate(known)}
    both = today.join(before, on="user_id").group_by("group", "community_id").len()
    for group, name, count in both.iter_rows():
        shared[group, place[name]] = count
    return shared
