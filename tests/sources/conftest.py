"""A small log on disk, in any format, with a description to go with it."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml

from coterie.sources import Source, load_source

Row = Mapping[str, Any]

COLUMNS = {"user_id": "uid", "item_id": "vid", "event_type": "action", "occurred_at": "ts"}
TYPES = {
    "show": {"kind": "exposure"},
    "play": {"kind": "watch"},
    "like": {"kind": "positive", "weight": 3},
    "unlike": {"kind": "undo", "of": "like"},
}


class Log:
    """A folder with event files, item files and a description."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source(self, *, path: str = "events/*", columns: Row | None = None, **more: Any) -> Source:
        given = {"name": "log", "timezone": "UTC", **more}
        given["events"] = {"path": path, "columns": {**COLUMNS, **(columns or {})}, "event_types": TYPES}
        file = self.folder / "source.yaml"
        file.write_text(yaml.safe_dump(given), encoding="utf-8")
        return load_source(file)

    def write(self, name: str, rows: Sequence[Row] | pl.DataFrame, schema: Mapping[str, Any] | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            frame = (
                rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=schema, infer_schema_length=None)
            )
            frame.write_parquet(path)
            return path
        plain = rows.to_dicts() if isinstance(rows, pl.DataFrame) else [dict(r) for r in rows]
        if ".csv" in path.suffixes:
            text = pl.DataFrame(plain, infer_schema_length=None).write_csv()
        else:
            text = "".join(json.dumps(r, ensure_ascii=False, default=str) + "\n" for r in plain)
        return self.write_text(name, text)

    def write_text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.encode()
        if path.suffix == ".gz":
            data = gzip.compress(data)
        if path.suffix == ".zst":
            data = pa.compress(data, codec="zstd", asbytes=True)
        path.write_bytes(data)
        return path


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def make_log(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Log]:
    """For hypothesis: a fresh log for each example."""
    return lambda: Log(tmp_path_factory.mktemp("log"))
