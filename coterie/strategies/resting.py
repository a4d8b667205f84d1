"""What members have seen enough of: what is lost by showing an interest again on the same day.

Belongs here: after how many showings an interest is late in a day, and the gain of showing something else then. Does not
belong here: the comparison (within), which are suggested (candidates).

The late showings of a day are set against what else the same member was shown after that point of the same day: who is
shown much of an interest likes it more, and everybody tires as a day goes on, whatever they are shown. Neither is taken for
the interest's wear then. After how many showings it is late depends on how often it is shown, not on what it brings.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from coterie.matrices import Array, codes, ids_of
from coterie.strategies.days import Days
from coterie.strategies.order import main_interests
from coterie.strategies.outcome import GAIN, MIN_USERS, OUTCOME_SCHEMA, fewest_users
from coterie.strategies.placebo import random_members
from coterie.strategies.showings import OBSERVATIONAL, weighted_showings
from coterie.strategies.within import Codes, Marks, Showings, Within, by_user, numbered, within

REST_GAIN = "gain_per_showing_rested"
LATE = 0.25  # of an interest's showings to members, at most, that come after the cap
LEAST_SHARE, MOST_RESTED = 0.02, 10  # of the members' showings that an interest must have; interests tested a community
RESTED: dict[str, type[pl.DataType]] = OUTCOME_SCHEMA | {
    "most_per_day": pl.Int64,
    "late_share": pl.Float64,  # of the interest's showings that come later
    "tired": pl.Float64,  # by how much more a late showing loses against others than an earlier one
    "tired_error": pl.Float64,
    "annoyed": pl.Float64,  # the same of the share of showings that a negative signal follows
    "annoyed_error": pl.Float64,
    "placebo": pl.Float64,
}


def resting(
    days: Days,
    start: date,
    end: date,
    outcomes: pl.DataFrame,
    *,
    members_on: date,
    caps: pl.DataFrame | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The gain of resting interests once a member has been shown them so often on a day.

    Of each community the interests that have most of its showings are measured, those alone whose gains can be.

    Args:
        days: the frames; `exposed` must know the order of the showings.
        start: first day of the week.
        end: last day.
        outcomes: what `outcome.measure` says of the same week: which communities and interests, and their labels.
        members_on: the day whose primary memberships count.
        caps: community_id, interest_id, most_per_day: just these; of a pair, there may be several.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        RESTED, sorted by community_id, interest_id and cap: value is the strength of what else members are shown then, baseline
        that of a late showing of the interest.
    """
    pairs = outcomes.filter(pl.col("metric") == GAIN)
    exposed = None if days.exposed is None else days.exposed.filter(pl.col("day").is_between(start, end))
    if exposed is None or not exposed.height or "nth" not in exposed.columns or not pairs.height:
        return pl.DataFrame(schema=RESTED)
    basis, weighted = weighted_showings(exposed)
    if weighted is None or basis == OBSERVATIONAL:
        return pl.DataFrame(schema=RESTED)
    feed = _Feed(exposed, weighted, main_interests(days.labels), start)
    primary = days.memberships.filter(pl.col("day") == members_on, "is_primary").select("user_id", "community_id")
    asked: dict[tuple[str, str], list[int]] = {}
    for community_id, interest_id, most in [] if caps is None else sorted(caps.rows()):
        asked.setdefault((community_id, interest_id), []).append(most)
    rows = []
    for (community,), of in pairs.group_by("community_id", maintain_order=True):
        members = feed.places_of(primary.filter(pl.col("community_id") == community)["user_id"])
        if caps is None:
            large = of.filter(pl.col("served_share") >= LEAST_SHARE)
            of = large.sort("served_share", "interest_id", descending=[True, False]).head(MOST_RESTED)  # noqa: PLW2901
        for pair in of.iter_rows(named=True):
            own = [feed.cap(pair["interest_id"], members)] if caps is None else []
            for cap in asked.get((str(community), pair["interest_id"]), own):
                if cap is None:
                    continue
                found = _measured(feed, pair, members, cap, fewest_users(disclosure_k), end)
                rows.append(pair | {"metric": REST_GAIN, "evaluability": basis} | found)
    frame = pl.DataFrame([{name: row.get(name) for name in RESTED} for row in rows], schema=RESTED)
    unknown = pl.when(pl.col("why_not").is_not_null())
    return frame.with_columns(evaluability=unknown.then(pl.lit("not_evaluable")).otherwise("evaluability")).sort(
        "community_id", "interest_id", "most_per_day"
    )


