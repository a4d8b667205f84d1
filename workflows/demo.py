"""`make demo`: the daily job over every day of a source, on two cores, then what was found."""

import os
import sys
import time
import warnings
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from functools import cache
from multiprocessing import get_context

import dagster as dg
from dagster._core.instance import InstanceRef
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from coterie.errors import CoterieError
from coterie.sources import load_source
from resources.lake import Lake
from resources.settings import PROJECT, Settings, load_settings
from resources.source import SourceLog, home_beside, owner_of
from workflows.build import build_definitions
from workflows.showing import show

out = Console()
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# A day runs in two halves: while communities of a day are found, the next day's log is read.
SECOND_HALF = dg.AssetSelection.assets("memberships").downstream().required_multi_asset_neighbors()
HALVES = {"first": dg.AssetSelection.all() - SECOND_HALF, "second": SECOND_HALF}


def main() -> int:
    """Run every day of the source that is not published yet; 1 if a day fails, with what failed."""
    settings = _with_a_home_of_its_own(load_settings())
    job = _definitions().resolve_job_def("daily")
    lake = Lake(settings.home)
    assert job.partitions_def is not None
    last = max(SourceLog(settings.source, settings.home).index().days(), default=None)
    # Partitions go on until yesterday where the description names no last day; a log that ended earlier does not.
    days = [day for day in job.partitions_def.get_partition_keys() if last and date.fromisoformat(day) <= last]
    if not days:
        raise CoterieError(f"{settings.source.name}: found no day to run. `coterie check-source` says why.")
    missing = [day for day in days if not lake.has("mart_strategy_board", date.fromisoformat(day))]
    out.print(
        f"[bold]Coterie[/]: {escape(settings.source.name)}, {days[0]} to {days[-1]} ({len(days)} days)", highlight=False
    )
    started = time.monotonic()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=out,
        disable=not out.is_terminal,
    ) as progress:  # fmt: skip
        failures = _run(missing, progress)
    done = [day for day in days if lake.has("mart_strategy_board", date.fromisoformat(day))]
    if missing:
        took = f"in {time.monotonic() - started:.0f} s"
        out.print(f"{len(set(missing) & set(done))} of {len(missing)} days {took}\n", highlight=False)
    if done:
        show(out, lake, date.fromisoformat(done[-1]), settings)
    for failure in failures:
        out.print(f"[red]error[/]: {escape(failure)}", highlight=False, soft_wrap=True)
    if failures:
        out.print("Finished days are kept: the same command goes on where it stopped.", highlight=False)
    return 1 if failures else 0


def _with_a_home_of_its_own(settings: Settings) -> Settings:
    """Where nobody chose a home and the default one holds another source, a home beside it."""
    source = load_source(settings.source).name
    if "COTERIE_HOME" in os.environ or owner_of(settings.home) in (None, source):
        return settings
    # In the environment, so that the processes that run the days have it too.
    os.environ["COTERIE_HOME"] = str(home_beside(settings.home, source))
    return load_settings()


def _run(days: list[str], progress: Progress) -> list[str]:
    """Run both halves of each day, each after the same half of the day before; returns what failed."""
    task = progress.add_task("running the daily job", total=len(days))
    waiting = {"first": list(days), "second": list(days)}
    ready: set[str] = set()
    running: dict[Future[list[str]], tuple[str, str]] = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        while any(waiting.values()) or running:
            busy = {half for half, _ in running.values()}
            for half, left in waiting.items():
                if left and half not in busy and (half == "first" or left[0] in ready):
                    day = left.pop(0)
                    running[pool.submit(run_half, half, day)] = (half, day)
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                half, day = running.pop(future)
                try:
                    failures = future.result()
                except BrokenProcessPool:
                    failures = [f"{day}: a process that ran the day was ended from outside, perhaps for want of memory"]
                if failures:
                    pool.shutdown(cancel_futures=True)
                    return failures
                if half == "first":
                    ready.add(day)
                else:
                    progress.update(task, advance=1, description=f"running the daily job: {day} is done")
                    if progress.disable:
                        out.print(f"{day} is done", highlight=False)
    return []


@cache
def _definitions() -> dg.Definitions:
    warnings.filterwarnings("ignore")
    return build_definitions(load_settings())


def _history() -> InstanceRef:
    """The project's Dagster history, without files for what steps print: each would cost two processes a step."""
    silent = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    return InstanceRef.from_dir(os.environ.get("DAGSTER_HOME", str(PROJECT)), overrides={"compute_logs": silent})


def run_half(half: str, day: str) -> list[str]:
    """Run the first or second half of a day in this process; returns what failed, in words."""
    definitions = _definitions()
    keys = HALVES[half].resolve(definitions.resolve_asset_graph())
    with dg.DagsterInstance.from_ref(_history()) as instance:
        result = definitions.resolve_job_def("daily").execute_in_process(
            partition_key=day,
            instance=instance,
            raise_on_error=False,
            run_config=QUIET,
            asset_selection=sorted(keys),
        )
    failures = []
    for event in result.all_events:
        if event.event_type_value == "STEP_FAILURE":
            error = event.step_failure_data.error
            cause = error.cause or error if error else None
            failures.append(f"{day}, {event.step_key}: {cause.message if cause else event.message}")
    return failures if failures or result.success else [f"{day}: the run failed; `make dev` shows why"]


def run() -> None:
    """Entry point: errors that a person can mend are told in words."""
    try:
        sys.exit(main())
    except CoterieError as error:
        Console(stderr=True).print(f"[red]error[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    run()
