"""Kills a day's run at fifty moments and looks whether a plain re-run gives what an undisturbed one gives.

`python -m benchmarks.crash`, about ten minutes on two cores. Half of the moments are spread evenly over the run's
time, half over its changes of files, where a moment is the instant before a file is opened, renamed or removed. Belongs
here: the moments and the count. Does not belong here: how a process runs and dies (tests/pipeline).
"""

import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.pipeline import processes, run, world

MOMENTS = 50
AT_ONCE = 2


@dataclass(frozen=True)
class Undisturbed:
    """What every killed and mended run is compared with, and how long it was, in seconds and in changes of files."""

    source: Path
    home: Path
    days: list[date]
    seconds: float
    changes: int


@dataclass(frozen=True)
class Verdict:
    """What became of one moment: whether the kill came in time, and what is wrong after the re-run, if anything."""

    moment: str
    killed: bool
    wrong: str


def undisturbed(folder: Path) -> Undisturbed:
    """Two days to start from, and the day that will be killed, measured."""
    days = world.days(3)
    source, home = world.make_source(folder / "log", len(days)), folder / "undisturbed"
    _must(processes.finish(processes.start(run.run_days, home, source, days[:2])) == 0, "the first days did not run")
    # Measured like the killed runs: in a fresh process, as many at once.
    rehearsals = [world.copy_days(home, folder / f"rehearsal{n}", days[1]) for n in range(AT_ONCE)]
    started = time.monotonic()
    running = [processes.start(run.run_until, h, source, days[2], None, h / "changes") for h in rehearsals]
    _must([processes.finish(process) for process in running] == [0] * AT_ONCE, "the day did not run")
    seconds = time.monotonic() - started
    return Undisturbed(source, rehearsals[0], days, seconds, int((rehearsals[0] / "changes").read_text()))


def try_moment(whole: Undisturbed, number: int, folder: Path) -> Verdict:
    """Kill at one of the fifty moments, run again, compare."""
    home = world.copy_days(whole.home, folder / f"killed{number}", whole.days[1])
    day, half = whole.days[2], MOMENTS // 2
    if number < half:
        nth = 1 + number * (whole.changes - 1) // (half - 1)
        moment = f"change {nth} of {whole.changes}"
        process = processes.start(run.run_until, home, whole.source, day, run.Stop(nth))
        code = processes.finish(process)
    else:
        seconds = whole.seconds * (number - half + 0.5) / half
        # A run may be quicker than the rehearsal: then the moment comes earlier, as nobody can be killed after the end.
        while (code := _killed_after(whole, home, seconds)) == 0:
            shutil.rmtree(home)
            world.copy_days(whole.home, home, whole.days[1])
            seconds *= 0.9
        moment = f"{seconds:.1f} of {whole.seconds:.1f} s"
    if processes.finish(processes.start(run.run_days, home, whole.source, [day])) != 0:
        return Verdict(moment, code == -signal.SIGKILL, "the re-run failed")
    return Verdict(moment, code == -signal.SIGKILL, _difference(whole, home))


def _killed_after(whole: Undisturbed, home: Path, seconds: float) -> int:
    process = processes.start(run.run_days, home, whole.source, [whole.days[2]])
    process.join(seconds)
    process.kill()
    return processes.finish(process)


def _difference(whole: Undisturbed, home: Path) -> str:
    wanted, found = world.published(whole.home), world.published(home)
    other = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    strays = sorted(world.files_in(home) ^ world.files_in(whole.home))
    return "; ".join(
        f"{what}: {', '.join(paths[:5])}" for what, paths in (("other bytes", other), ("strays", strays)) if paths
    )


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)


def main() -> int:
    """Try every moment; 1 if a table or a file was not as it should be after one of them."""
    with tempfile.TemporaryDirectory(prefix="coterie-crash-") as name:
        folder = Path(name)
        whole = undisturbed(folder)
        verdicts = []
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for verdict in threads.map(lambda number: try_moment(whole, number, folder), range(MOMENTS)):
                how = "killed" if verdict.killed else "not killed"
                print(f"{verdict.moment:>24}  {how:10} {verdict.wrong or 'same bytes, no strays'}", flush=True)
                verdicts.append(verdict)
    wrong = sum(bool(verdict.wrong) for verdict in verdicts)
    killed = sum(verdict.killed for verdict in verdicts)
    print(f"{killed} of {MOMENTS} runs killed; {wrong} not mended by a plain re-run")
    return 1 if wrong or killed < MOMENTS else 0


if __name__ == "__main__":
    sys.exit(main())
