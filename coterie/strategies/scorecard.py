"""The track record: what was suggested is measured again on what happened since, by the same measure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from statsmodels.stats.proportion import proportion_confint

from coterie.strategies.bridges import BRIDGE_GAIN, BRIDGES, bridges
from coterie.strategies.creators import BY_CREATOR, by_creator
from coterie.strategies.days import Days
from coterie.strategies.grounds import MOVING_METRICS
from coterie.strategies.intervention import of_what_moved
from coterie.strategies.newcomers import NEWCOMERS, asked_of, newcomers
from coterie.strategies.newcomers import placebos_of as beside_newcomers
from coterie.strategies.outcome import MIN_USERS, WINDOW_DAYS, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.propose import LIFETIME, PROPOSED, TARGET
from coterie.strategies.resting import REST_GAIN, RESTED, caps_of, resting
from coterie.strategies.resting import placebos_of as beside_rest
from coterie.strategies.shrinkage import Z90
from coterie.strategies.supply_gaps import gaps_by_text
from coterie.strategies.timing import TIMED, TIMING_GAIN, hours_of, placebos_of, timing
from coterie.tables import STRATEGIES, STRATEGY_SCORECARD

HORIZONS = (7, 14)
# Days from a suggestion to its last score at most: it is shipped before it expires, and then scored twice.
ISSUED_BEFORE = LIFETIME.days + max(HORIZONS) - 2
SHIPPED = STRATEGIES.schema | {"issued_on": pl.Date, "shipped_on": pl.Date, "held": pl.Boolean}
AGAINST_THE_FEED = tuple(
    metric for metric in MOVING_METRICS if metric not in (BRIDGE_GAIN, REST_GAIN)
)  # against a showing of the whole feed
_KEY = ["community_id", "target", "metric"]


@dataclass(frozen=True)
class Measured:
    """A week: what `outcome.measure` and `creators.by_creator` say, and what `placebo.placebo` says, of its members."""

    outcomes: pl.DataFrame
    placebos: pl.DataFrame


def scorecard_of_day(
    *,
    day: date,
    days: Days,
    issued: pl.DataFrame,
    shipped: pl.DataFrame | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The table `strategy_scorecard` of a day.

    A suggestion of day D is scored at horizon h, for the members as of D, on the seven days that end on D + h. So each
    horizon is a measure of its own, on the same footing as the prediction: seven days, adoption counted among those
    without engagement before that window.

    What was shipped on S changes what it was measured on. It is scored on its first and its second week instead, for the
    members as of S - 1, by what its showings bring while it is in force (coterie.strategies.intervention). Where its metric is not
    that of showings of the whole feed, or it was taken back, nothing can be told: then it is not scored at all.

    Args:
        day: the day of scoring.
        days: engagement and interest_daily of day-6..day, user_interests of day-7, labels of the items, memberships of
            day-h for each horizon h.
        issued: STRATEGIES with day; those of day-7 and day-14 are used.
        shipped: SHIPPED: the suggestions that were ever shipped by then, as they were issued, with the first day of the
            change and whether it still held on the day; some 20 days back suffice.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    shipped = pl.DataFrame(schema=SHIPPED) if shipped is None else shipped
    due: dict[int, pl.DataFrame] = {}
    found: dict[int, Measured] = {}
    for horizon in HORIZONS:
        made = day - timedelta(days=horizon)
        # What was predicted on a week in which it was in force in part is neither one thing nor the other.
        touched = shipped.filter(pl.col("shipped_on").is_between(made - timedelta(days=WINDOW_DAYS - 1), day))
        rows = issued.filter(
            pl.col("day") == made, pl.col("status") == PROPOSED,
            ~pl.col("strategy_id").is_in(touched["strategy_id"].implode()),
        ).drop("day")  # fmt: skip
        if rows.height:
            due[horizon], found[horizon] = rows, _measured(day, days, rows, made, disclosure_k)
    parts = [score(day=day, issued=due, found=found)]
    for in_force in HORIZONS:
        last_without = day - timedelta(days=in_force)
        rows = shipped.filter("held", pl.col("shipped_on") == last_without + timedelta(days=1))
        if rows.height:
            measured = _measured(day, days, rows, last_without, disclosure_k)
            beside = shipped.filter("held", pl.col("shipped_on") <= day)
            parts.append(score_shipped(in_force, rows, measured, beside))
    return STRATEGY_SCORECARD.conform(pl.concat(parts))


def _measured(day: date, days: Days, rows: pl.DataFrame, members_on: date, disclosure_k: int) -> Measured:
    """What the week that ends on the day says of suggestions, for the members of a day."""
    start = day - timedelta(days=WINDOW_DAYS - 1)
    communities = pl.concat([rows["community_id"], rows["other_community_id"]]).drop_nulls().unique().sort()
    outcomes, placebos = [], []
    named = rows["creator_id"].drop_nulls().unique().sort()
    if len(named):
        of_creators = by_creator(
            days, start, day, communities, members_on=members_on, named=named, disclosure_k=disclosure_k
        )
        outcomes.append(of_creators.outcomes)
        placebos.append(of_creators.placebos(day))
        del of_creators  # so that no two windows are held at a time
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    gaps = gaps_by_text(days, start, day, communities, members_on=members_on, supply=supply, disclosure_k=disclosure_k)
    window = days.window(start, day, communities, members_on=members_on)
    outcomes.append(gaps.in_outcomes(measure(window, supply, disclosure_k)))
    placebos.append(gaps.in_placebos(placebo(window, supply, day)))
    caps = caps_of(rows)
    if caps.height:
        rested = resting(days, start, day, outcomes[-1], members_on=members_on, caps=caps, disclosure_k=disclosure_k)
        outcomes.append(rested.drop("placebo"))
        placebos.append(beside_rest(rested))
    between = rows.filter(pl.col("other_community_id").is_not_null())
    if between.height:
        pairs = between.select("community_id", "interest_id", "other_community_id").unique()
        outcomes.append(bridges(window, pairs, disclosure_k))
    asked = asked_of(rows)
    if asked.height:
        placed = newcomers(days, start, day, communities, members_on=members_on, asked=asked, disclosure_k=disclosure_k)
        outcomes.append(placed.drop("placebo"))
        placebos.append(beside_newcomers(placed))
    hours = hours_of(rows)
    if hours.height:
        by_hour = timing(days, start, day, communities, members_on=members_on, hours=hours, disclosure_k=disclosure_k)
        outcomes.append(by_hour.drop("placebo"))
        placebos.append(placebos_of(by_hour))
    return Measured(pl.concat(outcomes, how="diagonal"), pl.concat(placebos))


def score(*, day: date, issued: Mapping[int, pl.DataFrame], found: Mapping[int, Measured]) -> pl.DataFrame:
    """Score suggestions against outcomes.

    A suggestion is a hit if prediction and outcome differ by no more than z times the root of the sum of their squared
    errors, with z for 90 %. It is `not_scorable` where the outcome cannot be measured, or not in the way in which the
    prediction was made.

    Args:
        day: the day of scoring.
        issued: STRATEGIES of `day` - horizon, by horizon in days; only proposed rows are scored.
        found: what was measured, by horizon.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    parts = [STRATEGY_SCORECARD.empty()]
    for horizon in sorted(issued):
        rows = issued[horizon].filter(pl.col("status") == PROPOSED)
        scored = _beside(rows, found[horizon]).with_columns(
            issued_on=pl.lit(day - timedelta(days=horizon)),
            horizon_days=pl.lit(horizon, dtype=pl.Int64),
            shipped_on=pl.lit(None, pl.Date),
        )
        parts.append(_judged(scored))
    return STRATEGY_SCORECARD.conform(pl.concat(parts))


