"""What the schedule asks for on a given morning: a question to the definitions, without a server."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from resources.settings import Settings
from workflows.build import build_definitions

ZONE = "Asia/Taipei"
Morning = Callable[[datetime], dg.RunRequest | str]


def mornings(folder: Path, **days: str) -> Morning:
    """Moment of a tick -> the schedule's request, or why it skips, for a source with the given first and last day."""
    description = {
        "name": "small",
        "timezone": ZONE,
        **days,
        "events": {
            "path": "events.csv",
            "columns": {"user_id": "uid", "item_id": "vid", "event_type": "did", "occurred_at": "ts"},
            "event_types": {"like": {"kind": "positive"}},
        },
    }
    (folder / "source.yaml").write_text(yaml.safe_dump(description))
    definitions = build_definitions(Settings(home=folder / "home", source=folder / "source.yaml"))
    repository = definitions.get_repository_def()
    schedule = repository.get_schedule_def("daily_schedule")

    def ask(tick: datetime) -> dg.RunRequest | str:
        context = dg.build_schedule_context(scheduled_execution_time=tick, repository_def=repository)
        answer = schedule.evaluate_tick(context)
        if answer.run_requests:
            (request,) = answer.run_requests
            return request
        assert answer.skip_message
        return answer.skip_message

    assert schedule.execution_timezone == ZONE
    return ask


@pytest.fixture(scope="module")
def goes_on(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    return mornings(tmp_path_factory.mktemp("goes_on"), first_day="2024-05-01")


@pytest.fixture(scope="module")
def has_ended(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    return mornings(tmp_path_factory.mktemp("has_ended"), first_day="2024-05-01", last_day="2024-05-03")


def at_two(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T02:00").replace(tzinfo=ZoneInfo(ZONE))


@pytest.mark.parametrize(
    ("tick", "day"), [("2024-05-02", "2024-05-01"), ("2024-05-05", "2024-05-04"), ("2025-01-01", "2024-12-31")]
)
def test_a_log_that_goes_on_gets_the_day_before_the_tick(goes_on: Morning, tick: str, day: str) -> None:
    asked = goes_on(at_two(tick))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == day


def test_the_day_is_that_of_the_sources_zone_even_if_the_clock_is_not(goes_on: Morning) -> None:
    # Still the 4th in UTC, two in the morning of the 5th in Taipei.
    asked = goes_on(datetime(2024, 5, 4, 18, tzinfo=ZoneInfo("UTC")))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "2024-05-04"


def test_a_day_before_the_first_is_not_asked_for(goes_on: Morning) -> None:
    skipped = goes_on(at_two("2024-05-01"))
    assert isinstance(skipped, str)
    assert "2024-05-01" in skipped


def test_the_last_day_of_a_log_is_asked_for_on_one_morning_alone(has_ended: Morning) -> None:
    asked = has_ended(at_two("2024-05-04"))
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "2024-05-03"
    for later in ("2024-05-05", "2024-06-01"):
        skipped = has_ended(at_two(later))
        assert isinstance(skipped, str), skipped
        assert "last day, 2024-05-03" in skipped
