"""The items that are made on a day, each about one interest.

Belongs here: an item's interest, text, length and popularity. Does not belong here: who is shown it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from coterie.simulate.platform import Array, Ints, Platform
from coterie.taxonomy import Taxonomy

LIFETIME = 14  # days on which an item can be met, from the day after it was made
EVENTS_PER_NEW_ITEM = 200
FEWEST_NEW_ITEMS = 20
POPULARITY_TAIL = 1.5  # exponent of the Pareto distribution of popularity
SHORTEST_MS, LONGEST_MS = 3_000, 180_000
CREATORS = 400
KEYWORDS_IN_TEXT = 3
CHINESE_SHARE = 0.5

# Frames around the keywords: words of no interest, and in Chinese set off by signs, so that no new word arises.
_FRAMES = {"en": "This is about {}, once more", "zh": "這一則：{}。"}
_BETWEEN = {"en": ", ", "zh": "、"}


@dataclass(frozen=True)
class Cohort:
    """The items of one day, or the catalogue of several: n items.

    Attributes:
        ids: item ids.
        interest: (n,) column of the interest in `Platform.interests`.
        popularity: (n,) Pareto, at least 1.
        duration_ms: (n,) length in milliseconds.
    """

    ids: pl.Series
    interest: Ints
    popularity: Array
    duration_ms: Ints


def catalogue(cohorts: Sequence[Cohort]) -> Cohort:
    """Several days' items as one."""
    return Cohort(
        pl.concat([c.ids for c in cohorts]),
        np.concatenate([c.interest for c in cohorts]),
        np.concatenate([c.popularity for c in cohorts]),
        np.concatenate([c.duration_ms for c in cohorts]),
    )


def words_of(taxonomy: Taxonomy, interests: Sequence[str]) -> Mapping[str, list[tuple[str, ...]]]:
    """Language -> the keywords of each interest, in the order of `interests`."""
    found = [taxonomy.interests[i][1] for i in interests]
    return {"en": [i.keywords for i in found], "zh": [i.keywords_zh for i in found]}


def draw_cohort(
    rng: np.random.Generator,
    *,
    platform: Platform,
    words: Mapping[str, list[tuple[str, ...]]],
    day: date,
    events_per_day: int,
) -> tuple[Cohort, pl.DataFrame, pl.DataFrame]:
    """Draw the items made on a day.

    Returns:
        The cohort; its rows of the item file; its rows of the truth: vid, interest_id, popularity.
    """
    n = max(FEWEST_NEW_ITEMS, events_per_day // EVENTS_PER_NEW_ITEM)
    interest = rng.choice(len(platform.interests), n, p=platform.supply).astype(np.int64)
    popularity = 1 + rng.pareto(POPULARITY_TAIL, n)
    duration = np.clip(np.rint(rng.lognormal(np.log(25_000), 0.8, n)), SHORTEST_MS, LONGEST_MS).astype(np.int64)
    language = np.where(rng.random(n) < CHINESE_SHARE, "zh", "en").tolist()
    made = np.sort(rng.integers(0, 86_400, n)).tolist()
    start = datetime(day.year, day.month, day.day)
    texts, tags = [], []
    for j, code in zip(interest.tolist(), language, strict=True):
        of_it = words[code][j]
        picked = [of_it[k] for k in rng.permutation(len(of_it))[:KEYWORDS_IN_TEXT].tolist()]
        texts.append(_FRAMES[code].format(_BETWEEN[code].join(picked)))
        tags.append("#" + picked[0].replace(" ", "_"))
    ids = pl.Series("vid", [f"v{day:%Y%m%d}{k:05d}" for k in range(n)], dtype=pl.String)
    rows = pl.DataFrame(
        {
            "vid": ids,
            "author": [f"a{a:03d}" for a in rng.integers(0, CREATORS, n).tolist()],
            "caption": texts,
            "tags": tags,
            "lang": language,
            "dur": duration,
            "posted": pl.Series([start + timedelta(seconds=s) for s in made], dtype=pl.Datetime("ms", "UTC")),
        }
    )
    names = pl.Series(platform.interests, dtype=pl.String)
    truth = pl.DataFrame({"vid": ids, "interest_id": names.gather(interest), "popularity": popularity})
    return Cohort(ids, interest, popularity, duration), rows, truth
