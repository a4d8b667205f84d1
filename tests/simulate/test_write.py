"""The files: sound, as large as asked, equal by seed, whole, and never over others."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coterie.errors import SettingError
from coterie.simulate import Boost, Scenario, World, default_life, simulate
from coterie.simulate.effects import BOOST_SHARE
from coterie.sources import build_index, check_source, load_source, read_events
from tests.simulate.platforms import FIRST, SMALL, ran

FULL = replace(SMALL, days=5, users=300, events_per_day=2_000, dirt=True, communities=6, life=default_life(5))


@pytest.fixture(scope="module", autouse=True)
def _rough_strengths() -> Iterator[None]:
    """How exactly the truth's strengths are measured makes no difference here, only time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.simulate.effects.SHOWINGS", 500)
        yield


def files(out: Path) -> dict[str, str]:
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(out.rglob("*"))
        if p.is_file()
    }


def write(out: Path, scenario: Scenario) -> Path:
    simulate(out, scenario)
    return out


def names_in(out: Path) -> set[str]:
    return {p.stem for p in (out / "truth").iterdir()}


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "feed", SMALL)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "full", FULL)


def test_equal_scenarios_give_equal_bytes_and_other_seeds_do_not(full: Path, tmp_path: Path) -> None:
    first = files(full)
    assert files(write(tmp_path / "again", FULL)) == first
    other = files(write(tmp_path / "other", replace(FULL, seed=4)))
    # What is asked for, and no draw, is all that it says.
    assert [name for name in first if other[name] == first[name]] == ["truth/lineage.parquet"]
    names = [load_source(folder / "source.yaml").name for folder in (full, tmp_path / "again", tmp_path / "other")]
    assert names[0] == names[1] != names[2], "a home could not tell the platforms apart"


def test_a_longer_log_begins_with_the_same_days(full: Path, tmp_path: Path) -> None:
    short = files(write(tmp_path / "short", replace(FULL, days=4, life=FULL.life[:-1])))
    days = [name for name in short if name.startswith("events/")]
    assert len(days) == 4
    assert {name: files(full)[name] for name in days} == {name: short[name] for name in days}


def test_a_much_longer_log_begins_with_the_same_days_a_viral_interest_included() -> None:
    platform = replace(SMALL, days=13, users=50, events_per_day=500)
    short, long = ran(platform), ran(replace(platform, days=40))
    assert_frame_equal(long.log.filter(pl.col("number") < 13), short.log)
    assert_frame_equal(long.items.head(short.items.height), short.items)


@pytest.mark.parametrize(
    "scenario",
    [
        replace(SMALL, mixing=0.0),
        replace(SMALL, mixing=1.0, exposures=False),
        replace(SMALL, dirt=True),
        replace(SMALL, dirt=True, exposures=False),
        replace(SMALL, null="feed_only", languages="zh"),
    ],
    ids=["feed", "forum", "dirty feed", "dirty forum", "feed_only"],
)
def test_the_source_is_sound_and_as_large_as_asked(tmp_path: Path, scenario: Scenario) -> None:
    out = write(tmp_path / "platform", scenario)
    check = check_source(out / "source.yaml")
    warned = [f.text for f in check.findings if f.level != "ok"]
    assert check.ok, warned
    if not scenario.dirt:
        assert len(warned) == (0 if scenario.exposures else 1), warned  # that no showings are logged
    assert sorted(check.days) == [FIRST + timedelta(days=k) for k in range(3)]
    assert sum(check.days.values()) / 3 == pytest.approx(scenario.events_per_day, rel=0.05)
    assert check.items_found is not None
    assert check.items_found >= (0.98 if scenario.dirt else 1)
    known = pl.read_parquet(out / "items.parquet")
    assert known.filter(pl.col("caption").is_null() & pl.col("tags").is_null()).is_empty()
    languages = {"en", "zh"} if scenario.languages == "both" else {scenario.languages}
    assert set(known["lang"]) == languages


def test_a_day_reads_as_it_was_written(feed: Path) -> None:
    source = load_source(feed / "source.yaml")
    day = FIRST + timedelta(days=1)
    read = read_events(source, build_index(source, None), day)
    written = pl.read_parquet(feed / "events" / f"{day}.parquet")
    assert read.rejects.is_empty()
    assert read.frame.height == written.height == written["id"].n_unique()
    assert written["ts"].dt.date().unique().to_list() == [day]
    assert written["ts"].is_sorted()
    assert_frame_equal(written, ran(SMALL).days[1].events)


