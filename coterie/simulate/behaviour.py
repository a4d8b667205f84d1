"""What users do on a day: with what they are shown, or, where showings are not logged, of their own accord.

Belongs here: the chances of each act and when it happens. Does not belong here: what is shown.

A user's chance to act on a showing depends on the item's appeal to their community and on the place in the feed, on
nothing else: where communities have equal appeals, engagement given exposure knows nothing of communities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.simulate.feed import Showings, draw_by_row, draw_users, position_shares
from coterie.simulate.items import Cohort
from coterie.simulate.life import State
from coterie.simulate.platform import Array, Bools, Ints, Platform

PLAY_AT_LEAST, PLAY_BY_APPEAL = 0.1, 0.7  # chance of a play at the top of the feed: the sum, at an appeal of 1
ATTENTION = 0.98  # factor of that chance for each place further down
LIKE = 0.25  # of plays, times the appeal
UNLIKE = 0.06  # of likes
NOT_INTERESTED = 0.04  # of showings without a play, times 1 - appeal
COMMENT = 0.2  # of acts, where showings are not logged
BOT_PLAY, BOT_LIKE = 0.98, 0.9  # what accounts that are programs do, whatever they are shown
WATCH_SPREAD = 4.0  # sum of the parameters of the Beta distribution of the share watched
SKIP_MS = 2_000  # how long a showing takes beside the play
LATEST_UNDO_MS = 300_000
DAY_MS = 86_400_000

SHOWN_SCHEMA = {
    "uid": pl.Int64, "vid": pl.Int64, "action": pl.String, "ts": pl.Int64, "play_ms": pl.Int64, "slot": pl.Int64,
    "p_show": pl.Float64, "explore": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True)
class Reactions:
    """What became of n showings: whether each was played, for how long, liked, un-liked, turned down."""

    played: Bools
    watch_ms: Ints
    liked: Bools
    undone: Bools
    refused: Bools

    def replaced(self, where: Bools, by: "Reactions") -> "Reactions":
        """The same, but for some showings what `by` says."""
        return Reactions(
            np.where(where, by.played, self.played),
            np.where(where, by.watch_ms, self.watch_ms),
            np.where(where, by.liked, self.liked),
            np.where(where, by.undone, self.undone),
            np.where(where, by.refused, self.refused),
        )


def rows_per_showing(platform: Platform, state: State, items: Cohort, propensity: Array) -> float:
    """Expected number of log rows that a showing makes, itself counted; `propensity` is (G, N)."""
    groups, interests = state.appeal.shape
    attention = float((position_shares() * ATTENTION ** np.arange(len(position_shares()))).sum())
    play = play_chance(state.appeal, attention)
    rows = 1 + play * (1 + LIKE * state.appeal * (1 + UNLIKE)) + (1 - play) * NOT_INTERESTED * (1 - state.appeal)
    shown = np.stack([np.bincount(items.interest, p, minlength=interests) for p in propensity])
    people = np.where(platform.is_bot, 0.0, platform.activity)
    pairs = np.bincount(state.feed_group * groups + state.group, people, minlength=groups * groups)
    of_bots = 1 + BOT_PLAY * (1 + BOT_LIKE * (1 + UNLIKE))
    return float((pairs.reshape(groups, groups) * (shown @ rows.T)).sum() + (1 - people.sum()) * of_bots)


def play_chance(appeal: Array, attention: npt.ArrayLike) -> Array:
    """Chance that a showing is played."""
    return np.asarray((PLAY_AT_LEAST + PLAY_BY_APPEAL * appeal) * np.asarray(attention))


def react(
    rng: np.random.Generator, appeal: Array, position: Ints, duration: Ints, is_bot: Bools | None = None
) -> Reactions:
    """Draw what becomes of n showings.

    Args:
        rng: source of every draw.
        appeal: (n,) of the item to the user.
        position: (n,) place in the session.
        duration: (n,) of the item, in milliseconds.
        is_bot: (n,) whether the user is a program.
    """
    n = len(appeal)
    bot = np.zeros(n, dtype=bool) if is_bot is None else is_bot
    played = rng.random(n) < np.where(bot, BOT_PLAY, play_chance(appeal, ATTENTION**position))
    at = np.flatnonzero(played)
    share = np.clip((0.2 + 0.6 * appeal[at]) * (30_000 / duration[at]) ** 0.15, 0.05, 0.95)
    watched = rng.beta(WATCH_SPREAD * share, WATCH_SPREAD * (1 - share))
    watch_ms = np.zeros(n, dtype=np.int64)
    watch_ms[at] = np.maximum(np.rint(watched * duration[at]), 1)
    liked = played & (rng.random(n) < np.where(bot, BOT_LIKE, LIKE * appeal))
    undone = liked & (rng.random(n) < UNLIKE)
    refused = ~played & (rng.random(n) < NOT_INTERESTED * (1 - appeal))
    return Reactions(played, watch_ms, liked, undone, refused)


def respond(rng: np.random.Generator, platform: Platform, state: State, items: Cohort, shown: Showings) -> Reactions:
    """What users do with a day's showings."""
    appeal = state.appeal[state.group[shown.user], items.interest[shown.item]]
    return react(rng, appeal, shown.position, items.duration_ms[shown.item], platform.is_bot[shown.user])


