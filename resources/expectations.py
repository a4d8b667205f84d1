"""An expectation of Great Expectations as data, and what a look by polars already tells of it.

Belongs here: when there is nothing left to ask. Does not belong here: asking (audit). A look only ever says that an
expectation holds; what it leaves open is for Great Expectations to decide.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

FULL = "ColumnValuesToNotBeNull"
FINITE = ("ColumnValuesToBeBetween", {"min_value": -sys.float_info.max, "max_value": sys.float_info.max})


@dataclass(frozen=True)
class Expectation:
    """One expectation of Great Expectations: its class without the `Expect`, and its arguments."""

    kind: str
    arguments: dict[str, Any]

    @property
    def columns(self) -> list[str]:
        """What it is about."""
        return list(self.arguments.get("column_list") or [c for c in [self.arguments.get("column")] if c])


def holds(expectation: Expectation, frame: pl.DataFrame) -> bool:
    """Whether a column has no nulls, or only finite numbers, which polars knows at once.

    Half of a day's audit would be spent on asking again.
    """
    column = expectation.arguments.get("column")
    if column not in frame.columns:
        return False
    values = frame[column]
    if (expectation.kind, expectation.arguments) == (FULL, {"column": column}):
        return values.null_count() == 0
    if (expectation.kind, expectation.arguments) == (FINITE[0], {"column": column, **FINITE[1]}):
        return values.dtype.is_float() and bool(values.is_finite().all())
    return False


def is_clear(expectation: Expectation, frame: pl.DataFrame) -> bool:
    """Whether a look at all values is enough to see that an expectation holds."""
    look = _LOOKS.get(expectation.kind)
    there = set(expectation.columns) <= set(frame.columns)
    return holds(expectation, frame) or (look is not None and there and look(expectation.arguments, frame))


def _few_enough(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    return bool(given["min_value"] <= frame.height <= given["max_value"])


def _same_columns(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    return set(frame.columns) == set(given["column_set"])


def _unique(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    return not frame.select(given.get("column_list") or given["column"]).is_duplicated().any()


def _in_set(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    values = frame[given["column"]]
    return values.dtype == pl.String and bool(values.is_in(given["value_set"]).all())


def _long_enough(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    values = frame[given["column"]]
    known = set(given) == {"column", "min_value"} and values.dtype == pl.String
    return known and bool((values.str.len_chars() >= given["min_value"]).all())


def _between(given: Mapping[str, Any], frame: pl.DataFrame) -> bool:
    values = frame[given["column"]].drop_nulls()
    known = values.dtype.is_numeric() and len(values) and not (values.dtype.is_float() and values.is_nan().any())
    if not known or set(given) - {"column", "min_value", "max_value", "strict_min", "strict_max"}:
        return False
    found: list[Any] = [values.min(), values.max()]
    low, high = given.get("min_value", found[0]), given.get("max_value", found[1])
    strict = (given.get("strict_min", False), given.get("strict_max", False))
    return bool(low <= found[0] and found[1] <= high) and not (
        (strict[0] and low == found[0]) or (strict[1] and high == found[1])
    )


_LOOKS: Mapping[str, Callable[[Mapping[str, Any], pl.DataFrame], bool]] = {
    "TableRowCountToBeBetween": _few_enough,
    "TableColumnsToMatchSet": _same_columns,
    "ColumnValuesToBeUnique": _unique,
    "CompoundColumnsToBeUnique": _unique,
    "ColumnValuesToBeInSet": _in_set,
    "ColumnValueLengthsToBeBetween": _long_enough,
    "ColumnValuesToBeBetween": _between,
}
