"""The measure behind every suggestion: what a community does with an interest in a window of days.

The same function predicts and scores. A suggestion of day D predicts with the outcome of the window D-6..D for the
members as of D-7, so nobody is a member because of the data that measure them; it is scored by the outcome of a later
window for the members as of D.

Metrics, each a value for the members less a comparison value:
    share_of_engagement: share of their engagement strength that goes to the interest, less that share elsewhere.
    strength_per_exposure: strength per showing of the interest, less that of the others, so the feed's choices cancel.
    gain_per_showing: strength per showing of the interest, less that of a showing of what they are shown now.
    loss_per_showing: strength per showing of what they are shown otherwise, less that of the interest.
    adoption: share of active users without earlier engagement who engage in the window, less that share elsewhere.
    demand_minus_supply: share of their engagement, less the interest's share of the items supplied.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from coterie.strategies.gain import feed_mean, gain
from coterie.strategies.showings import OBSERVATIONAL
from coterie.strategies.window import (
    ACTIVITY_BOUNDS,
    Array,
    Matrix,
    Sums,
    Window,
    adoption_sums,
    cut_share,
    effective_rows,
    exposure_sums,
    share_sums,
)

SHARE, EXPOSURE, ADOPTION, GAP = "share_of_engagement", "strength_per_exposure", "adoption", "demand_minus_supply"
GAIN, LOSS = "gain_per_showing", "loss_per_showing"
WINDOW_DAYS = 7
MIN_USERS = 20  # the least for a normal approximation, and the usual disclosure size
MIN_EFFECTIVE_USERS = 10.0  # below it, one or two heavy users are the estimate
MIN_EFFECTIVE_ROWS = 30.0
MOST_CUT = 0.1  # share of the weight cut off, beyond which what the feed shows tells little of what is asked

ONE_ITEM = "one item makes up most of its showings"
NO_VARIANCE = {GAP: "no supply to compare with", GAIN: ONE_ITEM}
OUTCOME_SCHEMA: dict[str, type[pl.DataType]] = {
    "community_id": pl.String,
    "interest_id": pl.String,
    "metric": pl.String,
    "evaluability": pl.String,
    "why_not": pl.String,  # reason if not evaluable, else null
    "value": pl.Float64,  # of the members
    "baseline": pl.Float64,  # of the comparison
    "difference": pl.Float64,
    "std_error": pl.Float64,
    "bias_bound": pl.Float64,  # how far the comparison moves when it is made alike, see `measure`
    "scale": pl.Float64,  # natural unit of the difference, sqrt(p (1 - p)) over everybody
    "unit_mean": pl.Float64,  # of one member: mean and
    "unit_sd": pl.Float64,  # standard deviation, for power calculations
    "community_mean": pl.Float64,  # strength per exposure of the members over all interests
    "supply": pl.Float64,  # demand_minus_supply: items of the interest and
    "supply_total": pl.Float64,  # items of all interests behind the comparison
    "members": pl.Int64,  # in the denominator
    "engaged": pl.Int64,  # of them, with the interest
    "others": pl.Int64,
    "engaged_others": pl.Int64,
    "effective_users": pl.Float64,
    "effective_rows": pl.Float64,
    "cut_share": pl.Float64,  # of the weight of the members' showings, where they are weighted
    "served_share": pl.Float64,  # gains and losses: share of the members' showings that the interest has
    "showings": pl.Float64,  # gains and losses: all logged showings of the members
    "label_confidence": pl.Float64,  # of the labels behind the members' engagement, null if labels have none
    "label_items": pl.Float64,  # effective number of items behind it
    "label_share": pl.Float64,  # of all the members' engagement, with items that bear any label
    "popularity": pl.Float64,  # what the difference would be if it were everybody's
}


@dataclass(frozen=True)
class Supply:
    """Share of supply of each interest, the size behind it, and the same share among items on offer."""

    share: Array
    count: Array
    total: float
    offered: Array


def fewest_users(disclosure_k: int) -> int:
    """The least users on either side of a comparison: as few as may be told of, and as make it normal."""
    return max(disclosure_k, MIN_USERS)


def measure(window: Window, supply: pl.DataFrame, disclosure_k: int = MIN_USERS) -> pl.DataFrame:
    """Outcome of every community and interest of a window, on every metric that the log supports.

    Standard errors: ratio metrics by linearisation with users as clusters (Cochran 1977, ch. 6), members and others
    taken as independent; of the gain with items as clusters, too (`items.extra_variance`); adoption by Agresti and
    Caffo (2000), whose variance does not vanish at 0 or 1; supply shares as multinomial. `bias_bound` is the distance
    by which the comparison value moves when the others are reweighted to the members' activity (for the gap: between
    new supply and items on offer). Taking what remains unobserved to be no worse than what is observed is the bound of
    Altonji, Elder and Taber (2005). It is 0 under random exposure or logged propensities.

    A pair is `not_evaluable`, without a number, with under 20 users on either side (or under the disclosure size, if
    that is larger), under 10 effective users, under 30 effective rows where rows are weighted, no variance, no supply,
    or a single item behind a gain. Where showings are weighted, more than a tenth of the weight cut off is too little
    overlap.

    The gain is measured where showings are random or have propensities, and only then: the feed's own choice of what to
    show to whom would be part of it.

    Args:
        window: the window.
        supply: interest_daily of the window's days: day, interest_id, supply, items.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        OUTCOME_SCHEMA, sorted by community_id, interest_id, metric.
    """
    if not window.communities or not window.interests:
        return pl.DataFrame(schema=OUTCOME_SCHEMA)
    on_offer = supply_of(window, supply)
    fewest = fewest_users(disclosure_k)
    of_gain = gains(window, fewest)
    parts = [
        _share(window, fewest),
        _adoption(window, fewest),
        _gap(window, on_offer, fewest),
        *([_exposure(window, fewest)] if window.exposure is not None else []),
        *of_gain,
        *map(_loss, of_gain),
    ]
    return pl.concat(parts).sort("community_id", "interest_id", "metric")


def metric_sums(window: Window) -> dict[str, Callable[[Matrix], Sums]]:
    """The ratio metrics that the window supports, each as a function from groups of users to their sums."""
    metrics: dict[str, Callable[[Matrix], Sums]] = {
        SHARE: lambda groups: share_sums(window, groups),
        ADOPTION: lambda groups: adoption_sums(window, groups),
    }
    exposure = window.exposure
    if exposure is not None:
        metrics[EXPOSURE] = lambda groups: exposure_sums(exposure, groups)
    return metrics


def _share(window: Window, fewest: int) -> pl.DataFrame:
    members, others, adjusted = _compare(window, SHARE)
    variance = members.variance() + others.variance()
    return _frame(
        window, SHARE, members, others, fewest=fewest,
        baseline=others.ratio(), variance=variance, bias=np.abs(others.ratio() - adjusted),
        unit_variance=members.count * members.variance(), pooled=_pooled(window, SHARE),
    )  # fmt: skip


def _adoption(window: Window, fewest: int) -> pl.DataFrame:
    members, others, adjusted = _compare(window, ADOPTION)
    rate = members.ratio()
    return _frame(
        window, ADOPTION, members, others, fewest=fewest,
        baseline=others.ratio(), variance=_agresti_caffo(members) + _agresti_caffo(others),
        bias=np.abs(others.ratio() - adjusted), unit_variance=rate * (1 - rate), pooled=_pooled(window, ADOPTION),
    )  # fmt: skip


def _gap(window: Window, supply: Supply, fewest: int) -> pl.DataFrame:
    members = share_sums(window, window.members)
    others = share_sums(window, window.everyone()).minus(members)
    share = np.broadcast_to(supply.share, members.y.shape)
    noise = share * (1 - share) / max(supply.total, 1.0)
    return _frame(
        window, GAP, members, others, fewest=fewest,
        baseline=share, variance=members.variance() + noise,
        bias=np.broadcast_to(np.abs(supply.share - supply.offered), share.shape),
        unit_variance=members.count * members.variance(), pooled=_pooled(window, SHARE),
        supply=np.broadcast_to(supply.count, share.shape), supply_total=np.full(share.shape, supply.total),
    )  # fmt: skip


def _exposure(window: Window, fewest: int) -> pl.DataFrame:
    exposure = window.exposure
    assert exposure is not None
    members, others, adjusted = _compare(window, EXPOSURE)
    observational = exposure.basis == OBSERVATIONAL
    bias = np.abs(others.ratio() - adjusted) if observational else np.zeros(members.y.shape)
    shown = members.x.sum(axis=1, keepdims=True)
    mean = np.divide(members.y.sum(axis=1, keepdims=True), shown, out=np.full(shown.shape, np.nan), where=shown > 0)
    return _frame(
        window, EXPOSURE, members, others, fewest=fewest,
        baseline=others.ratio(), variance=members.variance() + others.variance(), bias=bias,
        unit_variance=members.count * members.variance(), pooled=_pooled(window, EXPOSURE),
        evaluability=exposure.basis, community_mean=np.broadcast_to(mean, bias.shape),
        rows=effective_rows(exposure, window.members), cut=cut_share(exposure, window.members),
    )  # fmt: skip


def gains(window: Window, fewest: int) -> list[pl.DataFrame]:
    """The gain's rows, OUTCOME_SCHEMA, if the log lets it be measured; `fewest` users on either side."""
    exposure = window.exposure
    if exposure is None or exposure.basis == OBSERVATIONAL:
        return []
    found, everyone = gain(exposure, window.members), window.everyone()
    if found is None or exposure.feed is None:
        return []
    whole = exposure_sums(exposure, everyone)
    popularity = whole.ratio() - feed_mean(exposure.feed, everyone)
    return [
        _frame(
            window, GAIN, found.sums, whole.minus(found.sums), fewest=fewest,
            baseline=found.baseline, variance=found.variance, bias=np.zeros(found.value.shape),
            unit_variance=found.sums.count * found.of_users, pooled=whole.ratio(),
            evaluability=exposure.basis, community_mean=found.baseline,
            rows=effective_rows(exposure, window.members), cut=cut_share(exposure, window.members),
            served=found.served, showings=np.broadcast_to(found.showings, found.value.shape),
            popularity=np.broadcast_to(popularity, found.value.shape),
        )
    ]  # fmt: skip