def score_shipped(in_force: int, shipped: pl.DataFrame, found: Measured, beside: pl.DataFrame) -> pl.DataFrame:
    """Score what was shipped by what its showings bring while it is in force.

    Args:
        in_force: days since the first on which people saw the change, that one included: the horizon.
        shipped: SHIPPED, rows of one first day.
        found: what was measured in the week that ends then.
        beside: SHIPPED, all that was in force by then, these included.

    Returns:
        STRATEGY_SCORECARD; `not_scorable` what is not measured against a showing of the whole feed.
    """
    share = pl.col("evidence").str.json_path_match("$.share_of_showings_now").cast(pl.Float64)
    scored = _beside(shipped.with_columns(share_before=share), found)
    others = beside.join(shipped, on=["strategy_id", "shipped_on"], how="anti").select("community_id")
    moved = of_what_moved(pl.concat([scored, others], how="diagonal")).filter(pl.col("strategy_id").is_not_null())
    of_the_feed = pl.col("metric").is_in(AGAINST_THE_FEED)
    told = moved.with_columns(
        pl.when(of_the_feed).then(pl.col("realised", "realised_error")), horizon_days=pl.lit(in_force, pl.Int64)
    )
    return _judged(told.with_columns(placebo=pl.when(pl.col("realised").is_not_null()).then("placebo")))


