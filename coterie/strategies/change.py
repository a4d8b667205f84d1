"""How much a community's preferences change within a week, and what that says of the next.

An effect is measured on the week that ended, and used in the weeks that follow. Where preferences drift, the interval of
what was is not an interval of what will be. So the window's first three days are compared with its last three, beyond
what sampling explains, and as much change is allowed for until the next window, by the distance between them.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from coterie.matrices import Array
from coterie.strategies.gain import gain
from coterie.strategies.outcome import WINDOW_DAYS
from coterie.strategies.showings import OBSERVATIONAL
from coterie.strategies.shrinkage import shrink
from coterie.strategies.window import Window, share_sums

PART_DAYS = 3  # at either end of the window; the day between is left out, so that change shows
# Middles of the parts are 4 days apart, those of this window and the next 7; a steady trend changes in proportion.
DISTANCE = (WINDOW_DAYS / (WINDOW_DAYS - PART_DAYS)) ** 2
MOST = 10.0  # times the preference: beyond it nothing is left of an effect
CHANGE_SCHEMA: dict[str, type[pl.DataType]] = {"community_id": pl.String, "change": pl.Float64}
MOVE_SCHEMA: dict[str, type[pl.DataType]] = {
    "community_id": pl.String,
    "interest_id": pl.String,
    "move": pl.Float64,
    "share_rise": pl.Float64,
    "gain_fall": pl.Float64,
    "gain_fall_error": pl.Float64,
}
_DIFFERENCES: dict[str, type[pl.DataType]] = {
    "community_id": pl.String,
    "interest_id": pl.String,
    "difference": pl.Float64,
    "variance": pl.Float64,
}
_GAINS = _DIFFERENCES | {"served": pl.Float64}


def parts(start: date, end: date) -> tuple[tuple[date, date], tuple[date, date]]:
    """First and last day of the window's first part, and of its last."""
    length = timedelta(days=PART_DAYS - 1)
    return (start, start + length), (end - length, end)


def weekly_change(first: Window, last: Window) -> pl.DataFrame:
    """Relative change of each community's preferences until the next window.

    A preference is the share of the members' engagement that goes to an interest, less that share elsewhere. The sum
    over interests of the squared change between the parts, less its sampling variance, is set against the sum of the
    squared preferences, less theirs (the analysis-of-variance estimator of a variance component; Searle, Casella and McCulloch
    1992, chapter 4), and scaled to the distance of two
    windows. One figure for a community, since the interests on their own are too noisy for one each. The parts are taken
    as independent samples of users; members who differ for good make the sampling variance too large and the change too
    small.

    Args:
        first: the window's first part.
        last: its last part, for the same members.

    Returns:
        CHANGE_SCHEMA, sorted: `change` is the standard deviation of the change as a share of the preference; 0 where
        the parts differ by no more than chance explains. Communities that cannot be measured are left out.
    """
    pair = ["community_id", "interest_id"]
    before, after = _differences(first), _differences(last)
    # An interest that nobody touched in one part had no share there; a community must be measured in both.
    both = (
        before.join(after, on=pair, suffix="_last", how="full", coalesce=True)
        .filter(pl.all_horizontal(pl.col("community_id").is_in(of["community_id"].implode()) for of in (before, after)))
        .with_columns(pl.col(pl.Float64).fill_null(0.0))
        .sort(pair)
    )
    noise = pl.col("variance") + pl.col("variance_last")
    moved = (pl.col("difference_last") - pl.col("difference")) ** 2 - noise
    mean = (pl.col("difference_last") + pl.col("difference")) / 2
    return (
        both.group_by("community_id", maintain_order=True)
        .agg(moved=moved.sum(), preferred=(mean**2 - noise / 4).sum())
        # Preferences that turn into their opposite are none in the mean: all change, and no effect stands.
        .filter((pl.col("preferred") > 0) | (pl.col("moved") > 0))
        .select(
            "community_id",
            change=pl.when(pl.col("preferred") > 0)
            .then((DISTANCE * (pl.col("moved") / pl.col("preferred")).clip(0, MOST**2)).sqrt())
            .otherwise(MOST * DISTANCE**0.5),
        )
        .cast(CHANGE_SCHEMA)  # type: ignore[arg-type]
    )


