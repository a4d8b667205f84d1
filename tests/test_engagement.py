from datetime import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.engagement import engagement
from coterie.errors import CoterieError
from coterie.tables import ENGAGEMENT, RAW_EVENTS, RAW_ITEMS

WEIGHTS = {"like": 3.0, "comment": 2.0, "share": None, "hide": 3.0, "report": 5.0}
KINDS = {
    "view": "exposure",
    "play": "watch",
    "like": "positive",
    "comment": "positive",
    "share": "positive",
    "hide": "negative",
    "report": "negative",
    "unlike": "undo",
    "unhide": "undo",
}
UNDOES = {"unlike": "like", "unhide": "hide"}


def log(*rows: tuple[str, str, str] | tuple[str, str, str, int | None]) -> pl.DataFrame:
    """Events from (user, item, type) or (user, item, type, watch_ms)."""
    return pl.DataFrame(
        [
            {
                "event_id": str(n),
                "user_id": row[0],
                "item_id": row[1],
                "event_type": row[2],
                "kind": KINDS[row[2]],
                "weight": WEIGHTS.get(row[2]),
                "undo_of": UNDOES.get(row[2]),
                "occurred_at": datetime(2026, 1, 1),
                "watch_ms": row[3] if len(row) == 4 else None,
                "position": None,
                "propensity": None,
                "is_random": None,
            }
            for n, row in enumerate(rows)
        ],
        schema=RAW_EVENTS.schema,
    )


def lengths(**duration_ms: int | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"item_id": list(duration_ms), "duration_ms": list(duration_ms.values())},
        schema={"item_id": pl.String, "duration_ms": pl.Int64},
    )


def only(frame: pl.DataFrame) -> dict[str, object]:
    assert frame.height == 1
    return frame.row(0, named=True)


