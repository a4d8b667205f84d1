"""What was found on a simulated platform, beside what is true.

Belongs here: matching found communities, suggestions and lives with the truth that `write.simulate` leaves. Does not
belong here: how they were found.
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

NOBODY = -1  # stands for users without a community, where a number is needed
LATEST = 2  # days after which a recorded event no longer counts as this one
KINDS = ("split", "merged", "born", "died")


@dataclass(frozen=True)
class Truth:
    """The truth folder of a simulated source: the frames of `write.simulate` that comparisons need."""

    users: pl.DataFrame
    engagement: pl.DataFrame
    boosts: pl.DataFrame
    lineage: pl.DataFrame

    def on(self, day: date) -> pl.DataFrame:
        """user_id, community (-1 for none) and activity of every user on a day."""
        return self.users.filter(pl.col("from_day") <= day, pl.col("to_day") >= day).select(
            user_id="uid", community=pl.col("community").fill_null(NOBODY), activity="activity"
        )


def load_truth(source: Path) -> Truth | None:
    """The truth beside a source description; None where there is none, as with a real log."""
    folder = source.parent / "truth"
    names = ("users", "engagement", "boosts", "lineage")
    if not all((folder / f"{name}.parquet").exists() for name in names):
        return None
    return Truth(*(pl.read_parquet(folder / f"{name}.parquet") for name in names))


def communities_beside_truth(truth: Truth, memberships: pl.DataFrame, day: date) -> pl.DataFrame:
    """For each found community the true one that most of its members are of.

    Args:
        truth: the truth.
        memberships: MEMBERSHIPS of the day.
        day: the day.

    Returns:
        community_id, true_community (-1: users without one), of_members (share of the members that are of it),
        of_true (share of its users, active or not, that are members), sorted by community_id.
    """
    true = truth.on(day)
    sizes = true.group_by("community").len("size")
    both = memberships.filter("is_primary").select("community_id", "user_id").join(true, on="user_id")
    counts = both.group_by("community_id", "community").len("shared").join(sizes, on="community")
    return (
        counts.with_columns(members=pl.col("shared").sum().over("community_id"))
        .sort("community_id", "shared", "community", descending=[False, True, False])
        .group_by("community_id", maintain_order=True)
        .first()
        .select(
            "community_id",
            true_community="community",
            of_members=pl.col("shared") / pl.col("members"),
            of_true=pl.col("shared") / pl.col("size"),
        )
    )


def strategies_beside_truth(
    truth: Truth, strategies: pl.DataFrame, memberships: pl.DataFrame, day: date
) -> pl.DataFrame:
    """For each suggestion what is true of its members and interest.

    Each is a mean over users by their activity, of what is true of their community on the day: `true_difference` is
    the strength of a showing to members less that to everybody else, `true_boost` what giving a twentieth of the
    members' showings to the interest would add to their mean strength per showing.

    Args:
        truth: the truth.
        strategies: STRATEGIES of the day.
        memberships: MEMBERSHIPS of the day on which the suggestions' members were fixed.
        day: the day.

    Returns:
        strategy_id, true_difference, true_boost (null where the platform has no item of the interest).
    """
    true = truth.on(day)
    main = memberships.filter("is_primary").select("user_id", "community_id")
    # Activity by found and true community; users of no found community are others to everybody.
    mass = (
        true.join(main, on="user_id", how="left")
        .group_by("community_id", "community")
        .agg(pl.col("activity").sum())
        .with_columns(pl.col("community_id").fill_null(""))
    )
    strength = truth.engagement.filter(pl.col("day") == day).select(
        "interest_id", "strength", community=pl.col("community").fill_null(NOBODY)
    )
    boosts = truth.boosts.select("interest_id", "effect", community=pl.col("community").fill_null(NOBODY))
    weighted = mass.join(strength, on="community").join(boosts, on=["community", "interest_id"], how="left")
    sums = weighted.group_by("community_id", "interest_id").agg(
        activity=pl.col("activity").sum(),
        strength=(pl.col("activity") * pl.col("strength")).sum(),
        boost=(pl.col("activity") * pl.col("effect")).sum(),
    )
    whole = sums.group_by("interest_id").agg(pl.col("activity").sum().alias("a"), pl.col("strength").sum().alias("s"))
    values = sums.join(whole, on="interest_id").select(
        "community_id",
        "interest_id",
        true_difference=pl.col("strength") / pl.col("activity")
        - (pl.col("s") - pl.col("strength")) / (pl.col("a") - pl.col("activity")),
        true_boost=pl.col("boost") / pl.col("activity"),
    )
    return (
        strategies.select("strategy_id", "community_id", "interest_id")
        .join(values, on=["community_id", "interest_id"], how="left")
        .select("strategy_id", "true_difference", "true_boost")
        .sort("strategy_id")
    )


def true_gains(truth: Truth, memberships: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """What a showing that is moved to an interest gains in truth: its strength less that of a showing as it is.

    Args:
        truth: the truth.
        memberships: MEMBERSHIPS of the day on which the members were fixed.
        first: first day of the window.
        last: its last day, inclusive.

    Returns:
        community_id, interest_id, true_gain: the mean over the days, of members by their activity; sorted.
    """
    main = memberships.filter("is_primary").select("user_id", "community_id")
    days = truth.engagement["day"].unique().sort()
    found = [pl.DataFrame(schema={"community_id": pl.String, "interest_id": pl.String, "true_gain": pl.Float64})]
    for day in days.filter(days.is_between(first, last)):
        mass = (
            truth.on(day).join(main, on="user_id").group_by("community_id", "community").agg(pl.col("activity").sum())
        )
        of_day = truth.engagement.filter(pl.col("day") == day).with_columns(pl.col("community").fill_null(NOBODY))
        now = of_day.group_by("community").agg(
            now=(pl.col("served") * pl.col("strength")).sum() / pl.col("served").sum()
        )
        found.append(
            mass.join(of_day.join(now, on="community"), on="community")
            .group_by("community_id", "interest_id")
            .agg(true_gain=(pl.col("activity") * (pl.col("strength") - pl.col("now"))).sum() / pl.col("activity").sum())
        )
    whole = pl.concat(found).group_by("community_id", "interest_id").agg(pl.col("true_gain").sort().mean())
    return whole.sort("community_id", "interest_id")


def lives_beside_truth(
    truth: Truth, lineage: pl.DataFrame, matches: dict[date, pl.DataFrame], first_day: date
) -> pl.DataFrame:
    """For each true event after the first day whether one of its kind about the same community was recorded in time.

    Drifts are left out: a community that drifts stays itself, and nothing is to be recorded. What is recorded is about the
    true communities that it holds on the day or the day before, or held on the day before the event: members of one that
    has died are of none by the time that this is recorded.

    Args:
        truth: the truth.
        lineage: COMMUNITY_LINEAGE of all days, with `day`.
        matches: what `communities_beside_truth` gives, by day.
        first_day: the log's; what happens on it is the beginning.

    Returns:
        day, event, community, found_on (null: not within two days).
    """
    rows = []
    known_kinds = pl.col("event").is_in(KINDS)
    for day, event, community, origin in truth.lineage.filter(pl.col("day") > first_day, known_kinds).iter_rows():
        about = {community, *json.loads(origin)}
        found_on = None
        for after in range(LATEST + 1):
            on = day + timedelta(days=after)
            recorded = lineage.filter(pl.col("day") == on, pl.col("event") == event)
            ids = set(recorded["community_id"]) | {c for f in recorded["from_ids"] for c in json.loads(f or "[]")}
            known = pl.concat(
                [matches[d] for d in (day - timedelta(days=1), on - timedelta(days=1), on) if d in matches]
                or [_NO_MATCH]
            )
            true = set(known.filter(pl.col("community_id").is_in(sorted(ids)))["true_community"])
            if found_on is None and true & about:
                found_on = on
        rows.append((day, event, community, found_on))
    schema = {"day": pl.Date, "event": pl.String, "community": pl.Int64, "found_on": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


_NO_MATCH = pl.DataFrame(schema={"community_id": pl.String, "true_community": pl.Int64, "of_members": pl.Float64,
                                 "of_true": pl.Float64})  # fmt: skip
