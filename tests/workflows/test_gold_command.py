"""`coterie gold`, from the draw to the report, on a small lake; and what the asset then makes of it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from assets import gold as gold_asset
from assets import labels as labels_asset
from coterie.errors import CoterieError, LabelError
from coterie.labels.base import Labelled, item_labels
from coterie.labels.local import LocalLabeller
from coterie.tables import ITEM_LABELS, LABEL_VOCABULARY, RAW_ITEMS
from coterie.taxonomy import load_taxonomy
from resources.configurable import LabellerChoice, Log, Storage
from resources.gold import LABELLED_BY, GoldStore, as_note, version_of, version_on
from resources.lake import Lake
from workflows.cli import app

DAYS = (date(2024, 5, 1), date(2024, 5, 2))
TAXONOMY = load_taxonomy()
LOCAL = LocalLabeller(TAXONOMY)
WRONG = next(iter(TAXONOMY.interests))
VERSION = version_of(LOCAL, TAXONOMY.version)
ABOUT = {
    "food.baking": "My sourdough bread, call me at +44 20 7946 0958",
    "pets.cats": "Our kitten and the old cat",
    "none": "Well well well",
}
PARTITIONS = dg.DailyPartitionsDefinition("2024-05-01", end_date="2024-06-01")

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = tmp_path / "source.yaml"
    source.write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    monkeypatch.setenv("COTERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COTERIE_SOURCE", str(source))
    lake = Lake(tmp_path / "home")
    for n, day in enumerate(DAYS):
        rows = [
            {
                "item_id": f"i{n}{k}", "text": f"{text}, number {n} of {k}", "hashtags": "[]", "language": "en",
                "text_hash": f"{n:016x}{k:016x}", "content_hash": "0" * 32,
            }
            for k in range(60)
            for text in [list(ABOUT.values())[k % 3]]
        ]  # fmt: skip
        rows.append(dict(rows[0]) | {"item_id": f"i{n}x", "text": " ", "text_hash": f"{n:016x}" + "f" * 16})
        items = pl.DataFrame([dict.fromkeys(RAW_ITEMS.schema) | row for row in rows], schema=RAW_ITEMS.schema)
        labelled: Labelled = LOCAL.label(items)
        frame = item_labels(items, labelled, LOCAL, TAXONOMY.version)
        tables = (
            (RAW_ITEMS, items, {}),
            (LABEL_VOCABULARY, LABEL_VOCABULARY.empty(), {}),
            (ITEM_LABELS, frame, {LABELLED_BY: as_note(VERSION)}),
        )
        for table, made, notes in tables:
            with lake.stage(table, day, made, notes) as staged:
                lake.publish(staged)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path) -> Run:
    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["gold", *arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def annotate(path: Path, annotator: str, *, wrong: bool = False) -> None:
    book = load_workbook(path)
    for row in book["texts"].iter_rows(min_row=2):
        said = next(interest for interest, text in ABOUT.items() if str(row[1].value).startswith(text.split(",")[0]))
        row[2].value = WRONG if wrong and said != "none" else said
        row[5].value = annotator
    book.save(path)


def test_from_the_draw_to_the_report(home: Path, run: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "gold.xlsx"
    told = run("draw", "--size", "60", "--out", str(sheet))
    assert "60 of 120 texts drawn" in told, "a text that says nothing is not drawn"
    texts = [row[1] for row in load_workbook(sheet)["texts"].iter_rows(min_row=2, values_only=True)]
    assert not any("7946" in str(text) for text in texts)
    assert any("[phone]" in str(text) for text in texts)
    assert GoldStore(home).read().versions == [VERSION]
    with pytest.raises(LabelError, match="no annotated text"):
        run("report")
    assert "0 texts read, by nobody; 60 rows are still empty" in run("read", str(sheet))
    annotate(sheet, "ann")
    assert "60 texts read, by ann; 0 rows" in run("read", str(sheet))
    assert "60 of them had been answered before" in run("read", str(sheet))
    annotate(sheet, "ben", wrong=True)
    run("read", str(sheet))
    told = run("report")
    assert "| ann and ben | 60 |" in told
    for heading in ("## Labellers", "## Interests", "## Calibration", "## Taken for another"):
        assert heading in told
    assert f"{VERSION} | 60 | 0.50" in told, "half of the people disagree with every label"
    assert "60 texts read" not in run("label")
    assert run("report") == told, "the same labeller says the same again"


def test_days_bound_what_is_drawn(home: Path, run: Run, tmp_path: Path) -> None:
    told = run("draw", "--size", "30", "--out", str(tmp_path / "g.csv"), "--from", "2024-05-02", "--to", "2024-05-02")
    assert "30 of 60 texts drawn" in told
    assert all(text.startswith(f"{1:016x}") for text in GoldStore(home).read().drawn["text_hash"])


def test_what_is_wrong_is_told_in_words(home: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("")
    cases = (
        (("draw", "--out", str(tmp_path / "there.csv")), "expected a new name"),
        (("draw", "--out", str(tmp_path / "g.doc")), "expected .xlsx or .csv"),
        (("draw", "--size", "3", "--out", str(tmp_path / "g.csv")), "expected at least 10"),
        (("read", str(tmp_path / "there.csv")), "found no draw"),
        (("label",), "found no drawn text"),
    )
    for arguments, said in cases:
        with pytest.raises(CoterieError, match=said):
            run(*arguments)
    assert not GoldStore(home).folder.exists(), "nothing was kept of what was refused"


def resources(home: Path) -> dict[str, object]:
    storage = Storage(home=str(home))
    return {
        "storage": storage,
        "log": Log(storage=storage, description=str(home.parent / "source.yaml"), pseudonym_key=""),
        "labeller": LabellerChoice(storage=storage, labeller="local", model="m", mode="batch", budget_usd="0"),
    }


def materialized(home: Path) -> tuple[dg.ExecuteInProcessResult, dict[str, dg.AssetCheckEvaluation]]:
    """Labels and their quality of the second day, made by the assets; the checks by name."""
    result = dg.materialize(
        [*labels_asset.build(PARTITIONS), *gold_asset.build(PARTITIONS)],
        partition_key=DAYS[1].isoformat(), resources=resources(home), raise_on_error=False,
        instance=dg.DagsterInstance.ephemeral(),
    )  # fmt: skip
    return result, {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_without_a_gold_set_the_check_passes_and_says_so(home: Path) -> None:
    result, checks = materialized(home)
    assert result.success
    assert checks["gold_precision"].passed
    assert "no gold set" in str(checks["gold_precision"].description)
    assert Lake(home).read("label_quality", DAYS[1]).is_empty()
    assert version_on(Lake(home), DAYS[1]) == VERSION
    (made,) = result.asset_materializations_for_node("item_labels")
    assert made.metadata["gold_texts"].value == 0
    assert "food.baking" in str(made.metadata["moved_most"].value)


@pytest.mark.parametrize(("wrong", "passed"), [(False, True), (True, False)], ids=["right", "wrong"])
def test_the_check_gates_on_the_gold_set(home: Path, run: Run, tmp_path: Path, wrong: bool, passed: bool) -> None:
    sheet = tmp_path / "gold.xlsx"
    run("draw", "--size", "60", "--out", str(sheet))
    annotate(sheet, "ann", wrong=wrong)
    run("read", str(sheet))
    before = Lake(home).partition("item_labels", DAYS[1]).read_bytes()
    result, checks = materialized(home)
    assert result.success == passed
    assert checks["gold_precision"].passed == passed
    assert checks["gold_precision"].severity == (dg.AssetCheckSeverity.WARN if passed else dg.AssetCheckSeverity.ERROR)
    assert Lake(home).partition("item_labels", DAYS[1]).read_bytes() == before
    if passed:
        quality = Lake(home).read("label_quality", DAYS[1])
        assert quality["interest_id"].to_list() == ["food.baking", "pets.cats"]
        assert (quality["precision"] == 1).all()
    else:
        assert "expected at least 50%" in str(checks["gold_precision"].description)


def test_a_version_that_nobody_measured_is_a_warning(home: Path, run: Run, tmp_path: Path) -> None:
    sheet = tmp_path / "gold.xlsx"
    run("draw", "--size", "60", "--out", str(sheet))
    annotate(sheet, "ann")
    run("read", str(sheet))
    for path in GoldStore(home).folder.glob("verdicts-*"):
        pl.read_parquet(path).with_columns(model=pl.lit("lexical-0")).write_parquet(
            path.with_name("verdicts-0.parquet")
        )
        path.unlink()
    result, checks = materialized(home)
    assert result.success
    assert not checks["gold_precision"].passed
    assert "coterie gold label" in str(checks["gold_precision"].description)
    run("label")
    assert materialized(home)[1]["gold_precision"].passed
    assert "| local lexical-0" in run("report"), "drift from the version that was there before"


def test_a_broken_file_of_the_gold_set_is_named(home: Path) -> None:
    store = GoldStore(home)
    store.folder.mkdir()
    (store.folder / "draw-x.parquet").write_text("no parquet")
    with pytest.raises(LabelError, match=r"draw-x\.parquet: found a file that cannot be read"):
        store.read()
