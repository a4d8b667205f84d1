"""An export: every format of a day, into one folder.

Belongs here: which file has which name, and the manifest. Does not belong here: what is in a file (its own module), and
putting the folder in place (resources.export).
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

import polars as pl

from coterie.errors import ExportError
from coterie.export import tableau
from coterie.export.findings import findings
from coterie.export.handout import MARTS, Handout
from coterie.export.plain_files import write_csv, write_parquet
from coterie.strategies.action import SCHEMA_FILE, action_schema
from coterie.strategies.decisions import MEANINGS
from coterie.tables import TABLES

MANIFEST = "manifest.json"
LAYOUT = "coterie-export/1"
TEMPLATE = "template.pptx"
OF_ANY_TABLE = ("parquet", "csv", "hyper")
# Format -> what it makes, in words.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "parquet": "tables/parquet/<table>.parquet, for programs",
        "csv": "tables/csv/<table>.csv, for spreadsheets",
        "json": f"actions.json, for services, and its schema {SCHEMA_FILE}",
        "xlsx": "strategies.xlsx",
        "pptx": "findings.pptx",
        "ppttc": "findings.ppttc, for think-cell",
        "power-bi": "power_bi/Coterie.pbip, on the Parquet files",
        "hyper": "coterie.hyper, for Tableau",
    }
)
_DECISIONS, _DAYS = "decisions", "days"


@dataclass(frozen=True)
class Options:
    """How to write: formats (of FORMATS), other tables of the lake as their name -> rows, and think-cell's template."""

    formats: Collection[str] = tuple(FORMATS)
    others: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    template: str = TEMPLATE


def check_formats(formats: Sequence[str] | None, others: Sequence[str] = ()) -> tuple[str, ...]:
    """The formats to write: those asked for, or all that can be written here.

    Args:
        formats: those asked for.
        others: names of other tables that are asked for.

    Raises:
        ExportError: there is no such format, what it needs is not installed, or none of them can hold the other tables.
    """
    for name in formats or ():
        if name not in FORMATS:
            raise ExportError(f"found the format {name!r}; expected one of {', '.join(FORMATS)}")
    if "hyper" in (formats or ()) and not tableau.available():
        raise ExportError(f"the format 'hyper' cannot be written. {tableau.MISSING}")
    chosen = tuple(formats or [name for name in FORMATS if name != "hyper" or tableau.available()])
    # Power BI reads the Parquet files.
    wanted = {*chosen, "parquet"} if "power-bi" in chosen else set(chosen)
    if others and not wanted & set(OF_ANY_TABLE):
        raise ExportError(
            f"found the table {others[0]!r} with the format {chosen[0]!r}, which does not hold it; expected one of "
            f"{', '.join(OF_ANY_TABLE)} as well"
        )
    return tuple(name for name in FORMATS if name in wanted)


def write_export(handout: Handout, folder: Path, options: Options) -> Sequence[Path]:
    """Write a day into an empty folder; returns the files, manifest last.

    Equal handouts and options give equal bytes, coterie.hyper apart.
    """
    tables = _tables(handout)
    everything = {**tables, **options.others}
    formats = options.formats
    if "parquet" in formats:
        (folder / "tables" / "parquet").mkdir(parents=True)
        for name, frame in everything.items():
            write_parquet(frame, folder / "tables" / "parquet" / f"{name}.parquet")
    if "csv" in formats:
        (folder / "tables" / "csv").mkdir(parents=True)
        for name, frame in everything.items():
            write_csv(frame, folder / "tables" / "csv" / f"{name}.csv")
    if "json" in formats:
        _write_actions(handout, folder)
    _write_office(handout, folder, options)
    if "power-bi" in formats:
        _write_power_bi(tables, folder / "power_bi")
    if "hyper" in formats:
        tableau.write_hyper(everything, folder / "coterie.hyper")
    return _write_manifest(handout, folder, everything)


def _tables(handout: Handout) -> dict[str, pl.DataFrame]:
    """The tables of every export: the marts, the decisions that hold, and the days that the marts have rows of."""
    marts = {mart.name: handout.marts[mart.name] for mart in MARTS}
    days = pl.concat([frame.select("day") for frame in marts.values()]).unique().sort("day")
    return {**marts, _DECISIONS: handout.decided, _DAYS: days}


def _write_actions(handout: Handout, folder: Path) -> None:
    schema = action_schema()
    actions = {"schema": schema["$id"], "day": handout.day.isoformat(), "actions": handout.actions()}
    (folder / "actions.json").write_text(_json(actions), encoding="utf-8")
    (folder / SCHEMA_FILE).write_text(_json(schema), encoding="utf-8")


def _write_office(handout: Handout, folder: Path, options: Options) -> None:
    found = findings(handout)
    if "xlsx" in options.formats:
        from coterie.export.workbook import workbook

        (folder / "strategies.xlsx").write_bytes(workbook(handout, found))
    if "pptx" in options.formats:
        from coterie.export.deck import deck

        (folder / "findings.pptx").write_bytes(deck(found, day=handout.day, source=handout.source))
    if "ppttc" in options.formats:
        from coterie.export.think_cell import ppttc

        text = ppttc(found, day=handout.day, source=handout.source, template=options.template)
        (folder / "findings.ppttc").write_text(text, encoding="utf-8")


def _write_power_bi(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    from coterie.export.power_bi import Described, Link, project

    rows = {_DECISIONS: "the decision that holds for a suggestion", _DAYS: "a day that the tables have rows of"}
    described = {}
    for name, frame in tables.items():
        contract = TABLES.get(name)
        meanings = {"day": "The day", **({c.name: c.meaning for c in contract.columns} if contract else MEANINGS)}
        described[name] = Described(frame.schema, contract.row if contract else rows[name], meanings)
    links = (
        *(Link(mart.name, "day", _DAYS, "day") for mart in MARTS),
        Link("mart_strategy_board", "strategy_id", _DECISIONS, "strategy_id"),
    )
    for path, text in project(described, links).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")


def _write_manifest(handout: Handout, folder: Path, tables: Mapping[str, pl.DataFrame]) -> Sequence[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "layout": LAYOUT,
        "coterie": metadata.version("coterie"),
        "day": handout.day.isoformat(),
        "source": handout.source,
        "disclosure_size": handout.disclosure_size,
        "private_tables": sorted(name for name in tables if name in TABLES and TABLES[name].private),
        "tables": {name: {"rows": frame.height, "columns": frame.columns} for name, frame in tables.items()},
        "files": [
            {
                "path": path.relative_to(folder).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        ],
    }
    (folder / MANIFEST).write_text(_json(manifest), encoding="utf-8")
    return [*files, folder / MANIFEST]


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
