"""Run a command, watch its resident memory and its time, and stop it above a bound.

Belongs here: one process that is watched from outside, so that its end, whatever it is, can be told. Does not belong
here: what the process does.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.1  # seconds between two looks
MEMORY_ERRORS = ("MemoryError", "OutOfMemory", "Out of Memory")  # as Python, Polars and DuckDB call them
OUT_OF_MEMORY = "for want of memory"  # where a process said so itself
_GB_OF_KIB = 1024 / 1e9


@dataclass(frozen=True)
class Bounds:
    """What a process may take."""

    gigabytes: float
    seconds: float


@dataclass(frozen=True)
class Watched:
    """How a process ended.

    Attributes:
        seconds: its wall time.
        peak: its largest resident memory, GB.
        resident: (when, GB) every tenth of a second, by the clock of the wall.
        stopped: why it did not come to its end by itself, such as `at 20 GB`; None if it did.
        code: its exit code.
        output: what it printed.
        errors: what it printed to standard error.
    """

    seconds: float
    peak: float
    resident: Sequence[tuple[float, float]]
    stopped: str | None
    code: int
    output: str
    errors: str

    def peak_between(self, began: float, ended: float) -> float | None:
        """The largest resident memory that was seen in a span of time, GB; None if nobody looked."""
        return max((gigabytes for at, gigabytes in self.resident if began <= at <= ended), default=None)


def watch(module: str, arguments: Sequence[str], bounds: Bounds, env: Mapping[str, str] | None = None) -> Watched:
    """Run `python -m module` and wait for its end, or bring it about."""
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    resident: list[tuple[float, float]] = []
    peak, stopped = 0.0, None
    # Files, not pipes: a pipe that nobody empties would stop the process.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=errors, text=True)
        try:
            while True:
                try:
                    process.wait(EVERY)
                    break
                except subprocess.TimeoutExpired:
                    pass
                now, highest = memory_of(process.pid)
                resident.append((time.time(), now))
                peak = max(peak, highest)
                if now > bounds.gigabytes:
                    stopped = f"at {bounds.gigabytes:g} GB"
                elif time.perf_counter() - started > bounds.seconds:
                    stopped = f"after {_duration(bounds.seconds)}"
                if stopped:
                    process.kill()
                    process.wait()
                    break
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if stopped is None and process.returncode < 0:
            stopped = f"by {signal.Signals(-process.returncode).name}"
        return Watched(seconds, peak, resident, stopped, process.returncode, output.read(), errors.read())


def memory_of(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its highest, GB; zeros once it has ended."""
    status = Path(f"/proc/{pid}/status")
    if not Path("/proc/self/status").exists():
        # No /proc (macOS): the peak is then the highest that was seen.
        found = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=False, capture_output=True, text=True).stdout
        now = int(found.strip() or 0) * _GB_OF_KIB
        return now, now
    try:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if line.startswith("Vm"))
    except (FileNotFoundError, ProcessLookupError):
        lines = {}
    now, highest = (int(lines.get(name, "0 kB").split()[0]) * _GB_OF_KIB for name in ("VmRSS", "VmHWM"))
    return now, highest


def environment(home: Path, source: Path, dagster: Path) -> dict[str, str]:
    """The environment of a process that works on a home and a source, whatever settings this one has."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("COTERIE_")},
        "COTERIE_HOME": str(home),
        "COTERIE_SOURCE": str(source),
        "DAGSTER_HOME": str(dagster),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def told(stopped: str, step: str | None) -> str:
    """`stopped in `user_graph` at 20 GB`, from why (`Watched.stopped`) and the step that was running."""
    return f"stopped {f'in `{step}`' if step else 'between steps'} {stopped}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
