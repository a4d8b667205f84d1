"""Coterie's library over the days of a world, in memory: what the assets do, without Dagster, dbt and files.

Belongs here: the order of the steps. Does not belong here: any statistics.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from benchmarks.worlds import WorldDay, taxonomy
from coterie.communities import communities, lineage, memberships
from coterie.communities.acts import WINDOW_DAYS, acts_of
from coterie.graphs import interest_graph, user_graph
from coterie.interests import user_interests
from coterie.labels.propagation import propagated, standing, together

HALF_LIFE_DAYS, MOST_USERS, DISCLOSURE = 14.0, 50_000, 20


@dataclass(frozen=True)
class Found:
    """What stands at the end of a day, each frame as its contract."""

    on: date
    user_interests: pl.DataFrame
    interest_graph: pl.DataFrame
    user_graph: pl.DataFrame
    memberships: pl.DataFrame
    communities: pl.DataFrame
    lineage: pl.DataFrame


def spread(labels: pl.DataFrame, before: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The labels that hold after the engagement of the days before; labels without error stay as they are."""
    if not before or "confidence" not in labels.columns:
        return labels
    return together(labels, standing(propagated(labels, pl.concat(before[-WINDOW_DAYS:])).labels))


def run(
    days: Sequence[WorldDay], labels: pl.DataFrame, *, exposures: bool, max_users: int = MOST_USERS
) -> Iterator[Found]:
    """Every day in turn, each from the day before, as a daily run would."""
    before: Found | None = None
    window: list[pl.DataFrame] = []
    names = taxonomy().frame()
    for day in days:
        labelled = spread(labels, window)
        known = labelled.filter(pl.col("item_id").is_in(day.engagement["item_id"].unique().implode()))
        known = known.select("item_id", "interest_id", "weight")
        interests = user_interests(
            day.engagement, known, before.user_interests if before else None,
            half_life_days=HALF_LIFE_DAYS, exposures_logged=exposures,
        )  # fmt: skip
        graph = user_graph(interests, max_users=max_users)
        window.append(day.engagement.with_columns(day=pl.lit(day.on)))
        engaged = pl.concat(window[-WINDOW_DAYS:])
        acts = acts_of(
            engaged, labelled.filter(pl.col("item_id").is_in(engaged["item_id"].unique().implode())), interests,
            half_life_days=HALF_LIFE_DAYS,
        )  # fmt: skip
        members, _ = memberships(
            day=day.on, acts=acts, user_graph=graph, yesterday=before.memberships if before else None,
            min_size=DISCLOSURE, max_users=max_users,
        )  # fmt: skip
        verdicts = communities(
            day=day.on, memberships=members, yesterday_memberships=before.memberships if before else None,
            user_interests=interests, yesterday_user_interests=before.user_interests if before else None,
            engagement=day.engagement, labels=known, yesterday_communities=before.communities if before else None,
            taxonomy=names, exposures_logged=exposures, disclosure_k=DISCLOSURE,
        )  # fmt: skip
        before = Found(
            day.on, interests, interest_graph(interests), graph, members, verdicts,
            lineage(before.memberships if before else None, members),
        )  # fmt: skip
        yield before
