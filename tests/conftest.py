"""The order of the suite: files that start real processes come first, so that two workers end at about the same time."""

import pytest
from hypothesis import settings

# A test is not a benchmark: how long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files move, and keep their own order: fixtures of a file are made once."""
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in slow)
