"""When a community is there: the hours in which its members are about more than others are, and what a showing brings then.

Belongs here: which hours, and both measures. Does not belong here: the comparison within users (within), and which are
suggested (candidates).

Hours are chosen by when members are there, whatever they make of it, so nothing is picked by the outcome. Who comes at
night may be others than who come by day, and on other days: what a showing brings in the hours is set against what one
brings the same member at other times of the same day. But when a member comes is their own choice, and no log of showings
draws it at random: so this is an observation, however well it is known what they might have been shown.
"""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from coterie.matrices import Array, codes, ids_of
from coterie.strategies.change import DISTANCE, parts
from coterie.strategies.days import Days
from coterie.strategies.outcome import MIN_USERS, OUTCOME_SCHEMA, fewest_users
from coterie.strategies.placebo import PLACEBO_GROUPS, random_members
from coterie.strategies.showings import OBSERVATIONAL, weighted_showings
from coterie.strategies.shrinkage import shrink
from coterie.strategies.within import Codes, Marks, Showings, Within, by_user, numbered, within

TIMING_GAIN = "gain_per_showing_in_hours"
DAY_HOURS = 24
TARGET_OF_HOURS = "hours"  # what stands in the place of an interest: it is about whatever members are shown
HOURS = 3  # long enough for people to have come, short enough to say something
NOT_COMPARABLE = "no showings that can be compared"
SELDOM_BOTH = "few members are there in the hours and at other times of the same day"
TIMED: dict[str, type[pl.DataType]] = OUTCOME_SCHEMA | {
    "from_hour": pl.Int64,
    "to_hour": pl.Int64,
    "share_in_hours": pl.Float64,  # of the hours in which a member is there, on average
    "share_low": pl.Float64,
    "share_high": pl.Float64,
    "others_in_hours": pl.Float64,
    "own_move": pl.Float64,  # by how much the difference may move until the next week
    "placebo": pl.Float64,
}


