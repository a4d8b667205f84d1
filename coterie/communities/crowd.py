"""The crowd: users who do what members of every community do besides what sets that community apart.

Belongs here: which groups of a partition are no community. Does not belong here: the partition (membership), whether a
community is real (verdict).

Popularity is not what a user without a community does: it is the mean over communities, each with its own interests.
What they have in common, the middle of their shares of each interest, is. A group that is hardly set apart from that is
told from others by what it lacks alone. Its users belong nowhere, so a community whose members turn to what
everybody does ends, and one that comes out of the crowd is born.
"""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.communities.mixture import FIFTHS, Groups, held_out, smoothed
from coterie.communities.recent import origins
from coterie.matrices import column_sums, product

# What sets a group apart from the middle of the others, as a share of what does the median group: the crowd is below. On
# simulated platforms crowds were at 0.1, up to 0.3 where they held a small community (docs/method.md). A community of
# yesterday must be lower to end by it, a group out of yesterday's crowd higher to be a community.
APART, STOOD, CAME_OUT = 0.25, 0.2, 0.3
FEWEST = 4  # groups: the middle of two others is no middle
PRIOR = 10.0  # engagements that "as everybody" is worth in a group's shares


def crowds(acts: Acts, groups: Groups, origin: Groups, crowd: int) -> npt.NDArray[np.bool_]:
    """Which groups are the crowd.

    Engagements are counted by interest. A fifth of them in turn is foretold from the other four. The measure is our own;
    that the median of profiles is what they have in common supposes that fewer than half want an interest for themselves.

    Args:
        acts: of n users.
        groups: (n,) group of each user from 0 without gaps, -1 for none.
        origin: (n,) yesterday's community of each user, as a number; -1 for newcomers.
        crowd: the number in `origin` of those who had none.

    Returns:
        (G,) whether a group's shares of interests foretell nothing beyond popularity, or little beyond the median of the
        other groups' shares. Of no group where there are fewer than `FEWEST`.
    """
    size = int(groups.max(initial=-1)) + 1
    if size < FEWEST:
        return np.zeros(size, dtype=bool)
    inside = np.flatnonzero(groups >= 0)
    members = sparse.csr_array((np.ones(len(inside)), (groups[inside], inside)), shape=(size, len(groups)))
    beyond, whole = np.zeros((2, size)), np.zeros(size)
    for fifth in range(FIFTHS):
        learnt, hidden = held_out(acts, fifth)
        counts, told = (np.asarray(product(product(members, of), acts.labels).toarray()) for of in (learnt, hidden))
        everybody = acts.labels.T @ column_sums(learnt) + 0.5
        everybody /= everybody.sum()
        shares = smoothed(counts, everybody, PRIOR)
        middle = np.stack([np.median(np.delete(shares, g, axis=0), axis=0) for g in range(size)])
        middle /= middle.sum(axis=1, keepdims=True)
        whole += told.sum(axis=1)
        beyond += [(told * np.log2(shares / other)).sum(axis=1) for other in (middle, everybody)]
    apart = beyond[0] / np.maximum(whole, 1.0)
    came = origins(groups, origin)
    least = np.where(came == crowd, CAME_OUT, np.where(came >= 0, STOOD, APART))
    return np.asarray((beyond[1] <= 0) | (apart < least * np.median(apart)), dtype=bool)
