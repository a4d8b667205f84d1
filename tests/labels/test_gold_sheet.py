"""The gold sheet: what is written comes back, what is wrong is named by row, and nothing of a wrong file is read."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest
from openpyxl import load_workbook

from coterie.errors import LabelError
from coterie.labels.gold_sheet import COLUMNS, NONE, read_sheet, write_sheet
from coterie.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
HOSTILE = ["=HYPERLINK(1)", "+1", "-x", "@cmd", "bell\x07 and null\x00", "貓 and 🐈", 'two\nlines, "quoted"; and ,']
TEXTS = pl.DataFrame({"text_hash": [f"{n:032x}" for n in range(len(HOSTILE))], "text": HOSTILE})
HASHES = frozenset(TEXTS["text_hash"])
BAKING, CATS = "food.baking", "pets.cats"


def fill(path: Path, row: int, *interests: str, annotator: str = "ann", comment: str = "") -> None:
    """Fill a row (2 is the first) as a person does."""
    values = {f"interest_{n}": text for n, text in enumerate(interests, 1)} | {
        "annotator": annotator,
        "comment": comment,
    }
    change(path, row, values)


def change(path: Path, row: int, values: dict[str, str]) -> None:
    if path.suffix == ".xlsx":
        book = load_workbook(path)
        for name, value in values.items():
            book["texts"].cell(row, COLUMNS.index(name) + 1, value)
        book.save(path)
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    for name, value in values.items():
        rows[row - 1][COLUMNS.index(name)] = value
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(params=["gold.xlsx", "gold.csv"])
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    write_sheet(path, TEXTS, TAXONOMY)
    return path


def test_a_filled_sheet_comes_back(sheet: Path) -> None:
    fill(sheet, 2, BAKING)
    fill(sheet, 3, f"{CATS} (Cats)", BAKING.upper(), annotator="ben", comment="both")
    fill(sheet, 5, NONE)
    filled = read_sheet(sheet, HASHES, TAXONOMY)
    texts = TEXTS["text_hash"]
    assert filled.answers.select("annotator", "text_hash", "place", "interest_id", "comment").rows() == [
        ("ann", texts[0], 1, BAKING, ""),
        ("ann", texts[3], 1, None, ""),
        ("ben", texts[1], 1, CATS, "both"),
        ("ben", texts[1], 2, BAKING, "both"),
    ]
    assert filled.answers["taxonomy_version"].unique().to_list() == [TAXONOMY.version]
    assert filled.empty == len(HOSTILE) - 3


def test_names_are_understood_as_ids(sheet: Path) -> None:
    interest = TAXONOMY.interests[CATS][1]
    fill(sheet, 2, interest.name)
    fill(sheet, 3, interest.name_zh)
    assert read_sheet(sheet, HASHES, TAXONOMY).answers["interest_id"].to_list() == [CATS, CATS]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"interest_1": "pets.cat", "annotator": "a"},
            "interest_1: found 'pets.cat'; expected an interest .* Did you mean pets.cats?",
        ),
        ({"interest_1": BAKING}, "annotator: found nothing; expected the name"),
        ({"interest_2": BAKING, "annotator": "a"}, "interest_1: found nothing before a later interest"),
        ({"interest_1": BAKING, "interest_2": BAKING, "annotator": "a"}, "found food.baking more than once"),
        ({"interest_1": NONE, "interest_2": BAKING, "annotator": "a"}, "none beside an interest"),
        (
            {"interest_1": BAKING, "annotator": "a", "text_hash": "1e5"},
            "text_hash: found '1e5'; expected a text that was drawn",
        ),
        ({"interest_1": BAKING, "annotator": "ann", "text_hash": f"{0:032x}"}, "found the text of row 2 again"),
    ],
    ids=["unknown interest", "nobody", "gap", "twice", "none and one", "unknown text", "same text"],
)
def test_a_wrong_row_is_named_and_nothing_is_read(sheet: Path, values: dict[str, str], said: str) -> None:
    fill(sheet, 2, BAKING)
    change(sheet, 4, values)
    with pytest.raises(LabelError, match=f"(?s)nothing was read.*{sheet.name}: row 4: .*{said}"):
        read_sheet(sheet, HASHES, TAXONOMY)


def test_all_wrong_rows_are_named_at_once(sheet: Path) -> None:
    for row in (2, 3):
        fill(sheet, row, "nonsense", annotator="")
    with pytest.raises(LabelError) as caught:
        read_sheet(sheet, HASHES, TAXONOMY)
    assert [line.count(": row 2: ") for line in str(caught.value).splitlines()].count(1) == 2
    assert str(caught.value).count(": row 3: ") == 2


def test_a_stranger_s_text_is_never_a_formula(tmp_path: Path) -> None:
    xlsx, plain = tmp_path / "g.xlsx", tmp_path / "g.csv"
    for path in (xlsx, plain):
        write_sheet(path, TEXTS, TAXONOMY)
    cells = [row[1] for row in load_workbook(xlsx)["texts"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells][:4] == HOSTILE[:4]
    with plain.open(encoding="utf-8-sig", newline="") as file:
        assert [row[1][0] for row in csv.reader(file)][1:5] == ["'"] * 4


def test_the_workbook_offers_the_interests_in_a_drop_down(tmp_path: Path) -> None:
    path = tmp_path / "g.xlsx"
    write_sheet(path, TEXTS, TAXONOMY)
    book = load_workbook(path)
    (rule,) = book["texts"].data_validations.dataValidation
    assert (rule.type, str(rule.sqref)) == ("list", f"C2:E{TEXTS.height + 1}")
    assert rule.formula1 == f"interests!$A$2:$A${len(TAXONOMY.interests) + 2}"
    offered = [row[0].value.split()[0] for row in book["interests"].iter_rows(min_row=2)]
    assert offered == [NONE, *TAXONOMY.interests]


def semicolons(path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)


def test_a_csv_with_semicolons_is_read(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    write_sheet(path, TEXTS, TAXONOMY)
    fill(path, 2, BAKING)
    semicolons(path)
    assert read_sheet(path, HASHES, TAXONOMY).answers["interest_id"].to_list() == [BAKING]


def no_column(path: Path) -> None:
    path.write_text("text_hash,interest_1\nx,y\n")


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("g.csv", no_column, "row 1: found no column interest_2, interest_3, annotator, comment"),
        ("g.csv", lambda p: p.write_bytes("text_hash,貓".encode("big5")), "not UTF-8"),
        ("g.xlsx", lambda p: p.write_text("not a workbook"), "cannot be read as xlsx"),
        ("g.txt", no_column, "ends in '.txt'; expected .xlsx or .csv"),
        ("gone.csv", lambda p: None, "cannot be read"),
    ],
    ids=["columns", "encoding", "workbook", "ending", "missing"],
)
def test_a_file_that_is_no_sheet_is_refused(
    tmp_path: Path, name: str, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(tmp_path / name)
    with pytest.raises(LabelError, match=said):
        read_sheet(tmp_path / name, HASHES, TAXONOMY)


def test_somebody_s_work_is_not_written_over(sheet: Path) -> None:
    before: Sequence[int] = sheet.read_bytes()
    with pytest.raises(LabelError, match="expected a new name"):
        write_sheet(sheet, TEXTS, TAXONOMY)
    assert sheet.read_bytes() == before
