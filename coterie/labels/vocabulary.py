"""The words of a log itself: which tokens go with which interest, learnt from texts whose keywords leave no doubt.

Belongs here: the counts, how a day adds to them, what they say of a text. Does not belong here: finding keywords
(coterie.labels.keywords), and how sure all of it together makes (coterie.labels.local).

A vocabulary is a frame that grows by a day at a time and can be stored as a table: day D needs day D-1's frame and D's
texts, nothing older. Older texts count less, rare tokens are forgotten, and so its size is bounded.

What is learnt: for each token, in how many confident texts of each interest it stood, and in how many texts at all. A
text is confident by its keywords alone, never by what the vocabulary itself said: so no guess feeds on itself, and the
vocabulary cannot drift away from the keywords. A keyword counts for its own interest only in texts that would be
confident without it. So each keyword is judged by the company that it keeps: `=halo` that never stands beside another
word of shooters will count against them.

What it says of a text: the log-likelihood of the text's tokens under each interest over that under the whole log
(naive Bayes), each interest's distribution smoothed by the log's own (a Dirichlet prior; Zhai and Lafferty 2001). And
how common each interest is among the confident texts: what a log hardly ever speaks of needs more to be believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from coterie.labels.tokens import KEYWORD

SCHEMA = {"language": pl.String, "token": pl.String, "interest_id": pl.String, "texts": pl.Float64}
ANY = "*"  # in place of an interest: all texts, confident or not; in place of a token: the sum over all tokens
HALF_LIFE_DAYS = 90.0
MOST_TOKENS = 60_000  # of a language
FEWEST_TEXTS = 0.2  # below it a count is forgotten
DIGITS = 4  # of stored counts
SMOOTHING = 1_000.0  # tokens that the prior of an interest is worth
COMMONNESS = 20.0  # tokens, about two texts, that every interest is given when asking how common it is


def empty() -> pl.DataFrame:
    """The vocabulary before the first day."""
    return pl.DataFrame(schema=SCHEMA)


def updated(
    before: pl.DataFrame | None,
    tokens: pl.DataFrame,
    seeds: pl.DataFrame,
    *,
    days: float = 1.0,
    half_life_days: float = HALF_LIFE_DAYS,
) -> pl.DataFrame:
    """The vocabulary after another day.

    Args:
        before: the vocabulary of the day before; None on the first day.
        tokens: language, text_hash, token: the distinct tokens of the day's texts.
        seeds: text_hash, interest_id, keyword, share: confident texts, with how much each counts (0 to 1). A line whose
            `keyword` is null gives the share itself; one with a keyword says that the share shall not count for this
            keyword, since the text owes its interest to it.
        days: since `before`.
        half_life_days: after which a text counts half.

    Returns:
        SCHEMA, sorted; the same for the texts in any order.
    """
    given = seeds.filter(pl.col("keyword").is_null()).select("text_hash", "interest_id", "share")
    hidden = seeds.drop_nulls("keyword").select("text_hash", "interest_id", token=pl.lit(KEYWORD) + pl.col("keyword"))
    pairs = tokens.join(given, on="text_hash").join(hidden, on=["text_hash", "interest_id", "token"], how="anti")
    key = ["language", "token", "interest_id"]
    # Whole numbers, so that no order of addition shows in the last digit.
    share = (pl.col("share") * 10**DIGITS).round().cast(pl.Int64).sum() / 10**DIGITS
    new = [
        pairs.group_by(key).agg(texts=share),
        pairs.group_by("language", "interest_id").agg(texts=share).with_columns(token=pl.lit(ANY)),
        tokens.group_by("language", "token").agg(texts=pl.len().cast(pl.Float64)).with_columns(interest_id=pl.lit(ANY)),
        tokens.group_by("language")
        .agg(texts=pl.len().cast(pl.Float64))
        .with_columns(token=pl.lit(ANY), interest_id=pl.lit(ANY)),
    ]
    old = (before if before is not None else empty()).with_columns(pl.col("texts") * 0.5 ** (days / half_life_days))
    whole = pl.concat([frame.select(list(SCHEMA)) for frame in (old, *new)])
    # At most one old and one new line a key: their sum does not depend on the order.
    whole = whole.group_by(key).agg(pl.col("texts").sum().round(DIGITS))
    return _pruned(whole).sort(key)


def _pruned(counts: pl.DataFrame) -> pl.DataFrame:
    """Without small counts, and with the most frequent tokens of each language only."""
    of_all = counts.filter(pl.col("interest_id") == ANY, pl.col("token") != ANY)
    kept = (
        of_all.sort("language", -pl.col("texts"), "token")
        .group_by("language", maintain_order=True)
        .head(MOST_TOKENS)
        .select("language", "token")
    )
    small = (pl.col("texts") < FEWEST_TEXTS) & (pl.col("token") != ANY)
    return pl.concat(
        [
            counts.filter(pl.col("token") == ANY),
            counts.filter(~small, pl.col("token") != ANY).join(kept, on=["language", "token"], how="semi"),
        ]
    )


@dataclass(frozen=True)
class Model:
    """What a vocabulary says of texts of one language, over I interests and V tokens.

    Attributes:
        tokens: token -> its place.
        weights: (V, I) sparse: what a token adds to an interest beyond `unseen`.
        unseen: (I,) what each known token takes from an interest that it was never seen with.
        common: (I,) logarithm of how common an interest is, 0 for one as common as the mean.
        learnt: number of tokens in confident texts that it was learnt from.
    """

    tokens: pl.DataFrame
    weights: sparse.csr_array
    unseen: npt.NDArray[np.float64]
    common: npt.NDArray[np.float64]
    learnt: float

    def scores(
        self, rows: npt.NDArray[np.int64], tokens: Sequence[str] | pl.Series, n: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Log-likelihood ratio of each interest, (n, I), and the number of known tokens, (n,).

        Args:
            rows: the text of each token, 0 to n - 1.
            tokens: as many, distinct within a text.
            n: number of texts.
        """
        known = pl.DataFrame({"row": rows, "token": tokens}).join(self.tokens, on="token").sort("row", "place")
        of = sparse.csr_array(
            (np.ones(known.height), (known["row"].to_numpy(), known["place"].to_numpy())),
            shape=(n, self.weights.shape[0]),
        )
        length = np.bincount(known["row"].to_numpy(), minlength=n)
        return (of @ self.weights).toarray() + length[:, None] * self.unseen, length


