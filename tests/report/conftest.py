"""Lakes and reports that several files of tests look at, made once, and the browser that they are looked at in."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import report_world as world

from coterie.report import DayFacts, Language
from coterie.taxonomy import load_taxonomy
from resources.lake import Lake
from resources.report_file import Reporter

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
# Without these, a headless Chromium asks the network for updates at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
DESK, PHONE = (1440, 900), (390, 800)
Open = Callable[..., Any]


@cache
def _html(lake: Lake, language: Language) -> str:
    return reporter(lake, language).report(world.LAST)


def reporter(lake: Lake, language: Language = "en") -> Reporter:
    return Reporter(lake, "test", world.K, load_taxonomy(), language)


@dataclass(frozen=True)
class Made:
    """A published lake and what a report says of its last day."""

    lake: Lake

    def facts(self, language: Language = "en") -> DayFacts:
        return reporter(self.lake, language).facts(world.LAST)

    def html(self, language: Language = "en") -> str:
        return _html(self.lake, language)

    def comparison(self) -> str:
        return reporter(self.lake).comparison(world.LAST - timedelta(days=8), world.LAST)


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Six communities over nine days, one of them called <script>."""
    return Made(world.make_lake(tmp_path_factory.mktemp("usual")))


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three communities over so many days that what is usual against last week is known."""
    return Made(world.make_lake(tmp_path_factory.mktemp("long"), communities=3, days=15))


@pytest.fixture(scope="session")
def nothing_real(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A day on which no community is real."""
    return Made(world.make_lake(tmp_path_factory.mktemp("none"), days=2, verdict="weak"))


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The first day of all."""
    return Made(world.make_lake(tmp_path_factory.mktemp("first"), days=1))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A day on which nothing happened."""
    lake = Lake(tmp_path_factory.mktemp("empty"))
    world.empty_day(lake, world.LAST)
    return Made(lake)


@pytest.fixture(scope="session")
def forty(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Forty communities."""
    return Made(world.make_lake(tmp_path_factory.mktemp("forty"), communities=40))


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pages are put for a browser."""
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any, pages: Path) -> Iterator[Open]:
    """Opens HTML as a file; at the end nothing may have been complained of, and nothing asked for but the file."""
    complaints: list[str] = []
    asked: list[str] = []
    contexts = []

    def start(html: str, size: tuple[int, int] = DESK, *, dark: bool = False, axe: bool = False) -> Any:
        path = pages / f"{abs(hash(html))}.html"
        path.write_text(html, encoding="utf-8")
        # The page's own rule would keep axe out, too; everywhere else it stands.
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            bypass_csp=axe,
            timezone_id="America/Los_Angeles",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        asked.remove(path.as_uri())
        return page

    yield start
    for context in contexts:
        context.close()
    assert complaints == []
    assert asked == []
