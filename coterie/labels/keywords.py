"""The taxonomy's own words, found in texts and weighed.

Belongs here: what of a text is compared (one script, no accents, no addresses), finding keywords, how much a hit says.
Does not belong here: the words (coterie.taxonomy), the forms of Chinese characters (coterie.labels.script), and what
follows from the evidence (coterie.labels.local).

Method: each hit of a keyword is worth more the longer and the less shared the keyword is; repeats count with the
logarithm; words of the text are diluted by its length, hashtags are not and count double.
"""

import json
import re
from collections import defaultdict

import polars as pl

from coterie.errors import LabelError
from coterie.labels.passing import PASSING
from coterie.labels.script import simplified, to_simplified
from coterie.taxonomy import Taxonomy

WORDS_OF_A_TITLE = 15
PASSING_WEIGHT = 0.4  # too little alone, enough twice or beside another word of the interest
TAG_WEIGHT = 2.0  # a hashtag is what the author says the item is about
MARK = "="  # stands around the number of a keyword where it was found: no plain text has one

# Evidence is summed as whole numbers, so that no order of addition shows in the last digit.
UNIT = 10_000
_HAN = re.compile("[\u3400-\u9fff]")
_PASSING = frozenset(to_simplified("  ".join(word.split())) for word in PASSING)


def fields(items: pl.DataFrame) -> pl.DataFrame:
    """The texts and each of their hashtags, made plain: text_hash, in_tag, plain. Nulls are left out.

    Args:
        items: text_hash, text, hashtags (a JSON list or null).

    Raises:
        LabelError: a column is missing, a text hash comes twice, or hashtags are not a JSON list.
    """
    _check(items)
    items = items.select(pl.col("text_hash", "text", "hashtags").cast(pl.String)).sort("text_hash")
    texts = items.select("text_hash", in_tag=False, plain=pl.col("text"))
    tags = items.select("text_hash", in_tag=True, plain=_tags(items)).explode("plain", empty_as_null=False)
    return pl.concat([texts, tags]).drop_nulls("plain").with_columns(plain=plain(pl.col("plain")))


def plain(text: pl.Expr) -> pl.Expr:
    """Lower case, no accents, no addresses, one script; two spaces between words and around words in Latin letters.

    Two, because a pattern takes a space on each side of its word: a hit leaves the next word its own.
    """
    bare = text.str.replace_all(r"https?://[!-~]+", " ").str.normalize("NFKD").str.replace_all(r"\p{M}+", "")
    lower = simplified(bare.str.to_lowercase()).str.replace_all(r"['’]s\b", "")
    return lower.str.replace_all(r"([a-z0-9]+)", " $1 ").str.replace_all(r"[^\p{Han}a-z0-9]+", "  ")


