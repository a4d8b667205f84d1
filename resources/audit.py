"""Auditing a candidate with Great Expectations: the one module that knows it.

A suite is data: one YAML file a table, in which a named check holds one or more expectations. One check comes from
the table's contract and needs no writing: `contract` bounds the row count, and expects exactly the contract's columns,
no nulls where none may be, no number that is not finite, and no key twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
import yaml

from coterie.errors import CoterieError
from coterie.tables import Table
from resources.expectations import FINITE, FULL, Expectation, holds, is_clear

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

Severity = Literal["error", "warning"]
SAMPLE_ROWS = 10


@dataclass(frozen=True)
class Check:
    """A named group of expectations that pass or fail together."""

    name: str
    says: str
    expectations: tuple[Expectation, ...] = ()
    severity: Severity = "error"


@dataclass(frozen=True)
class Suite:
    """The checks of one table, in the order in which they are shown."""

    table: Table
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Finding:
    """What one check found: `sample` holds offending rows, `numbers` what was counted or measured."""

    check: str
    passed: bool
    says: str
    severity: Severity = "error"
    numbers: dict[str, int | float | str] = field(default_factory=dict)
    sample: pl.DataFrame | None = None


def load_suite(table: Table, folder: Path) -> Suite:
    """The suite of a table: its contract's check, then those of `folder/<table>.yaml`.

    Raises:
        CoterieError: the file gives no row bounds, or a check no expectation.
    """
    path = folder / f"{table.name}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content.get("rows"), dict) or set(content["rows"]) != {"min", "max"}:
        raise CoterieError(f"{path.name}: expected `rows: {{min: ..., max: ...}}`, found {content.get('rows')!r}")
    checks = [_contract(table, content["rows"]["min"], content["rows"]["max"])]
    for name, check in (content.get("checks") or {}).items():
        expectations = tuple(Expectation(kind, args) for item in check.get("expect", []) for kind, args in item.items())
        if not expectations:
            raise CoterieError(f"{path.name}: check `{name}` has no `expect`")
        checks.append(Check(name, check["says"], expectations, check.get("severity", "error")))
    return Suite(table, tuple(checks))


def _contract(table: Table, fewest: int, most: int) -> Check:
    key = ", ".join(table.key)
    unique = (
        Expectation("ColumnValuesToBeUnique", {"column": key})
        if len(table.key) == 1
        else Expectation("CompoundColumnsToBeUnique", {"column_list": list(table.key)})
    )
    return Check(
        "contract",
        f"At least {fewest} and at most {most} rows, exactly the contract's columns, no nulls where it allows none, "
        f"finite numbers, no two rows with the same {key}",
        (
            Expectation("TableRowCountToBeBetween", {"min_value": fewest, "max_value": most}),
            Expectation("TableColumnsToMatchSet", {"column_set": list(table.schema), "exact_match": True}),
            *(Expectation(FULL, {"column": c.name}) for c in table.columns if not c.nullable),
            *(
                Expectation(FINITE[0], {"column": name, **FINITE[1]})
                for name, t in table.schema.items()
                if t.is_float()
            ),
            unique,
        ),
    )


def audit(suite: Suite, frame: pl.DataFrame) -> list[Finding]:
    """Run a suite over a candidate: one finding per check, in the suite's order.

    An expectation that cannot run (a missing column, a wrong type) fails its check and says why.
    """
    return _audit(suite, frame, holds)


def _audit(suite: Suite, frame: pl.DataFrame, seen: Callable[[Expectation, pl.DataFrame], bool]) -> list[Finding]:
    left = {check.name: [e for e in check.expectations if not seen(e, frame)] for check in suite.checks}
    results = _ask(suite.table, left, frame) if any(left.values()) else {}
    return [
        _finding(suite.table, check, results.get(check.name, []), len(left[check.name]), frame)
        for check in suite.checks
    ]


def _ask(
    table: Table, expectations: Mapping[str, Sequence[Expectation]], frame: pl.DataFrame
) -> dict[str, list["ExpectationValidationResult"]]:
    """What Great Expectations says of each check."""
    # Imported here: it takes seconds, and only a step that audits should pay.
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # Arrow-backed columns take a third of the memory of numpy-backed ones.
    batch = (
        context.data_sources.add_pandas("candidate")
        .add_dataframe_asset("candidate")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame.to_pandas(use_pyarrow_extension_array=True)})
    )
    asked = [
        getattr(gxe, f"Expect{e.kind}")(**e.arguments, meta={"check": check})
        for check, listed in expectations.items()
        for e in listed
    ]
    report = batch.validate(gx.ExpectationSuite(name=table.name, expectations=asked), result_format="SUMMARY")
    results: dict[str, list[ExpectationValidationResult]] = {}
    for result in report.results:  # it reorders them: map by name, never by position
        results.setdefault(_configuration(result).meta["check"], []).append(result)
    return results


def audit_parts(suite: Suite, parts: Iterable[pl.DataFrame]) -> list[Finding]:
    """The same over a candidate that may not fit in memory: rows with the same key must be in the same part.

    The first part goes through all that Great Expectations does. Of the others it is asked only what a look by polars
    leaves open, as fifty parts would take it ten minutes; a test holds the two together.
    """
    found: list[Finding] = []
    for part in parts:
        of_part = _audit(suite, part, is_clear) if found else audit(suite, part)
        found = [_together(*both) for both in zip(found, of_part, strict=True)] if found else of_part
    return found or audit(suite, suite.table.empty())


def _together(one: Finding, other: Finding) -> Finding:
    """What two parts say of one check: the first that failed speaks, rows and offending rows are added up."""
    speaks = one if not one.passed or other.passed else other
    counted = {
        name: int(one.numbers.get(name, 0)) + int(other.numbers.get(name, 0))
        for name in ("rows", "unexpected")
        if name in one.numbers or name in other.numbers
    }
    return replace(speaks, numbers={**speaks.numbers, **counted})


def _finding(
    table: Table, check: Check, results: Sequence["ExpectationValidationResult"], asked: int, frame: pl.DataFrame
) -> Finding:
    failed = [result for result in results if not result.success]
    if len(results) != asked:
        return Finding(check.name, False, f"{table.name}: not every expectation of {check.name} was run")
    if not failed:
        return Finding(check.name, True, check.says, check.severity, {"rows": frame.height})
    said = [_words(table, result) for result in failed]
    rows: set[int] = set()
    for result in failed:
        rows |= {i for i in (result.result or {}).get("partial_unexpected_index_list") or [] if isinstance(i, int)}
    unexpected = sum(int((result.result or {}).get("unexpected_count") or 0) for result in failed)
    return Finding(
        check.name,
        False,
        f"{table.name}: {'; '.join(said)} (expected: {check.says[0].lower()}{check.says[1:]})",
        check.severity,
        {
            "rows": frame.height,
            "unexpected": unexpected,
            "expectation": ", ".join(f"Expect{_kind(result)}" for result in failed),
        },
        hide_persons(table, frame[sorted(rows)[:SAMPLE_ROWS]]) if rows else None,
    )


def _configuration(result: "ExpectationValidationResult") -> "ExpectationConfiguration":
    assert result.expectation_config is not None  # only results made by hand have none
    return result.expectation_config


def _kind(result: "ExpectationValidationResult") -> str:
    return "".join(part.capitalize() for part in str(_configuration(result).type).split("_")[1:])


def _words(table: Table, result: "ExpectationValidationResult") -> str:
    """What an expectation found, in one clause: Great Expectations' own numbers, or why it could not run.

    Values of columns that name persons are left out: messages are kept for ever.
    """
    kwargs = _configuration(result).kwargs
    columns = [kwargs[name] for name in ("column", "column_A", "column_B") if kwargs.get(name)]
    columns += kwargs.get("column_list") or []
    where = ", ".join(columns)
    found = result.result or {}
    if "unexpected_count" in found:
        values = ", ".join(
            repr(v) for v in list(dict.fromkeys(map(str, found.get("partial_unexpected_list") or [])))[:3]
        )
        personal = not set(columns).isdisjoint(table.persons)
        of = f" of {found.get('element_count')}" if found.get("element_count") is not None else ""
        return f"Expect{_kind(result)} on {where}: {found['unexpected_count']}{of} rows break it" + (
            f", such as {values}" if values and not personal else ""
        )
    if "observed_value" in found:
        return f"Expect{_kind(result)}: found {found['observed_value']}{_mismatch(found)}"
    return f"Expect{_kind(result)} on {where} could not run: {_exception(result)}"


def _mismatch(found: dict[str, Any]) -> str:
    mismatched = (found.get("details") or {}).get("mismatched") or {}
    parts = [f"{word} {', '.join(map(str, names))}" for word, names in sorted(mismatched.items())]
    return f" ({'; '.join(parts)})" if parts else ""


def _exception(result: "ExpectationValidationResult") -> str:
    info = result.exception_info or {}
    nested = [value for value in info.values() if isinstance(value, dict)] or [info]
    return "; ".join(str(value.get("exception_message", "no reason given"))[:300] for value in nested)


def hide_persons(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Some rows of a table, or of a check on it, without ids of persons: they end up in an event log for ever.

    A person becomes user-1, user-2, ... in the order of the rows, so that rows about the same person can be told, and
    nothing can be looked up. Payloads, which hold whatever came, are left out.
    """
    shown = frame.drop("payload", strict=False)
    columns = [c for c in table.persons if c in shown.columns]
    aliases: dict[object, str] = {}
    for row in shown.select(columns).iter_rows():
        for person in row:
            if person is not None:
                aliases.setdefault(person, f"user-{len(aliases) + 1}")
    return shown.with_columns(pl.Series(c, [aliases.get(v) for v in shown[c]], dtype=pl.String) for c in columns)
