"""What the algorithm should do, the experiment that would prove it, and what became of earlier suggestions."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from assets.gate import Candidate, Yielded, gate
from assets.sampling import of_sample
from assets.tables import YESTERDAY, shares, table_asset, today
from coterie.strategies.days import Days
from coterie.strategies.decisions import latest
from coterie.strategies.experiment import plans_of_day
from coterie.strategies.horizons import AGES, HORIZONS, in_record
from coterie.strategies.order import main_interests, ordered
from coterie.strategies.outcome import WINDOW_DAYS
from coterie.strategies.propose import strategies_of_day
from coterie.strategies.sample import share_of_users
from coterie.strategies.scorecard import SHIPPED, coverage, scorecard_of_day
from coterie.strategies.showings import exposed_rows
from coterie.strategies.support import lacking
from coterie.tables import EXPERIMENT_PLANS, MEMBERSHIPS, STRATEGIES, STRATEGY_SCORECARD, USER_INTERESTS, Table
from resources.audit import Finding
from resources.configurable import Log, Method, Storage
from resources.decisions import DecisionLog
from resources.lake import Lake
from resources.warehouse import Warehouse

REAL_ONLY = "Every suggestion cites a real community of at least the disclosure size"
NO_NUMBER = "A suggestion that cannot be evaluated gives no number"
PROPOSED_ONLY = "Every plan is for a suggestion that was proposed that day"
COVERED = "At least 80 % of the suggestions that are 7 or 14 days old came true within their 90 % interval (a warning, from 20 on)"
LEAST_COVERAGE, FEWEST_SCORED = 0.8, 20
WEEK = WINDOW_DAYS - 1


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `strategies`."""

    @table_asset(
        STRATEGIES,
        days,
        deps=["communities", "interest_graph"],
        looks_back={
            "engagement": (-WEEK, 0),
            "item_labels": (-WEEK, 0),
            "propagated_labels": (-WEEK, -WEEK),
            "interest_daily": (-WEEK, 0),
            "memberships": (-WINDOW_DAYS, -WINDOW_DAYS),
            "user_interests": (-WINDOW_DAYS, -WINDOW_DAYS),
        },
        kinds={"python", "scipy"},
        says=(
            "What to do for real communities, each with effect, interval and evidence. The effect is what members, "
            "fixed a week ago, did since, compared with others: predicted and scored by the same measure."
        ),
        checks={"real_only": REAL_ONLY, "no_number_without_evidence": NO_NUMBER},
    )
    def suggestions(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        communities = lake.read("communities", day)
        frame = strategies_of_day(
            day=day,
            days=_days(lake, warehouse, log, method, day, members_on=[day - timedelta(days=WINDOW_DAYS)]),
            communities=communities,
            interest_graph=lake.read("interest_graph", day),
            taxonomy=log.taxonomy().frame(),
            disclosure_k=method.disclosure_size,
        )
        kinds = frame.filter(pl.col("status") == "proposed")["kind"].value_counts()
        source = log.open().source
        needs = lacking(
            exposures=source.exposures_logged, comparable=source.exposures_comparable, creators=source.creators_known
        )
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    STRATEGIES,
                    frame,
                    findings=[_real_only(frame, communities, method.disclosure_size), _no_number(frame)],
                    metadata=shares(
                        proposed=int(kinds["count"].sum()),
                        withheld=frame.height - int(kinds["count"].sum()),
                        **dict(sorted(kinds.iter_rows())),
                        **{f"{kind} would need": need for kind, need in needs.items()},
                    ),
                )
            ],
        )

    @table_asset(
        EXPERIMENT_PLANS,
        days,
        deps=["strategies", "communities", "user_graph"],
        looks_back={
            "engagement": (-WEEK, 0),
            "item_labels": (-WEEK, 0),
            "propagated_labels": (-WEEK, -WEEK),
            "interest_daily": (-WEEK, 0),
            "memberships": (0, 0),
            "user_interests": (-WINDOW_DAYS, -WINDOW_DAYS),
        },
        kinds={"python", "statsmodels"},
        says="The A/B test that would prove each proposed suggestion: unit, users, days, level.",
        checks={"proposed_only": PROPOSED_ONLY},
    )
    def plans(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        strategies = lake.read("strategies", day)
        frame = plans_of_day(
            day=day,
            days=_days(lake, warehouse, log, method, day, members_on=[day]),
            strategies=strategies,
            communities=lake.read("communities", day),
            user_graph=lake.read("user_graph", day),
            disclosure_k=method.disclosure_size,
        )
        proposed = strategies.filter(pl.col("status") == "proposed")["strategy_id"]
        strangers = frame.filter(~pl.col("strategy_id").is_in(proposed.implode()))
        finding = Finding(
            "proposed_only",
            strangers.is_empty(),
            PROPOSED_ONLY if strangers.is_empty() else f"experiment_plans: {strangers.height} plans without suggestion",
            numbers={"plans": frame.height, "proposed": len(proposed), "unexpected": strangers.height},
        )
        yield from gate(context, lake, [Candidate(EXPERIMENT_PLANS, frame, findings=[finding])])

    @table_asset(
        STRATEGY_SCORECARD,
        days,
        deps=[],
        looks_back={
            "strategies": (-max(AGES), -min(AGES)),
            "engagement": (-WEEK, 0),
            "item_labels": (-WEEK, 0),
            "propagated_labels": (-WEEK, -WEEK),
            "interest_daily": (-WEEK, 0),
            "memberships": (-max(AGES), -min(AGES)),  # beyond the ages of the record, where something was shipped
            "user_interests": (-WINDOW_DAYS, -WINDOW_DAYS),
            "strategy_scorecard": YESTERDAY,  # not read here: the board counts 28 days of it, so they are made in order
        },
        kinds={"python", "scipy"},
        says=(
            "Every suggestion that was made 7 to 28 days ago, measured again on the last seven days, beside random groups; "
            "those that were shipped, by what their showings bring while they are in force. A younger one would be scored on "
            "the week that it was made of. At the ages of 7 and 14 days scores count in the track record."
        ),
        checks={"coverage": COVERED},
    )
    def scorecard(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        made = [day - timedelta(days=age) for age in AGES]
        issued, shipped = _on(lake, method, STRATEGIES, made), _shipped(lake, day)
        in_force = shipped.filter("held")["shipped_on"].unique()
        before = {on - timedelta(days=1) for on in in_force} & set(made)
        members_on = {day - timedelta(days=horizon) for horizon in HORIZONS} | before
        frame = scorecard_of_day(
            day=day,
            days=_days(lake, warehouse, log, method, day, members_on=sorted(members_on)),
            issued=issued,
            shipped=shipped,
            disclosure_k=method.disclosure_size,
        )
        known = pl.concat([issued.select("strategy_id", "kind"), shipped.select("strategy_id", "kind")])
        scored = coverage(scorecard=frame, strategies=known)
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    STRATEGY_SCORECARD,
                    frame,
                    findings=[_covered(frame)],
                    metadata={
                        f"{kind}: within interval": f"{found['share']:.0%} of {found['n']:.0f}"
                        for kind, found in scored.items()
                    },
                )
            ],
        )

    return [suggestions, plans, scorecard]


