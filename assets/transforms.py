"""The tables that dbt makes: engagement, interest_daily and the marts.

dbt's models leave staged files; they pass the same gate as every other table, with dbt's own tests among the checks.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow.parquet as pq
from dagster_dbt import DagsterDbtTranslator

from assets.gate import Candidate, Yielded, gate
from assets.tables import OWNER, check_specs, column_schema, own_yesterday, refuses_in_words, shares, today
from coterie.errors import MissingDayError
from coterie.strategies.scorecard import ISSUED_BEFORE
from coterie.tables import TABLES
from resources.audit import Finding, hide_persons
from resources.configurable import Log, Method, Storage
from resources.dbt import TAXONOMY, Dbt, DbtTest
from resources.lake import ROW_GROUP_ROWS, Content, Lake, own_folder

BUILDS = ("engagement", "interests", "marts")
# How many days before the day itself a build reads of a table; all of them where None. Default: the day alone.
LOOKS_BACK: Mapping[tuple[str, str], int | None] = {
    ("engagement", "raw_items"): None,
    ("interests", "raw_items"): None,
    ("interests", "item_labels"): None,
    ("interests", "interest_daily"): 7,
    ("marts", "communities"): 1,
    ("marts", "interest_daily"): 7,
    ("marts", "strategies"): 27 + ISSUED_BEFORE,  # what was scored in 28 days was suggested so long ago at most
    ("marts", "strategy_scorecard"): 27,
}

# Builds that make a table for the day from the same table of the days before: they need its yesterday, not its today.
BASELINES = (("interests", "interest_daily"),)

# Models that leave their rows in canonical order, as they may be more than fit in memory.
IN_ORDER = ("engagement",)


class Translator(DagsterDbtTranslator):
    """dbt's models and sources under the names of the contract."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """The table's name, without dbt's prefixes."""
        return dg.AssetKey(dbt_resource_props["name"])


def build(days: dg.PartitionsDefinition, dbt: Dbt) -> list[dg.AssetsDefinition]:
    """One step per build of the dbt project."""
    return [_step(days, dbt, tag) for tag in BUILDS]


def _step(days: dg.PartitionsDefinition, dbt: Dbt, tag: str) -> dg.AssetsDefinition:
    models = dbt.models(tag)
    tests = dbt.tests(tag)

    @dg.multi_asset(
        name=f"dbt_{tag}",
        specs=[_spec(dbt, tag, model) for model in models],
        check_specs=[
            spec
            for model in models
            for spec in check_specs(TABLES[model], days, {t.name: t.says for t in tests if t.model == model})
        ],
        partitions_def=days,
    )
    @refuses_in_words
    def step(context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        inputs = {name: _files(lake, method, tag, name, day) for name in dbt.inputs(tag) if name != TAXONOMY}
        with own_folder(lake.home / "stage" / f"dbt-{tag}" / f"day={day.isoformat()}") as folder:
            taxonomy = folder / "taxonomy.parquet"
            log.taxonomy().frame().write_parquet(taxonomy)
            built = dbt.build(tag, day=day, inputs=inputs, stage=folder, taxonomy=taxonomy)
            context.log.info(f"dbt build of tag {tag} took {built.seconds:.2f} s")
            yield from gate(
                context,
                lake,
                [
                    Candidate(
                        TABLES[model],
                        rows_of(built.models[model], in_order=model in IN_ORDER),
                        findings=[_finding(test) for test in built.tests if test.model == model],
                        metadata=shares(dbt_seconds=built.seconds),
                    )
                    for model in models
                ],
            )

    return step


def rows_of(file: Path, *, in_order: bool) -> Content:
    """What a model left, in parts where it can be."""
    if not in_order:
        return pl.read_parquet(file)
    return (pl.DataFrame(batch) for batch in pq.ParquetFile(file).iter_batches(ROW_GROUP_ROWS))


def _spec(dbt: Dbt, tag: str, model: str) -> dg.AssetSpec:
    manifest = dbt.manifest()
    node = next(key for key, n in manifest["nodes"].items() if n["resource_type"] == "model" and n["name"] == model)
    table = TABLES[model]
    read = _tables_read(manifest, node)
    return (
        Translator()
        .get_asset_spec(manifest, node, None)
        .replace_attributes(
            deps=[
                *(dg.AssetDep(name) for name in read if name != model),
                *([own_yesterday(model)] if (tag, model) in LOOKS_BACK else []),
            ],
            group_name=table.group,
            owners=[OWNER],
            kinds={"dbt", "duckdb"},
            skippable=False,
        )
        .merge_attributes(metadata={"dagster/column_schema": column_schema(table), "dagster/storage_kind": "parquet"})
    )


def _tables_read(manifest: Mapping[str, Any], node: str) -> list[str]:
    """Tables of the lake below a model: staging models are views inside the build, so they are looked through."""
    found: set[str] = set()
    for parent in manifest["nodes"][node]["depends_on"]["nodes"]:
        properties = manifest["sources"].get(parent) or manifest["nodes"][parent]
        if properties["name"] in TABLES:
            found.add(properties["name"])
        elif properties["name"] != TAXONOMY:
            found |= set(_tables_read(manifest, parent))
    return sorted(found)


def _files(lake: Lake, method: Method, tag: str, table: str, day: date) -> Sequence[Path]:
    """The files of a table that a build reads; the day itself, or the day before, must be there.

    Raises:
        MissingDayError: it is not.
    """
    before = LOOKS_BACK.get((tag, table), 0)
    own_past = (tag, table) in BASELINES
    last = day - timedelta(days=1) if own_past else day
    if not lake.has(table, last) and not (own_past and method.is_first(day)):
        raise MissingDayError(f"{table} of {last} is not in the lake. Materialize {table} for {last} first.")
    return lake.files(table, first=None if before is None else day - timedelta(days=before), last=last)


def _finding(test: DbtTest) -> Finding:
    table = TABLES[test.model]
    return Finding(
        test.name,
        test.status == "pass",
        test.message or test.says,
        "warning" if test.severity == "warn" else "error",
        {"unexpected": test.failures, "status": str(test.status)},
        hide_persons(table, test.sample) if test.sample is not None else None,
    )
