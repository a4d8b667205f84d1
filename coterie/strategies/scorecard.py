"""The track record: what was suggested is measured again on what happened since, by the same measure."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
from statsmodels.stats.proportion import proportion_confint

from coterie.strategies.outcome import GAIN, MIN_USERS, WINDOW_DAYS, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.propose import PROPOSED, Days
from coterie.strategies.shrinkage import Z90
from coterie.strategies.window import window_from_frames
from coterie.tables import STRATEGY_SCORECARD

HORIZONS = (7, 14)
_PAIR = ["community_id", "interest_id", "metric"]


def scorecard_of_day(*, day: date, days: Days, issued: pl.DataFrame, disclosure_k: int = MIN_USERS) -> pl.DataFrame:
    """The table `strategy_scorecard` of a day.

    A suggestion of day D is scored at horizon h, for the members as of D, on the seven days that end on D + h. So each
    horizon is a measure of its own, on the same footing as the prediction: seven days, adoption counted among those
    without engagement before that window.

    Args:
        day: the day of scoring.
        days: for each horizon h: engagement and interest_daily of day-6..day, memberships of day-h, user_interests of
            day-7, labels of the items.
        issued: STRATEGIES with day; those of day-7 and day-14 are used.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    start = day - timedelta(days=WINDOW_DAYS - 1)
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    due: dict[int, pl.DataFrame] = {}
    outcomes: dict[int, pl.DataFrame] = {}
    placebos: dict[int, pl.DataFrame] = {}
    for horizon in HORIZONS:
        made = day - timedelta(days=horizon)
        rows = issued.filter(pl.col("day") == made, pl.col("status") == PROPOSED).drop("day")
        if not rows.height:
            continue
        window = window_from_frames(
            start=start, end=day, members_on=made, prior_on=start - timedelta(days=1),
            communities=rows["community_id"].unique().sort(), engagement=days.engagement, labels=days.labels,
            memberships=days.memberships, user_interests=days.user_interests, exposed=days.exposed,
        )  # fmt: skip
        due[horizon] = rows
        outcomes[horizon] = measure(window, supply, disclosure_k)
        placebos[horizon] = placebo(window, supply, day)
    return score(day=day, issued=due, outcomes=outcomes, placebos=placebos)


def score(
    *,
    day: date,
    issued: Mapping[int, pl.DataFrame],
    outcomes: Mapping[int, pl.DataFrame],
    placebos: Mapping[int, pl.DataFrame],
) -> pl.DataFrame:
    """Score suggestions against outcomes.

    A suggestion is a hit if prediction and outcome differ by no more than z times the root of the sum of their squared
    errors, with z for 90 %. It is `not_scorable` where the outcome cannot be measured, or not in the way in which the
    prediction was made.

    Args:
        day: the day of scoring.
        issued: STRATEGIES of `day` - horizon, by horizon in days; only proposed rows are scored.
        outcomes: what `measure` returns, by horizon.
        placebos: what `placebo` returns for the same windows, by horizon.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    parts = [STRATEGY_SCORECARD.empty()]
    for horizon in sorted(issued):
        rows = issued[horizon].filter(pl.col("status") == PROPOSED)
        found = outcomes[horizon].select(
            *_PAIR, "evaluability", "popularity", realised="difference", realised_error="std_error"
        )
        near = Z90 * (pl.col("std_error") ** 2 + pl.col("realised_error") ** 2).sqrt()
        scored = (
            rows.select("strategy_id", *_PAIR, "evaluability", "std_error", predicted="effect")
            .join(found, on=[*_PAIR, "evaluability"], how="left")
            .join(placebos[horizon], on=_PAIR, how="left")
            .with_columns(
                issued_on=pl.lit(day - timedelta(days=horizon)),
                horizon_days=pl.lit(horizon, dtype=pl.Int64),
                in_interval=(pl.col("realised") - pl.col("predicted")).abs() <= near,
            )
            .with_columns(
                placebo=pl.when(pl.col("realised").is_not_null()).then(pl.col("placebo")),
                popularity=pl.when(pl.col("metric") == GAIN).then(pl.col("popularity")).otherwise(0.0),
                verdict=pl.when(pl.col("in_interval").is_null())
                .then(pl.lit("not_scorable"))
                .when(pl.col("in_interval"))
                .then(pl.lit("hit"))
                .otherwise(pl.lit("miss")),
            )
        )
        parts.append(scored.select(pl.col(c).cast(t) for c, t in STRATEGY_SCORECARD.schema.items()))
    return STRATEGY_SCORECARD.conform(pl.concat(parts))


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
