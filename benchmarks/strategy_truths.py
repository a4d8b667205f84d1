"""What is true of the suggestions about a simulated platform, and of the boosts that they call for.

Belongs here: true values, from the truth of a world. Does not belong here: anything that Coterie estimates, and scores.

What a row claims is taken at its word: its interest is the true interest, whatever the labels made of it, and what it
estimates is what the same members and the same others would have done on average, had the same showings been made again.
So the truth is exact, and the chance that is left to an interval is that of the users' reactions:

    strength_per_exposure: mean of the true strength of a showing of the interest to each user's true community on the
        day, over the showings that the estimate rests on, with their weights.
    gain_per_showing: mean of the true strength of a showing of the interest to each member's true community on the day,
        the members by all their showings, less the mean true strength of these.
    adoption: mean chance, among the users whom the estimate counts as active and new to it, of playing one of the items
        of the interest that they were shown in the window, given that they played any.
    demand_minus_supply: the interest's share of the true strength of all of the members' showings, less its share of the
        items that were made in the window.

The effect of a boost is another thing than what a row estimates: `coterie.simulate.effects.boost_truth`, averaged over
the members' true communities by activity. An interest that only wrong labels speak of has no items: its boost adds 0.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from benchmarks.worlds import Known, WorldDay
from coterie.matrices import Array, Matrix, matrix
from coterie.simulate.behaviour import ATTENTION, play_chance
from coterie.simulate.items import LIFETIME
from coterie.strategies.creators import CREATOR_GAIN, ByCreator
from coterie.strategies.days import Days
from coterie.strategies.gain import gain
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, LOSS
from coterie.strategies.showings import weighted_showings
from coterie.strategies.window import Window

PAIR = ["community_id", "interest_id"]
_SHOWING = ["day", "user_id", "item_id"]
TRUTH = {"community_id": pl.String, "interest_id": pl.String, "metric": pl.String, "truth": pl.Float64,
         "truth_as_labelled": pl.Float64}  # fmt: skip


def showings_of(days: Sequence[WorldDay], known: Known) -> pl.DataFrame:
    """Every showing with what was to be expected of it.

    Returns:
        day, user_id, item_id, is_random, interest_id (the true one), community (the true one, -1 for none), strength
        (true mean of such a showing), play (chance that it is played at its place).
    """
    parts = []
    for day in days:
        groups = known.communities_on(day.on).with_columns(pl.col("community").fill_null(-1))
        shown = day.events.filter(pl.col("kind") == "exposure").select("user_id", "item_id", "position", "is_random")
        parts.append(shown.join(groups, on="user_id").with_columns(day=pl.lit(day.on)))
    shown = pl.concat(parts).join(known.items.select("interest_id", item_id="vid"), on="item_id")
    truth = _engagement(known).select("day", "community", "interest_id", "appeal", "strength")
    joined = shown.join(truth, on=["day", "community", "interest_id"])
    play = play_chance(joined["appeal"].to_numpy(), ATTENTION ** joined["position"].to_numpy())
    return joined.drop("appeal", "position").with_columns(play=play)


def _engagement(known: Known) -> pl.DataFrame:
    return known.engagement.with_columns(pl.col("community").fill_null(-1))


def truths(window: Window, days: Days, known: Known, showings: pl.DataFrame) -> pl.DataFrame:
    """The true value of every estimate that the library could make of a window.

    Args:
        window: the window.
        days: the frames that it was cut from.
        known: the truth.
        showings: what `showings_of` gives for the days of the window.

    Returns:
        community_id, interest_id, metric, truth (null for interests that the platform has no items of), and
        truth_as_labelled: of what is measured per showing, the same of the items that bear the label, whatever they are
        about. Between the two lies what wrong labels do.
    """
    labels = days.labels
    shape = (len(window.communities), len(window.interests))
    if not shape[0] or not shape[1]:
        return pl.DataFrame(schema=TRUTH)
    made = known.texts.select("vid", day=pl.col("posted").dt.date())
    made = made.filter(pl.col("day").is_between(showings["day"].min(), showings["day"].max()))
    supply = known.items.join(made, on="vid", how="semi")["interest_id"].to_list()
    assert days.exposed is not None
    weighted = weighted_showings(days.exposed)[1]
    assert weighted is not None
    gained = _true_gain(window, known, showings, labels)
    values = {
        EXPOSURE: _true_exposure(window, known, showings, labels, weighted),
        GAIN: gained,
        LOSS: (_lost(window, gained[0]), _lost(window, gained[1])),
        ADOPTION: (_true_adoption(window, showings, labels), np.full(shape, np.nan)),
        GAP: (_true_gap(window, showings, supply), np.full(shape, np.nan)),
    }
    absent = ~np.isin(np.array(window.interests), known.items["interest_id"].unique().to_numpy())
    parts = []
    for metric, (truth, labelled) in values.items():
        columns = {
            "community_id": [c for c in window.communities for _ in window.interests],
            "interest_id": list(window.interests) * shape[0],
            "metric": [metric] * (shape[0] * shape[1]),
            "truth": np.where(absent[None, :], np.nan, truth).ravel(),
            "truth_as_labelled": labelled.ravel(),
        }
        parts.append(pl.DataFrame(columns, schema=TRUTH))
    return pl.concat(parts).with_columns(pl.col(pl.Float64).fill_nan(None))


def _lost(window: Window, gained: Array) -> Array:
    """What is taken from an interest goes to the rest of the feed: the gain, over the share that the rest has."""
    assert window.exposure is not None
    found = gain(window.exposure, window.members)
    assert found is not None
    return np.asarray(-gained / (1 - found.served))


def truths_of_creators(of: ByCreator, days: Days, known: Known, showings: pl.DataFrame) -> pl.DataFrame:
    """The true gain of each creator, as `truths`, the creator in the place of the interest: of the items as they are."""
    if of.window is None or days.creators is None:
        return pl.DataFrame(schema=TRUTH)
    items = days.creators.select("item_id", interest_id="creator_id", weight=pl.lit(1.0))
    gained = _true_gain(of.window, known, showings, items)[1]
    columns = {
        "community_id": [c for c in of.window.communities for _ in of.window.interests],
        "interest_id": list(of.window.interests) * len(of.window.communities),
        "metric": [CREATOR_GAIN] * gained.size,
        "truth": gained.ravel(),
        "truth_as_labelled": gained.ravel(),
    }
    return pl.DataFrame(columns, schema=TRUTH).with_columns(pl.col(pl.Float64).fill_nan(None))


def members_less_others(members: Matrix, y: Array, x: Array) -> Array:
    """(C, J) ratio of sums over members less that over everybody else; NaN where either is without showings.

    Args:
        members: (C, n) 0/1.
        y: (n, J) what the ratio counts.
        x: (n, J) what it divides by.
    """
    inside_y, inside_x = np.asarray(members @ y), np.asarray(members @ x)
    outside_y, outside_x = y.sum(axis=0) - inside_y, x.sum(axis=0) - inside_x
    return _ratio(inside_y, inside_x) - _ratio(outside_y, outside_x)


def _ratio(y: Array, x: Array) -> Array:
    return np.divide(y, x, out=np.full(x.shape, np.nan), where=x > 1e-9)


def _grid(window: Window, frame: pl.DataFrame, value: str) -> Array:
    """(n, J) sums of a column over users and interests."""
    users, interests = pl.Series(window.users, dtype=pl.String), pl.Series(window.interests, dtype=pl.String)
    return np.asarray(matrix(frame, "user_id", users, "interest_id", interests, value).toarray())


def _true_exposure(
    window: Window, known: Known, showings: pl.DataFrame, labels: pl.DataFrame, weighted: pl.DataFrame
) -> tuple[Array, Array]:
    """(C, J) twice: the label's interest taken at its word, and the items that bear the label as they are."""
    wanted = _engagement(known).select("day", "community", "interest_id", named="strength")
    once = showings.unique(_SHOWING, keep="none")
    rows = (
        weighted.select(*_SHOWING, w="weight")
        .join(once, on=_SHOWING)
        .rename({"interest_id": "about"})
        .join(labels, on="item_id")
        .join(wanted, on=["day", "community", "interest_id"], how="left")
        .with_columns(x=pl.col("weight") * pl.col("w"))
        .with_columns(pl.col("named").fill_null(0.0) * pl.col("x"), pl.col("strength") * pl.col("x"))
    )
    x = _grid(window, rows, "x")
    both = [members_less_others(window.members, _grid(window, rows, c), x) for c in ("named", "strength")]
    return both[0], both[1]


