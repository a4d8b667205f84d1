"""What becomes of communities: who belongs to which on a day, and what each wants then.

Belongs here: drift, splits, mergers, births, deaths, and what they leave. Does not belong here: chance that is not
about them.
"""

import json
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from coterie.errors import SettingError
from coterie.simulate.platform import OWN_INTERESTS, Array, Bools, Ints, Platform

DRIFT_DAYS = 7
BORN_SHARE = 0.5  # of users without a community, those who form a new one
FEED_BOOST = 20.0  # how much more the feed shows of a group's favourite interest than of others
EVEN_APPEAL = 0.5  # where nobody prefers anything
LINEAGE = {"day": pl.Date, "event": pl.String, "community": pl.Int64, "from_communities": pl.String}


@dataclass(frozen=True)
class State:
    """A day. Groups are the communities and, last, the users without one: G = K + 1.

    Attributes:
        community: (U,) community of each user, -1 for none.
        alive: (K,) which communities have members.
        affinity: (G, J) share of a member's own choices that goes to an interest, rows sum to 1.
        appeal: (G, J) how willingly a member turns to an item that is shown, in [0, 1].
        feed_group: (U,) the group that the feed takes a user for.
        feed_weight: (G, J) how much the feed favours an interest for a group, at least 1.
        supply: (J,) share of the day's new items, sums to 1.
    """

    community: Ints
    alive: Bools
    affinity: Array
    appeal: Array
    feed_group: Ints
    feed_weight: Array
    supply: Array

    @property
    def group(self) -> Ints:
        """(U,) row of each user's group in `affinity` and `appeal`."""
        return np.where(self.community < 0, len(self.affinity) - 1, self.community)


@dataclass(frozen=True)
class Epoch:
    """Days from `first` on, until the next epoch: who belongs where, and what communities want for themselves."""

    first: int
    community: Ints
    own: Array
    drifting: dict[int, Array]  # community -> what it wants in the end


