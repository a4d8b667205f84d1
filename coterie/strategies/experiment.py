"""The A/B test that would prove a suggestion: what is randomised, how many users, how long.

Choices, and why:
    Effect to detect: half of the predicted one, since a nudge moves people less than belonging to a community does.
    Level: 0.05 over the number of proposed rows (Bonferroni). Control of the false discovery rate would suit the
        board, but there a test's level depends on the results of the others, so no sample size could be planned.
    Unit: the one that needs fewer users for the same effect. With users as units, half of a member's ties within the
        community lead to the other arm; with communities, half of the ties that lead out do. Ties to the other arm are
        taken to carry the whole effect over, so that the contrast shrinks by their share. Against that, communities
        cost the design effect 1 + (m - 1) icc (Donner and Klar 2000). Communities are chosen only if there are enough.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from statsmodels.stats.power import NormalIndPower

from coterie.strategies.asked import MOVED_SHARE, SEED_SLOTS
from coterie.strategies.bridges import bridges
from coterie.strategies.candidates import MIN_ENGAGED
from coterie.strategies.creators import CREATOR_GAIN, by_creator
from coterie.strategies.days import Days
from coterie.strategies.grounds import MOVING_METRICS, as_json, rounded
from coterie.strategies.outcome import ADOPTION, EXPOSURE, MIN_USERS, WINDOW_DAYS, fewest_users, measure
from coterie.strategies.propose import PROPOSED, TARGET, TARGET_OF_BRIDGE, citable
from coterie.strategies.resting import caps_of, resting
from coterie.strategies.sample import sampled
from coterie.strategies.supply_gaps import gaps_by_text
from coterie.strategies.timing import TARGET_OF_HOURS, hours_of, timing
from coterie.strategies.window import Window, adoption_sums, exposure_sums, share_sums
from coterie.strategies.wording import GUARDRAIL_LOSS
from coterie.tables import EXPERIMENT_PLANS

LEVEL, POWER = 0.05, 0.80
# Few showings move, and over all of them the gain would drown (triggered analysis; Deng and Hu 2015).
MOVED_SHOWINGS = "the showings that move in one arm; in the other those that would have moved"
LEAST_DAYS, MOST_DAYS = 7, 28  # a full week, as people differ by weekday; four weeks, as advice ages
LEAST_CLUSTERS = 4  # in each arm: with fewer, no test of clusters has power at a small level

UNIT_SCHEMA: dict[str, type[pl.DataType]] = {
    "community_id": pl.String,
    "interest_id": pl.String,
    "metric": pl.String,
    "unit_mean": pl.Float64,
    "unit_sd": pl.Float64,
    "icc": pl.Float64,
}


@dataclass(frozen=True)
class Traffic:
    """One community's members in the window, as what a test can count on.

    Attributes:
        active_days: members by the number of days they were active, index 0 to 7.
        guardrail_mean: mean engagement strength a member and day.
        guardrail_sd: its standard deviation over members.
    """

    active_days: npt.NDArray[np.float64]
    guardrail_mean: float
    guardrail_sd: float

    def reach(self, days: int) -> float:
        """Members expected at least once in so many days, if each keeps the rate of active days of the window."""
        rate = np.arange(len(self.active_days)) / WINDOW_DAYS
        return float((self.active_days * (1 - (1 - rate) ** days)).sum())


def plans_of_day(
    *,
    day: date,
    days: Days,
    strategies: pl.DataFrame,
    communities: pl.DataFrame,
    user_graph: pl.DataFrame,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The table `experiment_plans` of a day.

    Args:
        day: the day D.
        days: engagement and interest_daily of D-6..D, memberships of D, user_interests of D-7, labels of the items.
        strategies: STRATEGIES of D.
        communities: COMMUNITIES of D.
        user_graph: USER_GRAPH of D.
        disclosure_k: least size of a community that is spoken of, of what a number rests on, and of an arm.

    Returns:
        EXPERIMENT_PLANS, one row a proposed strategy, sorted by key.
    """
    if not strategies.filter(pl.col("status") == PROPOSED).height:
        return EXPERIMENT_PLANS.empty()
    start = day - timedelta(days=WINDOW_DAYS - 1)
    cited = citable(communities, disclosure_k)
    primary = days.memberships.filter(
        pl.col("day") == day, pl.col("is_primary"), pl.col("community_id").is_in(cited["community_id"].implode())
    ).select("user_id", "community_id")
    rows = days.engagement.filter(pl.col("day").is_between(start, day))
    here = sampled(primary["user_id"], days.share)
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    ids = cited["community_id"]
    gaps = gaps_by_text(days, start, day, ids, members_on=day, supply=supply, disclosure_k=disclosure_k)
    window = days.window(start, day, ids, members_on=day)
    outcomes = gaps.in_outcomes(measure(window, supply, disclosure_k))
    units = [unit_statistics(window, outcomes)]
    proposed = strategies.filter(pl.col("status") == PROPOSED)
    between = proposed.filter(pl.col("other_community_id").is_not_null())
    if between.height:
        pairs = between.select("community_id", "interest_id", "other_community_id").unique()
        found = unit_statistics(window, bridges(window, pairs, disclosure_k))
        found = found.join(pairs, on=["community_id", "interest_id"]).with_columns(interest_id=TARGET_OF_BRIDGE)
        units.append(found.select(list(UNIT_SCHEMA)))
    named = proposed["creator_id"].drop_nulls().unique().sort()
    if len(named):
        of_creators = by_creator(
            days, start, day, cited["community_id"], members_on=day, named=named, disclosure_k=disclosure_k
        )
        if of_creators.window is not None:
            by_name = of_creators.outcomes.with_columns(interest_id="creator_id")
            units.append(unit_statistics(of_creators.window, by_name))
    caps = caps_of(proposed)
    if caps.height:
        rested = resting(days, start, day, outcomes, members_on=day, caps=caps, disclosure_k=disclosure_k)
        units.append(unit_statistics(window, rested))
    hours = hours_of(proposed)
    if hours.height:
        by_hour = timing(
            days, start, day, hours["community_id"], members_on=day, hours=hours, disclosure_k=disclosure_k
        )
        units.append(unit_statistics(window, by_hour.with_columns(interest_id=pl.lit(TARGET_OF_HOURS))))
    return plan(
        strategies=strategies,
        units=pl.concat(units),
        leakage=tie_leakage(user_graph, primary),
        traffic=traffic(rows, primary.filter(pl.col("user_id").is_in(here.implode())), days.share),
        disclosure_k=disclosure_k,
    )


