"""The tables of what a day costs.

Belongs here: words and cells. Does not belong here: measuring (cost).
"""

import statistics
from collections.abc import Sequence

import polars as pl

from benchmarks.floors import WORDS
from benchmarks.oldway import NAME, STEPS
from benchmarks.show import folded, table
from benchmarks.watch import Bounds

FLAT, SIZE = "long history", "size"
COTERIE, FLOOR, OLD_WAY = "Coterie", "floor", "old way"
WHOLE, SECONDS, GB = "whole day", "s", "GB"
Cells = dict[tuple[str, str, str], tuple[float | None, str | None]]


def sizes(rows: pl.DataFrame, bounds: Bounds) -> str:
    """Seconds of each step at each size, and as a ratio to its floor."""
    found = {events: _cells(part) for events, part in _by_size(rows)}
    head = ["step", *(text for events in found for text in (f"{events:,} events, s", "÷ floor"))]
    names = _steps(rows)
    lines = [
        [f"`{name}`", *(text for cells in found.values() for text in _seconds_and_ratio(cells, name))]
        for name in names
    ]  # fmt: skip
    lines.append(["between the steps", *(text for c in found.values() for text in (_between(c, names), "-"))])
    lines.append([f"**{WHOLE}**", *(text for c in found.values() for text in _whole_and_ratio(c))])
    lines.append(["sum of the floors", *(text for c in found.values() for text in (_told(_sum_of_floors(c)), ""))])
    lines.append(["events a second", *(text for events, c in found.items() for text in (_rate(events, c), ""))])
    lines.append(["peak memory, GB", *(text for c in found.values() for text in (_told(_get(c, WHOLE, GB)), ""))])
    ends = [f"- {events:,} events: {note}." for events, c in found.items() if (note := _note(c, COTERIE, WHOLE))]
    ends += [
        f"- {events:,} events, the floor of `{step}`: {note}."
        for events, c in found.items()
        for step in WORDS
        if (note := _note(c, FLOOR, step))
    ]
    days = "; ".join(
        f"{events:,} events: {users:,} users, {'first day' if days == 1 else f'day {days}, with the state of the day before'}"
        for events, users, days in rows.select("events", "users", "days").unique().sort("events").iter_rows()
    )
    floors = "\n".join(f"- `{step}`: {words}." for step, words in WORDS.items())
    stopped = "\nWhat did not finish:\n\n" + "\n".join(ends) + "\n" if ends else ""
    return (
        f"### Days of {', '.join(f'{events:,}' for events in found)} events\n\n"
        f"Simulated platforms with showings logged ({days}); above 5 million events a day, several platforms side by side "
        "as one log. The daily job runs in one process, which is stopped above "
        f"{bounds.gigabytes:g} GB of resident memory or after {bounds.seconds / 60:g} minutes; its steps' times are "
        "those of Dagster's event log.\n\n"
        f"{table(head, lines)}{stopped}\n"
        "A floor is the least work that a step cannot do without, done bare on the same data in a fresh process (the "
        f"fastest of up to five times); steps without one show none:\n\n{floors}\n\n"
        "The size of the user graph is bounded: `COTERIE_GRAPH_USERS` (50,000 by default) users are in it, everyone "
        "else is assigned by the same membership model.\n"
    )


def floors_and_memory(rows: pl.DataFrame) -> str:
    """The floors in seconds, and the largest resident memory while each step ran, folded."""
    found = {events: _cells(part) for events, part in _by_size(rows)}
    head = [f"{events:,} events" for events in found]
    floors = [[f"`{name}`", *(_told(_get(c, name, SECONDS, FLOOR), 2) for c in found.values())] for name in WORDS]
    gigabytes = [[f"`{name}`", *(_told(_get(c, name, GB)) for c in found.values())] for name in _steps(rows)]
    note = "Resident memory of the whole process, seen ten times a second; a step also carries what earlier ones left."
    body = f"{table(['floor, seconds', *head], floors)}\n{note}\n\n{table(['step, GB', *head], gigabytes)}"
    return folded("Floors in seconds, and memory by step", body) + "\n"


