"""Labels that spread from the items whose texts are clear to the items that the same people engage with.

Belongs here: what an item's audience says of its interests, how far that is to be trusted, what text and audience say
together. Does not belong here: reading texts (coterie.labels.local, coterie.labels.claude).

Method: users are grouped by the items that they engage with, whatever those are about (spectral embedding, nearest
neighbours, Leiden). The audience of an item is the engagement that each group gave it; the audience of an interest, that
of the items which a text makes it likely of, each item counting for at most `MOST_OF_AN_ITEM` and never for itself. An
item's log-odds of an interest are those by its text plus `trust` times the log-likelihood ratio of its audience under
the interest's and under everybody's (naive Bayes; smoothed as Zhai and Lafferty 2001). `trust` is what best foretells the
labels that texts give from audiences alone, where a label with confidence c is wrong with probability 1 - c and then
like any other; it is 0, and nothing spreads, unless that foretells them clearly better than how common interests are.
In one case of five (`DOUBT`) an audience is taken to say nothing: labels that are wrong alike make audiences alike, too.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from coterie.communities.detect import leiden_of
from coterie.communities.embedding import embed
from coterie.communities.starts import ties_of
from coterie.labels.base import MOST_INTERESTS
from coterie.labels.local import LEAST_LABEL, SURE_ENOUGH
from coterie.matrices import Array, Matrix, ids_of, matrix

PROPAGATED = {"item_id": pl.String, "interest_id": pl.String, "confidence": pl.Float64, "by_text": pl.Float64}
DIMENSIONS = 16
RESOLUTION = 1.0
MOST_GROUPS = 32  # of users, the largest
MOST_OF_AN_ITEM = 30.0  # engagements of one item that count towards an interest's audience
SMOOTHING = 20.0  # engagements of everybody that an interest's audience is given
DOUBT = 0.2  # chance that an audience says nothing of its item, so that the text stands
RARE = 0.02  # items that every interest is given when asking how common it is
TRUSTS = tuple(k / 20 for k in range(21))
CLEAR = 3.0  # standard errors by which audiences must foretell labels better than chance
FEWEST_TOLD = 30  # labelled items with an audience: of fewer nothing is learnt
TELLING = 0.5  # least confidence of a label by which audiences are judged
_BLOCK = 20_000  # items at a time


@dataclass(frozen=True)
class Propagated:
    """What audiences added.

    Attributes:
        labels: PROPAGATED: the items whose label audiences made or changed, at most three interests each, sorted.
            `by_text` is the confidence that the text alone had given the interest, 0 for none.
        trust: how far audiences are believed, 0 to 1; at 0 `labels` is empty.
        gain: nats by which audiences foretell a label by text better than how common interests are, on average.
        items: items with an audience.
    """

    labels: pl.DataFrame
    trust: float
    gain: float
    items: int


def propagated(labels: pl.DataFrame, engagement: pl.DataFrame) -> Propagated:
    """What items are about by text and audience together.

    Args:
        labels: item_id, interest_id, confidence: labels by text, at most three an item; other items are silent.
        engagement: user_id, item_id, strength of some days; users may be a sample.

    Returns:
        The labels that differ from those by text, and how far audiences were believed.
    """
    nothing = Propagated(pl.DataFrame(schema=PROPAGATED), 0.0, 0.0, 0)
    did = engagement.drop_nulls(["user_id", "item_id", "strength"]).filter(pl.col("strength") > 0)
    users, items, interests = ids_of(did["user_id"]), ids_of(did["item_id"]), ids_of(labels["interest_id"])
    if len(interests) < 2 or len(users) < 2:
        return nothing
    text = np.asarray(matrix(labels, "item_id", items, "interest_id", interests, "confidence").toarray())
    audiences = _audiences(matrix(did, "user_id", users, "item_id", items, "strength"), users)
    if audiences.shape[1] < 2:
        return nothing
    model = _Model.of(text, audiences)
    trust, gain = model.trusted(text, audiences)
    if trust == 0:
        return Propagated(nothing.labels, 0.0, gain, len(items))
    told = [
        _told(model, text[k : k + _BLOCK], audiences[k : k + _BLOCK], trust, items.slice(k, _BLOCK), interests)
        for k in range(0, len(items), _BLOCK)
    ]
    return Propagated(pl.concat(told).sort("item_id", "interest_id"), trust, gain, len(items))


def standing(labels: pl.DataFrame) -> pl.DataFrame:
    """The same labels with weights: each interest's part of its item's summed confidence."""
    weight = pl.col("confidence") / pl.col("confidence").sum().over("item_id")
    return labels.sort("item_id", "interest_id").with_columns(weight=weight)


def together(labels: pl.DataFrame, spread: pl.DataFrame) -> pl.DataFrame:
    """The labels that hold: those by text and audience where there are any, else those by text.

    Args:
        labels: item_id, interest_id, weight, confidence: by text.
        spread: item_id, interest_id, weight, confidence: by text and audience.

    Returns:
        item_id, interest_id, weight, confidence, sorted.
    """
    columns = ["item_id", "interest_id", "weight", "confidence"]
    by_text = labels.join(spread, on="item_id", how="anti").select(columns)
    return pl.concat([by_text, spread.select(columns)]).sort("item_id", "interest_id")


def _audiences(engaged: Matrix, users: pl.Series) -> Array:
    """(m, G) engagement that each group of users gave each item; users without a group are left out."""
    group = leiden_of(len(users), *ties_of(embed(engaged, DIMENSIONS), users), resolution=RESOLUTION)
    seated = np.flatnonzero((group >= 0) & (group < MOST_GROUPS))
    groups = int(group[seated].max()) + 1 if len(seated) else 0
    of = sparse.csr_array((np.ones(len(seated)), (seated, group[seated])), shape=(len(users), groups))
    return np.asarray((sparse.csr_array(engaged.T) @ of).toarray())


@dataclass(frozen=True)
class _Model:
    """Audiences of J interests over G groups: `sums` (J, G) of labelled items, `everybody` (G,), `common` (J,)."""

    sums: Array
    everybody: Array
    common: Array

    @classmethod
    def of(cls, text: Array, audiences: Array) -> "_Model":
        sums = np.einsum("mj,mg->jg", text, _capped(audiences), optimize=False)
        common = text.sum(axis=0) + RARE
        return cls(sums, audiences.sum(axis=0) / audiences.sum(), common / common.sum())

    def ratios(self, text: Array, audiences: Array) -> Array:
        """(m, J) log-likelihood ratios of items' audiences, each against interests that the item has no part in."""
        own, smooth = _capped(audiences), SMOOTHING * self.everybody
        found = np.zeros_like(text)
        for j in range(text.shape[1]):
            rest = np.maximum(self.sums[j] - text[:, [j]] * own, 0.0) + smooth
            likely = rest / rest.sum(axis=1, keepdims=True)
            found[:, j] = np.einsum("mg,mg->m", audiences, np.log(likely / self.everybody), optimize=False)
        return found

    def trusted(self, text: Array, audiences: Array) -> tuple[float, float]:
        """How far audiences are to be believed, and by how much they then foretell labels better."""
        telling = np.flatnonzero((text.max(axis=1) >= TELLING) & (audiences.sum(axis=1) > 0))
        if len(telling) < FEWEST_TOLD:
            return 0.0, 0.0
        first = text[telling].argmax(axis=1)
        sure = text[telling, first]
        ratios = self.ratios(text[telling], audiences[telling])
        chance = self.common[first]

        def nats(trust: float) -> Array:
            likely = _posterior(np.log(self.common)[None, :], trust * ratios)[np.arange(len(first)), first]
            return np.log(sure * likely + (1 - sure) * chance)

        without = nats(0.0)
        best = max(TRUSTS, key=lambda trust: float(nats(trust).mean()))  # of equal ones the first
        ahead = nats(best) - without
        error = float(ahead.std(ddof=1)) / np.sqrt(len(ahead))
        gain = float(ahead.mean())
        return (best, gain) if gain > CLEAR * error else (0.0, gain)


