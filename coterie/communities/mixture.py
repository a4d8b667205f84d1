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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from coterie.communities.acts import Acts
from coterie.matrices import Array, Matrix, column_sums, product, row_sums

Groups = npt.NDArray[np.int64]

ROUNDS = 15
ROUNDS_OF_ALL = 3  # where a sample has been fitted before
BLOCK_CELLS = 20_000_000  # of items and components that are held at a time
ITEM_PRIOR = 3.0  # expected engagements with an item that its label is worth
INTEREST_PRIOR = 10.0  # engagements that "as everybody" is worth in a community's lift of all interests together
NOWHERE = 0.05  # share of users who belong nowhere, at least
TEMPERS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
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
    """How well a mixture foretells held-out engagements.

    Attributes:
        bits: (n,) bits by which it beats popularity.
        engagements: (n,) held out.
        temper: of TEMPERS, the one at which its probabilities foretell them best (`tempered`).
    """

    bits: Array
    engagements: Array
    temper: float

    @property
    def gain(self) -> float:
        """Bits an engagement by which it beats popularity."""
        whole = float(self.engagements.sum())
        return float(self.bits.sum()) / whole if whole > 0 else 0.0

    def ahead_of(self, other: "Foretold") -> float:
        """Standard errors, over users, by which this one foretells more than the other."""
        return in_errors(self.bits - other.bits)


def in_errors(difference: Array) -> float:
    """The sum of differences of independent users, in its standard errors; 0 where there are none."""
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
    posterior = _rounds(model, posterior, min_size, rounds)
    return Fit(posterior, model.shares(posterior))


def spread(acts: Acts, posterior: Array, min_size: int, rounds: int = ROUNDS_OF_ALL) -> Array:
    """Judge all users by a mixture that was fitted to a sample of them.

    The first round knows the components by the sample's engagements alone, the others by everybody's.

    Args:
        acts: of n users.
        posterior: (n, G + 1) of the sample, the population first; rows of zeros for all others.
        min_size: as for `fit`.
        rounds: of expectation maximisation.

    Returns:
        (n, G + 1) posterior; rows sum to 1.
    """
    return _rounds(_Model(acts), posterior, min_size, rounds)


def _rounds(model: "_Model", posterior: Array, min_size: int, rounds: int) -> Array:
    for _ in range(rounds):
        weight = model.log_evidence(posterior)
        weight -= weight.max(axis=1, keepdims=True)
        np.exp(weight, out=weight)
        weight /= weight.sum(axis=1, keepdims=True)
        posterior = _without_small(weight, min_size)
    return posterior


def held_out(acts: Acts, fifth: int) -> tuple[Matrix, Matrix]:
    """The engagements, (n, m) each, without and with a fifth (0 to 4): always the same ones of equal acts."""
    rng = np.random.default_rng(SEED)
    cells = acts.engaged.tocoo()
    held = (rng.random(len(cells.data)) / HELD_OUT).astype(np.int64) == fifth
    learnt, hidden = (
        sparse.csr_array((cells.data[of], (cells.row[of], cells.col[of])), shape=acts.engaged.shape)
        for of in (~held, held)
    )
    return learnt, hidden


def foretold(acts: Acts, start: Groups, min_size: int) -> Foretold:
    """Fit on four fifths of the engagements and foretell the others.

    Args:
        acts: of n users.
        start: as for `fit`.
        min_size: fewest expected users of a component.
    """
    learnt, hidden = held_out(acts, 0)
    found = fit(replace(acts, engaged=learnt), start, min_size)
    popular = column_sums(learnt) + 0.5
    popular /= popular.sum()
    cells = hidden.tocoo()

    # Popularity is smoothed alike on both sides, so that an item nobody else met costs both the same.
    def bits(posterior: Array) -> Array:
        chance = np.einsum("cg,cg->c", posterior[cells.row], found.shares[cells.col], optimize=False)
        return np.asarray(cells.data * np.log2(np.maximum(chance, 1e-300) / popular[cells.col]))

    as_fitted = bits(found.posterior)
    whole = {temper: float(bits(tempered(found.posterior, temper)).sum()) for temper in TEMPERS[1:]}
    whole[1.0] = float(as_fitted.sum())
    return Foretold(
        np.bincount(cells.row, weights=as_fitted, minlength=len(start)).astype(np.float64),
        row_sums(hidden),
        max(TEMPERS, key=lambda temper: whole[temper]),  # of equal ones the first
    )


def tempered(posterior: Array, temper: float) -> Array:
    """Probabilities as if there were only a share of the evidence: proportional to prior times evidence to that power.

    A mixture that is fitted to the engagements by which it then judges their users is too sure of itself, the more so the
    more alike communities are. The power at which it foretells held-out engagements best makes up for it (temperature
    scaling; Guo et al. 2017, which takes it from held-out labels; there are none here).

    Args:
        posterior: (n, G + 1), the population first; rows sum to 1.
        temper: in (0, 1]; 1 changes nothing.

    Returns:
        (n, G + 1), rows sum to 1.
    """
    found = posterior**temper * _prior(posterior)[None, :] ** (1 - temper)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _prior(posterior: Array) -> Array:
    """(G + 1,) share of the users in each component; the population has NOWHERE at least."""
    # Rows of zeros, users who have not been judged, count in nothing.
    prior = posterior.sum(axis=0) / posterior.sum()
    prior[0] = max(prior[0], NOWHERE)
    return np.asarray(prior / prior.sum())


