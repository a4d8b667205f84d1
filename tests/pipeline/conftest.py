"""What the tests of the pipeline share: one source, and one run of its days that nothing disturbs."""

from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.pipeline import processes, run, world

COUNT = 4


@pytest.fixture(scope="session")
def days() -> list[date]:
    return world.days(COUNT)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make_source(tmp_path_factory.mktemp("source") / "log", COUNT)


@pytest.fixture(scope="session", autouse=True)
def undisturbed_run(
    tmp_path_factory: pytest.TempPathFactory, source: Path, days: list[date]
) -> tuple[Path, ForkServerProcess]:
    """Started before the first test, so that tests that do not need it run beside it."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    return home, processes.start(run.run_days, home, source, days)


@pytest.fixture(scope="session")
def undisturbed(undisturbed_run: tuple[Path, ForkServerProcess]) -> Path:
    """The home of an undisturbed run of every day."""
    home, process = undisturbed_run
    assert processes.finish(process) == 0
    return home
