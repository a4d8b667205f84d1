"""Communities that come out of the crowd: what its users turned to in the last days, not two weeks of engagements.

Belongs here: who of those without a community has come to want something of their own. Does not belong here: who is the
crowd (crowd), groups that come apart (divided).

Two weeks know these users as the crowd, and three days are too few to look for groups of any kind among them. So the
search is led by what has changed: interests that the crowd turns to far more than before, beyond what everybody else
does. Those whose last days are about these are a group if interests foretell held-out engagements of the crowd better
with it than without, each time with a group that was looked for without these engagements.

Source: as for divided; that the search is led by what has changed is our own.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.communities.divided import ROUNDS, told_by_parts
from coterie.communities.mixture import FIFTHS, Groups, fit, held_out, smoothed
from coterie.communities.recent import origins
from coterie.matrices import Array, Matrix, column_sums, product, row_sums

# Standard errors, and how many times as much as expected, by which an interest is turned to.
ERRORS, TIMES = 2.5, 1.5
ABOUT = 0.5  # share of a user's last days that is about such interests
PRIOR = 30.0  # engagements that everybody's shares are worth in those of some users and days
# Bits an engagement by which interests must be foretold better. On quiet simulated platforms it was 0 at most, but once. What was
# a community yesterday stays one as long as it does not do clearly worse.
AHEAD, STOOD = 0.02, -0.05


def newborn(acts: Acts, nowhere: npt.NDArray[np.bool_], origin: Groups, crowd: int, min_size: int) -> Array:
    """Who has come out of the crowd to want the same.

    Args:
        acts: of n users.
        nowhere: (n,) who has no community. Of them, users who have been there for less than three days are left out.
        origin: (n,) yesterday's community of each user, as a number; -1 for newcomers.
        crowd: the number in `origin` of those who had none.
        min_size: fewest users of a community.

    Returns:
        (n,) probability of belonging to it; zeros where there is none.
    """
    found = np.zeros(len(acts.users))
    pool = np.flatnonzero(nowhere & acts.not_new & (row_sums(acts.recent) > 0))
    now = acts.during(pool, acts.recent)
    posterior = _posterior(acts, pool, now, min_size)
    if (posterior >= 0.5).sum() < min_size:
        return found
    came = origins(np.where(posterior >= 0.5, 0, -1), origin[pool])[0]
    foretold = whole = 0.0
    for fifth in range(FIFTHS):
        learnt, hidden = held_out(now, fifth)
        known = replace(now, engaged=learnt)
        part = _posterior(acts, pool, known, min_size)
        count = float(row_sums(product(hidden, acts.labels)).sum())
        whole += count
        foretold += count * told_by_parts(hidden, known, np.column_stack([1 - part, part]))
    if foretold > (STOOD if 0 <= came != crowd else AHEAD) * whole:
        found[pool] = np.where(posterior >= 0.5, posterior, 0.0)
    return found


def _posterior(acts: Acts, pool: Groups, lately: Acts, min_size: int) -> Array:
    """(p,) probability of each user of the pool to belong to those who turned to what the pool turned to."""
    turned = _turned_to(acts, pool, lately.engaged)
    by_interest = np.asarray(product(lately.engaged, acts.labels).toarray())
    own, whole = by_interest[:, turned].sum(axis=1), by_interest.sum(axis=1)
    about = (own > 0) & (own >= ABOUT * whole)
    if about.sum() < min_size // 2:  # a group grows while it is fitted
        return np.zeros(len(pool))
    return np.asarray(fit(lately, np.where(about, 0, -1), min_size, ROUNDS).posterior[:, 1])


def _turned_to(acts: Acts, pool: Groups, lately: Matrix) -> npt.NDArray[np.bool_]:
    """(J,) interests that the pool turns to far more than before, beyond what all others do."""
    others = np.setdiff1d(np.arange(len(acts.users)), pool)
    before = sparse.csr_array(acts.engaged - acts.recent)
    then, others_then, others_now = (
        acts.labels.T @ column_sums(sparse.csr_array(of[rows]))
        for of, rows in ((before, pool), (before, others), (acts.recent, others))
    )
    found = acts.labels.T @ column_sums(lately)
    everybody = then + others_then + found + others_now + 0.5
    everybody /= everybody.sum()
    own = smoothed(then, everybody, PRIOR)
    trend = own * smoothed(others_now, everybody, PRIOR) / smoothed(others_then, everybody, PRIOR)
    # Beyond the trend and more than before: what others turn away from is not turned to by staying.
    expected = found.sum() * np.maximum(own, trend / trend.sum())
    return np.asarray((found - expected > ERRORS * np.sqrt(expected)) & (found > TIMES * expected))
