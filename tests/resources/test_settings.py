"""Settings: what is refused, by name."""

from pathlib import Path

import pytest

from coterie.errors import SettingError
from resources.settings import load_settings


def test_a_misspelt_setting_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTERIE_LABELER", "claude")
    with pytest.raises(
        SettingError, match=r"COTERIE_LABELER: there is no such setting\. Did you mean COTERIE_LABELLER\?"
    ):
        load_settings()


def test_a_home_that_is_a_file_or_lies_below_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    for home in (file, file / "below"):
        monkeypatch.setenv("COTERIE_HOME", str(home))
        with pytest.raises(SettingError, match=f"COTERIE_HOME=.*{file} is a file; expected a folder"):
            load_settings()
