"""Decisions: the words, the days, and which one holds."""

from datetime import date

import polars as pl
import pytest

from coterie.errors import DecisionError
from coterie.strategies.decisions import DECISIONS, Decision, decide, latest

DAYS = [date(2024, 5, n) for n in (1, 4, 9)]
ISSUED = pl.DataFrame({"day": DAYS, "strategy_id": ["s-aaa", "s-aaa", "s-bbb"]})


def made(strategy_id: str = "s-aaa", word: str = "shipped", on: date = DAYS[2], note: str = "") -> Decision:
    return decide(strategy_id, word, on=on, note=note, issued=ISSUED)


def test_it_is_about_the_latest_suggestion_up_to_then() -> None:
    assert made().issued_on == DAYS[1]
    assert made(on=date(2024, 5, 3)).issued_on == DAYS[0]
    assert made(on=DAYS[0]).issued_on == DAYS[0]
    assert made(note=" a\n b\t c ").note == "a b c"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"word": "ship"}, "found the decision 'ship'; expected accepted, rejected or shipped. Did you mean shipped?"),
        ({"strategy_id": "s-aab"}, "found the id 's-aab'; expected that of a suggestion.*Did you mean s-aaa?"),
        ({"strategy_id": "s-bbb", "on": DAYS[1]}, "s-bbb: found the day 2024-05-04; expected 2024-05-09 or later"),
        ({"note": "x" * 501}, "note: found 501 characters; expected at most 500"),
        ({"note": "a\x00b"}, r"note: found the character U\+0000; expected text"),
    ],
)
def test_what_is_wrong_is_told(wrong: dict, told: str) -> None:
    with pytest.raises(DecisionError, match=told):
        made(**wrong)


def test_the_last_by_day_holds_then_the_last_recorded() -> None:
    rows = [("s-aaa", "shipped", DAYS[2]), ("s-aaa", "accepted", DAYS[1]), ("s-bbb", "accepted", DAYS[2]),
            ("s-bbb", "rejected", DAYS[2])]  # fmt: skip
    log = pl.DataFrame([(*row, DAYS[0], "") for row in rows], schema=DECISIONS, orient="row")
    assert latest(log, on=DAYS[2]).select("strategy_id", "decision").rows() == [
        ("s-aaa", "shipped"),
        ("s-bbb", "rejected"),
    ]
    assert latest(log, on=DAYS[1])["decision"].to_list() == ["accepted"]
    assert latest(log.clear(), on=DAYS[2]).schema == pl.Schema(DECISIONS)
