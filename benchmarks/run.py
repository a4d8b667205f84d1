"""`make bench`: measures the sections of the bench and writes docs/benchmarks.md.

`python -m benchmarks.run [--seeds N] [--only SECTION ...] [--reddit PATH] [--sizes N ...] [--render]`. Rows are kept
under `.bench/` as Parquet, one file for each section, setting and seed, so a killed run goes on where it was, and
`--render` writes the page anew without measuring. Rows that another version of the library made are measured anew,
unless `--keep`.

Belongs here: the order of the work, the store, the page. Does not belong here: any measure (the sections have them).
"""

import argparse
import hashlib
import importlib
import multiprocessing
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.section import Options, Section, Setting, stored

ROOT = Path(__file__).parent.parent
SECTIONS = ("communities", "nulls", "identity", "reddit", "strategies", "labels", "label_cost", "cost")
AT_ONCE = 2
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
LIBRARIES = ("numpy", "scipy", "polars", "duckdb", "igraph", "leidenalg", "networkx", "python-louvain", "scikit-learn")
# What rows depend on, beside the sections, which count the versions of their measures themselves.
PLUMBING = ("worlds.py", "pipeline.py", "peers.py", "scores.py")
CONSOLE = Console(stderr=True)
INTRODUCTION = """\
# Benchmarks

`make bench` makes this page: every figure below is measured by that one command, side by side, by the modules in
`benchmarks/`. Where the truth must be known, the data are simulated platforms (`coterie simulate`); a seed is a platform
of its own. `a ± b` is the mean over seeds and the half-width of its 95 % interval (Student's t). Figures are published
as they are.
"""


@dataclass(frozen=True)
class Task:
    """One setting of one section, for one seed."""

    section: str
    setting: Setting
    seed: int


@dataclass(frozen=True)
class Made:
    """How the rows of a section came about, read from the files that hold them."""

    rows: pl.DataFrame
    seeds: tuple[int, int]  # fewest and most of a setting
    settings: int
    seconds: float
    libraries: tuple[str, ...]
    machines: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for and write the page; 1 if something failed."""
    given = _parse(arguments)
    options = Options(given.reddit, given.days, tuple(sorted(given.sizes)))
    sections = [section for name in SECTIONS if (section := load(name)) is not None]
    failed = 0
    if not given.render:
        asked = [s for s in sections if not given.only or s.name in given.only]
        failed = _measure(asked, options, given)
    write_page(sections, options, given.seeds, given.work, given.page)
    CONSOLE.print(f"{given.page}: written")
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="seeds of the sections with simulated platforms")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--reddit", type=Path, help="folder with events.parquet and items.parquet of reddit_college")
    parser.add_argument("--render", action="store_true", help="write the page from stored rows, measure nothing")
    parser.add_argument("--keep", action="store_true", help="keep stored rows of other versions of the library")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench", help="folder of stored rows")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md", help="the page; plots beside it")
    parser.add_argument("--days", type=int, default=Options.days, help="cost: length of the long history")
    parser.add_argument(
        "--sizes", nargs="+", type=_count, default=Options.sizes, help="cost: events of each large day, such as 1e6 1e7"
    )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """A whole number, also as 1e6."""
    number = float(text)
    if number != int(number) or number < 1000:
        raise argparse.ArgumentTypeError(f"found {text}; expected a whole number of at least 1000, such as 1e6")
    return int(number)


def load(name: str) -> Section | None:
    """The section of a module of benchmarks/; None if there is no such module, or no section in it."""
    try:
        found = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"benchmarks.{name}":
            raise
        return None
    section = getattr(found, "SECTION", None)
    return section if isinstance(section, Section) else None


def fingerprint() -> str:
    """A hash of what rows depend on: the library and the plumbing of the bench."""
    library = [p for p in (ROOT / "coterie").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    whole = hashlib.sha256()
    for path in sorted([*library, *(ROOT / "benchmarks" / name for name in PLUMBING)]):
        whole.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:8]


def machine() -> str:
    """Cores, memory, processor, versions: a sentence."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor() or platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GB of memory; Python {platform.python_version()}, {versions}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def _measure(sections: Sequence[Section], options: Options, given: argparse.Namespace) -> int:
    """Measure what is not stored yet; how many tasks failed."""
    of = {section.name: section for section in sections}
    current, here = fingerprint(), machine()
    tasks = [
        Task(section.name, setting, seed)
        for section in sections
        for seed in range(1, min(given.seeds, section.seeds or given.seeds) + 1)
        for setting in section.settings(options)
    ]
    failed = 0
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        bars = {
            name: progress.add_task(name, total=sum(t.section == name for t in tasks), start=False) for name in of
        }  # fmt: skip
        for alone in (False, True):
            todo = []
            for task in (t for t in tasks if of[t.section].alone is alone):
                path = stored(given.work, of[task.section], task.setting, task.seed)
                if path.exists() and (given.keep or pl.read_parquet_metadata(path).get("library") == current):
                    progress.advance(bars[task.section])
                else:
                    todo.append((task, path))
            for name in {task.section for task, _ in todo}:
                progress.start_task(bars[name])
            with _pool(1 if alone else AT_ONCE, threads=None if alone else 1) as pool:
                waiting: dict[Future[float], Task] = {
                    pool.submit(perform, task, path, {"library": current, "machine": here}): task for task, path in todo
                }
                for done in as_completed(waiting):
                    task = waiting[done]
                    progress.advance(bars[task.section])
                    if (error := done.exception()) is not None:
                        failed += 1
                        CONSOLE.print(
                            f"{task.section} {dict(task.setting.values)} seed {task.seed}: {error!r}", style="red"
                        )
    return failed


