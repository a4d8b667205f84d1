"""The track record: what was suggested is measured again on what happened since, by the same measure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from statsmodels.stats.proportion import proportion_confint

from coterie.strategies.bridges import BRIDGE_GAIN, BRIDGES, bridges
from coterie.strategies.creators import BY_CREATOR, by_creator
from coterie.strategies.days import Days
from coterie.strategies.grounds import MOVING_METRICS
from coterie.strategies.horizons import AGES, HORIZONS, in_record
from coterie.strategies.intervention import (
    AS_INTERVENTIONS,
    LEAST_TOLD_APART,
    MINGLED,
    NOT_AS_INTERVENTIONS,
    of_what_moved,
)
from coterie.strategies.newcomers import NEWCOMERS, PLACED, asked_of, newcomers
from coterie.strategies.outcome import MIN_USERS, WINDOW_DAYS, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.propose import PROPOSED, TARGET
from coterie.strategies.resting import REST_GAIN, RESTED, caps_of, resting
from coterie.strategies.shrinkage import Z90
from coterie.strategies.supply_gaps import gaps_by_text
from coterie.strategies.timing import TIMED, TIMING_GAIN, hours_of, timing
from coterie.tables import STRATEGIES, STRATEGY_SCORECARD

# Days from a suggestion to its last score.
ISSUED_BEFORE = max(AGES)
SHIPPED = STRATEGIES.schema | {"issued_on": pl.Date, "shipped_on": pl.Date, "held": pl.Boolean}
_KEY = ["community_id", "target", "metric"]
# What a suggestion says beside its target, which the next day's may say otherwise: hours, a cap, a number of signals.
_SAID = {TIMING_GAIN: "from_hour", REST_GAIN: "most_per_day", PLACED: "signals"}
_NOTHING_SAID = -1
NO_MEMBERS = "the community has no member any more who did anything in the week"
NOTHING_OF_IT = "nothing in the week tells of it"
WEEK_BEFORE = timedelta(days=WINDOW_DAYS - 1)  # from the last day of a week to its first


@dataclass(frozen=True)
class Measured:
    """A week: what `outcome.measure` and the measures of single kinds say, and what `placebo.placebo` says, of its members.

    `outcomes` has a `placebo` where the measure of a kind makes its own.
    """

    outcomes: pl.DataFrame
    placebos: pl.DataFrame


@dataclass(frozen=True)
class _Asked:
    """Suggestions that are scored together: for the members of a day, and how what is found becomes rows."""

    members_on: date
    rows: pl.DataFrame
    scored: Callable[[Measured], pl.DataFrame]


def scorecard_of_day(
    *,
    day: date,
    days: Days,
    issued: pl.DataFrame,
    shipped: pl.DataFrame | None = None,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The table `strategy_scorecard` of a day.

    A suggestion of day D is scored every day from D + 7 to D + 28, on the seven days that end then. So each score is a
    measure of its own, on the same footing as the prediction: seven days, members fixed before them, adoption counted
    among those without engagement before that week. Members are those of the day before the week, as they were for the
    prediction; at the age of 14 days, which counts in the track record, those of D, for whom it was made. What is scored at
    an age of the record does not depend on what else is scored.

    What was shipped on S changes what it was measured on. It is scored on the weeks that lie in it instead, from the first
    on, for the members as of S - 1, by what its showings bring while it is in force (coterie.strategies.intervention). Of
    what was taken back there is no row. Whatever is `not_scorable` says why.

    Args:
        day: the day of scoring.
        days: engagement and interest_daily of day-6..day, user_interests of day-7, labels of the items, memberships of
            day-h for each horizon h, and of the days before what was shipped.
        issued: STRATEGIES with day; those of AGES are used.
        shipped: SHIPPED: the suggestions that were ever shipped by then, as they were issued, with the first day of the
            change and whether it still held on the day; five weeks back suffice.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        STRATEGY_SCORECARD, sorted by key.
    """
    shipped = pl.DataFrame(schema=SHIPPED) if shipped is None else shipped
    asked = [*_predicted(day, issued, shipped), *_in_force(day, shipped)]
    parts = [STRATEGY_SCORECARD.empty()]
    for members_on in sorted({of.members_on for of in asked}):
        group = [of for of in asked if of.members_on == members_on]
        found = _measured(day, days, [of.rows for of in group], members_on, disclosure_k)
        parts += [of.scored(measured) for of, measured in zip(group, found, strict=True)]
    return STRATEGY_SCORECARD.conform(pl.concat(parts))


