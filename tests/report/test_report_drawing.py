"""Places on the map and in the river: properties that hold for any communities."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from conftest import Made
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.report.charts import effects, quality
from coterie.report.layout import NAME_HALF_WIDTH, NAME_HEIGHT, positions
from coterie.report.map_chart import STILL_LIMIT, STILL_WIDTH, community_map
from coterie.report.marks import intervals
from coterie.report.river import move_of, river
from coterie.report.texts import Texts

DAY = date(2024, 5, 2)
sizes = st.lists(st.integers(20, 5_000), min_size=1, max_size=40)


def map_of(users: list[int], seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = [f"c{n:02d}" for n in range(len(users))]
    pairs = [(a, b, round(float(rng.uniform()), 2)) for a in ids for b in ids if a < b]
    both = [*pairs, *((b, a, overlap) for a, b, overlap in pairs)]
    schema = {"community_id": pl.String, "neighbour_id": pl.String, "overlap": pl.Float64}
    return (
        pl.DataFrame({"community_id": ids, "users_rounded": users}),
        pl.DataFrame(both, schema=schema, orient="row"),
    )


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(0, 99))
def test_circles_and_names_do_not_cover_one_another(users: list[int], seed: int) -> None:
    communities, neighbours = map_of(users, seed)
    placed = positions(communities, neighbours)
    x, y, radius = (placed[c].to_numpy() for c in ("x", "y", "radius"))
    half = np.maximum(radius, NAME_HALF_WIDTH)
    for a in range(len(users)):
        for b in range(a):
            apart_x = abs(x[a] - x[b]) >= half[a] + half[b] - 1e-3
            apart_y = abs(y[a] - y[b]) >= radius[a] + radius[b] + NAME_HEIGHT - 1e-3
            assert apart_x or apart_y


@settings(max_examples=10, deadline=None)
@given(sizes, st.integers(0, 99))
def test_the_order_of_rows_does_not_move_the_map(users: list[int], seed: int) -> None:
    communities, neighbours = map_of(users, seed)
    shuffled = [frame.sample(fraction=1, shuffle=True, seed=seed) for frame in (communities, neighbours)]
    assert positions(*shuffled).equals(positions(communities, neighbours))


def test_communities_that_want_the_same_lie_closer() -> None:
    communities = pl.DataFrame({"community_id": list("abcd"), "users_rounded": [20] * 4})
    near = {("a", "b"), ("c", "d")}
    rows = [(p, q, 0.9 if (p, q) in near or (q, p) in near else 0.1) for p in "abcd" for q in "abcd" if p != q]
    neighbours = pl.DataFrame(rows, schema=["community_id", "neighbour_id", "overlap"], orient="row")
    at = {i: np.array([x, y]) for i, x, y, _ in positions(communities, neighbours).iter_rows()}

    def distance(p: str, q: str) -> float:
        return float(np.linalg.norm(at[p] - at[q]))

    assert max(distance("a", "b"), distance("c", "d")) < min(distance(p, q) for p in "ab" for q in "cd")


groups = st.sampled_from(["a", "b", "c", None])
flows = st.lists(st.tuples(st.integers(1, 4), groups, groups, st.integers(4, 100).map(lambda n: n * 5)), max_size=12)


@settings(max_examples=30, deadline=None)
@given(flows)
def test_bands_fill_their_bars_and_stay_inside(found: list[tuple[int, str | None, str | None, int]]) -> None:
    unique = {(day, source, target): users for day, source, target, users in found}
    moves = pl.DataFrame(
        [(date(2024, 5, day), source, target, users) for (day, source, target), users in unique.items()],
        schema={"day": pl.Date, "source": pl.String, "target": pl.String, "users_rounded": pl.Int64}, orient="row",
    )  # fmt: skip
    drawn = river(moves)
    shown = {key: users for key, users in unique.items() if key[1:] != (None, None)}
    if not shown:
        assert drawn is None
        return
    assert drawn is not None
    assert len(drawn.bands) == len(shown)
    bars = {(bar.x, bar.community): bar for bar in drawn.bars}
    for band in drawn.bands:
        assert band.move == move_of(band.source, band.target)
        (x0, low0, high0), *_, (x1, low1, high1) = band.outline
        left, right = bars[round(x0), band.source], bars[round(x1), band.target]
        assert left.low - 0.01 <= low0 <= high0 <= left.high + 0.01
        assert right.low - 0.01 <= low1 <= high1 <= right.high + 0.01
        assert abs(high0 - low0 - band.users) < 0.02
    for column in {bar.x for bar in drawn.bars}:
        rows = sorted((bar.low, bar.high) for bar in drawn.bars if bar.x == column)
        assert all(upper[1] <= lower[0] for upper, lower in pairwise(rows)), "bars do not overlap"


def test_on_a_still_map_names_at_its_edges_are_inside(usual: Made) -> None:
    spec = community_map(usual.facts(), Texts("en", html=False), still=True)
    assert spec is not None
    circles = next(layer for layer in spec["layer"] if "shape" in layer["encoding"])
    low, high = circles["encoding"]["x"]["scale"]["domain"]
    for node in circles["data"]["values"]:
        middle = (node["x"] - low) / (high - low) * STILL_WIDTH
        assert STILL_LIMIT / 2 - 1 <= middle <= STILL_WIDTH - STILL_LIMIT / 2 + 1


def test_counts_along_an_axis_are_said_as_the_language_does(forty: Made) -> None:
    for language, said in (("en", "'~s'"), ("zh", "萬")):
        spec = quality(forty.facts(), Texts(language))
        assert spec is not None
        assert said in spec["encoding"]["y"]["axis"]["labelExpr"]


def test_the_map_says_in_chinese_what_is_wanted(usual: Made) -> None:
    facts = usual.facts("zh")
    wants = facts["wants"].with_columns(community_id=pl.lit("c02"))
    spec = community_map(replace(facts, frames={**facts.frames, "wants": wants}), Texts("zh", html=False))
    assert spec is not None
    nodes = next(layer for layer in spec["layer"] if "shape" in layer["encoding"])["data"]["values"]
    (said,) = (node["wants"] for node in nodes if node["id"] == "c02")
    assert said.count("、") == 2
    assert "," not in said


def test_more_kinds_than_colours_are_told_apart_by_words(usual: Made) -> None:
    facts = usual.facts()
    board = facts["board"].filter(pl.col("effect").is_not_null()).head(6)
    kinds = ["boost_interest", "close_supply_gap", "seed_creators", "bridge", "rest_interest", "timing"]
    for few in (4, 6):
        changed = board.with_columns(
            kind=pl.Series([kinds[n % few] for n in range(board.height)]), status=pl.lit("proposed")
        )
        spec = effects(replace(facts, frames={**facts.frames, "board": changed}), Texts("en"))
        assert spec is not None
        dots = spec["layer"][-1]
        assert ("scale" in dots["encoding"]["color"]) is (few == 4)
        assert dots["data"]["values"][0]["what"].startswith("Show more: ") is (few == 6)


@pytest.mark.parametrize(("high", "marked"), [(1.15, True), (2.5, False)])
def test_ratios_near_1_have_marks_near_it(high: float, marked: bool) -> None:
    rows = [{"what": "Tea", "value": 1.0, "low": 0.85, "high": high}]
    spec = intervals(rows, Texts("en"), "", zero=1.0, log=True)
    values = next(layer for layer in spec["layer"] if "x2" in layer["encoding"])["encoding"]["x"]["axis"]["values"]
    assert (0.9 in values and 1.1 in values) is marked


def test_a_mark_says_its_number_as_tables_do(forty: Made) -> None:
    spec = quality(forty.facts(), Texts("en"))
    assert spec is not None
    said = {row["rows"]: row["said"] for row in spec["data"]["values"]}
    assert said == {n: f"{n:,}" for n in said}
    assert max(said) > 1_000
