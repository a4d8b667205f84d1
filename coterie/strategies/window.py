"""A week of engagement as sparse matrices of users by interests, and the sums that ratio metrics are made of.

Belongs here: coding of ids, label weighting, sums over groups of users. Does not belong here: what a metric means, and
which showings may be compared (showings).
Every sum runs in the order of sorted ids, so the order of input rows and the number of threads never show.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from coterie.matrices import Array, Matrix, codes, ids_of, matrix, pattern, product, row_sums
from coterie.strategies.items import ItemCells, few_clusters
from coterie.strategies.showings import OBSERVATIONAL, weighted_showings

# Rows (user, item, day) that a user engaged with in a window: 1, 2-3, 4-7, 8-20, 21 and more.
ACTIVITY_BOUNDS = (2, 4, 8, 21)
_OF_THE_FEED = ((pl.col("strength") * pl.col("feed_weight")).alias("feed_strength"), pl.col("feed_weight"))
LEAST_KNOWN = 0.9  # share of the showings that have a propensity, from which on they stand for what users are shown


@dataclass(frozen=True)
class Feed:
    """What users are shown now.

    Attributes:
        strength: (n,) strength of the showings that stand for a user's, with their weights.
        shown: (n,) these weights.
        served: (n, J) all logged showings by interest, label-weighted.
        showings: (n,) all logged showings.
    """

    strength: Array
    shown: Array
    served: Matrix
    showings: Array


@dataclass(frozen=True)
class Exposure:
    """Strength and showings of the rows on which a showing counts, users by interests, both label-weighted.

    `square` holds the summed squares of the row weights, from which the effective number of rows follows, `cut` the
    weight that was cut off (`showings.MOST_WEIGHT`). `basis` says why the rows may be compared: random_exposure,
    propensity or observational. `feed` is there if the log tells of all showings, also those that may not be compared, and `cells`,
    the same before labels, with it.
    """

    basis: str

    strength: Matrix
    shown: Matrix
    square: Matrix
    cut: Matrix
    feed: Feed | None = None
    cells: ItemCells | None = None


@dataclass(frozen=True)
class Labels:
    """How sure the labels are that members' engagement with an interest rests on, both (C, J), NaN without engagement.

    Attributes:
        confidence: their mean, by engagement.
        items: effective number of items (Kish 1965).
        share: of the members' engagement with items that bear a label, the same for all interests.
    """

    confidence: Array
    items: Array
    share: Array


@dataclass(frozen=True)
class Window:
    """One window: n users, J interests, C communities, ids sorted.

    Attributes:
        users: ids of all users with a row in the window.
        communities: ids, the rows of `members`.
        interests: ids, the columns of all user matrices.
        members: (C, n) 0/1, communities as of the day before the window.
        engaged: (n, J) engagement strength times label weight.
        total: (n,) labelled strength of a user, the row sums of `engaged`.
        prior: (n, J) 0/1, whether the user had engaged with the interest before the window.
        stratum: (n,) activity class of the user in the window, from 0.
        exposure: the exposure rows, if showings are logged.
        labels: what is known of the labels behind it, if labels have a confidence.
    """

    users: tuple[str, ...]
    communities: tuple[str, ...]
    interests: tuple[str, ...]
    members: Matrix
    engaged: Matrix
    total: Array
    prior: Matrix
    stratum: npt.NDArray[np.int64]
    exposure: Exposure | None
    labels: Labels | None = None

    def everyone(self, stratum: int | None = None) -> Matrix:
        """(1, n) group of all users, or of those of one activity class."""
        mask = np.ones(len(self.users)) if stratum is None else (self.stratum == stratum).astype(np.float64)
        return sparse.csr_array(mask[None, :])

    def members_of(self, stratum: int) -> Matrix:
        """(C, n) members of one activity class."""
        return sparse.csr_array(self.members.multiply((self.stratum == stratum).astype(np.float64)[None, :]))


@dataclass(frozen=True)
class Sums:
    """Sums over the users of G groups for J interests, each (G, J): what ratio estimators need.

    `y` is the numerator, `x` the denominator, `count` the users with x > 0, `hits` those of them with y > 0; doubled
    letters are sums of products.
    """

    count: Array
    hits: Array
    x: Array
    xx: Array
    xxx: Array
    y: Array
    yy: Array
    xy: Array

    def minus(self, part: "Sums") -> "Sums":
        """The sums of everybody who is not in `part`; a result below rounding error is zero."""

        def rest(whole: Array, inner: Array) -> Array:
            left = whole - inner
            return np.where(left > 1e-12 * np.abs(whole), left, 0.0)

        return Sums(*(rest(getattr(self, f), getattr(part, f)) for f in self.__dataclass_fields__))

    def squares(self) -> Array:
        """Sum of squared residuals y - R x about the group's own ratio R, (G, J)."""
        ratio = self.ratio()
        squares = self.yy - 2 * ratio * self.xy + ratio**2 * self.xx
        return np.where(squares > 1e-12 * self.yy, squares, 0.0)

    def ratio(self) -> Array:
        """y / x, (G, J); NaN where x is zero."""
        return _divide(self.y, self.x)

    def variance(self) -> Array:
        """Linearised variance of the ratio with users as clusters, (G, J).

        Source: Cochran (1977), Sampling Techniques, chapter 6: f * sum (y - R x)^2 / (sum x)^2, without the finite
        population term. Cochran's f is n / (n - 1); here it is that of `items.few_clusters`. NaN where one user is nearly
        all.
        """
        return self.few_users() * _divide(self.squares(), self.x**2)

    def few_users(self) -> Array:
        """The factor of `variance` that makes up for few users, (G, J); NaN where one user is nearly all."""
        return np.where(self.count > 1, few_clusters(self.x, self.xx, self.xxx), np.nan)

    def effective(self) -> Array:
        """Effective number of users, (sum x)^2 / sum x^2 (Kish 1965): small where a few users carry the weight."""
        return _divide(self.x**2, self.xx)


