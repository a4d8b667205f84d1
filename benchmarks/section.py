"""What a section of the bench is: how it is measured, one setting and one seed at a time, and how it is shown.

Belongs here: the interface between the command (`benchmarks.run`) and the sections, and the path of stored rows. Does
not belong here: any measure.

A section is a module that ends with

    SECTION = Section("communities", "Communities", settings, measure, render)

and is named in `benchmarks.run.SECTIONS`. `measure` runs in a process of a pool, without state that it shares with
others; what it returns is stored as Parquet, and `render` makes the section's Markdown and plots from the stored rows of
all settings and seeds, so that a killed run goes on where it was and the page can be made anew without measuring.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

Value = str | int | float | bool


@dataclass(frozen=True)
class Setting:
    """One setting that a section is measured under.

    Attributes:
        values: what the rows say of it: a column for each name. Equal names in all settings of a section.
        data: a folder of data outside the project that `measure` reads; no column, and it never shows on the page.
    """

    values: Mapping[str, Value]
    data: Path | None = field(default=None, compare=False)

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    @property
    def slug(self) -> str:
        """The name of the setting's folder: short, readable, and its own."""
        text = json.dumps(dict(self.values), sort_keys=True)
        words = "-".join(str(v) for v in self.values.values())
        readable = "".join(c if c.isalnum() or c in "-." else "_" for c in words)[:40]
        return f"{readable or 'all'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Options:
    """What the command was given that a section's settings may depend on.

    Attributes:
        reddit: folder of `events.parquet` and `items.parquet` of a real log with known groups; None if not given.
        days: length of the long history whose cost is measured.
        sizes: events of each large day whose cost is measured.
    """

    reddit: Path | None = None
    days: int = 60
    sizes: tuple[int, ...] = (100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True)
class Section:
    """A section of docs/benchmarks.md.

    Attributes:
        name: in `--only`, the folder of stored rows and the prefix of plots.
        title: its heading. `render` writes what stands under it and no heading of the second level.
        settings: what it is measured under, given the command's options; none: nothing is measured, and the page keeps
            what an earlier run found.
        measure: rows of one setting and one seed (1, 2, ...): at least `method`, `measure` and `value` (Float64, null
            for what is not defined), and columns of its own; equal columns in all settings. The columns of the setting
            and `seed` are added by the command, and a returned column of such a name is an error.
        render: Markdown from the rows of all settings and seeds; plots are saved into the folder (docs/benchmarks) as
            `<name>-<what>.svg` (`benchmarks.show.save`) and linked as `benchmarks/<name>-<what>.svg`.
        seeds: measured for at most so many seeds; None for as many as the command is told.
        alone: nothing else runs beside it: for sections that measure time or memory.
        version: of `measure`; a change makes stored rows of the section worthless, and they are measured anew.
    """

    name: str
    title: str
    settings: Callable[[Options], Sequence[Setting]]
    measure: Callable[[Setting, int], pl.DataFrame]
    render: Callable[[pl.DataFrame, Path], str]
    seeds: int | None = None
    alone: bool = False
    version: int = 1


def rows(measures: Mapping[tuple[str, str], float | None]) -> pl.DataFrame:
    """The frame of a measure: method, measure, value, from {(method, measure): value}."""
    return pl.DataFrame(
        [(method, measure, None if value is None else float(value)) for (method, measure), value in measures.items()],
        schema={"method": pl.String, "measure": pl.String, "value": pl.Float64},
        orient="row",
    )


def stored(work: Path, section: Section, setting: Setting, seed: int) -> Path:
    """Where the rows of a setting and a seed are kept."""
    return work / section.name / f"v{section.version}" / setting.slug / f"seed-{seed:03d}.parquet"
