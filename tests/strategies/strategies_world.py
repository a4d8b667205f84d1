"""A small platform with known truth: communities with profiles of interest, users who vary around them."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from coterie.strategies.days import Days
from coterie.strategies.experiment import plans_of_day
from coterie.strategies.propose import PROPOSED
from coterie.tables import COMMUNITIES, INTEREST_DAILY, INTEREST_GRAPH, USER_GRAPH, USER_INTERESTS

DAY = date(2024, 3, 20)
INTERESTS = [f"d{j // 4}.i{j:02d}" for j in range(16)]
PER_INTEREST = 60


@dataclass
class World:
    """Users with a home community (-1 for none), preferences over interests, and rows a week."""

    home: np.ndarray
    profile: np.ndarray  # (C + 1, J), the last row for users without a community
    preference: np.ndarray
    rate: np.ndarray
    rng: np.random.Generator

    @property
    def users(self) -> list[str]:
        return [f"u{i:05d}" for i in range(len(self.home))]

    @property
    def communities(self) -> list[str]:
        return [f"c{c:02d}" for c in range(len(self.profile) - 1)]

    def true_share(self) -> np.ndarray:
        """(C, J) share of engagement of a community less that of everybody else; rates do not depend on home."""
        sizes = np.array([(self.home == c).sum() for c in [*range(len(self.communities)), -1]], dtype=float)
        total = sizes @ self.profile
        rest = (total[None, :] - sizes[:-1, None] * self.profile[:-1]) / (sizes.sum() - sizes[:-1])[:, None]
        return self.profile[:-1] - rest

    def engagement(self, last: date, weeks: int = 1, exposed: bool = False) -> pl.DataFrame:
        """Rows of the seven days (per week) that end on `last`."""
        days = 7 * weeks
        count = self.rng.poisson(self.rate * weeks)
        who = np.repeat(np.arange(len(self.home)), count)
        cumulated = np.cumsum(self.preference[who], axis=1)
        interest = (self.rng.random((len(who), 1)) > cumulated / cumulated[:, -1:]).sum(axis=1)
        item = interest * PER_INTEREST + self.rng.integers(0, PER_INTEREST, len(who))
        return pl.DataFrame(
            {
                "day": [last - timedelta(days=int(d)) for d in self.rng.integers(0, days, len(who))],
                "user_id": np.array(self.users, dtype=object)[who].tolist(),
                "item_id": [f"x{i:04d}" for i in item],
                "exposures": pl.Series(np.ones(len(who)), dtype=pl.Int64),
                "exposure_logged": [exposed] * len(who),
                "strength": self.rng.beta(2, 2, len(who)),
            },
            schema_overrides={"day": pl.Date},
        ).unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)

    def labels(self) -> pl.DataFrame:
        n = len(INTERESTS) * PER_INTEREST
        return pl.DataFrame(
            {
                "item_id": [f"x{i:04d}" for i in range(n)],
                "interest_id": [INTERESTS[i // PER_INTEREST] for i in range(n)],
                "weight": [1.0] * n,
            }
        )

    def memberships(self, *days: date) -> pl.DataFrame:
        rows = [(d, u, self.communities[h]) for d in days for u, h in zip(self.users, self.home, strict=True) if h >= 0]
        return pl.DataFrame(
            rows, schema={"day": pl.Date, "user_id": pl.String, "community_id": pl.String}, orient="row"
        ).with_columns(is_primary=pl.lit(True))

    def interest_daily(self, last: date, days: int = 7) -> pl.DataFrame:
        rows = [(last - timedelta(days=d), i, float(5 + j), 60) for d in range(days) for j, i in enumerate(INTERESTS)]
        schema = {"day": pl.Date, "interest_id": pl.String, "supply": pl.Float64, "items": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def community_rows(self, verdict: str = "real") -> pl.DataFrame:
        rows = [
            {
                "community_id": c, "parent_id": None, "level": 0, "users": int((self.home == i).sum()),
                "verdict": verdict, "p_value": 0.001, "q_value": 0.001, "stability": 1.0, "name": c, "summary": c,
                "evidence": "{}", "tested_users": 50.0, "excess": 1.0, "excess_square": 1.0, "excess_fourth": 1.0,
            }
            for i, c in enumerate(self.communities)
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=COMMUNITIES.schema)

    def days(self, last: date, weeks: int = 1, exposed: bool = False) -> Days:
        """Everything that the functions of a day want, with memberships and no earlier engagement 7 and 14 days ago."""
        dates = [last - timedelta(days=d) for d in (0, 7, 14)]
        return Days(
            engagement=self.engagement(last, weeks, exposed),
            labels=self.labels(),
            memberships=self.memberships(*dates),
            user_interests=self.prior(*dates),
            interest_daily=self.interest_daily(last, 7 * weeks),
        )

    def prior(self, *days: date) -> pl.DataFrame:
        """Every third user is known to have engaged with the first interest."""
        rows = [(d, u, INTERESTS[0], 1.0) for d in days for u in self.users[::3]]
        schema = {"day": pl.Date, "user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")


def world(
    seed: int, *, users: int = 600, communities: int = 4, tilt: float = 1.0, concentration: float = 20.0,
    spread: float = 0.7,
) -> World:  # fmt: skip
    """A world; `tilt` is how much stronger the log-weights of a community's two favourites are (0: nothing to find)."""
    rng = np.random.default_rng(seed)
    base = rng.dirichlet(np.full(len(INTERESTS), 3.0))
    logs = np.tile(np.log(base), (communities + 1, 1))
    for c in range(communities):
        logs[c, rng.choice(len(INTERESTS), 2, replace=False)] += tilt * rng.uniform(0.3, 1.5, 2)
    profile = np.exp(logs)
    profile /= profile.sum(axis=1, keepdims=True)
    home = rng.integers(-1, communities, users)
    preference = np.stack([rng.dirichlet(concentration * profile[h] + 1e-9) for h in home])
    return World(home, profile, preference, 8 * rng.lognormal(-(spread**2) / 2, spread, users), rng)


