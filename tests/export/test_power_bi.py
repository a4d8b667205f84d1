"""The Power BI project: its JSON parses, its model says of each file what is in the file."""

import json
import re
from pathlib import Path

import duckdb
import export_world as world
import pytest

from coterie.export.power_bi import PARAMETER
from coterie.export.write import Options, write_export

TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "double", "BOOLEAN": "boolean", "DATE": "dateTime"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("power_bi")
    write_export(world.handout(), folder, Options(("parquet", "power-bi")))
    return folder


def tree(text: str) -> list[tuple[int, str]]:
    """TMDL's lines as depth and text: indentation is by tabs alone, and a child is one level below its parent."""
    lines, before = [], 0
    for line in text.splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip("\t"))
        assert not line.lstrip("\t").startswith(" ") or depth == 4, "spaces only within a Power Query expression"
        assert depth <= before + 1 or depth == 4, line
        lines.append((depth, line.strip()))
        before = depth
    return lines


def columns(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for depth, line in tree(text):
        if depth == 1:
            name = line.removeprefix("column ") if line.startswith("column ") else None
            if name:
                found[name] = {}
        elif depth == 2 and name and ": " in line:
            key, value = line.split(": ", 1)
            found[name][key] = value
    return found


def test_each_table_of_the_model_is_a_file_with_its_columns_and_types(folder: Path) -> None:
    definition = folder / "power_bi" / "Coterie.SemanticModel" / "definition"
    files = {path.stem: path for path in (folder / "tables" / "parquet").glob("*.parquet")}
    named = re.findall(r"^ref table (\w+)$", (definition / "model.tmdl").read_text(), re.M)
    assert sorted(named) == sorted(files) == sorted(path.stem for path in (definition / "tables").glob("*.tmdl"))
    for name, path in files.items():
        text = (definition / "tables" / f"{name}.tmdl").read_text(encoding="utf-8")
        told = {c: parts["dataType"] for c, parts in columns(text).items()}
        found = duckdb.sql(f"from '{path}'")
        assert told == {c: TYPES[str(t)] for c, t in zip(found.columns, found.types, strict=True)}
        assert all(parts["sourceColumn"] == c for c, parts in columns(text).items())
        assert f'File.Contents({PARAMETER} & "\\{name}.parquet")' in text
    assert f"expression {PARAMETER} = " in (definition / "expressions.tmdl").read_text()


def test_relationships_lead_from_columns_that_are_there_to_rows_that_are_unique(folder: Path) -> None:
    text = (folder / "power_bi" / "Coterie.SemanticModel" / "definition" / "relationships.tmdl").read_text()
    pairs = re.findall(r"fromColumn: (\w+)\.(\w+)\n\ttoColumn: (\w+)\.(\w+)", text)
    assert len(pairs) == text.count("relationship ") == 4
    for table, column, to_table, to_column in pairs:
        duckdb.sql(f"select {column} from '{folder}/tables/parquet/{table}.parquet'")
        rows = duckdb.sql(f"select {to_column} from '{folder}/tables/parquet/{to_table}.parquet'").fetchall()
        assert len(rows) == len(set(rows))


def test_the_project_holds_together(folder: Path) -> None:
    root = folder / "power_bi"
    project = json.loads((root / "Coterie.pbip").read_text())
    report = root / project["artifacts"][0]["report"]["path"]
    reference = json.loads((report / "definition.pbir").read_text())["datasetReference"]["byPath"]["path"]
    assert (report / reference / "definition.pbism").exists()
    pages = json.loads((report / "definition" / "pages" / "pages.json").read_text())
    for page in pages["pageOrder"]:
        assert json.loads((report / "definition" / "pages" / page / "page.json").read_text())["name"] == page
    for path in (*root.rglob("*.json"), *root.rglob(".platform")):
        json.loads(path.read_text(encoding="utf-8"))