def plan(
    *,
    strategies: pl.DataFrame,
    units: pl.DataFrame,
    leakage: Mapping[str, float],
    traffic: Mapping[str, Traffic],
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """Plan a test for each proposed suggestion.

    Power is that of a two-sided z-test of two equal arms; a member's standard deviation is that of the linearised
    metric (the delta method for ratio metrics; Deng, Knoblich and Lu 2018). `days` is null where four weeks do not
    bring enough members; then `metrics` still says what all of them could detect.

    Args:
        strategies: STRATEGIES of the day; only proposed rows are planned for.
        units: UNIT_SCHEMA; a suggestion without its row is not planned for.
        leakage: share of the members' ties that lead out, by community.
        traffic: by community; all communities that a test over communities could use.
        disclosure_k: no arm is smaller.

    Returns:
        EXPERIMENT_PLANS, sorted by key.
    """
    proposed = strategies.filter(pl.col("status") == PROPOSED, pl.col("effect") > 0)
    alpha = LEVEL / max(proposed.height, 1)
    of_target = units.rename({"interest_id": "target"})
    joined = (
        proposed.with_columns(target=TARGET)
        .join(of_target, on=["community_id", "target", "metric"])
        .filter(pl.col("unit_sd") > 0, pl.col("community_id").is_in(sorted(traffic)))
    )
    rows = [
        _plan_row(row, alpha, leakage.get(row["community_id"], 0.0), traffic, fewest_users(disclosure_k))
        for row in joined.iter_rows(named=True)
    ]
    if not rows:
        return EXPERIMENT_PLANS.empty()
    return EXPERIMENT_PLANS.conform(pl.DataFrame(rows, schema=EXPERIMENT_PLANS.schema))


def users_needed(effect: float, sd: float, alpha: float, power: float = POWER) -> float:
    """Users in each of two equal arms for a two-sided z-test, 2 (z_{1-alpha/2} + z_power)^2 (sd / effect)^2.

    Effects above one standard deviation count as one: smaller arms would not be normal.
    """
    size = min(effect / sd, 1.0)
    return float(NormalIndPower().solve_power(effect_size=size, alpha=alpha, power=power, ratio=1.0))


def detectable(users: float, sd: float, alpha: float, power: float = POWER) -> float:
    """Smallest effect that so many users in each arm can detect: the inverse of `users_needed`."""
    return sd * float(NormalIndPower().solve_power(nobs1=users, alpha=alpha, power=power, ratio=1.0))


def choose_unit(
    *, users: float, leakage: float, icc: float, size: float, clusters: int
) -> tuple[str, float, float, float]:
    """Choose what is randomised.

    Args:
        users: users in each arm if nothing leaked and users were independent.
        leakage: share of the members' ties that lead out of the community.
        icc: intra-cluster correlation of the metric.
        size: mean members of a community.
        clusters: communities there are.

    Returns:
        unit, users in each arm, share of ties to the other arm, design effect.
    """
    across_users, across_clusters = (1 - leakage) / 2, leakage / 2
    design = 1 + max(size - 1, 0) * icc
    by_user = users / (1 - across_users) ** 2
    by_cluster = users * design / (1 - across_clusters) ** 2
    needed = max(LEAST_CLUSTERS, math.ceil(by_cluster / max(size, 1)))
    if by_cluster < by_user and 2 * needed <= clusters:
        return "community", by_cluster, across_clusters, design
    return "user", by_user, across_users, 1.0


def tie_leakage(user_graph: pl.DataFrame, primary: pl.DataFrame) -> dict[str, float]:
    """Share of the tie weight of each community's members that leads out of it; 0 without ties.

    Args:
        user_graph: source, target, weight.
        primary: user_id, community_id; everybody else is outside.

    Returns:
        Community to share. A tie within counts for both its ends.
    """
    ends = pl.concat(
        [
            user_graph.select(user_id="source", other="target", weight="weight"),
            user_graph.select(user_id="target", other="source", weight="weight"),
        ]
    )
    tied = (
        ends.join(primary, on="user_id", how="inner")
        .join(primary.select(other="user_id", home="community_id"), on="other", how="left")
        .with_columns(out=(pl.col("home") != pl.col("community_id")).fill_null(True))
        .sort("community_id", "user_id", "other", "weight")
    )
    ids = primary["community_id"].unique().sort().to_list()
    place = {c: i for i, c in enumerate(ids)}
    code = np.array([place[c] for c in tied["community_id"].to_list()], dtype=np.int64)
    weight = tied["weight"].to_numpy()
    total = np.bincount(code, weights=weight, minlength=len(ids))
    out = np.bincount(code, weights=weight * tied["out"].to_numpy(), minlength=len(ids))
    return {c: float(out[i] / total[i]) if total[i] > 0 else 0.0 for i, c in enumerate(ids)}


def traffic(engagement: pl.DataFrame, primary: pl.DataFrame, share: float = 1.0) -> dict[str, Traffic]:
    """How often each community's members are there, and how much they engage.

    Args:
        engagement: rows of the seven days: day, user_id, strength.
        primary: user_id, community_id.
        share: of the members that are in `primary`; they stand for all.

    Returns:
        Community to traffic.
    """
    days = engagement.group_by("user_id").agg(pl.col("day").n_unique().alias("days"))
    # Exact integers, so that the sum does not depend on its order.
    strength = engagement.group_by("user_id").agg((pl.col("strength") * 1e6).round().cast(pl.Int64).sum())
    members = (
        primary.join(days, on="user_id", how="left")
        .join(strength, on="user_id", how="left")
        .with_columns(pl.col("days").fill_null(0), pl.col("strength").fill_null(0))
        .sort("community_id", "user_id")
    )
    out: dict[str, Traffic] = {}
    for (community,), group in members.group_by(["community_id"], maintain_order=True):
        daily = group["strength"].to_numpy() / 1e6 / WINDOW_DAYS
        out[str(community)] = Traffic(
            active_days=np.bincount(np.minimum(group["days"].to_numpy(), WINDOW_DAYS), minlength=WINDOW_DAYS + 1)
            / share,
            guardrail_mean=float(daily.mean()),
            guardrail_sd=float(daily.std(ddof=1)) if len(daily) > 1 else 0.0,
        )
    return out


def unit_statistics(window: Window, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Mean, standard deviation and intra-cluster correlation of each metric per member.

    The correlation is the one-way analysis of variance estimator (Donner 1986) on the linearised values
    (y - R x) / mean x of all communities' members, R being their common ratio; negative estimates count as 0, as does
    the correlation of fewer than two communities.

    A gain is measured on the showings that a boost moves, which are fewer than those that its error here rests on: its
    standard deviation is scaled by the root of the ratio, as if showings were independent. Where members differ for good
    that is too much, and the test is longer than it need be.

    Args:
        window: the window whose members would be tested.
        outcomes: what `measure` returns for it.

    Returns:
        UNIT_SCHEMA.
    """
    parts = [pl.DataFrame(schema={"interest_id": pl.String, "family": pl.String, "icc": pl.Float64})]
    if window.communities and window.interests:
        sums = {"share": share_sums(window, window.members), ADOPTION: adoption_sums(window, window.members)}
        if window.exposure is not None:
            sums[EXPOSURE] = exposure_sums(window.exposure, window.members)
        for family, s in sums.items():
            whole = s.x.sum(axis=0)
            ratio = np.divide(s.y.sum(axis=0), whole, out=np.zeros(len(whole)), where=whole > 0)
            mean = np.divide(whole, s.count.sum(axis=0), out=np.ones(len(whole)), where=whole > 0)
            first = (s.y - ratio * s.x) / mean
            second = np.maximum(s.yy - 2 * ratio * s.xy + ratio**2 * s.xx, 0) / mean**2
            icc = intra_cluster_correlation(s.count, first, second)
            parts.append(pl.DataFrame({"interest_id": list(window.interests), "family": family, "icc": icc}))
    # The gap's members are measured by their share of engagement, so both have the same units.
    # A gain varies between communities as what a showing of the interest brings.
    families = {ADOPTION: ADOPTION, EXPOSURE: EXPOSURE} | dict.fromkeys(MOVING_METRICS, EXPOSURE)
    shared = pl.col("metric").replace_strict(families, default="share")
    share = pl.when(pl.col("metric") == CREATOR_GAIN).then(SEED_SLOTS / 100)
    moved = (pl.col("showings") * share.otherwise(pl.col("served_share") * MOVED_SHARE)).clip(lower_bound=1.0)
    few = pl.when(pl.col("metric").is_in(MOVING_METRICS)).then((pl.col("effective_rows") / moved).clip(lower_bound=1.0))
    fewer = few.otherwise(1.0)
    return (
        outcomes.filter(pl.col("unit_sd").is_not_null(), pl.col("engaged") >= MIN_ENGAGED)
        .with_columns(pl.col("unit_sd") * fewer.sqrt(), family=shared)
        .join(pl.concat(parts), on=["interest_id", "family"], how="left")
        .with_columns(pl.col("icc").fill_null(0.0))
        .sort("community_id", "interest_id", "metric")
        .select(pl.col(name).cast(dtype) for name, dtype in UNIT_SCHEMA.items())
    )


def intra_cluster_correlation(
    count: npt.NDArray[np.float64], first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """One-way ANOVA estimator of the intra-cluster correlation, per column, cut to [0, 1].

    Args:
        count: (C, J) units of each cluster.
        first: (C, J) sums of their values.
        second: (C, J) sums of their squared values.

    Returns:
        (J,) (MSB - MSW) / (MSB + (m0 - 1) MSW), m0 = (N - sum n^2 / N) / (C - 1); 0 where it is not defined.
    """
    total, clusters = count.sum(axis=0), (count > 0).sum(axis=0)
    between_df, within_df = clusters - 1, total - clusters
    fine = (between_df > 0) & (within_df > 0)
    safe = np.where(fine, total, 1.0)
    within_means = np.divide(first**2, count, out=np.zeros_like(first), where=count > 0).sum(axis=0)
    between = (within_means - first.sum(axis=0) ** 2 / safe) / np.where(fine, between_df, 1)
    within = (second.sum(axis=0) - within_means) / np.where(fine, within_df, 1)
    size = (total - (count**2).sum(axis=0) / safe) / np.where(fine, between_df, 1)
    bottom = between + (size - 1) * within
    icc = np.divide(between - within, bottom, out=np.zeros_like(bottom), where=fine & (bottom > 0))
    return np.asarray(np.clip(icc, 0.0, 1.0))


def _plan_row(
    row: Mapping[str, Any], alpha: float, leakage: float, traffic: Mapping[str, Traffic], fewest: int
) -> dict[str, Any]:
    here = traffic[row["community_id"]]
    everyone = [traffic[c] for c in sorted(traffic)]
    size = float(np.mean([t.active_days.sum() for t in everyone]))
    mde, sd = row["effect"] / 2, row["unit_sd"]
    unit, users, across, design = choose_unit(
        users=users_needed(mde, sd, alpha), leakage=leakage, icc=row["icc"], size=size, clusters=len(everyone)
    )
    per_arm = max(math.ceil(users), fewest)
    tested = [here] if unit == "user" else everyone
    reach = {d: sum(t.reach(d) for t in tested) for d in range(LEAST_DAYS, MOST_DAYS + 1)}
    days = next((d for d, r in reach.items() if r >= 2 * per_arm), None)
    most = reach[MOST_DAYS] / 2 / design
    primary = {"metric": row["metric"], "mean": rounded(row["unit_mean"]), "sd": rounded(sd)}
    if row["metric"] in MOVING_METRICS:
        primary["measured_on"] = MOVED_SHOWINGS
    metrics = {
        "primary": primary,
        "guardrails": [
            {
                "metric": "engagement_strength_per_member_and_day",
                "mean": rounded(here.guardrail_mean),
                "sd": rounded(here.guardrail_sd),
                "may_fall_by": GUARDRAIL_LOSS,
            }
        ],
        "power": POWER,
        "share_of_ties_to_the_other_arm": rounded(across),
        "design_effect": rounded(design),
        "detectable_by_all_members": rounded(detectable(most, sd, alpha) / (1 - across)) if most >= 2 else None,
        "sample_ratio_check": "chi-square test of equal arms, stop at p < 0.001",
    }
    return {
        "strategy_id": row["strategy_id"],
        "unit": unit,
        "leakage": leakage,
        "icc": row["icc"],
        "mde": mde,
        "users_per_arm": per_arm,
        "days": days,
        "alpha_adjusted": alpha,
        "metrics": as_json(metrics),
    }
