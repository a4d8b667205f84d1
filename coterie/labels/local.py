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
from coterie.labels.script import simplified
from coterie.taxonomy import Taxonomy

LEAST_EVIDENCE = 0.7  # a keyword of common length in a title is enough; alone in a text of 100 words it is not
LEAST_SHARE = 0.4  # of the best interest's evidence: what is far behind it was said in passing
TAG_WEIGHT = 2.0  # a hashtag is what the author says the item is about

# Evidence is summed as whole numbers, so that no order of addition shows in the last digit.
_UNIT = 10_000
_HAN = re.compile(r"\p{Han}" if False else "[\u3400-\u9fff\uf900-\ufaff]")


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
        return Labelled(labels, abstained=items.join(labels, on="text_hash", how="anti")["text_hash"].to_list())

    def _evidence(self, items: pl.DataFrame) -> pl.DataFrame:
        """text_hash, interest_id, evidence > 0 for each interest of which at least one keyword was found."""
        texts = items.select("text_hash", in_tag=False, plain=_plain(pl.col("text")))
        tags = items.select("text_hash", in_tag=True, plain=_plain(_tag_text(items)))
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
    return items["hashtags"].replace_strict(texts, default=None, return_dtype=pl.String)


def _plain(text: pl.Expr | pl.Series) -> pl.Expr:
    """Lower case, no accents, no addresses, one script; words stand between single spaces on each side of them.

    Two words have two spaces between them, so that a hit of one leaves the next its own.
    """
    text = pl.lit(text) if isinstance(text, pl.Series) else text
    return pl.concat_str(
        pl.lit(" "),
        simplified(
            text.str.replace_all(r"https?://[!-~]+|[@＠][\w.]+", " ")
            .str.normalize("NFKD")
            .str.replace_all(r"\p{M}+", "")
            .str.to_lowercase()
        )
        .str.replace_all(r"['’]s\b", "")
        .str.replace_all(r"([\p{Han}])([a-z0-9])", "$1 $2"),
        pl.lit(" "),
    ).str.replace_all(r"[^\p{Han}a-z0-9]+", "  ")
