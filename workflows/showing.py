"""What `make demo` prints in the end: what was found, and on a simulated platform what is true.

Belongs here: tables for a terminal. Does not belong here: any number that the tables of the lake do not hold.
"""

from datetime import date, timedelta

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from coterie.report import track_record
from coterie.simulate.compare import (
    NOBODY,
    Truth,
    communities_beside_truth,
    lives_beside_truth,
    load_truth,
    strategies_beside_truth,
    true_gains,
)
from coterie.simulate.effects import BOOST_SHARE
from coterie.strategies.horizons import in_record
from coterie.strategies.kinds import BOOST, CLOSE_GAP, EXPLORE
from coterie.strategies.outcome import EXPOSURE, GAIN, WINDOW_DAYS
from resources.lake import Lake
from resources.report_file import scores_of
from resources.settings import Settings

SHOWN, SHOWN_PER_KIND = 12, 4
KEPT = 0.03  # a true gain that moves by no more is the same
VERDICTS = (
    "real: members engage with one another's interests more than chance allows (q: share of false alarms "
    "to expect among communities at least as clear). "
    "artefact: they do not, with certainty. weak: not enough evidence yet.\n"
)
EFFECTS = (
    "effect, of a boost, diversify, seed_creators and bridge: what each showing gains that moves; of timing: what a "
    "showing in the hours brings the same members more than at other times of the day; of the others: how much more members engage "
    "than others, or want than is supplied; with its 90 % interval (low, high), as a share, so 0.08 is 8 points. "
    "No number: the log does not allow one.\n"
)
SCORES = (
    "Suggestions measured again later. within interval: share that came true as predicted. placebo: the same for "
    "random groups of users.\n"
)


def show(out: Console, lake: Lake, day: date, settings: Settings) -> None:
    """Print communities, strategies and scorecard of a day, beside the truth where the source has one."""
    truth = load_truth(settings.source)
    _communities(out, lake, day, truth)
    _strategies(out, lake, day, truth)
    scored = track_record(scores_of(lake, first=lake.days("strategy_scorecard")[0], last=day))
    columns = {"kind": "suggestion", "horizon_days": "days later", "scored": "scored", "hit_rate": "within interval",
               "predicted": "predicted", "realised": "realised", "placebo": "placebo"}  # fmt: skip
    out.print(_table("Scorecard so far", scored, columns))
    if scored.height:
        out.print(SCORES, highlight=False)
    if truth is not None:
        out.print(_lives(lake, truth, day))
        for sentence in (_changes_of_taste(truth, day), _kept_and_changed(lake, truth, day)):
            if sentence:
                out.print(sentence, highlight=False)
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
    shown = found.head(SHOWN)
    out.print(_table(f"Communities on {day}", shown, columns, of=found.height))
    out.print(VERDICTS, highlight=False)
    if truth is not None:
        true = truth.on(day).filter(pl.col("community") != NOBODY)
        sizes = sorted(true["community"].value_counts()["count"].to_list(), reverse=True)
        told = f"are {len(sizes)} communities of {', '.join(map(str, sizes))} users" if sizes else "is no community"
        out.print(f"In truth there {told}.\n", highlight=False)


def _strategies(out: Console, lake: Lake, day: date, truth: Truth | None) -> None:
    board = lake.read("mart_strategy_board", day).sort("status", "q_value", "strategy_id")
    columns = {"kind": "suggestion", "interest": "interest", "community": "community", "effect": "effect",
               "effect_low": "low", "effect_high": "high"}  # fmt: skip
    warned = board.filter(pl.col("status").str.starts_with("warning"))["kind"].unique().sort()
    fixed_on = day - timedelta(days=WINDOW_DAYS)
    if truth is None or not lake.has("memberships", fixed_on):
        columns |= {"status": "status"}
    else:
        issued = lake.read("strategies", day)
        members = lake.read("memberships", fixed_on)
        board = board.join(strategies_beside_truth(truth, issued, members, day), on="strategy_id", how="left")
        # The truth is known per showing; of shares and of supply there is none to set beside them.
        metric = pl.col("metric")
        gain = pl.when(metric == GAIN).then(pl.col("true_boost") / BOOST_SHARE)
        # What a boost of the interest would add says nothing of showing less of it, or of a part of its items.
        of_it = pl.col("kind").is_in([BOOST, EXPLORE, CLOSE_GAP])
        board = board.with_columns(
            true_difference=gain.when(metric == EXPOSURE).then("true_difference"),
            true_boost=pl.when(of_it).then("true_boost"),
        )
        columns |= {"true_difference": "in truth", "true_boost": "a 5 % boost adds"}
    shown = board.group_by("kind", maintain_order=True).head(SHOWN_PER_KIND).sort("kind", maintain_order=True)
    out.print(_table(f"Strategies of {day}", shown, columns, of=board.height))
    if shown.is_empty():
        out.print(_last_suggestions(lake, day), highlight=False)
    else:
        out.print(EFFECTS, highlight=False)
    if len(warned):
        out.print(
            f"Warnings, as they have come true too seldom of late: all of the kind {', '.join(warned)}.\n",
            highlight=False,
        )


