"""A home belongs to one source."""

from pathlib import Path

import pytest

from coterie.errors import SettingError
from resources.source import SourceLog, home_beside, owner_of


def describe(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "log.csv").write_text("u,v,a,t\n1,2,like,2024-05-01T12:00:00\n")
    path = folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\ntimezone: UTC\nevents:\n  path: log.csv\n"
        "  columns: {user_id: u, item_id: v, event_type: a, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    return path


def test_a_home_takes_the_first_source_and_refuses_another(tmp_path: Path) -> None:
    first, second = (describe(tmp_path / "log", name) for name in ("first", "second"))
    home = tmp_path / "home"
    assert owner_of(home) is None
    opened, rival = SourceLog(first, home), SourceLog(second, home)
    opened.index()
    assert owner_of(home) == "first"
    SourceLog(first, home).index()
    for late in (lambda: SourceLog(second, home), rival.index):
        with pytest.raises(
            SettingError, match=r"found the tables of source 'first'; expected those of 'second'.*home-second"
        ):
            late()
    SourceLog(second, home_beside(home, "second")).index()
