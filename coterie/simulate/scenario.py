"""What a simulated platform is like: every choice that is not chance.

Belongs here: the settings of a simulation and their bounds. Does not belong here: what is drawn from them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from coterie.errors import SettingError

Kind = Literal["drift", "split", "merger", "birth", "death"]
Null = Literal["no_preferences", "feed_only"]
Languages = Literal["en", "zh", "both"]

# How many of the first communities an event of a kind takes up.
TAKES: dict[str, int] = {"drift": 1, "split": 1, "merger": 2, "birth": 0, "death": 1}
MOST_DAYS, MOST_ROWS, MOST_USERS = 3_660, 100_000_000, 100_000_000  # beyond these a mistyped number is likelier
DEFAULT_LIFE: tuple[tuple[Kind, float], ...] = (
    ("drift", 0.25), ("split", 0.4), ("birth", 0.5), ("merger", 0.6), ("death", 0.75),
)  # fmt: skip


@dataclass(frozen=True)
class LifeEvent:
    """Something that happens to a community at the start of a day; `day` counts from 0, the first of the log.

    drift: its interests turn into others over a week. split: half of its members and of its interests become a new
    community. merger: the members of a second community join it, and it wants what both did. birth: users without a
    community form one. death: its members want what everybody wants.
    """

    kind: Kind
    day: int


@dataclass(frozen=True)
class Boost:
    """From a day on, a share of what a community's members are shown is given to one interest, by popularity."""

    community: int
    interest_id: str
    share: float
    day: int


def parse_boost(text: str) -> Boost:
    """A boost as people write it: `2:food.coffee:0.1@14` gives a tenth from the fifteenth day on.

    Raises:
        SettingError: the text is not of that form.
    """
    found = re.fullmatch(r"([0-9]{1,6}):([^:@]+):(0?\.[0-9]+)@([0-9]{1,6})", text)
    if not found:
        raise SettingError(
            f"simulate: boost: found {text!r}; expected COMMUNITY:INTEREST:SHARE@DAY, such as 2:food.coffee:0.1@14"
        )
    community, interest, share, day = found.groups()
    return Boost(int(community), interest, float(share), int(day))


def default_life(days: int, communities: int = 6) -> tuple[LifeEvent, ...]:
    """One event of each kind, spread over a log of so many days; without those for which no community is left."""
    events: list[LifeEvent] = []
    for kind, share in DEFAULT_LIFE:
        if days > 1 and TAKES[kind] <= communities:
            communities -= TAKES[kind]
            events.append(LifeEvent(kind, min(max(1, round(share * days)), days - 1)))
    return tuple(events)


def parse_life(texts: Sequence[str]) -> tuple[LifeEvent, ...]:
    """Events as people write them: `split@8` is a split at the start of the ninth day.

    Raises:
        SettingError: a text is not of that form.
    """
    found = []
    for text in texts:
        kind, _, day = text.partition("@")
        if kind not in get_args(Kind) or not re.fullmatch("[0-9]{1,6}", day):
            raise SettingError(
                f"simulate: life: found {text!r}; expected KIND@DAY, such as split@8, with one of {', '.join(TAKES)}"
            )
        found.append(LifeEvent(kind, int(day)))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda e: (e.day, e.kind)))


