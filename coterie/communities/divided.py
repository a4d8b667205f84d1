"""Communities that have come apart: what members did in the last days decides, not two weeks of engagements.

Belongs here: which groups of a partition are no longer one. Does not belong here: groups that have become one (recent).

A group is searched for parts by what its members did in the last days. Parts count if interests foretell held-out
engagements better by parts than by the group as a whole, each time with parts that were looked for without these
engagements. Items alone do not decide: which new items somebody meets depends on when they come, and that foretells
what was held out, too. Nor does what was so before: people turn to one thing for some days, and to another then. If the
days before came apart as clearly, parts are no news, and whether they are communities is for two weeks to say.

Source: the number of components by cross-validated likelihood (Smyth 2000, Statistics and Computing 10), of interests.
"""

from dataclasses import replace

import numpy as np

from coterie.communities.acts import Acts
from coterie.communities.detect import leiden_of
from coterie.communities.embedding import embed
from coterie.communities.mixture import FIFTHS, Groups, fit, held_out, smoothed
from coterie.communities.starts import beside, large, ties_of
from coterie.graphs import stable_sample
from coterie.matrices import Array, Matrix, product, row_sums

# Bits an engagement by which knowing the part tells the interest. On simulated platforms halves of a community told 0.5
# and more, parts of one that had not split 0.25 to 0.4 where it was small and less where it was large.
TELLING = 0.4
# Bits an engagement by which parts must foretell interests better than the whole. The few engagements of three days make
# parts of anything: on quiet simulated platforms the best foretold 0.08, halves on the second day mostly 0.14 to 0.4.
AHEAD = 0.12
MOST = 2_000  # members of a group that are looked at to know whether it came apart
ROUNDS = 5  # of fitting; more make too much of few engagements
RESOLUTION = 0.5
PRIOR = 10.0  # engagements that the whole group's shares are worth in a part's


def divide_current(acts: Acts, groups: Groups, but: Groups, min_size: int) -> Groups:
    """Divide groups whose members have come to do different things.

    Args:
        acts: of n users.
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        but: numbers of groups that are left as they are.
        min_size: fewest users of a part.

    Returns:
        (n,) groups, without gaps. The largest part keeps the number, and the members who did nothing lately.
    """
    found = groups.copy()
    if not acts.former.nnz:
        return found  # nothing that could be news
    for group in np.setdiff1d(np.arange(int(groups.max(initial=-1)) + 1), but):
        members = np.flatnonzero(groups == group)
        if _came_apart(acts, members[stable_sample(acts.users.gather(members), MOST)], min_size):
            parts, size = _parts(acts.during(members, acts.recent), min_size)
            for part in np.flatnonzero(size >= min_size):
                if part != size.argmax():
                    found[members[parts == part]] = found.max() + 1
    return found


def _came_apart(acts: Acts, members: Groups, min_size: int) -> bool:
    now, before = (acts.during(members, of) for of in (acts.recent, acts.former))
    parts, size = _parts(now, min_size)
    if (size >= min_size).sum() < 2 or told_by_parts(now.engaged, now, np.eye(len(size))[parts]) < TELLING:
        return False
    gain = _gain(now, min_size)
    return gain > AHEAD and _gain(before, min_size) < gain / 2


def _parts(acts: Acts, min_size: int) -> tuple[Groups, Groups]:
    """(n,) part of each user from 1, 0 for users of none; and the size of each part, 0 for none."""
    parts = np.asarray(_posterior(acts, min_size).argmax(axis=1), dtype=np.int64)
    return parts, np.bincount(parts[parts > 0], minlength=2)


def _posterior(acts: Acts, min_size: int) -> Array:
    """(n, P + 1) probability of each part, the whole group first."""
    points = beside(embed(acts.engaged), product(acts.engaged, acts.labels))
    start = leiden_of(len(acts.users), *ties_of(points, acts.users), resolution=RESOLUTION)
    # Parts grow while they are fitted.
    return fit(acts, large(start, min_size // 2), min_size, ROUNDS).posterior


def _gain(acts: Acts, min_size: int) -> float:
    """Bits an engagement by which interests are foretold better by parts than by the whole, of all fifths."""
    whole = better = 0.0
    for fifth in range(FIFTHS):
        learnt, hidden = held_out(acts, fifth)
        known = replace(acts, engaged=learnt)
        count = float(row_sums(product(hidden, acts.labels)).sum())
        whole += count
        better += count * told_by_parts(hidden, known, _posterior(known, min_size))
    return better / whole if whole > 0 else 0.0


def told_by_parts(engaged: Matrix, learnt: Acts, posterior: Array) -> float:
    """Bits an engagement by which interests are told better by parts than by the whole.

    Args:
        engaged: (n, m) what is to be told.
        learnt: of n users: what shares are learnt from.
        posterior: (n, P + 1) probability of each part, the whole group first.
    """
    by_interest, to_tell = (np.asarray(product(of, learnt.labels).toarray()) for of in (learnt.engaged, engaged))
    everybody = by_interest.sum(axis=0) + 0.5
    everybody /= everybody.sum()
    counts = np.einsum("np,nj->pj", posterior, by_interest, optimize=False)
    shares = smoothed(counts, everybody, PRIOR)
    shares[0] = everybody
    expected = np.einsum("np,pj->nj", posterior, shares, optimize=False)
    whole = float(to_tell.sum())
    return float((to_tell * np.log2(expected / everybody)).sum()) / whole if whole > 0 else 0.0