def _loss(of_gain: pl.DataFrame) -> pl.DataFrame:
    """The rows of gains, the other way round: what is taken from an interest goes to what members are shown otherwise.

    With s the interest's share of their showings, these bring (M - s R) / (1 - s), which is above R by (M - R) / (1 - s).
    """
    rest = pl.when(pl.col("served_share") < 1).then(1 - pl.col("served_share"))
    loss = -pl.col("difference") / rest
    return of_gain.with_columns(
        metric=pl.lit(LOSS),
        value=pl.col("value") + loss,
        baseline="value",
        unit_mean=pl.col("value") + loss,
        difference=loss,
        std_error=pl.col("std_error") / rest,
        unit_sd=pl.col("unit_sd") / rest,
        popularity=-pl.col("popularity") / rest,
    )


def _compare(window: Window, metric: str) -> tuple[Sums, Sums, Array]:
    """Sums of members and of others, and the others' ratio at the members' mix of activity, (C, J)."""
    sums = metric_sums(window)[metric]
    members = sums(window.members)
    others = sums(window.everyone()).minus(members)
    overall = others.ratio()
    adjusted = np.zeros(overall.shape)
    for stratum in range(len(ACTIVITY_BOUNDS) + 1):
        inside = sums(window.members_of(stratum))
        ratio = sums(window.everyone(stratum)).minus(inside).ratio()
        part = np.divide(inside.x, members.x, out=np.zeros(overall.shape), where=members.x > 0)
        # A class of activity without others has nothing to be compared with; the overall ratio stands in.
        adjusted += part * np.where(np.isnan(ratio), overall, ratio)
    return members, others, adjusted


