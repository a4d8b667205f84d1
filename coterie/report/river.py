"""The river of movement: where bars of communities and bands of members lie.

Belongs here: places. Does not belong here: drawing, and counting who moved.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

SPACE = 0.3  # what lies between rows, as a share of what the rows hold
LEAST = 0.55  # height of the lowest row, as a share of that of an average one: its name needs room
STEPS = (0.0, 0.35, 0.65, 1.0)  # where a band's outline has points, between two columns


@dataclass(frozen=True)
class Bar:
    """A community on a day; `x` counts days back from the last, which is 0."""

    x: int
    day: date
    community: str | None
    users: int
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """Members who were in `source` on one day and in `target` on the next; the outline is (x, low, high)."""

    source: str | None
    target: str | None
    users: int
    move: str
    keys: str
    outline: Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class River:
    """Bars and bands in one height; each community has a row of its own, at least `slot` high."""

    bars: Sequence[Bar]
    bands: Sequence[Band]
    height: float
    slot: float
    rows: int


def move_of(source: str | None, target: str | None) -> str:
    """What a band means: stayed, moved, arrived or left."""
    if source == target:
        return "stayed"
    return "arrived" if source is None else "left" if target is None else "moved"


def river(moves: pl.DataFrame, *, before: date | None = None) -> River | None:
    """Lay out moves; None if there are none to show.

    A bar is as high as the larger of what comes in and what goes out. Who has no community on either day is not drawn:
    on many platforms that is most people.

    Args:
        moves: day (pl.Date, the later of two), source, target (pl.String, null: no community), users_rounded.
        before: the earlier of two days that are compared: keys of bands then are source and target alone.
    """
    shown = moves.filter(~(pl.col("source").is_null() & pl.col("target").is_null()))
    if shown.is_empty():
        return None
    days = sorted(shown["day"].unique().to_list())
    flows: dict[date, list[tuple[str | None, str | None, int]]] = {
        day: [
            (s, t, n) for d, s, t, n in shown.select("day", "source", "target", "users_rounded").iter_rows() if d == day
        ]
        for day in days
    }
    sizes = _sizes(days, flows)
    order = _order(sizes)
    tops, slot, height = _rows(sizes, order)
    bars = _bars(sizes, order, [before or date.fromordinal(days[0].toordinal() - 1), *days], tops)
    bands = _bands(days, flows, order, tops)
    if before:
        bands = [replace(band, keys=json.dumps([band.source, band.target], ensure_ascii=False)) for band in bands]
    return River(bars, bands, height, slot, len(order))


def _sizes(
    days: list[date], flows: dict[date, list[tuple[str | None, str | None, int]]]
) -> list[dict[str | None, int]]:
    """What each column's bars hold; column 0 is the day before the first."""
    inward: list[dict[str | None, int]] = [defaultdict(int) for _ in range(len(days) + 1)]
    outward: list[dict[str | None, int]] = [defaultdict(int) for _ in range(len(days) + 1)]
    for n, day in enumerate(days):
        for source, target, users in flows[day]:
            outward[n][source] += users
            inward[n + 1][target] += users
    return [
        {name: max(a.get(name, 0), b.get(name, 0)) for name in {*a, *b}} for a, b in zip(inward, outward, strict=True)
    ]


def _order(sizes: list[dict[str | None, int]]) -> dict[str | None, int]:
    """One order for all columns, largest last day first, so that who stays runs straight; no community comes last."""
    names = {name for column in sizes for name in column}
    last = {name: next((column[name] for column in reversed(sizes) if name in column), 0) for name in names}
    ordered = sorted(names, key=lambda name: (name is None, -last[name], name or ""))
    return {name: n for n, name in enumerate(ordered)}


def _rows(
    sizes: list[dict[str | None, int]], order: dict[str | None, int]
) -> tuple[dict[str | None, float], float, float]:
    """Where each community's row begins, the height of the lowest row, and that of all."""
    largest = {name: max(column.get(name, 0) for column in sizes) for name in order}
    whole = sum(largest.values())
    slot, gap = LEAST * whole / len(order), SPACE * whole / len(order)
    tops, at = {}, 0.0
    for name in sorted(order, key=lambda name: order[name]):
        tops[name] = at
        at += max(largest[name], slot) + gap
    return tops, slot, at - gap


def _bars(
    sizes: list[dict[str | None, int]], order: dict[str | None, int], days: list[date], tops: dict[str | None, float]
) -> list[Bar]:
    return [
        Bar(n + 1 - len(days), days[n], name, column[name], tops[name], tops[name] + column[name])
        for n, column in enumerate(sizes)
        for name in sorted(column, key=lambda name: order[name])
    ]


def _bands(
    days: list[date],
    flows: dict[date, list[tuple[str | None, str | None, int]]],
    order: dict[str | None, int],
    tops: dict[str | None, float],
) -> list[Band]:
    bands = []
    for n, day in enumerate(days):
        leaving, coming = dict(tops), dict(tops)
        for source, target, users in sorted(flows[day], key=lambda flow: (order[flow[0]], order[flow[1]])):
            a, b = leaving[source], coming[target]
            leaving[source] += users
            coming[target] += users
            x = n - len(days)
            outline = []
            for step in STEPS:
                # Flat at both ends: the band leaves one bar and meets the other straight.
                share = 0.0 if step < 0.5 else 1.0
                low = a + (b - a) * share
                outline.append((round(x + 0.02 + 0.96 * step, 3), round(low, 2), round(low + users, 2)))
            keys = json.dumps([day.isoformat(), source, target], ensure_ascii=False)
            bands.append(Band(source, target, users, move_of(source, target), keys, outline))
    return bands
