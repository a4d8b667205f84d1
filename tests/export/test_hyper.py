"""The extract for Tableau, read back by the Hyper API; and what is said where that is not installed."""

from pathlib import Path

import export_world as world
import pytest

from coterie.errors import ExportError
from coterie.export import tableau
from coterie.export.write import FORMATS, check_formats


def test_the_extract_has_every_row(tmp_path: Path) -> None:
    hyper = pytest.importorskip("tableauhyperapi", reason="an extra: pip install 'coterie[tableau]'")
    marts = world.handout().marts
    tableau.write_hyper(marts, tmp_path / "a.hyper")
    assert [path.name for path in tmp_path.iterdir()] == ["a.hyper"], "no log beside it"
    assert (tmp_path / "a.hyper").stat().st_mode & 0o044 == tmp_path.stat().st_mode & 0o044
    telemetry = hyper.Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU
    with (
        hyper.HyperProcess(telemetry, parameters={"log_config": ""}) as server,
        hyper.Connection(server.endpoint, tmp_path / "a.hyper") as connection,
    ):
        names = {name.name.unescaped for name in connection.catalog.get_table_names(tableau.SCHEMA)}
        assert names == set(marts)
        for name, frame in marts.items():
            columns = [c.name.unescaped for c in connection.catalog.get_table_definition(
                hyper.TableName(tableau.SCHEMA, name)).columns]  # fmt: skip
            assert columns == frame.columns
            found = connection.execute_list_query(f'select * from "{tableau.SCHEMA}"."{name}"')
            plain = [[v.to_date() if isinstance(v, hyper.Date) else v for v in row] for row in found]
            wanted = [[v.replace("\x00", " ") if isinstance(v, str) else v for v in row] for row in frame.iter_rows()]
            assert plain == wanted


def test_without_the_hyper_api_it_is_left_out_or_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tableau, "available", lambda: False)
    assert set(check_formats(None)) == set(FORMATS) - {"hyper"}
    with pytest.raises(ExportError, match=r"pip install 'coterie\[tableau\]'"):
        check_formats(["hyper"])


def test_a_format_that_is_none_is_refused_and_power_bi_brings_its_files() -> None:
    with pytest.raises(ExportError, match="found the format 'docx'; expected one of parquet"):
        check_formats(["docx"])
    assert check_formats(["power-bi"]) == ("parquet", "power-bi")