@st.composite
def logs(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A day's log, with ties, undo before and without what it undoes, and items with and without a length."""
    seed = draw(st.integers(0, 2**32 - 1))
    size = draw(st.sampled_from([0, 1, 7, 60, 400]))
    users = draw(st.sampled_from([1, 5, 80]))
    generator = np.random.default_rng(seed)
    kinds = generator.choice(list(KINDS), size, p=[0.2, 0.4, 0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
    watch = generator.choice([None, 0, 1, 1000, 5000, 5001, 60_000], size)
    rows = [
        (f"u{u}", f"i{i}", str(kind), None if ms is None else int(ms))
        for u, i, kind, ms in zip(
            generator.integers(0, users, size), generator.integers(0, 30, size), kinds, watch, strict=True
        )
    ]
    known = {f"i{n}": generator.choice([None, 0, 1, 1024, 5000, 5100, 2**29, 2**31]) for n in range(25)}
    return log(*rows), lengths(**{item: None if ms is None else int(ms) for item, ms in known.items()})


def test_an_exposure_alone_is_no_engagement():
    row = only(engagement(log(("u", "i", "view"), ("u", "i", "view")), lengths()))
    assert (row["strength"], row["exposures"], row["exposure_logged"]) == (0.0, 2, True)
    assert row["watch_quantile"] is None
    assert row["signals"] == ""


def test_an_act_without_a_showing_counts_one_exposure():
    row = only(engagement(log(("u", "i", "like")), lengths()))
    assert (row["exposures"], row["exposure_logged"]) == (1, False)


@pytest.mark.parametrize(
    ("acts", "strength", "signals"),
    [
        (["like"], 0.5, "like=1"),
        (["comment"], 1 - 2 ** (-2 / 3), "comment=1"),
        (["share"], 1 - 2 ** (-1 / 3), "share=1"),  # no weight in the log: it counts as 1
        (["like", "like"], 1 - 2 ** -(1 + np.log(2)), "like=2"),
        (["like", "comment"], 1 - 2 ** (-5 / 3), "comment=1, like=1"),
        (["like", "unlike"], 0.0, ""),
        (["unlike", "like"], 0.0, ""),
        (["unlike"], 0.0, ""),
        (["like", "like", "unlike"], 0.5, "like=1"),
        (["like", "unlike", "unlike", "comment"], 1 - 2 ** (-2 / 3), "comment=1"),
        (["like", "hide"], 0.25, "hide=1, like=1"),
        (["like", "hide", "unhide"], 0.5, "like=1"),
        (["hide"], 0.0, "hide=1"),
    ],
)
def test_signals_have_their_closed_forms(acts: list[str], strength: float, signals: str):
    row = only(engagement(log(*(("u", "i", act) for act in acts)), lengths()))
    assert row["strength"] == pytest.approx(strength, abs=1e-12)
    assert row["signals"] == signals


def test_watch_time_adds_up_and_ties_share_their_rank():
    events = log(("a", "i", "play", 10), ("a", "i", "play", 20), ("b", "i", "play", 30), ("c", "i", "play", 99))
    frame = engagement(events, lengths(i=1000))
    assert dict(zip(frame["user_id"], frame["watch_quantile"], strict=True)) == {
        "a": pytest.approx(1 / 3),
        "b": pytest.approx(1 / 3),
        "c": pytest.approx(2.5 / 3),
    }
    assert frame["strength"].to_list() == pytest.approx(frame["watch_quantile"].to_list())


def test_nothing_watched_has_no_quantile_and_no_part_in_the_ranks():
    frame = engagement(log(("a", "i", "play", 0), ("b", "i", "play", None), ("c", "i", "play", 5)), lengths())
    assert frame["watch_quantile"].to_list() == [None, None, 0.5]


@pytest.mark.parametrize(("long_watches", "expected"), [(20, 0.5 / 20), (19, (20 + 0.5) / 39)])
def test_lengths_are_compared_with_their_like_unless_these_are_too_few(long_watches: int, expected: float):
    short = [(f"s{n}", "short", "play", n + 1) for n in range(20)]
    long = [(f"l{n}", "long", "play", 1000 + n) for n in range(long_watches)]
    frame = engagement(log(*short, *long), lengths(short=5_000, long=300_000))
    shortest = frame.filter(pl.col("user_id") == "l0")
    assert shortest["watch_quantile"].item() == pytest.approx(expected)


@pytest.mark.parametrize(("other", "alike"), [(1024, True), (1447, True), (1448, True), (1449, False), (1023, False)])
def test_like_length_is_half_an_octave(other: int, alike: bool):
    # 1024 * sqrt(2) = 1448.15
    base = [(f"b{n}", "base", "play", n + 1) for n in range(20)]
    more = [(f"m{n}", "more", "play", 1000) for n in range(20)]
    frame = engagement(log(*base, *more), lengths(base=1024, more=other))
    quantile = frame.filter(pl.col("user_id") == "m0")["watch_quantile"].item()
    assert quantile == pytest.approx(0.75 if alike else 0.5)


@pytest.mark.parametrize("power", [3, 10, 29, 31])
def test_powers_of_two_begin_their_bucket(power: int):
    at = [(f"a{n}", "at", "play", n + 1) for n in range(20)]
    below = [(f"b{n}", "below", "play", 1000) for n in range(20)]
    frame = engagement(log(*at, *below), lengths(at=2**power, below=2**power - 1))
    assert frame.filter(pl.col("item_id") == "below")["watch_quantile"].unique().to_list() == [0.5]


@settings(max_examples=60, deadline=None)
@given(logs(), st.integers(0, 2**32 - 1))
def test_properties(both: tuple[pl.DataFrame, pl.DataFrame], seed: int):
    events, items = both
    frame = engagement(events, items)
    assert dict(frame.schema) == ENGAGEMENT.schema
    assert frame.select("user_id", "item_id").equals(
        events.select("user_id", "item_id").unique().sort("user_id", "item_id")
    )
    assert frame["strength"].is_between(0, 1).all()
    assert frame.filter(
        frame["watch_quantile"].is_null() & (frame["signals"] == "") & (frame["strength"] > 0)
    ).is_empty()
    assert frame.filter("exposure_logged")["exposures"].sum() == (events["kind"] == "exposure").sum()
    # Quantiles of one comparison group average one half, if every watch is in it.
    unknown = engagement(events, lengths())
    if unknown["watch_quantile"].count():
        assert unknown["watch_quantile"].mean() == pytest.approx(0.5)
    shuffled = engagement(events.sample(fraction=1, shuffle=True, seed=seed), items.reverse())
    assert shuffled.equals(frame, null_equal=True)


@settings(max_examples=30, deadline=None)
@given(logs(), st.sampled_from(["like", "comment", "share"]), st.sampled_from(["hide", "report"]))
def test_more_praise_never_lowers_and_more_blame_never_raises(
    both: tuple[pl.DataFrame, pl.DataFrame], praise: str, blame: str
):
    events, items = both
    if events.is_empty():
        return
    pairs = sorted(set(zip(events["user_id"], events["item_id"], strict=True)))
    before = engagement(events, items)["strength"]
    for act, sign in ((praise, 1), (blame, -1)):
        after = engagement(pl.concat([events, log(*((u, i, act) for u, i in pairs))]), items)["strength"]
        assert (sign * (after - before) >= -1e-12).all()


def test_empty_in_empty_out():
    frame = engagement(RAW_EVENTS.empty(), RAW_ITEMS.empty())
    assert frame.is_empty()
    assert dict(frame.schema) == ENGAGEMENT.schema


def test_two_versions_of_an_item_are_refused():
    items = pl.concat([lengths(i=5), lengths(i=6)])
    with pytest.raises(CoterieError, match=r"one row per item.*such as i"):
        engagement(log(("u", "i", "play", 5)), items)
