"""A real log with known groups: `reddit_college`, whose users gather in subreddits.

Belongs here: reading that log, and what is measured on it. The log has no licence, so it stays where it is: nothing of it
is stored but the measures.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks import peers, pipeline, scores, show
from benchmarks.section import Options, Section, Setting
from benchmarks.worlds import WorldDay, taxonomy
from coterie.engagement import engagement
from coterie.labels.local import LocalLabeller

FIRST, DAYS, LEARN = date(2021, 11, 15), 28, 21
WEIGHTS = {"comment": 3.0, "post": 3.0}  # both take the time to write
METHODS = (
    peers.COTERIE, peers.LEIDEN, peers.LOUVAIN, peers.KMEANS, peers.NMF_, peers.LDA, peers.PLACEBO, peers.OWN,
)  # fmt: skip
SCHEMA = {"method": pl.String, "measure": pl.String, "value": pl.Float64}


def settings(options: Options) -> Sequence[Setting]:
    """The one stretch of days, if the data is at hand."""
    return [] if options.reddit is None else [Setting({"first_day": FIRST.isoformat(), "days": DAYS}, options.reddit)]


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """method, measure (ari, nmi, coverage, groups, gain, recall, and of the log: users, events, subreddits), value."""
    assert setting.data is not None
    events, labels = _read(setting.data)
    days = [_day(FIRST + timedelta(days=n), events) for n in range(DAYS)]
    *_, last = pipeline.run(days[:LEARN], labels, exposures=False)
    learn, later = (
        pl.concat([d.engagement.select("user_id", "item_id", "strength") for d in part])
        for part in (days[:LEARN], days[LEARN:])
    )
    everybody = scores.split(learn, later, _any_label(events))
    data = scores.split(learn, later, labels)
    truth = scores.groups_of(everybody.users, _main_subreddit(events), "subreddit")
    k = int(truth.max()) + 1
    coterie = scores.groups_of(everybody.users, last.memberships.filter("is_primary"), "community_id")
    found = {
        peers.COTERIE: coterie,
        peers.LEIDEN: peers.leiden(everybody.users, last.user_graph, seed)[0],
        peers.LOUVAIN: peers.louvain(everybody, seed, peers.WIDEST_ITEM)[0],
        peers.PLACEBO: peers.placebo(coterie, seed),
    }
    found |= {
        name: scores.moved(of, data.users, everybody.users) for name, of in peers.by_matrix(data, k, seed).items()
    }
    rows: list[tuple[str, str, float | None]] = [
        ("log", "users", len(everybody.users)), ("log", "events", sum(d.events.height for d in days)),
        ("log", "subreddits", k), ("log", "users with labels", len(data.users)),
    ]  # fmt: skip
    for method, groups in found.items():
        rows += [(method, what, value) for what, value in scores.agreement(truth, groups).items()]
        rows += [(method, "groups", float(len(set(groups[groups >= 0]))))]
        own = scores.moved(groups, everybody.users, data.users)
        rows += [(method, what, v) for what, v in scores.foretold(data, scores.profiles(data.learnt, own)).items()]
    profile = {
        peers.OWN: scores.own_shares(data.learnt),
        peers.POPULARITY: scores.profiles(data.learnt, scores.nobody(len(data.users))),
    }
    for method, of in profile.items():
        rows += [(method, what, value) for what, value in scores.foretold(data, of).items()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(pl.col("value").cast(pl.Float64))


def _read(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of the stretch, as RAW_EVENTS has them, with `subreddit`; and local labels of the items' titles."""
    last = FIRST + timedelta(days=DAYS - 1)
    rows = pl.scan_parquet(folder / "events.parquet").with_columns(on=pl.col("ts").dt.date())
    rows = rows.filter(pl.col("on").is_between(FIRST, last), pl.col("user_id").is_not_null())
    events = rows.sort("on", "ts", "user_id", "item_id", "event_type").collect().select(
        "on", "user_id", "item_id", "event_type", "subreddit",
        kind=pl.lit("positive"), weight=pl.col("event_type").replace_strict(WEIGHTS),
        undo_of=pl.lit(None, pl.String), occurred_at="ts", watch_ms=pl.lit(None, pl.Int64),
    )  # fmt: skip
    items = pl.read_parquet(folder / "items.parquet", columns=["item_id", "title"]).unique(
        "item_id", keep="first", maintain_order=True
    )
    items = items.filter(pl.col("item_id").is_in(events["item_id"].unique().implode())).sort("item_id")
    texts = items.select(text_hash="item_id", text="title", hashtags=pl.lit(None, pl.String), language=pl.lit("en"))
    labels = LocalLabeller(taxonomy()).label(texts).labels
    share = pl.col("confidence") / pl.col("confidence").sum().over("text_hash")
    named = labels.select(item_id="text_hash", interest_id="interest_id", weight=share)
    return events, named.sort("item_id", "interest_id")


