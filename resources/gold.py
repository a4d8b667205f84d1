"""Where the gold set is kept: small Parquet files below the home folder, each put in place by one rename.

Belongs here: names of files, reading and writing them, and the texts that a draw is made from. Does not belong here:
how texts are drawn, and what is measured on them (coterie.labels.gold*).

Layout: `gold/draw-<draw>.parquet` is the ledger of probabilities, `gold/answers-<annotator>.parquet` what a person
said, `gold/verdicts-<version>.parquet` what a version of a labeller said of the gold texts.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import polars as pl

from coterie.errors import LabelError
from coterie.labels.base import Labeller, texts_of
from coterie.labels.gold import ANSWERS, DRAWN, VERDICTS, GoldSet, Version
from resources.lake import Lake, locked

LABELLED_BY = "labelled_by"  # the note in a partition of item_labels that names the version


class GoldStore:
    """The gold set of a home."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.folder = self.home / "gold"

    def read(self) -> GoldSet:
        """Everything that is there; empty frames before the first draw.

        Raises:
            LabelError: a file is not as this class wrote it.
        """
        return GoldSet(self._all("draw", DRAWN), self._all("answers", ANSWERS), self._all("verdicts", VERDICTS))

    def add_draw(self, drawn: pl.DataFrame) -> None:
        """Keep a draw; the same draw again changes nothing."""
        for (name,), rows in drawn.group_by("draw", maintain_order=True):
            self._write(f"draw-{name}", rows)

    def add_answers(self, answers: pl.DataFrame) -> int:
        """Keep answers; a text that the same annotator answered before gets the new answer. Returns texts replaced."""
        replaced = 0
        for (annotator,), rows in answers.group_by("annotator", maintain_order=True):
            name = f"answers-{hashlib.sha256(str(annotator).encode()).hexdigest()[:12]}"
            with self._lock():
                before = self._one(name, ANSWERS)
                old = before.join(rows, on="text_hash", how="anti")
                replaced += before["text_hash"].n_unique() - old["text_hash"].n_unique()
                self._write(name, pl.concat([old, rows]).sort("text_hash", "place"))
        return replaced

    def add_verdicts(self, verdicts: pl.DataFrame) -> None:
        """Keep verdicts of labellers; a text that the same version judged before keeps the newer verdict."""
        key = ["labeller", "model", "prompt_version", "taxonomy_version"]
        for version, rows in verdicts.group_by(key, maintain_order=True):
            name = f"verdicts-{hashlib.sha256(json.dumps(version).encode()).hexdigest()[:12]}"
            with self._lock():
                old = self._one(name, VERDICTS).join(rows, on="text_hash", how="anti")
                self._write(name, pl.concat([old, rows]).sort("text_hash", "interest_id"))

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self.folder / "gold.lock")

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{name}.next"
        frame.write_parquet(beside)
        os.replace(beside, self.folder / f"{name}.parquet")

    def _one(self, name: str, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
        path = self.folder / f"{name}.parquet"
        return _read(path, schema) if path.exists() else pl.DataFrame(schema=schema)

    def _all(self, kind: str, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
        files = sorted(self.folder.glob(f"{kind}-*.parquet"))
        return pl.concat([pl.DataFrame(schema=schema), *(_read(path, schema) for path in files)])


def _read(path: Path, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LabelError(
            f"{path}: found a file that cannot be read as part of the gold set ({error}); expected the columns "
            f"{', '.join(schema)}. Restore it from a copy: people's work is in it"
        ) from error


def version_of(labeller: Labeller, taxonomy_version: str) -> Version:
    """The version of a labeller; one that asks no model with words has no version of its prompt."""
    return Version(labeller.name, labeller.model, getattr(labeller, "prompt_version", ""), taxonomy_version)


def as_note(version: Version) -> str:
    """A version as a note inside a file."""
    return json.dumps([version.labeller, version.model, version.prompt_version, version.taxonomy_version])


def version_on(lake: Lake, day: date) -> Version | None:
    """The version that labelled the day's items; None: the day is not published, or was before versions were noted."""
    note = lake.note("item_labels", day, LABELLED_BY)
    return Version(*json.loads(note)) if note else None


def labelled_texts(lake: Lake, first: date | None, last: date | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The texts of published days that say something, and what the tables say of them, each as it stood last.

    Returns:
        Texts: text_hash, text, hashtags, language; and their verdicts, VERDICTS.
    """
    texts, verdicts = [], []
    for day in reversed(lake.days("item_labels")):
        if (first and day < first) or (last and day > last) or not lake.has("raw_items", day):
            continue
        said = pl.col("text").str.strip_chars().str.len_chars() > 0
        items = lake.read("raw_items", day).filter(said | (pl.col("hashtags").str.strip_chars("[] ") != ""))
        labels = lake.read("item_labels", day)
        texts.append(texts_of(items))
        found = items.select("item_id", "text_hash").join(labels, on="item_id", how="left")
        found = found.unique(["text_hash", "interest_id"], keep="first", maintain_order=True)
        note = version_on(lake, day)
        one = labels.select("labeller", "model", "taxonomy_version").head(1).rows()
        version = note or (Version(one[0][0], one[0][1], "", one[0][2]) if one else None)
        if version is None:
            continue
        verdicts.append(
            found.select(
                pl.lit(version.labeller).alias("labeller"), pl.lit(version.model).alias("model"),
                pl.lit(version.prompt_version).alias("prompt_version"),
                pl.lit(version.taxonomy_version).alias("taxonomy_version"),
                "text_hash", "interest_id", "confidence", day=pl.lit(day),
            )
        )  # fmt: skip
    if not verdicts:
        empty = pl.DataFrame(schema=dict.fromkeys(("text_hash", "text", "hashtags", "language"), pl.String))
        return empty, pl.DataFrame(schema=VERDICTS)
    newest = pl.concat(verdicts)
    newest = newest.filter(pl.col("day") == pl.col("day").max().over("text_hash"))
    known = pl.concat(texts).unique("text_hash", keep="first", maintain_order=True)
    return (
        known.join(newest, on="text_hash", how="semi").sort("text_hash"),
        newest.select(list(VERDICTS)).cast(VERDICTS).sort("text_hash", "interest_id"),  # type: ignore[arg-type]
    )