def old_way(rows: pl.DataFrame, history: pl.DataFrame, bounds: Bounds) -> str:
    """The usual way beside Coterie's day, at the sizes at which it was tried; nothing if at none."""
    found = {events: _cells(part) for events, part in _by_size(rows)}
    found = {events: cells for events, cells in found.items() if (OLD_WAY, WHOLE, SECONDS) in cells}
    if not found:
        return ""
    lines = [[f"{NAME}: {step}", *(_told(_get(c, step, SECONDS, OLD_WAY)) for c in found.values())] for step in STEPS]
    for method, name in ((OLD_WAY, NAME), (COTERIE, COTERIE)):
        lines.append(
            [f"**{name}: {WHOLE}**", *(_value_or_note(c.get((method, WHOLE, SECONDS)), 1) for c in found.values())]
        )
        lines.append([f"{name}: peak memory, GB", *(_told(_get(c, WHOLE, GB, method)) for c in found.values())])
    verdicts = [v for events, cells in found.items() if (v := _verdict(events, cells))]
    return (
        "### Beside pandas, networkx and python-louvain\n\n"
        "The script that people write: pandas reads the day's files, drops repeated ids and counts plays and likes by "
        "user and item; networkx ties users by the items they share (`weighted_projected_graph`); python-louvain finds "
        "groups. It ends there, without labels, expectations, history, ids that stay, verdicts, strategies or a report, "
        "which are in Coterie's day. Same source, same run; the script is stopped above "
        f"{bounds.gigabytes:g} GB or after {bounds.seconds / 60:g} minutes.\n\n"
        f"{table(['seconds', *(f'{events:,} events' for events in found)], lines)}\n"
        f"{' '.join([*verdicts, _fixed(history)])}\n"
    )


def flat(rows: pl.DataFrame, days: int) -> str:
    """A day early and late in a long history."""
    whole = rows.filter((pl.col("measure") == WHOLE) & (pl.col("unit") == SECONDS))
    stopped = whole["note"].drop_nulls().to_list()
    wall = dict(whole.drop_nulls("value").select("day", "value").iter_rows())
    title = f"### The cost of a day in a history of {days} days\n\n"
    if stopped:
        return f"{title}{len(wall)} of {days} days finished: {stopped[0]}.\n"
    (begin, early), (end, late), size = _early(wall), _late(wall), _window(days)
    lines = [
        [f"{begin} to {begin + size - 1}", f"{early:.1f}"],
        [f"{end} to {end + size - 1}", f"{late:.1f}"],
        ["ratio", f"{late / early:.2f}"],
    ]
    users, events = (int(rows[name][0]) for name in ("users", "events"))
    return (
        f"{title}{events:,} events a day, {users:,} users; wall time of the whole daily job, median of {size} days.\n\n"
        f"{table(['days', 'seconds'], lines)}"
        "\nThe first days have no suggestions yet; the last ones have suggestions, plans and scores to make.\n"
    )