def _beside(rows: pl.DataFrame, found: Measured) -> pl.DataFrame:
    """Suggestions with predicted, realised, realised_error, placebo, popularity and served_share."""
    outcomes = pl.concat(
        [pl.DataFrame(schema=BY_CREATOR | BRIDGES | TIMED | RESTED | NEWCOMERS).drop("placebo"), found.outcomes],
        how="diagonal",
    )
    measured = outcomes.with_columns(target=TARGET).select(
        *_KEY, "evaluability", "popularity", "served_share", realised="difference", realised_error="std_error"
    )
    return (
        rows.with_columns(target=TARGET, predicted="effect")
        .join(measured, on=[*_KEY, "evaluability"], how="left")
        .join(found.placebos.rename({"interest_id": "target"}), on=_KEY, how="left")
        .with_columns(
            placebo=pl.when(pl.col("realised").is_not_null()).then("placebo"),
            popularity=pl.when(pl.col("metric").is_in([*MOVING_METRICS, TIMING_GAIN]))
            .then("popularity")
            .otherwise(0.0),
        )
    )


def _judged(scored: pl.DataFrame) -> pl.DataFrame:
    """STRATEGY_SCORECARD of rows with predicted, std_error, realised, realised_error and the columns that are not judged."""
    near = Z90 * (pl.col("std_error") ** 2 + pl.col("realised_error") ** 2).sqrt()
    verdict = (
        pl.when(pl.col("in_interval").is_null())
        .then(pl.lit("not_scorable"))
        .when(pl.col("in_interval"))
        .then(pl.lit("hit"))
        .otherwise(pl.lit("miss"))
    )
    return (
        scored.with_columns(in_interval=(pl.col("realised") - pl.col("predicted")).abs() <= near)
        .with_columns(verdict=verdict)
        .select(pl.col(c).cast(t) for c, t in STRATEGY_SCORECARD.schema.items())
    )


def coverage(*, scorecard: pl.DataFrame, strategies: pl.DataFrame) -> dict[str, dict[str, float]]:
    """How often each kind's intervals held.

    Args:
        scorecard: STRATEGY_SCORECARD rows of any number of days.
        strategies: strategy_id and kind of the suggestions scored.

    Returns:
        Kind to n, share (in the interval), low and high (95 % Wilson interval of the share); kinds without a scored
        row are left out.
    """
    kinds = strategies.select("strategy_id", "kind").unique()
    joined = scorecard.filter(pl.col("in_interval").is_not_null()).join(kinds, on="strategy_id", how="inner")
    out: dict[str, dict[str, float]] = {}
    for kind in joined["kind"].unique().sort().to_list():
        held = joined.filter(pl.col("kind") == kind)["in_interval"].to_numpy()
        low, high = proportion_confint(int(held.sum()), len(held), method="wilson")
        out[str(kind)] = {"n": float(len(held)), "share": float(np.mean(held)), "low": float(low), "high": float(high)}
    return out