def epochs(platform: Platform, rng: np.random.Generator) -> tuple[list[Epoch], pl.DataFrame]:
    """The course of the communities, and the truth about it: day, event, community, from_communities (JSON).

    Raises:
        SettingError: a community is too small to split, or nobody is left to form a new one.
    """
    scenario = platform.scenario
    count = scenario.most_communities
    community, own = platform.founding.copy(), platform.own.copy()
    untouched = iter(range(scenario.communities))
    coming = iter(range(scenario.communities, count))
    found = [Epoch(0, community.copy(), own.copy(), {})]
    lived: list[tuple[int, str, int, list[int]]] = [(0, "born", c, []) for c in range(scenario.communities)]
    drifting: dict[int, Array] = {}
    for event in sorted(scenario.life, key=lambda e: e.day):
        if event.kind == "drift":
            c = next(untouched)
            drifting = {**drifting, c: _other_interests(rng, own[c])}
            lived.append((event.day, "drifted", c, [c]))
        elif event.kind == "split":
            c, new = next(untouched), next(coming)
            members = np.flatnonzero(community == c)
            if len(members) < 2:
                raise SettingError(
                    f"simulate: life: found a community of {len(members)} for split@{event.day}; expected more users"
                )
            community[rng.permutation(members)[: len(members) // 2]] = new
            favoured = np.flatnonzero(own[c])
            kept, taken = favoured[: len(favoured) // 2], favoured[len(favoured) // 2 :]
            own[new] = _only(own[c], taken)
            own[c] = _only(own[c], kept)
            lived.append((event.day, "split", new, [c]))
        elif event.kind == "merger":
            c, joins = next(untouched), next(untouched)
            community[community == joins] = c
            own[c] = (own[c] + own[joins]) / 2
            lived.append((event.day, "merged", c, [c, joins]))
        elif event.kind == "birth":
            new, free = next(coming), np.flatnonzero((community < 0) & ~platform.is_bot)
            if not len(free):
                raise SettingError(
                    f"simulate: life: found no user without a community for birth@{event.day}; expected more users"
                )
            community[rng.permutation(free)[: max(1, round(BORN_SHARE * len(free)))]] = new
            lived.append((event.day, "born", new, []))
        else:
            c = next(untouched)
            community[community == c] = -1
            lived.append((event.day, "died", c, [c]))
        found.append(Epoch(event.day, community.copy(), own.copy(), drifting))
    rows = [
        (scenario.first_day + timedelta(days=day), event, community_id, json.dumps(origin))
        for day, event, community_id, origin in lived
        if not scenario.null
    ]
    return found, pl.DataFrame(rows, schema=LINEAGE, orient="row")


def state(platform: Platform, course: list[Epoch], day: int) -> State:
    """The communities, wants and feed of a day; `day` may lie before the first, when items are made already."""
    scenario = platform.scenario
    epoch = next(e for e in reversed(course) if e.first <= max(day, 0))
    own = epoch.own.copy()
    for c, becomes in epoch.drifting.items():
        begun = next(e.first for e in course if c in e.drifting)
        done = min(max((day - begun + 1) / DRIFT_DAYS, 0.0), 1.0)
        own[c] = (1 - done) * own[c] + done * becomes
    trend = platform.trend(day)
    common = platform.common * trend / (platform.common * trend).sum()
    supply = platform.supply * trend / (platform.supply * trend).sum()
    groups = len(own) + 1
    alive = np.bincount(epoch.community[epoch.community >= 0], minlength=len(own)) > 0
    wants = np.vstack([np.where(alive[:, None], own, common), common])
    affinity = scenario.mixing * common + (1 - scenario.mixing) * wants
    feed_weight = 1 + FEED_BOOST * np.vstack([own / own.max(axis=1, keepdims=True), np.zeros(len(common))])
    feed_weight[:-1][~alive] = 1
    if scenario.null:
        affinity = np.tile(common, (groups, 1))
    # The root leaves some appeal to what a member rarely chooses: people watch more than they search for.
    appeal = np.sqrt(affinity / affinity.max(axis=1, keepdims=True))
    if scenario.null == "no_preferences":
        appeal = np.full_like(affinity, EVEN_APPEAL)
        feed_weight = np.ones_like(affinity)
    community = epoch.community
    taken_for = np.where(platform.known | (community < 0), community, platform.mistaken)
    return State(
        community=community,
        alive=alive,
        affinity=affinity,
        appeal=appeal,
        feed_group=np.where(taken_for < 0, groups - 1, taken_for),
        feed_weight=feed_weight,
        supply=supply,
    )


def members_over_time(platform: Platform, course: list[Epoch], user_ids: pl.Series) -> pl.DataFrame:
    """The truth about users: uid, from_day, to_day, community, feed_group, activity, is_bot.

    A user has a row for each stretch of days with one community (null for none) and one group that the feed takes them
    for (null for none); both ends of a stretch count.
    """
    scenario = platform.scenario
    communities = len(platform.own)
    stretches = []
    for n, epoch in enumerate(course):
        last = course[n + 1].first - 1 if n + 1 < len(course) else scenario.days - 1
        if last < epoch.first:
            continue
        on = state(platform, course, epoch.first)
        community = np.full(scenario.users, -1) if scenario.null else on.community
        feed_group = np.where(on.feed_group == communities, -1, on.feed_group)
        if scenario.null == "no_preferences":
            feed_group = np.full(scenario.users, -1)
        stretches.append(
            pl.DataFrame(
                {
                    "uid": user_ids,
                    "from_day": scenario.first_day + timedelta(days=epoch.first),
                    "to_day": scenario.first_day + timedelta(days=last),
                    "community": community,
                    "feed_group": feed_group,
                    "activity": platform.activity,
                    "is_bot": platform.is_bot,
                }
            )
        )
    same = ["uid", "community", "feed_group", "activity", "is_bot"]
    return (
        pl.concat(stretches)
        .group_by(same)
        .agg(pl.col("from_day").min(), pl.col("to_day").max())
        .with_columns(pl.when(pl.col(c) >= 0).then(c).alias(c) for c in ("community", "feed_group"))
        .sort("uid", "from_day")
        .select("uid", "from_day", "to_day", "community", "feed_group", "activity", "is_bot")
    )


def _only(own: Array, kept: Ints) -> Array:
    row = np.zeros_like(own)
    row[kept] = own[kept]
    return np.asarray(row / row.sum())


def _other_interests(rng: np.random.Generator, own: Array) -> Array:
    free = np.flatnonzero(own == 0)
    row = np.zeros_like(own)
    chosen = rng.choice(free, min(OWN_INTERESTS, len(free)), replace=False)
    row[chosen] = rng.dirichlet(np.full(len(chosen), 2.0))
    return row
