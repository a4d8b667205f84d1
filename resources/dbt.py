"""dbt, run inside this process: models over the lake's files, each leaving one staged Parquet file.

Belongs here: how dbt is called, and what comes back from it. Does not belong here: what the models compute
(dbt_project), or whether their result is published (assets.gate).

A build sees an empty database in memory in which every input is a view, so it takes no lock and leaves nothing
behind. Parsing the project takes seconds and does not depend on the day: it is done once and saved below the home
folder, under a name that holds a digest of the project's files. Two things would go stale in a manifest that is used
twice, and the project has neither: ephemeral models (compiled once, then kept) and locations of sources (rendered
when parsed). `tests/test_dbt_project.py` looks after that.
"""

import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from coterie.errors import CoterieError
from coterie.tables import TABLES
from resources.lake import locked, own_folder, quoted, rows_by_day, write_atomically
from resources.memory import room_in

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

Status = Literal["pass", "warn", "fail", "error", "skipped"]

SAMPLE_ROWS = 10
TAXONOMY = "taxonomy"
QUIET = (
    "--log-level=none",
    "--log-level-file=none",
    "--no-print",
    "--no-use-colors",
    "--no-write-json",
    "--no-send-anonymous-usage-stats",
    "--no-version-check",
)
# dbt keeps its flags, its adapter and its database connection in globals.
_ONE_BUILD_AT_A_TIME = threading.Lock()


class DbtError(RuntimeError):
    """dbt could not parse the project or build a model; the text is dbt's own."""


@dataclass(frozen=True)
class DbtTest:
    """A test of a published model. `status` is None before it has run; `sample` holds offending rows."""

    name: str
    model: str
    says: str
    severity: Literal["error", "warn"]
    status: Status | None = None
    failures: int = 0
    message: str = ""
    sql: str = ""
    sample: pl.DataFrame | None = None


@dataclass(frozen=True)
class DbtBuild:
    """What a build left: the staged file of each published model, and how its tests came out."""

    models: Mapping[str, Path]
    tests: Sequence[DbtTest]
    seconds: float