def _pooled(window: Window, metric: str) -> Array:
    return metric_sums(window)[metric](window.everyone()).ratio()


def _agresti_caffo(sums: Sums) -> Array:
    rate = (sums.y + 1) / (sums.count + 2)
    return np.asarray(rate * (1 - rate) / (sums.count + 2))


def supply_of(window: Window, supply: pl.DataFrame) -> Supply:
    """Supply of the window's interests; interests without engagement count in the total only."""
    rows = supply.select("day", "interest_id", "supply", "items").sort("interest_id", "day", "supply", "items")
    place = {interest: j for j, interest in enumerate(window.interests)}
    known = rows["interest_id"].to_list()
    extra = {interest: len(place) + k for k, interest in enumerate(sorted(set(known) - set(place)))}
    code = np.array([place[i] if i in place else extra[i] for i in known], dtype=np.int64)
    length, j = len(place) + len(extra), len(place)
    new = np.bincount(code, weights=rows["supply"].fill_null(0.0).to_numpy(), minlength=length)
    # The same items are on offer on many days, so their number is a mean over days.
    days = max(rows["day"].n_unique(), 1)
    offer = np.bincount(code, weights=rows["items"].fill_null(0).to_numpy(), minlength=length) / days
    counted = np.asarray(new if new.sum() > 0 else offer, dtype=np.float64)
    total = float(counted.sum())
    share = counted / total if total > 0 else np.full(length, np.nan)
    offered = offer / offer.sum() if offer.sum() > 0 else share
    return Supply(share=share[:j], count=counted[:j], total=total, offered=offered[:j])