@contextmanager
def _pool(size: int, *, threads: int | None) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, each with so many threads in the libraries that have threads of their own."""
    before = {name: os.environ.get(name) for name in THREADS}
    if threads is not None:
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
    pool = ProcessPoolExecutor(size, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def perform(task: Task, path: Path, made: dict[str, str]) -> float:
    """Measure one setting for one seed and store its rows, whole or not at all; the seconds of the processor it took.

    Raises:
        ValueError: a section's rows lack a column, or have one of the command's own.
    """
    section = load(task.section)
    assert section is not None
    began, wall = time.process_time(), time.perf_counter()
    rows = section.measure(task.setting, task.seed)
    took = time.process_time() - began
    added = {**task.setting.values, "seed": task.seed}
    if {"method", "measure", "value"} - set(rows.columns) or set(added) & set(rows.columns):
        raise ValueError(f"{task.section}: expected method, measure, value and none of {set(added)}: {rows.columns}")
    rows = rows.with_columns(pl.lit(value).alias(name) for name, value in added.items())
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}.part")
    metadata = {**made, "seconds": f"{took:.2f}", "wall": f"{time.perf_counter() - wall:.2f}"}
    rows.write_parquet(half, metadata=metadata)
    half.replace(path)
    return took


def made(section: Section, options: Options, seeds: int, work: Path) -> Made | None:
    """The stored rows of a section's settings, for the seeds 1 to `seeds`; None if there are none."""
    settings = list(section.settings(options))
    if not settings and (work / section.name).exists():
        # Measured by an earlier run that was given the data; this one was not.
        folders = sorted((work / section.name / f"v{section.version}").glob("*"))
    else:
        folders = [stored(work, section, setting, 1).parent for setting in settings]
    wanted = range(1, min(seeds, section.seeds or seeds) + 1)
    files = [[p for s in wanted if (p := folder / f"seed-{s:03d}.parquet").exists()] for folder in folders]
    if not any(files):
        return None
    about = [pl.read_parquet_metadata(path) for paths in files for path in paths]
    counts = [len(paths) for paths in files]
    return Made(
        rows=pl.concat([pl.read_parquet(path) for paths in files for path in paths]),
        seeds=(min(counts), max(counts)),
        settings=len(folders),
        seconds=sum(float(a.get("wall" if section.alone else "seconds", 0)) for a in about),
        libraries=tuple(sorted({a.get("library", "") for a in about})),
        machines=tuple(sorted({a.get("machine", "") for a in about})),
    )


def write_page(sections: Sequence[Section], options: Options, seeds: int, work: Path, page: Path) -> None:
    """Write the page: each section from its rows, or, if there are none, as the page has it already."""
    earlier = page.read_text(encoding="utf-8") if page.exists() else ""
    found = {section.name: made(section, options, seeds, work) for section in sections}
    parts = []
    for section in sections:
        of = found[section.name]
        if of is None:
            parts.append(_kept(earlier, section.name))
            continue
        text = (
            f"## {section.title}\n\n{section.render(of.rows, page.parent / page.stem).strip()}\n\n{_how(section, of)}"
        )
        parts.append(_between(text, section.name))
    parts = [INTRODUCTION, _machines(found.values(), earlier, "".join(parts)), *parts]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(part.strip() for part in parts if part) + "\n", encoding="utf-8")


def _name(about: str) -> str:
    return hashlib.sha256(about.encode()).hexdigest()[:4]


def _machines(found: Iterable[Made | None], earlier: str, text: str) -> str:
    """A line for each machine that the page's sections name, those of sections that are kept among them."""
    known = dict(re.findall(r"^- Machine (\w+): (.*)\.$", earlier, flags=re.MULTILINE))
    known |= {_name(about): about for of in found if of for about in of.machines}
    return "\n".join(f"- Machine {name}: {known[name]}." for name in sorted(known) if f"machine {name}," in text)


def _how(section: Section, of: Made) -> str:
    low, high = of.seeds
    many = f"{high} seed{'s' if high > 1 else ''}" + ("" if low == high else f" ({low} where it stopped)")
    kind = "minutes" if section.alone else "minutes of one core"
    on = " and machine ".join(_name(about) for about in of.machines)
    return (
        f"*Measured with `python -m benchmarks.run --only {section.name}`: {of.settings} setting"
        f"{'s' if of.settings > 1 else ''}, {many}, {of.seconds / 60:.1f} {kind}, machine {on}, "
        f"library {', '.join(of.libraries)}.*"
    )


def _between(text: str, name: str) -> str:
    return f"<!-- {name} -->\n{text.strip()}\n<!-- end of {name} -->"


def _kept(earlier: str, name: str) -> str:
    """The part of an earlier page, with its marks; nothing if it has no such part."""
    found = re.search(rf"<!-- {name} -->.*?<!-- end of {name} -->", earlier, flags=re.DOTALL)
    return found.group(0) if found else ""


if __name__ == "__main__":
    sys.exit(main())