def _true_gain(window: Window, known: Known, showings: pl.DataFrame, labels: pl.DataFrame) -> tuple[Array, Array]:
    """(C, J) twice, as `_true_exposure`: less the mean over all of the members' showings."""
    theirs = showings.join(_members(window), on="user_id")
    mean = theirs.group_by("community_id").agg(mean=pl.col("strength").mean())
    # A showing that moves is any of theirs, and goes to an item by its share of everybody's showings of the day.
    moved = theirs.group_by("community_id", "day", "community").len()
    wanted = _engagement(known).select("day", "community", "interest_id", "strength")
    items = showings.group_by("day", "item_id", about="interest_id").agg(q=pl.len()).join(labels, on="item_id")
    taken = items.group_by("day", "about", "interest_id").agg(q=(pl.col("q") * pl.col("weight")).sum())
    named = moved.join(wanted, on=["day", "community"]).with_columns(w="len")
    labelled = moved.join(taken, on="day").join(
        wanted.rename({"interest_id": "about"}), on=["day", "community", "about"]
    )
    found = []
    for frame in (named, labelled.with_columns(w=pl.col("len") * pl.col("q"))):
        value = (pl.col("strength") * pl.col("w")).sum() / pl.col("w").sum()
        gained = frame.group_by(*PAIR).agg(value.alias("value")).join(mean, on="community_id")
        found.append(_cells(window, gained.select(*PAIR, gain=pl.col("value") - pl.col("mean")), "gain"))
    return found[0], found[1]


