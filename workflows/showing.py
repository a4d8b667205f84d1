"""What `make demo` prints in the end: what was found, and on a simulated platform what is true.

Belongs here: tables for a terminal. Does not belong here: any number that the tables of the lake do not hold.
"""

from datetime import date, timedelta

import polars as pl
from rich.console import Console
from rich.table import Table as RichTable

from coterie.simulate.compare import (
    NOBODY,
    Truth,
    communities_beside_truth,
    lives_beside_truth,
    load_truth,
    strategies_beside_truth,
)
from coterie.strategies.outcome import EXPOSURE, WINDOW_DAYS
from resources.lake import Lake
from resources.settings import Settings

SHOWN, SHOWN_PER_KIND = 12, 4


def show(out: Console, lake: Lake, day: date, settings: Settings) -> None:
    """Print communities, strategies and scorecard of a day, beside the truth where the source has one."""
    truth = load_truth(settings.source)
    _communities(out, lake, day, truth)
    _strategies(out, lake, day, truth)
    days = lake.days("strategy_scorecard")
    scores = lake.read_days("strategy_scorecard", days[0], days[-1])
    out.print(_scorecard(lake, scores))
    if truth is not None:
        out.print(_lives(lake, truth))
    report = settings.home.absolute() / "reports" / f"{day}.html"
    default = Settings.model_fields
    # What the next command needs in order to see the same tables.
    chosen = "".join(
        f"COTERIE_{name.upper()}={value} "
        for name, value in (("source", settings.source), ("home", settings.home))
        if value != default[name].default
    )
    out.print(f"Report:  {report}", highlight=False, soft_wrap=True)
    out.print(f"SQL:     duckdb {settings.home / 'coterie.duckdb'}", highlight=False, soft_wrap=True)
    out.print(f"UI:      {chosen}make dev, then http://127.0.0.1:3000", highlight=False, soft_wrap=True)
    out.print(f"More:    {chosen}coterie --help", highlight=False, soft_wrap=True)


def _communities(out: Console, lake: Lake, day: date, truth: Truth | None) -> None:
    found = lake.read("mart_community_day", day).sort("users_rounded", "community_id", descending=[True, False])
    columns = {"name": "name", "users_rounded": "members (rounded)", "verdict": "verdict", "q_value": "q"}
    if truth is not None:
        beside = communities_beside_truth(truth, lake.read("memberships", day), day)
        group = pl.when(pl.col("true_community") == NOBODY).then(pl.lit("none")).otherwise("true_community")
        found = found.join(beside, on="community_id", how="left").with_columns(
            group.alias("true_community"), *((pl.col(c) * 100).round() for c in ("of_members", "of_true"))
        )
        columns |= {"true_community": "in truth", "of_members": "% of members", "of_true": "% of the true one"}
    out.print(_table(f"Communities on {day}", found.head(SHOWN), columns))
    if truth is not None:
        true = truth.on(day).filter(pl.col("community") != NOBODY)
        sizes = sorted(true["community"].value_counts()["count"].to_list(), reverse=True)
        out.print(
            f"In truth there are {len(sizes)} communities of {', '.join(map(str, sizes))} users.\n", highlight=False
        )


def _strategies(out: Console, lake: Lake, day: date, truth: Truth | None) -> None:
    board = lake.read("mart_strategy_board", day).sort("status", "q_value", "strategy_id")
    columns = {"kind": "suggestion", "interest": "interest", "community": "community", "effect": "effect",
               "effect_low": "low", "effect_high": "high"}  # fmt: skip
    if truth is None:
        columns |= {"status": "status"}
    else:
        issued = lake.read("strategies", day)
        members = lake.read("memberships", day - timedelta(days=WINDOW_DAYS))
        board = board.join(strategies_beside_truth(truth, issued, members, day), on="strategy_id", how="left")
        # The truth is known per showing; of shares and of supply there is none to set beside them.
        per_showing = pl.col("metric") == EXPOSURE
        board = board.with_columns(pl.when(per_showing).then("true_difference").alias("true_difference"))
        columns |= {"true_difference": "in truth", "true_boost": "a 5 % boost adds"}
    shown = board.group_by("kind", maintain_order=True).head(SHOWN_PER_KIND).sort("kind", maintain_order=True)
    out.print(_table(f"Strategies of {day}: {shown.height} of {board.height}", shown, columns))


def _lives(lake: Lake, truth: Truth) -> RichTable:
    days = lake.days("memberships")
    matches = {day: communities_beside_truth(truth, lake.read("memberships", day), day) for day in days}
    recorded = lake.read_days("community_lineage", days[0], days[-1])
    found = lives_beside_truth(truth, recorded, matches, days[0])
    return _table(
        "What happened to communities in truth, and when it was noticed",
        found.with_columns(pl.col("found_on").cast(pl.String).fill_null("not within two days")),
        {"day": "day", "event": "event", "community": "true community", "found_on": "noticed"},
    )


def _scorecard(lake: Lake, scores: pl.DataFrame) -> RichTable:
    days = lake.days("strategies")
    kinds = lake.read_days("strategies", days[0], days[-1]).select("day", "strategy_id", "kind")
    scored = scores.filter(pl.col("verdict") != "not_scorable").join(
        kinds, left_on=["issued_on", "strategy_id"], right_on=["day", "strategy_id"]
    )
    summary = (
        scored.group_by("kind", "horizon_days")
        .agg(
            pl.len().alias("scored"),
            (pl.col("verdict") == "hit").mean().alias("within interval"),
            pl.col("predicted").mean().alias("predicted"),
            pl.col("realised").mean().alias("realised"),
            pl.col("placebo").mean().alias("placebo"),
        )
        .sort("kind", "horizon_days")
    )
    return _table("Scorecard so far", summary, {name: name.replace("_", " ") for name in summary.columns})


def _table(title: str, frame: pl.DataFrame, columns: dict[str, str]) -> RichTable:
    table = RichTable(title=title if frame.height else f"{title}: none", title_justify="left")
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in frame.select(*columns).iter_rows():
        table.add_row(
            *(f"{cell:.3g}" if isinstance(cell, float) else "" if cell is None else str(cell) for cell in row)
        )
    return table
