"""What a boost did once it was shipped: how what members make of a showing changed, less how it changed for others.

Belongs here: the difference in differences of shipped boosts. Does not belong here: suggestions that nobody shipped
(scorecard), and who decides (decisions).

While a boost is in force, a showing as it is now is no longer what it was when the boost was suggested, so the gain cannot
be measured again as it was predicted. What can be measured is what the boost was for: the members' mean strength of a
showing in a week with it, less that in the week before, less the same change among users for whom nothing was shipped
(difference in differences; Card and Krueger 1994, American Economic Review 84). Divided by the share of showings that the
interest was in fact given, it is a gain per showing that moved, as predicted.

It is no experiment: whatever else changed for these members and not for others counts as the boost's doing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.matrices import Array
from coterie.strategies.days import Days
from coterie.strategies.items import few_clusters
from coterie.strategies.outcome import GAIN, MIN_USERS, WINDOW_DAYS, fewest_users
from coterie.strategies.window import Window

WEEKS = (1, 2)  # after the first day of the change: which of them are scored
BEFORE = timedelta(days=WINDOW_DAYS + 1)  # from the day as of which members are fixed to the first day of the change
FOUND: dict[str, type[pl.DataType]] = {
    "strategy_id": pl.String,
    "issued_on": pl.Date,
    "realised": pl.Float64,
    "realised_error": pl.Float64,
}


@dataclass(frozen=True)
class _Side:
    """A week of one group's showings: strength, weight and influence on their ratio of each user, and what was shown."""

    users: npt.NDArray[np.str_]
    shown: Array  # (n,)
    influence: Array  # (n,) what each user adds to the error of the ratio
    ratio: float
    served: Mapping[str, float]  # share of the showings, by interest


def due_days(day: date) -> list[date]:
    """The first days of changes whose first or second week ends on a day."""
    return [day - timedelta(days=WINDOW_DAYS * week - 1) for week in WEEKS]


def interventions_of_day(
    *, day: date, after: Days, before: Mapping[date, Days], shipped: pl.DataFrame, disclosure_k: int = MIN_USERS
) -> pl.DataFrame:
    """What the boosts brought whose first or second week ends on a day.

    Members are those of eight days before the change, so that nobody is one because of what is compared; others are all
    who are of no community that anything was shipped for. Users are the clusters: a user's part in both weeks counts once.

    Args:
        day: the day.
        after: engagement, labels and exposed of day-6..day.
        before: by first day S of a change: the same of S-7..S-1, and memberships of S-8.
        shipped: strategy_id, issued_on, community_id, interest_id, metric, shipped_on of all that was shipped by then.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        FOUND, sorted by key, for boosts by gain with `shipped_on` in `due_days(day)`; `realised` is null where there
        are too few users on a side, no showings, or the interest was not given more showings than before.
    """
    parts = [pl.DataFrame(schema=FOUND)]
    for first in due_days(day):
        due = shipped.filter(pl.col("shipped_on") == first, pl.col("metric") == GAIN)
        if due.is_empty():
            continue
        found = [(None, None)] * due.height if first not in before else _changes(day, first, after, before[first],
                                                                                 due, shipped, disclosure_k)  # fmt: skip
        parts.append(
            due.select("strategy_id", "issued_on").with_columns(
                realised=pl.Series([value for value, _ in found], dtype=pl.Float64),
                realised_error=pl.Series([error for _, error in found], dtype=pl.Float64),
            )
        )
    return pl.concat(parts).sort("strategy_id", "issued_on")


def _changes(
    day: date, first: date, after: Days, before: Days, due: pl.DataFrame, shipped: pl.DataFrame, disclosure_k: int
) -> list[tuple[float | None, float | None]]:
    treated = shipped.filter(pl.col("shipped_on") <= day)["community_id"].unique().sort()
    week = timedelta(days=WINDOW_DAYS - 1)

    def window(end: date, of: Days) -> Window:
        fixed = replace(of, memberships=before.memberships, user_interests=before.user_interests)
        return fixed.window(end - week, end, treated, members_on=first - BEFORE)

    was, became = window(first - timedelta(days=1), before), window(day, after)
    controls = (_side(was, None), _side(became, None))
    return [
        _gained((_side(was, community), _side(became, community)), controls, interest, fewest_users(disclosure_k))
        for community, interest in due.select("community_id", "interest_id").iter_rows()
    ]


def _side(window: Window, community: str | None) -> _Side | None:
    """The week of a community's members, or of all who are of none that was treated; None without showings."""
    exposure = window.exposure
    if exposure is None or exposure.feed is None:
        return None
    feed, members = exposure.feed, window.members
    inside = np.zeros(len(window.users), dtype=bool)
    if community is None:
        inside[members.indices] = True
        inside = ~inside
    elif community in window.communities:
        row = window.communities.index(community)
        inside[members.indices[members.indptr[row] : members.indptr[row + 1]]] = True
    at = np.flatnonzero(inside & (feed.shown > 0))
    weight, showings = feed.shown[at], feed.showings[at].sum()
    if not len(at) or showings <= 0:
        return None
    ratio = float(feed.strength[at].sum() / weight.sum())
    served = np.asarray(feed.served[at].sum(axis=0)).reshape(-1) / showings
    return _Side(
        users=np.array(window.users)[at],
        shown=weight,
        influence=(feed.strength[at] - ratio * weight) / weight.sum(),
        ratio=ratio,
        served=dict(zip(window.interests, served.tolist(), strict=True)),
    )


def _gained(
    members: tuple[_Side | None, _Side | None],
    others: tuple[_Side | None, _Side | None],
    interest: str,
    fewest: int,
) -> tuple[float | None, float | None]:
    """Gain of a showing that moved, and its standard error."""
    change, share, variance = 0.0, 0.0, 0.0
    for sign, (was, became) in ((1.0, members), (-1.0, others)):
        if was is None or became is None or min(len(was.users), len(became.users)) < fewest:
            return None, None
        change += sign * (became.ratio - was.ratio)
        share += sign * (became.served.get(interest, 0.0) - was.served.get(interest, 0.0))
        variance += _variance(was, became)
    became = members[1]
    assert became is not None
    # Showings of the interest itself gave way as well, so more moved than its share rose by.
    rest = 1 - (became.served.get(interest, 0.0) - share)
    moved = share / rest if rest > 0 else 0.0
    if not (moved > 0 and variance > 0):
        return None, None
    return change / moved, float(np.sqrt(variance)) / moved


def _variance(was: _Side, became: _Side) -> float:
    """Of the change of the ratio: users are in both weeks, so their influences are taken together (Cochran 1977)."""
    everyone, place = np.unique(np.concatenate([was.users, became.users]), return_inverse=True)
    influence = np.bincount(place, np.concatenate([-was.influence, became.influence]), minlength=len(everyone))
    x = became.shown
    return float((influence**2).sum() * few_clusters(*(np.array((x**power).sum()) for power in (1, 2, 3))))
