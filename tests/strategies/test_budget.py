"""Which suggestions give way when they would move more of a community's showings than is sensible."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.strategies.budget import BUDGET, GAVE_WAY, within_budget

Row = tuple[str, float, float | None, bool, bool]


def status(rows: list[Row]) -> list[str]:
    frame = pl.DataFrame(
        [(f"k{n}", *row) for n, row in enumerate(rows)],
        schema={"interest_id": pl.String, "community_id": pl.String, "effect_low": pl.Float64, "moved": pl.Float64,
                "gains": pl.Boolean, "proposed": pl.Boolean}, orient="row",
    )  # fmt: skip
    frame = frame.with_columns(
        kind=pl.lit("boost_interest"),
        status=pl.when("proposed").then(pl.lit("proposed")).otherwise(pl.lit("withheld: x")),
    )
    found = within_budget(frame)
    assert found.drop("status").equals(frame.drop("status"))
    return found["status"].to_list()


def test_the_least_sure_gain_gives_way() -> None:
    assert status([("c", 0.1, 0.04, True, True), ("c", 0.3, 0.04, True, True), ("c", 0.2, 0.04, True, True)]) == [
        GAVE_WAY, "proposed", "proposed",
    ]  # fmt: skip


def test_the_first_may_take_it_all_and_nobody_passes_one_that_gave_way() -> None:
    assert status([("c", 0.3, 0.5, True, True), ("c", 0.2, 0.01, True, True)]) == ["proposed", GAVE_WAY]
    assert status([("c", 0.3, 0.06, True, True), ("c", 0.2, 0.06, True, True), ("c", 0.1, 0.01, True, True)]) == [
        "proposed", GAVE_WAY, GAVE_WAY,
    ]  # fmt: skip


def test_gains_per_showing_come_before_other_measures() -> None:
    assert status([("c", 0.9, 0.08, False, True), ("c", 0.1, 0.08, True, True)]) == [GAVE_WAY, "proposed"]


@pytest.mark.parametrize(
    "other", [("d", 0.3, 0.09, True, True), ("c", 0.3, None, True, True), ("c", 0.9, 0.09, True, False)]
)
def test_other_communities_what_moves_nothing_and_what_is_withheld_take_nothing(other: Row) -> None:
    assert status([other, ("c", 0.1, 0.09, True, True)]) == ["proposed" if other[4] else "withheld: x", "proposed"]


@given(st.lists(st.tuples(st.sampled_from("cd"), st.floats(0, 1), st.floats(0.001, 0.2), st.booleans(), st.booleans())))
def test_no_community_is_moved_further_than_the_budget_or_its_first(rows: list[Row]) -> None:
    told = status(rows)
    for community in "cd":
        kept = [r[2] for r, s in zip(rows, told, strict=True) if r[0] == community and s == "proposed"]
        assert sum(m or 0 for m in kept) <= BUDGET + 1e-9 or len(kept) == 1
        assert bool(kept) is any(r[0] == community and r[4] for r in rows)