def _days(lake: Lake, warehouse: Warehouse, log: Log, method: Method, day: date, *, members_on: Sequence[date]) -> Days:
    """The week that ends on the day, with memberships of the days asked for and interests of before the week."""
    first = max(day - timedelta(days=WEEK), date.fromisoformat(method.first_day))
    share = share_of_users(lake.rows("raw_events", first, day))
    some = of_sample(lake, first, day, share)
    engagement = lake.read_days("engagement", first, day, where=some)
    source = log.open().source
    zone = source.timezone
    labels = warehouse.labels_of(lake, engagement["item_id"], last=day, spread_on=first)
    return Days(
        engagement=engagement,
        labels=labels,
        memberships=_on(lake, method, MEMBERSHIPS, members_on),
        user_interests=_on(lake, method, USER_INTERESTS, [day - timedelta(days=WINDOW_DAYS)], some),
        interest_daily=lake.read_days("interest_daily", first, day),
        exposed=_exposed(lake, first, day, engagement, labels, zone, some) if source.exposures_logged else None,
        creators=warehouse.creators_of(lake, engagement["item_id"], last=day) if source.creators_known else None,
        share=share,
        present=_present(lake, first, day, zone, some),
        timezone=zone,
        by_text=warehouse.labels_of(lake, engagement["item_id"], last=day),
    )


def _shipped(lake: Lake, day: date) -> pl.DataFrame:
    """Proposed suggestions that were shipped before they had expired, as far back as a score of the day may ask: SHIPPED."""
    log = DecisionLog(lake.home).read()
    ever = log.filter(
        pl.col("decision") == "shipped",
        pl.col("decided_on").is_between(day - timedelta(days=max(AGES) + WEEK), day),
    ).select("strategy_id", "issued_on", shipped_on="decided_on")
    held = latest(log, on=day).filter(pl.col("decision") == "shipped").select("strategy_id", shipped_on="decided_on")
    marked = ever.unique(maintain_order=True).join(
        held.with_columns(held=pl.lit(True)), on=["strategy_id", "shipped_on"], how="left"
    )
    frames = [
        lake.read("strategies", issued_on)
        .join(of_day.with_columns(pl.col("held").fill_null(False)), on="strategy_id", how="inner")
        .filter(
            pl.col("shipped_on") < pl.col("expires_on"), pl.col("effect").is_not_null(), pl.col("status") == "proposed"
        )
        .select(list(SHIPPED))
        for (issued_on,), of_day in marked.group_by("issued_on", maintain_order=True)
        if isinstance(issued_on, date) and lake.has("strategies", issued_on)
    ]
    return pl.concat([pl.DataFrame(schema=SHIPPED), *frames])