def _last_suggestions(lake: Lake, day: date) -> str:
    proposed = pl.col("status") == "proposed"
    for earlier in reversed([d for d in lake.days("mart_strategy_board") if d < day]):
        if lake.read("mart_strategy_board", earlier).filter(proposed).height:
            return f"The last day with suggestions is {earlier}.\n"
    return "No day has suggestions: only real communities get any.\n"


def _lives(lake: Lake, truth: Truth, last: date) -> RichTable | str:
    # Where a later day failed half-way, some of its tables are there and others are not.
    days = [day for day in lake.days("memberships") if day <= last]
    matches = {day: communities_beside_truth(truth, lake.read("memberships", day), day) for day in days}
    recorded = lake.read_days("community_lineage", days[0], last)
    found = lives_beside_truth(truth, recorded, matches, days[0])
    return _table(
        "What happened to communities in truth, and when it was noticed",
        found.with_columns(pl.col("found_on").cast(pl.String).fill_null("not within two days")),
        {"day": "day", "event": "event", "community": "true community", "found_on": "noticed"},
    )


def _kept_and_changed(lake: Lake, truth: Truth, last: date) -> str:
    """How often boosts came true whose true gain stayed what it was, and how often the others did."""
    pair = ["community_id", "interest_id"]
    cards = lake.read_days("strategy_scorecard", lake.days("strategy_scorecard")[0], last)
    scored = cards.filter(in_record(), pl.col("in_interval").is_not_null())
    parts = []
    for made, horizon in scored.select("issued_on", "horizon_days").unique().sort("issued_on", "horizon_days").rows():
        members = [lake.read("memberships", made - timedelta(days=ago)) for ago in (WINDOW_DAYS, 0)]
        before = true_gains(truth, members[0], made - timedelta(days=WINDOW_DAYS - 1), made)
        then = made + timedelta(days=horizon)
        after = true_gains(truth, members[1], then - timedelta(days=WINDOW_DAYS - 1), then)
        issued = lake.read("strategies", made, ["strategy_id", "metric", *pair])
        moved = issued.filter(pl.col("metric") == GAIN).join(before, on=pair).join(after, on=pair, suffix="_after")
        rows = scored.filter(pl.col("issued_on") == made, pl.col("horizon_days") == horizon)
        parts.append(rows.join(moved, on="strategy_id").select(
            "in_interval", kept=(pl.col("true_gain_after") - pl.col("true_gain")).abs() <= KEPT))  # fmt: skip
    if not parts:
        return ""
    both = pl.concat(parts)
    if both.is_empty():
        return ""
    told = [
        f"{rows['in_interval'].sum()} of {rows.height}" for rows in (both.filter("kept"), both.filter(~pl.col("kept")))
    ]
    return (
        f"Boosts within their interval: {told[0]} whose true gain moved by at most {100 * KEPT:.0f} points from one week "
        f"to the other, and {told[1]} whose true gain moved further, which no log foretells.\n"
    )


def _changes_of_taste(truth: Truth, last: date) -> str:
    """Why suggestions of earlier days may rightly miss: what was true of a community then is no longer."""
    drifted = truth.lineage.filter(pl.col("event") == "drifted", pl.col("day") <= last).sort("day", "community")
    told = ", ".join(f"{community} from {day} on" for day, community in drifted.select("day", "community").iter_rows())
    if not told:
        return ""
    return f"Came to want other things in truth, so what was suggested before misses: community {told}.\n"


def _table(title: str, frame: pl.DataFrame, columns: dict[str, str], of: int | None = None) -> RichTable | str:
    if frame.is_empty():
        return f"{title}: none\n"
    if of is not None and of > frame.height:
        title += f", {frame.height} of {of}"
    table = RichTable(title=title, title_justify="left")
    for heading in columns.values():
        # The kinds are single words: broken in two they would not be found again.
        table.add_column(heading, overflow="fold", no_wrap=heading == "suggestion")
    for row in frame.select(*columns).iter_rows():
        table.add_row(
            *(f"{cell:.3g}" if isinstance(cell, float) else "" if cell is None else escape(str(cell)) for cell in row)
        )
    return table
