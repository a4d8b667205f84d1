"""An export of the lake: which rows may be written, and a folder that is there whole or not at all.

Belongs here: reading what an export needs, guarding private tables, putting the folder in place. Does not belong here:
formats (coterie.export).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from coterie.errors import ExportError, MissingDayError
from coterie.export.handout import MARTS, Handout
from coterie.export.write import LAYOUT, MANIFEST, Options, write_export
from coterie.tables import MART_COMMUNITY_DAY, TABLES, Table
from resources.decisions import DecisionLog
from resources.lake import Lake, own_folder

HISTORY = timedelta(days=27)


@dataclass(frozen=True)
class Wanted:
    """Other tables to export: their names, and whether private ones, and columns that name persons, may be."""

    tables: Sequence[str] = ()
    private: bool = False


def handout_of(lake: Lake, day: date, *, since: date, source: str, disclosure_size: int) -> Handout:
    """What an export of a day is made of; of the marts, every published day from `since` on.

    Raises:
        MissingDayError: a table of the day is not published; the text says which.
        ExportError: `since` is after the day, or a mart tells of fewer users than `disclosure_size`.
        DecisionError: a line of the decisions cannot be read.
    """
    if since > day:
        raise ExportError(f"found {since} as the first day; expected {day}, the day of the export, or earlier")
    strategies = lake.read("strategies", day)
    for mart in MARTS:
        if not lake.has(mart.name, day):
            raise MissingDayError(f"{mart.name} of {day} is not in the lake. Materialize {mart.name} for {day} first.")
    marts = {mart.name: _days(lake, mart, since, day) for mart in MARTS}
    _check_size(marts, disclosure_size)
    return Handout(
        day=day,
        source=source,
        marts=marts,
        history=_days(lake, MART_COMMUNITY_DAY, day - HISTORY, day),
        strategies=strategies.select("strategy_id", "community_id", "action", "effect", "std_error"),
        decisions=DecisionLog(lake.home).read(),
        disclosure_size=disclosure_size,
    )


def _check_size(marts: Mapping[str, pl.DataFrame], disclosure_size: int) -> None:
    """The marts tell of groups as small as was set when they were made."""
    for name, frame in marts.items():
        small = frame.filter(pl.col("users_rounded") < disclosure_size)
        if small.height:
            raise ExportError(
                f"{name} of {small['day'][0]}: found a row about {small['users_rounded'][0]} users; expected at "
                f"least {disclosure_size} (COTERIE_DISCLOSURE_SIZE): the day was made with a smaller setting. "
                f"Materialize {name} for the day again"
            )


def others_of(lake: Lake, day: date, *, since: date, wanted: Wanted) -> dict[str, pl.DataFrame]:
    """Other tables by name, with `day`; columns that name persons are left out unless private rows may be written.

    Raises:
        ExportError: there is no such table, or it is private and that was not asked for.
        MissingDayError: the table is not published on the day.
    """
    found = {}
    for name in wanted.tables:
        table = TABLES.get(name)
        if table is None:
            raise ExportError(f"found the table {name!r}; expected one of {', '.join(TABLES)}")
        if table.private and not wanted.private:
            raise ExportError(
                f"{name} is private: it has rows about single users, or exact numbers about users, and stays in the lake. "
                "Expected a public table, or --private: then whoever has the files answers for them, and `coterie "
                "forget` does not reach them"
            )
        if not lake.has(name, day):
            raise MissingDayError(f"{name} of {day} is not in the lake. Materialize {name} for {day} first.")
        rows = _days(lake, table, since, day)
        found[name] = rows if wanted.private else rows.drop(table.persons)
    return found


def check_target(folder: Path, *, replace: bool) -> None:
    """Whether an export may be put there: a new or an empty folder, or an earlier export that may be replaced.

    An earlier export in which somebody has put or changed a file is not replaced: what is theirs would be gone.

    Raises:
        ExportError: it may not.
    """
    folder = folder.resolve()
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder}: found a file; expected a folder, or a name for a new one")
    if Path.cwd().is_relative_to(folder):
        raise ExportError(f"{folder}: found the folder that the command runs in; expected another one")
    if not any(folder.iterdir()):
        return
    manifest = _manifest_of(folder)
    if manifest is None:
        raise ExportError(f"{folder}: found files that are no export; expected a new or an empty folder")
    if not replace:
        raise ExportError(f"{folder}: found an earlier export; expected a new or an empty folder, or --replace")
    if theirs := _not_ours(folder, manifest):
        raise ExportError(
            f"{folder}: found {theirs}, which the earlier export did not write so; expected an export that nobody has "
            "added to or changed. Move the file elsewhere, or export to another folder"
        )


def put_export(handout: Handout, folder: Path, options: Options, *, replace: bool) -> list[Path]:
    """Write an export and put it in place by a rename; returns its files, below the folder.

    It is made in a hidden folder beside, which the next export to the same place wipes if this process is killed. Where
    an earlier export is replaced it is moved aside first: for that moment there is none, and never half a one.

    Raises:
        ExportError: the folder cannot be written, or may not be, see `check_target`.
    """
    folder = folder.resolve()
    beside = folder.parent / f".{folder.name}.next"
    try:
        # Two levels: the lock's owner also removes what stands empty above it, which must not be the user's folder.
        with own_folder(beside / "export" / "made") as room:
            check_target(folder, replace=replace)
            made, old = room / "new", room / "old"
            made.mkdir()
            files = write_export(handout, made, options)
            _put_in_place(made, folder, old)
    except OSError as error:
        raise ExportError(
            f"{folder}: {error.strerror or error} ({error.filename}); expected a folder that can be written"
        ) from error
    return [folder / file.relative_to(made) for file in files]


def _put_in_place(made: Path, folder: Path, old: Path) -> None:
    if folder.exists():
        os.replace(folder, old)
    try:
        os.replace(made, folder)
    except BaseException:
        if old.exists():
            os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    """What an export says of itself; None if it is no export."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("layout") == LAYOUT else None


def _not_ours(folder: Path, manifest: dict[str, Any]) -> str | None:
    """The first file that the manifest does not list, or lists with other content."""
    written = {file["path"]: file["sha256"] for file in manifest["files"]} | {MANIFEST: None}
    for path in sorted(p for p in folder.rglob("*") if not p.is_dir()):
        name = path.relative_to(folder).as_posix()
        if name not in written:
            return name
        if written[name] and hashlib.sha256(path.read_bytes()).hexdigest() != written[name]:
            return name
    return None


def _days(lake: Lake, table: Table, first: date, last: date) -> pl.DataFrame:
    """The rows of the published days, with `day`; columns that an older day lacks are null."""
    frames = [
        lake.read(table.name, day).select(pl.lit(day).alias("day"), pl.all())
        for day in lake.days(table.name)
        if first <= day <= last
    ]
    empty = table.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all())
    return pl.concat([empty, *frames], how="diagonal").select(empty.columns)
