"""Who the users are and what there is to want: drawn once for a simulation.

Belongs here: what stays the same on all days. Does not belong here: what changes with them (life), and what happens
on a day.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.simulate.scenario import Scenario
from coterie.simulate.texts import PACKS, load_pack

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INTERESTS_PER_COMMUNITY = 8  # interests that the platform has items of, for each community
FEWEST_INTERESTS = 24
OWN_INTERESTS = 5  # interests that a community favours; another may favour some of them too
ACTIVITY_SPREAD = 1.0  # standard deviation of the logarithm of a user's activity
UNAFFILIATED = 0.1  # share of users who want only what everybody wants
KNOWN_TO_FEED = 0.8  # share of users whose group the feed has right
GIANT_SHARE = 0.02  # share of all activity that the giant account has
BOTS, BOT_SHARE = 3, 0.01  # and their share of all activity, together
TREND = 0.3  # amplitude of the logarithm of an interest's ups and downs
VIRAL_FROM, VIRAL_DAYS, VIRAL_FACTOR = 9, 4, 6.0  # from the tenth day on, so that longer logs begin alike
TRENDS = {"day": pl.Date, "interest_id": pl.String, "factor": pl.Float64, "viral": pl.Boolean}


@dataclass(frozen=True)
class Platform:
    """U users, J interests, K communities over the whole log.

    Attributes:
        interests: (J,) ids, sorted.
        common: (J,) what everybody wants, sums to 1.
        supply: (J,) share of new items, sums to 1.
        own: (K, J) what each community wants for itself, rows sum to 1.
        founding: (U,) each user's community on the first day; -1 for none.
        activity: (U,) each user's share of all sessions, sums to 1.
        known: (U,) whether the feed has the user's group right.
        mistaken: (U,) the community that the feed takes the user's for where it has it wrong.
        is_bot: (U,) accounts that act on nearly everything, at any hour; they belong to no community.
        trend_days: (J,) days that an interest's ups and downs take.
        trend_phase: (J,) where in them the first day is, in [0, 1).
        viral: the interest that goes viral.
    """

    scenario: Scenario
    interests: tuple[str, ...]
    common: Array
    supply: Array
    own: Array
    founding: Ints
    activity: Array
    known: Bools
    mistaken: Ints
    is_bot: Bools
    trend_days: Array
    trend_phase: Array
    viral: int

    def trend(self, day: int) -> Array:
        """(J,) factor of everybody's want of each interest on a day; 1 throughout where nobody prefers anything."""
        if self.scenario.null == "no_preferences":
            return np.ones(len(self.interests))
        factor = np.exp(TREND * np.sin(2 * np.pi * (day / self.trend_days + self.trend_phase)))
        if VIRAL_FROM <= day < VIRAL_FROM + VIRAL_DAYS:
            factor[self.viral] *= VIRAL_FACTOR
        return np.asarray(factor)


def draw_platform(rng: np.random.Generator, scenario: Scenario) -> Platform:
    """Draw a platform whose interests have texts in the scenario's languages."""
    communities, users = scenario.most_communities, scenario.users
    available = _interests_with_texts(scenario)
    wanted = max(FEWEST_INTERESTS, INTERESTS_PER_COMMUNITY * communities)
    interests = tuple(sorted(rng.choice(available, min(len(available), wanted), replace=False).tolist()))
    count = len(interests)
    common = rng.lognormal(0.0, 0.7, count)
    common /= common.sum()
    supply = common * rng.lognormal(0.0, 0.5, count)
    own = np.zeros((communities, count))
    for row in own:
        favoured = rng.choice(count, min(OWN_INTERESTS, count), replace=False)
        row[favoured] = rng.dirichlet(np.full(len(favoured), 2.0))
    activity = rng.lognormal(0.0, ACTIVITY_SPREAD, users)
    is_bot = np.zeros(users, dtype=bool)
    if scenario.dirt:
        bots = min(BOTS, round(UNAFFILIATED * users))
        is_bot[1 : 1 + bots] = True
        # Of the whole, as the giant's share is.
        activity[is_bot] = activity[~is_bot][1:].sum() * BOT_SHARE / (1 - BOT_SHARE - GIANT_SHARE) / bots
        activity[0] = activity[1:].sum() * GIANT_SHARE / (1 - GIANT_SHARE)
    return Platform(
        scenario=scenario,
        interests=interests,
        common=common,
        supply=supply / supply.sum(),
        own=own,
        founding=_founding(rng, scenario, is_bot),
        activity=activity / activity.sum(),
        known=rng.random(users) < KNOWN_TO_FEED,
        mistaken=rng.integers(0, scenario.communities, users),
        is_bot=is_bot,
        trend_days=rng.uniform(10, 40, count),
        trend_phase=rng.random(count),
        viral=int(rng.integers(count)),
    )


def _interests_with_texts(scenario: Scenario) -> list[str]:
    languages = list(PACKS) if scenario.languages == "both" else [scenario.languages]
    return sorted({interest for language in languages for interest in load_pack(language).rows_of()})


def trends(platform: Platform) -> pl.DataFrame:
    """The truth about trends: day, interest_id, factor of everybody's want of it, viral (whether it is just then)."""
    scenario = platform.scenario
    days = range(scenario.days)
    count = len(platform.interests)
    is_viral = np.zeros((len(days), count), dtype=bool)
    if scenario.null != "no_preferences":
        is_viral[VIRAL_FROM : VIRAL_FROM + VIRAL_DAYS, platform.viral] = True
    return pl.DataFrame(
        {
            "day": [scenario.first_day + timedelta(days=day) for day in days for _ in range(count)],
            "interest_id": list(platform.interests) * len(days),
            "factor": np.concatenate([platform.trend(day) for day in days]),
            "viral": is_viral.ravel(),
        },
        schema=TRENDS,
    )


def _founding(rng: np.random.Generator, scenario: Scenario, outside: Bools) -> Ints:
    """Communities of fixed sizes, at least one user each, falling off with their number as 1 / (number + 3).

    Users who are `outside` are among those without a community.
    """
    joined = scenario.users - round(UNAFFILIATED * scenario.users)
    share = 1 / (np.arange(scenario.communities) + 3)
    bounds = np.cumsum(share / share.sum())[:-1]
    at = (np.arange(joined - scenario.communities) + 0.5) / max(joined - scenario.communities, 1)
    members = np.concatenate([np.arange(scenario.communities), np.searchsorted(bounds, at)])
    others = np.full(scenario.users - joined - int(outside.sum()), -1)
    founding = np.full(scenario.users, -1, dtype=np.int64)
    founding[~outside] = rng.permutation(np.concatenate([members, others]))
    return founding
