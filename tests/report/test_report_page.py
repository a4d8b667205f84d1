"""The report's text: says what is there, says so when there is nothing, escapes what comes from the log, shows nobody."""

import json
import math
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
import report_world as world
from conftest import Made

from coterie.report import headline, outward, render
from coterie.report.numbers import Numbers, written
from coterie.report.texts import Language, Texts
from resources.lake import Lake

# What makes one page differ from another is above the drawing library, which is the same in each.
MOST_BYTES = 5_000_000


class Elements(HTMLParser):
    """The names of a page's elements, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_comes_from_the_log_is_text(usual: Made) -> None:
    page = Elements(usual.html())
    assert page.tags.count("script") == 4, "the page's own three and its data"
    assert not {"img", "iframe", "link"} & set(page.tags)
    assert world.EVIL in page.text, "the name of a community, and a reason"
    assert world.BREAKOUT in page.text, "the text of an item"
    assert "[handle]" in page.text
    assert "@somebody" not in page.text


def test_it_reaches_nothing_and_is_small(usual: Made, forty: Made) -> None:
    for made in (usual, forty):
        html = made.html()
        assert outward(html) == []
        assert len(html.encode()) < MOST_BYTES


def test_it_is_the_same_each_time_and_later_days_do_not_matter(tmp_path: Path) -> None:
    lake = world.make_lake(tmp_path, days=3)
    before = Made(lake).html()
    world.put(lake, world.LAST + timedelta(days=1), mart_community_day=[], memberships=[], raw_events=[], raw_items=[])
    assert Made(Lake(tmp_path)).html() == before


def test_nobody_stands_in_it(usual: Made) -> None:
    html = usual.html()
    told = html[: html.rindex("<script>")]  # what follows is the drawing library
    assert not re.findall(r"\bu\d+-\d+\b", told)
    # Community 1 has three members left: it is told of nowhere, its history apart.
    facts = usual.facts()
    assert "c01" not in facts["communities"]["community_id"]
    assert 'id="c-c01"' not in html
    assert facts["rejects"].rows()[1] == ("raw_events", world.EVIL, None)
    assert "fewer than 20" in html


def test_an_empty_day_says_so(empty: Made) -> None:
    assert headline(empty.facts()) == [
        "The log has no events on this day.",
        "Nothing today: no suggestion passed its test, and Coterie does not guess.",
        "There is no track record yet: no suggestion has been measured again, which is done seven days after it was "
        "made. Treat every suggestion as untested.",
    ]
    html = empty.html()
    for words in ("No community of the size", "No suggestion today", "No item was labelled today", "Nothing was read"):
        assert words in html
    assert 'class="plot"' not in html


def test_a_first_day_has_nothing_to_compare_with(first_day: Made) -> None:
    said = headline(first_day.facts())
    assert said[0].startswith("About 175 people engaged with something; neither yesterday nor the same day last week")
    assert said[1].endswith("false alarms to be expected among them."), "no word on days before"
    assert "No interest can be compared with the week before yet" in said[2]


def test_a_day_where_nothing_is_real_gives_no_suggestions(nothing_real: Made) -> None:
    said = headline(nothing_real.facts())
    assert said[1].startswith("No community is real beyond chance today (found: 5; none passed its test).")
    assert said[3].startswith("Nothing today")
    html = nothing_real.html()
    assert "Not sure yet" in html
    assert "It gets no suggestions." in html


def test_a_usual_day_says_what_changed_with_its_uncertainty(usual: Made) -> None:
    facts = usual.facts()
    people, communities, interests, *todo, trust = headline(facts)
    # Two left, and counts are rounded down to fives.
    within = math.exp(1.645 * math.sqrt(1 / 175 + 1 / 180))
    low, high = (written(175 / 180 * times - 1, "change") for times in (1 / within, within))
    assert people == (
        f"About 175 people engaged with something: −3% against yesterday (90% interval {low} to {high}; usual 0% to 0%),"
        f" and −3% against the same day last week (90% interval {low} to {high})."
    )
    assert "Communities that are real: 5 of 5." in communities
    assert "with at most 0.05 false alarms" in communities
    assert "Real yesterday: 6 (at most 0.06 false); a week ago: 6 (at most 0.06 false)." in communities
    assert re.search(
        r"is rising most clearly: its share of people is 2\.0× .* \(90% interval [\d.]+× to [\d.]+×\)", interests
    )
    assert "90% interval" in todo[0]
    assert "Of 12 earlier suggestions that were measured again, 10 came out as predicted: 83%" in trust
    assert "So few say little: treat suggestions as untested." in trust


def test_a_community_that_shrank_below_what_may_be_told_of_is_not_said_to_have_ended(usual: Made) -> None:
    # Community 1 goes on with three members.
    said = headline(usual.facts())[1]
    assert "Since yesterday 0 came into view and 1 went out of it; since last week 0 and 1." in said
    assert said.endswith("In view are those of 20 members or more, real or not: some may only have grown or shrunk past "
                         "that.")  # fmt: skip
    text = Elements(usual.comparison()).text
    assert "0 that are shown on the later day were not on the earlier one, and 1 the other way round" in text
    assert "Not shown on a day: not there, or of fewer than 20 members." in text


def test_where_nothing_came_into_view_nothing_is_said_of_it(long: Made) -> None:
    overview = dict.fromkeys(("new_yesterday", "gone_yesterday", "new_last_week", "gone_last_week", "communities"), 0)
    said = second(long, overview)
    assert said.startswith("No community of 20 members or more was found today, so there is nothing to test.")
    assert "In view are" not in said
    assert "In view are" in second(long, {**overview, "gone_last_week": 1})


def second(made: Made, overview: dict[str, int]) -> str:
    """The second sentence of a day whose overview is another."""
    facts = made.facts()
    row = facts["overview"].with_columns(pl.lit(value).alias(name) for name, value in overview.items())
    return headline(replace(facts, frames={**facts.frames, "overview": row}))[1]


@pytest.mark.parametrize(("low", "high", "by_chance"), [(0.8, 1.1, False), (1.1, 1.4, True), (0.5, 0.9, True)])
def test_only_what_leaves_1_out_is_said_to_be_expected_by_chance(
    usual: Made, low: float, high: float, by_chance: bool
) -> None:
    facts = usual.facts()
    trends = facts["trends"].with_columns(trend=pl.lit("steady"), ratio_low=pl.lit(low), ratio_high=pl.lit(high))
    said = headline(replace(facts, frames={**facts.frames, "trends": trends}))[2]
    assert said.startswith("No interest changed beyond chance against the week before. Closest to a change is ")
    assert said.endswith("one such is to be expected by chance.") is by_chance


def test_the_only_community_needs_no_map(usual: Made) -> None:
    facts = usual.facts()
    html = render(replace(facts, frames={**facts.frames, "communities": facts["communities"].head(1)}))
    assert 'data-chart="map"' not in html
    assert "This is the only one of the size that may be told of, so there is no map." in html
    assert 'data-chart="map"' in usual.html()


def test_without_yesterday_last_week_is_compared_with(tmp_path: Path) -> None:
    lake = world.make_lake(tmp_path, days=8)
    lake.partition("interest_daily", world.LAST - timedelta(days=1)).unlink()
    said = headline(Made(lake).facts())[0]
    assert re.fullmatch(r"About 175 people .*: −3% against the same day last week \(90% interval −\d+% to \+\d+%\)\. "
                        r"Yesterday cannot be compared with\.", said)  # fmt: skip


def test_what_happened_to_communities_is_told_and_the_beginning_of_all_is_no_news(usual: Made) -> None:
    page = Elements(usual.html())
    assert f"20 May 2024: {world.interests()[2][2]} & {world.interests()[52][2]}. Took in" in page.text
    assert "12 May 2024:" not in page.text.split("Births, splits")[1].split("Interests")[0]


def test_chinese_has_chinese_names(usual: Made) -> None:
    html = usual.html("zh")
    assert '<html lang="zh-Hant">' in html
    assert "人們想要什麼" in html
    name = usual.facts("zh").names.interests[world.interests()[2][0]]
    assert re.search("[\u4e00-\u9fff]", name)
    assert name in html


def test_every_number_has_a_definition_and_a_query(usual: Made) -> None:
    html = usual.html()
    data = json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', html, re.S).group(1))  # type: ignore[union-attr]
    used = set(re.findall(r'data-m="([a-z_.]+)"', html))
    assert used <= set(data["metrics"])
    for key in data["metrics"]:
        assert data["metrics"][key]["says"], key
        assert data["facts"][key.split(".")[0]]["sql"]


@pytest.mark.parametrize(
    ("value", "how", "said"),
    [
        (1234.0, "count", "1,234"), (0.123, "percent", "12%"), (0.0123, "percent", "1.2%"), (0.0, "percent", "0%"),
        (-0.021, "points", "−2.1"), (0.0001, "points", "+0.01"), (-0.0001, "points", "−0.01"),
        (0.0004, "percent", "0.04%"), (0.0, "points", "0.0"), (1e-9, "points", "0.0"), (-1e-9, "points", "0.0"),
        (0.1, "change", "+10%"),
        (1.5, "times", "1.5×"), (0.73, "times", "0.73×"),
        (1.02, "times", "1.02×"), (12.34, "times", "12.3×"), (0.05, "q", "0.05"), (0.00001, "q", "0.0001"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(value: float, how: str, said: str) -> None:
    assert written(value, how) == said  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "language", "said"),
    [
        ("proposed", "en", "(just above 0.0 to +5.0)"),
        ("warning: only 1 of 20 of its kind", "en", "(just above 0.0 to +5.0)"),
        ("withheld: the interval reaches zero", "en", "(0.0 to +5.0)"), ("proposed", "zh", "（略高於 0.0 至 +5.0）"),
    ],
)  # fmt: skip
def test_what_passed_its_test_does_not_begin_at_zero(status: str, language: Language, said: str) -> None:
    row = {"effect": 0.02, "effect_low": 0.0, "effect_high": 0.05, "status": status}
    assert Numbers(Texts(language, html=False)).interval("board.effect", row) == said
    assert "just" not in Numbers(Texts("en", html=False)).interval("board.effect", {**row, "effect_low": 0.01})


def test_a_ratio_is_said_in_words_where_the_language_does() -> None:
    row = {"ratio": 0.6, "ratio_low": 0.45, "ratio_high": 0.78}
    numbers = Numbers(Texts("zh", html=False))
    assert numbers("trends.ratio", row) == "0.6 倍"
    assert numbers.interval("trends.ratio", row) == "（0.45 至 0.78 倍）"


def test_a_suggestion_without_a_number_gets_no_sentence_about_one(usual: Made) -> None:
    html = usual.html()
    assert "— points" not in html
    assert "()" not in re.sub(r"<script.*?</script>", "", html, flags=re.S)