def _told(
    model: _Model, text: Array, audiences: Array, trust: float, items: pl.Series, interests: pl.Series
) -> pl.DataFrame:
    """PROPAGATED of some items."""
    by_text = text + np.maximum(1 - text.sum(axis=1, keepdims=True), 1e-3) * model.common
    by_text /= by_text.sum(axis=1, keepdims=True)
    both = (1 - DOUBT) * _posterior(np.log(by_text), trust * model.ratios(text, audiences)) + DOUBT * by_text
    at, column = np.nonzero(both >= LEAST_LABEL)
    return (
        pl.DataFrame(
            {
                "item_id": items.gather(at),
                "interest_id": interests.gather(column),
                "confidence": both[at, column].round(6),
                "by_text": text[at, column],
            },
            schema=PROPAGATED,
        )
        .sort("item_id", -pl.col("confidence"), "interest_id")
        .group_by("item_id", maintain_order=True)
        .head(MOST_INTERESTS)
        .filter(pl.col("confidence").sum().over("item_id") >= SURE_ENOUGH)
    )


def _capped(audiences: Array) -> Array:
    """Each item counts for so much at most, so that no hit makes an interest's audience by itself."""
    total = audiences.sum(axis=1, keepdims=True)
    return audiences * np.minimum(1.0, MOST_OF_AN_ITEM / np.maximum(total, 1e-12))


def _posterior(prior: Array, ratios: Array) -> Array:
    """(m, J) probabilities from log-odds; rows sum to 1."""
    odds = prior + ratios
    likely = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))
