"""Texts as sets of tokens: what a vocabulary can be learnt over.

Belongs here: which pieces of a text are tokens. Does not belong here: what they say (coterie.labels.vocabulary).

Tokens of a text, each once:
    words in Latin letters, without the -s of the plural, and pairs of neighbouring words (`cast_iron`);
    two and three neighbouring Chinese characters, since Chinese is written without spaces;
    hashtags as a whole (`#streetfood`);
    keywords of the taxonomy (`=kitten`) in place of what they are written with. A pair does not reach into one.
"""

import polars as pl

from coterie.labels.keywords import MARK, Keywords

MOST_WORDS = 60  # of a text: what it is about shows at its beginning, and no text may cost much
MOST_CHARACTERS = 120
KEYWORD, TAG, PAIR = "=", "#", "_"


def tokens(marked: pl.DataFrame, keywords: Keywords) -> pl.DataFrame:
    """text_hash, token: the distinct tokens of each text, sorted.

    Args:
        marked: text_hash, in_tag, marked; from `Keywords.marked`.
        keywords: whose marks they are.
    """
    units = (
        marked.with_row_index("field")
        .select("text_hash", "field", unit=pl.col("marked").str.extract_all(rf"{MARK}\d+{MARK}|[a-z0-9]+|\p{{Han}}+"))
        .with_columns(unit=pl.col("unit").list.head(MOST_WORDS))
        .explode("unit", empty_as_null=False)
        .drop_nulls("unit")
    )
    is_keyword = pl.col("unit").str.starts_with(MARK)
    is_han = pl.col("unit").str.contains(r"^\p{Han}")
    found = [
        units.filter(is_keyword).select("text_hash", token=pl.lit(KEYWORD) + keywords.named(pl.col("unit"))),
        *_of_words(units.with_columns(unit=pl.when(~is_keyword & ~is_han).then(pl.col("unit")))),
        *_of_characters(units.filter(is_han)),
        _of_tags(marked),
    ]
    return pl.concat(found).unique().sort("text_hash", "token")


def _of_words(units: pl.DataFrame) -> list[pl.DataFrame]:
    """Single words and pairs; a unit that is no word is null and parts its neighbours."""
    word = pl.col("unit").str.replace(r"([a-z]{2,}[^s])s$", "$1")
    units = units.with_columns(word=pl.when(pl.col("unit").str.contains("[a-z]")).then(word))
    single = pl.col("word").str.len_chars() > 1
    pair = pl.concat_str("word", pl.col("word").shift(-1), separator=PAIR)
    together = pl.col("field") == pl.col("field").shift(-1)
    return [
        units.filter(single).select("text_hash", pl.col("word").alias("token")),
        units.select("text_hash", together.alias("together"), token=pair)
        .filter("together", pl.col("token").is_not_null())
        .select("text_hash", "token"),
    ]


def _of_characters(runs: pl.DataFrame) -> list[pl.DataFrame]:
    """Two and three neighbouring characters of a run; a run of one character is a token itself."""
    characters = (
        runs.with_row_index("run")
        .select("text_hash", "field", "run", c=pl.col("unit").str.extract_all(r"\p{Han}"))
        .explode("c", empty_as_null=False)
        .drop_nulls("c")
        .filter(pl.int_range(pl.len()).over("field") < MOST_CHARACTERS)
        .with_columns(long=pl.len().over("run") > 1)
    )
    found = [characters.filter(~pl.col("long")).select("text_hash", pl.col("c").alias("token"))]
    for size in (2, 3):
        joined = pl.concat_str([pl.col("c").shift(-k) for k in range(size)])
        found.append(
            characters.select("text_hash", token=joined, whole=pl.col("run") == pl.col("run").shift(1 - size))
            .filter("whole")
            .select("text_hash", "token")
        )
    return found


def _of_tags(marked: pl.DataFrame) -> pl.DataFrame:
    """Whole hashtags in which there is no keyword: those with one speak through it."""
    written = pl.col("marked").str.replace_all(" ", "")
    tags = marked.filter("in_tag", ~pl.col("marked").str.contains(MARK, literal=True)).select(
        "text_hash", token=pl.lit(TAG) + written
    )
    return tags.filter(pl.col("token").str.len_chars().is_between(2, 30))
