"""The track record: what was suggested is measured again on what happened since, by the same measure."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
from statsmodels.stats.proportion import proportion_confint

from coterie.strategies.creators import by_creator
from coterie.strategies.days import Days
from coterie.strategies.intervention import interventions_of_day
from coterie.strategies.outcome import GAIN, MIN_USERS, WINDOW_DAYS, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.propose import MOVED, PROPOSED, TARGET
from coterie.strategies.shrinkage import Z90
from coterie.tables import STRATEGIES, STRATEGY_SCORECARD

HORIZONS = (7, 14)
SHIPPED = STRATEGIES.schema | {"issued_on": pl.Date, "shipped_on": pl.Date}
NONE = pl.Series(dtype=pl.String)  # whom to avoid was decided when it was suggested
_KEY = ["community_id", "target", "metric"]


def scorecard_of_day(
    *,
    day: date,
    days: Days,
    issued: pl.DataFrame,
    shipped: pl.DataFrame | None = None,
    before: Mapping[date, Days] | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The table `strategy_scorecard` of a day.

    A suggestion of day D is scored at horizon h, for the members as of D, on the seven days that end on D + h. So each
    horizon is a measure of its own, on the same footing as the prediction: seven days, adoption counted among those
    without engagement before that window.

    A boost that was shipped changes what it was measured on. From its first day on it is no longer scored in this way,
    but by what it changed, in its first and its second week (coterie.strategies.intervention).

    Args:
        day: the day of scoring.
        days: for each horizon h: engagement and interest_daily of day-6..day, memberships of day-h, user_interests of
            day-7, labels of the items.
        issued: STRATEGIES with day; those of day-7 and day-14 are used.
        shipped: SHIPPED: the suggestions that were shipped by then, as they were issued, with the first day of the change.
        before: by such a day S that `intervention.due_days` gives: the Days of S-7..S-1, with memberships of S-8.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    shipped = pl.DataFrame(schema=SHIPPED) if shipped is None else shipped
    start = day - timedelta(days=WINDOW_DAYS - 1)
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    due: dict[int, pl.DataFrame] = {}
    outcomes: dict[int, pl.DataFrame] = {}
    placebos: dict[int, pl.DataFrame] = {}
    for horizon in HORIZONS:
        made = day - timedelta(days=horizon)
        in_force = shipped.filter(pl.col("metric") == GAIN, pl.col("shipped_on").is_between(made, day))
        rows = issued.filter(
            pl.col("day") == made, pl.col("status") == PROPOSED,
            ~pl.col("strategy_id").is_in(in_force["strategy_id"].implode()),
        ).drop("day")  # fmt: skip
        if not rows.height:
            continue
        communities = rows["community_id"].unique().sort()
        window = days.window(start, day, communities, members_on=made)
        due[horizon] = rows
        found, beside = [measure(window, supply, disclosure_k)], [placebo(window, supply, day)]
        if rows["creator_id"].is_not_null().any():
            of_creators = by_creator(
                days, start, day, communities, members_on=made, avoided=NONE, disclosure_k=disclosure_k
            )
            found.append(of_creators.outcomes)
            beside.append(of_creators.placebos(day))
        outcomes[horizon], placebos[horizon] = pl.concat(found, how="diagonal"), pl.concat(beside)
    changes = interventions_of_day(
        day=day, after=days, before=before or {}, shipped=shipped, disclosure_k=disclosure_k
    )  # fmt: skip
    return STRATEGY_SCORECARD.conform(
        pl.concat(
            [score(day=day, issued=due, outcomes=outcomes, placebos=placebos), score_shipped(day, shipped, changes)]
        )
    )


def score_shipped(day: date, shipped: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """Score boosts that were shipped against what they changed.

    Args:
        day: the day of scoring.
        shipped: SHIPPED.
        changes: `intervention.FOUND`.

    Returns:
        STRATEGY_SCORECARD, without placebo: random groups were given nothing.
    """
    scored = shipped.join(changes, on=["strategy_id", "issued_on"], how="inner").with_columns(
        horizon_days=(pl.lit(day) - pl.col("shipped_on")).dt.total_days() + 1,
        predicted="effect",
        placebo=pl.lit(None, pl.Float64),
        popularity=pl.lit(None, pl.Float64),
    )
    return _judged(scored)


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
        outcomes: what `measure` returns, and `creators.ByCreator.outcomes`, by horizon.
        placebos: what `placebo` returns for the same windows, and those by creator, by horizon.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    parts = [STRATEGY_SCORECARD.empty()]
    for horizon in sorted(issued):
        rows = issued[horizon].filter(pl.col("status") == PROPOSED)
        measured = pl.concat([pl.DataFrame(schema={"creator_id": pl.String}), outcomes[horizon]], how="diagonal")
        found = measured.with_columns(target=TARGET).select(
            *_KEY, "evaluability", "popularity", realised="difference", realised_error="std_error"
        )
        scored = (
            rows.with_columns(target=TARGET)
            .select("strategy_id", *_KEY, "evaluability", "std_error", predicted="effect")
            .join(found, on=[*_KEY, "evaluability"], how="left")
            .join(placebos[horizon].rename({"interest_id": "target"}), on=_KEY, how="left")
            .with_columns(
                issued_on=pl.lit(day - timedelta(days=horizon)),
                horizon_days=pl.lit(horizon, dtype=pl.Int64),
                shipped_on=pl.lit(None, pl.Date),
                placebo=pl.when(pl.col("realised").is_not_null()).then(pl.col("placebo")),
                popularity=pl.when(pl.col("metric").is_in(MOVED)).then(pl.col("popularity")).otherwise(0.0),
            )
        )
        parts.append(_judged(scored))
    return STRATEGY_SCORECARD.conform(pl.concat(parts))


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
