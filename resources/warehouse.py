"""The warehouse: DuckDB in memory over the lake's Parquet files.

No database file is opened, so no lock is held: parallel partitions and analysts never wait for one another.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date

import duckdb
import polars as pl
from dagster_duckdb import DuckDBResource
from pydantic import Field

from coterie.labels.propagation import together
from coterie.tables import ITEM_LABELS
from resources.lake import Lake


class Warehouse(DuckDBResource):
    """dagster-duckdb's resource, in memory, whose connection is also closed when a query fails."""

    database: str = Field(default=":memory:", description="In memory: the data are the lake's Parquet files")

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for a moment."""
        with super().get_connection() as connection:
            try:
                yield connection
            finally:
                connection.close()

    def query(self, sql: str, frames: Mapping[str, pl.DataFrame], **parameters: object) -> pl.DataFrame:
        """Run one query over named frames; `$name` in the SQL takes a parameter."""
        with self.connection() as connection:
            for name, frame in frames.items():
                connection.register(name, frame)
            return connection.sql(sql, params=parameters).pl()

    def known_items(self, lake: Lake, item_ids: pl.Series, *, last: date) -> pl.DataFrame:
        """What was known of items at the end of a day: item_id, day of the latest version, content_hash, duration_ms.

        Reads the columns and rows of these items only, from all days up to `last`.
        """
        files = lake.files("raw_items", last=last)
        if not files or item_ids.is_empty():
            return pl.DataFrame(
                schema={
                    "item_id": pl.String,
                    "version_day": pl.Date,
                    "content_hash": pl.String,
                    "duration_ms": pl.Int64,
                }
            )
        sql = """
            select item_id, max(day) as version_day,
                   arg_max(content_hash, day) as content_hash, arg_max(coalesce(duration_ms, -1), day) as duration
            from read_parquet($files, hive_partitioning = true, hive_types = {'day': date})
            semi join wanted using (item_id)
            group by item_id
            order by item_id
        """
        frame = self.query(sql, {"wanted": item_ids.unique().to_frame("item_id")}, files=[str(f) for f in files])
        duration = pl.when(pl.col("duration") >= 0).then(pl.col("duration")).cast(pl.Int64).alias("duration_ms")
        return frame.select("item_id", "version_day", "content_hash", duration)

    def creators_of(self, lake: Lake, item_ids: pl.Series, *, last: date) -> pl.DataFrame:
        """Who made items, as known at the end of a day: item_id, creator_id, sorted; items without a creator are absent."""
        files = lake.files("raw_items", last=last)
        if not files or item_ids.is_empty():
            return pl.DataFrame(schema={"item_id": pl.String, "creator_id": pl.String})
        sql = """
            select item_id, arg_max(coalesce(creator_id, ''), day) as creator_id
            from read_parquet($files, hive_partitioning = true, hive_types = {'day': date})
            semi join wanted using (item_id)
            group by item_id
            having creator_id <> ''
            order by item_id
        """
        return self.query(sql, {"wanted": item_ids.unique().to_frame("item_id")}, files=[str(f) for f in files])

    def labels_of(self, lake: Lake, item_ids: pl.Series, *, last: date, spread_on: date | None = None) -> pl.DataFrame:
        """The labels that stood at the end of a day: item_id, interest_id, weight, confidence; unlabelled items are absent.

        A label belongs to the version of the item that was labelled: a changed item that nobody could label anew
        has none.

        Args:
            lake: where the tables are.
            item_ids: the items that are asked about.
            last: the day.
            spread_on: the day whose `propagated_labels` go before labels by text, for items that did not change since;
                None for labels by text alone.

        Raises:
            MissingDayError: `propagated_labels` of `spread_on` is not in the lake.
        """
        files = lake.files("item_labels", last=last)
        versions = self.known_items(lake, item_ids, last=last)
        if not files or versions.is_empty():
            return ITEM_LABELS.empty().select("item_id", "interest_id", "weight", "confidence")
        sql = """
            select label.item_id, label.interest_id, label.weight, label.confidence
            from read_parquet($files, hive_partitioning = true, hive_types = {'day': date}) as label
            join versions on label.item_id = versions.item_id and label.day = versions.version_day
            order by label.item_id, label.interest_id
        """
        labels = self.query(sql, {"versions": versions}, files=[str(f) for f in files])
        if spread_on is None:
            return labels
        unchanged = versions.filter(pl.col("version_day") <= spread_on).select("item_id")
        spread = lake.read("propagated_labels", spread_on).join(unchanged, on="item_id", how="semi")
        return together(labels, spread)