@dataclass(frozen=True)
class Scenario:
    """A platform to simulate.

    Attributes:
        seed: equal scenarios give equal bytes.
        first_day: the first day of the log (UTC).
        days: how many days.
        users: how many users; about a tenth belong to no community.
        events_per_day: rows of the log on an average day.
        communities: how many communities there are on the first day.
        mixing: the share of what members want that everybody wants too; at 1 there are no communities.
        life: what happens to communities, and when.
        boosts: what the feed does for one community and interest, from a day on: a decision that is rehearsed.
        null: a platform on which there is nothing to find. `no_preferences`: everybody likes everything equally and
            the feed goes by popularity. `feed_only`: the feed treats groups of users differently, and they all engage
            alike with what they are shown: whatever structure shows in such a log is the feed's.
        exposures: whether the log says what was shown, with propensities; else it holds likes and comments alone, of
            users who choose for themselves, as on a forum.
        dirt: whether the log has what is wrong with real ones (`coterie.simulate.dirt`).
        languages: of the items' texts.
    """

    seed: int = 0
    first_day: date = date(2024, 5, 1)
    days: int = 21
    users: int = 2_000
    events_per_day: int = 20_000
    communities: int = 6
    mixing: float = 0.3
    life: tuple[LifeEvent, ...] = ()
    boosts: tuple[Boost, ...] = ()
    null: Null | None = None
    exposures: bool = True
    dirt: bool = False
    languages: Languages = "both"

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated.

        Raises:
            SettingError: names the setting, what was found and what was expected.
        """
        bounds = (("seed", self.seed, 0, 2**63), ("days", self.days, 1, MOST_DAYS),
                  ("events_per_day", self.events_per_day, 10, MOST_ROWS),
                  ("communities", self.communities, 1, MOST_USERS // 2),
                  ("users", self.users, max(10, 2 * self.communities), MOST_USERS))  # fmt: skip
        for name, found, least, most in bounds:
            if found < least:
                why = f", two for each of {self.communities} communities" if name == "users" and least > 10 else ""
                raise SettingError(f"simulate: {name}: found {found}; expected at least {least}{why}")
            if found > most:
                raise SettingError(f"simulate: {name}: found {found:,}; expected at most {most:,}")
        if not 1970 <= self.first_day.year <= 2200:
            raise SettingError(f"simulate: first_day: found {self.first_day}; expected a day of the years 1970 to 2200")
        if not 0 <= self.mixing <= 1:
            raise SettingError(f"simulate: mixing: found {self.mixing}; expected a number from 0 to 1")
        for name, text, known in (("null", self.null or "feed_only", Null), ("languages", self.languages, Languages)):
            if text not in get_args(known):
                raise SettingError(f"simulate: {name}: found {text!r}; expected one of {', '.join(get_args(known))}")
        if self.null == "feed_only" and not self.exposures:
            raise SettingError("simulate: null: feed_only is about what the feed shows; expected exposures with it")
        if self.null and self.life:
            raise SettingError("simulate: life: on a null there are no communities that anything could happen to")
        for event in self.life:
            if not 0 < event.day < self.days:
                raise SettingError(
                    f"simulate: life: found {event.kind}@{event.day}; expected a day from 1 to {self.days - 1}"
                )
        self._check_boosts()
        taken = sum(TAKES[event.kind] for event in self.life)
        if taken > self.communities:
            raise SettingError(
                f"simulate: life: the events take up {taken} communities; found {self.communities} (communities)"
            )

    def _check_boosts(self) -> None:
        if self.boosts and not self.exposures:
            raise SettingError("simulate: boost: a boost changes what the feed shows; expected exposures with it")
        if self.boosts and self.null:
            raise SettingError("simulate: boost: on a null there are no communities that anything could be boosted for")
        for boost in self.boosts:
            if not 0 <= boost.community < self.most_communities:
                raise SettingError(
                    f"simulate: boost: found community {boost.community}; expected one from 0 to "
                    f"{self.most_communities - 1}"
                )
            if not 0 < boost.share < 1:
                raise SettingError(
                    f"simulate: boost: found a share of {boost.share:g}; expected one between 0 and 1, such as 0.1"
                )
            if not 0 <= boost.day < self.days:
                raise SettingError(f"simulate: boost: found day {boost.day}; expected a day from 0 to {self.days - 1}")

    @property
    def most_communities(self) -> int:
        """How many communities there are over the whole log: those of the first day and those that come."""
        return self.communities + sum(event.kind in {"split", "birth"} for event in self.life)
