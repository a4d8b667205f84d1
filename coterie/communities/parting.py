"""Communities that part: what members did in the last days shows two groups where there was one.

Belongs here: which groups of a partition have come apart, and who is in which part. Does not belong here: groups that
have become one (recent), the partition (membership), which is judged by two weeks of engagements, so that groups that
parted last week would stay together for another.

Leiden looks for parts among what members engaged with lately. Whether the parts are more than chance is judged by
engagements that were held out before it looked: each fifth is foretold from parts found in the other four. A group
that is one gives parts that foretell less than the whole.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.communities.embedding import embed
from coterie.communities.mixture import FIFTHS, Groups, fit, foretell, held_out
from coterie.communities.starts import large, leiden_points, scaled
from coterie.graphs import stable_hashes
from coterie.matrices import product, row_sums

# Standard errors by which parts must foretell more than the whole. On quiet days of simulated platforms no group came
# above 1.0; groups that had parted were at 2.0 to 3.9 on the third or fourth day.
TWO = 2.0
FOUND_IN = 3  # of the five searches, in which there must be parts at all
DIMENSIONS = 8
RESOLUTION = 0.5
MOST_USERS = 2_000  # of a group, in the test
REFINED = 3  # rounds of fitting from the parts that Leiden found


def part_current(acts: Acts, groups: Groups, min_size: int) -> Groups:
    """Divide groups whose members have come apart.

    Args:
        acts: of n users.
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        min_size: fewest users of a part.

    Returns:
        (n,) groups, without gaps. The largest part keeps the number, and with it the members of whom nothing is known
        lately.
    """
    found = groups.copy()
    for group in range(int(groups.max(initial=-1)) + 1):
        rows = np.flatnonzero((groups == group) & (row_sums(acts.recent) > 0))
        if len(rows) < 2 * min_size:
            continue
        some = rows[np.sort(np.argsort(stable_hashes(acts.users.gather(rows)), kind="stable")[:MOST_USERS])]
        if _ahead(_lately(acts, some), min_size) < TWO:
            continue
        parts = _refined(_lately(acts, rows), min_size)
        for part in range(1, int(parts.max(initial=-1)) + 1):
            found[rows[parts == part]] = found.max() + 1
    return found


def swallowed(groups: Groups, origin: Groups, min_size: int) -> Groups:
    """Divide groups that took in most of two or more of yesterday's communities, along those.

    The search may find that two weeks are foretold as well by one group as by two. Whether two communities have become
    one is for what their members do now to say (`recent.merge_current`).

    Args:
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        origin: (n,) yesterday's community of each user, as a number; -1 for none.
        min_size: fewest users of a part.

    Returns:
        (n,) groups, without gaps. The largest part keeps the number, and the members who are new.
    """
    found = groups.copy()
    stayed = np.bincount(origin[(origin >= 0) & (groups >= 0)], minlength=int(origin.max(initial=-1)) + 1)
    for group in range(int(groups.max(initial=-1)) + 1):
        came = np.bincount(origin[(groups == group) & (origin >= 0)], minlength=len(stayed))
        whole = np.flatnonzero((came >= min_size) & (came > stayed / 2))
        for community in whole[np.argsort(-came[whole], kind="stable")][1:]:
            found[(groups == group) & (origin == community)] = found.max() + 1
    return found


def _lately(acts: Acts, rows: Groups) -> Acts:
    some = acts.take(rows)
    return replace(some, engaged=some.recent, earlier=sparse.csr_array(some.earlier.shape))


def _parts(acts: Acts, min_size: int) -> Groups:
    by_interest = sparse.csr_array(product(acts.engaged, acts.labels))
    points = np.hstack([scaled(embed(of, DIMENSIONS)) for of in (acts.engaged, by_interest)])
    return large(leiden_points(points, acts.users, RESOLUTION), min_size)


def _ahead(acts: Acts, min_size: int) -> float:
    """Standard errors by which parts foretell more than the whole; 0 where hardly any search finds parts."""
    bits, times = np.zeros(len(acts.users)), 0
    for fifth in range(FIFTHS):
        learnt, hidden = held_out(acts, fifth)
        parts = _parts(learnt, min_size)
        if parts.max(initial=-1) > 0:
            bits += foretell(learnt, hidden, parts, min_size, rounds=0).bits
            times += 1
    error = float(np.sqrt((bits**2).sum()))
    return float(bits.sum()) / error if times >= FOUND_IN and error > 0 else 0.0


def _refined(acts: Acts, min_size: int) -> Groups:
    """(n,) part of each user, from the largest; those whom Leiden left out go where they fit best."""
    parts = _parts(acts, min_size)
    if parts.max(initial=-1) < 1:
        return parts
    # A group comes apart in two; what is left over goes where it fits, or parts on another day.
    two = np.where(parts > 1, -1, parts)
    return large(fit(acts, two, min_size, REFINED).posterior[:, 1:].argmax(axis=1), min_size)
