"""The gate: stage a candidate, audit it, and only then publish it.

Belongs here: what stands between a computed frame and the lake, and how it shows in the Dagster UI. Does not belong
here: how a frame is computed. The order matters: every check result is yielded before the failure is raised, because
a result that comes after is lost; nothing is renamed into the lake before all checks of all candidates have passed.
"""

import hashlib
import html as markup
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from coterie.tables import Table
from resources.audit import Finding, Suite, audit_parts, hide_persons, load_suite
from resources.lake import Content, Lake, Staged

SUITES = Path(__file__).parent / "suites"
PREVIEW_ROWS = 8
MARKS = re.compile(r"[\\`*_\[\]#|]")

Yielded = dg.AssetCheckResult | dg.MaterializeResult


class GateError(dg.Failure):
    """A candidate was rejected. It is not retried: the same input would be rejected again."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description, allow_retries=False)


@dataclass(frozen=True)
class Candidate:
    """Rows that want to become a partition: a frame, or parts of one that may not fit in memory, in canonical order.

    `findings` are the relational and statistical checks of its stage; `notes` are texts that are published inside
    the file; `metadata` is shown in the UI beside the row count and the preview.
    """

    table: Table
    rows: Content
    findings: Sequence[Finding] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@cache
def suite(table: Table) -> Suite:
    """The audit suite of a table, read once."""
    return load_suite(table, SUITES)


def gate(context: dg.AssetExecutionContext, lake: Lake, candidates: Sequence[Candidate]) -> Iterator[Yielded]:
    """Stage, audit and publish the candidates of one step, all or none.

    Raises:
        GateError: a check of severity error failed; nothing was published.
    """
    day = date.fromisoformat(context.partition_key)
    with ExitStack() as stages:
        staged = [stages.enter_context(lake.stage(c.table, day, c.rows, c.notes)) for c in candidates]
        findings = {
            c.table.name: [*audit_parts(suite(c.table), s.parts()), *c.findings]
            for c, s in zip(candidates, staged, strict=True)
        }
        failed = [(t, f) for t, fs in findings.items() for f in fs if not f.passed and f.severity == "error"]
        if failed:
            for table, found in findings.items():
                yield from (check_result(table, finding) for finding in found)
            raise GateError(
                f"{day}: {len(failed)} check(s) failed, nothing was published and the last good partition stays. "
                + " | ".join(f"{table}.{finding.check}: {finding.says}" for table, finding in failed)
            )
        for candidate, ready in zip(candidates, staged, strict=True):
            version, shown = file_version(ready), preview(ready)
            lake.publish(ready)
            yield dg.MaterializeResult(
                asset_key=candidate.table.name,
                check_results=[check_result(candidate.table.name, f) for f in findings[candidate.table.name]],
                data_version=dg.DataVersion(version),
                metadata={
                    "dagster/partition_row_count": ready.rows,
                    "preview": shown,
                    **candidate.metadata,
                },
            )


def check_result(table: str, finding: Finding) -> dg.AssetCheckResult:
    """A finding as the UI shows it: what was expected, the counts, and sample rows."""
    metadata: dict[str, Any] = dict(finding.numbers)
    if finding.sample is not None and finding.sample.height:
        metadata["sample_rows"] = dg.MetadataValue.md(markdown(finding.sample))
    return dg.AssetCheckResult(
        asset_key=table,
        check_name=finding.check,
        passed=finding.passed,
        severity=dg.AssetCheckSeverity.ERROR if finding.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=finding.says,
        metadata=metadata,
    )


def preview(staged: Staged) -> dg.MarkdownMetadataValue:
    """What a person may see of a partition in the event log, which many read and nobody empties.

    The first rows, ids of persons hidden, long texts cut, numbers short. Of a private table only the columns that may
    be shown; one without any has no row here, only how full its columns are.
    """
    table = staged.table
    if not staged.rows:
        return dg.MetadataValue.md("no rows")
    if table.private and not table.shown:
        return dg.MetadataValue.md(f"Private, so no rows are shown.\n\n{markdown(_outline(staged))}")
    head = staged.scan().head(PREVIEW_ROWS).collect()
    shown = head.select(table.shown if table.private else pl.all())
    note = "Columns with exact numbers about users are left out.\n\n" if table.private else ""
    return dg.MetadataValue.md(note + markdown(hide_persons(table, shown)))


def in_fives(users: int) -> int:
    """A number of users as it may stand in the event log: rounded down to a multiple of 5."""
    return users // 5 * 5


def _outline(staged: Staged) -> pl.DataFrame:
    """A row for each column: how much of it is filled, how many values there are (of persons, rounded down to 5).

    Where the rows may not fit in memory, values are counted to a few hundredths (HyperLogLog).
    """
    exact = staged.frame is not None
    values = staged.scan().select(pl.all().n_unique() if exact else pl.all().approx_n_unique())
    empty = staged.scan().select(pl.all().null_count())
    counted, missing = (part.collect(engine="streaming").row(0, named=True) for part in (values, empty))
    return pl.DataFrame(
        {
            "column": list(counted),
            "filled": [f"{1 - n / staged.rows:.0%}" for n in missing.values()],
            "different values" if exact else "different values, about": [
                in_fives(n) if c in staged.table.persons else n for c, n in counted.items()
            ],
        }
    )


def as_text(text: str) -> str:
    """A text from the log or a taxonomy inside Markdown: it is shown as it is, whatever it holds."""
    return MARKS.sub(r"\\\g<0>", markup.escape(" ".join(text.split()), quote=False))


def markdown(frame: pl.DataFrame) -> str:
    """A small frame as a Markdown table."""
    shown = frame.with_columns(
        pl.col(pl.Float64).round_sig_figs(4), pl.col(pl.String).str.slice(0, 120).str.replace_all(r"[|\n\r]", " ")
    )
    return shown.to_pandas().to_markdown(index=False)


def file_version(staged: Staged) -> str:
    """Hash of the staged bytes: equal inputs give equal versions, so Dagster does not mark downstream days stale."""
    with staged.path.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()[:16]