class Keywords:
    """The keywords of a taxonomy, ready for matching; each is known by its plain form."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Prepare the keywords of `taxonomy`."""
        listed: dict[str, set[str]] = defaultdict(set)
        for interest_id, (_, interest) in taxonomy.interests.items():
            for written in (*interest.keywords, *interest.keywords_zh):
                listed[written].add(interest_id)
        normal = pl.DataFrame({"keyword": sorted(listed)}).with_columns(plain=plain(pl.col("keyword")))
        means: dict[str, set[str]] = defaultdict(set)
        for keyword, bare in normal.rows():
            if len(bare.strip()) > 1:  # nothing is left of `!!`, and of `C++` only a letter that says nothing
                means[bare.strip()] |= listed[keyword]
        self.meanings = pl.DataFrame(
            [
                (keyword, interest_id, _weight(keyword) / len(interests))
                for keyword, interests in sorted(means.items())
                for interest_id in sorted(interests)
            ],
            schema={"keyword": pl.String, "interest_id": pl.String, "weight": pl.Float64},
            orient="row",
        )
        self.names = sorted(means)
        number = {keyword: f" {MARK}{n}{MARK} " for n, keyword in enumerate(self.names)}
        self._marks = {pattern: number[keyword] for pattern, keyword in _patterns(list(means)).items()}

    def marked(self, fields: pl.DataFrame) -> pl.DataFrame:
        """`fields` with a column `marked`: the plain text with the number of each keyword in its place."""
        return fields.with_columns(
            marked=pl.col("plain").str.replace_many(list(self._marks), list(self._marks.values()), leftmost=True)
        )

    def hits(self, marked: pl.DataFrame) -> pl.DataFrame:
        """What each keyword found says for each of its interests: text_hash, keyword, interest_id, points (Int64).

        Args:
            marked: text_hash, in_tag, plain, marked.
        """
        found = (
            marked.with_columns(
                hit=pl.col("marked").str.extract_all(f"{MARK}[0-9]+{MARK}"),
                dilution=pl.when("in_tag").then(1 / TAG_WEIGHT).otherwise(_dilution(pl.col("plain"))),
            )
            .explode("hit", empty_as_null=False)
            .drop_nulls("hit")
            .group_by("text_hash", "in_tag", "dilution", "hit")
            .len("times")
            .with_columns(keyword=self.named(pl.col("hit")))
        )
        repeated = pl.when("in_tag").then(1.0).otherwise(1.0 + pl.col("times").log())
        points = (pl.col("weight") * repeated / pl.col("dilution") * UNIT).round().cast(pl.Int64)
        return (
            found.join(self.meanings, on="keyword")
            .group_by("text_hash", "keyword", "interest_id")
            .agg(points=points.sum())
            .sort("text_hash", "keyword", "interest_id")
        )

    def named(self, mark: pl.Expr) -> pl.Expr:
        """The keyword that a mark stands for."""
        names = pl.Series(self.names, dtype=pl.String)
        return pl.lit(names).gather(mark.str.strip_chars(MARK).cast(pl.Int64))


def evidence(hits: pl.DataFrame) -> pl.DataFrame:
    """text_hash, interest_id, evidence > 0: the sum of what was found for each interest, from `Keywords.hits`."""
    return (
        hits.group_by("text_hash", "interest_id")
        .agg(evidence=pl.col("points").sum() / UNIT)
        .filter(pl.col("evidence") > 0)
        .sort("text_hash", "interest_id")
    )


def _check(items: pl.DataFrame) -> None:
    missing = sorted({"text_hash", "text", "hashtags"} - set(items.columns))
    if missing:
        raise LabelError(f"items to label: found no column {', '.join(missing)}; expected text_hash, text, hashtags")
    twice = items.filter(pl.col("text_hash").is_duplicated())["text_hash"].unique().sort().to_list()
    if twice:
        raise LabelError(f"items to label: found text_hash {twice[0]} more than once; expected each text once")


def _tags(items: pl.DataFrame) -> pl.Series:
    """The hashtags of each row as a list."""
    lists: dict[str, list[str]] = {}
    rows: list[list[str]] = []
    for text_hash, written in items.select("text_hash", "hashtags").rows():
        if written is not None and written not in lists:
            try:
                tags = json.loads(written)
            except ValueError:
                tags = None
            if not isinstance(tags, list):
                raise LabelError(
                    f"text_hash {text_hash}: hashtags: found {written[:80]!r}; expected a JSON list of tags"
                )
            lists[written] = [str(tag) for tag in tags]
        rows.append(lists[written] if written is not None else [])
    return pl.Series("tags", rows, dtype=pl.List(pl.String))


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


def _dilution(text: pl.Expr) -> pl.Expr:
    """1 for a title, growing with the logarithm of the number of words; two Chinese characters count as a word."""
    words = text.str.count_matches("[a-z0-9]+") + text.str.count_matches(r"\p{Han}") / 2
    return 1.0 + 0.4 * pl.max_horizontal(words / WORDS_OF_A_TITLE, pl.lit(1.0)).log()
