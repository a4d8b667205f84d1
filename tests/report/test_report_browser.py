"""The report in a real browser: it asks for nothing, says nothing wrong, and does what it offers."""

import json
import re
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
import report_world as world
from conftest import BROWSER, DESK, PHONE, Made, Open

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(BROWSER is None, reason="no Chromium")]


def drawn(page: Any, name: str) -> Any:
    """A chart, once it is there."""
    plot = page.locator(f'[data-chart="{name}"]')
    plot.scroll_into_view_if_needed()
    page.wait_for_selector(f'[data-chart="{name}"][data-drawn=yes] svg')
    return plot


def test_a_click_on_a_number_shows_where_it_comes_from(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    number = page.locator("#today .cards .n").first
    number.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#trace")
    assert dialog.is_visible()
    assert dialog.locator(".trace-value").inner_text() == number.inner_text()
    assert dialog.locator(".trace-table").inner_text() == "mart_strategy_board"
    assert " to " in dialog.locator(".trace-interval").inner_text()
    assert "Predicted difference" in dialog.locator(".trace-definition").inner_text()
    assert dialog.locator(".trace-sql").inner_text().startswith("select effect, effect_low, effect_high")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert number.evaluate("button => button === document.activeElement"), "and the reader is back where they were"


def test_the_map_is_searched_zoomed_and_leads_to_profiles(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    plot = drawn(page, "map")
    names = plot.locator(".role-mark.mark-text text")
    assert names.count() == 5
    domain = "coterie.views.map.scale('x').domain()"
    whole = page.evaluate(domain)
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function(f"({domain})[0] > {whole[0]}")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function(f"Math.abs(({domain})[0] - {whole[0]}) < 1e-6")
    page.get_by_label("Search by name or interest").fill(world.interests()[2][2])
    assert page.locator("#community-table tbody tr:visible").count() == 1
    assert page.locator("#found").inner_text() == "1 of 5 shown"
    page.wait_for_function("[...document.querySelectorAll('[data-chart=map] .role-mark path')]"
                           ".filter(path => +path.getAttribute('opacity') > 0.5).length === 1")  # fmt: skip
    plot.locator('.role-mark.mark-symbol path[opacity="0.85"]').click()
    page.wait_for_url(re.compile("#c-c02$"))
    profile = page.locator(".profile:visible")
    assert profile.count() == 1
    assert world.interests()[2][2] in profile.locator("h2").inner_text()
    assert not page.locator("#today").is_visible()
    profile.get_by_role("link", name="Back to the report").click()
    assert page.locator("#communities").is_visible()


def test_what_is_hostile_is_shown_as_text(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    page.goto(page.url + "#c-c00")
    profile = page.locator("#c-c00")
    assert profile.locator("h2").inner_text() == world.EVIL
    assert world.BREAKOUT in profile.inner_text()
    assert page.locator("img").count() == 0
    drawn(page, "c-c00")
    page.evaluate("location.hash = ''")
    plot = drawn(page, "map")
    assert "<script>al" in plot.inner_text(), "as far as there is room"
    plot.locator(".role-mark.mark-symbol path").first.hover()
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert tip.locator("script").count() == 0


def test_the_board_is_filtered_and_sorted(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    rows = page.locator("#board tbody tr:visible")
    assert rows.count() == 20
    page.locator("#filters [name=kind]").select_option("close_supply_gap")
    assert rows.count() == 5
    assert page.locator("#board-found").inner_text() == "5 of 20 shown"
    page.locator("#filters [name=words]").fill(world.interests()[3][2].upper())
    assert rows.count() == 1
    page.locator("#filters [name=words]").fill("")
    page.locator("#filters [name=kind]").select_option("")
    head = page.locator("#board th", has=page.get_by_role("button", name="Difference in points"))
    effects = "[...document.querySelectorAll('#board tbody tr')].map(row => row.cells[3].dataset.s)"
    for order in ("descending", "ascending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        values = page.evaluate(effects)
        known = [float(value) for value in values if value]
        assert known == sorted(known, reverse=order == "descending")
        assert values[len(known) :] == [""] * 5, "what has no number comes last, whichever way"


def test_charts_answer_clicks_and_the_choice_of_an_interest(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    for name in ("trends", "gaps", "effects", "scores", "quality", "calibration", "gold"):
        plot = drawn(page, name)
        plot.locator(".role-mark.mark-symbol path, .role-mark.mark-rect path").last.click(force=True)
        dialog = page.locator("#trace")
        dialog.wait_for()
        assert dialog.locator(".trace-value").inner_text() not in {"", "undefined"}, name
        assert "select " in dialog.locator(".trace-sql").inner_text()
        page.keyboard.press("Escape")
    plot = drawn(page, "river")
    plot.locator(".mark-area path").last.click(force=True)
    assert page.locator(".trace-column").inner_text() == "moves.users_rounded"
    page.keyboard.press("Escape")
    for name in ("days", "quality"):
        labels = drawn(page, name).locator(".role-axis-label text").all_text_contents()
        assert "05-20" in labels, "days are days, also where the clock is behind"
        assert "05-11" not in labels
    drawn(page, "days").locator(".role-mark.mark-symbol path").last.click(force=True)
    assert re.fullmatch(r"[\d.]+%", page.locator(".trace-value").inner_text())
    assert f"day = date '{world.LAST}'" in page.locator(".trace-sql").inner_text()
    page.keyboard.press("Escape")
    before = page.evaluate("coterie.views.days.signal('interest')")
    page.locator("#interest").select_option(world.interests()[4][0])
    assert page.evaluate("coterie.views.days.signal('interest')") == world.interests()[4][0] != before
    numbers = page.locator("#days-table .n")
    assert numbers.count() == 9
    assert json.loads(numbers.first.get_attribute("data-k")) == [str(world.LAST), world.interests()[4][0]]


def test_numbers_of_a_table_are_reached_by_arrows(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    table = page.locator("#community-table")
    assert table.locator('.n[tabindex="0"]').count() == 1
    table.locator(".n").first.focus()
    for key, metric in (("ArrowRight", "communities.stability"), ("ArrowDown", "communities.stability"),
                        ("ArrowLeft", "communities.users_rounded")):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.m") == metric
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == 2


def test_two_days_open_clean_and_axe_finds_nothing(usual: Made, open_page: Open) -> None:
    page = open_page(usual.comparison(), PHONE, dark=True, axe=True)
    drawn(page, "river").locator(".mark-area path").last.click(force=True)
    assert page.locator(".trace-column").inner_text() == "moves_between.users_rounded"
    page.keyboard.press("Escape")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert [v["id"] for v in page.evaluate("axe.run(document)")["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("size", "dark", "language"), [(DESK, False, "en"), (PHONE, True, "zh")])
def test_axe_finds_nothing(usual: Made, open_page: Open, size: tuple[int, int], dark: bool, language: str) -> None:
    page = open_page(usual.html(language), size, dark=dark, axe=True)  # type: ignore[arg-type]
    page.evaluate("coterie.draw(document)")
    drawn(page, "quality")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for place in ("", "#c-c02"):
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_function(f"document.querySelectorAll('.profile.open').length === {int(bool(place))}")
        found = page.evaluate("place => axe.run(place || document)", place)
        assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"


def test_days_of_every_kind_open_clean(
    empty: Made, first_day: Made, nothing_real: Made, forty: Made, open_page: Open
) -> None:
    for made in (empty, first_day, nothing_real, forty):
        page = open_page(made.html())
        page.evaluate("coterie.draw(document)")
        plots = page.locator("main > section .plot")
        page.wait_for_function(
            "[...document.querySelectorAll('main > section .plot')].every(plot => plot.dataset.drawn)"
        )
        assert plots.count() == page.locator("main > section .plot svg").count()
    assert page.locator("#community-table tbody tr").count() == 39


def test_the_first_screen_is_there_before_any_script_and_does_not_move(usual: Made, browser: Any, pages: Path) -> None:
    path = pages / "still.html"
    path.write_text(usual.html(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    place = page.locator("#today .cards").bounding_box()
    assert place["y"] + place["height"] <= 900, "suggestions stand on the first screen"
    assert page.locator("#c-c02").is_visible(), "without scripts, profiles follow the report"
    context.close()
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script("window.moved = 0; new PerformanceObserver(list => list.getEntries().forEach("
                         "entry => window.moved += entry.value)).observe({type: 'layout-shift', buffered: true})")  # fmt: skip
    page.goto(path.as_uri())
    page.wait_for_selector('[data-chart="map"][data-drawn=yes]')
    assert page.evaluate("moved") < 0.01
    assert page.locator("#today .cards").bounding_box() == place
    context.close()


def test_paper_has_everything_in_black_on_white(usual: Made, browser: Any, pages: Path) -> None:
    path = pages / "paper.html"
    path.write_text(usual.html(), encoding="utf-8")
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    drawn(page, "map")
    assert page.pdf()[:4] == b"%PDF"
    page.wait_for_function("[...document.querySelectorAll('.plot')].every(plot => plot.dataset.drawn)")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.locator("#c-c02").is_visible()
    assert not page.locator("#filters").is_visible()
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 between its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718, "no column is off the paper"
    context.close()


def test_what_the_page_knows_is_no_more_than_it_shows(usual: Made, open_page: Open) -> None:
    page = open_page(usual.html())
    data = json.loads(page.locator("#facts").text_content())
    assert not re.search(r'"u\d+-\d+"', json.dumps(data["charts"]))