def test_the_truth_is_in_the_files_that_are_named(full: Path) -> None:
    docs = simulate.__doc__ or ""
    columns = {
        "users": ["uid", "from_day", "to_day", "community", "feed_group", "activity", "is_bot"],
        "items": ["vid", "interest_id", "accepted", "language", "pack", "popularity"],
        "item_changes": ["vid", "day", "change", "text_before"],
        "engagement": [
            "day", "community", "interest_id", "affinity", "appeal", "play_rate", "strength", "served",
        ],
        "boosts": ["day", "community", "interest_id", "share", "strength", "mean_strength", "effect"],
        "lineage": ["day", "event", "community", "from_communities"],
        "trends": ["day", "interest_id", "factor", "viral"],
    }  # fmt: skip
    assert {p.stem for p in (full / "truth").iterdir()} == set(columns)
    for name, names in columns.items():
        frame = pl.read_parquet(full / "truth" / f"{name}.parquet")
        assert frame.columns == names
        assert frame.height > 0, name
        assert f"`{name}.parquet`" in docs


def test_the_truth_covers_the_log(full: Path) -> None:
    truth = {p.stem: pl.read_parquet(p) for p in (full / "truth").iterdir()}
    events = pl.concat([pl.read_parquet(p) for p in sorted((full / "events").iterdir())])
    assert set(events["uid"].drop_nulls()) <= set(truth["users"]["uid"])
    assert set(events["vid"].drop_nulls()) <= set(truth["items"]["vid"])
    days = [FIRST + timedelta(days=k) for k in range(5)]
    assert truth["engagement"]["day"].unique().sort().to_list() == days
    assert truth["trends"]["day"].unique().sort().to_list() == days
    assert truth["boosts"]["day"].unique().to_list() == [days[-1]]
    assert set(truth["boosts"]["share"]) == {BOOST_SHARE}
    events_lived = truth["lineage"].filter(pl.col("day") > FIRST)["event"]
    assert sorted(events_lived) == ["born", "died", "drifted", "merged", "split"]
    living = truth["engagement"].filter(pl.col("day") == days[-1])["community"].unique()
    assert sorted(living.drop_nulls()) == sorted(
        truth["users"].filter(pl.col("to_day") == days[-1])["community"].drop_nulls().unique()
    )
    assert truth["items"].select(pl.col("accepted").list.contains(pl.col("interest_id")).all()).item()


def test_a_forum_has_no_item_changes_and_no_effects(tmp_path: Path) -> None:
    out = write(tmp_path / "forum", replace(SMALL, days=1, exposures=False))
    assert names_in(out) == {"users", "items", "engagement", "boosts", "lineage", "trends"}
    assert pl.read_parquet(out / "truth" / "boosts.parquet").is_empty()


def test_with_a_boost_the_truth_says_what_it_changed(tmp_path: Path) -> None:
    interest = ran(SMALL).world.platform.interests[0]
    out = write(tmp_path / "boosted", replace(SMALL, boosts=(Boost(1, interest, 0.2, 1),)))
    assert names_in(out) == {"users", "items", "engagement", "boosts", "lineage", "trends", "rehearsal"}
    rehearsal = pl.read_parquet(out / "truth" / "rehearsal.parquet")
    assert rehearsal["day"].to_list() == [FIRST + timedelta(days=k) for k in (1, 2)]
    for column in ("`rehearsal.parquet`", *rehearsal.columns):
        assert column in (simulate.__doc__ or "")


def test_it_says_what_it_wrote(feed: Path, tmp_path: Path) -> None:
    said = simulate(tmp_path / "again", SMALL)
    events = pl.concat([pl.read_parquet(p) for p in (feed / "events").iterdir()])
    assert f"{events.height:,} rows" in said
    assert "2024-05-01 to 2024-05-03" in said
    assert "400 users" in said
    assert f"{17 * 40} items" in said


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(SettingError, match="expected a new or an empty folder"):
            simulate(out, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_what_cannot_be_simulated_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="found interest"):
        simulate(tmp_path / "new", replace(SMALL, boosts=(Boost(0, "food.stones", 0.1, 1),)))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("exposures", [True, False])
def test_the_smallest_platforms_work(tmp_path: Path, exposures: bool) -> None:
    for k, (users, communities) in enumerate([(10, 1), (10, 5), (50, 25)]):
        out = write(tmp_path / str(k), Scenario(users=users, communities=communities, events_per_day=10, days=1,
                                                exposures=exposures, dirt=True))  # fmt: skip
        assert pl.read_parquet(out / "truth/users.parquet")["community"].drop_nulls().n_unique() == communities
        assert pl.read_parquet(out / "events/2024-05-01.parquet").height > 0


def test_memory_holds_a_day_and_the_items_in_reach() -> None:
    """Days are made one at a time: the tenth is there before the eleventh is asked for."""
    days = World(replace(SMALL, days=3_000, users=50, events_per_day=100)).days()
    seen = [next(days).number for _ in range(20)]
    assert seen == list(range(-14, 6))