def model(vocabulary: pl.DataFrame, language: str, interests: Sequence[str], smoothing: float = SMOOTHING) -> Model:
    """The model of a language.

    Args:
        vocabulary: SCHEMA.
        language: `en` or `zh`.
        interests: ids, in the order of the columns; counts of others are left out.
        smoothing: tokens that the prior of an interest is worth.
    """
    counts = vocabulary.filter(pl.col("language") == language)
    place = pl.DataFrame({"interest_id": list(interests), "column": np.arange(len(interests))})
    of_all = counts.filter(pl.col("interest_id") == ANY)
    whole = float(of_all.filter(pl.col("token") == ANY)["texts"].sum())
    tokens = of_all.filter(pl.col("token") != ANY).sort("token").with_columns(place=pl.int_range(pl.len()))
    sums = counts.filter(pl.col("token") == ANY).join(place, on="interest_id")
    size = np.zeros(len(interests))
    size[sums["column"].to_numpy()] = sums["texts"].to_numpy()
    cells = (
        counts.join(place, on="interest_id")
        .join(tokens.select("token", "place", all="texts"), on="token")
        .sort("place", "column")
    )
    expected = smoothing * cells["all"].to_numpy() / max(whole, 1.0)
    weights = sparse.csr_array(
        (np.log1p(cells["texts"].to_numpy() / expected), (cells["place"].to_numpy(), cells["column"].to_numpy())),
        shape=(tokens.height, len(interests)),
    )
    unseen = np.log(smoothing / (size + smoothing))
    given = size + COMMONNESS
    common = np.log(given / given.mean())
    return Model(tokens.select("token", "place"), weights, unseen, common, float(size.sum()))
