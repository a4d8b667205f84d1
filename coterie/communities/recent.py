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
from coterie.communities.mixture import FIFTHS, ITEM_PRIOR, Groups, held_out, in_errors, interest_prior, lift
from coterie.matrices import Array, Matrix, column_sums, product, row_sums

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


def merge_current(acts: Acts, groups: Groups, origin: Groups) -> Groups:
    """Merge groups whose members do the same by now.

    A group is compared with the one most like it, members as they stand (no round of fitting, which would look for the
    groups anew). Two groups that were one community yesterday need recent engagements to speak for two; others stay two
    unless these clearly speak for one. Where they tell no groups apart, nothing is merged.

    Args:
        acts: of n users.
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        origin: (n,) yesterday's community of each user, as a number; -1 for none.

    Returns:
        (n,) groups, numbered without gaps.
    """
    lately = replace(acts, engaged=acts.recent)
    days = _LastDays(lately)
    while groups.max(initial=-1) > 0:
        compare = _Comparison(days, groups)
        came = origins(groups, origin)
        found = []
        for a, b in _nearest(lately, groups):
            ahead = compare.ahead(a, b)
            needed = 0.0 if came[a] == came[b] >= 0 else ONE
            if ahead > needed:
                found.append((needed - ahead, a, b))
        pair = next(((a, b) for _, a, b in sorted(found) if compare.telling(a, b)), None)
        if pair is None:
            break
        groups = _merged(groups, *pair)
    return groups


class _LastDays:
    """Engagements of the last days in fifths, each to be foretold from the other four.

    The model is that of `mixture`, before any round of fitting. There a group's profile is made of its own members'
    engagements and everybody's alone, so groups are foretold one by one.
    """

    def __init__(self, acts: Acts) -> None:
        self._labels = acts.labels
        self._of_label = sparse.csr_array(acts.labels.T)
        self._unlabelled = 1 - row_sums(acts.labels)
        self._parts = [self._part(learnt, hidden) for learnt, hidden in (held_out(acts, f) for f in range(FIFTHS))]
        self._known: dict[bytes, Array] = {}

    def bits(self, users: Groups) -> Array:
        """Bits by which the engagements of these users are foretold better by a profile of theirs than by everybody's.

        Args:
            users: places of the users, sorted.

        Returns:
            One number for each of them.
        """
        key = users.tobytes()
        if key not in self._known:
            self._known[key] = np.sum([self._of_part(part, users) for part in self._parts], axis=0)
        return self._known[key]

    def _part(self, learnt: Matrix, hidden: Matrix) -> tuple[Matrix, Matrix, Array, Array]:
        popular = column_sums(learnt) + 0.5
        popular /= popular.sum()
        return learnt, hidden, popular, interest_prior(self._of_label @ popular)

    def _of_part(self, part: tuple[Matrix, Matrix, Array, Array], users: Groups) -> Array:
        learnt, hidden, popular, prior = part
        own = sparse.csr_array(learnt[users])
        found = column_sums(own)
        expected = popular * own.data.sum()
        of_interest = lift(self._of_label @ found, self._of_label @ expected, prior)
        lifts = lift(found, expected, ITEM_PRIOR, self._labels @ of_interest + self._unlabelled)
        return np.asarray(hidden[users] @ np.log2(lifts / (popular * lifts).sum()))


class _Comparison:
    """Groups as they stand, and what would become of the foretelling if two were one."""

    def __init__(self, days: _LastDays, groups: Groups) -> None:
        self._days = days
        self._members = [np.flatnonzero(groups == g) for g in range(int(groups.max()) + 1)]

    def ahead(self, a: int, b: int) -> float:
        """Standard errors, over users, by which one group foretells more than the two."""
        both = np.concatenate([self._members[a], self._members[b]])
        order = np.argsort(both, kind="stable")
        apart = np.concatenate([self._days.bits(self._members[g]) for g in (a, b)])[order]
        return in_errors(self._days.bits(both[order]) - apart)

    def telling(self, a: int, b: int) -> bool:
        """Whether the engagements clearly tell both from most others; from everybody, where there are no others."""
        others = [c for c in range(len(self._members)) if c not in (a, b)]
        for one in (a, b):
            apart = [-self.ahead(one, c) for c in others] or [in_errors(self._days.bits(self._members[one]))]
            if np.median(apart) < ONE:
                return False
        return True


def _merged(groups: Groups, a: int, b: int) -> Groups:
    """`b` becomes part of `a`; a < b."""
    merged = np.where(groups == b, a, groups)
    return np.where(merged > b, merged - 1, merged)


def origins(groups: Groups, origin: Groups) -> Groups:
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
