"""Designs of the kinds that compare the same members: hours, rest, and newcomers; what docs/method.md says lost.

Run: `python -m benchmarks.strategy_within`. Weeks are simulated here, in memory; all showings are random. In them who comes
at a community's hours engages more at any time, who is shown much of an interest likes everything more, and everybody
tires as a day goes on: what the designs must not take for the effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from unittest import mock

import numpy as np
import polars as pl

from coterie.strategies import newcomers
from coterie.strategies.days import Days
from coterie.strategies.within import Showings, numbered, within
from coterie.tables import INTEREST_DAILY, USER_INTERESTS

SEEDS, USERS, SHOWN, DAYS, ITEMS = 200, 120, 20, 7, 150
TRUTHS = (0.0, 0.1)
END = date(2024, 5, 21)


def hours(seed: int, gain: float) -> Mapping[str, Showings]:
    """Showings in a community's hours, against those at other times."""
    rng = np.random.default_rng(seed)
    user, day = np.repeat(np.arange(USERS), SHOWN * DAYS), np.tile(np.repeat(np.arange(DAYS), SHOWN), USERS)
    habit = rng.uniform(0.1, 0.8, USERS)
    # On some days a member comes in the hours, on others not; those on which they do are better days.
    there = rng.random((USERS, DAYS)) < 0.7
    inside = (rng.random(len(user)) < habit[user]) & there[user, day]
    level = 0.2 + 0.4 * (habit - 0.45)[user] + 0.03 * there[user, day]
    item, quality = rng.integers(0, ITEMS, len(user)), rng.normal(0, 0.05, ITEMS)
    strength = (rng.random(len(user)) < np.clip(level + gain * inside + quality[item], 0, 1)).astype(float)
    shown = Showings(user, user, item, inside, np.ones(len(user)), strength)
    return {
        "within members": shown,
        "within members and days (used)": replace(shown, block=numbered(user, day)),
        "all showings": replace(shown, block=np.zeros_like(user)),
    }


def rest(seed: int, wear: float) -> Mapping[str, Showings]:
    """Late showings of an interest, against others."""
    rng = np.random.default_rng(seed)
    n = USERS * DAYS * SHOWN
    user, place = np.repeat(np.arange(USERS), SHOWN * DAYS), np.tile(np.arange(SHOWN), USERS * DAYS)
    day = np.repeat(np.arange(USERS * DAYS), SHOWN)
    much = rng.uniform(0.1, 0.6, USERS)[user]
    ours = rng.random(n) < much
    seen = np.cumsum(ours.reshape(-1, SHOWN), axis=1)
    late = (ours.reshape(-1, SHOWN) & (seen > 5)).ravel()
    # After the last showing that is not late, on days that have a late one.
    fresh = np.roll(seen, 1, axis=1) < 5
    fresh[:, 0] = True
    after = (~fresh & (seen[:, -1:] > 5)).ravel()
    first = np.maximum.accumulate(late.reshape(-1, SHOWN), axis=1).ravel()
    item, quality = rng.integers(0, ITEMS, n) + ITEMS * ours, rng.normal(0, 0.03, 2 * ITEMS)
    chance = 0.45 + 0.4 * (much - 0.35) - 0.01 * place + quality[item] - wear * late
    strength = (rng.random(n) < np.clip(chance, 0, 1)).astype(float)

    def compared(rows: np.ndarray, marked: np.ndarray, block: np.ndarray) -> Showings:
        at = np.flatnonzero(rows)
        return Showings(user[at], numbered(block[at]), item[at], marked[at], np.ones(len(at)), strength[at])

    return {
        "what else is shown later the same day (used)": compared(after & (late | ~ours), ~late, day),
        "what else is shown from the first late one on": compared(first & (late | ~ours), ~late, day),
        "what else is shown the same day": compared(late | ~ours, ~late, day),
        "what else members are shown": compared(late | ~ours, ~late, np.zeros(n, np.int64)),
        "earlier showings of it the same day": compared(ours, ~late, day),
    }


def placing(seed: int, own: float) -> Days:
    """Members of three communities of 120 give `own` of their engagement to their own interest, another 120 none."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(480), 40)
    home, n = user // 120, len(user)
    interest = np.where((home < 3) & (rng.random(n) < own), home, rng.integers(0, 6, n))
    rows = pl.DataFrame(
        {
            "day": [END - timedelta(days=int(d)) for d in rng.integers(0, DAYS, n)],
            "user_id": [f"u{u:03d}" for u in user],
            "item_id": [f"{j}-{i}" for j, i in zip(interest, rng.integers(0, 30, n), strict=True)],
            "strength": rng.uniform(0.3, 1, n) * (rng.random(n) < 0.5),
        }
    ).unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)
    labels = [(f"{j}-{i}", str(j), 1.0) for j in range(6) for i in range(30)]
    members = [(f"u{u:03d}", f"c{u // 120}", END - timedelta(days=DAYS), True) for u in range(360)]
    nothing = pl.lit(None, pl.Date).alias("day")
    return Days(
        engagement=rows.with_columns(exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(True)),
        labels=pl.DataFrame(labels, schema=["item_id", "interest_id", "weight"], orient="row"),
        memberships=pl.DataFrame(members, schema=["user_id", "community_id", "day", "is_primary"], orient="row"),
        user_interests=USER_INTERESTS.empty().select(nothing, pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(nothing, pl.all()),
    )


def compare(name: str, made: Callable[[int, float], Mapping[str, Showings]]) -> None:
    """Bias, error and coverage of the designs, over weeks with and without an effect."""
    off: dict[str, list[tuple[float, float]]] = {}
    for truth in TRUTHS:
        for seed in range(SEEDS):
            for design, shown in made(seed, truth).items():
                found = within(shown)
                off.setdefault(design, []).append((found.difference - truth, float(np.sqrt(found.variance))))
    print(f"\n| {name} | bias | root mean square error | coverage |\n| --- | ---: | ---: | ---: |")
    for design, pairs in off.items():
        error, std = np.array(pairs).T
        held = (np.abs(error) <= 1.645 * std).mean()
        print(f"| {design} | {error.mean():+.4f} | {np.sqrt((error**2).mean()):.4f} | {held:.2f} |", flush=True)


def placings() -> None:
    """From which probability on a user is placed."""
    print("\n| placed from a probability of | communities known | engagements | share right | members placed |")
    print("| --- | ---: | ---: | ---: | ---: |")
    weeks = [placing(seed, own) for own in (0.9, 0.7, 0.5, 0.35) for seed in range(8)]
    for sure in (0.4, 0.6, 0.8, 0.9):
        with mock.patch.object(newcomers, "SURE", sure):
            found = pl.concat(
                newcomers.newcomers(week, END - timedelta(days=DAYS - 1), END, pl.Series(["c0", "c1", "c2"]),
                                    members_on=END - timedelta(days=DAYS))
                for week in weeks
            )  # fmt: skip
        known = found.filter(pl.col("why_not").is_null())
        means = (float(known[c].mean() or 0.0) for c in ("signals", "value", "known_share"))  # type: ignore[arg-type]
        signals, right, reach = means
        print(f"| {sure} | {known.height} of {found.height} | {signals:.1f} | {right:.2f} | {reach:.2f} |", flush=True)


if __name__ == "__main__":
    compare("hours, against other times", hours)
    compare("late showings, against", rest)
    placings()