def _predicted(day: date, issued: pl.DataFrame, shipped: pl.DataFrame) -> Iterator[_Asked]:
    """What was suggested and not shipped: an age of the record by itself, all other ages together."""
    due: dict[int, pl.DataFrame] = {}
    for age in AGES:
        made = day - timedelta(days=age)
        # What was predicted on a week in which it was in force in part is neither one thing nor the other.
        touched = shipped.filter(pl.col("shipped_on").is_between(made - WEEK_BEFORE, day))
        rows = issued.filter(
            pl.col("day") == made, pl.col("status") == PROPOSED,
            ~pl.col("strategy_id").is_in(touched["strategy_id"].implode()),
        ).drop("day")  # fmt: skip
        if rows.height:
            due[age] = rows
    for ages in (*((age,) for age in HORIZONS), tuple(age for age in AGES if age not in HORIZONS)):
        rows_of = {age: due[age] for age in ages if age in due}
        if rows_of:
            ago = ages[0] if ages[0] in HORIZONS else WINDOW_DAYS

            def scored(found: Measured, rows_of: Mapping[int, pl.DataFrame] = rows_of) -> pl.DataFrame:
                return score(day=day, issued=rows_of, found=dict.fromkeys(rows_of, found))

            yield _Asked(day - timedelta(days=ago), pl.concat(rows_of.values()), scored)


def _in_force(day: date, shipped: pl.DataFrame) -> Iterator[_Asked]:
    """What was shipped, by the first day of the change."""
    oldest = day - timedelta(days=max(AGES))
    held = shipped.filter("held", pl.col("shipped_on") <= day)
    for in_force in AGES:
        last_without = day - timedelta(days=in_force)
        rows = held.filter(pl.col("shipped_on") == last_without + timedelta(days=1), pl.col("issued_on") >= oldest)
        if rows.height:
            # What is older than the week that it was suggested on was in force before and after.
            since = rows.select(pl.col("issued_on").min() - WEEK_BEFORE).item()
            beside = held.filter(pl.col("shipped_on") >= since)

            def scored(
                found: Measured, in_force: int = in_force, rows: pl.DataFrame = rows, beside: pl.DataFrame = beside
            ) -> pl.DataFrame:
                return score_shipped(in_force, rows, found, beside)

            yield _Asked(last_without, rows.select(list(STRATEGIES.schema)), scored)


def _measured(
    day: date, days: Days, groups: Sequence[pl.DataFrame], members_on: date, disclosure_k: int
) -> list[Measured]:
    """What the week that ends on the day says of each group of suggestions, for the members of a day.

    What does not depend on what else is asked is measured once for all groups.
    """
    shared = _shared(day, days, pl.concat(groups), members_on, disclosure_k)
    return [_of_group(day, days, rows, members_on, disclosure_k, shared) for rows in groups]


def _shared(day: date, days: Days, rows: pl.DataFrame, members_on: date, disclosure_k: int) -> Measured:
    start, communities = day - WEEK_BEFORE, _communities(rows)
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    gaps = gaps_by_text(days, start, day, communities, members_on=members_on, supply=supply, disclosure_k=disclosure_k)
    window = days.window(start, day, communities, members_on=members_on)
    outcomes = [gaps.in_outcomes(measure(window, supply, disclosure_k))]
    placebos = gaps.in_placebos(placebo(window, supply, day))
    between = rows.filter(pl.col("other_community_id").is_not_null())
    if between.height:
        pairs = between.select("community_id", "interest_id", "other_community_id").unique()
        outcomes.append(bridges(window, pairs, disclosure_k))
    del window  # so that no two are held at a time
    caps = caps_of(rows)
    if caps.height:
        rested = resting(days, start, day, outcomes[0], members_on=members_on, caps=caps, disclosure_k=disclosure_k)
        outcomes.append(rested)
    hours = hours_of(rows)
    if hours.height:
        outcomes.append(
            timing(days, start, day, communities, members_on=members_on, hours=hours, disclosure_k=disclosure_k)
        )
    return Measured(pl.concat(outcomes, how="diagonal"), placebos)


def _of_group(
    day: date, days: Days, rows: pl.DataFrame, members_on: date, disclosure_k: int, shared: Measured
) -> Measured:
    """With what depends on which creators are named, and on which communities a newcomer may be placed in."""
    start, communities = day - WEEK_BEFORE, _communities(rows)
    outcomes, placebos = [shared.outcomes], [shared.placebos]
    named = rows["creator_id"].drop_nulls().unique().sort()
    if len(named):
        of_creators = by_creator(
            days, start, day, communities, members_on=members_on, named=named, disclosure_k=disclosure_k
        )
        outcomes.append(of_creators.outcomes)
        placebos.append(of_creators.placebos(day))
    asked = asked_of(rows)
    if asked.height:
        outcomes.append(
            newcomers(days, start, day, communities, members_on=members_on, asked=asked, disclosure_k=disclosure_k)
        )
    return Measured(pl.concat(outcomes, how="diagonal"), pl.concat(placebos))


