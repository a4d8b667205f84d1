"""Design choices of the community test and search, measured side by side: what docs/method.md says lost.

Run: `python -m benchmarks.designs`. Platforms are simulated here, in memory: users of planted groups whose engagement
follows the group's taste, or everyone's with probability `mixing`.
"""

from collections.abc import Callable
from datetime import date, timedelta

import igraph
import numpy as np
import polars as pl
from scipy import stats

from coterie.communities import evidence, lineage, membership
from coterie.communities.acts import acts_of
from coterie.communities.identity import keep_ids
from coterie.graphs import user_graph
from coterie.interests import user_interests

USERS, ITEMS, INTERESTS, GROUPS, EVENTS, DAYS = 3_000, 2_000, 60, 5, 6_000, 6
SEEDS = range(3)


def platform(seed: int, mixing: float) -> tuple[list[pl.DataFrame], pl.DataFrame, np.ndarray]:
    """Engagement by day, labels, and each user's group."""
    rng = np.random.default_rng(seed)
    of_item = rng.integers(0, INTERESTS, ITEMS)
    popular = rng.pareto(1.5, INTERESTS) + 0.3
    popular /= popular.sum()
    taste = popular * np.where(rng.random((GROUPS, INTERESTS)) < 0.1, 20, 1)
    taste /= taste.sum(axis=1, keepdims=True)
    group = rng.integers(0, GROUPS, USERS)
    activity = rng.lognormal(0, 1, USERS)
    days = []
    for _ in range(DAYS):
        user = rng.choice(USERS, EVENTS, p=activity / activity.sum())
        shares = np.where(rng.random((EVENTS, 1)) > mixing, taste[group[user]], popular)
        interest = (shares.cumsum(axis=1) > rng.random((EVENTS, 1))).argmax(axis=1)
        item = np.array([rng.choice(np.flatnonzero(of_item == j)) for j in interest])
        rows = pl.DataFrame({"user_id": [f"u{u:05d}" for u in user], "item_id": [f"i{i}" for i in item]}).unique()
        days.append(rows.with_columns(exposures=pl.lit(1), exposure_logged=pl.lit(False), strength=pl.lit(0.5)))
    labels = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(ITEMS)], "interest_id": [f"x.{j:02d}" for j in of_item], "weight": 1.0}
    )
    return days, labels, group


def search(seed: int, mixing: float, *, warm: bool) -> dict[str, object]:
    """Run the days; agreement with the planted groups, share of members who stay, and the last days' inputs."""
    days, labels, group = platform(seed, mixing)
    members = interests = None
    stayed: list[float] = []
    deaths = 0
    seen: list[pl.DataFrame] = []
    for n, engagement in enumerate(days):
        before, past, on = members, interests, date(2024, 5, 1) + timedelta(days=n)
        interests = user_interests(engagement, labels, past, half_life_days=14, exposures_logged=False)
        seen.append(engagement.with_columns(day=pl.lit(on)))
        acts = acts_of(pl.concat(seen), labels, interests, half_life_days=14)
        graph = user_graph(interests, max_users=50_000)
        members, _ = membership.memberships(
            day=on, acts=acts, user_graph=graph, yesterday=before if warm else None, min_size=20, max_users=50_000
        )
        if not warm and before is not None:
            ids = sorted(members.filter("is_primary")["community_id"].unique())
            main = members.filter("is_primary").sort("user_id")
            group_of = np.array([ids.index(c) for c in main["community_id"]])
            kept = dict(zip(ids, keep_ids(on, main["user_id"], group_of, before), strict=True))
            members = members.with_columns(pl.col("community_id").replace(kept))
        if before is not None and before.height:
            both = before.filter("is_primary").join(members.filter("is_primary"), on="user_id", how="left")
            stayed.append(float((both["community_id"] == both["community_id_right"]).fill_null(False).mean()))
            deaths = lineage(before, members).filter(pl.col("event") == "died").height
    main = members.filter("is_primary").sort("user_id")
    names = sorted(main["community_id"].unique())
    agreement = igraph.compare_communities(
        [names.index(c) for c in main["community_id"]],
        [int(group[int(u[1:])]) for u in main["user_id"]],
        method="adjusted_rand",
    )
    return {
        "agreement": agreement, "stayed": float(np.mean(stayed)), "deaths": deaths, "yesterday": before,
        "past": past, "today": days[-1], "labels": labels,
    }  # fmt: skip


def p_values(found: dict[str, object], score: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    """p-values of yesterday's communities on the last day, with another score of the ratio r - 1."""
    original = evidence.score_of
    evidence.score_of = score
    try:
        sums = evidence.evidence_of_day(
            yesterday_memberships=found["yesterday"], yesterday_user_interests=found["past"],
            engagement=found["today"], labels=found["labels"], exposures_logged=False,
        )  # fmt: skip
    finally:
        evidence.score_of = original
    return [float(stats.norm.sf(e.excess / np.sqrt(e.square))) for e in sums.values() if e.members >= 20]


def main() -> None:
    """Print both comparisons as Markdown."""
    scores = {
        "likelihood score at 0.2 (used)": evidence.score_of,
        "logarithm": np.log1p,
        "square root": lambda r: np.sqrt(1 + r) - 1,
        "cut at 10": lambda r: np.minimum(r, 9),
    }
    print("| score of an interest | median p, mixing 0.5 | median p, mixing 0.7 | p <= 0.05 where all are alike |")
    print("| --- | --- | --- | --- |")
    runs = {mixing: [search(seed, mixing, warm=True) for seed in SEEDS] for mixing in (0.5, 0.7, 1.0)}
    for name, score in scores.items():
        p = {mixing: np.concatenate([p_values(run, score) for run in found]) for mixing, found in runs.items()}
        print(
            f"| {name} | {np.median(p[0.5]):.1e} | {np.median(p[0.7]):.1e} "
            f"| {(p[1.0] <= 0.05).sum()} of {len(p[1.0])} |"
        )
    print("\n| search | agreement with the truth | members who stay a day | communities that die, last day |")
    print("| --- | --- | --- | --- |")
    for name, warm in (("yesterday among the starts (used)", True), ("starts afresh", False)):
        found = runs[0.5] if warm else [search(seed, 0.5, warm=False) for seed in SEEDS]
        mean = {key: np.mean([run[key] for run in found]) for key in ("agreement", "stayed", "deaths")}
        print(f"| {name} | {mean['agreement']:.2f} | {mean['stayed']:.2f} | {mean['deaths']:.1f} |")


if __name__ == "__main__":
    main()
