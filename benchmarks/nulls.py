"""False discoveries: how often a method claims structure where there is none, and what it finds where there is some.

Belongs here: the null worlds, what counts as a claim. Does not belong here: methods (peers) and measures (scores).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import peers, pipeline, scores, show
from benchmarks.communities import COMMUNITIES, EVENTS, LABELS, USERS
from benchmarks.section import Options, Section, Setting, rows
from benchmarks.worlds import run_world, true_labels
from coterie.simulate import Scenario

DAYS = 8  # the first has no day before it, so nothing is tested on it
LEAST = pipeline.DISCLOSURE  # users of a group that counts
PLANTED = 100  # users of a planted community that counts
MATCHED = 0.3  # Jaccard index
LOOSER = 0.05  # a level of q beside the product's own: what it would call real on a day
MODULARITY, SILHOUETTE = 0.3, 0.25  # above which users of these methods usually speak of structure
NO_PREFERENCES, FEED_ONLY = "no preferences", "feed only"
WORLDS: dict[str, dict[str, Any]] = {
    NO_PREFERENCES: {"null": "no_preferences"},
    FEED_ONLY: {"null": "feed_only"},
    "mixing 0.3": {"mixing": 0.3},
    "mixing 0.5": {"mixing": 0.5},
}
METHODS = (peers.COTERIE, peers.LEIDEN, peers.LOUVAIN, peers.KMEANS, peers.NMF_, peers.LDA)
DIAGNOSTICS = {
    peers.COTERIE: "verdict `real`", peers.LEIDEN: f"modularity > {MODULARITY}", peers.LOUVAIN: f"modularity > {MODULARITY}",
    peers.KMEANS: f"silhouette > {SILHOUETTE}", peers.NMF_: "has none", peers.LDA: "has none",
}  # fmt: skip


def settings(options: Options) -> Sequence[Setting]:
    """Both nulls, and two worlds with communities, with true and with local labels."""
    return [Setting({"world": world, "labels": labels}) for labels in LABELS for world in WORLDS]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """What each method claims after eight days.

    Measures: `groups` it returns of at least 20 users; `claims` 1 if there are two or more; `by diagnostic` 1 if its own
    usual diagnostic speaks of structure; for Coterie `real on a day`, the share of the seven tested days with any
    community that is real, `below the looser level on a day` the same at q <= 0.05, and `ever real`. Where communities
    are planted: `planted` and `matched`, and `groups matched`, the share of claimed groups that match a planted one.
    Coterie claims what is `real`.
    """
    world = str(setting["world"])
    scenario = Scenario(
        seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, **WORLDS[world]
    )  # fmt: skip
    days, known = run_world(scenario)
    labels = LABELS[str(setting["labels"])](known)
    found = list(pipeline.run(days, labels, exposures=True))
    engaged = pl.concat([day.engagement.select("user_id", "item_id", "strength") for day in days])
    data, everybody = (scores.split(engaged, engaged.clear(), of) for of in (labels, true_labels(known)))
    users = everybody.users
    last = found[-1]
    real = last.communities.filter(pl.col("verdict") == "real")["community_id"]
    main = last.memberships.filter("is_primary")
    leiden, modularity = peers.leiden(users, last.user_graph, seed)
    louvain, modularity_of_louvain = peers.louvain(everybody, seed)
    kmeans, silhouette = peers.kmeans(data, COMMUNITIES, seed)
    groups = {
        peers.COTERIE: scores.groups_of(
            users, main.filter(pl.col("community_id").is_in(real.implode())), "community_id"
        ),
        peers.LEIDEN: leiden,
        peers.LOUVAIN: louvain,
        peers.KMEANS: scores.moved(kmeans, data.users, users),
        peers.NMF_: scores.moved(peers.nmf(data, COMMUNITIES, seed), data.users, users),
        peers.LDA: scores.moved(peers.lda(data, COMMUNITIES, seed), data.users, users),
    }
    on_day = [bool((day.communities["verdict"] == "real").any()) for day in found[1:]]
    looser = [bool((day.communities["q_value"].drop_nulls() <= LOOSER).any()) for day in found[1:]]
    told: dict[tuple[str, str], float | None] = {
        (peers.COTERIE, "real on a day"): float(np.mean(on_day)),
        (peers.COTERIE, "below the looser level on a day"): float(np.mean(looser)),
        (peers.COTERIE, "ever real"): float(any(on_day)),
        (peers.COTERIE, "by diagnostic"): float(on_day[-1]),
        (peers.COTERIE, "groups"): float(main["community_id"].n_unique()),
        (peers.COTERIE, "claims"): float(len(real) > 0),
        (peers.LEIDEN, "by diagnostic"): float(modularity > MODULARITY),
        (peers.LEIDEN, "diagnostic"): modularity,
        (peers.LOUVAIN, "by diagnostic"): float(modularity_of_louvain > MODULARITY),
        (peers.LOUVAIN, "diagnostic"): modularity_of_louvain,
        (peers.KMEANS, "by diagnostic"): float(silhouette > SILHOUETTE),
        (peers.KMEANS, "diagnostic"): silhouette,
    }
    for method, of in groups.items():
        counted = scores.large(of, LEAST)
        count = int(counted.max(initial=-1)) + 1
        if method != peers.COTERIE:
            told |= {(method, "groups"): float(count), (method, "claims"): float(count >= 2)}
        if scenario.null is None:
            told |= {
                (method, what): value for what, value in _matched(users, counted, known.communities_on(last.on)).items()
            }
    return rows(told)


def _matched(users: pl.Series, claimed: scores.Groups, communities: pl.DataFrame) -> Mapping[str, float | None]:
    """How many planted communities of at least 100 users are matched, over the users with engagement."""
    truth = scores.groups_of(users, communities.with_columns(pl.col("community").cast(pl.String)), "community")
    names = sorted(communities["community"].drop_nulls().cast(pl.String).unique())
    size = dict(communities["community"].drop_nulls().cast(pl.String).value_counts().iter_rows())
    alike = scores.jaccard(truth, claimed) >= MATCHED
    planted = [n for n, name in enumerate(names) if size[name] >= PLANTED and n < len(alike)]
    return {
        "planted": float(len(planted)),
        "matched": float(alike[planted].any(axis=1).sum()),
        "groups matched": float(alike.any(axis=0).mean()) if alike.shape[1] else None,
    }


def render(rows: pl.DataFrame, folder: Path) -> str:
    """A table for each kind of label, nulls and power side by side; no plot."""
    told = [
        f"{USERS:,} users, {EVENTS:,} events a day, {DAYS} days. On *no preferences* everybody likes everything equally "
        "and the feed goes by popularity. On *feed only* the feed treats groups differently and all engage alike with what "
        "they are shown: what shows there is the feed's. Beside it stands what a method finds where there is something: "
        f"of the planted communities of at least {PLANTED} users, how many are matched (Jaccard index of at least "
        f"{MATCHED} over users with engagement) by a group that the method claims.",
        "Coterie claims what it calls `real`; its communities are looked at on each of the seven days that can be tested. "
        f"The others claim whatever they return, at least two groups of at least {LEAST} users; *by its own diagnostic* "
        "counts only where their usual number speaks of structure.",
    ]  # fmt: skip
    for labels in LABELS:
        part = rows.filter(pl.col("labels") == labels)
        if part.height:
            told.append(f"### With {labels} labels\n\n" + _false(part) + "\n" + _power(part))
    return "\n\n".join(told)


def _values(rows: pl.DataFrame, method: str, measure: str, world: str) -> list[float]:
    at = (pl.col("method") == method) & (pl.col("measure") == measure) & (pl.col("world") == world)
    return rows.filter(at)["value"].drop_nulls().to_list()


def _share(values: Sequence[float]) -> str:
    return show.count(sum(values), len(values))


def _false(rows: pl.DataFrame) -> str:
    lines = []
    for method in METHODS:
        line = [method, DIAGNOSTICS[method]]
        for world in (NO_PREFERENCES, FEED_ONLY):
            own = _values(rows, method, "by diagnostic", world)
            line += [_share(_values(rows, method, "claims", world)), _share(own) if own else "-"]
        lines.append(line)
    head = [
        "",
        "its diagnostic",
        *(f"{w}: {c}" for w in (NO_PREFERENCES, FEED_ONLY) for c in ("claims", "by its diagnostic")),
    ]
    daily = [
        f"{world}: {show.cell([100 * v for v in _values(rows, peers.COTERIE, 'real on a day', world)], 1)} % of tested days, "
        f"{_share(_values(rows, peers.COTERIE, 'ever real', world))} worlds on any of seven days; at q <= {LOOSER} it would be "
        f"{show.cell([100 * v for v in _values(rows, peers.COTERIE, 'below the looser level on a day', world)], 1)} % of days"
        for world in (NO_PREFERENCES, FEED_ONLY)
    ]
    return (
        "Worlds in which structure is claimed at the end (95 % interval):\n\n" + show.table(head, lines)
        + f"\nCoterie by day: {'; '.join(daily)}.\n"
    )  # fmt: skip


def _power(rows: pl.DataFrame) -> str:
    worlds = [world for world in WORLDS if world not in (NO_PREFERENCES, FEED_ONLY)]
    lines = []
    for method in METHODS:
        line = [method]
        for world in worlds:
            planted, matched = (
                sum(_values(rows, method, "planted", world)),
                sum(_values(rows, method, "matched", world)),
            )
            precise = _values(rows, method, "groups matched", world)
            line += [f"{matched:g} of {planted:g}", show.cell([100 * v for v in precise], 0) + " %" if precise else "-"]
        lines.append(line)
    head = ["", *(f"{world}: {c}" for world in worlds for c in ("planted, matched", "claimed groups that match"))]
    return "Planted communities matched by a claimed group:\n\n" + show.table(head, lines)


SECTION = Section("nulls", "False discoveries", settings, measure, render, version=2)
