"""A Power BI project: a model of the exported Parquet files in text, and an empty report on it.

Belongs here: the project's files (Microsoft, "Power BI Desktop project semantic model folder" and "Tabular Model
Definition Language"). Does not belong here: the Parquet files.

Power BI reads files by absolute path only, so the folder is a parameter of the model; its value here is a placeholder,
as nobody knows where the export will be opened.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

NAME = "Coterie"
PARAMETER = "ParquetFolder"
PLACEHOLDER = "C:\\Coterie\\tables\\parquet"
_SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric"
_PAGE = "overview"
# TMDL's type, Power Query's type, and the format of a number.
_TYPES: Mapping[type[pl.DataType], tuple[str, str, str | None]] = MappingProxyType(
    {
        pl.String: ("string", "type text", None),
        pl.Int64: ("int64", "Int64.Type", "#,0"),
        pl.Float64: ("double", "type number", None),
        pl.Boolean: ("boolean", "type logical", None),
        pl.Date: ("dateTime", "type date", "yyyy-mm-dd"),
        pl.Datetime: ("dateTime", "type datetime", None),
    }
)
_SHARES = frozenset(
    ("effect", "effect_low", "effect_high", "baseline", "hit_rate", "stability", "demand_share", "supply_share", "gap",
     "baseline_share")
)  # fmt: skip


@dataclass(frozen=True)
class Described:
    """A table of the model: its schema, what a row is, and what its columns mean."""

    schema: Mapping[str, pl.DataType]
    row: str
    meanings: Mapping[str, str]


@dataclass(frozen=True)
class Link:
    """A column of one table that names a row of another."""

    table: str
    column: str
    to_table: str
    to_column: str


def project(tables: Mapping[str, Described], links: tuple[Link, ...] = ()) -> dict[str, str]:
    """The files of the project by their path below its folder; equal input gives equal texts.

    Args:
        tables: name of a Parquet file without its ending -> what it holds.
        links: many rows of `table` to one of `to_table`.
    """
    model = f"{NAME}.SemanticModel"
    files = {
        f"{NAME}.pbip": _json(
            {
                "$schema": f"{_SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json",
                "version": "1.0",
                "artifacts": [{"report": {"path": f"{NAME}.Report"}}],
                "settings": {"enableAutoRecovery": True},
            }
        ),
        f"{model}/.platform": _platform("SemanticModel"),
        f"{model}/definition.pbism": _json(
            {
                "$schema": f"{_SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json",
                "version": "4.2",
                "settings": {},
            }
        ),
        f"{model}/definition/database.tmdl": f"database {NAME}\n\tcompatibilityLevel: 1600\n",
        f"{model}/definition/model.tmdl": _model(list(tables)),
        f"{model}/definition/expressions.tmdl": _parameter(),
        **{f"{model}/definition/tables/{name}.tmdl": _table(name, table) for name, table in tables.items()},
    }
    if links:
        files[f"{model}/definition/relationships.tmdl"] = "\n".join(map(_relationship, links))
    return files | _report()


def _model(tables: list[str]) -> str:
    lines = [
        "model Model",
        "\tculture: en-US",
        "\tdefaultPowerBIDataSourceVersion: powerBI_V3",
        "\tsourceQueryCulture: en-US",
        "\tdataAccessOptions",
        "\t\tlegacyRedirects",
        "\t\treturnErrorValuesAsNull",
        "",
        f"annotation PBI_QueryOrder = {json.dumps([PARAMETER, *tables])}",
        "",
        *(f"ref table {name}" for name in tables),
        "",
    ]
    return "\n".join(lines)


def _parameter() -> str:
    return (
        f"/// The folder of the Parquet files of the export. Home, Transform data, Edit parameters\n"
        f'expression {PARAMETER} = "{PLACEHOLDER}" '
        'meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
        f"\tlineageTag: {_tag(PARAMETER)}\n\n"
        "\tannotation PBI_ResultType = Text\n"
    )


def _table(name: str, table: Described) -> str:
    lines = [f"/// One row is {_described(table.row)}", f"table {name}", f"\tlineageTag: {_tag(name)}", ""]
    for column, dtype in table.schema.items():
        kind, _, look = _TYPES[type(dtype)]
        look = "0.0%;-0.0%;0.0%" if column in _SHARES else look
        lines += [
            f"\t/// {_described(table.meanings[column])}",
            f"\tcolumn {column}",
            f"\t\tdataType: {kind}",
            *([f"\t\tformatString: {look}"] if look else []),
            f"\t\tlineageTag: {_tag(f'{name}.{column}')}",
            "\t\tsummarizeBy: none",  # a sum of rounded members or of effects says nothing
            f"\t\tsourceColumn: {column}",
            "",
            "\t\tannotation SummarizationSetBy = User",
            "",
        ]
    types = ", ".join(f'{{"{column}", {_TYPES[type(dtype)][1]}}}' for column, dtype in table.schema.items())
    lines += [
        f"\tpartition {name} = m",
        "\t\tmode: import",
        "\t\tsource =",
        "\t\t\t\tlet",
        f'\t\t\t\t    Source = Parquet.Document(File.Contents({PARAMETER} & "\\{name}.parquet")),',
        f"\t\t\t\t    Typed = Table.TransformColumnTypes(Source, {{{types}}})",
        "\t\t\t\tin",
        "\t\t\t\t    Typed",
        "",
        "\tannotation PBI_ResultType = Table",
        "",
    ]
    return "\n".join(lines)


def _relationship(link: Link) -> str:
    name = _tag(f"{link.table}.{link.column}>{link.to_table}.{link.to_column}")
    return (
        f"relationship {name}\n\tfromColumn: {link.table}.{link.column}\n\ttoColumn: {link.to_table}.{link.to_column}\n"
    )


def _report() -> dict[str, str]:
    report, base = f"{NAME}.Report", f"{_SCHEMAS}/item/report"
    page = {
        "$schema": f"{base}/definition/page/1.0.0/schema.json",
        "name": _PAGE,
        "displayName": "Overview",
        "displayOption": "FitToPage",
        "height": 720,
        "width": 1280,
    }
    return {
        f"{report}/.platform": _platform("Report"),
        f"{report}/definition.pbir": _json(
            {
                "$schema": f"{base}/definitionProperties/2.0.0/schema.json",
                "version": "4.0",
                "datasetReference": {"byPath": {"path": f"../{NAME}.SemanticModel"}},
            }
        ),
        f"{report}/definition/version.json": _json(
            {"$schema": f"{base}/definition/versionMetadata/1.0.0/schema.json", "version": "2.0.0"}
        ),
        f"{report}/definition/report.json": _json(
            {
                "$schema": f"{base}/definition/report/1.0.0/schema.json",
                "themeCollection": {},
                "layoutOptimization": "None",
            }
        ),
        f"{report}/definition/pages/pages.json": _json(
            {
                "$schema": f"{base}/definition/pagesMetadata/1.0.0/schema.json",
                "pageOrder": [_PAGE],
                "activePageName": _PAGE,
            }
        ),
        f"{report}/definition/pages/{_PAGE}/page.json": _json(page),
    }


def _platform(kind: str) -> str:
    return _json(
        {
            "$schema": f"{_SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json",
            "metadata": {"type": kind, "displayName": NAME},
            "config": {"version": "2.0", "logicalId": _tag(kind)},
        }
    )


def _described(text: str) -> str:
    return " ".join(text.split())


def _tag(name: str) -> str:
    """An identifier that stays the same, so that a report made on yesterday's export fits today's."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:coterie:power-bi:{name}"))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