def share_sums(window: Window, groups: Matrix) -> Sums:
    """Sums for the share of engagement: y = engagement with the interest, x = all labelled engagement of the user."""
    total, engaged = window.total[:, None], window.engaged
    wide = (len(window.interests),)

    def spread(column: Array) -> Array:
        return np.broadcast_to(_dense(groups, column), (groups.shape[0], *wide))

    return Sums(
        count=spread((total > 0).astype(np.float64)),
        hits=_dense(groups, pattern(engaged)),
        x=spread(total),
        xx=spread(total**2),
        xxx=spread(total**3),
        y=_dense(groups, engaged),
        yy=_dense(groups, engaged.multiply(engaged)),
        xy=_dense(groups, engaged.multiply(total)),
    )


def exposure_sums(exposure: Exposure, groups: Matrix) -> Sums:
    """Sums for strength per exposure: y = strength, x = (weighted) showings, both of the interest."""
    strength, shown = exposure.strength, exposure.shown
    return Sums(
        count=_dense(groups, pattern(shown)),
        hits=_dense(groups, pattern(strength)),
        x=_dense(groups, shown),
        xx=_dense(groups, shown.multiply(shown)),
        xxx=_dense(groups, shown.multiply(shown).multiply(shown)),
        y=_dense(groups, strength),
        yy=_dense(groups, strength.multiply(strength)),
        xy=_dense(groups, strength.multiply(shown)),
    )


def adoption_sums(window: Window, groups: Matrix) -> Sums:
    """Sums for adoption: x = 1 for an active user without earlier engagement, y = 1 if they engage in the window."""
    active = (window.total > 0).astype(np.float64)[:, None]
    known = sparse.csr_array(window.prior.multiply(active))
    touched = pattern(window.engaged)
    fresh = _dense(groups, touched) - _dense(groups, touched.multiply(window.prior))
    eligible = _dense(groups, active) - _dense(groups, known)
    return Sums(count=eligible, hits=fresh, x=eligible, xx=eligible, xxx=eligible, y=fresh, yy=fresh, xy=fresh)


def effective_rows(exposure: Exposure, groups: Matrix) -> Array:
    """Effective sample size of weighted exposure rows, (sum w)^2 / sum w^2, (G, J)."""
    return _divide(_dense(groups, exposure.shown) ** 2, _dense(groups, exposure.square))


def cut_share(exposure: Exposure, groups: Matrix) -> Array:
    """Share of the weight of a group's rows that was cut off, (G, J): how poorly the feed overlaps with the target."""
    cut = _dense(groups, exposure.cut)
    return _divide(cut, cut + _dense(groups, exposure.shown))


