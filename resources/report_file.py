"""The report as a file: ask the lake for its facts, render, put it in place by one rename.

Belongs here: running the report's queries over the tables, and where a report lies. Does not belong here: what the
queries say (coterie/report/queries) and how a page looks.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from coterie.errors import MissingDayError
from coterie.report import BETWEEN, FACTS, DayFacts, Language, Names, names_of, render, render_comparison
from coterie.report.texts import catalogue
from coterie.tables import STRATEGY_SCORECARD, TABLES
from coterie.taxonomy import Taxonomy
from resources.lake import Lake, own_folder, quoted, rows_by_day
from resources.memory import room_in

# Without one of them a report would tell of another day's world. A home of an older version has no label_quality.
NEEDED = sorted({table for fact in FACTS.values() for table in fact.tables} - {"label_quality"})
# Exact and rounded sums of the queries do not depend on threads; two are enough for what a report asks.
THREADS = 2
# Characters of a page, within which it says its language.
MOST_HEAD = 200


def report_path(lake: Lake, day: date) -> Path:
    """Where the report of a day lies."""
    return lake.home / "reports" / f"{day.isoformat()}.html"


def report_there(lake: Lake, day: date, language: Language) -> Path | None:
    """The report of a day if it is there in a language; one in another language does not count."""
    path = report_path(lake, day)
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as page:
        return path if f'<html lang="{catalogue(language)["lang"]}">' in page.read(MOST_HEAD) else None


def comparison_path(lake: Lake, first: date, last: date) -> Path:
    """Where the comparison of two days lies: beside the reports, not among them."""
    return lake.home / "comparisons" / f"{first.isoformat()}_{last.isoformat()}.html"


@dataclass(frozen=True)
class Reporter:
    """Reports about the days of a lake: from what size on communities are told of, and in what words.

    Attributes:
        lake: the tables.
        source: the name of the log.
        disclosure_size: users; nothing about fewer is told.
        taxonomy: names of interests; without, their ids stand for them.
        language: of the page.
    """

    lake: Lake
    source: str
    disclosure_size: int
    taxonomy: Taxonomy | None = None
    language: Language = "en"

    def facts(self, day: date) -> DayFacts:
        """What a day's report is made of: the answers of its queries over the lake, days up to `day` only.

        Raises:
            MissingDayError: a table of the day is not published; the text says which.
        """
        for table in NEEDED:
            if not self.lake.has(table, day):
                raise MissingDayError(f"{table} of {day} is not in the lake. Materialize {table} for {day} first.")
        with _views(self.lake, day) as connection:
            frames = {name: _ask(connection, fact.sql, day=day, k=self.disclosure_size) for name, fact in FACTS.items()}
        names = Names() if self.taxonomy is None else names_of(self.taxonomy.frame(), self.language)
        return DayFacts(day=day, source=self.source, frames=frames, disclosure_size=self.disclosure_size, names=names)

    def report(self, day: date) -> str:
        """The HTML of a day's report.

        Raises:
            MissingDayError: a table of the day is not published; the text says which.
        """
        return render(self.facts(day), self.language)

    def comparison(self, first: date, last: date) -> str:
        """The HTML that sets a day beside an earlier one.

        Raises:
            MissingDayError: a table of one of the days is not published; the text says which.
        """
        before, after = self.facts(first), self.facts(last)
        with _views(self.lake, last) as connection:
            between = {
                name: _ask(connection, fact.sql, before=first, day=last, k=self.disclosure_size)
                for name, fact in BETWEEN.items()
            }
        return render_comparison(before, after, between, self.language)


@contextmanager
def _views(lake: Lake, day: date) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables as `coterie.duckdb` names them, up to a day.

    In memory: the file itself may be held by an analyst who writes into it, and nobody waits for anybody's lock.
    """
    with (
        own_folder(lake.home / "stage" / "report-queries" / f"day={day.isoformat()}") as spill,
        duckdb.connect() as views,
    ):
        # What does not fit in memory goes to the stage, which goes away.
        for statement in room_in(spill):
            views.execute(statement)
        views.execute(f"set threads = {THREADS}")
        for table in TABLES.values():
            found = ", ".join(f"'{quoted(path)}'" for path in lake.files(table.name, last=day))
            views.execute(f'create view "{table.name}" as {rows_by_day(table, f"[{found}]" if found else None)}')
        yield views


def _ask(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: object) -> pl.DataFrame:
    used: Mapping[str, object] = {name: value for name, value in parameters.items() if f"${name}" in sql}
    answer = connection.sql(sql, params=used).pl()
    floats = pl.selectors.float()
    # A ratio of nothing is no number.
    return answer.with_columns(pl.when(floats.is_finite()).then(floats).name.keep())


def write_report(lake: Lake, day: date, html: str) -> Path:
    """Put a report in place. It is staged like a table, so that a killed process leaves nothing that stays."""
    return _put(lake, f"day={day.isoformat()}", report_path(lake, day), html)


def write_comparison(lake: Lake, first: date, last: date, html: str) -> Path:
    """Put a comparison in place, in the same way."""
    return _put(lake, f"days={first.isoformat()}_{last.isoformat()}", comparison_path(lake, first, last), html)


def _put(lake: Lake, name: str, path: Path, html: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(lake.home / "stage" / "report" / name) as folder:
        staged = folder / path.name
        staged.write_text(html, encoding="utf-8")
        os.replace(staged, path)
    return path


def scores_of(lake: Lake, *, first: date, last: date) -> pl.DataFrame:
    """Scores given from `first` to `last`, each with `kind`, that of the suggestion that it is about.

    Returns:
        STRATEGY_SCORECARD with kind (pl.String; unknown where the suggestion is no longer in the lake): what
        `coterie.report.track_record` sums up.
    """
    days = [d for d in lake.days("strategy_scorecard") if first <= d <= last]
    scores = pl.concat([STRATEGY_SCORECARD.empty(), *(lake.read("strategy_scorecard", d) for d in days)])
    issued = [d for d in scores["issued_on"].unique().sort() if lake.has("strategies", d)]
    kinds = [lake.read("strategies", d).select(pl.lit(d).alias("issued_on"), "strategy_id", "kind") for d in issued]
    empty = pl.DataFrame(schema={"issued_on": pl.Date, "strategy_id": pl.String, "kind": pl.String})
    return scores.join(pl.concat([empty, *kinds]), on=["issued_on", "strategy_id"], how="left").with_columns(
        pl.col("kind").fill_null("unknown")
    )
