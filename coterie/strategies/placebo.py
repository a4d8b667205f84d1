"""Placebo communities: what the same measure says about random groups of the same size."""

import hashlib
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from coterie.strategies.gain import feed_mean
from coterie.strategies.outcome import EXPOSURE, GAIN, GAP, LOSS, SHARE, metric_sums, supply_of
from coterie.strategies.showings import OBSERVATIONAL
from coterie.strategies.window import Array, Window

PLACEBO_GROUPS = 20
PLACEBO_SCHEMA: dict[str, type[pl.DataType]] = {
    "community_id": pl.String,
    "interest_id": pl.String,
    "metric": pl.String,
    "placebo": pl.Float64,
}


def placebo(window: Window, supply: pl.DataFrame | None, day: date, groups: int = PLACEBO_GROUPS) -> pl.DataFrame:
    """The same differences for random groups of active users, as large as each community's active membership.

    Args:
        window: the window.
        supply: as for `measure`; None for gains and losses alone.
        day: with the community's id, the seed.
        groups: random groups a community.

    Returns:
        community_id, interest_id, metric, placebo: mean difference over the groups, sorted by the first three.
    """
    active = np.flatnonzero(window.total > 0)
    sizes = np.asarray((window.members @ sparse.csr_array((window.total > 0).astype(float)[:, None])).toarray()).ravel()
    offered = supply_of(window, supply).share if window.interests and supply is not None else np.zeros(0)
    metrics = metric_sums(window)
    compared = metrics if supply is not None else {}
    whole = {name: sums(window.everyone()) for name, sums in compared.items()}
    parts = [pl.DataFrame(schema=PLACEBO_SCHEMA)]
    for community, size in zip(window.communities, sizes.astype(int), strict=True):
        if not 0 < size < len(active) or not window.interests:
            continue
        drawn = np.concatenate(random_members(community, day, active, size, groups))
        cells = (np.ones(len(drawn)), (np.repeat(np.arange(groups), size), drawn))
        random = sparse.csr_array(cells, shape=(groups, len(window.users)))
        for metric, sums in compared.items():
            inside = sums(random)
            outside = whole[metric].minus(inside).ratio()
            difference = _column_means(inside.ratio() - outside)
            parts.append(_placebo_rows(community, window.interests, metric, difference))
            if metric == SHARE:
                gap = _column_means(inside.ratio() - offered[None, :])
                parts.append(_placebo_rows(community, window.interests, GAP, gap))
        exposure = window.exposure
        if exposure is not None and exposure.basis != OBSERVATIONAL and exposure.feed is not None:
            gained = _column_means(metrics[EXPOSURE](random).ratio() - feed_mean(exposure.feed, random))
            parts.append(_placebo_rows(community, window.interests, GAIN, gained))
            served = np.asarray((random @ exposure.feed.served).toarray())
            showings = np.asarray(random @ exposure.feed.showings).reshape(-1, 1)
            rest = 1 - _column_means(np.divide(served, showings, out=np.zeros(served.shape), where=showings > 0))
            lost = np.divide(-gained, rest, out=np.full(len(rest), np.nan), where=rest > 0)
            parts.append(_placebo_rows(community, window.interests, LOSS, lost))
    return pl.concat(parts).sort("community_id", "interest_id", "metric")


def random_members(
    community: str, day: date, active: npt.NDArray[np.int64], size: int, groups: int = PLACEBO_GROUPS
) -> list[npt.NDArray[np.int64]]:
    """Places of random groups of active users, always the same for a community and day; none if all were needed."""
    if not 0 < size < len(active):
        return []
    seed = hashlib.sha256(f"placebo|{day.isoformat()}|{community}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    return [np.sort(rng.choice(active, size=size, replace=False)) for _ in range(groups)]


def _column_means(values: Array) -> Array:
    """Mean over rows without the NaNs; NaN where all are."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    summed = np.where(known, values, 0.0).sum(axis=0)
    return np.divide(summed, count, out=np.full(values.shape[1], np.nan), where=count > 0)


def _placebo_rows(community: str, interests: tuple[str, ...], metric: str, difference: Array) -> pl.DataFrame:
    columns = {
        "community_id": [community] * len(interests),
        "interest_id": list(interests),
        "metric": [metric] * len(interests),
        "placebo": difference,
    }
    return pl.DataFrame(columns, schema=PLACEBO_SCHEMA).with_columns(pl.col("placebo").fill_nan(None))