def build_window(
    *,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    members: pl.DataFrame,
    prior: pl.DataFrame,
    exposed: pl.DataFrame | None = None,
    basis: str = OBSERVATIONAL,
    use_exposures: bool = False,
) -> Window:
    """Bring one window into matrices.

    Args:
        engagement: rows of the window: day, user_id, item_id, exposures, exposure_logged, strength.
        labels: item_id, interest_id, weight, and optionally confidence, and day; of several days an item's last one
            counts.
        members: user_id, community_id, one community a user, as of the day before the window.
        prior: user_id, interest_id, engaged, as of the day before the window.
        exposed: weighted showings: user_id, item_id, strength, weight, and optionally cut and feed_weight, see
            `showings.weighted_showings`; if given, they alone make `exposure`.
        basis: what makes `exposed` comparable, see `Exposure`.
        use_exposures: whether rows of `engagement` with a logged showing make `exposure`.

    Returns:
        The window; all matrices are empty if nothing labelled happened.
    """
    rows = engagement.select("user_id", "item_id", "day", "strength", "exposures", "exposure_logged").drop_nulls(
        ["user_id", "item_id", "strength"]
    )
    weights = _last_labels(labels)
    shown = None
    served = rows.filter(pl.col("exposure_logged"), pl.col("exposures") > 0)
    nothing_cut = pl.lit(0.0).alias("cut")
    if exposed is not None:
        cut = pl.col("cut") if "cut" in exposed.columns else nothing_cut
        shown = exposed.select("user_id", "item_id", pl.col("strength") * pl.col("weight"), "weight", cut,
                               *(_OF_THE_FEED if "feed_weight" in exposed.columns else ()))  # fmt: skip
    elif use_exposures:
        weight = pl.col("exposures").cast(pl.Float64).alias("weight")
        shown = served.select("user_id", "item_id", "strength", weight, nothing_cut)
    users = ids_of(rows["user_id"], *([shown["user_id"]] if shown is not None else []))
    items = ids_of(rows["item_id"], *([shown["item_id"]] if shown is not None else []))
    weights = weights.filter(pl.col("item_id").is_in(items.implode()))
    interests = ids_of(weights["interest_id"])
    communities = ids_of(members["community_id"])
    label = matrix(weights, "item_id", items, "interest_id", interests, "weight")

    strength = matrix(rows, "user_id", users, "item_id", items, "strength")
    engaged = product(strength, label)
    labelled = rows.filter(pl.col("strength") > 0, pl.col("item_id").is_in(weights["item_id"].unique().implode()))
    activity = np.bincount(codes(labelled["user_id"], users), minlength=len(users))
    exposure = None
    if shown is not None:
        exposure = _exposure(basis, shown, served, users, items, label)
    before = prior.filter(pl.col("engaged") > 0).select("user_id", "interest_id").unique().with_columns(one=pl.lit(1.0))
    belongs = members.select("community_id", "user_id").unique().with_columns(one=pl.lit(1.0))
    home = matrix(belongs, "community_id", communities, "user_id", users, "one")
    return Window(
        users=tuple(users),
        communities=tuple(communities),
        interests=tuple(interests),
        members=home,
        engaged=engaged,
        total=np.asarray(engaged.sum(axis=1), dtype=np.float64).reshape(-1),
        prior=matrix(before, "user_id", users, "interest_id", interests, "one"),
        stratum=np.searchsorted(ACTIVITY_BOUNDS, activity, side="right"),
        exposure=exposure,
        labels=_labels(product(home, strength), weights, items, interests) if "confidence" in weights.columns else None,
    )


def _labels(engaged: Matrix, weights: pl.DataFrame, items: pl.Series, interests: pl.Series) -> Labels:
    """`engaged` is communities by items."""
    sure = weights.with_columns(
        square=pl.col("weight") ** 2, confident=pl.col("weight") * pl.col("confidence").fill_null(1.0)
    )
    label, square, confident = (
        matrix(sure, "item_id", items, "interest_id", interests, c) for c in ("weight", "square", "confident")
    )
    whole = product(engaged, label).toarray()
    labelled = sparse.csr_array((np.diff(label.indptr) > 0).astype(np.float64)[:, None])
    return Labels(
        confidence=_divide(product(engaged, confident).toarray(), whole),
        items=_divide(whole**2, product(sparse.csr_array(engaged.multiply(engaged)), square).toarray()),
        share=_divide(product(engaged, labelled).toarray(), row_sums(engaged)[:, None]),
    )


