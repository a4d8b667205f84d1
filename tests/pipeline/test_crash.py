"""A killed run leaves nothing that a plain re-run trips over. All fifty moments: `python -m benchmarks.crash`."""

import signal
from datetime import date
from pathlib import Path

import pytest

from tests.pipeline import processes, run, world

pytestmark = pytest.mark.slow

MOMENTS = {
    "between the two tables of one step": run.Stop(1, "lake/quarantine", "rename"),
    "while dbt builds": run.Stop(3, "stage/dbt-interests", "open"),
    "before the report is in place": run.Stop(1, "reports/", "rename"),
}


def test_a_run_killed_at_any_moment_is_mended_by_a_plain_rerun(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path
) -> None:
    day = days[2]
    homes = [world.copy_days(undisturbed, tmp_path / str(n), days[1]) for n in range(len(MOMENTS))]
    killed = [
        processes.start(run.run_until, home, source, day, stop)
        for home, stop in zip(homes, MOMENTS.values(), strict=True)
    ]
    codes = dict(zip(MOMENTS, map(processes.finish, killed), strict=True))
    assert codes == dict.fromkeys(MOMENTS, -signal.SIGKILL)
    cut_short = [world.published(home) != world.up_to(world.published(undisturbed), day) for home in homes]
    assert all(cut_short), "the run was already over when it was killed"

    again = [processes.start(run.run_days, home, source, [day]) for home in homes]
    assert [processes.finish(process) for process in again] == [0] * len(homes)
    wanted = world.up_to(world.published(undisturbed), day)
    files = world.keeps_up_to(undisturbed, day)
    for name, home in zip(MOMENTS, homes, strict=True):
        assert world.published(home) == wanted, name
        assert world.files_in(home) == files, f"killed {name}, the run left something behind"


@pytest.mark.parametrize("name", ["views.json", "source-simulated"])
def test_a_process_killed_while_it_writes_a_small_file_leaves_nothing(
    undisturbed: Path, source: Path, days: list[date], tmp_path: Path, name: str
) -> None:
    home = world.copy_days(undisturbed, tmp_path, days[0])
    process = processes.start(run.run_until, home, source, days[1], run.Stop(1, f"state/{name}", "rename"))
    assert processes.finish(process) == -signal.SIGKILL
    assert processes.finish(processes.start(run.run_days, home, source, [days[1]], ["raw_events", "quarantine"])) == 0
    assert {path for path in world.files_in(home) if path.startswith("state")} == {
        path for path in world.files_in(undisturbed) if path.startswith("state")
    }
