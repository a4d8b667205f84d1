"""Real processes, started quickly: forked from one that has imported everything and done nothing.

Belongs here: starting, waiting, killing. Does not belong here: what they run.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Imported once, by the server that forks: with these in place a process starts in a moment instead of ten seconds.
PRELOADED = ["tests.pipeline.run", "great_expectations", "great_expectations.expectations", "dbt.cli.main", "altair"]


def forking() -> ForkServerContext:
    """The context of processes that are forked from a server with everything imported."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(target: Callable[..., Any], *args: Any) -> ForkServerProcess:
    """Start a function in a process of its own."""
    process = forking().Process(target=target, args=args, daemon=True)
    process.start()
    return process


def finish(process: ForkServerProcess, seconds: float = 300) -> int:
    """Wait for a process; its exit code, negative for a signal."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"a process still ran after {seconds} s")
    return process.exitcode


def kill_after(process: ForkServerProcess, seconds: float) -> None:
    """SIGKILL after a while."""
    time.sleep(seconds)
    process.kill()
    process.join()


def wait_for_one(running: Iterable[ForkServerProcess]) -> None:
    """Wait until one of some processes has ended."""
    wait([process.sentinel for process in running])
    for process in running:
        process.join(0)
