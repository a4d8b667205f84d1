"""The text packs: real titles and captions, each with the interest that it is about.

Belongs here: reading the packs. Does not belong here: which text an item gets. The packs' origin and licences stand
beside them (packs/README.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl

PACKS: Mapping[str, str] = {"en": "post_titles", "zh": "kuairec_captions"}
_FOLDER = Path(__file__).parent / "packs"
FEWEST = 20  # texts: an interest with fewer would repeat itself too often


@dataclass(frozen=True)
class Pack:
    """Texts of one language: `text`, `hashtags` (a list), `interest_id`, `accepted` (ids that are right, the true one
    first).

    A row that says something in hashtags only has no text (null).
    """

    name: str
    language: str
    frame: pl.DataFrame

    def rows_of(self) -> dict[str, list[int]]:
        """Interest -> row numbers, for interests with enough texts."""
        rows = self.frame.with_row_index("row").group_by("interest_id").agg(pl.col("row"))
        return {i: sorted(r) for i, r in sorted(rows.iter_rows()) if len(r) >= FEWEST}


@cache
def load_pack(language: str) -> Pack:
    """The pack of a language, in its canonical order."""
    frame = pl.read_parquet(_FOLDER / f"{PACKS[language]}.parquet")
    if "hashtags" not in frame.columns:
        frame = frame.with_columns(hashtags=pl.lit([], dtype=pl.List(pl.String)))
    columns = ["text", "hashtags", "interest_id", "accepted"]
    return Pack(PACKS[language], language, frame.filter(pl.col("interest_id").is_not_null()).select(columns))