def placebos_of(found: pl.DataFrame) -> pl.DataFrame:
    """PLACEBO_SCHEMA of what `resting` found."""
    return found.select("community_id", "interest_id", "metric", "placebo")


def caps_of(suggested: pl.DataFrame) -> pl.DataFrame:
    """community_id, interest_id, most_per_day of suggestions of this kind, read from their action."""
    cap = pl.col("action").str.json_path_match("$.parameters.most_per_day").cast(pl.Int64)
    of_kind = suggested.filter(pl.col("metric") == REST_GAIN)
    return of_kind.select("community_id", "interest_id", most_per_day=cap).unique()


@dataclass(frozen=True)
class _Late:
    """Showings of user-days in which an interest was shown more often than its cap, and which come after that."""

    shown: Showings
    late: Marks
    negative: Array


class _Feed:
    """The showings of a week, coded."""

    def __init__(self, exposed: pl.DataFrame, weighted: pl.DataFrame, main: pl.DataFrame, start: date) -> None:
        self.users = ids_of(exposed["user_id"])
        self._interests = ids_of(main["interest_id"])
        items = ids_of(exposed["item_id"])
        about = np.full(len(items) + 1, -1, dtype=np.int64)
        about[codes(main["item_id"], items)] = codes(main["interest_id"], self._interests)
        about[-1] = -1
        self._day = (exposed["day"] - start).dt.total_days().to_numpy()
        self._span = int(self._day.max()) + 1
        every = codes(exposed["user_id"], self.users)
        self._every = every * self._span + self._day
        self._about = about[codes(exposed["item_id"], items)].astype(np.int32)
        self._nth = exposed["nth"].fill_null(0).to_numpy()
        self._place = exposed["place"].to_numpy()
        self.user = codes(weighted["user_id"], self.users)
        self._at = self.user * self._span + (weighted["day"] - start).dt.total_days().to_numpy()
        self._item = codes(weighted["item_id"], items)
        self._of = about[self._item].astype(np.int32)
        self._when = weighted["place"].to_numpy()
        self._weight, self._strength = weighted["weight"].to_numpy(), weighted["strength"].to_numpy()
        negative = (
            weighted["negative"] if "negative" in weighted.columns else pl.repeat(False, weighted.height, eager=True)
        )
        self._negative = negative.fill_null(False).cast(pl.Float64).to_numpy()
        self._known: dict[tuple[str, int], _Late] = {}

    def places_of(self, users: pl.Series) -> Codes:
        """Places of users, sorted, those who were shown nothing left out."""
        found = np.sort(codes(users, self.users))
        return found[found >= 0]

    def cap(self, interest: str, members: Codes) -> int | None:
        """The least number of showings a day after which at most LATE of the interest's are left; None if none are."""
        inside = np.isin(self._every // self._span, members)
        nth = self._nth[inside & (self._about == self._code(interest))]
        if not len(nth):
            return None
        cap = int(np.sort(nth)[int(np.ceil((1 - LATE) * len(nth))) - 1])
        return cap if cap < nth.max() else None

    def late_share(self, interest: str, members: Codes, cap: int) -> float:
        """Share of the interest's showings to members that come after the cap."""
        nth = self._nth[np.isin(self._every // self._span, members) & (self._about == self._code(interest))]
        return float((nth > cap).mean()) if len(nth) else 0.0

    def late(self, interest: str, cap: int) -> _Late:
        """The days on which users were shown the interest more often than that."""
        if (interest, cap) not in self._known:
            self._known[interest, cap] = self._late(self._code(interest), cap)
        return self._known[interest, cap]

    def mean(self, members: Codes) -> float:
        """Mean strength of the members' showings."""
        inside = np.isin(self.user, members)
        weight = self._weight[inside]
        return float((weight * self._strength[inside]).sum() / weight.sum()) if weight.sum() > 0 else float("nan")

    def _code(self, interest: str) -> int:
        return int(codes(pl.Series([interest]), self._interests)[0])

    def _late(self, interest: int, cap: int) -> _Late:
        length = len(self.users) * self._span
        ours = self._about == interest
        end = np.full(length, np.iinfo(np.int64).max)  # place of the last showing that is not late
        late = np.flatnonzero(ours & (self._nth > cap))
        np.minimum.at(end, self._every[late], self._place[late] - 1)
        last = np.flatnonzero(ours & (self._nth == cap))
        last = last[end[self._every[last]] < np.iinfo(np.int64).max]
        end[self._every[last]] = self._place[last]
        rows = np.flatnonzero(end[self._at] < np.iinfo(np.int64).max)
        shown = Showings(
            user=self.user[rows],
            block=numbered(self._at[rows]),
            item=numbered(self._item[rows]),
            marked=self._of[rows] != interest,
            weight=self._weight[rows],
            strength=self._strength[rows],
        )
        return _Late(shown, self._when[rows] > end[self._at[rows]], self._negative[rows])


def _measured(feed: _Feed, pair: dict[str, Any], members: Codes, cap: int, fewest: int, end: date) -> dict[str, Any]:
    every = feed.late(pair["interest_id"], cap)
    inside = np.isin(every.shown.user, members)
    late, early = (_part(every.shown, inside & which) for which in (every.late, ~every.late))
    found, before = within(late), within(early)
    why_not = found.why_not(fewest)
    usual = float(np.clip(np.nan_to_num(feed.mean(members), nan=0.5), 1e-6, 1 - 1e-6))
    y, x = by_user(_part(every.shown, every.late), len(feed.users))
    everybody = float(y.sum() / x.sum()) if x.sum() > 0 else 0.0
    outside = int((x > 0).sum()) - found.users
    row = {
        "why_not": why_not, "most_per_day": cap, "late_share": feed.late_share(pair["interest_id"], members, cap),
        "members": found.users, "engaged": found.engaged, "others": outside, "engaged_others": 0,
        "effective_users": found.effective_users, "effective_rows": found.effective_rows,
        "baseline": found.baseline if np.isfinite(found.baseline) else None,
        "scale": float(np.sqrt(usual * (1 - usual))), "community_mean": usual, "popularity": everybody,
        **dict.fromkeys(("value", "difference", "std_error", "bias_bound", "unit_mean", "unit_sd")),
    }  # fmt: skip
    if why_not is not None:
        return row
    tired, tired_error = _later(found, before)
    annoying = [within(_part(every.shown, inside & which, every.negative)) for which in (every.late, ~every.late)]
    calmer, calmer_error = _later(*annoying)
    drawn = random_members(pair["community_id"], end, np.flatnonzero(x > 0), found.users)
    placebo = [y[group].sum() / x[group].sum() for group in drawn]
    return row | {
        "value": found.value, "difference": found.difference, "std_error": float(np.sqrt(found.variance)),
        "bias_bound": 0.0, "unit_mean": found.value, "unit_sd": float(np.sqrt(found.users * found.of_users)),
        "tired": tired, "tired_error": tired_error,
        "annoyed": None if calmer is None else -calmer, "annoyed_error": calmer_error,
        "placebo": float(np.mean(placebo)) if placebo else None,
    }  # fmt: skip


def _later(late: Within, early: Within) -> tuple[float | None, float | None]:
    """By how much the difference is larger late than early, and its error: the same users stand in both."""
    if not np.isfinite(early.variance) or not np.isfinite(late.variance):
        return None, None
    length = max(len(late.influence), len(early.influence))
    apart = np.zeros(length)
    apart[: len(late.influence)] += late.influence
    apart[: len(early.influence)] -= early.influence
    of_items = sum(part.variance - part.of_users for part in (late, early))
    return late.difference - early.difference, float(np.sqrt((apart**2).sum() + of_items))


def _part(shown: Showings, which: Marks, instead: Array | None = None) -> Showings:
    """Some of the showings; with `instead` in the place of their strength."""
    strength = shown.strength if instead is None else instead
    return Showings(
        shown.user[which],
        shown.block[which],
        shown.item[which],
        shown.marked[which],
        shown.weight[which],
        strength[which],
    )
