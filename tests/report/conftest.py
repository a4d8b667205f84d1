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
from resources.report_file import comparison_of, facts_of, report_of


@cache
def _html(lake: Lake, language: Language) -> str:
    return report_of(
        lake, world.LAST, source="test", disclosure_size=world.K, taxonomy=load_taxonomy(), language=language
    )


@dataclass(frozen=True)
class Made:
    """A published lake and what a report says of its last day."""

    lake: Lake

    def facts(self, language: Language = "en") -> DayFacts:
        return facts_of(self.lake, world.LAST, source="test", disclosure_size=world.K, taxonomy=load_taxonomy(),
                        language=language)  # fmt: skip

    def html(self, language: Language = "en") -> str:
        return _html(self.lake, language)

    def comparison(self) -> str:
        first = world.LAST - timedelta(days=8)
        return comparison_of(
            self.lake, first, world.LAST, source="test", disclosure_size=world.K, taxonomy=load_taxonomy()
        )


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
