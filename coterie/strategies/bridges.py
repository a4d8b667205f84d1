"""Two communities that share an interest but not its content: what one makes of what the other is shown of it.

Belongs here: which items of an interest are the other's, and the gain of showing them in the place of what members are
shown of it now. Does not belong here: gains over the whole feed (gain), and which bridges are suggested (candidates).

Items are told apart by what was shown, not by what anybody made of it, so nothing is picked by the outcome. The two
ratios rest on the same members and overlapping items; their difference is linearised, with users and items as clusters
(Cochran 1977, chapter 6; Cameron, Gelbach and Miller 2011; see items).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from coterie.matrices import Array, Matrix, column_sums, row_sums
from coterie.strategies.items import ItemCells, few_clusters
from coterie.strategies.outcome import MIN_EFFECTIVE_ROWS, MIN_EFFECTIVE_USERS, MIN_USERS, OUTCOME_SCHEMA, fewest_users
from coterie.strategies.showings import OBSERVATIONAL
from coterie.strategies.window import Window

BRIDGE_GAIN = "gain_per_showing_bridged"
TIMES = (
    2.0  # by which an item's share of the other's showings of the interest exceeds that of one's own, if it is theirs
)
# Share of an interest's showings that the other's items have: there at least, and here at most.
LEAST_THERE, MOST_HERE = 0.5, 0.25
BRIDGES: dict[str, type[pl.DataType]] = OUTCOME_SCHEMA | {
    "other_community_id": pl.String,
    "their_share": pl.Float64,  # of the other's showings of the interest that the items have
    "own_share": pl.Float64,  # of the community's own
}


@dataclass(frozen=True)
class _Bridge:
    """Items of an interest that another community is shown and this one is not; places in the window."""

    community: int
    other: int
    interest: int
    items: npt.NDArray[np.int64]
    theirs: float  # share of the other's showings of the interest
    ours: float


def bridges(window: Window, wanted: pl.DataFrame, disclosure_k: int = MIN_USERS) -> pl.DataFrame:
    """The gain of each bridge that the week's showings offer.

    Of each community and interest at most one, with the community that is furthest from it.

    Args:
        window: the week.
        wanted: community_id, interest_id: which communities want which interests. With other_community_id: just these
            bridges, as long as any item is the other's.
        disclosure_k: least number of users that a number may rest on.

    Returns:
        BRIDGES, sorted by community_id, interest_id: value is the strength of a showing of the other's items, baseline
        that of a showing of the interest; empty where showings cannot be compared or single items are not known.
    """
    exposure = window.exposure
    if exposure is None or exposure.cells is None or exposure.basis == OBSERVATIONAL:
        return pl.DataFrame(schema=BRIDGES)
    rows = [
        _measured(window, exposure.cells, exposure.basis, bridge, fewest_users(disclosure_k))
        for bridge in _found(window, exposure.cells, wanted)
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in BRIDGES} for row in rows], schema=BRIDGES)
    return frame.sort("community_id", "interest_id")


def _found(window: Window, cells: ItemCells, wanted: pl.DataFrame) -> Iterator[_Bridge]:
    """Bridges, by interest and community."""
    place = {community: n for n, community in enumerate(window.communities)}
    shown = sparse.csc_array(window.members @ cells.feed_shown)
    of_interest = sparse.csc_array(cells.label)
    for (interest,), of in wanted.sort("interest_id", "community_id").group_by("interest_id", maintain_order=True):
        named = "other_community_id" in of.columns
        if named:
            pairs = of.select("community_id", "other_community_id").rows()
            ends = [(place[a], place[b]) for a, b in pairs if a in place and b in place]
        else:
            those = [place[c] for c in of["community_id"] if c in place]
            ends = [(a, b) for a in those for b in those if a != b]
        if not ends or interest not in window.interests:
            continue
        j = window.interests.index(str(interest))
        part = slice(of_interest.indptr[j], of_interest.indptr[j + 1])
        items, weight = of_interest.indices[part].astype(np.int64), of_interest.data[part]
        both = sorted({end for pair in ends for end in pair})
        showings = np.asarray(sparse.csr_array(shown[:, items])[both].toarray()) * weight
        whole = showings.sum(axis=1, keepdims=True)
        shares = np.divide(showings, whole, out=np.zeros_like(showings), where=whole > 0)
        share = dict(zip(both, shares, strict=True))
        found: dict[int, _Bridge] = {}
        for a, b in ends:
            theirs = share[b] > TIMES * share[a]
            there, here = float(share[b][theirs].sum()), float(share[a][theirs].sum())
            apart = there >= LEAST_THERE and here <= MOST_HERE
            if theirs.any() and (named or apart):
                bridge = _Bridge(a, b, j, items[theirs], there, here)
                if named:
                    yield bridge
                elif a not in found or there - here > found[a].theirs - found[a].ours:
                    found[a] = bridge
        yield from found.values()


def _measured(window: Window, cells: ItemCells, basis: str, bridge: _Bridge, fewest: int) -> dict[str, object]:
    users = _members(window.members, bridge.community)
    label = sparse.csc_array(cells.label)[:, [bridge.interest]].toarray().ravel()
    items = np.flatnonzero(label)
    weight = sparse.csr_array(sparse.diags_array(label[items]))
    y, x = (sparse.csr_array(of[users][:, items] @ weight) for of in (cells.strength, cells.shown))
    kept = sparse.csr_array(sparse.diags_array(np.isin(items, bridge.items).astype(np.float64)))
    y_there, x_there = sparse.csr_array(y @ kept), sparse.csr_array(x @ kept)
    for of in (y_there, x_there):
        of.eliminate_zeros()
    by_user, by_item = row_sums(x_there), column_sums(x_there)
    of_rows = x_there.data
    members, engaged = int((by_user > 0).sum()), int((row_sums(y_there) > 0).sum())
    value, baseline = _ratio(y_there, x_there), _ratio(y, x)
    influence = _influence(y_there, x_there, value) - _influence(y, x, baseline)
    of_users = float((row_sums(influence) ** 2).sum()) * _few(by_user)
    # How much of the interest is shown of either half is given, so an item counts by its distance from its own half.
    y_here, x_here = sparse.csr_array(y - y_there), sparse.csr_array(x - x_there)
    own_half = sparse.csr_array(
        (_apart(y_there, x_there, value) + _apart(y_here, x_here, _ratio(y_here, x_here))) / (x.sum() or 1.0)
    )
    by_halves = sparse.csr_array(_influence(y_there, x_there, value) - own_half)
    cell = float((by_halves.data**2).sum())
    of_items = max(float((column_sums(by_halves) ** 2).sum()) - cell, 0.0) * _few(by_item)
    variance = of_users + of_items
    others = _members(window.members, bridge.other)
    reached = int((row_sums(sparse.csr_array(cells.feed_shown[others][:, bridge.items])) > 0).sum())
    effective_users, effective_rows = _effective(by_user), _effective(of_rows)
    reasons = (
        (members < fewest, f"fewer than {fewest} active members"),
        (reached < fewest, f"fewer than {fewest} active users to compare with"),
        (not effective_users >= MIN_EFFECTIVE_USERS, "a few users make up most of the activity"),
        (not effective_rows >= MIN_EFFECTIVE_ROWS, f"fewer than {MIN_EFFECTIVE_ROWS:.0f} comparable showings"),
        (not np.isfinite(variance), "one item makes up most of its showings"),
        (not variance > 0, "no variation between users"),
    )
    why_not = next((reason for fails, reason in reasons if fails), None)
    usual = min(max(baseline, 1e-6), 1 - 1e-6) if np.isfinite(baseline) else 0.5
    feed_strength, feed_shown = (float(of[users].sum()) for of in (cells.feed_strength, cells.feed_shown))
    here = float((cells.feed_shown[users][:, items] @ weight).sum())
    numbers = {
        "value": value, "difference": value - baseline, "std_error": float(np.sqrt(max(variance, 0.0))),
        "bias_bound": 0.0, "unit_mean": value, "unit_sd": float(np.sqrt(members * of_users)),
    }  # fmt: skip
    return {
        "community_id": window.communities[bridge.community],
        "other_community_id": window.communities[bridge.other],
        "interest_id": window.interests[bridge.interest],
        "their_share": bridge.theirs,
        "own_share": bridge.ours,
        "metric": BRIDGE_GAIN,
        "evaluability": "not_evaluable" if why_not else basis,
        "why_not": why_not,
        "baseline": baseline if np.isfinite(baseline) else None,
        "scale": float(np.sqrt(usual * (1 - usual))),
        "community_mean": feed_strength / feed_shown if feed_shown > 0 else None,
        "members": members,
        "engaged": engaged,
        "others": reached,
        "engaged_others": 0,
        "effective_users": effective_users,
        "effective_rows": effective_rows,
        "served_share": here / feed_shown if feed_shown > 0 else None,
        "showings": feed_shown,
        "popularity": 0.0,
        **({} if why_not else numbers),
        **_labels(window, bridge),
    }


def _labels(window: Window, bridge: _Bridge) -> dict[str, float | None]:
    if window.labels is None:
        return {}
    at = bridge.community, bridge.interest
    found = {"label_confidence": window.labels.confidence[at], "label_items": window.labels.items[at]}
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}


def _members(members: Matrix, community: int) -> npt.NDArray[np.int64]:
    return members.indices[members.indptr[community] : members.indptr[community + 1]].astype(np.int64)


def _ratio(y: Matrix, x: Matrix) -> float:
    whole = float(x.data.sum())
    return float(y.data.sum()) / whole if whole > 0 else float("nan")


def _influence(y: Matrix, x: Matrix, ratio: float) -> Matrix:
    """What each user and item adds to the error of a ratio."""
    whole = float(x.data.sum())
    return sparse.csr_array(_apart(y, x, ratio) / (whole if whole > 0 else 1.0))


def _apart(y: Matrix, x: Matrix, ratio: float) -> Matrix:
    return sparse.csr_array(y - x * np.nan_to_num(ratio))


def _few(by_cluster: Array) -> float:
    return float(few_clusters(*(np.array((by_cluster**power).sum()) for power in (1, 2, 3))))


def _effective(weights: Array) -> float:
    """Kish's effective number."""
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0
