"""The report as a file: read the day's tables, render, put it in place by one rename."""

import os
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from coterie.report import DayTables, render
from coterie.tables import STRATEGY_SCORECARD
from resources.lake import Lake, own_folder

SCORED_DAYS = 28


def report_path(lake: Lake, day: date) -> Path:
    """Where the report of a day lies."""
    return lake.home / "reports" / f"{day.isoformat()}.html"


def report_of(lake: Lake, day: date, *, source: str, disclosure_size: int) -> str:
    """The HTML of a day's report, made from the lake.

    Raises:
        MissingDayError: a table of the day is not published; the text says which.
    """
    return render(tables_of(lake, day, source=source, disclosure_size=disclosure_size))


def tables_of(lake: Lake, day: date, *, source: str, disclosure_size: int) -> DayTables:
    """What a day's report is made of, read from the lake.

    Raises:
        MissingDayError: a table of the day is not published; the text says which.
    """
    before = day - timedelta(days=1)
    return DayTables(
        day=day,
        source=source,
        communities=lake.read("mart_community_day", day),
        communities_before=lake.read("mart_community_day", before) if lake.has("mart_community_day", before) else None,
        trends=lake.read("mart_interest_trends", day),
        strategies=lake.read("mart_strategy_board", day),
        scores=scores_of(lake, first=day - timedelta(days=SCORED_DAYS - 1), last=day),
        counts=_counts(lake, day, disclosure_size),
        disclosure_size=disclosure_size,
    )


def write_report(lake: Lake, day: date, html: str) -> Path:
    """Put a report in place. It is staged like a table, so that a killed process leaves nothing that stays."""
    path = report_path(lake, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(lake.home / "stage" / "report" / f"day={day.isoformat()}") as folder:
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


def _counts(lake: Lake, day: date, disclosure_size: int) -> dict[str, float | int | str]:
    events = lake.read("raw_events", day)
    engagement = lake.read("engagement", day)
    quarantined = lake.read("quarantine", day)["copies"].sum()
    items = lake.read("raw_items", day).height
    active = events["user_id"].n_unique() // 5 * 5
    labelled = lake.read("item_labels", day)["item_id"].n_unique()
    return {
        "events": events.height,
        "rows in quarantine": int(quarantined),
        "active users (rounded down to 5)": active if active >= disclosure_size else f"fewer than {disclosure_size}",
        "items engaged with": engagement["item_id"].n_unique(),
        "items first seen or changed": items,
        "of these labelled": labelled,
    }
