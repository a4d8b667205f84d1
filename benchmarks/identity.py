"""Identity over days: do users keep their community's id, and are splits, mergers, births and deaths recorded?

Belongs here: ways of keeping ids, what counts as a recorded event, the page's section. Does not belong here: Coterie's
own way (coterie.communities.identity).

Ways that only find groups by day are given Coterie's graph of the day, and what happens to their ids is read by the
same rule as Coterie's (`coterie.communities.lineage`).
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import linear_sum_assignment

from benchmarks import peers, pipeline, scores, show
from benchmarks.communities import COMMUNITIES, EVENTS, LABELS, USERS
from benchmarks.section import Options, Section, Setting, rows
from benchmarks.worlds import Known, run_world
from coterie.communities import lineage
from coterie.simulate import Scenario
from coterie.simulate.scenario import default_life

DAYS = 21
SETTLED = 5  # days before it are of a young log: what is recorded on them is counted on its own
SOON = 2  # days within which an event that is recorded is found in time
LIFE, QUIET = "eventful", "quiet"
RAW, MATCHED = "ids by size, each day afresh", "Hungarian matching of Leiden"
METHODS = (peers.COTERIE, MATCHED, RAW)
KINDS = {"split": "split", "merged": "merger", "born": "birth", "died": "death"}


@dataclass(frozen=True)
class Event:
    """Something that happens to true communities: `day` counts from 0; `old` are those it happens to, `new` what is left."""

    kind: str
    day: int
    old: frozenset[int]
    new: int | None


def settings(options: Options) -> Sequence[Setting]:
    """Worlds with one event of each kind and worlds where nothing happens, with true and with local labels."""
    return [Setting({"life": life, "labels": labels}) for labels in LABELS for life in (LIFE, QUIET)]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """Measures: `same id`, `followed`, for each kind of event `found`, `found late`, `delay`; `false`, `young`."""
    life = default_life(DAYS) if setting["life"] == LIFE else ()
    scenario = Scenario(
        seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, life=life
    )  # fmt: skip
    days, known = run_world(scenario)
    found = list(pipeline.run(days, LABELS[str(setting["labels"])](known), exposures=True))
    main = [day.memberships.filter("is_primary").select("user_id", "community_id") for day in found]
    raw = [_by_size(day.user_graph, seed) for day in found]
    told: dict[tuple[str, str], float | None] = {}
    for method, members in ((peers.COTERIE, main), (MATCHED, list(hungarian(raw))), (RAW, raw)):
        told |= {(method, what): value for what, value in _same(members, known).items()}
        told |= {(method, what): value for what, value in _events(members, known).items()}
    return rows(told)


def _by_size(user_graph: pl.DataFrame, seed: int) -> pl.DataFrame:
    """user_id and community_id of a day by Leiden: the largest group is 1, and so on; groups of at least 20 users."""
    users = pl.concat([user_graph["source"], user_graph["target"]]).unique().sort()
    groups = scores.large(peers.leiden(users, user_graph, seed)[0], pipeline.DISCLOSURE)
    size = np.bincount(groups[groups >= 0])
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.lexsort((np.arange(len(size)), -size))] = np.arange(len(size))
    ids = pl.Series([f"{rank[g] + 1:03d}" if g >= 0 else None for g in groups], dtype=pl.String)
    return pl.DataFrame({"user_id": users, "community_id": ids}).drop_nulls()


def hungarian(days: Sequence[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Ids carried from day to day: groups are paired with the day before's so that as many users as possible stay.

    Kuhn's assignment (1955), by the number of shared users; a group that shares nobody with its pair, or has none, is
    new.
    """
    before: pl.DataFrame | None = None
    coming = 0
    for day in days:
        names = sorted(day["community_id"].unique())
        ids: dict[str, str] = {}
        if before is not None:
            old = sorted(before["community_id"].unique())
            shared = np.zeros((len(names), len(old)))
            both = (
                day.join(before, on="user_id", suffix="_before").group_by("community_id", "community_id_before").len()
            )
            for name, was, count in both.iter_rows():
                shared[names.index(name), old.index(was)] = count
            for row, column in zip(*linear_sum_assignment(-shared), strict=True):
                if shared[row, column] > 0:
                    ids[names[row]] = old[column]
        for name in names:
            if name not in ids:
                coming += 1
                ids[name] = f"{coming:04d}"
        before = day.with_columns(pl.col("community_id").replace_strict(ids, return_dtype=pl.String))
        yield before


def _same(members: Sequence[pl.DataFrame], known: Known) -> dict[str, float | None]:
    """Of users whose true community is that of the day before: how many have an id on both days, and the same."""
    same = followed = whole = 0
    for n in range(1, len(members)):
        truth = [known.communities_on(_day(known, k)).drop_nulls() for k in (n - 1, n)]
        stayed = truth[0].join(truth[1], on=["user_id", "community"]).select("user_id")
        both = members[n - 1].join(members[n], on="user_id", suffix="_now").join(stayed, on="user_id", how="semi")
        same += int((both["community_id"] == both["community_id_now"]).sum())
        followed += both.height
        # Of those who can be followed at all: whoever has an id by some day before.
        whole += stayed.join(pl.concat(members[: n + 1]).select("user_id").unique(), on="user_id", how="semi").height
    return {
        "same id": same / followed if followed else None,
        "followed": followed / whole if whole else None,
    }


def _day(known: Known, n: int) -> date:
    return known.scenario.first_day + timedelta(days=n)


def planted(known: Known) -> list[Event]:
    """What happens to the true communities after the first day; drifts are no events."""
    found = []
    for day, event, community, origins in known.lineage.select(
        "day", "event", "community", "from_communities"
    ).iter_rows():
        n = (day - known.scenario.first_day).days
        if n > 0 and event in KINDS:
            found.append(Event(KINDS[event], n, frozenset(json.loads(origins)), None if event == "died" else community))
    return found