def weekly_move(first: Window, last: Window) -> pl.DataFrame:
    """How far the gain of each pair may move until the next window, where showings can be compared.

    The change of gain_per_showing between the parts is shrunk by community (`shrinkage.shrink`), so that an interest that
    everybody comes to want for some days counts by itself and does not stand for all others. What is left, its posterior
    root mean square, is scaled to the distance of two windows. Unlike shares of engagement, strength per showing does not
    change because other items are shown.

    Args:
        first: the window's first part.
        last: its last part, for the same members.

    Returns:
        MOVE_SCHEMA, sorted; `move` has the unit of the gain. A pair that was not measured in both parts moves as the
        community's others do. Communities without any are left out. `share_rise` is by how much the interest's share of
        the members' showings rose from the first part to the last, `gain_fall` by how much its gain fell, so that what
        a weekday does to all showings does not count, with its error; null for a pair that was not measured in both.
    """
    pair = ["community_id", "interest_id"]
    interests = pl.DataFrame(
        {"interest_id": sorted({*first.interests, *last.interests})}, schema={"interest_id": pl.String}
    )
    both = (
        pl.DataFrame({"community_id": first.communities}, schema={"community_id": pl.String})
        .join(interests, how="cross")
        .join(_gains(first), on=pair, how="left")
        .join(_gains(last), on=pair, suffix="_last", how="left")
        .sort(pair)
    )
    parts_ = [pl.DataFrame(schema=MOVE_SCHEMA)]
    for _, rows in both.group_by("community_id", maintain_order=True):
        change = (rows["difference_last"] - rows["difference"]).to_numpy()
        error = (rows["variance"] + rows["variance_last"]).sqrt().to_numpy()
        known = np.isfinite(change) & (error > 0)
        if known.any():
            posterior = shrink(change[known], error[known])
            move = np.full(len(change), posterior.spread)
            move[known] = np.hypot(posterior.mean, posterior.sd)
            parts_.append(
                rows.select(
                    *pair,
                    move=pl.Series(move * DISTANCE**0.5),
                    share_rise=pl.col("served_last") - pl.col("served"),
                    gain_fall=-pl.Series(change).fill_nan(None),
                    gain_fall_error=pl.Series(error).fill_nan(None),
                )
            )
    return pl.concat(parts_)


def _gains(window: Window) -> pl.DataFrame:
    """_GAINS of all pairs that can be measured: the gains, and each interest's share of the showings."""
    exposure = window.exposure
    found = None if exposure is None or exposure.basis == OBSERVATIONAL else gain(exposure, window.members)
    if found is None:
        return pl.DataFrame(schema=_GAINS)
    return _rows(window, found.value - found.baseline, found.variance, served=found.served)


def _differences(window: Window) -> pl.DataFrame:
    """_DIFFERENCES of all pairs that can be measured."""
    members = share_sums(window, window.members)
    others = share_sums(window, window.everyone()).minus(members)
    return _rows(window, members.ratio() - others.ratio(), members.variance() + others.variance())


def _rows(window: Window, difference: Array, variance: Array, **more: Array) -> pl.DataFrame:
    shape = difference.shape
    return pl.DataFrame(
        {
            "community_id": [c for c in window.communities for _ in range(shape[1])],
            "interest_id": list(window.interests) * shape[0],
            "difference": difference.ravel(),
            "variance": variance.ravel(),
            **{name: array.ravel() for name, array in more.items()},
        },
        schema=_GAINS if more else _DIFFERENCES,
    ).filter(pl.col("difference").is_finite(), pl.col("variance").is_finite())
