"""How the report looks in a real browser, at three widths, light and dark: nothing cut off that has room, nothing covered.

Belongs here: what a reader would be annoyed at. Does not belong here: what the page does (test_report_browser).
"""

import re
from itertools import combinations
from typing import Any

import pytest
from conftest import BROWSER, DESK, PHONE, Made, Open
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium")]
TABLET = (820, 1100)
DRAWN = "[...document.querySelectorAll('main > section .plot')].every(plot => plot.dataset.drawn)"
BOXES = """selector => [...document.querySelectorAll(selector)].map(part => {
  const box = part.getBoundingClientRect();
  return {left: box.left, right: box.right, top: box.top, bottom: box.bottom};
})"""


def everything(page: Any) -> Any:
    """The page with all its charts."""
    page.evaluate("coterie.draw(document)")
    page.wait_for_function(DRAWN)
    return page


@pytest.mark.parametrize(("size", "dark"), [(DESK, False), (TABLET, True), (PHONE, False)])
def test_nothing_sticks_out_and_charts_leave_no_hole(
    usual: Made, forty: Made, nothing_real: Made, empty: Made, open_page: Open, size: tuple[int, int], dark: bool
) -> None:
    for made in (usual, forty, nothing_real, empty):
        page = everything(open_page(made.html(), size, dark=dark))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        holes = page.evaluate(
            "[...document.querySelectorAll('main > section .plot')].map(plot => [plot.dataset.chart,"
            " plot.clientHeight - plot.querySelector('svg').getBoundingClientRect().height])"
        )
        assert [name for name, hole in holes if hole > 20] == []


def test_names_on_the_map_have_room_and_cover_nothing(forty: Made, open_page: Open) -> None:
    page = everything(open_page(forty.html()))
    names = page.evaluate(BOXES, "[data-chart=map] .role-mark.mark-text text")
    circles = page.evaluate(BOXES, "[data-chart=map] .role-mark.mark-symbol path")
    assert len(names) == len(circles) == 39
    assert max(name["right"] - name["left"] for name in names) > 120
    place = page.evaluate(BOXES, "[data-chart=map]")[0]
    assert all(place["left"] <= name["left"] and name["right"] <= place["right"] for name in names), "none is cut off"
    across = max(circle["right"] for circle in circles) - min(circle["left"] for circle in circles)
    assert across > 0.8 * page.locator("[data-chart=map]").bounding_box()["width"], "the width of the page is used"
    for circle in circles:
        assert circle["right"] - circle["left"] == pytest.approx(circle["bottom"] - circle["top"], abs=0.5)
    for a, b in [*combinations(names, 2), *combinations(circles, 2)]:
        beside = min(a["right"], b["right"]) - max(a["left"], b["left"]) < 1
        assert beside or min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) < 1


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_where_names_have_no_room_on_the_map_numbers_stand_for_them(
    forty: Made, open_page: Open, size: tuple[int, int]
) -> None:
    page = everything(open_page(forty.html(), size))
    drawn = page.locator("[data-chart=map] .role-mark.mark-text text")
    listed = page.locator(".names li")
    if size == DESK:
        assert not any(text.isdigit() for text in drawn.all_text_contents())
        expect(listed.first).to_be_hidden()
        return
    assert sorted(map(int, drawn.all_text_contents())) == list(range(1, 40))
    names = page.locator("#community-table tbody th").all_text_contents()
    assert listed.all_text_contents() == names, "in the order of the table, which the numbers follow"
    for a, b in combinations(page.evaluate(BOXES, "[data-chart=map] .role-mark.mark-text text"), 2):
        beside = min(a["right"], b["right"]) - max(a["left"], b["left"]) < 1
        assert beside or min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) < 3
    page.locator("#find").fill(names[5].lower())
    assert listed.nth(5).is_visible()
    assert not listed.nth(6).is_visible()
    listed.nth(5).get_by_role("link").click()
    expect(page.locator(".profile.open h2")).to_have_text(names[5])


def test_the_reason_of_a_warning_has_room(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    reason = page.locator("#board td:last-child", has_text="Warning").first
    assert reason.bounding_box()["width"] >= 230
    assert (
        page.evaluate(
            "(() => { const part = document.querySelector('.wide'); return part.scrollWidth - part.clientWidth; })()"
        )
        == 0
    )


def test_a_table_that_goes_on_to_the_right_says_so(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html(), TABLET)
    around = page.locator(".scroll", has=page.locator("#community-table"))
    expect(around).to_have_class(re.compile(r"\bmore\b"))
    around.evaluate("part => part.scrollTo(part.scrollWidth, 0)")
    expect(around).not_to_have_class(re.compile(r"\bmore\b"))


def test_on_a_phone_rows_are_cards(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html(), PHONE)
    for table in ("#board", "#community-table"):
        assert page.locator(table).evaluate("table => table.scrollWidth <= innerWidth")
        assert page.locator(table).get_by_role("row").count() > 5, "still read as a table"
    cell = page.locator("#board td").first
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == '"Kind"'
    page.locator("#board").get_by_role("button", name="Difference in points").click()
    shown = page.locator("#board tbody tr:first-child td[data-label='Difference in points']").get_attribute("data-s")
    assert float(shown) == 0.185
    everything(page)
    labels = page.locator("[data-chart=gaps] .role-axis-label text").all_text_contents()
    assert not any("…" in label for label in labels)


def test_marks_stand_out_from_a_dark_page(usual: Made, open_page: Open) -> None:
    page = everything(open_page(usual.html(), dark=True))
    mark = page.locator("[data-chart=gaps] .mark-symbol path").first
    assert mark.evaluate("mark => getComputedStyle(mark).fill") == "rgb(86, 180, 233)"
    assert mark.evaluate("mark => getComputedStyle(mark).opacity * (mark.getAttribute('fill-opacity') ?? 1)") == 1
