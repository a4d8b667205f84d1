"""What users are interested in, as of a day: decayed, shrunk, with intervals.

Belongs here: evidence, expectation, lift and affinity per user and interest. Does not belong here: engagement strength
(the dbt model `engagement`) and labels (coterie.labels).
"""

import numpy as np
import polars as pl
from scipy import sparse, special, stats

from coterie.independence import opportunity, quasi_independent
from coterie.labels.gold_quality import precision_of, widened
from coterie.matrices import Array, Matrix, codes, ids_of, matrix, pattern, product, row_sums
from coterie.tables import LABEL_QUALITY, USER_INTERESTS

FEWEST_EVIDENCE = 0.05  # about four half-lives after a single engagement: then it says nothing any more
INTERVAL = 0.90
# Bounds of the prior's strength, in effective engagements: outside them the moments are noise.
WEAKEST, STRONGEST = 0.2, 1e4

_STATE = ("evidence", "engaged", "engaged_square", "expected")


def user_interests(
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    yesterday: pl.DataFrame | None,
    *,
    half_life_days: float,
    exposures_logged: bool,
    quality: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The table `user_interests`: yesterday's state decayed by a day, today's engagement added.

    What exposure alone predicts keeps each user's activity and each interest's appeal to everyone. Where showings are
    logged, a user's engagement of the day is expected to spread over what they were shown, each interest at the rate
    at which everyone engages with it when shown. Where they are not, popularity stands in: the user's engagement is
    expected to spread like everyone's.

    Lift is engaged over expected with a gamma prior of mean 1 whose strength is found by moments (the gamma-Poisson
    shrinker; DuMouchel 1999). Strengths are not counts, so both are first divided by the dispersion, the sum of
    squares over the sum, which makes them effective counts; where showings are logged, squares are taken about the
    interest's rate. The interval is the posterior's central 90 %, widened by what a gold set says of the interest's
    labels (coterie.labels.gold_quality.widened); where all lifts are 1 label error moves none, so the p-value stays. It
    is the Poisson tail P(X >= engaged), continued to real numbers by the incomplete gamma function; pairs of user and
    interest without engagement count as tests with p = 1.

    Args:
        engagement: user_id, item_id, exposures, exposure_logged, strength of the day.
        labels: item_id, interest_id, weight of its items; unlabelled items are left out.
        yesterday: USER_INTERESTS of the day before; None on the first day.
        half_life_days: days after which an engagement counts half.
        exposures_logged: whether the log says what users were shown.
        quality: LABEL_QUALITY of the day; None or no rows: labels are taken as right.

    Returns:
        USER_INTERESTS: a row for each pair with evidence of at least 0.05.
    """
    before = USER_INTERESTS.empty() if yesterday is None else yesterday
    rows = engagement.drop_nulls(["user_id", "item_id", "strength"])
    rows = rows.filter(pl.col("item_id").is_in(labels["item_id"].unique().implode()))
    users = ids_of(rows["user_id"], before["user_id"])
    interests = ids_of(labels["interest_id"], before["interest_id"])

    today = _today(rows, labels, users, interests, exposures_logged)
    decay = 0.5 ** (1 / half_life_days)
    factor = {"engaged_square": decay**2}
    u, j = codes(before["user_id"], users), codes(before["interest_id"], interests)
    size = (len(users), len(interests))
    state = {
        name: sparse.csr_array(
            sparse.csr_array((before[name].to_numpy() * factor.get(name, decay), (u, j)), shape=size) + today[name]
        )
        for name in _STATE
    }
    state["evidence"].sort_indices()
    seen = pattern(state["evidence"])
    # Wherever one of the other three has a cell, evidence has it too.
    cells = {name: _aligned(state[name], seen) for name in _STATE}
    user, interest = np.repeat(np.arange(size[0]), np.diff(seen.indptr)), seen.indices.astype(np.int64)
    kept = cells["evidence"] >= FEWEST_EVIDENCE
    user, interest = user[kept], interest[kept]
    cells = {name: values[kept] for name, values in cells.items()}

    by_user = np.bincount(user, weights=cells["engaged"], minlength=size[0])
    by_interest = np.bincount(interest, weights=cells["engaged"], minlength=size[1])
    total = float(by_interest.sum())
    popular = by_interest / total if total > 0 else np.zeros(size[1])
    if not exposures_logged:
        cells["expected"] = by_user[user] * popular[interest]
    squares = float(cells["engaged_square"].sum())
    dispersion = squares / total if total > 0 and squares > 0 else 1.0
    found, expected = cells["engaged"] / dispersion, cells["expected"] / dispersion

    everywhere = None if exposures_logged else float(((by_user / dispersion) ** 2).sum() * (popular**2).sum())
    prior = prior_strength(found, expected, everywhere)
    low, high = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2
    p = np.where(found > 0, special.gammainc(np.maximum(found, 1e-12), expected), 1.0)
    tests = len(p) if exposures_logged else len(np.unique(user)) * len(np.unique(interest))
    concentration = _concentration(found, by_user / dispersion, popular)
    share = (found + concentration * popular[interest]) / ((by_user / dispersion)[user] + concentration)
    lift = (prior + found) / (prior + expected)
    ends = [special.gammaincinv(prior + found, end) / (prior + expected) for end in (low, high)]
    right, worst = precision_of(LABEL_QUALITY.empty() if quality is None else quality, interests)
    lift_low, lift_high = widened(lift, ends[0], ends[1], right[interest], worst[interest])
    frame = pl.DataFrame(
        {
            "user_id": users.gather(user) if len(user) else pl.Series([], dtype=pl.String),
            "interest_id": interests.gather(interest) if len(user) else pl.Series([], dtype=pl.String),
            **cells,
            "affinity": share,
            "lift": lift,
            "lift_low": lift_low,
            "lift_high": lift_high,
            "p_value": p,
            "q_value": benjamini_hochberg(p, tests),
        }
    )
    return USER_INTERESTS.conform(frame.select(list(USER_INTERESTS.schema)))


def prior_strength(found: Array, expected: Array, expected_squares: float | None = None) -> float:
    """Strength `a` of the Gamma(a, a) prior of lift by moments: E (n - e)^2 = e + e^2 / a.

    Args:
        found: (n,) effective counts.
        expected: (n,) what was expected of them.
        expected_squares: the sum of e^2 over all pairs, where pairs with n = 0 are not among the rows and the
            expectations over all pairs sum to the counts.

    Returns:
        a, within [0.2, 10000]; large where the counts vary no more than chance lets them.
    """
    squares = float((expected**2).sum()) if expected_squares is None else expected_squares
    whole = float(expected.sum()) if expected_squares is None else float(found.sum())
    excess = float((found**2 - 2 * found * expected).sum()) + squares - whole
    return float(np.clip(squares / excess, WEAKEST, STRONGEST)) if excess > 0 else STRONGEST


def benjamini_hochberg(p: Array, tests: int | None = None) -> Array:
    """q-values (Benjamini and Hochberg 1995); `tests` is larger than len(p) where the rest are known to have p = 1."""
    if not len(p):
        return p
    if tests is None or tests <= len(p):
        return np.asarray(stats.false_discovery_control(p), dtype=np.float64)
    # Scaling p beforehand is the same as testing the others too, as long as the result is cut at 1.
    return np.asarray(np.minimum(stats.false_discovery_control(p) * (tests / len(p)), 1.0), dtype=np.float64)


def _today(
    rows: pl.DataFrame, labels: pl.DataFrame, users: pl.Series, interests: pl.Series, exposures_logged: bool
) -> dict[str, Matrix]:
    items = ids_of(rows["item_id"])
    label = matrix(labels, "item_id", items, "interest_id", interests, "weight")
    strength = matrix(rows, "user_id", users, "item_id", items, "strength")
    shown = matrix(rows.with_columns(one=pl.lit(1.0)), "user_id", users, "item_id", items, "one")
    engaged, evidence = product(strength, label), product(shown, label)
    label_square = sparse.csr_array(label.multiply(label))
    square = product(sparse.csr_array(strength.multiply(strength)), label_square)
    if not exposures_logged:
        expected = sparse.csr_array(evidence.shape)
    else:
        offered = np.bincount(evidence.indices, weights=evidence.data, minlength=len(interests)).astype(float)
        gained = np.bincount(engaged.indices, weights=engaged.data, minlength=len(interests)).astype(float)
        rate = np.divide(gained, offered, out=np.zeros_like(gained), where=offered > 0)
        # About the rate: engagement that is certain is no noise.
        about = sparse.csr_array(label_square.multiply(rate[None, :]))
        square = square - 2 * product(strength, about) + product(shown, sparse.csr_array(about.multiply(rate[None, :])))
        square.data = np.maximum(square.data, 0.0)
        worth = product(matrix(opportunity(rows), "user_id", users, "item_id", items, "opportunity"), label)
        expected = quasi_independent(worth, row_sums(engaged), gained)
    return {"evidence": evidence, "engaged": engaged, "engaged_square": square, "expected": expected}


def _aligned(of: Matrix, like: Matrix) -> Array:
    """The values of `of` at the cells of `like`, in row order; cells that it lacks are 0."""
    columns = np.int64(like.shape[1])
    of.sort_indices()
    wanted = np.repeat(np.arange(like.shape[0], dtype=np.int64), np.diff(like.indptr)) * columns + like.indices
    given = np.repeat(np.arange(of.shape[0], dtype=np.int64), np.diff(of.indptr)) * columns + of.indices
    values = np.zeros(len(wanted))
    at = np.searchsorted(wanted, given)
    values[at] = of.data
    return values


def _concentration(found: Array, by_user: Array, popular: Array) -> float:
    """Strength of the Dirichlet prior of a user's shares, by moments of pairs of engagements.

    Two effective engagements of a user fall on the same interest with probability S + (1 - S) / (k + 1), S being the
    sum of the population's squared shares.
    """
    same = float((found * np.maximum(found - 1, 0)).sum())
    pairs = float((by_user * np.maximum(by_user - 1, 0)).sum())
    chance = float((popular**2).sum())
    if pairs <= 0 or chance >= 1 or same / pairs <= chance:
        return STRONGEST
    return float(np.clip((1 - chance) / (same / pairs - chance) - 1, WEAKEST, STRONGEST))
