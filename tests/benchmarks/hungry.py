"""A job of two steps, the second of which takes more memory every moment: `python -m tests.benchmarks.hungry`."""

import time

import dagster as dg


@dg.op
def light() -> int:
    return 50_000_000


@dg.op
def heavy(step: int) -> None:
    held = []
    while True:
        held.append(b"1" * step)
        time.sleep(0.02)


@dg.job
def eating() -> None:
    heavy(light())


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        eating.execute_in_process(instance=instance)