def _window(days: int) -> int:
    return min(5, max(1, days // 2))


def _early(wall: dict[int, float]) -> tuple[int, float]:
    size = _window(len(wall))
    begin = 4 if len(wall) >= 4 + 2 * size else 1
    return begin, statistics.median(wall[d] for d in range(begin, begin + size))


def _late(wall: dict[int, float]) -> tuple[int, float]:
    begin = len(wall) - _window(len(wall)) + 1
    return begin, statistics.median(wall[d] for d in range(begin, len(wall) + 1))


def _by_size(rows: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """The rows of the last day of each size."""
    found = []
    for events in rows["events"].unique().sort().to_list():
        part = rows.filter(pl.col("events") == events)
        ours = part.filter(pl.col("method") == COTERIE)["day"].max()
        found.append((int(events), part.filter((pl.col("method") != COTERIE) | (pl.col("day") == ours))))
    return found


def _cells(rows: pl.DataFrame) -> Cells:
    columns = rows.select("method", "measure", "unit", "value", "note").iter_rows()
    return {(method, measure, unit): (value, note) for method, measure, unit, value, note in columns}


def _get(cells: Cells, measure: str, unit: str, method: str = COTERIE) -> float | None:
    return cells.get((method, measure, unit), (None, None))[0]


def _note(cells: Cells, method: str, measure: str) -> str | None:
    return cells.get((method, measure, SECONDS), (None, None))[1]


def _steps(rows: pl.DataFrame) -> list[str]:
    """Steps in the order in which the largest number of them ran."""
    ours = rows.filter((pl.col("method") == COTERIE) & (pl.col("unit") == SECONDS) & (pl.col("measure") != WHOLE))
    runs = [part["measure"].to_list() for _, part in ours.group_by("events", maintain_order=True)]
    longest: list[str] = max(runs, key=len, default=[])
    return [*longest, *sorted({name for run in runs for name in run} - set(longest))]


def _told(value: float | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if value >= 1 or value == 0 else f"{value:.2g}"


def _value_or_note(cell: tuple[float | None, str | None] | None, digits: int) -> str:
    if cell is None:
        return "not reached"
    value, note = cell
    return note or _told(value, digits)


def _ratio(value: float | None, floor: float | None) -> str:
    return (
        "-"
        if value is None or not floor
        else (f"{value / floor:,.0f}" if value >= 10 * floor else f"{value / floor:.1f}")
    )


def _seconds_and_ratio(cells: Cells, step: str) -> tuple[str, str]:
    found = cells.get((COTERIE, step, SECONDS))
    if found is None:
        finished = _get(cells, WHOLE, SECONDS, COTERIE) is not None
        return "-" if finished else "not reached", "-"  # the version that was measured had no such step
    return "stopped" if found[0] is None else _told(found[0]), _ratio(found[0], _get(cells, step, SECONDS, FLOOR))


def _whole_and_ratio(cells: Cells) -> tuple[str, str]:
    value, _ = cells.get((COTERIE, WHOLE, SECONDS), (None, None))
    return "stopped" if value is None else f"**{_told(value)}**", _ratio(value, _sum_of_floors(cells))


def _sum_of_floors(cells: Cells) -> float | None:
    floors = [_get(cells, step, SECONDS, FLOOR) for step in WORDS]
    known = [floor for floor in floors if floor is not None]
    return sum(known) if len(known) == len(floors) else None


def _between(cells: Cells, steps: Sequence[str]) -> str:
    whole = _get(cells, WHOLE, SECONDS)
    return "-" if whole is None else _told(whole - sum(_get(cells, step, SECONDS) or 0.0 for step in steps))


def _rate(events: int, cells: Cells) -> str:
    whole = _get(cells, WHOLE, SECONDS)
    return "-" if whole is None else f"{events / whole:,.0f}"


def _verdict(events: int, cells: Cells) -> str:
    ours, theirs = _get(cells, WHOLE, SECONDS), _get(cells, WHOLE, SECONDS, OLD_WAY)
    if ours is None or theirs is None:
        return ""
    if ours > theirs:
        return f"At {events:,} events the script is quicker: Coterie's day takes {ours / theirs:.2g} times as long."
    return f"At {events:,} events Coterie's day is quicker: the script takes {theirs / ours:.2g} times as long."


def _fixed(history: pl.DataFrame) -> str:
    """What a day costs that has next to no events."""
    wall = {
        day: value
        for day, measure, unit, value in history.select("day", "measure", "unit", "value").iter_rows()
        if (measure, unit) == (WHOLE, SECONDS) and value is not None
    }
    cost = "Part of Coterie's day costs the same at any size: Dagster's records and checks, three builds of dbt, the report"
    if not wall:
        return f"{cost}."
    return f"{cost}. A day of {int(history['events'][0]):,} events, measured below, is little else: {_early(wall)[1]:.1f} s."
