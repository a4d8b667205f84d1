"""Texts from the log: none runs in a spreadsheet, none breaks a file, every sheet has a name that a workbook takes."""

from hypothesis import given
from hypothesis import strategies as st

from coterie.export.texts import FORMULA, LONGEST_CELL, LONGEST_SHEET, clean, harmless, sheet_name

ANY = st.text(max_size=60) | st.sampled_from(FORMULA).flatmap(
    lambda first: st.text(max_size=20).map(lambda rest: first + rest)
)


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(ANY)
def test_no_text_begins_like_a_formula_and_none_is_lost(text: str) -> None:
    safe = harmless(text)
    assert not safe.startswith(FORMULA)
    assert safe.removeprefix("'") == clean(text).removeprefix("'")


@given(ANY)
def test_what_is_clean_can_stand_in_xml(text: str) -> None:
    allowed = clean(text)
    assert len(allowed) == len(text)
    assert all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in allowed)


@given(st.text(min_size=1, max_size=3), st.integers(1, 3))
def test_what_is_too_long_is_cut_and_says_so(piece: str, times: int) -> None:
    text = piece * (LONGEST_CELL * times)
    short = clean(text)
    assert units(short) <= LONGEST_CELL
    assert short == clean(text[: len(short)]) or short.endswith("…")


def test_a_text_that_just_fits_is_not_cut() -> None:
    assert clean("猫" * LONGEST_CELL) == "猫" * LONGEST_CELL
    assert units(clean("😀" * LONGEST_CELL)) <= LONGEST_CELL
    assert clean("😀" * LONGEST_CELL).endswith("😀…")


@given(st.lists(ANY, max_size=12))
def test_sheets_have_names_of_their_own_that_a_workbook_takes(texts: list[str]) -> None:
    taken: list[str] = ["Overview"]
    for text in texts:
        name = sheet_name(text, taken)
        assert 0 < units(name) <= LONGEST_SHEET
        assert not set(name) & set("[]:*?/\\")
        assert name.strip("'") == name
        assert name.casefold() not in {"history", *(t.casefold() for t in taken)}
        taken.append(name)
