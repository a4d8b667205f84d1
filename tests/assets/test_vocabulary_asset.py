"""`label_vocabulary` grows by a day at a time, and `item_labels` reads it: a text without a keyword is understood."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import labels, vocabulary
from coterie.labels.vocabulary import ANY, HALF_LIFE_DAYS
from coterie.tables import LABEL_VOCABULARY, RAW_ITEMS
from resources.configurable import LabellerChoice, Log, Method, Storage
from resources.lake import Lake

FIRST = date(2024, 5, 1)
DAYS = dg.DailyPartitionsDefinition(FIRST.isoformat(), end_date="2024-06-01")
ABOUT = {"food.baking": "sourdough bread", "pets.cats": "kitten and cat"}
# Words that no taxonomy has; each goes with one of the two above.
SLANG = {"food.baking": "zorblax flurnix quandrel miblor", "pets.cats": "wexoth drimlap oskavun trellip"}
SILENT = "zorblax flurnix quandrel miblor"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "source.yaml").write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    home = tmp_path / "home"
    texts = [f"{ABOUT[k]} {SLANG[k]} today in the kitchen with number {n}" for n in range(300) for k in ABOUT]
    _put(home, FIRST, texts)
    _put(home, FIRST + timedelta(days=1), [SILENT])
    return home


def _put(home: Path, day: date, texts: list[str]) -> None:
    rows = [
        {
            "item_id": f"{day}-{n}", "text": text, "hashtags": "[]", "language": "en",
            "text_hash": f"{day.day:08x}{n:024x}", "content_hash": "0" * 32,
        }
        for n, text in enumerate(texts)
    ]  # fmt: skip
    items = pl.DataFrame([dict.fromkeys(RAW_ITEMS.schema) | row for row in rows], schema=RAW_ITEMS.schema)
    lake = Lake(home)
    with lake.stage(RAW_ITEMS, day, items) as staged:
        lake.publish(staged)


def materialize(home: Path, day: date) -> dg.ExecuteInProcessResult:
    storage = Storage(home=str(home))
    return dg.materialize(
        [*vocabulary.build(DAYS), *labels.build(DAYS)],
        partition_key=day.isoformat(),
        resources={
            "storage": storage,
            "log": Log(storage=storage, description=str(home.parent / "source.yaml"), pseudonym_key=""),
            "method": Method(first_day=FIRST.isoformat(), half_life_days=14, disclosure_size=20, graph_users=1000),
            "labeller": LabellerChoice(storage=storage, labeller="local", model="m", mode="batch", budget_usd="0"),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def test_words_learnt_yesterday_label_a_text_of_today(home: Path) -> None:
    assert materialize(home, FIRST).success
    assert materialize(home, FIRST + timedelta(days=1)).success
    lake = Lake(home)
    words = lake.read("label_vocabulary", FIRST + timedelta(days=1))
    ours, before = (
        frame.filter(pl.col("token") == "zorblax", pl.col("interest_id") != ANY)
        for frame in (words, lake.read("label_vocabulary", FIRST))
    )
    assert ours["interest_id"].to_list() == ["food.baking"]
    assert before["texts"].item() > 200
    assert ours["texts"].item() == pytest.approx(before["texts"].item() * 0.5 ** (1 / HALF_LIFE_DAYS), abs=1e-3)
    found = lake.read("item_labels", FIRST + timedelta(days=1))
    assert found["interest_id"].to_list() == ["food.baking"]


def test_the_same_text_means_nothing_to_a_log_that_never_spoke_so(home: Path) -> None:
    for n in range(2):
        _put(home, FIRST + timedelta(days=n), [SILENT])
        assert materialize(home, FIRST + timedelta(days=n)).success
    assert Lake(home).read("item_labels", FIRST + timedelta(days=1)).is_empty()


def test_without_yesterday_the_day_is_refused_in_words(home: Path) -> None:
    result = materialize(home, FIRST + timedelta(days=1))
    assert not result.success
    failure = next(e for e in result.all_events if e.event_type_value == "STEP_FAILURE")
    said = failure.step_failure_data.error
    assert "label_vocabulary of 2024-05-01 is not in the lake" in str(said)
    assert not Lake(home).has("item_labels", FIRST + timedelta(days=1))


def test_rare_words_stay_in_the_lake() -> None:
    assert LABEL_VOCABULARY.private
    assert not LABEL_VOCABULARY.shown
