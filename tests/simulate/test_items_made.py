"""The items of a platform: new ones every day, each with a real text about its one interest."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.simulate import Scenario, simulate
from coterie.simulate.items import CREATORS, LIFETIME, POPULARITY_TAIL
from coterie.simulate.texts import load_pack
from coterie.sources import load_source
from coterie.sources.items import read_items
from tests.simulate.platforms import FIRST, SMALL, ran

MANY = replace(SMALL, seed=8, days=2, events_per_day=40_000)  # 200 new items a day


def test_items_are_new_every_day_and_none_is_shown_before_it_is_made() -> None:
    items = ran(SMALL).items
    made = items.group_by(pl.col("posted").dt.date()).len()
    assert items["vid"].is_unique().all()
    assert set(made["posted"]) == {FIRST + timedelta(days=k) for k in range(-LIFETIME, 3)}
    assert set(made["len"]) == {8_000 // 200}
    assert items["author"].n_unique() <= CREATORS
    seen = ran(SMALL).log.join(items.select("vid", "posted"), on="vid")
    age = (seen["ts"].dt.date() - seen["posted"].dt.date()).dt.total_days()
    assert (age.min(), age.max()) == (1, LIFETIME)


def test_texts_are_rows_of_the_packs_about_the_items_interest() -> None:
    known = pl.concat([load_pack(c).frame.with_columns(lang=pl.lit(c)) for c in ("en", "zh")]).with_columns(
        tags=pl.when(pl.col("hashtags").list.len() > 0).then("#" + pl.col("hashtags").list.join(" #"))
    )
    key = ["caption", "tags", "lang", "interest_id", "accepted"]
    items = ran(MANY).items
    found = items.join(known.rename({"text": "caption"}).unique(key), on=key, nulls_equal=True, how="semi")
    assert found.height == items.height
    assert items["caption"].null_count() > 0  # what has hashtags only
    assert items.filter(pl.col("caption").is_null() & pl.col("tags").is_null()).is_empty()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_are_in_the_language_that_is_asked_for(language: str) -> None:
    assert set(ran(replace(SMALL, days=1, languages=language)).items["lang"]) == {language}


def test_an_interest_with_texts_in_both_languages_has_as_many_of_either() -> None:
    both = [i for i in load_pack("en").rows_of() if i in load_pack("zh").rows_of()]
    said = ran(MANY).items.filter(pl.col("interest_id").is_in(both))["lang"]
    assert stats.binomtest((said == "en").sum(), len(said)).pvalue > 0.001


def test_hashtags_are_read_as_they_were_meant(tmp_path: Path) -> None:
    simulate(tmp_path / "log", Scenario(users=50, communities=2, days=1, events_per_day=10_000, languages="zh"))
    written = pl.read_parquet(tmp_path / "log" / "items.parquet")
    read = read_items(load_source(tmp_path / "log" / "source.yaml"), item_ids=written["vid"], created_on=None).frame
    texts = load_pack("zh").frame.select("text", "hashtags")
    tags = {(t, tuple(h)) for t, h in texts.iter_rows()}
    several = 0
    for text, listed in read.select("text", "hashtags").iter_rows():
        found = tuple(json.loads(listed)) if listed else ()
        several += len(found) > 1
        assert (text, found) in tags
    assert several > 100
    assert read["text"].null_count() == written["caption"].null_count() > 0


def test_new_items_follow_the_supply() -> None:
    result = ran(MANY)
    interests = result.world.platform.interests
    share = np.mean([result.world.state(day).supply for day in range(-LIFETIME, 2)], axis=0)
    made = np.array([(result.items["interest_id"] == i).sum() for i in interests])
    expected = share * result.items.height
    enough = expected >= 5
    assert enough.sum() > 20
    z = (made[enough] - expected[enough]) / np.sqrt(expected[enough])
    assert stats.chi2.sf((z**2).sum(), enough.sum()) > 0.001


def test_popularity_is_pareto_and_lengths_are_those_of_short_videos() -> None:
    items = ran(MANY).items
    assert stats.kstest(items["popularity"].to_numpy(), stats.pareto(POPULARITY_TAIL).cdf).pvalue > 0.001
    assert 3_000 <= items["dur"].min() < 6_000
    assert 100_000 < items["dur"].max() <= 180_000
    assert items["dur"].median() == pytest.approx(25_000, rel=0.1)
