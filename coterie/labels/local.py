"""A labeller that needs no model and no network: it counts the taxonomy's own words in a text.

Belongs here: finding keywords, weighing them, abstaining. Does not belong here: the words (coterie.taxonomy), or the
forms of Chinese characters (coterie.labels.script).

Method: each hit of a keyword is worth more the longer and the less shared the keyword is; repeats count with the
logarithm; words of the text are diluted by its length, hashtags are not and count double. What is left is the
evidence for an interest. Thin evidence gives no label at all.
"""

import json
import re
from collections import defaultdict

import polars as pl

from coterie.errors import LabelError
from coterie.labels.base import LABELS, MOST_INTERESTS, Labelled
from coterie.labels.passing import PASSING
from coterie.labels.script import simplified, to_simplified
from coterie.taxonomy import Taxonomy

LEAST_EVIDENCE = 0.7  # a keyword of common length in a title is enough; alone in a text of 100 words it is not
LEAST_SHARE = 0.4  # of the best interest's evidence: what is far behind it was said in passing
WORDS_OF_A_TITLE = 15
PASSING_WEIGHT = 0.55  # too little alone, enough twice or beside another word of the interest
TAG_WEIGHT = 2.0  # a hashtag is what the author says the item is about

# Evidence is summed as whole numbers, so that no order of addition shows in the last digit.
_UNIT = 10_000
_HAN = re.compile("[\u3400-\u9fff]")
_PASSING = frozenset(to_simplified("  ".join(word.split())) for word in PASSING)


class LocalLabeller:
    """Labels by the keywords of a taxonomy, English and Chinese. The same text always gets the same answer."""

    name = "local"
    model = "lexical-1"

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Prepare the keywords of `taxonomy` for matching."""
        listed: dict[str, set[str]] = defaultdict(set)
        for interest_id, (_, interest) in taxonomy.interests.items():
            for written in (*interest.keywords, *interest.keywords_zh):
                listed[written].add(interest_id)
        normal = pl.DataFrame({"keyword": sorted(listed)}).with_columns(plain=_plain(pl.col("keyword")))
        means: dict[str, set[str]] = defaultdict(set)
        for keyword, plain in normal.rows():
            if len(plain.strip()) > 1:  # nothing is left of `!!`, and of `C++` only a letter that says nothing
                means[plain.strip()] |= listed[keyword]
        self._meanings = pl.DataFrame(
            [
                (keyword, interest_id, _weight(keyword) / len(interests))
                for keyword, interests in sorted(means.items())
                for interest_id in sorted(interests)
            ],
            schema={"keyword": pl.String, "interest_id": pl.String, "weight": pl.Float64},
            orient="row",
        )
        self._patterns = _patterns(list(means))

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `coterie.labels.base.Labeller`. Nothing ever fails: a text without evidence is abstained.

        Raises:
            LabelError: a column is missing, a text hash comes twice, or hashtags are not a JSON list.
        """
        _check(items)
        items = items.select(pl.col("text_hash", "text", "hashtags").cast(pl.String)).sort("text_hash")
        evidence = self._evidence(items)
        best = pl.col("evidence").max().over("text_hash")
        share = pl.col("evidence") / pl.col("evidence").sum().over("text_hash")
        labels = (
            evidence.with_columns(confidence=_confidence(pl.col("evidence"), share), best=best)
            .filter(pl.col("evidence") >= LEAST_EVIDENCE, pl.col("evidence") >= LEAST_SHARE * pl.col("best"))
            .sort("text_hash", -pl.col("evidence"), "interest_id")
            .group_by("text_hash", maintain_order=True)
            .head(MOST_INTERESTS)
            .select(list(LABELS))
            .sort("text_hash", "interest_id")
        )
        abstained = items.join(labels, on="text_hash", how="anti")["text_hash"].sort().to_list()
        return Labelled(labels, abstained=abstained)

    def _evidence(self, items: pl.DataFrame) -> pl.DataFrame:
        """text_hash, interest_id, evidence > 0 for each interest of which at least one keyword was found."""
        texts = items.select("text_hash", in_tag=False, plain=_plain(pl.col("text")))
        tags = items.with_columns(_tag_text(items)).select("text_hash", in_tag=True, plain=_plain(pl.col("tags")))
        found = (
            pl.concat([texts, tags])
            .drop_nulls("plain")
            .with_columns(
                hit=pl.col("plain").str.extract_many(list(self._patterns), leftmost=True),
                dilution=pl.when("in_tag").then(1 / TAG_WEIGHT).otherwise(_dilution(pl.col("plain"))),
            )
            .explode("hit", empty_as_null=False)
            .with_columns(keyword=pl.col("hit").replace_strict(self._patterns, default=None, return_dtype=pl.String))
            .group_by("text_hash", "in_tag", "dilution", "keyword")
            .len("times")
        )
        repeated = pl.when("in_tag").then(1.0).otherwise(1.0 + pl.col("times").log())
        points = (pl.col("weight") * repeated / pl.col("dilution") * _UNIT).round().cast(pl.Int64)
        return (
            found.join(self._meanings, on="keyword")
            .group_by("text_hash", "interest_id")
            .agg(evidence=points.sum() / _UNIT)
            .sort("text_hash", "interest_id")
        )


