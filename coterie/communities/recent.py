"""Communities that have become one: what members did in the last days decides, not two weeks of engagements.

Belongs here: which groups of a partition are no longer two. Does not belong here: the partition (membership), which is
judged by two weeks of engagements, so that groups that merged last week would stand apart for another.

Two groups are kept apart where that foretells held-out engagements of the last days better than one group does. A
mixture with one group less has fewer profiles to learn from as many engagements, so where two have become alike the
merged one foretells more, clearly so within two or three days. Where there are few engagements it does so for any two:
so the same engagements must tell either of the two from the other groups.

Source: the number of components by cross-validated likelihood (Smyth 2000, Statistics and Computing 10), applied to one
pair of components at a time.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.communities.mixture import FIFTHS, Foretold, Groups, foretold
from coterie.matrices import Array, product

# Standard errors by which one group must foretell more than two for them to be one. On quiet days of simulated platforms
# it was ahead by 1.3 at most, for two that had merged by 4.7 on the third day.
ONE = 2.0


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


def merge_current(acts: Acts, groups: Groups, origin: Groups, min_size: int) -> Groups:
    """Merge groups whose members do the same by now.

    A group is compared with the one most like it, members as they stand (no round of fitting, which would look for the
    groups anew). Two groups that were one community yesterday need recent engagements to speak for two; others stay two
    unless these clearly speak for one. Where they tell no groups apart, nothing is merged.

    Args:
        acts: of n users.
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        origin: (n,) yesterday's community of each user, as a number; -1 for none.
        min_size: as for `mixture.fit`.

    Returns:
        (n,) groups, numbered without gaps.
    """
    seen = replace(acts, engaged=acts.recent, earlier=sparse.csr_array(acts.earlier.shape))
    while groups.max(initial=-1) > 0:
        apart = _foretold(seen, groups, min_size)
        came = _origins(groups, origin)
        found = []
        for a, b in _nearest(seen, groups):
            one = _merged(groups, a, b)
            ahead = _foretold(seen, one, min_size).ahead_of(apart)
            needed = 0.0 if came[a] == came[b] >= 0 else ONE
            if ahead > needed:
                found.append((needed - ahead, a, b))
        pair = next(((a, b) for _, a, b in sorted(found) if _telling(seen, groups, apart, a, b, min_size)), None)
        if pair is None:
            break
        groups = _merged(groups, *pair)
    return groups


def _telling(acts: Acts, groups: Groups, apart: Foretold, a: int, b: int, min_size: int) -> bool:
    """Whether the engagements clearly tell both groups from most others; from everybody, where there are no others."""
    others = [c for c in range(int(groups.max()) + 1) if c not in (a, b)]
    for one in (a, b):
        without = [_merged(groups, min(one, c), max(one, c)) for c in others] or [np.where(groups == one, -1, groups)]
        if np.median([apart.ahead_of(_foretold(acts, of, min_size)) for of in without]) < ONE:
            return False
    return True


def _foretold(acts: Acts, groups: Groups, min_size: int) -> Foretold:
    """Each fifth of the engagements from the other four, all together."""
    parts = [foretold(acts, groups, min_size, rounds=0, fifth=fifth) for fifth in range(FIFTHS)]
    return Foretold(np.sum([p.bits for p in parts], axis=0), np.sum([p.engagements for p in parts], axis=0))


def _merged(groups: Groups, a: int, b: int) -> Groups:
    """`b` becomes part of `a`; a < b."""
    merged = np.where(groups == b, a, groups)
    return np.where(merged > b, merged - 1, merged)


def _origins(groups: Groups, origin: Groups) -> Groups:
    """(G,) yesterday's community that at least half of the members of each group come from; -1 for none."""
    count = np.zeros((int(groups.max()) + 1, int(origin.max(initial=-1)) + 2))
    inside = groups >= 0
    np.add.at(count, (groups[inside], origin[inside]), 1)  # -1 is the last column
    size = count.sum(axis=1)
    count[:, -1] = 0
    return np.where(2 * count.max(axis=1) >= np.maximum(size, 1), count.argmax(axis=1), -1)


def _nearest(acts: Acts, groups: Groups) -> Iterator[tuple[int, int]]:
    """Pairs of each group and the one most like it, by the cosine of what sets their interests apart from everybody's."""
    inside = np.flatnonzero(groups >= 0)
    size = int(groups.max()) + 1
    members = sparse.csr_array((np.ones(len(inside)), (groups[inside], inside)), shape=(size, len(groups)))
    items = product(members, acts.engaged)
    apart = np.hstack([_apart(np.asarray(of.toarray())) for of in (product(items, acts.labels), items)])
    length = np.sqrt((apart**2).sum(axis=1, keepdims=True))
    unit = apart / np.where(length > 0, length, 1.0)
    alike = np.einsum("aj,bj->ab", unit, unit, optimize=False)
    np.fill_diagonal(alike, -np.inf)
    pairs = {(min(a, b), max(a, b)) for a, b in enumerate(alike.argmax(axis=1).tolist())}
    yield from sorted(pairs)


def _apart(counts: Array) -> Array:
    """(G, k) share of each column in a group, less that share in all groups together."""
    whole, total = counts.sum(axis=1, keepdims=True), counts.sum()
    return np.asarray(
        counts / np.where(whole > 0, whole, 1.0) - counts.sum(axis=0, keepdims=True) / (total if total > 0 else 1.0)
    )
