"""The items that are made on a day, each about one interest and with a real text about it.

Belongs here: an item's interest, text, length and popularity. Does not belong here: who is shown it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from coterie.simulate.platform import Array, Ints, Platform
from coterie.simulate.texts import PACKS, Pack, load_pack

LIFETIME = 14  # days on which an item can be met, from the day after it was made
EVENTS_PER_NEW_ITEM = 200
FEWEST_NEW_ITEMS = 20
POPULARITY_TAIL = 1.5  # exponent of the Pareto distribution of popularity
SHORTEST_MS, LONGEST_MS = 3_000, 180_000
CREATORS = 400


@dataclass(frozen=True)
class Cohort:
    """The items of one day, or the catalogue of several: n items.

    Attributes:
        ids: item ids.
        interest: (n,) place of the interest in `Platform.interests`.
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


class Texts:
    """Rows of the packs by interest: `draw` gives each item a pack and a row of it."""

    def __init__(self, platform: Platform) -> None:
        languages = platform.scenario.languages
        self.packs: list[Pack] = [load_pack(c) for c in (list(PACKS) if languages == "both" else [languages])]
        rows = [pack.rows_of() for pack in self.packs]
        self._rows = [[np.asarray(of.get(i, []), dtype=np.int64) for i in platform.interests] for of in rows]

    def draw(self, rng: np.random.Generator, interest: Ints) -> tuple[Ints, Ints]:
        """(n,) pack and (n,) row in it, each pack that has texts of the interest as likely as another."""
        pack, row = np.empty(len(interest), dtype=np.int64), np.empty(len(interest), dtype=np.int64)
        for j in np.unique(interest).tolist():
            at = np.flatnonzero(interest == j)
            having = [p for p, rows in enumerate(self._rows) if len(rows[j])]
            chosen = np.asarray(having)[rng.integers(0, len(having), len(at))]
            pack[at] = chosen
            for p in having:
                mine = at[chosen == p]
                row[mine] = rng.choice(self._rows[p][j], len(mine))
        return pack, row

    def gather(self, pack: Ints, row: Ints) -> pl.DataFrame:
        """text, hashtags, accepted, language of each item, in order."""
        parts = [
            p.frame[row[pack == k]].with_columns(language=pl.lit(p.language), at=pl.Series(np.flatnonzero(pack == k)))
            for k, p in enumerate(self.packs)
        ]
        return pl.concat(parts).sort("at").drop("at")


def draw_cohort(
    rng: np.random.Generator, *, platform: Platform, supply: Array, texts: Texts, day: int
) -> tuple[Cohort, pl.DataFrame, pl.DataFrame]:
    """Draw the items made on a day.

    Returns:
        The cohort; its rows of the item file (vid, author, caption, tags, lang, dur, posted), caption null where all
        is said in tags; its rows of the truth (vid, interest_id, accepted, language, pack, popularity).
    """
    scenario = platform.scenario
    n = max(FEWEST_NEW_ITEMS, scenario.events_per_day // EVENTS_PER_NEW_ITEM)
    interest = rng.choice(len(platform.interests), n, p=supply).astype(np.int64)
    popularity = 1 + rng.pareto(POPULARITY_TAIL, n)
    duration = np.clip(np.rint(rng.lognormal(np.log(25_000), 0.8, n)), SHORTEST_MS, LONGEST_MS).astype(np.int64)
    made = np.sort(rng.integers(0, 86_400, n))
    pack, row = texts.draw(rng, interest)
    words = texts.gather(pack, row)
    on = scenario.first_day + timedelta(days=day)
    start = datetime(on.year, on.month, on.day)
    ids = pl.Series("vid", [f"v{on:%Y%m%d}{k:05d}" for k in range(n)], dtype=pl.String)
    rows = pl.DataFrame(
        {
            "vid": ids,
            "author": pl.Series(_authors(rng, interest, len(platform.interests))).cast(pl.String).str.zfill(3),
            "caption": words["text"],
            "tags": _written(words["hashtags"]),
            "lang": words["language"],
            "dur": duration,
            "posted": pl.Series([start + timedelta(seconds=s) for s in made.tolist()], dtype=pl.Datetime("ms", "UTC")),
        }
    ).with_columns(author="a" + pl.col("author"))
    names = pl.Series(platform.interests, dtype=pl.String)
    truth = pl.DataFrame(
        {
            "vid": ids,
            "interest_id": names.gather(interest),
            "accepted": words["accepted"],
            "language": words["language"],
            "pack": pl.Series([p.name for p in texts.packs]).gather(pack),
            "popularity": popularity,
        }
    )
    return Cohort(ids, interest, popularity, duration), rows, truth


def _authors(rng: np.random.Generator, interest: Ints, interests: int) -> Ints:
    """Who made each item: in nine of ten cases one of the creators who are about its interest."""
    drawn = rng.integers(0, CREATORS, len(interest))
    at_home = drawn // interests * interests + interest
    at_home = np.where(at_home < CREATORS, at_home, at_home - interests)
    return np.asarray(np.where(drawn % 10 == 0, drawn, at_home), dtype=np.int64)


def _written(hashtags: pl.Series) -> pl.Series:
    """Lists of hashtags as people write them, `#one #two`; null for none."""
    written = "#" + pl.col("tags").list.join(" #")
    tags = hashtags.to_frame("tags")
    return tags.select(pl.when(pl.col("tags").list.len() > 0).then(written)).to_series()