class _Model:
    """What does not change between rounds, and the two steps."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._of_item = sparse.csc_array(acts.engaged).T
        self._blocks_of: dict[int, Matrix] = {}
        popular = column_sums(acts.engaged) + 0.5  # half an engagement for an item whose own were held out
        self._popular = popular / popular.sum()
        self._active = row_sums(acts.engaged)
        self._labelled = row_sums(acts.labels)
        earlier = column_sums(acts.earlier)
        self._popular_interests = np.asarray(acts.labels.T @ self._popular)
        by_interest = self._popular_interests * self._active.sum() + earlier
        self._interest_prior = interest_prior(by_interest)[:, None]
        self._earlier_popular = earlier / earlier.sum() if earlier.sum() > 0 else earlier
        self._earlier_active = row_sums(acts.earlier)
        self._by_interest = sparse.csr_array((product(acts.engaged, acts.labels) + acts.earlier).T)

    def shares(self, posterior: Array) -> Array:
        """(m, G + 1) share of each item in the engagements of each component."""
        of_interest = self._of_interest(posterior)
        lifts = [self._lifts(items, posterior, of_interest) for items in self._blocks(posterior.shape[1])]
        shares = self._popular[:, None] * np.vstack(lifts or [np.zeros((0, posterior.shape[1]))])
        return np.asarray(shares / shares.sum(axis=0, keepdims=True))

    def log_evidence(self, posterior: Array) -> Array:
        """(n, G + 1) log of prior times evidence, relative to the population's."""
        log = np.repeat(np.log(np.maximum(_prior(posterior), 1e-300))[None, :], len(posterior), axis=0)
        of_interest = self._of_interest(posterior)
        whole = np.zeros(posterior.shape[1])
        for items in self._blocks(posterior.shape[1]):
            lifts = self._lifts(items, posterior, of_interest)
            whole += _weigh(self._popular[items], lifts)
            log += self._engaged_with(items) @ np.log(lifts)
        log -= self._active[:, None] * np.log(whole)[None, :]
        if self._earlier_active.sum() > 0:
            log += self._acts.earlier @ np.log(of_interest / _weigh(self._earlier_popular, of_interest)[None, :])
        return log

    def _blocks(self, components: int) -> Iterator[slice]:
        """The items, so many at a time that a number for each and each component is not too much."""
        step = max(1, BLOCK_CELLS // components)
        yield from (slice(at, min(at + step, len(self._popular))) for at in range(0, len(self._popular), step))

    def _engaged_with(self, items: slice) -> Matrix:
        """(n, k) engagements with some items."""
        if items.stop - items.start == len(self._popular):
            return self._acts.engaged
        # Kept, as every round asks for the same blocks.
        if items.start not in self._blocks_of:
            self._blocks_of[items.start] = sparse.csr_array(self._of_item[items].T)
        return self._blocks_of[items.start]

    def _of_interest(self, posterior: Array) -> Array:
        """(J, G + 1) lifts of interests."""
        # Engagements of a user by interest, times whom they belong to: the items need not be gone through for it.
        engaged = np.asarray(self._by_interest @ posterior)
        chance = self._popular_interests[:, None] * _weigh(self._active, posterior)[None, :]
        chance += self._earlier_popular[:, None] * _weigh(self._earlier_active, posterior)[None, :]
        of_interest = lift(engaged, chance, self._interest_prior)
        of_interest[:, 0] = 1.0
        return of_interest

    def _lifts(self, items: slice, posterior: Array, of_interest: Array) -> Array:
        """(k, G + 1) lifts of some items."""
        found = np.asarray(self._of_item[items] @ posterior)
        expected = self._popular[items][:, None] * _weigh(self._active, posterior)[None, :]
        mean = np.asarray(self._acts.labels[items] @ of_interest) + (1 - self._labelled[items])[:, None]
        lifts = lift(found, expected, ITEM_PRIOR, mean)
        lifts[:, 0] = 1.0
        return lifts


def lift(found: Array, expected: Array, prior: Array | float, mean: Array | float = 1.0) -> Array:
    """Posterior mean of a gamma-Poisson lift: engagements found over those expected, `prior` of them being at `mean`."""
    return np.asarray((found + prior * mean) / (expected + prior))


def smoothed(counts: Array, everybody: Array, prior: float) -> Array:
    """Shares of the columns in each row of counts, everybody's shares being worth `prior` engagements: none is 0."""
    return np.asarray((counts + prior * everybody) / (counts.sum(axis=-1, keepdims=True) + prior))


def interest_prior(by_interest: Array) -> Array:
    """(J,) what "as everybody" is worth in the lift of each interest: INTEREST_PRIOR engagements, spread as everybody's."""
    whole = float(by_interest.sum())
    return np.asarray(INTEREST_PRIOR * (by_interest / whole if whole > 0 else by_interest) + 1e-9)


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
