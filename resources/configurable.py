"""The resources as Dagster shows them: every setting a field, with what it means."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import dagster as dg
import polars as pl
from pydantic import Field

from coterie.labels.base import Labeller
from coterie.report.texts import Language
from coterie.taxonomy import Taxonomy, load_taxonomy
from resources.forgotten import read_forgotten
from resources.lake import Lake
from resources.source import SourceLog


class Storage(dg.ConfigurableResource):
    """Where the tables are."""

    home: str = Field(description="Folder of the lake, the views file and the reports (COTERIE_HOME)")

    @property
    def path(self) -> Path:
        """The home folder."""
        return Path(self.home).absolute()

    @property
    def lake(self) -> Lake:
        """The tables by day."""
        return Lake(self.path)


class Log(dg.ConfigurableResource):
    """The log that is read."""

    storage: Storage
    description: str = Field(description="The source description (COTERIE_SOURCE)")
    pseudonym_key: str = Field("", description="Key of the pseudonyms of users; empty: none (COTERIE_PSEUDONYM_KEY)")

    def open(self) -> SourceLog:
        """The described log with its index."""
        return SourceLog(Path(self.description), self.storage.path)

    @property
    def key(self) -> bytes | None:
        """The pseudonym key as bytes."""
        return self.pseudonym_key.encode() or None

    def forgotten(self) -> frozenset[str]:
        """Users who asked to be forgotten, as they stand in the tables."""
        return read_forgotten(self.storage.path)

    def taxonomy(self) -> Taxonomy:
        """The tree of interests: the source's own, else the shipped one."""
        return load_taxonomy(self.open().source.taxonomy)


class Method(dg.ConfigurableResource):
    """The numbers that the statistics are run with."""

    first_day: str = Field(description="First day of the partitions: it needs no yesterday")
    half_life_days: float = Field(description="Days after which an engagement counts half (COTERIE_HALF_LIFE_DAYS)")
    disclosure_size: int = Field(description="Smallest group that may be shown (COTERIE_DISCLOSURE_SIZE)")
    graph_users: int = Field(description="Most users in the user graph (COTERIE_GRAPH_USERS)")

    def is_first(self, day: date) -> bool:
        """Whether the day is the source's first."""
        return day.isoformat() == self.first_day


class Reporting(dg.ConfigurableResource):
    """How reports are written."""

    language: Language = Field("en", description="Language of the reports: en or zh (COTERIE_REPORT_LANGUAGE)")
    url: str = Field("", description="Address at which the reports' folder is served; empty: none (COTERIE_REPORT_URL)")


class LabellerChoice(dg.ConfigurableResource):
    """Who labels items, and for how much."""

    storage: Storage
    labeller: Literal["local", "claude", "cascade"] = Field(
        description="local, claude, or cascade: local, certified by Claude on one text in ten (COTERIE_LABELLER)"
    )
    model: str = Field(description="The model, where Claude labels (COTERIE_LABEL_MODEL)")
    mode: Literal["batch", "online"] = Field(description="Message batches, or one by one (COTERIE_LABEL_MODE)")
    budget_usd: str = Field(description="Most that one run may spend, in US dollars (COTERIE_LABEL_BUDGET_USD)")

    def make(
        self, taxonomy: Taxonomy, vocabulary: pl.DataFrame | None = None, past: pl.DataFrame | None = None
    ) -> Labeller:
        """The labeller for a taxonomy.

        Args:
            taxonomy: the interests.
            vocabulary: the log's own words, which the local labeller reads (LABEL_VOCABULARY).
            past: text_hash, text, hashtags, language of the days before, which the cascade draws from as well.
        """
        from coterie.labels.local import LocalLabeller

        if self.labeller == "local":
            return LocalLabeller(taxonomy, vocabulary)
        # The SDK takes its key and base URL from its own environment variables.
        import anthropic

        from coterie.labels.claude import ClaudeLabeller
        from coterie.labels.ledger import Ledger

        claude = ClaudeLabeller(
            anthropic.Anthropic(),
            taxonomy,
            Ledger(self.storage.path / "state" / "labels.sqlite"),
            model=self.model,
            mode=self.mode,
            budget_usd=float(Decimal(self.budget_usd)),
            on=datetime.now(UTC).date(),
        )
        if self.labeller == "claude":
            return claude
        from coterie.labels.cascade import CascadeLabeller

        empty = dict.fromkeys(("text_hash", "text", "hashtags", "language"), pl.String)
        return CascadeLabeller(
            LocalLabeller(taxonomy, vocabulary), claude, pl.DataFrame(schema=empty) if past is None else past
        )
