"""The words of the log itself, learnt day by day: the table `label_vocabulary`, which the local labeller reads."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.gate import Candidate, Yielded, gate
from assets.tables import YESTERDAY, table_asset, today, yesterday
from coterie.labels.base import texts_of
from coterie.labels.local import LocalLabeller
from coterie.labels.vocabulary import ANY
from coterie.tables import LABEL_VOCABULARY
from resources.configurable import Log, Method, Storage


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The asset `label_vocabulary`."""

    @table_asset(
        LABEL_VOCABULARY,
        days,
        deps=["raw_items"],
        looks_back={"label_vocabulary": YESTERDAY},
        kinds={"python"},
        says=(
            "Which words of the log go with which interest, learnt from the texts whose keywords leave no doubt: "
            "yesterday's counts, a little faded, and the day's texts."
        ),
    )
    def vocabulary(context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        texts = texts_of(lake.read("raw_items", day))
        before = yesterday(lake, method, "label_vocabulary", day)
        frame = LocalLabeller(log.taxonomy()).learn(before, texts)
        yield from gate(
            context,
            lake,
            [Candidate(LABEL_VOCABULARY, frame, metadata={"texts_of_the_day": texts.height, **_sizes(frame)})],
        )

    return [vocabulary]


def _sizes(frame: pl.DataFrame) -> dict[str, int]:
    words = frame.filter(pl.col("token") != ANY, pl.col("interest_id") == ANY)
    return {f"words {language}": n for language, n in sorted(words["language"].value_counts().iter_rows())}
