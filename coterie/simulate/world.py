"""A simulated platform in memory: its days in turn.

Belongs here: the order of the days and the streams of chance. Does not belong here: files (write), and the rules of
chance, which have the modules beside.

Each day draws from streams of its own, made of the seed and the day's number. So a day costs what it costs however
many came before, and a longer simulation begins with the same days.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from coterie.errors import SettingError
from coterie.simulate.behaviour import Reactions, act, log_rows, respond, rows_per_showing
from coterie.simulate.feed import Showings, boosted, draw_showings, give_way, policy, with_random
from coterie.simulate.items import LIFETIME, Cohort, Texts, catalogue, draw_cohort
from coterie.simulate.life import Epoch, State, epochs, state
from coterie.simulate.platform import Platform, draw_platform
from coterie.simulate.scenario import Scenario

PLATFORM, LIFE, ITEMS, EVENTS, DIRT, ITEM_DIRT, EFFECTS, BOOSTS = range(8)  # streams of chance
WEEKDAYS = (0.97, 0.94, 0.95, 0.97, 1.02, 1.10, 1.05)  # activity from Monday on, 1 on average


@dataclass(frozen=True)
class Boosted:
    """A day's showings without and with the boosts that hold on it, one for one, and what became of both."""

    without: tuple[Showings, Reactions]
    with_boosts: tuple[Showings, Reactions]


@dataclass(frozen=True)
class Day:
    """One day of a simulated platform.

    Attributes:
        number: from 0; before the log begins there are days below 0 on which items are made.
        on: the date.
        state: communities, wants and feed.
        items: the catalogue that is shown on the day.
        events: the log's rows in the order of time, whole and clean; None before the log begins.
        new_items: rows of the item file for the items made on the day.
        item_truth: what they are about.
        boosted: what the boosts changed; None where none holds.
    """

    number: int
    on: date
    state: State
    items: Cohort | None
    events: pl.DataFrame | None
    new_items: pl.DataFrame
    item_truth: pl.DataFrame
    boosted: Boosted | None


class World:
    """A platform with its course of communities."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.platform: Platform = draw_platform(self.stream(PLATFORM), scenario)
        for boost in scenario.boosts:
            if boost.interest_id not in self.platform.interests:
                raise SettingError(
                    f"simulate: boost: found interest {boost.interest_id!r}; expected one that this platform has: "
                    + ", ".join(self.platform.interests)
                )
        self.course: list[Epoch]
        self.course, self.lineage = epochs(self.platform, self.stream(LIFE))
        self.texts = Texts(self.platform)
        self.user_ids = pl.Series("uid", [f"u{u:07d}" for u in range(scenario.users)], dtype=pl.String)

    def stream(self, *place: int) -> np.random.Generator:
        """A stream of chance of its own for each place."""
        return np.random.default_rng(np.random.SeedSequence(self.scenario.seed, spawn_key=place))

    def state(self, day: int) -> State:
        """Communities, wants and feed of a day."""
        return state(self.platform, self.course, day)

    def days(self) -> Iterator[Day]:
        """The days in turn, from those before the log on which its first items are made."""
        scenario = self.scenario
        in_reach: deque[Cohort] = deque(maxlen=LIFETIME)
        for number in range(-LIFETIME, scenario.days):
            on, now = scenario.first_day + timedelta(days=number), self.state(number)
            offered = catalogue(in_reach) if number >= 0 else None
            events, changed = self._events(number, now, offered) if offered is not None else (None, None)
            cohort, rows, truth = draw_cohort(
                self.stream(ITEMS, number + LIFETIME), platform=self.platform, supply=now.supply, texts=self.texts,
                day=number,
            )  # fmt: skip
            yield Day(number, on, now, offered, events, rows, truth, changed)
            in_reach.append(cohort)

    def _events(self, number: int, now: State, items: Cohort) -> tuple[pl.DataFrame, Boosted | None]:
        scenario, rng = self.scenario, self.stream(EVENTS, number)
        on = scenario.first_day + timedelta(days=number)
        rows = scenario.events_per_day * WEEKDAYS[on.weekday()]
        if not scenario.exposures:
            return self._logged(act(rng, self.platform, now, items, max(1, round(rows))), on, items), None
        chosen, changed = policy(now, items), None
        showings = max(1, round(rows / rows_per_showing(self.platform, now, items, with_random(chosen))))
        shown = draw_showings(rng, self.platform, now, chosen, showings)
        done = respond(rng, self.platform, now, items, shown)
        if boosts := boosted(self.platform, now, items, scenario.boosts, number):
            # From a stream of their own, so that every other showing and reaction is as without them: two
            # simulations that differ in a boost differ by the boost alone.
            other, without = self.stream(BOOSTS, number), (shown, done)
            shown, replaced = give_way(other, now, chosen, shown, boosts)
            done = done.replaced(replaced, respond(other, self.platform, now, items, shown))
            changed = Boosted(without, (shown, done))
        return self._logged(log_rows(rng, self.platform, shown, done), on, items), changed

    def _logged(self, events: pl.DataFrame, on: date, items: Cohort) -> pl.DataFrame:
        """The rows as the platform writes them: in the order of time, numbered, with ids for numbers."""
        start = pl.lit(datetime(on.year, on.month, on.day), dtype=pl.Datetime("ms"))
        ordered = events.sort("ts", maintain_order=True)
        first_id = int(f"{on:%Y%m%d}") * 10**9
        return ordered.select(
            pl.Series("id", np.arange(first_id, first_id + events.height)),
            self.user_ids.gather(ordered["uid"]).alias("uid"),
            items.ids.gather(ordered["vid"]).alias("vid"),
            "action",
            (start + pl.duration(milliseconds=pl.col("ts"), time_unit="ms")).dt.replace_time_zone("UTC").alias("ts"),
            pl.exclude("uid", "vid", "action", "ts"),
        )