def timing(
    days: Days,
    start: date,
    end: date,
    communities: pl.Series,
    *,
    members_on: date,
    hours: pl.DataFrame | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The hours of each community that has its own, and the gain of a showing in them.

    A user's presence in hours of the day is the share of the hours in which they were there that lie in these; all users
    count alike. Of the 24 stretches of HOURS hours, that one is a community's in which its members' mean share is furthest
    above the others', if it is above beyond doubt: at 95 % over all stretches and communities together.

    Args:
        days: the frames; without `present` there is nothing to tell, without comparable showings no effect.
        start: first day of the week.
        end: last day.
        communities: ids of the communities to measure.
        members_on: the day whose primary memberships count.
        hours: community_id, from_hour: just these, whether they stand out or not; of a community, there may be several.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        TIMED, sorted by community: without `hours` at most one row each; value is the strength of a showing in the hours,
        baseline that at other times. `not_evaluable` are rows without comparable showings.
    """
    if days.present is None:
        return pl.DataFrame(schema=TIMED)
    fewest = fewest_users(disclosure_k)
    primary = days.memberships.filter(
        pl.col("day") == members_on, "is_primary", pl.col("community_id").is_in(communities.implode())
    )
    found = own_hours(days.present.filter(pl.col("day").is_between(start, end)), primary, fewest, hours)
    if not found.height:
        return pl.DataFrame(schema=TIMED)
    response = _Response(days, start, end, primary)
    rows = [
        row | response.of(row["community_id"], row["from_hour"], fewest, end) for row in found.iter_rows(named=True)
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in TIMED} for row in rows], schema=TIMED)
    return frame.sort("community_id", "from_hour")


def own_hours(
    present: pl.DataFrame, primary: pl.DataFrame, fewest: int, hours: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The hours of each community, and its members' share of presence in them beside that of all others.

    Args:
        present: day, user_id, hour of a week, no row twice.
        primary: user_id, community_id.
        fewest: users on either side.
        hours: as for `timing`.

    Returns:
        community_id, from_hour, to_hour, share_in_hours with its interval, others_in_hours. The interval holds for all
        stretches of hours and communities at once (Bonferroni), so it holds for the one that stands out as well.
    """
    users = ids_of(present["user_id"])
    user = codes(present["user_id"], users)
    count = np.bincount(user * DAY_HOURS + present["hour"].to_numpy(), minlength=len(users) * DAY_HOURS)
    by_hour = count.reshape(len(users), DAY_HOURS).astype(np.float64)
    whole = by_hour.sum(axis=1, keepdims=True)
    share = sum(np.roll(by_hour, -ahead, axis=1) for ahead in range(HOURS)) / np.where(whole > 0, whole, 1.0)
    asked: dict[str, list[int]] = {}
    for community, from_hour in [] if hours is None else sorted(hours.select("community_id", "from_hour").rows()):
        asked.setdefault(community, []).append(from_hour)
    of_community = {str(c): group["user_id"] for (c,), group in primary.sort("user_id").group_by("community_id")}
    z = norm.isf(0.05 / (DAY_HOURS * max(len(of_community), 1)))
    total, squares, n = share.sum(axis=0), (share**2).sum(axis=0), len(users)
    rows: list[dict[str, Any]] = []
    for community, members in sorted(of_community.items()):
        inside = np.sort(codes(members, users))
        inside = inside[inside >= 0]
        m = len(inside)
        if m < fewest or n - m < fewest or (hours is not None and community not in asked):
            continue
        mean, variance = _moments(share[inside].sum(axis=0), (share[inside] ** 2).sum(axis=0), m)
        rest = total - share[inside].sum(axis=0), squares - (share[inside] ** 2).sum(axis=0)
        others, variance_others = _moments(*rest, n - m)
        ahead = mean - others
        own = ahead - z * np.sqrt(variance + variance_others) > 0
        if hours is None and not own.any():
            continue
        own_start = int(np.argmax(np.where(own, ahead, -1.0)))
        for at in asked.get(community, [own_start]):
            error = z * float(np.sqrt(variance[at]))
            rows.append(
                {
                    "community_id": community,
                    "from_hour": at,
                    "to_hour": (at + HOURS) % DAY_HOURS,
                    "share_in_hours": float(mean[at]),
                    "share_low": max(float(mean[at]) - error, 0.0),
                    "share_high": min(float(mean[at]) + error, 1.0),
                    "others_in_hours": float(others[at]),
                }
            )
    names = ("community_id", "from_hour", "to_hour", "share_in_hours", "share_low", "share_high", "others_in_hours")
    return pl.DataFrame(rows, schema={name: TIMED[name] for name in names})


def with_move(found: pl.DataFrame, days: Days, start: date, end: date, members_on: date) -> pl.DataFrame:
    """`own_move` of what `timing` found in a week: how far the gain may move until the next one.

    As for gains by interest (`change.weekly_move`), its change from the week's first days to its last, shrunk over the
    communities, scaled to the distance of two weeks. Null where no community can be measured in both.
    """
    if not found.height or found["evaluability"].eq("not_evaluable").all():
        return found
    hours = found.select("community_id", "from_hour")
    of_parts = [
        timing(days, a, b, found["community_id"], members_on=members_on, hours=hours)
        .filter(pl.col("why_not").is_null())
        .select("community_id", "difference", "std_error")
        for a, b in parts(start, end)
    ]
    both = of_parts[0].join(of_parts[1], on="community_id", suffix="_last").sort("community_id")
    if not both.height:
        return found
    change = (both["difference_last"] - both["difference"]).to_numpy()
    posterior = shrink(change, np.hypot(both["std_error"].to_numpy(), both["std_error_last"].to_numpy()))
    moved = both.select("community_id", moved=pl.Series(np.hypot(posterior.mean, posterior.sd) * DISTANCE**0.5))
    usual = posterior.spread * DISTANCE**0.5  # of a community that was not there at both ends
    return (
        found.join(moved, on="community_id", how="left", maintain_order="left")
        .with_columns(own_move=pl.col("moved").fill_null(usual))
        .select(list(TIMED))
    )


def placebos_of(found: pl.DataFrame) -> pl.DataFrame:
    """PLACEBO_SCHEMA of what `timing` found."""
    return found.select("community_id", pl.lit(TARGET_OF_HOURS).alias("interest_id"), "metric", "placebo")


def hours_of(suggested: pl.DataFrame) -> pl.DataFrame:
    """community_id, from_hour of suggestions of this kind, read from their action."""
    hour = pl.col("action").str.json_path_match("$.parameters.from_hour").cast(pl.Int64)
    return suggested.filter(pl.col("metric") == TIMING_GAIN).select("community_id", from_hour=hour).unique()


class _Response:
    """What showings of a week bring in some hours and at other times."""

    def __init__(self, days: Days, start: date, end: date, primary: pl.DataFrame) -> None:
        exposed = days.exposed
        basis, shown = OBSERVATIONAL, None
        if exposed is not None and "hour" in exposed.columns:
            basis, shown = weighted_showings(exposed.filter(pl.col("day").is_between(start, end)))
        self._shown = None if basis == OBSERVATIONAL else shown
        if self._shown is None:
            return
        self._users = ids_of(self._shown["user_id"])
        self._user = codes(self._shown["user_id"], self._users)
        self._item = codes(self._shown["item_id"], ids_of(self._shown["item_id"]))
        self._day = self._shown["day"].rank("dense").to_numpy().astype(np.int64)
        self._user_day = numbered(self._user, self._day)
        self._hour = self._shown["hour"].to_numpy().astype(np.int64)
        self._weight, self._strength = self._shown["weight"].to_numpy(), self._shown["strength"].to_numpy()
        self._members = {
            str(community): np.isin(np.arange(len(self._users)), codes(group["user_id"], self._users))
            for (community,), group in primary.group_by("community_id")
        }

    def of(self, community: str, from_hour: int, fewest: int, end: date) -> dict[str, Any]:
        """The columns of TIMED that are about the response."""
        about = {"metric": TIMING_GAIN, "evaluability": "not_evaluable", "popularity": 0.0}
        if self._shown is None:
            return about | {"why_not": NOT_COMPARABLE, "members": 0, "engaged": 0, "others": 0, "engaged_others": 0}
        marked = (self._hour - from_hour) % DAY_HOURS < HOURS
        inside = self._members[community]
        rows = np.flatnonzero(inside[self._user])
        found, any_day = (self._within(rows, marked, same_day=same_day) for same_day in (True, False))
        why_not = any_day.why_not(fewest) or (SELDOM_BOTH if found.why_not(fewest) else None)
        every = Showings(self._user, self._user_day, self._item, marked, self._weight, self._strength)
        y, x = by_user(every, len(self._users))
        everybody = _ratio(y.sum(), x.sum())
        usual = _usual(self._weight, self._strength)
        mean = _usual(self._weight[rows], self._strength[rows])
        others = (x > 0) & ~inside
        about |= {
            "why_not": why_not, "members": found.users, "engaged": found.engaged,
            "others": int(others.sum()), "engaged_others": 0,
            "effective_users": found.effective_users, "effective_rows": found.effective_rows,
            "baseline": found.baseline if np.isfinite(found.baseline) else None,
            "scale": float(np.sqrt(np.clip(usual, 1e-6, 1 - 1e-6) * (1 - np.clip(usual, 1e-6, 1 - 1e-6)))),
            "community_mean": mean,
        }  # fmt: skip
        if why_not is not None:
            return about
        drawn = random_members(community, end, np.flatnonzero(x > 0), found.users)
        placebo = [_ratio(y[group].sum(), x[group].sum()) for group in drawn]
        return about | {
            "evaluability": OBSERVATIONAL, "value": found.value, "difference": found.difference,
            "std_error": float(np.sqrt(found.variance)),
            # By how far it moves where a member's days count together, also those without both.
            "bias_bound": abs(found.difference - any_day.difference),
            "unit_mean": found.value, "unit_sd": float(np.sqrt(found.users * found.of_users)),
            "popularity": everybody, "placebo": float(np.mean(placebo)) if len(placebo) == PLACEBO_GROUPS else None,
        }  # fmt: skip

    def _within(self, rows: Codes, marked: Marks, *, same_day: bool) -> Within:
        user = numbered(self._user[rows])
        block = numbered(self._user_day[rows]) if same_day else user
        item, weight, strength = numbered(self._item[rows]), self._weight[rows], self._strength[rows]
        return within(Showings(user, block, item, marked[rows], weight, strength))


def _moments(total: Array, squares: Array, n: int) -> tuple[Array, Array]:
    """Mean over n users, and the variance of that mean."""
    mean = total / n
    return mean, np.maximum(squares - n * mean**2, 0.0) / max(n - 1, 1) / n


def _usual(weight: Array, strength: Array) -> float:
    return _ratio(float((weight * strength).sum()), float(weight.sum()))


def _ratio(y: float, x: float) -> float:
    return float(y / x) if x > 0 else 0.0