def taxonomy(*sensitive: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"interest_id": INTERESTS, "interest": INTERESTS, "sensitive": [i in sensitive for i in INTERESTS]}
    )


def full_graph(weight: float = 0.5) -> pl.DataFrame:
    rows = [
        {"source": a, "target": b, "users": 50, "expected": 20.0, "weight": weight, "lift": 2.0, "p_value": 0.0, "q_value": 0.0}
        for i, a in enumerate(INTERESTS) for b in INTERESTS[i + 1 :]
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=INTEREST_GRAPH.schema)


def days_of_showings(
    shown: pl.DataFrame, labels: pl.DataFrame, memberships: pl.DataFrame, creators: pl.DataFrame | None = None
) -> Days:
    """Days on which all showings are random: day, user_id, item_id, strength, of each pair the first of a day; and hour."""
    once = shown.unique(["day", "user_id", "item_id"], keep="first", maintain_order=True)
    nothing = pl.lit(None, pl.Date).alias("day")
    return Days(
        engagement=once.with_columns(exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(True)),
        labels=labels,
        memberships=memberships.with_columns(is_primary=pl.lit(True)),
        user_interests=USER_INTERESTS.empty().select(nothing, pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(nothing, pl.all()),
        exposed=once.with_columns(
            showings=pl.lit(1, pl.Int64), propensity=pl.lit(None, pl.Float64), is_random=pl.lit(True)
        ),
        creators=creators,
    )


def planned(day: date, days: Days, rows: pl.DataFrame, communities: pl.DataFrame) -> pl.DataFrame:
    """The proposed rows as they stand in the lake, each of which has a plan."""
    rows = rows.filter(pl.col("status") == PROPOSED)
    plan = plans_of_day(day=day, days=days, strategies=rows, communities=communities, user_graph=USER_GRAPH.empty())
    assert plan["strategy_id"].to_list() == rows["strategy_id"].to_list()
    return rows.with_columns(day=pl.lit(day))


def mixed(days: Days, *names: str) -> Days:
    """The same days with the rows of some frames in another order."""
    return replace(days, **{name: getattr(days, name).sample(fraction=1, shuffle=True, seed=2) for name in names})