def _on(lake: Lake, method: Method, table: Table, wanted: Sequence[date], where: pl.Expr | None = None) -> pl.DataFrame:
    """A table on several days, those before the source's first day left out."""
    frames = [
        lake.read_days(table.name, day, day, where=where)
        for day in wanted
        if day >= date.fromisoformat(method.first_day)
    ]
    return pl.concat([table.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()), *frames])


def _exposed(
    lake: Lake,
    first: date,
    last: date,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    zone: str,
    some: pl.Expr | None = None,
) -> pl.DataFrame | None:
    """Showings of the week that are random or have a propensity, in their order; None if the log has neither."""
    main = main_interests(labels)
    frames = []
    # Day by day, as the order is among all showings of a day, also those that cannot be compared.
    for file in lake.files("raw_events", first=first, last=last):
        events = _events([file], some)
        annoyed = events.filter(pl.col("kind") == "negative").select("user_id", "item_id").unique()
        shown = (
            events.filter(pl.col("kind") == "exposure")
            .select("day", "user_id", "item_id", "kind", "propensity", "is_random", "occurred_at", "event_id",
                    hour=_hour(zone))
            .join(annoyed.with_columns(negative=pl.lit(True)), on=["user_id", "item_id"], how="left")
            .with_columns(pl.col("negative").fill_null(False))
            .collect()
        )  # fmt: skip
        comparable = pl.col("is_random").fill_null(False) | pl.col("propensity").is_not_null()
        frames.append(ordered(shown, main).filter(comparable).drop("occurred_at", "event_id"))
    return exposed_rows(pl.concat(frames), engagement) if any(frame.height for frame in frames) else None


def _present(lake: Lake, first: date, last: date, zone: str, some: pl.Expr | None = None) -> pl.DataFrame:
    """The hours of each day in which a user was there: fewer rows than events, and read as a stream."""
    there = (
        _events(lake.files("raw_events", first=first, last=last), some)
        .select("day", "user_id", hour=_hour(zone))
        .unique()
    )
    return there.collect(engine="streaming").sort("day", "user_id", "hour")


def _events(files: list[Path], some: pl.Expr | None) -> pl.LazyFrame:
    events = pl.scan_parquet(files, hive_partitioning=True)
    return events.filter(True if some is None else some).with_columns(pl.col("day").cast(pl.Date))


def _hour(zone: str) -> pl.Expr:
    """The hour of the day in the source's time zone."""
    local = pl.col("occurred_at").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return local.dt.hour()  # a byte


def _real_only(frame: pl.DataFrame, communities: pl.DataFrame, fewest: int) -> Finding:
    citable = communities.filter((pl.col("verdict") == "real") & (pl.col("users") >= fewest))["community_id"]
    strangers = frame.filter(~pl.col("community_id").is_in(citable.implode()))
    return Finding(
        "real_only",
        strangers.is_empty(),
        REAL_ONLY if strangers.is_empty() else f"strategies: {strangers.height} rows cite what is not real",
        numbers={"rows": frame.height, "real communities": len(citable), "unexpected": strangers.height},
    )


def _no_number(frame: pl.DataFrame) -> Finding:
    numbers = ("effect", "effect_low", "effect_high", "std_error")
    wrong = frame.filter(
        (pl.col("evaluability") == "not_evaluable") & pl.any_horizontal(pl.col(c).is_not_null() for c in numbers)
    )
    return Finding(
        "no_number_without_evidence",
        wrong.is_empty(),
        NO_NUMBER if wrong.is_empty() else f"strategies: {wrong.height} rows give a number that nothing supports",
        numbers={"rows": frame.height, "unexpected": wrong.height},
    )


def _covered(frame: pl.DataFrame) -> Finding:
    # What was shipped is measured by another yardstick than what was predicted (docs/method.md), and counts apart.
    scored = frame.filter(in_record(), pl.col("in_interval").is_not_null())
    within = scored.filter("in_interval").height
    share = within / scored.height if scored.height else 1.0
    passed = scored.height < FEWEST_SCORED or share >= LEAST_COVERAGE
    return Finding(
        "coverage",
        passed,
        COVERED
        if passed
        else f"strategy_scorecard: {within} of {scored.height} suggestions of 7 and 14 days ago ({share:.0%}) came true within "
        f"their 90 % interval; expected at least {LEAST_COVERAGE:.0%} (a warning)",
        severity="warning",
        numbers=shares(scored=scored.height, within_interval=share, bound=LEAST_COVERAGE),
    )
