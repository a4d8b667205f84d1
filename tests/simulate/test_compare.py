"""What is true beside what was found, in closed form."""

from datetime import date, timedelta

import polars as pl
import pytest

from coterie.simulate.compare import Truth, communities_beside_truth, lives_beside_truth, true_gains
from coterie.tables import COMMUNITY_LINEAGE, MEMBERSHIPS

DAY = date(2024, 3, 4)


def test_a_true_gain_is_the_strength_of_a_showing_less_that_of_one_as_it_is() -> None:
    users = pl.DataFrame(
        {"uid": ["a", "b", "c"], "from_day": DAY, "to_day": DAY + timedelta(days=9), "community": [0, None, 1],
         "activity": [3.0, 1.0, 5.0]}
    )  # fmt: skip
    # On the second day the first community turns from x to y. It is shown x three times in four.
    liked = {0: [(0.8, 0.2), (0.2, 0.8)], None: [(0.4, 0.4)] * 2, 1: [(0.1, 0.1)] * 2}
    rows = [
        (DAY + timedelta(days=n), community, interest, strength, served)
        for community, days in liked.items() for n, pair in enumerate(days)
        for interest, strength, served in zip("xy", pair, (0.75, 0.25), strict=True)
    ]  # fmt: skip
    schema = {
        "day": pl.Date,
        "community": pl.Int64,
        "interest_id": pl.String,
        "strength": pl.Float64,
        "served": pl.Float64,
    }
    engagement = pl.DataFrame(rows, schema=schema, orient="row")
    truth = Truth(users, engagement, pl.DataFrame(), pl.DataFrame())
    members = pl.DataFrame(
        [("g", "a", True), ("g", "b", True), ("h", "c", True), ("g", "c", False)],
        schema=["community_id", "user_id", "is_primary"], orient="row",
    )  # fmt: skip

    def gains(days: int) -> dict[tuple[str, str], float]:
        found = true_gains(truth, members, DAY, DAY + timedelta(days=days - 1))
        return {(community, interest): gain for community, interest, gain in found.rows()}

    # A showing as it is brings 0.65 to the first community, and as much as any to the others.
    assert gains(1) == pytest.approx(
        {("g", "x"): 3 / 4 * 0.15, ("g", "y"): 3 / 4 * -0.45, ("h", "x"): 0, ("h", "y"): 0}
    )
    assert gains(2)["g", "x"] == pytest.approx((3 / 4 * 0.15 + 3 / 4 * (0.2 - 0.35)) / 2)
    assert true_gains(truth, members, DAY - timedelta(days=5), DAY - timedelta(days=1)).is_empty()


FIRST = date(2024, 5, 1)
DIED = FIRST + timedelta(days=3)


def lives(recorded: date, event: str, name: str) -> list[tuple[object, ...]]:
    """What is told of community 1, which dies on the fourth day, where one thing is recorded; `a` holds it, `b` another."""
    people = {"a": ("u1", "u2"), "b": ("u3", "u4")}
    spans = [(u, FIRST, DIED - timedelta(days=1), 1) for u in people["a"]] + [
        (u, DIED, date.max, None) for u in people["a"]
    ]
    spans += [(u, FIRST, date.max, 2) for u in people["b"]]
    users = pl.DataFrame(spans, schema=["uid", "from_day", "to_day", "community"], orient="row").with_columns(
        activity=1.0
    )
    truth = Truth(
        users, pl.DataFrame(), pl.DataFrame(),
        pl.DataFrame({"day": [DIED], "event": ["died"], "community": [1], "from_communities": ["[1]"]}),
    )  # fmt: skip
    rows = [(u, c, 1.0, True, 0) for c, us in people.items() for u in us]
    members = pl.DataFrame(rows, schema=MEMBERSHIPS.schema, orient="row")
    matches = {d: communities_beside_truth(truth, members, d) for d in (FIRST + timedelta(days=n) for n in range(7))}
    row = (name, event, f'["{name}"]', 0.0)
    lineage = pl.DataFrame([row], schema=COMMUNITY_LINEAGE.schema, orient="row").with_columns(day=pl.lit(recorded))
    return lives_beside_truth(truth, lineage, matches, FIRST).rows()


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_death_is_noticed_though_members_are_of_no_community_by_then(after: int) -> None:
    on = DIED + timedelta(days=after)
    assert lives(on, "died", "a") == [(DIED, "died", 1, on)]


def test_what_is_late_of_another_kind_or_about_another_community_is_not_noticed() -> None:
    for recorded in ((DIED + timedelta(days=3), "died", "a"), (DIED, "born", "a"), (DIED, "died", "b")):
        assert lives(*recorded) == [(DIED, "died", 1, None)]
