"""The shipped texts: whole, about interests that exist, fit to be shown."""

import importlib.util
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from coterie.simulate import texts
from coterie.simulate.texts import FEWEST, PACKS, load_pack
from coterie.taxonomy import load_taxonomy
from resources.settings import PROJECT

FOLDER = Path(texts.__file__).parent / "packs"
BUILD = PROJECT / "data" / "packs" / "build.py"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_packs", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("language", PACKS)
def test_every_row_says_something_about_an_interest_of_the_taxonomy(language: str) -> None:
    frame = load_pack(language).frame
    interests = set(load_taxonomy().interests)
    assert set(frame["interest_id"]) <= interests
    assert set(frame["accepted"].explode()) <= interests
    assert (frame["accepted"].list.first() == frame["interest_id"]).all()
    assert frame.filter(pl.col("text").is_null() & (pl.col("hashtags").list.len() == 0)).is_empty()
    assert frame.filter(pl.col("text").str.strip_chars() == "").is_empty()
    assert frame["interest_id"].is_sorted()


@pytest.mark.parametrize("language", PACKS)
def test_an_interest_has_rows_enough_and_they_are_its_own(language: str) -> None:
    pack = load_pack(language)
    rows = pack.rows_of()
    assert len(rows) > 40
    for interest, numbers in rows.items():
        assert len(numbers) >= FEWEST
        assert set(pack.frame[numbers]["interest_id"]) == {interest}
    rare = pack.frame.group_by("interest_id").len().filter(pl.col("len") < FEWEST)
    assert not set(rare["interest_id"]) & set(rows)


def test_some_chinese_items_speak_in_hashtags_alone() -> None:
    zh, en = load_pack("zh").frame, load_pack("en").frame
    assert 500 < zh["text"].null_count() < 1_000
    assert en["text"].null_count() == 0
    tags = zh["hashtags"].explode().drop_nulls()
    assert len(tags) > 2_000
    assert not tags.str.contains(r"[#＃,，\s]").any()  # so `#one #two` is read as it is meant
    assert en["hashtags"].list.len().max() == 0


def test_no_vague_category_dominates() -> None:
    sizes = load_pack("zh").frame.group_by("interest_id").len()
    assert dict(sizes.rows())["society.local_news"] == 300
    assert sizes["len"].max() < 500


def test_titles_can_be_shown_at_work(build: ModuleType) -> None:
    coarse = build.COARSE
    assert coarse.search("a " + build.codecs.decode("shpx", "rot13") + "ing example")
    for harmless in ("Raccoon in the basement", "Grape scrape, cocktail analysis", "Uranus, a manuscript", "Dickens"):
        assert not coarse.search(harmless)
    assert not [t for t in load_pack("en").frame["text"] if coarse.search(t)]


def test_emails_and_long_numbers_are_out(build: ModuleType) -> None:
    for language in PACKS:
        said = load_pack(language).frame["text"].drop_nulls()
        assert not said.filter(said.str.contains(r"[\w.]+@[\w-]+\.\w+")).to_list()
    assert build.clean("ask bob@example.com or u/bob, 555-123-4567 &amp; more") == "ask or , & more"


def test_the_packs_come_with_their_licences() -> None:
    notice = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in (*(f"{p}.parquet" for p in PACKS.values()), "CC BY-SA 4.0", "PDDL", "CIKM 2022", "What was changed"):
        assert name in notice
    for language, pack in PACKS.items():
        assert f"`{pack}.parquet` | {pl.read_parquet(FOLDER / f'{pack}.parquet').height:,} |" in notice, language
    assert "coterie/simulate/packs/README.md" in (PROJECT / "data" / "README.md").read_text(encoding="utf-8")
    assert "simulate/packs/README.md" in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
