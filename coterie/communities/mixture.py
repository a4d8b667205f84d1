"""A mixture of communities over users and items: who belongs where, judged by single items and by their labels.

Belongs here: the model, its fit, and how well it foretells engagements that were held out. Does not belong here: where
the search starts (starts), what is done with the posterior (membership).

The model. A component is a community or, component 0, the population at large. Component g engages with item i
`lift[i, g]` times as much as the population does. The lift of an item is a gamma-Poisson posterior whose prior mean is
the lift of the item's interests: an item that many have met speaks for itself, one that few have met is judged by its
label, and one without a label by nothing but itself. A user's evidence for a component is which items they engaged
with, among all items: multinomial with shares popularity times lift. Fitted by expectation maximisation (Dempster,
Laird and Rubin 1977).

What users were shown is left out here on purpose: a feed that already knows something is evidence of who people are.
Whether a community is more than the feed's choice is asked of it afterwards (verdict).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.matrices import Array, column_sums, row_sums

Groups = npt.NDArray[np.int64]

ROUNDS = 15
ITEM_PRIOR = 3.0  # expected engagements with an item that its label is worth
INTEREST_PRIOR = 10.0  # engagements that "as everybody" is worth in a community's lift of all interests together
NOWHERE = 0.05  # share of users who belong nowhere, at least
FIFTHS = 5
HELD_OUT = 1 / FIFTHS
SEED = 20240501


@dataclass(frozen=True)
class Fit:
    """A fitted mixture.

    Attributes:
        posterior: (n, G + 1) probability of each component for each user, the population first; rows sum to 1.
        shares: (m, G + 1) share of each item in the engagements of each component; columns sum to 1.
    """

    posterior: Array
    shares: Array


@dataclass(frozen=True)
class Foretold:
    """How well a mixture foretells held-out engagements: bits a user and engagements a user, (n,) each."""

    bits: Array
    engagements: Array

    @property
    def gain(self) -> float:
        """Bits an engagement by which it beats popularity."""
        whole = float(self.engagements.sum())
        return float(self.bits.sum()) / whole if whole > 0 else 0.0

    def ahead_of(self, other: "Foretold") -> float:
        """Standard errors, over users, by which this one foretells more than the other."""
        difference = self.bits - other.bits
        error = float(np.sqrt((difference**2).sum()))
        return float(difference.sum()) / error if error > 0 else 0.0


def fit(acts: Acts, start: Groups, min_size: int, rounds: int = ROUNDS) -> Fit:
    """Fit the mixture from a partition.

    Args:
        acts: of n users.
        start: (n,) group of each user from 0, -1 for none.
        min_size: a component with less expected users is dropped.
        rounds: of expectation maximisation; with few, groups stay near the start.

    Returns:
        The fit; columns of dropped components are 0.
    """
    posterior = np.zeros((len(start), int(start.max(initial=-1)) + 2))
    posterior[np.arange(len(start)), start + 1] = 1.0
    model = _Model(acts)
    for _ in range(rounds):
        log = model.log_evidence(posterior)
        weight = np.exp(log - log.max(axis=1, keepdims=True))
        posterior = _without_small(weight / weight.sum(axis=1, keepdims=True), min_size)
    return Fit(posterior, model.shares(posterior))


def foretold(acts: Acts, start: Groups, min_size: int, rounds: int = ROUNDS, fifth: int = 0) -> Foretold:
    """Fit on four fifths of the engagements and foretell the others, always the same ones of equal acts.

    Args:
        acts: of n users.
        start: as for `fit`, as are the next two.
        min_size: fewest expected users of a component.
        rounds: of expectation maximisation.
        fifth: which fifth is held out, 0 to 4.
    """
    rng = np.random.default_rng(SEED)
    cells = acts.engaged.tocoo()
    held = (rng.random(len(cells.data)) / HELD_OUT).astype(np.int64) == fifth
    learnt, hidden = (
        sparse.csr_array((cells.data[of], (cells.row[of], cells.col[of])), shape=acts.engaged.shape)
        for of in (~held, held)
    )
    found = fit(replace(acts, engaged=learnt), start, min_size, rounds)
    popular = column_sums(learnt) + 0.5
    cells = hidden.tocoo()
    # Popularity is smoothed alike on both sides, so that an item nobody else met costs both the same.
    chance = np.einsum("cg,cg->c", found.posterior[cells.row], found.shares[cells.col], optimize=False)
    bits = cells.data * np.log2(np.maximum(chance, 1e-300) / (popular / popular.sum())[cells.col])
    n = len(start)
    return Foretold(np.bincount(cells.row, weights=bits, minlength=n).astype(np.float64), row_sums(hidden))


class _Model:
    """What does not change between rounds, and the two steps."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._of_item = sparse.csr_array(acts.engaged.T)
        self._of_label = sparse.csr_array(acts.labels.T)
        popular = column_sums(acts.engaged) + 0.5  # half an engagement for an item whose own were held out
        self._popular = popular / popular.sum()
        self._active = row_sums(acts.engaged)
        self._labelled = row_sums(acts.labels)
        earlier = column_sums(acts.earlier)
        by_interest = np.asarray(self._of_label @ (self._popular * self._active.sum())) + earlier
        whole = float(by_interest.sum())
        self._interest_prior = INTEREST_PRIOR * (by_interest / whole if whole > 0 else by_interest)[:, None] + 1e-9
        self._earlier_popular = earlier / earlier.sum() if earlier.sum() > 0 else earlier
        self._earlier_active = row_sums(acts.earlier)
        self._earlier_of = sparse.csr_array(acts.earlier.T)

    def shares(self, posterior: Array) -> Array:
        """(m, G + 1) share of each item in the engagements of each component."""
        shares = self._popular[:, None] * self._lifts(posterior)[0]
        return np.asarray(shares / shares.sum(axis=0, keepdims=True))

    def log_evidence(self, posterior: Array) -> Array:
        """(n, G + 1) log of prior times evidence, relative to the population's."""
        prior = posterior.mean(axis=0)
        prior[0] = max(prior[0], NOWHERE)
        prior /= prior.sum()
        log = np.repeat(np.log(np.maximum(prior, 1e-300))[None, :], len(posterior), axis=0)
        lifts, of_interest = self._lifts(posterior)
        log += self._acts.engaged @ np.log(lifts / _weigh(self._popular, lifts)[None, :])
        if self._earlier_active.sum() > 0:
            log += self._acts.earlier @ np.log(of_interest / _weigh(self._earlier_popular, of_interest)[None, :])
        return log

    def _lifts(self, posterior: Array) -> tuple[Array, Array]:
        """(m, G + 1) lifts of items, and (J, G + 1) of interests."""
        found = np.asarray(self._of_item @ posterior)
        expected = self._popular[:, None] * _weigh(self._active, posterior)[None, :]
        earlier = np.asarray(self._earlier_of @ posterior)
        by_chance = self._earlier_popular[:, None] * _weigh(self._earlier_active, posterior)[None, :]
        engaged = np.asarray(self._of_label @ found) + earlier + self._interest_prior
        chance = np.asarray(self._of_label @ expected) + by_chance + self._interest_prior
        of_interest = engaged / chance
        of_interest[:, 0] = 1.0
        mean = np.asarray(self._acts.labels @ of_interest) + (1 - self._labelled)[:, None]
        lifts = (found + ITEM_PRIOR * mean) / (expected + ITEM_PRIOR)
        lifts[:, 0] = 1.0
        return lifts, of_interest


def _weigh(values: Array, of: Array) -> Array:
    """(G,) sums of the rows of an (n, G) array, weighted; einsum without BLAS: one order of summation everywhere."""
    return np.asarray(np.einsum("n,ng->g", values, of, optimize=False))


def _without_small(posterior: Array, min_size: int) -> Array:
    small = posterior.sum(axis=0) < min_size
    small[0] = False
    posterior[:, small] = 0.0
    whole = posterior.sum(axis=1, keepdims=True)
    posterior[whole[:, 0] <= 0, 0] = 1.0
    return np.asarray(posterior / np.where(whole > 0, whole, 1.0))
