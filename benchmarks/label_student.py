"""`python -m benchmarks.label_student`: what the local labeller would gain from knowing the interest of one text in ten.

Belongs here: the design that lost, a student of an expensive labeller, on the held-out halves. The teacher is the truth
itself, so no model could teach it more. Does not belong here: the labeller (coterie.labels.local).

A tenth of the texts is labelled by the teacher: those of which the labeller is least sure, or any. The student learns
their words beside those of the texts whose keywords leave no doubt. Both are measured on the other nine tenths.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from benchmarks.label_peers import learnt_labeller
from benchmarks.label_scores import HELD_OUT, LANGUAGES, Array, Texts, precision_at, texts_of
from benchmarks.worlds import taxonomy
from coterie.labels import vocabulary
from coterie.labels.local import NONE, LocalLabeller, _seeds

SHARE, SEED = 0.1, 20240501
COVERAGES = (0.2, 0.35, 0.5, 0.85)
WANTED = 0.9  # precision of a label that errs once in ten
HEAD = ("language", "taught", "labeller", *(f"at {at:g}" for at in COVERAGES), f"coverage at {WANTED:g}")


def student(texts: Texts, taught: np.ndarray) -> LocalLabeller:
    """The local labeller with a vocabulary that also knows the interest of some texts, by number."""
    plain = LocalLabeller(taxonomy())
    read = list(plain._read(texts.items()))
    tokens = pl.concat([part.tokens.join(part.texts, on="text_hash") for part in read])
    names = [str(n) for n in taught]
    by_keywords = pl.concat([_seeds(part.hits, part.texts) for part in read])
    told = pl.DataFrame(
        {
            "text_hash": names, "interest_id": [texts.interests[k] for k in texts.true[taught]],
            "keyword": pl.Series([None] * len(names), dtype=pl.String), "share": np.ones(len(names)),
        }
    )  # fmt: skip
    seeds = pl.concat([by_keywords.filter(~pl.col("text_hash").is_in(names)), told.select(by_keywords.columns)])
    return LocalLabeller(taxonomy(), vocabulary.updated(None, tokens, seeds))


def first(texts: Texts, labeller: LocalLabeller) -> tuple[Array, Array]:
    """Confidence of each text's first interest, 0 for none, and 1 where it is right."""
    told = labeller.posteriors(texts.items()).filter(pl.col("interest_id") != NONE)
    told = told.sort("text_hash", -pl.col("probability"), "interest_id").unique("text_hash", keep="first")
    rows = told["text_hash"].cast(pl.Int64).to_numpy()
    place = {name: k for k, name in enumerate(texts.interests)}
    confidence, right = np.zeros(len(texts.true)), np.zeros(len(texts.true))
    confidence[rows] = told["probability"].to_numpy()
    right[rows] = texts.accepted[rows, [place[name] for name in told["interest_id"]]]
    return confidence, right


def lines(language: str) -> Iterator[tuple[str, ...]]:
    """A line for each way of choosing what is taught and each labeller."""
    texts = texts_of(language).half(HELD_OUT)
    n = len(texts.true)
    before = first(texts, learnt_labeller(texts))
    order = {"any": np.random.default_rng(SEED).permutation(n), "least sure": np.argsort(before[0], kind="stable")}
    for how, ranked in order.items():
        taught, rest = np.sort(ranked[: int(SHARE * n)]), np.sort(ranked[int(SHARE * n) :])
        for who, (confidence, right) in (("as it is", before), ("student", first(texts, student(texts, taught)))):
            c, r, whole = confidence[rest], right[rest], float(len(rest))
            found = [precision_at(c, r, np.ones(len(rest)), whole, at) for at in COVERAGES]
            ranking = np.argsort(-c, kind="stable")
            good = np.flatnonzero(np.cumsum(r[ranking]) >= WANTED * np.arange(1, len(rest) + 1))
            reach = (good[-1] + 1) / whole if len(good) else 0.0
            yield (language, how, who, *("-" if v is None else f"{v:.3f}" for v in found), f"{reach:.3f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    del arguments
    print(" | ".join(HEAD))
    for language in LANGUAGES:
        for line in lines(language):
            print(" | ".join(line), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