def _exposure(
    basis: str, shown: pl.DataFrame, served: pl.DataFrame, users: pl.Series, items: pl.Series, label: Matrix
) -> Exposure:
    known = shown.with_columns(square=pl.col("weight") ** 2)
    cells = _cells(known, users, items)
    feed, of_items = None, None
    if served.height:
        every = _cells(served.select("user_id", "item_id", "strength", "exposures"), users, items)
        # Weighted showings are of pairs that were shown once, so only such can be what they are set against; and they
        # stand for the feed only if nearly all of them have a propensity: a random slice alone does not.
        weighted = "feed_weight" in cells
        known_of = shown.height / max(1, served.filter(pl.col("exposures") == 1).height)
        now = (cells["feed_strength"], cells["feed_weight"]) if weighted else (every["strength"], every["exposures"])
        if not weighted or known_of >= LEAST_KNOWN:
            feed = Feed(
                strength=row_sums(now[0]),
                shown=row_sums(now[1]),
                served=product(every["exposures"], label),
                showings=row_sums(every["exposures"]),
            )
            of_items = ItemCells(cells["strength"], cells["weight"], *now, label)
    return Exposure(
        basis=basis,
        strength=product(cells["strength"], label),
        shown=product(cells["weight"], label),
        square=product(cells["square"], sparse.csr_array(label.multiply(label))),
        cut=product(cells["cut"], label),
        feed=feed,
        cells=of_items,
    )


def _cells(frame: pl.DataFrame, users: pl.Series, items: pl.Series) -> dict[str, Matrix]:
    """Each column of values summed into a (users, items) matrix: as `matrix` does, with one sort for all of them."""
    r, c = codes(frame["user_id"], users), codes(frame["item_id"], items)
    values = frame.drop("user_id", "item_id").cast(pl.Float64)
    known = np.flatnonzero((r >= 0) & (c >= 0))
    place = r[known] * len(items) + c[known]
    columns = [values[name].to_numpy()[known] for name in values.columns]
    # Equal cells are summed in an order that the values make, whatever the input's was.
    order = np.lexsort((*columns, place))
    place = place[order]
    first = np.ones(len(place), dtype=bool)
    first[1:] = place[1:] != place[:-1]
    cell, at = np.cumsum(first) - 1, np.divmod(place[first], max(len(items), 1))
    found = {}
    for name, column in zip(values.columns, columns, strict=True):
        summed = np.bincount(cell, weights=column[order], minlength=len(at[0]))
        found[name] = sparse.csr_array((summed, at), shape=(len(users), len(items)))
        found[name].eliminate_zeros()
    return found


def window_from_frames(
    *,
    start: date,
    end: date,
    members_on: date,
    communities: pl.Series,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    memberships: pl.DataFrame,
    user_interests: pl.DataFrame,
    prior_on: date,
    exposed: pl.DataFrame | None = None,
) -> Window:
    """Cut one window out of concatenated daily frames.

    Args:
        start: first day of the window.
        end: last day of the window.
        members_on: day whose primary memberships count.
        communities: ids of the communities to measure; users of others count as not members.
        engagement: ENGAGEMENT with day.
        labels: ITEM_LABELS, with or without day.
        memberships: MEMBERSHIPS with day.
        user_interests: USER_INTERESTS with day.
        prior_on: day whose user_interests tell who had engaged with what before the window.
        exposed: showings with propensity or is_random, as `showings.exposed_rows` gives them, with day.

    Returns:
        The window, without members if there are no memberships of `members_on`.
    """
    within = pl.col("day").is_between(start, end)
    rows = engagement.filter(within)
    basis, weighted = OBSERVATIONAL, None
    if exposed is not None:
        basis, weighted = weighted_showings(exposed.filter(within))
    members = memberships.filter(
        pl.col("day") == members_on, pl.col("is_primary"), pl.col("community_id").is_in(communities.implode())
    )
    return build_window(
        engagement=rows,
        labels=labels,
        members=members.select("user_id", "community_id"),
        prior=user_interests.filter(pl.col("day") == prior_on).select("user_id", "interest_id", "engaged"),
        exposed=weighted,
        basis=basis,
        use_exposures=bool(rows["exposure_logged"].any()),
    )


def _last_labels(labels: pl.DataFrame) -> pl.DataFrame:
    kept = labels.drop_nulls(["item_id", "interest_id", "weight"])
    if "day" in kept.columns:
        kept = kept.filter(pl.col("day") == pl.col("day").max().over("item_id"))
    confidence = ["confidence"] if "confidence" in kept.columns else []
    return kept.select("item_id", "interest_id", "weight", *confidence)


def _dense(groups: Matrix, part: Any) -> Array:
    """Groups times part (sparse or dense) as a dense array; sparse against sparse, so no BLAS and one order of summation."""
    return np.asarray((groups @ sparse.csr_array(part)).toarray(), dtype=np.float64)


def _divide(numerator: Array, denominator: Array) -> Array:
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)