def _day(on: date, events: pl.DataFrame) -> WorldDay:
    today = events.filter(pl.col("on") == on)
    items = today.select("item_id", duration_ms=pl.lit(None, pl.Int64)).unique().sort("item_id")
    return WorldDay(on, today, items, engagement(today, items))


def _any_label(events: pl.DataFrame) -> pl.DataFrame:
    """Labels that say nothing: for what reads items alone."""
    return events.select("item_id", interest_id=pl.lit("any"), weight=pl.lit(1.0)).unique().sort("item_id")


def _main_subreddit(events: pl.DataFrame) -> pl.DataFrame:
    """user_id and the subreddit of most of the user's events in the days learnt from; of equals, the first by name."""
    learnt = events.filter(pl.col("on") < FIRST + timedelta(days=LEARN))
    counted = learnt.group_by("user_id", "subreddit").len().sort("len", "subreddit", descending=[True, False])
    return counted.unique("user_id", keep="first", maintain_order=True).select("user_id", "subreddit")


def render(rows: pl.DataFrame, folder: Path) -> str:
    """One table."""
    log = {m: f"{int(v):,}" for m, v in rows.filter(pl.col("method") == "log").select("measure", "value").iter_rows()}
    lines = []
    for method in (*METHODS, peers.POPULARITY):
        own = rows.filter(pl.col("method") == method)

        def of(what: str, digits: int = 3, own: pl.DataFrame = own) -> str:
            return show.cell(own.filter(pl.col("measure") == what)["value"], digits)

        lines.append([method, of("groups", 0), of("ari"), of("nmi"), of("coverage", 2), of("gain", 2), of("recall", 2)])
    return (
        f"A real log of posts and comments, {FIRST} and {DAYS - 1} days on: {log['events']} events, {log['users']} users in "
        f"the {LEARN} days that are learnt from, {log['subreddits']} subreddits; the last {DAYS - LEARN} days are held out. The "
        "data has no licence, so it is no part of the project: `--reddit PATH` takes a folder with its `events.parquet` "
        "and `items.parquet`; without it, this section stays as it was.\n\n"
        "Agreement is with each user's main subreddit, over all users, those without a group counted as groups of one. "
        f"Interests are local labels of the threads' **titles alone**: {log['users with labels']} users engaged with any "
        "thread that got one; the others cannot be placed by what reads labels, which shows as coverage. *Louvain, shared "
        f"items* reads who wrote in the same thread (threads of up to {peers.WIDEST_ITEM} users), and a thread belongs to one "
        "subreddit: it is told the answer in part. *True k* is the number of subreddits. Gain (bits per engagement over "
        "popularity) and recall@5 of new interests are over labelled engagement.\n\n"
        + show.table(["", "groups", "ARI", "NMI", "coverage", "gain", "recall@5"], lines)
    )  # fmt: skip


SECTION = Section("reddit", "A real log: reddit_college", settings, measure, render, seeds=1)