def _events(members: Sequence[pl.DataFrame], known: Known) -> dict[str, float | None]:
    """Which planted events are recorded, how late, and how many records are of nothing that happened.

    A record is of a planted event if its kind is the same and its communities are: a split comes out of the community
    that splits and holds one of its halves; a merger joins communities that held the two; a birth holds the new
    community; a death ends the one that dies. A community holds the true one that most of its members are of: after the
    event, or, for what an event begins with, on the day before the event. The first record of an event finds it, later
    ones are false, as is everything else that is recorded from the sixth day on.
    """
    events = planted(known)
    first: dict[Event, int] = {}
    false = young = 0
    for n in range(1, len(members)):
        frames = [m.with_columns(is_primary=pl.lit(True)) for m in members[n - 1 : n + 1]]
        recorded = lineage(*frames).filter(pl.col("event").is_in(list(KINDS)))
        merged = {
            o for e, o_ in recorded.select("event", "from_ids").iter_rows() if e == "merged" for o in json.loads(o_)
        }
        for name, event, origins in recorded.select("community_id", "event", "from_ids").iter_rows():
            if event == "died" and name in merged:
                continue  # part of the merger
            of = next(
                (e for e in events if e.kind == KINDS[event] and e.day <= n and e not in first
                 and _is_of(e, name, json.loads(origins), members, known, n)),
                None,
            )  # fmt: skip
            if of is not None:
                first[of] = n
            elif n >= SETTLED:
                false += 1
            else:
                young += 1
    told: dict[str, float | None] = {"false": float(false), "young": float(young)}
    for event in events:
        late = first.get(event)
        told[f"found {event.kind}"] = float(late is not None and late - event.day <= SOON)
        told[f"ever {event.kind}"] = float(late is not None)
        told[f"delay {event.kind}"] = None if late is None else float(late - event.day)
    return told


def _is_of(
    event: Event, name: str, origins: list[str], members: Sequence[pl.DataFrame], known: Known, n: int
) -> bool:  # fmt: skip
    before, now = _day(known, event.day - 1), _day(known, n)
    if event.kind == "birth":
        return _held(members[n], name, known, now) == event.new
    if event.kind == "death":
        return {_held(members[n - 1], name, known, before)} == event.old
    held = {_held(members[n - 1], origin, known, before) for origin in origins}
    if event.kind == "split":
        return held == event.old and _held(members[n], name, known, now) in event.old | {event.new}
    return held >= event.old and _held(members[n], name, known, now) == event.new


def _held(members: pl.DataFrame, name: str, known: Known, on: date) -> int | None:
    """The true community, on a day, of most of a found community's members; None for users who have none."""
    inside = members.filter(pl.col("community_id") == name).join(known.communities_on(on), on="user_id")
    counted = Counter(inside["community"].to_list())
    # Of equally many, the smallest number: the choice is arbitrary, and the same in every run.
    best = min(counted.items(), key=lambda c: (-c[1], c[0] is None, c[0] or 0), default=(None, 0))
    return best[0]


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Tables for each kind of label."""
    told = [
        f"{USERS:,} users, {EVENTS:,} events a day, {DAYS} days, mixing 0.3. An *eventful* world has one drift, split, birth, "
        "merger and death each, a *quiet* one none. All three ways start from Coterie's user graph of the day: Leiden "
        "afresh with ids by size, the same with ids carried over by Hungarian matching, and Coterie. What happens to ids "
        "is read by one rule for all.",
        f"*Same id*: of users who stay in their true community from one day to the next and have an id on both days, how "
        f"many keep it. *In time*: events recorded, of the right kind and about the right communities, within {SOON} days; "
        f"*ever*: by the end. *False*: records from day {SETTLED + 1} on that are of nothing that happened, per world.",
    ]  # fmt: skip
    for labels in LABELS:
        part = rows.filter(pl.col("labels") == labels)
        if part.height:
            told.append(f"### With {labels} labels\n\n" + _same_table(part) + "\n" + _event_table(part))
    return "\n\n".join(told)


def _values(rows: pl.DataFrame, method: str, measure: str, life: str) -> list[float]:
    at = (pl.col("method") == method) & (pl.col("measure") == measure) & (pl.col("life") == life)
    return rows.filter(at)["value"].drop_nulls().to_list()


def _same_table(rows: pl.DataFrame) -> str:
    lines = []
    for method in METHODS:
        line = [method]
        for life in (QUIET, LIFE):
            for what, digits, scale in (("same id", 1, 100), ("followed", 0, 100), ("false", 1, 1)):
                line.append(show.cell([scale * v for v in _values(rows, method, what, life)], digits))
        lines.append(line)
    head = ["", *(f"{life}: {c}" for life in (QUIET, LIFE) for c in ("same id, %", "followed, %", "false records"))]
    return (
        show.table(head, lines) + "\n*Followed*: of the users above who have had an id, those with one on both days.\n"
    )


def _event_table(rows: pl.DataFrame) -> str:
    lines = []
    for method in METHODS:
        line = [method]
        for kind in KINDS.values():
            soon, ever = (_values(rows, method, f"{what} {kind}", LIFE) for what in ("found", "ever"))
            delay = _values(rows, method, f"delay {kind}", LIFE)
            late = f"; {np.median(delay):.0f} days" if delay else ""
            line.append(f"{sum(soon):g} / {sum(ever):g} of {len(ever)}{late}")
        lines.append(line)
    return "Events found in time / ever, of planted ones; median delay of those found:\n\n" + show.table(
        ["", *KINDS.values()], lines
    )  # fmt: skip


SECTION = Section("identity", "Identity over days", settings, measure, render)
