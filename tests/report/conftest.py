"""Lakes and reports that several files of tests look at, made once."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
import report_world as world

from coterie.report import DayFacts, Language
from coterie.taxonomy import load_taxonomy
from resources.lake import Lake
from resources.report_file import Reporter


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