class Dbt:
    """The dbt project of a folder; `home` is where its parsed form is kept."""

    def __init__(self, project_dir: Path, *, home: Path, disclosure_k: int = 20) -> None:
        self.project_dir = project_dir.absolute()
        self.folder = home.absolute() / "dbt"
        self.disclosure_k = disclosure_k

    # -- what the project says ---------------------------------------------------------------------------------------

    def manifest(self) -> Mapping[str, Any]:
        """dbt's manifest.json: nodes with descriptions, columns, dependencies and tests."""
        return self._described

    def models(self, tag: str) -> list[str]:
        """The models that a build publishes, each after those that it reads.

        Raises:
            CoterieError: no model has the tag.
        """
        found = sorted(
            (node for node in self._nodes("model") if tag in node["tags"] and node["name"] in TABLES),
            key=lambda node: str(node["name"]),
        )
        if not found:
            raise CoterieError(f"The dbt project has no published model with the tag {tag!r}.")
        names = {node["unique_id"]: node["name"] for node in found}
        reads = {node["name"]: [names[i] for i in node["depends_on"]["nodes"] if i in names] for node in found}
        return list(TopologicalSorter(reads).static_order())

    def inputs(self, tag: str) -> list[str]:
        """The tables that a build reads from files, in alphabetical order."""
        return sorted({self._name(node) for node in self._read_by(tag)})

    def tests(self, tag: str) -> list[DbtTest]:
        """The tests that belong to a build's published models, in the order of model and name."""
        return [described for _, described in self._tests_of(tag)]

    # -- building ----------------------------------------------------------------------------------------------------

    def build(
        self, tag: str, *, day: date, inputs: Mapping[str, Iterable[Path]], stage: Path, taxonomy: Path | None = None
    ) -> DbtBuild:
        """Build the models of a tag for one day and run their tests.

        Args:
            tag: engagement, interests or marts.
            day: the day that is built.
            inputs: the lake's files by table, as `inputs(tag)` names them; an empty list is an empty table.
            stage: an existing folder that gets `<model>.parquet` for each published model.
            taxonomy: the taxonomy's file, where the build reads it.

        Raises:
            CoterieError: an input is missing.
            DbtError: a model could not be built. A failing test does not raise: its status says so.
        """
        started = time.perf_counter()
        # What does not fit in memory goes to the stage, which goes away.
        statements = [
            *room_in(stage / "spill"),
            *self._statements(tag, day, inputs, taxonomy),
        ]
        variables = {
            "day": day.isoformat(),
            "inputs": statements,
            "stage": str(stage.absolute()),
            "disclosure_k": self.disclosure_k,
        }
        selected = ("--select", f"tag:{tag}", "--indirect-selection=buildable")
        results = self._invoke("build", *selected, variables=variables, stage=stage)
        broken = [r for r in results if r.node.resource_type != "test" and r.status == "error"]
        if broken:
            raise DbtError("; ".join(f"dbt could not build {r.node.name} of {day}: {r.message}" for r in broken))
        staged = {name: stage.absolute() / f"{name}.parquet" for name in self.models(tag)}
        models = {name: path for name, path in staged.items() if path.exists()}
        ran = {r.node.unique_id: r for r in results}
        sample = _sampler(statements, [r.node for r in results if r.node.resource_type == "model"], models)
        tests = [_outcome(test, ran.get(key), sample) for key, test in self._tests_of(tag)]
        return DbtBuild(models, tests, time.perf_counter() - started)

    def _statements(
        self, tag: str, day: date, inputs: Mapping[str, Iterable[Path]], taxonomy: Path | None
    ) -> list[str]:
        given = {name: list(files) for name, files in inputs.items()} | ({TAXONOMY: [taxonomy]} if taxonomy else {})
        wanted = self._read_by(tag)
        if missing := sorted({self._name(node) for node in wanted} - set(given)):
            raise CoterieError(
                f"The dbt build {tag!r} of {day} reads {', '.join(self.inputs(tag))}; not given: {', '.join(missing)}."
            )
        statements = ["create schema if not exists lake"]
        for node in wanted:
            name = self._name(node)
            if name == TAXONOMY:
                statements.append(f"create view lake.{name} as select * from read_parquet({_listed(given[name])})")
            elif node["resource_type"] == "source":
                statements.append(f"create view lake.{name} as {_rows(name, given[name])}")
            else:
                # As if it had been built just now: this day's rows, without the day.
                body = f"select * exclude (day) from ({_rows(name, given[name])}) where day = date '{day.isoformat()}'"
                statements.append(f"create view main.{name} as {body}")
        return statements

    def _invoke(self, *command: str, variables: Mapping[str, Any], stage: Path) -> list[Any]:
        from dbt.cli.main import dbtRunner

        manifest = self._manifest
        # What dbt writes beside its results (compiled SQL, a graph) would collide between processes: it goes away. In
        # the stage, so that the next run also removes what a killed one left.
        with _ONE_BUILD_AT_A_TIME, tempfile.TemporaryDirectory(prefix="scratch-", dir=stage) as scratch:
            try:
                outcome = dbtRunner(manifest=manifest).invoke(
                    [*command, *QUIET, "--no-populate-cache", *self._folders(Path(scratch))], vars=dict(variables)
                )
            finally:
                _close_database()
        if outcome.exception is not None:
            raise DbtError(f"dbt {' '.join(command)}: {outcome.exception}") from outcome.exception
        return list(cast(Any, outcome.result).results)

    def _folders(self, scratch: Path) -> list[str]:
        return [
            f"--project-dir={self.project_dir}",
            f"--profiles-dir={self.project_dir}",
            f"--target-path={scratch}",
            f"--log-path={scratch}",
        ]

    # -- the parsed project ------------------------------------------------------------------------------------------

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], json.loads(self._saved(".json").read_text(encoding="utf-8")))

    @cached_property
    def _manifest(self) -> "Manifest":
        from dbt.contracts.graph.manifest import Manifest
        from dbt.parser.manifest import extended_mashumuro_decoder

        manifest = Manifest.from_msgpack(self._saved(".msgpack").read_bytes(), decoder=extended_mashumuro_decoder)
        manifest.build_flat_graph()
        return manifest

    def _saved(self, suffix: str) -> Path:
        path = self.folder / f"manifest-{self._digest}{suffix}"
        if not path.exists():
            with locked(self.folder / "parse.lock"):
                if not path.exists():
                    self._parse()
        return path

    def _parse(self) -> None:
        from dbt.cli.main import dbtRunner
        from dbt.parser.manifest import extended_mashumaro_encoder

        with _ONE_BUILD_AT_A_TIME, own_folder(self.folder / "parsing") as scratch:
            outcome = dbtRunner().invoke(["parse", *QUIET, "--no-partial-parse", *self._folders(scratch)])
        if not outcome.success:
            raise DbtError(f"dbt cannot parse {self.project_dir.name}: {outcome.exception}") from outcome.exception
        parsed = cast("Manifest", outcome.result)
        for older in self.folder.glob("manifest-*"):
            older.unlink(missing_ok=True)
        stem = self.folder / f"manifest-{self._digest}"
        beside = stem.with_suffix(".writing")
        beside.write_bytes(parsed.to_msgpack(extended_mashumaro_encoder))
        beside.replace(stem.with_suffix(".msgpack"))
        write_atomically(stem.with_suffix(".json"), json.dumps(parsed.writable_manifest().to_dict(omit_none=False)))

    @cached_property
    def _digest(self) -> str:
        """Of everything that parsing depends on; no time stamps, as a checkout renews them."""
        digest = hashlib.sha256(f"{self.project_dir} {version('dbt-core')} {version('dbt-duckdb')}".encode())
        ours = [p for p in self.project_dir.rglob("*") if p.suffix in (".sql", ".yml", ".md")]
        for path in sorted(p for p in ours if "target" not in p.relative_to(self.project_dir).parts):
            digest.update(f"\n{path.relative_to(self.project_dir)}\n".encode() + path.read_bytes())
        return digest.hexdigest()[:16]

    # -- looking things up in it -------------------------------------------------------------------------------------

    def _nodes(self, resource_type: str) -> list[dict[str, Any]]:
        nodes = (n for n in self._described["nodes"].values() if n["resource_type"] == resource_type)
        return sorted(nodes, key=lambda node: str(node["unique_id"]))

    def _read_by(self, tag: str) -> list[dict[str, Any]]:
        """Sources and other builds' models that the models of a tag and their tests read."""
        self.models(tag)
        built = {n["unique_id"]: n for n in self._nodes("model") if tag in n["tags"]}
        readers = [*built.values(), *(n for n in self._nodes("test") if self._is_tested_in(n, built))]
        read = {key for node in readers for key in node["depends_on"]["nodes"]} - set(built)
        everything = {**self._described["sources"], **self._described["nodes"]}
        return [everything[key] for key in sorted(read)]

    def _is_tested_in(self, test: Mapping[str, Any], built: Mapping[str, Any]) -> bool:
        """As dbt's `buildable`: a test of these models, unless it reads a model that comes after them."""
        reads = [key for key in test["depends_on"]["nodes"] if not key.startswith("source.")]
        upstream = {key for node in built.values() for key in node["depends_on"]["nodes"]}
        return any(key in built for key in reads) and all(key in built or key in upstream for key in reads)

    def _tests_of(self, tag: str) -> list[tuple[str, DbtTest]]:
        built = {n["unique_id"]: n for n in self._nodes("model") if tag in n["tags"]}
        published = set(self.models(tag))
        found = []
        for node in self._nodes("test"):
            if self._is_tested_in(node, built):
                reads = [built[key]["name"] for key in node["depends_on"]["nodes"] if key in built]
                model = next(name for name in [*reads, *sorted(published)] if name in published)
                severity = cast(Literal["error", "warn"], node["config"]["severity"].lower())
                found.append((node["unique_id"], DbtTest(node["name"], model, node["description"], severity)))
        return sorted(found, key=lambda pair: (pair[1].model, pair[1].name))

    @staticmethod
    def _name(node: Mapping[str, Any]) -> str:
        return str(node["name"])