def _members(window: Window) -> pl.DataFrame:
    """user_id, community_id."""
    place = window.members.tocoo()
    users, communities = (pl.Series(ids, dtype=pl.String) for ids in (window.users, window.communities))
    return pl.DataFrame({"user_id": users[place.col.tolist()], "community_id": communities[place.row.tolist()]})


def _cells(window: Window, frame: pl.DataFrame, value: str) -> Array:
    """(C, J) of a column that has one value a pair; NaN for pairs that are not there."""
    pairs = [(c, i) for c in window.communities for i in window.interests]
    every = pl.DataFrame(pairs, schema=dict.fromkeys(PAIR, pl.String), orient="row")
    column = every.join(frame, on=PAIR, how="left", maintain_order="left")[value].fill_null(float("nan"))
    return column.to_numpy().reshape(len(window.communities), len(window.interests))


def _true_adoption(window: Window, showings: pl.DataFrame, labels: pl.DataFrame) -> Array:
    """(C, J) chance of a play of the interest given any play that a label tells of, among the eligible.

    With independent plays, P(some of the interest and some labelled) = 1 - P(none of the interest) - P(none labelled,
    some of the interest), where only items of the interest without a label matter to the last.
    """
    labelled = pl.col("item_id").is_in(labels["item_id"].unique().implode())
    rows = showings.with_columns(miss=(1 - pl.col("play")).log())
    none_of_it = np.exp(_grid(window, rows, "miss"))
    none_unlabelled = np.exp(_grid(window, rows.filter(~labelled), "miss"))
    idle = np.exp(_by_user(window, rows.filter(labelled), "miss"))[:, None]
    adopts = (1 - none_of_it) - idle * (1 - none_unlabelled)
    adopts = np.divide(adopts, 1 - idle, out=np.zeros_like(adopts), where=idle < 1 - 1e-12)
    eligible = (window.total > 0)[:, None] * (1 - np.asarray(window.prior.toarray()))
    return members_less_others(window.members, eligible * adopts, eligible)


