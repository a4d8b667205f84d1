"""The interests that moved most: by evidence, not by ratio."""

import polars as pl

from coterie.labels.moved import MOVED, moved_most


def labels(**counts: int) -> pl.DataFrame:
    rows = [(f"{interest}{n}", f"x.{interest}") for interest, many in counts.items() for n in range(many)]
    return pl.DataFrame(rows, schema={"item_id": pl.String, "interest_id": pl.String}, orient="row")


def test_what_moved_comes_first_and_one_new_item_does_not() -> None:
    found = moved_most(labels(a=50, b=30, c=20, new=1), labels(a=300, b=500, c=200))
    assert found["interest_id"].to_list()[:2] == ["x.a", "x.b"]
    assert found["interest_id"].to_list()[-1] == "x.c"
    one = found.row(0, named=True)
    assert (one["items"], round(one["share"], 4), one["share_before"]) == (50, round(50 / 101, 4), 0.3)
    assert one["change"] > 0
    assert one["z"] > 0


def test_ten_at_most_and_nothing_where_there_is_nothing_to_compare() -> None:
    many = labels(**{f"i{n:02}": 5 + n for n in range(20)})
    assert moved_most(many, many).height == 10
    assert moved_most(many, many.clear()).schema == pl.Schema(MOVED)
    assert moved_most(many, many.clear()).is_empty()
    assert moved_most(many.clear(), many).is_empty()


def test_the_order_of_rows_does_not_matter() -> None:
    now, then = labels(a=5, b=3, c=9), labels(a=7, b=7, c=7)
    assert moved_most(now, then).equals(moved_most(now.reverse(), then.sample(fraction=1, shuffle=True, seed=1)))