def _frame(
    window: Window,
    metric: str,
    members: Sums,
    others: Sums,
    *,
    fewest: int,
    baseline: Array,
    variance: Array,
    bias: Array,
    unit_variance: Array,
    pooled: Array,
    evaluability: str = OBSERVATIONAL,
    community_mean: Array | None = None,
    supply: Array | None = None,
    supply_total: Array | None = None,
    rows: Array | None = None,
    cut: Array | None = None,
    served: Array | None = None,
    showings: Array | None = None,
    popularity: Array | None = None,
) -> pl.DataFrame:
    shape = members.y.shape
    nothing = np.full(shape, np.nan)
    effective = np.minimum(members.effective(), others.effective())
    weighted = evaluability != OBSERVATIONAL
    thin_rows = rows < MIN_EFFECTIVE_ROWS if weighted and rows is not None else np.zeros(shape, dtype=bool)
    much_cut = cut > MOST_CUT if weighted and cut is not None else np.zeros(shape, dtype=bool)
    flags: list[tuple[npt.NDArray[np.bool_], str]] = [
        (members.count < fewest, f"fewer than {fewest} active members"),
        (others.count < fewest, f"fewer than {fewest} active users to compare with"),
        (~(effective >= MIN_EFFECTIVE_USERS), "a few users make up most of the activity"),
        (np.asarray(thin_rows), f"fewer than {MIN_EFFECTIVE_ROWS:.0f} comparable showings"),
        (np.asarray(much_cut), f"more than {MOST_CUT:.0%} of the showings' weight is cut off"),
        (~np.isfinite(variance), NO_VARIANCE.get(metric, "nothing to compare with")),
        (~(variance > 0), "no variation between users"),
    ]
    reason = np.select([f for f, _ in flags], [r for _, r in flags], default="")
    value = members.ratio()
    scale = np.sqrt(np.clip(pooled, 1e-6, 1 - 1e-6) * (1 - np.clip(pooled, 1e-6, 1 - 1e-6)))
    columns: dict[str, Array] = {
        "value": value,
        "baseline": baseline,
        "difference": value - baseline,
        "std_error": np.sqrt(np.maximum(variance, 0)),
        "bias_bound": bias,
        "scale": np.broadcast_to(scale, shape),
        "unit_mean": value,
        "unit_sd": np.sqrt(np.maximum(unit_variance, 0)),
        "community_mean": nothing if community_mean is None else community_mean,
        "supply": nothing if supply is None else supply,
        "supply_total": nothing if supply_total is None else supply_total,
        "members": members.count,
        "engaged": members.hits,
        "others": others.count,
        "engaged_others": others.hits,
        "effective_users": effective,
        "effective_rows": nothing if rows is None else rows,
        "cut_share": nothing if cut is None else cut,
        "served_share": nothing if served is None else served,
        "showings": nothing if showings is None else showings,
        "label_confidence": nothing if window.labels is None else window.labels.confidence,
        "label_items": nothing if window.labels is None else window.labels.items,
        "label_share": nothing if window.labels is None else np.broadcast_to(window.labels.share, shape),
        "popularity": np.zeros(shape) if popularity is None else popularity,
    }
    numbers = ("value", "difference", "std_error", "bias_bound", "unit_mean", "unit_sd")
    frame = pl.DataFrame(
        {
            "community_id": np.repeat(np.array(window.communities, dtype=object), shape[1]).tolist(),
            "interest_id": list(window.interests) * shape[0],
            "why_not": reason.ravel().tolist(),
            **{name: np.ascontiguousarray(array).ravel() for name, array in columns.items()},
        }
    )
    usable = pl.col("why_not").is_null()
    return (
        frame.with_columns(pl.col("why_not").replace("", None), metric=pl.lit(metric))
        .with_columns(pl.col(pl.Float64).fill_nan(None))
        .with_columns(
            *(pl.when(usable).then(pl.col(n)).alias(n) for n in numbers),
            evaluability=pl.when(usable).then(pl.lit(evaluability)).otherwise(pl.lit("not_evaluable")),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in OUTCOME_SCHEMA.items())
    )
