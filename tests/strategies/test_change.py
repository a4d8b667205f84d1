"""How much preferences change: exact where there is no noise, nothing where nothing changes, and what it does to rows."""

import json
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
import pytest
from test_propose import outcome, outcomes, proposed_from

from coterie.strategies.change import DISTANCE, PART_DAYS, parts, weekly_change, weekly_move
from coterie.strategies.outcome import EXPOSURE, GAIN
from coterie.strategies.propose import PROPOSED, Changes
from coterie.strategies.shrinkage import Z90
from coterie.strategies.window import Window, build_window

INTERESTS = ("a", "b", "c")
LABELS = pl.DataFrame({"item_id": list(INTERESTS), "interest_id": list(INTERESTS), "weight": [1.0] * 3})
ITEMS = 6  # of an interest, where one item would not do
NOTHING_BEFORE = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
DAY = date(2024, 3, 20)


def window(shares: dict[str, tuple[float, ...]], users: int, acts: int, rng: np.random.Generator | None) -> Window:
    """Users of groups `shares` names, each with so many acts; spread exactly as the shares say without an `rng`."""
    rows, members = [], []
    for group, share in shares.items():
        for n in range(users):
            counts = rng.multinomial(acts, share) if rng else np.array(share) * acts
            rows += [(f"{group}{n}", i, float(c)) for i, c in zip(INTERESTS, counts, strict=True) if c > 0]
            members += [(f"{group}{n}", group)] if group != "others" else []
    engagement = pl.DataFrame(rows, schema=["user_id", "item_id", "strength"], orient="row").with_columns(
        day=pl.lit(DAY), exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(False)
    )
    belongs = pl.DataFrame(members, schema={"user_id": pl.String, "community_id": pl.String}, orient="row")
    return build_window(engagement=engagement, labels=LABELS, members=belongs, prior=NOTHING_BEFORE)


EVEN = (0.4, 0.3, 0.3)


def test_parts_are_the_ends_of_the_window() -> None:
    (first, then), (before, last) = parts(date(2024, 3, 14), DAY)
    assert (first, last) == (date(2024, 3, 14), DAY)
    assert (then - first).days == (last - before).days == PART_DAYS - 1
    assert pytest.approx((7 / 4) ** 2) == DISTANCE


def test_without_noise_it_is_the_change_over_the_preference() -> None:
    first = window({"c": (0.8, 0.1, 0.1), "others": EVEN}, users=20, acts=10, rng=None)
    last = window({"c": (0.6, 0.2, 0.2), "others": EVEN}, users=20, acts=10, rng=None)
    # Preferences (0.4, -0.2, -0.2), then (0.2, -0.1, -0.1): in the mean (0.3, -0.15, -0.15), changed by two thirds.
    (row,) = weekly_change(first, last).iter_rows()
    assert row == ("c", pytest.approx(2 / 3 * 7 / 4))


def test_what_stays_the_same_has_not_changed() -> None:
    same = window({"c": (0.8, 0.1, 0.1), "others": EVEN}, users=20, acts=10, rng=None)
    assert weekly_change(same, same)["change"].to_list() == [0.0]


