"""What can be asked for, as values and as people type it, and how the rest is refused."""

import re
from collections import Counter
from datetime import date
from typing import Any, get_args

import pytest

from coterie.errors import SettingError
from coterie.simulate import Boost, LifeEvent, Scenario, World, default_life, parse_boost, parse_life
from coterie.simulate.scenario import Kind


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mixing": 1.5}, "mixing: found 1.5; expected a number from 0 to 1"),
        ({"mixing": float("nan")}, "mixing: found nan; expected a number from 0 to 1"),
        ({"users": 3, "communities": 1}, "users: found 3; expected at least 10"),
        ({"users": 30, "communities": 25}, "users: found 30; expected at least 50, two for each of 25 communities"),
        ({"users": 10**9}, "users: found 1,000,000,000; expected at most 100,000,000"),
        ({"communities": 0}, "communities: found 0; expected at least 1"),
        ({"days": 0}, "days: found 0; expected at least 1"),
        ({"days": 10**6}, "days: found 1,000,000; expected at most 3,660"),
        ({"seed": -1}, "seed: found -1; expected at least 0"),
        ({"events_per_day": 9}, "events_per_day: found 9; expected at least 10"),
        ({"events_per_day": 10**12}, "events_per_day: found 1,000,000,000,000; expected at most 100,000,000"),
        ({"first_day": date(1, 1, 1)}, "first_day: found 0001-01-01; expected a day of the years 1970 to 2200"),
        ({"null": "nothing"}, "null: found 'nothing'; expected one of no_preferences, feed_only"),
        ({"languages": "fr"}, "languages: found 'fr'; expected one of en, zh, both"),
        ({"null": "feed_only", "exposures": False}, "feed_only is about what the feed shows; expected exposures"),
        ({"null": "feed_only", "life": (LifeEvent("drift", 1),)}, "on a null there are no communities"),
        ({"null": "feed_only", "boosts": (Boost(0, "x", 0.1, 1),)}, "on a null there are no communities"),
        ({"life": (LifeEvent("split", 21),)}, "life: found split@21; expected a day from 1 to 20"),
        ({"life": (LifeEvent("split", 0),)}, "life: found split@0; expected a day from 1 to 20"),
        ({"life": (LifeEvent("merger", 3),) * 4}, "the events take up 8 communities; found 6"),
        ({"boosts": (Boost(6, "x", 0.1, 1),)}, "boost: found community 6; expected one from 0 to 5"),
        ({"boosts": (Boost(-1, "x", 0.1, 1),)}, "boost: found community -1; expected one from 0 to 5"),
        ({"boosts": (Boost(0, "x", 1.0, 1),)}, "boost: found a share of 1; expected one between 0 and 1"),
        ({"boosts": (Boost(0, "x", 0.1, 21),)}, "boost: found day 21; expected a day from 0 to 20"),
        ({"boosts": (Boost(0, "x", 0.1, 1),), "exposures": False}, "a boost changes what the feed shows"),
    ],
)
def test_what_cannot_be_simulated_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=re.escape(words)):
        Scenario(**changed)


def test_a_boost_of_what_the_platform_does_not_have_lists_what_it_has() -> None:
    with pytest.raises(SettingError, match=r"found interest 'food\.stones'; expected one that this platform has: .*, "):
        World(Scenario(users=100, communities=2, events_per_day=100, boosts=(Boost(0, "food.stones", 0.1, 1),)))


def test_a_boost_is_read_as_people_write_it() -> None:
    assert parse_boost("2:food.coffee:0.1@14") == Boost(2, "food.coffee", 0.1, 14)
    assert parse_boost("0:a:.25@0") == Boost(0, "a", 0.25, 0)


@pytest.mark.parametrize("text", ["", "food.coffee:0.1@14", "2:food.coffee:10%@14", "2:food.coffee:0.1", "x:a:0.1@1",
                                  "2:food.coffee:1.5@14", "2:food.coffee:0.1@-1", "٢:a:0.1@1"])  # fmt: skip
def test_a_boost_that_is_not_of_the_form_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"found {text!r}; expected COMMUNITY:INTEREST:SHARE@DAY")):
        parse_boost(text)


def test_life_is_read_as_people_write_it_in_the_order_of_days() -> None:
    assert parse_life(["split@8", "birth@2"]) == (LifeEvent("birth", 2), LifeEvent("split", 8))


@pytest.mark.parametrize("text", ["", "split", "split@", "split@x", "split@-1", "split@²", "divorce@3", "@3"])
def test_life_that_is_not_of_the_form_is_answered_with_the_form(text: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"found {text!r}; expected KIND@DAY, such as split@8")):
        parse_life([text])


def test_by_default_one_event_of_each_kind_is_spread_over_the_days() -> None:
    life = default_life(21)
    assert Counter(e.kind for e in life) == Counter(get_args(Kind))
    assert [e.day for e in life] == sorted({e.day for e in life})
    assert life == default_life(21, 6)


def test_the_default_life_fits_every_platform() -> None:
    for days in range(1, 30):
        for communities in range(1, 8):
            life = default_life(days, communities)
            Scenario(days=days, communities=communities, life=life)
            assert bool(life) == (days > 1)


def test_communities_to_come_are_counted() -> None:
    assert Scenario().most_communities == 6
    assert Scenario(life=default_life(21)).most_communities == 8  # a split and a birth bring one each


def test_a_community_of_one_cannot_split_and_nobody_cannot_be_born() -> None:
    life = (*(LifeEvent("drift", 1),) * 9, LifeEvent("split", 2))  # takes the tenth, the smallest
    tiny = Scenario(users=20, communities=10, days=5, events_per_day=10, life=life)
    with pytest.raises(SettingError, match="found a community of 1 for split@2; expected more users"):
        World(tiny)
    crowded = Scenario(users=10, communities=2, days=5, events_per_day=10, dirt=True, life=(LifeEvent("birth", 2),))
    with pytest.raises(SettingError, match="found no user without a community for birth@2; expected more users"):
        World(crowded)
