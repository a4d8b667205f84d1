"""The settings: environment variables, checked once at start.

Belongs here: names, defaults and bounds of settings. Does not belong here: what is done with them.
"""

import difflib
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from coterie.errors import SettingError
from resources.demo_source import make_demo_source

PREFIX = "COTERIE_"
PROJECT = Path(__file__).resolve().parent.parent
# Not shipped: resources/demo_source.py makes it where it is first asked for.
DEMO_SOURCE = PROJECT / "data" / "simulated" / "source.yaml"


class Settings(BaseSettings):
    """Every setting of Coterie; `COTERIE_` plus the field's name in capitals is its environment variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    home: Path = Field(Path(".coterie"), description="Folder of the lake, the views file and the reports")
    source: Path = Field(DEMO_SOURCE, description="The source description (YAML)")
    labeller: Literal["local", "claude", "cascade"] = Field("local", description="Who labels items")
    label_model: str = Field("claude-haiku-4-5", description="The model that labels, where Claude labels")
    label_mode: Literal["batch", "online"] = Field("batch", description="Message batches, or requests one by one")
    label_budget_usd: Annotated[Decimal, Field(ge=0)] = Field(
        Decimal(5), description="Most that one run may spend on labels, in US dollars"
    )
    pseudonym_key: str = Field("", description="If set, user ids are replaced by keyed pseudonyms on ingest")
    half_life_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        14.0, description="Days after which an engagement counts half as much"
    )
    disclosure_size: Annotated[int, Field(ge=5)] = Field(
        20, description="Nothing about fewer users leaves the private tables; at least 5, as counts are told in fives"
    )
    graph_users: Annotated[int, Field(ge=100)] = Field(
        50_000, description="Most users in the user graph; above it a sample stands for all"
    )

    report_language: Literal["en", "zh"] = Field("en", description="Language of the reports: English or Chinese")
    report_url: Annotated[str, Field(pattern="^(https?://[^/]+.*)?$")] = Field(
        "", description="Address at which the folder of the reports is served, for links to them; empty: links to files"
    )

    @field_validator("home")
    @classmethod
    def _is_a_folder(cls, home: Path) -> Path:
        for path in (home, *home.parents):
            if path.exists() and not path.is_dir():
                raise ValueError(f"{path} is a file; expected a folder, or a path where one can be made")
        return home


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingError: names every setting with a value that it may not have, and what it may be; or a variable that
            looks like a setting and is none, as a misspelt one would silently not count.
    """
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for stranger in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        near = difflib.get_close_matches(stranger, sorted(known), n=1)
        meant = f" Did you mean {near[0]}?" if near else f" Settings are {', '.join(sorted(known))}."
        raise SettingError(f"{stranger}: there is no such setting.{meant}")
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}={problem.get('input')!r}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise SettingError("A setting has a value that it may not have.\n" + "\n".join(lines)) from None
    if settings.source == DEMO_SOURCE:
        make_demo_source(DEMO_SOURCE)
    return settings