def test_chance_is_not_taken_for_change() -> None:
    """Users who draw anew from the same shares: the squared change is nothing in the mean, before it is cut at zero."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        halves = [window({"c": (0.6, 0.2, 0.2), "others": EVEN}, users=60, acts=8, rng=rng) for _ in range(2)]
        found.append(weekly_change(*halves)["change"].item())
    squares = np.array(found) ** 2 / DISTANCE
    assert np.mean(squares == 0) > 0.4, "half of the estimates should be below zero"
    assert squares.mean() < 0.1


def test_real_change_is_told_from_chance() -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first = window({"c": (0.8, 0.1, 0.1), "others": EVEN}, users=100, acts=8, rng=rng)
        last = window({"c": (0.6, 0.2, 0.2), "others": EVEN}, users=100, acts=8, rng=rng)
        found.append(weekly_change(first, last)["change"].item() ** 2)
    assert np.mean(found) == pytest.approx((2 / 3 * 7 / 4) ** 2, rel=0.15)


def test_a_group_without_preferences_cannot_be_measured() -> None:
    flat = window({"c": EVEN, "others": EVEN}, users=20, acts=10, rng=None)
    assert weekly_change(flat, flat).is_empty()


def test_preferences_that_turn_into_their_opposite_leave_nothing() -> None:
    first = window({"c": (0.8, 0.1, 0.1), "others": EVEN}, users=20, acts=10, rng=None)
    last = window({"c": (0.0, 0.5, 0.5), "others": EVEN}, users=20, acts=10, rng=None)
    assert weekly_change(first, last)["change"].item() > 5


def test_an_interest_that_comes_up_within_the_week_is_a_change() -> None:
    first = window({"c": (0.9, 0.1, 0.0), "others": (0.5, 0.5, 0.0)}, users=20, acts=10, rng=None)
    last = window({"c": (0.4, 0.1, 0.5), "others": (0.5, 0.5, 0.0)}, users=20, acts=10, rng=None)
    # a: 0.4 then -0.1; b: -0.4 twice; c: 0 then 0.5. Moved 0.25 + 0 + 0.25; in the mean 0.15, -0.4, 0.25.
    expected = (0.5 / (0.15**2 + 0.4**2 + 0.25**2)) ** 0.5 * 7 / 4
    assert weekly_change(first, last)["change"].item() == pytest.approx(expected)


def of(change: float | None) -> pl.DataFrame:
    rows = [outcome("c0", i, difference=d, value=0.2 + d) for i, d in (("d0.i00", 0.12), ("d0.i01", 0.1))]
    changes = pl.DataFrame({"community_id": ["c0"], "change": [change]}).drop_nulls()
    return proposed_from(outcomes(*rows), changes=Changes(relative=changes)).sort("interest_id")


def test_change_widens_both_sides_as_independent_errors_do() -> None:
    before, after = of(None), of(0.2)
    assert before["effect"].to_list() == after["effect"].to_list()
    for was, now in zip(before.iter_rows(named=True), after.iter_rows(named=True), strict=True):
        moved = 0.2 * was["effect"]
        assert now["std_error"] == pytest.approx(np.hypot(was["std_error"], moved))
        for end in ("effect_low", "effect_high"):
            assert abs(now[end] - now["effect"]) == pytest.approx(np.hypot(was[end] - was["effect"], Z90 * moved))
        assert json.loads(now["evidence"])["weekly_change"] == 0.2
        assert json.loads(was["evidence"])["weekly_change"] is None


def liked(shares: dict[str, tuple[float, ...]], rng: np.random.Generator, users: int = 60, times: int = 12) -> Window:
    """Users of one community who are shown each interest alike, by items alike, and engage as the shares say."""
    rows = [
        (f"{group}{n}", f"{i}{n % ITEMS}", float(rng.binomial(times, p)), float(times))
        for group, share in shares.items() for n in range(users) for i, p in zip(INTERESTS, share, strict=True)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "strength", "weight"], orient="row")
    engagement = frame.select("user_id", "item_id", "strength", day=pl.lit(DAY), exposures=pl.lit(times, pl.Int64),
                              exposure_logged=pl.lit(True))  # fmt: skip
    shown = frame.with_columns(strength=pl.col("strength") / times)
    members = frame.select("user_id", community_id=pl.lit("c")).unique()
    return build_window(
        engagement=engagement, labels=items_of(INTERESTS), members=members, prior=NOTHING_BEFORE, exposed=shown,
        basis="propensity",
    )  # fmt: skip


def items_of(interests: Sequence[str]) -> pl.DataFrame:
    rows = [(f"{i}{n}", i, 1.0) for i in interests for n in range(ITEMS)]
    return pl.DataFrame(rows, schema=["item_id", "interest_id", "weight"], orient="row")


def test_a_gain_moves_as_far_as_it_moved_within_the_week() -> None:
    rng = np.random.default_rng(1)
    before, after = liked({"c": (0.5, 0.3, 0.1)}, rng), liked({"c": (0.5, 0.3, 0.4)}, rng)
    moves = dict(weekly_move(before, after).select("interest_id", "move").iter_rows())
    # The third comes up by 0.3, and the mean of what is shown by a third of that.
    # Three interests alone tell little of what is usual, so all are shrunk.
    assert moves["c"] == pytest.approx(0.2 * 7 / 4, rel=0.25)
    assert max(moves["a"], moves["b"]) < 0.65 * moves["c"]


def test_what_one_interest_does_is_not_held_against_the_others() -> None:
    names = tuple("abcdefghijklmnopqrst")
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        halves = []
        for last in (0.2, 0.6):
            rows = [
                (f"u{n}", f"{i}{n % ITEMS}", rng.binomial(12, last if i == "t" else 0.3) / 12)
                for n in range(60) for i in names
            ]  # fmt: skip
            frame = pl.DataFrame(rows, schema=["user_id", "item_id", "strength"], orient="row")
            engagement = frame.with_columns(
                day=pl.lit(DAY), exposures=pl.lit(1, pl.Int64), exposure_logged=pl.lit(True)
            )
            halves.append(build_window(
                engagement=engagement, labels=items_of(names), prior=NOTHING_BEFORE, basis="propensity",
                members=frame.select("user_id", community_id=pl.lit("c")).unique(),
                exposed=frame.with_columns(weight=pl.lit(1.0)),
            ))  # fmt: skip
        moves = weekly_move(*halves)
        found.append((moves.filter(pl.col("interest_id") == "t")["move"].item(), moves["move"].median()))
    assert np.mean([viral for viral, _ in found]) == pytest.approx(0.4 * 0.95 * 7 / 4, rel=0.1)
    assert np.mean([usual for _, usual in found]) < 0.05


def test_chance_alone_moves_little() -> None:
    moved = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        same = [liked({"c": (0.5, 0.3, 0.1)}, rng) for _ in range(2)]
        moved += weekly_move(*same)["move"].to_list()
    # The error of a change is 0.03; unshrunk, its root mean square times seven quarters would be 0.05.
    assert np.sqrt(np.mean(np.square(moved))) < 0.05


def test_without_comparable_showings_there_is_no_move() -> None:
    same = window({"c": (0.8, 0.1, 0.1), "others": EVEN}, users=20, acts=10, rng=None)
    assert weekly_move(same, same).is_empty()


def test_a_gain_is_widened_by_its_own_move() -> None:
    rows = [
        outcome("c0", i, GAIN, difference=0.1, community_mean=0.2, evaluability="propensity")
        for i in ("d0.i00", "d0.i01")
    ]
    rows += [outcome("c0", i, EXPOSURE, evaluability="propensity") for i in ("d0.i00", "d0.i01")]
    moves = pl.DataFrame(
        {
            "community_id": ["c0"],
            "interest_id": ["d0.i01"],
            "move": [0.05],
            "share_rise": [0.0],
            "gain_fall": [0.0],
            "gain_fall_error": [0.1],
        }
    )
    changes = Changes(relative=pl.DataFrame({"community_id": ["c0"], "change": [9.0]}), moves=moves)
    still, moved = proposed_from(outcomes(*rows), changes=changes).sort("interest_id").iter_rows(named=True)
    assert moved["std_error"] == pytest.approx(np.hypot(still["std_error"], 0.05))
    low = moved["effect"] - moved["effect_low"]
    assert low == pytest.approx(np.hypot(still["effect"] - still["effect_low"], Z90 * 0.05))
    assert json.loads(moved["evidence"])["weekly_change"] == pytest.approx(0.05 / moved["effect"], rel=1e-4)


def test_a_community_that_changes_fast_gets_no_proposal() -> None:
    assert set(of(0.1)["status"]) == {PROPOSED}
    assert set(of(1.0)["status"]) == {"withheld: the interval reaches zero"}
