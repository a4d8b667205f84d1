"""The house: imports point one way, and the library knows neither Dagster nor the environment."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "coterie": {"resources", "assets", "workflows", "dagster", "dagster_dbt", "dagster_duckdb", "dbt"},
    "resources": {"assets", "workflows"},
    "assets": {"workflows"},
    "workflows": set(),
}
FILES = [path for folder in FORBIDDEN for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            assert name.split(".")[0] not in FORBIDDEN[layer], f"{layer} must not import {name}"
    if layer == "coterie":
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not used & {"environ", "getenv"}, "settings reach the library as arguments"


def test_no_module_asks_for_today() -> None:
    for path in FILES:
        if path.relative_to(ROOT).parts[0] in {"coterie", "assets"}:
            text = path.read_text(encoding="utf-8")
            assert "date.today(" not in text, path
            assert "datetime.now(" not in text, path