def log_rows(rng: np.random.Generator, platform: Platform, shown: Showings, done: Reactions) -> pl.DataFrame:
    """The log rows of a day's showings, unsorted.

    Returns:
        uid and vid as numbers, action, ts (milliseconds into the day), play_ms (plays only), slot, p_show and explore
        (showings only).
    """
    n = len(shown.user)
    shown_at = _session_times(rng, shown, done.watch_ms, platform.is_bot[shown.user])
    acted_at = shown_at + SKIP_MS // 2 + done.watch_ms
    undone_at = acted_at + rng.integers(5_000, LATEST_UNDO_MS, n)

    def rows(action: str, which: Ints, at: Ints, **more: Array | Ints | Bools) -> pl.DataFrame:
        columns = {"uid": shown.user[which], "vid": shown.item[which], "ts": at[which]}
        frame = pl.DataFrame({**columns, **{name: values[which] for name, values in more.items()}})
        missing = [pl.lit(None, dtype).alias(name) for name, dtype in SHOWN_SCHEMA.items() if name not in frame.columns]
        return frame.with_columns(missing).with_columns(action=pl.lit(action)).select(list(SHOWN_SCHEMA))

    return pl.concat(
        [
            rows(
                "impression", np.arange(n), shown_at,
                slot=shown.position, p_show=shown.propensity, explore=shown.is_random,
            ),
            rows("play", np.flatnonzero(done.played), shown_at + SKIP_MS // 4, play_ms=done.watch_ms),
            rows("like", np.flatnonzero(done.liked), acted_at),
            rows("unlike", np.flatnonzero(done.undone), undone_at),
            rows("not_interested", np.flatnonzero(done.refused), acted_at),
        ]
    )  # fmt: skip


def act(rng: np.random.Generator, platform: Platform, state: State, items: Cohort, n: int) -> pl.DataFrame:
    """n likes and comments of users who choose for themselves: an interest by affinity, its item by popularity.

    Returns:
        uid and vid as numbers, action, ts (milliseconds into the day).
    """
    interests = len(platform.interests)
    supply = np.bincount(items.interest, items.popularity, minlength=interests)
    wanted = state.affinity / np.where(supply > 0, supply, 1.0)
    weight = wanted[:, items.interest] * items.popularity
    user = draw_users(rng, platform, n)
    item = draw_by_row(rng, weight, state.group[user])
    action = np.where(rng.random(n) < COMMENT, "comment", "like")
    hours = np.where(platform.is_bot[user], rng.random(n), _hours(rng, n))
    return pl.DataFrame({"uid": user, "vid": item, "action": action, "ts": hours * (DAY_MS - 1)}).cast({"ts": pl.Int64})


def _session_times(rng: np.random.Generator, shown: Showings, watch_ms: Ints, is_bot: Bools) -> Ints:
    """(n,) when each showing begins, in milliseconds: one after the other within a session, all within the day."""
    spent = watch_ms + SKIP_MS
    before = np.cumsum(spent) - spent
    first = np.flatnonzero(shown.position == 0)
    took = np.add.reduceat(spent, first)
    hours = np.where(is_bot[first], rng.random(len(first)), _hours(rng, len(first)))
    start = (hours * (DAY_MS - took - LATEST_UNDO_MS - SKIP_MS)).astype(np.int64)
    return np.asarray((start - before[first])[shown.session] + before)


def _hours(rng: np.random.Generator, n: int) -> Array:
    """(n,) when in the day, in [0, 1): few at night, most in the evening."""
    return rng.beta(2.5, 1.6, n)
