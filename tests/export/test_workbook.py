"""The workbook, read back by openpyxl: values, formats, filters, a sheet a community, charts, and no formula."""

import io
import zipfile

import export_world as world
import polars as pl
import pytest
from openpyxl import load_workbook

from coterie.export import workbook as module
from coterie.export.findings import findings
from coterie.export.texts import clean
from coterie.export.workbook import COMMUNITIES, DECIDED, INTERESTS, OVERVIEW, SUGGESTIONS, workbook
from coterie.export.workbook_charts import DATA
from coterie.export.workbook_fields import SUGGESTED

DECISIONS = [("s-00", "accepted", world.DAY, world.DAY, "=1+1"), ("s-00", "shipped", world.DAY, world.DAY, "go\x07 on")]


def made(handout=None) -> bytes:
    handout = handout or world.handout(decisions=DECISIONS)
    return workbook(handout, findings(handout))


@pytest.fixture(scope="module")
def book():
    return load_workbook(io.BytesIO(made()))


def rows(sheet) -> list[dict[str, object]]:
    head, *lines = sheet.iter_rows(values_only=True)
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_sheets_are_those_of_the_day_and_one_for_each_community(book) -> None:
    assert book.sheetnames[:5] == [OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS, DECIDED]
    assert len(book.sheetnames) == 5 + len(world.NAMES) + 1
    assert book[DATA].sheet_state == "hidden"


def test_suggestions_are_the_board_in_order_with_what_was_decided(book) -> None:
    board = world.handout(decisions=DECISIONS).board
    found = rows(book[SUGGESTIONS])
    assert [row["Id"] for row in found] == board["strategy_id"].to_list()
    assert [row["Effect"] for row in found] == [pytest.approx(v) if v else None for v in board["effect"]]
    assert [row["Status"] for row in found].count("proposed") == 8
    assert found[-1]["Why not suggested"] == "not evaluable, fewer"
    shipped = next(row for row in found if row["Id"] == "s-00")
    assert (shipped["Decision"], shipped["Note"]) == ("shipped", "go  on")
    assert found[0]["How much"] == "ranking score × 1.2"
    # 73 items, a standard error of half the effect: a step of 10.
    assert next(row for row in found if row["Id"] == "s-20")["How much"] == "about 80 more items in a week"


def test_no_cell_is_a_formula_whatever_the_log_says(book) -> None:
    kinds = {cell.data_type for sheet in book for line in sheet.iter_rows() for cell in line}
    assert "f" not in kinds
    names = [row["Community"] for row in rows(book[COMMUNITIES])]
    assert names == [clean(name) for name in world.NAMES]
    with zipfile.ZipFile(io.BytesIO(made())) as file:
        assert not any(b"<f>" in file.read(n) for n in file.namelist() if n.startswith("xl/worksheets/sheet"))


def test_a_manager_can_filter_and_read_it(book) -> None:
    sheet = book[SUGGESTIONS]
    assert sheet.auto_filter.ref == f"A1:W{1 + world.handout().board.height}"
    assert sheet.freeze_panes == "A2"
    assert [cell.value for cell in sheet[1]] == [field.heading for field in SUGGESTED]
    headings = {cell.value: cell.column_letter for cell in sheet[1]}
    assert sheet[f"{headings['Effect']}2"].number_format == "+0.0%;-0.0%;0.0%"
    assert sheet[f"{headings['Expires on']}2"].number_format == "yyyy-mm-dd"
    assert sheet[f"{headings['Community']}2"].hyperlink.location.startswith("'")
    assert sheet.row_dimensions[2].height <= 409


def test_links_lead_to_sheets_that_are_there(book) -> None:
    for sheet in book:
        for line in sheet.iter_rows():
            for cell in line:
                if cell.hyperlink:
                    assert cell.hyperlink.location.removesuffix("!A1").strip("'").replace("''", "'") in book.sheetnames


def test_charts_are_native_and_draw_cells_that_hold_their_numbers(book) -> None:
    assert len(book[OVERVIEW]._charts) == 5
    for sheet in book.worksheets[5:-1]:
        assert len(sheet._charts) in {1, 2}
    effects = book[OVERVIEW]._charts[1].series[0]
    figure = findings(world.handout())[1].figure
    held = [cell.value for (cell,) in book[DATA][effects.val.numRef.f.split("!")[1].replace("$", "")]]
    assert held == pytest.approx(figure.series[0].values)
    above = [cell.value for (cell,) in book[DATA][effects.errBars.plus.numRef.f.split("!")[1].replace("$", "")]]
    assert [v + up for v, up in zip(held, above, strict=True)] == pytest.approx(figure.high)


def test_equal_days_give_equal_bytes() -> None:
    assert made() == made()


def test_a_day_with_nothing_is_a_workbook_that_says_so() -> None:
    book = load_workbook(io.BytesIO(made(world.handout([], [], []))))
    assert book.sheetnames == [OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS, DATA]
    assert "nothing passed its test" in book[OVERVIEW]["B4"].value


def test_only_the_first_communities_have_a_sheet_and_the_overview_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SHEETS", 2)
    book = load_workbook(io.BytesIO(made()))
    assert len(book.sheetnames) == 5 + 2 + 1
    told = [cell.value for cell in book[OVERVIEW]["A"] if cell.value]
    assert "6 communities without a sheet of their own: Communities has all." in told


def test_minus_zero_is_zero() -> None:
    low = world.handout([world.community(0, "A")], [world.strategy(1, "A", effect_low=-0.0)], []).board["effect_low"]
    assert str(low.item()) == "0.0"
    assert low.dtype == pl.Float64
