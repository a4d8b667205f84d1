"""What a community makes of single creators: the gain of showing members more of what one of them makes.

Belongs here: which creators are measured, the measure, and what each is about. Does not belong here: the gain itself
(gain, outcome), which creators are suggested (candidates).

A creator's items stand where an interest's items stand in the gain, so what was proved for it holds here. Creators are
chosen by how many users their items were shown to, whoever these are and whatever they made of it.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from coterie.strategies.days import Days
from coterie.strategies.outcome import GAIN, MIN_USERS, OUTCOME_SCHEMA, fewest_users, gains
from coterie.strategies.placebo import PLACEBO_SCHEMA, placebo
from coterie.strategies.window import Array, Window

CREATOR_GAIN = "gain_per_showing_of_creator"
MOST_CREATORS = 300
LEAST_AVOIDED = 0.1  # share of a creator's labelled showings from which on the creator counts as about such interests
LEAST_LABELLED = 0.5  # share of a creator's showings that bear a label, below which nobody knows what they are about
BY_CREATOR: dict[str, type[pl.DataType]] = OUTCOME_SCHEMA | {
    "creator_id": pl.String,
    "shown_to_others": pl.Float64,
    "avoided": pl.Boolean,
}


@dataclass(frozen=True)
class Creators:
    """The creators of a window who are measured.

    Attributes:
        of_items: item_id, interest_id (the creator, in the place of the interest), weight: the labels of a window by
            creator.
        about: creator_id, interest_id (what most of their labelled showings are about), avoided (whether a part of them
            is about interests that are never targeted); creators of whose showings too few bear a label are left out.
    """

    of_items: pl.DataFrame
    about: pl.DataFrame


@dataclass(frozen=True)
class ByCreator:
    """The gains of creators in a window.

    Attributes:
        outcomes: BY_CREATOR: OUTCOME_SCHEMA with the metric CREATOR_GAIN, the interest that the creator is about, and
            shown_to_others, the creator's share of the showings of all who are no members.
        window: the window whose interests are the creators; None where gains cannot be measured.
    """

    outcomes: pl.DataFrame
    window: Window | None

    def placebos(self, day: date) -> pl.DataFrame:
        """PLACEBO_SCHEMA, the creator in the place of the interest."""
        if self.window is None:
            return pl.DataFrame(schema=PLACEBO_SCHEMA)
        found = placebo(self.window, None, day)
        return found.filter(pl.col("metric") == GAIN).with_columns(metric=pl.lit(CREATOR_GAIN))


def by_creator(
    days: Days,
    start: date,
    end: date,
    communities: pl.Series,
    *,
    members_on: date,
    allowed: pl.Series | None = None,
    named: pl.Series | None = None,
    disclosure_k: int = MIN_USERS,
) -> ByCreator:
    """The gain of each community and creator in a window.

    Args:
        days: the frames; without creators, or without showings that can be compared, nothing can be measured.
        start: first day of the window.
        end: last day.
        communities: ids of the communities to measure.
        members_on: the day whose primary memberships count.
        allowed: interests that may be targeted; None for all.
        named: creators who are measured, whatever they reach and are about; None for those of `known_creators`.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        The gains, one row a community and creator; none, and no window, where they cannot be measured.
    """
    nothing = ByCreator(pl.DataFrame(schema=BY_CREATOR), None)
    if days.creators is None or days.exposed is None:
        return nothing
    fewest = fewest_users(disclosure_k)
    engagement = days.engagement.filter(pl.col("day").is_between(start, end))
    creators = known_creators(engagement, days.creators, days.labels, allowed, fewest, named)
    window = days.window(start, end, communities, members_on=members_on, labels=creators.of_items)
    found = gains(window, fewest) if window.communities and window.interests else []
    if not found:
        return nothing
    outcomes = (
        found[0]
        .rename({"interest_id": "creator_id"})
        .join(creators.about, on="creator_id", how="inner")
        .join(_shown_to_others(window), on=["community_id", "creator_id"], how="left")
        .with_columns(metric=pl.lit(CREATOR_GAIN))
    )
    return ByCreator(outcomes.select(pl.col(c).cast(t) for c, t in BY_CREATOR.items()), window)


def known_creators(
    engagement: pl.DataFrame,
    creators: pl.DataFrame,
    labels: pl.DataFrame,
    allowed: pl.Series | None,
    fewest: int,
    named: pl.Series | None = None,
) -> Creators:
    """The creators whose items most users were shown, with what they are about.

    Args:
        engagement: rows of the window: user_id, item_id, exposures.
        creators: item_id, creator_id.
        labels: item_id, interest_id, weight.
        allowed: interests that may be targeted; None for all.
        fewest: users whom a creator must have reached.
        named: creators to take instead, whatever they reach and are about.

    Returns:
        At most MOST_CREATORS of them, or those named that were shown at all; sorted by creator.
    """
    shown = engagement.filter(pl.col("exposures") > 0).select("user_id", "item_id", "exposures")
    by_creator = shown.join(creators.drop_nulls().unique("item_id"), on="item_id", how="inner")
    reach = by_creator.group_by("creator_id").agg(users=pl.col("user_id").n_unique()).filter(pl.col("users") >= fewest)
    kept = reach.sort("users", "creator_id", descending=[True, False]).head(MOST_CREATORS)["creator_id"]
    kept = kept if named is None else named
    by_item = by_creator.filter(pl.col("creator_id").is_in(kept.implode())).group_by("creator_id", "item_id")
    showings = by_item.agg(pl.col("exposures").sum()).sort("creator_id", "item_id")
    of_interest = (
        showings.join(labels.select("item_id", "interest_id", "weight"), on="item_id", how="inner")
        .sort("creator_id", "interest_id", "item_id")
        .group_by("creator_id", "interest_id", maintain_order=True)
        .agg(mass=(pl.col("exposures") * pl.col("weight")).sum())
        .with_columns(
            part=pl.col("mass") / pl.col("mass").sum().over("creator_id"),
            never=pl.lit(False) if allowed is None else ~pl.col("interest_id").is_in(allowed.implode()),
        )
    )
    about = (
        of_interest.sort("creator_id", "mass", "interest_id", descending=[False, True, False])
        .group_by("creator_id", maintain_order=True)
        .agg(
            pl.col("interest_id").first(),
            labelled=pl.col("mass").sum(),
            avoided=(pl.col("part") * pl.col("never")).sum() >= LEAST_AVOIDED,
        )
    )
    whole = (
        showings.group_by("creator_id").agg(shown=pl.col("exposures").sum()).join(about, on="creator_id", how="left")
    )
    if named is None:
        whole = whole.filter(pl.col("labelled") >= LEAST_LABELLED * pl.col("shown"))
    about = whole.sort("creator_id").select("creator_id", "interest_id", "avoided")
    items = showings.join(about, on="creator_id", how="semi")
    return Creators(
        of_items=items.select("item_id", interest_id="creator_id", weight=pl.lit(1.0)).sort("item_id"), about=about
    )


def _shown_to_others(window: Window) -> pl.DataFrame:
    """community_id, creator_id, shown_to_others, of a window that has a feed."""
    assert window.exposure is not None
    assert window.exposure.feed is not None
    feed = window.exposure.feed
    inside = np.asarray((window.members @ feed.served).toarray())
    whole = np.asarray(feed.served.sum(axis=0)).reshape(1, -1)
    shown_inside: Array = np.asarray(window.members @ feed.showings).reshape(-1, 1)
    rest = np.broadcast_to(feed.showings.sum() - shown_inside, inside.shape)
    share = np.divide(whole - inside, rest, out=np.full(inside.shape, np.nan), where=rest > 0)
    return pl.DataFrame(
        {
            "community_id": [c for c in window.communities for _ in window.interests],
            "creator_id": list(window.interests) * len(window.communities),
            "shown_to_others": share.ravel(),
        },
        schema_overrides={"community_id": pl.String, "creator_id": pl.String},
    ).with_columns(pl.col("shown_to_others").fill_nan(None))