def _check(items: pl.DataFrame) -> None:
    missing = sorted({"text_hash", "text", "hashtags"} - set(items.columns))
    if missing:
        raise LabelError(f"items to label: found no column {', '.join(missing)}; expected text_hash, text, hashtags")
    twice = items.filter(pl.col("text_hash").is_duplicated())["text_hash"].unique().sort().to_list()
    if twice:
        raise LabelError(f"items to label: found text_hash {twice[0]} more than once; expected each text once")


def _tag_text(items: pl.DataFrame) -> pl.Series:
    """Hashtags as one text a row, tags apart from one another."""
    texts: dict[str, str] = {}
    for text_hash, written in items.select("text_hash", "hashtags").drop_nulls("hashtags").rows():
        if written in texts:
            continue
        try:
            tags = json.loads(written)
        except ValueError:
            tags = None
        if not isinstance(tags, list):
            raise LabelError(f"text_hash {text_hash}: hashtags: found {written[:80]!r}; expected a JSON list of tags")
        texts[written] = " | ".join(str(tag) for tag in tags)
    return items["hashtags"].replace_strict(texts, default=None, return_dtype=pl.String).alias("tags")


def _plain(text: pl.Expr) -> pl.Expr:
    """Lower case, no accents, no addresses, one script; two spaces between words and around words in Latin letters.

    Two, because a pattern takes a space on each side of its word: a hit leaves the next word its own.
    """
    bare = text.str.replace_all(r"https?://[!-~]+", " ").str.normalize("NFKD").str.replace_all(r"\p{M}+", "")
    lower = simplified(bare.str.to_lowercase()).str.replace_all(r"['’]s\b", "")
    return lower.str.replace_all(r"([a-z0-9]+)", " $1 ").str.replace_all(r"[^\p{Han}a-z0-9]+", "  ")


def _patterns(keywords: list[str]) -> dict[str, str]:
    """What to look for in plain text -> the keyword that it stands for, longest first so that the longest wins.

    Words in Latin letters match whole words, also in the plural and written together (`#streetfood`); Chinese words
    match anywhere.
    """
    patterns: dict[str, str] = {}
    for forms in (lambda k: [k], _plurals, _together):
        for keyword in keywords:
            for form in forms(keyword):
                before, after = (" " if c.isascii() else "" for c in (form[0], form[-1]))
                patterns.setdefault(f"{before}{form}{after}", keyword)
    return dict(sorted(patterns.items(), key=lambda p: (-len(p[0]), p[0])))


def _plurals(keyword: str) -> list[str]:
    if not keyword[-1].isascii() or not keyword[-1].isalpha() or (keyword.endswith("s") and not keyword.endswith("ss")):
        return []
    if re.search(r"[^aeiou]y$", keyword):
        return [keyword[:-1] + "ies"]
    return [keyword + ("es" if re.search(r"(s|x|z|ch|sh)$", keyword) else "s")]


def _together(keyword: str) -> list[str]:
    parts = keyword.split()
    return ["".join(form.split()) for form in (keyword, *_plurals(keyword))] if len(parts) > 1 else []


def _weight(keyword: str) -> float:
    """How much a hit says by the keyword's length: long words and phrases seldom mean anything else."""
    if keyword in _PASSING:
        return PASSING_WEIGHT
    if _HAN.search(keyword):
        return (0.0, 0.5, 1.0, 1.4, 1.8)[min(len(keyword.replace(" ", "")), 4)]
    words = keyword.split()
    return 1.6 if len(words) > 1 else 1.0 if len(keyword) > 3 else 0.8


def _dilution(plain: pl.Expr) -> pl.Expr:
    """1 for a title, growing with the logarithm of the number of words; two Chinese characters count as a word."""
    words = plain.str.count_matches("[a-z0-9]+") + plain.str.count_matches(r"\p{Han}") / 2
    return 1.0 + 0.25 * pl.max_horizontal(words / WORDS_OF_A_TITLE, pl.lit(1.0)).log()


def _confidence(evidence: pl.Expr, share: pl.Expr) -> pl.Expr:
    """Grows with the evidence and with its share of all evidence in the text.

    The square root was chosen on English titles of known subject, apart from those that the keywords were tuned on:
    there about so large a share of the labels was right, within about 0.1 on every step of a ten-step scale that held
    100 labels or more. For Chinese and for long texts it is not measured.
    """
    return (share.sqrt() * (1.0 - (-evidence).exp())).clip(0.0001, 1.0).round(4)
