"""What to show newcomers first: after how many engagements it is known where somebody belongs, and which interests tell.

Belongs here: placing users by their first engagements, how often that is right, and the bundle. Does not belong here: the
model that places them (communities.mixture), which are suggested (candidates).

Nobody knows where newcomers belong, so members stand in for them: those of a week ago, judged by nothing but the first
engagements of this week, by profiles that were learnt from other users. How many engagements suffice is chosen by one half
of the users, and how often a placing is right is measured on the other, so choosing costs nothing. What the feed shows
to members it knows already: newcomers are shown less of what tells them apart, so this is an observation.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse
from scipy.stats import norm

from coterie.communities.acts import Acts, acts_of
from coterie.communities.mixture import fit
from coterie.graphs import stable_hashes
from coterie.matrices import Array, Matrix, codes, column_sums, ids_of, pattern, product, row_sums
from coterie.strategies.days import Days
from coterie.strategies.outcome import MIN_USERS, OUTCOME_SCHEMA, fewest_users
from coterie.strategies.placebo import random_members
from coterie.strategies.showings import OBSERVATIONAL

PLACED = "placed_right"
SIGNALS = (1, 2, 3, 5, 8, 13, 20)  # engagements that are tried
PRECISION = 0.8  # of placings that are right, from which on a community is known
SURE = 0.8  # the model's probability from which on a user is placed
LEAST_KNOWN = 0.5  # of the members who must be placed right by then
FOLDS = 5
MOST_INTERESTS, MOST_ITEMS = 3, 20  # of a bundle
LEAST_PART = 0.1  # of what a bundle tells, that an interest in it must tell
_ASKED = ["community_id", "interest_id", "signals"]
UNKNOWN = f"{SIGNALS[-1]} engagements do not tell its members from others at a precision of {PRECISION:.0%}"
NEWCOMERS: dict[str, type[pl.DataType]] = OUTCOME_SCHEMA | {
    "signals": pl.Int64,  # engagements after which users are placed
    "known_share": pl.Float64,  # of the members, who are placed right by then
    "placebo": pl.Float64,
    "bundle": pl.String,  # interests and items of each, as `interest=items` in order, separated by spaces
}


@dataclass(frozen=True)
class _Judged:
    """What is known of n users who had so many engagements: who is placed where, and where they belong; -1 for nowhere."""

    placed: npt.NDArray[np.int64]
    home: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.bool_]  # the half by which the number of engagements is chosen
    quiet: npt.NDArray[np.bool_]  # who have less engagements than most


def newcomers(
    days: Days,
    start: date,
    end: date,
    communities: pl.Series,
    *,
    members_on: date,
    allowed: pl.Series | None = None,
    asked: pl.DataFrame | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """How many engagements tell who belongs to each community, and the interests to show first.

    Args:
        days: the frames.
        start: first day of the week.
        end: last day.
        communities: ids of the communities to measure; members of others belong nowhere here.
        members_on: the day whose primary memberships count.
        allowed: interests that may be targeted; None for all.
        asked: community_id, interest_id, signals: just these, after so many engagements; of a community, there may be
            several.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        NEWCOMERS, sorted by community: value is the share of those who are placed in the community that belong to it,
        baseline its share of all who had so many engagements. Communities without an interest that tells are left out.
    """
    engagement = days.engagement.filter(pl.col("day").is_between(start, end), pl.col("strength") > 0)
    primary = days.memberships.filter(
        pl.col("day") == members_on, "is_primary", pl.col("community_id").is_in(communities.implode())
    )
    ids = primary["community_id"].unique().sort()
    if not len(ids) or not engagement.height:
        return pl.DataFrame(schema=NEWCOMERS)
    labels = days.labels
    if "day" in labels.columns:
        labels = labels.filter(pl.col("day") == pl.col("day").max().over("item_id"))
    nothing = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    acts = acts_of(engagement, labels, nothing, half_life_days=float("inf"))
    home = np.full(len(acts.users), -1, dtype=np.int64)
    at = codes(primary["user_id"], acts.users)
    home[at[at >= 0]] = codes(primary["community_id"], ids)[at >= 0]
    first, rank = _first(engagement, acts)
    judged = _judged(acts, home, len(ids), first, rank)
    bundles = _bundles(days, engagement, labels, acts, home, len(ids), allowed)
    told: dict[str, list[tuple[str | None, int | None]]] = {}
    for community, interest, signals in [] if asked is None else asked.select(_ASKED).sort(_ASKED).rows():
        told.setdefault(community, []).append((interest, signals))
    rows = []
    for place, community in enumerate(ids):
        own = [] if asked is not None else [(next(iter(bundles[place]), None), _signals(judged, place))]
        for interest, signals in told.get(community, own):
            if interest is None:
                continue
            of = judged[signals or SIGNALS[-1]]
            found = _measured(of, place, fewest_users(disclosure_k), known=signals is not None)
            if found["why_not"] is None:
                found["placebo"] = _placebo(of, place, str(community), end)
            bundle = _bundle(bundles[place], signals or SIGNALS[-1])
            rows.append(
                found | {"community_id": community, "interest_id": interest, "signals": signals, "bundle": bundle}
            )
    frame = pl.DataFrame([{name: row.get(name) for name in NEWCOMERS} for row in rows], schema=NEWCOMERS)
    return frame.sort(_ASKED)


def bundle_of(text: str) -> list[dict[str, str | int]]:
    """A bundle as an action has it."""
    parts = (part.rpartition("=") for part in text.split())
    return [{"interest_id": interest, "items": int(items)} for interest, _, items in parts]


def placebos_of(found: pl.DataFrame) -> pl.DataFrame:
    """PLACEBO_SCHEMA of what `newcomers` found."""
    return found.select("community_id", "interest_id", "metric", "placebo")


def asked_of(suggested: pl.DataFrame) -> pl.DataFrame:
    """community_id, interest_id, signals of suggestions of this kind, read from their action."""
    signals = pl.col("action").str.json_path_match("$.parameters.signals").cast(pl.Int64)
    of_kind = suggested.filter(pl.col("metric") == PLACED)
    return of_kind.select("community_id", "interest_id", signals=signals).unique()


def _first(engagement: pl.DataFrame, acts: Acts) -> tuple[Matrix, Array]:
    """(n, m) the first engagements of each user, as the model counts them, and their ranks from 1.

    Within a day the order is drawn, by hashes of both ids: another one for each user.
    """
    pairs = engagement.group_by("user_id", "item_id").agg(pl.col("day").min()).sort("user_id", "item_id")
    items = engagement["item_id"].unique().sort()
    of_user, of_item = stable_hashes(acts.users), stable_hashes(items)
    drawn = of_user[codes(pairs["user_id"], acts.users)] ^ of_item[codes(pairs["item_id"], items)]
    ranked = (
        pairs.with_columns(order=pl.Series(drawn * np.uint64(0x9E3779B97F4A7C15)))
        .sort("user_id", "day", "order", "item_id")
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_id"))
        .filter(pl.col("rank") <= SIGNALS[-1])
    )
    user, item = codes(ranked["user_id"], acts.users), codes(ranked["item_id"], items)
    shape = acts.engaged.shape
    of = sparse.csr_array((ranked["rank"].to_numpy().astype(np.float64), (user, item)), shape=shape)
    of.sort_indices()
    cells = sparse.csr_array(acts.engaged.multiply(pattern(of)))
    cells.sort_indices()
    return cells, of.data


def _judged(acts: Acts, home: npt.NDArray[np.int64], groups: int, first: Matrix, rank: Array) -> dict[int, _Judged]:
    """By number of engagements: where profiles that were learnt from other users place each."""
    hashed = stable_hashes(acts.users)
    fold = (hashed % np.uint64(FOLDS)).astype(np.int64)
    half = (hashed // np.uint64(FOLDS) % np.uint64(2)).astype(bool)
    placed = {n: np.full(len(home), -1, dtype=np.int64) for n in SIGNALS}
    row = np.repeat(np.arange(len(home)), np.diff(first.indptr))
    for out in range(FOLDS):
        kept = sparse.csr_array(sparse.diags_array((fold != out).astype(np.float64)))
        learnt = replace(acts, engaged=product(kept, acts.engaged))
        start = np.where(fold != out, home, -1)
        shares = fit(learnt, start, 0, rounds=0).shares
        tell = np.zeros((len(shares), groups))  # a community without a member to learn from is as everybody
        tell[:, : shares.shape[1] - 1] = np.log(shares[:, 1:]) - np.log(shares[:, :1])
        size = np.bincount(start[start >= 0], minlength=groups) + 1.0
        nowhere = max(float(((fold != out) & (home < 0)).sum()), 1.0)
        for n in SIGNALS:
            cells = first.data * (rank <= n) * (fold[row] == out)
            log = sparse.csr_array((cells, first.indices, first.indptr), shape=first.shape) @ tell
            chance = np.column_stack([np.full(len(home), nowhere), size[None, :] * np.exp(np.clip(log, -500, 500))])
            chance /= chance.sum(axis=1, keepdims=True)
            best = chance[:, 1:].argmax(axis=1)
            sure = (chance[np.arange(len(home)), best + 1] >= SURE) & (fold == out)
            placed[n][sure] = best[sure]
    had = np.diff(first.indptr)
    busy = row_sums(pattern(acts.engaged))
    found = {}
    for n in SIGNALS:
        enough = had >= n
        usual = float(np.median(busy[enough])) if enough.any() else 0.0
        found[n] = _Judged(placed[n][enough], home[enough], half[enough], busy[enough] <= usual)
    return found


def _signals(judged: dict[int, _Judged], place: int) -> int | None:
    """The least number of engagements at which placings are right often enough and reach half of the members.

    By one half of the users. The lower end of the interval must be, at 90 % over all numbers that are tried.
    """
    z = norm.isf(0.1 / len(SIGNALS))
    for n in SIGNALS:
        of = judged[n]
        here = of.chosen & (of.placed == place)
        m, right = int(here.sum()), int((of.home[here] == place).sum())
        if m >= MIN_USERS:
            mean = (right + z**2 / 2) / (m + z**2)
            low = mean - z * np.sqrt(right * (m - right) / m + z**2 / 4) / (m + z**2)  # Wilson 1927
            if low >= PRECISION and right >= LEAST_KNOWN * int((of.chosen & (of.home == place)).sum()):
                return n
    return None


def _measured(judged: _Judged, place: int, fewest: int, *, known: bool) -> dict[str, Any]:
    """The columns of NEWCOMERS that are about placing, by the other half of the users."""
    whole = ~judged.chosen
    ours, placed = judged.home[whole] == place, judged.placed[whole] == place
    m, right, n = int(placed.sum()), int((ours & placed).sum()), int(whole.sum())
    reasons = (
        (not known, UNKNOWN),
        (m < fewest, f"fewer than {fewest} active members"),
        (n - m < fewest, f"fewer than {fewest} active users to compare with"),
    )
    why_not = next((reason for fails, reason in reasons if fails), None)
    base = float(ours.mean()) if n else 0.0
    numbers: dict[str, Any] = {"baseline": base, "scale": float(np.sqrt(np.clip(base * (1 - base), 1e-6, 1.0)))}
    if why_not is None:
        share = right / m
        # Two wrong and two right more, so that the error does not vanish where all are right (Agresti and Coull 1998).
        near = (right + 2) / (m + 4)
        quiet = placed & judged.quiet[whole]
        beside = float(ours[quiet].mean()) if quiet.any() else share
        numbers |= {
            "value": share, "difference": share - base,
            "std_error": float(np.sqrt(near * (1 - near) / (m + 4) + base * (1 - base) / n)),
            # Newcomers are quiet: by how far placings of the quieter half are right more or less often.
            "bias_bound": abs(beside - share), "unit_mean": share, "unit_sd": float(np.sqrt(near * (1 - near))),
            "known_share": right / max(int(ours.sum()), 1),
        }  # fmt: skip
    return numbers | {
        "metric": PLACED, "evaluability": "not_evaluable" if why_not else OBSERVATIONAL, "why_not": why_not,
        "members": m, "engaged": right, "others": n - m, "engaged_others": int((ours & ~placed).sum()),
        "effective_users": float(m), "popularity": 0.0,
    }  # fmt: skip


def _placebo(judged: _Judged, place: int, community: str, end: date) -> float | None:
    """The same share for random groups in the place of the members: how often those placed here would belong to them."""
    whole = ~judged.chosen
    placed, size = judged.placed[whole] == place, int((judged.home[whole] == place).sum())
    drawn = random_members(community, end, np.arange(len(placed)), size)
    shares = [placed[group].sum() / placed.sum() - size / len(placed) for group in drawn]
    return float(np.mean(shares)) if shares else None


def _bundles(
    days: Days,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    acts: Acts,
    home: npt.NDArray[np.int64],
    groups: int,
    allowed: pl.Series | None,
) -> list[dict[str, tuple[float, float]]]:
    """Of each community the interests that tell most, each with its part of what they tell and engagements a showing.

    What an interest tells is p log(p / q), with p its share of the members' engagement and q that of everybody else's: its
    part of the evidence that an engagement of a member brings on average (Kullback and Leibler 1951).
    """
    interests = ids_of(labels["interest_id"])  # the columns of `acts.labels`
    may = np.ones(len(interests), dtype=bool) if allowed is None else interests.is_in(allowed.implode()).to_numpy()
    by_interest = product(acts.engaged, acts.labels)
    inside = np.flatnonzero(home >= 0)
    members = sparse.csr_array((np.ones(len(inside)), (home[inside], inside)), shape=(groups, len(home)))
    ours = np.asarray((members @ by_interest).toarray())
    rest = column_sums(by_interest)[None, :] - ours
    p, q = ((of + 0.5) / (of + 0.5).sum(axis=1, keepdims=True) for of in (ours, rest))
    tells = np.where(may[None, :], p * np.log(p / q), 0.0)
    rate = _engaged_a_showing(days, engagement, labels, interests)
    found = []
    for row in tells:
        best = [j for j in np.argsort(-row, kind="stable")[:MOST_INTERESTS] if row[j] > 0]
        best = [j for j in best if row[j] >= LEAST_PART * row[best].sum()]
        whole = float(row[best].sum())
        found.append({interests[int(j)]: (float(row[j]) / whole, float(rate[j])) for j in best})
    return found


def _engaged_a_showing(days: Days, engagement: pl.DataFrame, labels: pl.DataFrame, interests: pl.Series) -> Array:
    """(J,) engagements a showing of each interest; 1 where the log does not say what was shown."""
    start, end = engagement["day"].min(), engagement["day"].max()
    shown = days.engagement.filter(pl.col("day").is_between(start, end), "exposure_logged")
    by_item = shown.group_by("item_id").agg(pl.col("exposures").sum(), engaged=(pl.col("strength") > 0).sum())
    joined = by_item.join(labels.select("item_id", "interest_id", "weight"), on="item_id", how="inner").sort("item_id")
    at, weight = codes(joined["interest_id"], interests), joined["weight"].to_numpy()
    x, y = (
        np.bincount(at, weights=weight * joined[c].to_numpy(), minlength=len(interests))
        for c in ("exposures", "engaged")
    )
    return np.where((x > 0) & (y > 0), np.minimum(y / np.where(x > 0, x, 1.0), 1.0), 1.0)


def _bundle(interests: dict[str, tuple[float, float]], signals: int) -> str:
    """How many items of each interest to show, so that about so many engagements come of it."""
    items = {i: min(int(np.ceil(round(signals * part / rate, 6))), MOST_ITEMS) for i, (part, rate) in interests.items()}
    return " ".join(f"{interest}={max(count, 1)}" for interest, count in items.items())