def _close_database() -> None:
    """dbt keeps the database of the last build open for the life of the process."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
        DuckDBConnectionManager._ENV = None
    reset_adapters()


def _outcome(test: DbtTest, result: Any, sample: Callable[[str], pl.DataFrame | None]) -> DbtTest:
    known = (test.name, test.model, test.says, test.severity)
    if result is None or result.status == "skipped":
        return DbtTest(*known, status="skipped", message=f"{test.model}: {test.says}: not run")
    sql = str(result.node.compiled_code or "").strip()
    failures = int(result.failures or 0)
    if result.status == "pass":
        return DbtTest(*known, status="pass", message=test.says, sql=sql)
    if result.status == "error":
        return DbtTest(*known, status="error", message=f"{test.model}: could not run: {result.message}", sql=sql)
    message = f"{test.model}: {test.says.lower()} — {failures} rows break it"
    return DbtTest(*known, str(result.status), failures, message, sql, sample(sql))  # type: ignore[arg-type]


def _sampler(
    statements: Sequence[str], nodes: Sequence[Any], models: Mapping[str, Path]
) -> Callable[[str], pl.DataFrame | None]:
    """A function that runs a test's SQL again over the same inputs and staged files: only failing tests pay for it."""

    def sample(sql: str) -> pl.DataFrame | None:
        with duckdb.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            for node in nodes:
                staged = models.get(node.name)
                body = f"select * from read_parquet({_listed([staged])})" if staged else node.compiled_code
                connection.execute(f"create view main.{node.name} as {body}")
            return connection.sql(f"select * from ({sql}) limit {SAMPLE_ROWS}").pl()

    return sample


def _rows(table: str, files: Sequence[Path]) -> str:
    """Select `day` and a table's columns from its files; with no files, the same columns and no rows."""
    schema = TABLES[table].schema
    if any(_has(file, schema) for file in reversed(files)):
        return (
            f"select day, {', '.join(schema)} from read_parquet({_listed(files)}, hive_partitioning = true, "
            "hive_types = {'day': date}, union_by_name = true)"
        )
    # All of them were published before a column was added.
    return rows_by_day(TABLES[table], _listed(files) if files else None)


def _has(file: Path, columns: Iterable[str]) -> bool:
    try:
        return set(columns) <= set(pq.read_schema(file).names)
    except pa.ArrowInvalid:
        return True  # the engine says what is wrong with it


def _listed(files: Sequence[Path]) -> str:
    return "[" + ", ".join(f"'{quoted(file)}'" for file in files) + "]"