def _true_gap(window: Window, showings: pl.DataFrame, supply: Sequence[str]) -> Array:
    """(C, J) share of the true strength of the members' showings, less the share of the items made.

    What members want of interests that no label speaks of is part of the whole.
    """
    strength = np.asarray(window.members @ _grid(window, showings, "strength"))
    whole = np.asarray(window.members @ _by_user(window, showings, "strength"))
    offered = np.array([supply.count(interest) for interest in window.interests]) / max(len(supply), 1)
    return np.asarray(_ratio(strength, np.broadcast_to(whole[:, None], strength.shape)) - offered[None, :])


def _by_user(window: Window, frame: pl.DataFrame, value: str) -> Array:
    """(n,) sums of a column over users."""
    users = pl.DataFrame({"user_id": window.users}, schema={"user_id": pl.String})
    summed = frame.group_by("user_id").agg(pl.col(value).sum())
    return users.join(summed, on="user_id", how="left", maintain_order="left")[value].fill_null(0.0).to_numpy()


def boosts_of_labels(known: Known, labels: pl.DataFrame) -> pl.DataFrame:
    """The true effect of giving showings to the items that bear a label, whatever they are truly about.

    Args:
        known: the truth; its boosts are those of the last day.
        labels: item_id, interest_id, weight of all items.

    Returns:
        community (-1 for none), interest_id (the label's), effect. As `boost_truth`, but the showings go to the items
        on offer by popularity times the label's weight.
    """
    boosts = known.boosts.with_columns(pl.col("community").fill_null(-1))
    on: date = boosts["day"].max()  # type: ignore[assignment]
    offered = known.texts.filter(
        pl.col("posted").dt.date().is_between(on - timedelta(days=LIFETIME), on - timedelta(days=1))
    )
    items = known.items.join(offered, on="vid", how="semi").select("popularity", item_id="vid", about="interest_id")
    taken = pl.col("popularity") * pl.col("weight")
    return (
        items.join(labels, on="item_id")
        .group_by("interest_id", "about")
        .agg(taken.sum().alias("taken"))
        .join(boosts.select("community", "effect", about="interest_id"), on="about")
        .group_by("community", "interest_id")
        .agg(effect=(pl.col("effect") * pl.col("taken")).sum() / pl.col("taken").sum())
        .sort("community", "interest_id")
    )


def boost_effects(members: pl.DataFrame, known: Known, boosts: pl.DataFrame) -> pl.DataFrame:
    """The true effect of each boost on the members of found communities: the mean over them, by activity.

    Args:
        members: community_id, user_id.
        known: the truth, of which the users of the last day are read.
        boosts: community (null or -1 for none), interest_id, effect.

    Returns:
        community_id, interest_id, boost (per showing), weight (the members' share of all activity).
    """
    users = _users(known).select("community", "activity", user_id="uid")
    weights = members.join(users, on="user_id").group_by("community_id", "community").agg(pl.col("activity").sum())
    of_group = boosts.select(pl.col("community").fill_null(-1), "interest_id", "effect")
    mean = (pl.col("effect") * pl.col("activity")).sum() / pl.col("activity").sum()
    joined = weights.join(of_group, on="community").group_by(*PAIR)
    return joined.agg(boost=mean, weight=pl.col("activity").sum()).sort(*PAIR)


def possible_gain(known: Known, sensitive: Sequence[str]) -> float:
    """What the best boost of each true community adds, per showing on the platform: the most that choosing can bring."""
    best = (
        known.boosts.filter(~pl.col("interest_id").is_in(sensitive)).group_by("community").agg(pl.col("effect").max())
    )
    joined = _users(known).join(best.with_columns(pl.col("community").fill_null(-1)), on="community")
    return float((joined["activity"] * joined["effect"]).sum())


def _users(known: Known) -> pl.DataFrame:
    """Users on the last day, with -1 for those without a community."""
    on = known.boosts["day"].max()
    return known.users.filter(pl.col("from_day") <= on, pl.col("to_day") >= on).with_columns(
        pl.col("community").fill_null(-1)
    )