def _communities(rows: pl.DataFrame) -> pl.Series:
    return pl.concat([rows["community_id"], rows["other_community_id"]]).drop_nulls().unique().sort()


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
        STRATEGY_SCORECARD; `not_scorable` what is not of AS_INTERVENTIONS.
    """
    of_feed, of_interest, of_theirs = (
        pl.col("evidence").str.json_path_match(f"$.{name}").cast(pl.Float64)
        for name in (
            "share_of_showings_now",
            "share_of_own_showings_of_the_interest",
            "share_of_their_showings_of_the_interest",
        )
    )
    share = pl.when(pl.col("metric") == BRIDGE_GAIN).then(of_interest).otherwise(of_feed)
    scored = _beside(shipped.with_columns(share_before=share, theirs_before=of_theirs), found)
    others = beside.join(shipped, on=["strategy_id", "shipped_on"], how="anti").select("community_id")
    moved = of_what_moved(pl.concat([scored, others], how="diagonal")).filter(pl.col("strategy_id").is_not_null())
    mingled = (pl.col("their_share") < LEAST_TOLD_APART * pl.col("theirs_before")).fill_null(False)
    told = moved.with_columns(
        pl.when(pl.col("metric").is_in(AS_INTERVENTIONS) & ~mingled).then(pl.col("realised", "realised_error")),
        horizon_days=pl.lit(in_force, pl.Int64),
        why_not=pl.coalesce(
            pl.col("metric").replace_strict(NOT_AS_INTERVENTIONS, default=None, return_dtype=pl.String),
            "why_not",
            pl.when(mingled).then(pl.lit(MINGLED)),
            "unmoved",
        ),
    )
    return _judged(told.with_columns(placebo=pl.when(pl.col("realised").is_not_null()).then("placebo")))


def _beside(rows: pl.DataFrame, found: Measured) -> pl.DataFrame:
    """Suggestions with predicted, realised, realised_error, placebo, popularity, served_share, and why_not if that is so."""
    outcomes = pl.concat(
        [pl.DataFrame(schema=BY_CREATOR | BRIDGES | TIMED | RESTED | NEWCOMERS), found.outcomes], how="diagonal"
    )
    measured = outcomes.with_columns(
        target=TARGET, said=pl.coalesce(*_SAID.values()).fill_null(_NOTHING_SAID)
    ).select(
        *_KEY, "said", "popularity", "why_not", "their_share", measured="evaluability",
        served_share=pl.when(pl.col("metric") == BRIDGE_GAIN).then("own_share").otherwise("served_share"),
        realised="difference", realised_error="std_error", own_placebo="placebo",
    )  # fmt: skip
    return (
        rows.with_columns(target=TARGET, predicted="effect", said=_said())
        .join(measured, on=[*_KEY, "said"], how="left")
        .join(found.placebos.rename({"interest_id": "target"}), on=_KEY, how="left")
        .with_columns(
            pl.when(pl.col("measured") == pl.col("evaluability")).then(
                pl.col("realised", "realised_error", "popularity")
            ),
            why_not=pl.when(pl.col("measured").is_null())
            .then(
                pl.when(pl.col("community_id").is_in(outcomes["community_id"].unique().implode()))
                .then(pl.lit(NOTHING_OF_IT))
                .otherwise(pl.lit(NO_MEMBERS))
            )
            .when(pl.col("why_not").is_not_null())
            .then("why_not")
            .when(pl.col("measured") != pl.col("evaluability"))
            .then(pl.format("predicted by {}, measured by {}", "evaluability", "measured")),
        )
        .with_columns(
            placebo=pl.when(pl.col("realised").is_not_null()).then(pl.coalesce("own_placebo", "placebo")),
            popularity=pl.when(pl.col("metric").is_in([*MOVING_METRICS, TIMING_GAIN]))
            .then("popularity")
            .otherwise(0.0),
        )
    )


def _said() -> pl.Expr:
    """What the actions of suggestions say beside the target, as outcomes have it."""
    said = [
        pl.when(pl.col("metric") == metric).then(pl.col("action").str.json_path_match(f"$.parameters.{name}"))
        for metric, name in _SAID.items()
    ]
    return pl.coalesce(*said).cast(pl.Int64).fill_null(_NOTHING_SAID)


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
        .with_columns(verdict=verdict, why_not=pl.when(pl.col("in_interval").is_null()).then("why_not"))
        .select(pl.col(c).cast(t) for c, t in STRATEGY_SCORECARD.schema.items())
    )


def coverage(*, scorecard: pl.DataFrame, strategies: pl.DataFrame) -> dict[str, dict[str, float]]:
    """How often each kind's intervals held, by the scores that count in the track record.

    Args:
        scorecard: STRATEGY_SCORECARD rows of any number of days.
        strategies: strategy_id and kind of the suggestions scored.

    Returns:
        Kind to n, share (in the interval), low and high (95 % Wilson interval of the share); kinds without a scored
        row are left out.
    """
    kinds = strategies.select("strategy_id", "kind").unique()
    joined = scorecard.filter(in_record(), pl.col("in_interval").is_not_null()).join(
        kinds, on="strategy_id", how="inner"
    )
    out: dict[str, dict[str, float]] = {}
    for kind in joined["kind"].unique().sort().to_list():
        held = joined.filter(pl.col("kind") == kind)["in_interval"].to_numpy()
        low, high = proportion_confint(int(held.sum()), len(held), method="wilson")
        out[str(kind)] = {"n": float(len(held)), "share": float(np.mean(held)), "low": float(low), "high": float(high)}
    return out
