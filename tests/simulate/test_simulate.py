import hashlib
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from coterie.errors import SettingError
from coterie.simulate import simulate
from coterie.sources import build_index, check_source, load_source, read_events
from coterie.taxonomy import load_taxonomy

FIRST = date(2024, 5, 1)
ASKED: dict[str, Any] = {
    "seed": 3, "first_day": FIRST, "days": 3, "users": 400, "events_per_day": 8_000, "communities": 4, "mixing": 0.3,
    "exposures": True, "dirt": False,
}  # fmt: skip


def write(out: Path, **changed: Any) -> Path:
    simulate(out, **{**ASKED, **changed})
    return out


def files(out: Path) -> dict[str, str]:
    return {
        p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(out.rglob("*"))
        if p.is_file()
    }


def events_of(out: Path) -> pl.DataFrame:
    return pl.concat(
        [
            pl.read_parquet(p).with_columns(file=pl.lit(date.fromisoformat(p.stem)))
            for p in sorted((out / "events").iterdir())
        ]
    )


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "feed")


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "null", mixing=1.0, events_per_day=30_000)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "planted", events_per_day=30_000)


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("simulate") / "dirty", dirt=True, days=4, events_per_day=20_000)


def test_equal_seeds_give_equal_bytes_and_others_do_not(feed: Path, tmp_path: Path) -> None:
    first = files(feed)
    assert files(write(tmp_path / "again")) == first
    other = files(write(tmp_path / "other", seed=4))
    assert [name for name in first if other[name] == first[name]] == ["source.yaml"]


def test_a_longer_log_begins_with_the_same_days(dirty: Path, tmp_path: Path) -> None:
    short = files(write(tmp_path / "short", dirt=True, days=2, events_per_day=20_000))
    days = [name for name in short if name.startswith("events/")]
    assert len(days) == 2
    assert {name: files(dirty)[name] for name in days} == {name: short[name] for name in days}


@pytest.mark.parametrize("exposures", [True, False])
@pytest.mark.parametrize("dirt", [True, False])
@pytest.mark.parametrize("mixing", [0.0, 1.0])
def test_the_source_is_sound_and_as_large_as_asked(tmp_path: Path, exposures: bool, dirt: bool, mixing: float) -> None:
    out = write(tmp_path / "platform", exposures=exposures, dirt=dirt, mixing=mixing, events_per_day=20_000)
    check = check_source(out / "source.yaml")
    warned = [f.text for f in check.findings if f.level != "ok"]
    assert check.ok, warned
    if not dirt:
        assert len(warned) == (0 if exposures else 1), warned  # that no showings are logged
    assert sorted(check.days) == [FIRST + timedelta(days=k) for k in range(3)]
    assert sum(check.days.values()) / 3 == pytest.approx(20_000, rel=0.05)
    assert (check.items_found, check.text_share) == (1.0, 1.0)


def test_a_day_reads_as_it_was_written(feed: Path) -> None:
    source = load_source(feed / "source.yaml")
    day = FIRST + timedelta(days=1)
    read = read_events(source, build_index(source, None), day)
    written = pl.read_parquet(feed / "events" / f"{day}.parquet")
    assert read.rejects.is_empty()
    assert read.frame.height == written.height == written["id"].n_unique()
    assert written["ts"].dt.date().unique().to_list() == [day]
    assert written["ts"].is_sorted()


def test_every_act_follows_its_showing(feed: Path) -> None:
    log = events_of(feed)
    durations = pl.read_parquet(feed / "items.parquet").select("vid", "dur", "posted")
    pair = ["uid", "vid", "file"]
    times = log.group_by(pair).agg(
        *(
            pl.col("ts").filter(pl.col("action") == a).min().alias(a)
            for a in ("impression", "play", "like", "unlike", "not_interested")
        ),
        *((pl.col("action") == a).sum().alias(f"n_{a}") for a in ("impression", "play", "like", "unlike")),
    )
    assert times["impression"].null_count() == 0
    for earlier, later in (
        ("impression", "play"),
        ("play", "like"),
        ("like", "unlike"),
        ("impression", "not_interested"),
    ):
        acted = times.filter(pl.col(later).is_not_null())
        assert acted.height > 0
        assert acted.filter(pl.col(earlier).is_null() | (pl.col(later) <= pl.col(earlier))).is_empty(), later
    fewer = [("play", "impression"), ("like", "play"), ("unlike", "like")]
    for act, of in fewer:
        assert times.filter(pl.col(f"n_{act}") > pl.col(f"n_{of}")).is_empty()
    seen = log.join(durations, on="vid")
    assert seen.filter(pl.col("posted").dt.date() >= pl.col("file")).is_empty()  # nothing is shown before it is made
    plays = seen.filter(pl.col("action") == "play")
    assert plays.filter((pl.col("play_ms") < 1) | (pl.col("play_ms") > pl.col("dur"))).is_empty()
    assert log.filter((pl.col("action") != "play") & pl.col("play_ms").is_not_null()).is_empty()


def test_items_are_new_every_day(feed: Path) -> None:
    items = pl.read_parquet(feed / "items.parquet")
    made = items.group_by(pl.col("posted").dt.date()).len()
    assert items["vid"].is_unique().all()
    assert set(made["posted"]) == {FIRST + timedelta(days=k) for k in range(-14, 3)}
    assert made["len"].n_unique() == 1


def test_texts_speak_of_their_items_one_interest(feed: Path) -> None:
    taxonomy = load_taxonomy()
    items = pl.read_parquet(feed / "items.parquet").join(pl.read_parquet(feed / "truth/items.parquet"), on="vid")
    assert items.height == pl.read_parquet(feed / "items.parquet").height
    frames = set()
    for caption, tags, language, interest_id in items.select("caption", "tags", "lang", "interest_id").rows():
        interest = taxonomy.interests[interest_id][1]
        left = caption
        words = interest.keywords if language == "en" else interest.keywords_zh
        for word in sorted(words, key=len, reverse=True):
            left = left.replace(word, "*")
        frames.add(re.sub(r"\*((, |、)\*)*", "*", left))
        assert tags.removeprefix("#").replace("_", " ") in {w.replace("_", " ") for w in words}
    assert len(frames) == 2  # nothing but keywords and the two frames
    english = next(f for f in frames if f.isascii()).lower()
    chinese = next(f for f in frames if not f.isascii())
    for _, interest in taxonomy.interests.values():
        assert not [w for w in interest.keywords if re.search(rf"\b{re.escape(w.lower())}\b", english)]
        assert not [w for w in interest.keywords_zh if w in chinese]


def engagement_by_group(out: Path, acted: str, of: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Acts and what they could have been, each interests by communities."""
    users = pl.read_parquet(out / "truth/users.parquet")
    items = pl.read_parquet(out / "truth/items.parquet")
    log = events_of(out).join(users, on="uid").join(items, on="vid")

    def table(action: str) -> np.ndarray:
        counts = log.filter(pl.col("action") == action).group_by("interest_id", "community").len()
        full = (
            items.select("interest_id").unique().join(users.select("community").unique(), how="cross")
            .join(counts, on=["interest_id", "community"], how="left").fill_null(0).sort("interest_id", "community")
        )  # fmt: skip
        return full["len"].to_numpy().reshape(-1, users["community"].n_unique()).astype(float)

    return table(acted), table(of) if of else np.empty(0)


def independence(acts: np.ndarray, shown: np.ndarray) -> float:
    """p-value of acts given showings not depending on the community, within each interest."""
    statistic, freedom = 0.0, 0
    for all_done, all_tried in zip(acts, shown, strict=True):
        rate = all_done.sum() / max(all_tried.sum(), 1)
        enough = all_tried * min(rate, 1 - rate) >= 5
        if enough.sum() < 2:
            continue
        done, tried = all_done[enough], all_tried[enough]
        rate = done.sum() / tried.sum()
        statistic += float(((done - tried * rate) ** 2 / (tried * rate * (1 - rate))).sum())
        freedom += len(done) - 1
    assert freedom > 20
    return float(stats.chi2.sf(statistic, freedom))


@pytest.mark.parametrize("act", ["play", "like"])
def test_without_communities_engagement_given_exposure_is_equal(null: Path, planted: Path, act: str) -> None:
    assert independence(*engagement_by_group(null, act, "impression")) > 0.001
    assert independence(*engagement_by_group(planted, act, "impression")) < 1e-6


def test_without_communities_the_feed_still_treats_groups_differently(null: Path) -> None:
    shown, _ = engagement_by_group(null, "impression", None)
    assert stats.chi2_contingency(shown[shown.sum(axis=1) >= 50]).pvalue < 1e-100
    affinities = pl.read_parquet(null / "truth/affinities.parquet")
    assert affinities.group_by("interest_id").agg(pl.col("affinity", "appeal").n_unique())["appeal"].max() == 1


def test_without_communities_and_showings_everyone_chooses_alike(tmp_path: Path) -> None:
    for mixing, equal in ((1.0, True), (0.5, False)):
        out = write(tmp_path / str(mixing), mixing=mixing, exposures=False)
        likes, _ = engagement_by_group(out, "like", None)
        p = stats.chi2_contingency(likes[likes.sum(axis=1) >= 50]).pvalue
        assert p > 0.001 if equal else p < 1e-100


def test_choices_without_showings_follow_the_affinities(tmp_path: Path) -> None:
    out = write(tmp_path / "likes", exposures=False, events_per_day=40_000)
    likes, _ = engagement_by_group(out, "like", None)
    truth = pl.read_parquet(out / "truth/affinities.parquet").sort("interest_id", "community")
    names = sorted(set(pl.read_parquet(out / "truth/items.parquet")["interest_id"]))
    share = truth.filter(pl.col("interest_id").is_in(names))["affinity"].to_numpy().reshape(len(names), -1)
    expected = likes.sum(axis=0) * share
    assert truth.group_by("community").agg(pl.col("affinity").sum())["affinity"].to_list() == pytest.approx([1] * 4)
    z = (likes - expected) / np.sqrt(expected)
    assert np.abs(z[expected > 20]).max() < 4.5


def test_logged_propensities_are_those_of_the_stated_policy(feed: Path) -> None:
    """Rebuilt from the truth by the formula in the docstring, not from the code."""
    day = FIRST + timedelta(days=2)
    items = pl.read_parquet(feed / "truth/items.parquet").join(pl.read_parquet(feed / "items.parquet"), on="vid")
    made = pl.col("posted").dt.date()
    reach = items.filter((made < day) & (made >= day - timedelta(days=14)))
    weight = pl.col("popularity") * pl.col("feed_weight")
    policy = reach.join(pl.read_parquet(feed / "truth/affinities.parquet"), on="interest_id").select(
        "community", "vid", p=0.1 / reach.height + 0.9 * weight / weight.sum().over("community")
    )
    assert policy.group_by("community").agg(pl.col("p").sum())["p"].to_list() == pytest.approx([1] * 4)
    shown = (
        events_of(feed)
        .filter((pl.col("file") == day) & (pl.col("action") == "impression"))
        .join(pl.read_parquet(feed / "truth/users.parquet"), on="uid")
    )
    both = shown.join(policy, on=["community", "vid"], how="left")
    assert both["p_show"].to_numpy() == pytest.approx(both["p"].to_numpy(), rel=1e-9)


def test_random_showings_are_a_tenth_and_uniform(feed: Path) -> None:
    day = FIRST + timedelta(days=2)
    shown = events_of(feed).filter((pl.col("file") == day) & (pl.col("action") == "impression"))
    share = shown["explore"].mean()
    assert share == pytest.approx(0.1, abs=4.5 * np.sqrt(0.09 / shown.height))
    random = shown.filter("explore").group_by("vid").len()["len"].to_numpy()
    n = 14 * 40
    counts = np.concatenate([random, np.zeros(n - len(random))])
    assert stats.chisquare(counts).pvalue > 0.001
    positions = shown.filter("explore")["slot"].mean()
    assert positions == pytest.approx(shown["slot"].mean(), rel=0.1)


def test_inverse_propensity_weights_make_showings_uniform(null: Path) -> None:
    """Over popularity classes, the weighted count per item is the number of showings over the number of items."""
    day = FIRST + timedelta(days=2)
    items = pl.read_parquet(null / "truth/items.parquet").join(pl.read_parquet(null / "items.parquet"), on="vid")
    made = pl.col("posted").dt.date()
    reach = items.filter((made < day) & (made >= day - timedelta(days=14)))
    classes = reach.with_columns(rank=(pl.col("popularity").rank("ordinal") - 1) * 8 // reach.height)
    shown = events_of(null).filter((pl.col("file") == day) & (pl.col("action") == "impression"))
    share = 1 / (shown["p_show"] * shown.height)
    weighted = shown.with_columns(share=share).join(classes, on="vid").group_by("rank").agg(
        total="share", plain=pl.len()
    ).sort("rank")  # fmt: skip
    for rank, parts in weighted.select("rank", "total").rows():
        n = classes.filter(pl.col("rank") == rank).height
        values = np.asarray(parts)
        error = np.sqrt((values**2).sum())
        assert values.sum() == pytest.approx(n, abs=4 * error)
        assert error < 0.15 * n
    assert weighted["plain"][-1] > 3 * weighted["plain"][0]  # while the plain counts are far from equal


def test_truth_names_every_user_of_the_log(feed: Path) -> None:
    users = pl.read_parquet(feed / "truth/users.parquet")
    assert set(events_of(feed)["uid"]) <= set(users["uid"])
    assert users.height == 400
    assert users["activity"].sum() == pytest.approx(1)
    sizes = users["community"].value_counts().sort("community")["count"].to_list()
    assert len(sizes) == 4
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] > 40


def test_dirt_is_there_in_its_doses(dirty: Path) -> None:
    log = events_of(dirty)
    n = log.height
    day = pl.col("ts").dt.date()
    late = log.select((pl.col("file") - day).dt.total_days().alias("late"))["late"].value_counts()
    by = dict(late.rows())
    assert set(by) == {0, 1, 2}
    assert by[1] / n == pytest.approx(0.75 * 0.015, rel=0.2)  # the last day's late rows are not there yet
    assert by[2] / n == pytest.approx(0.5 * 0.005, rel=0.35)
    assert log["uid"].null_count() / n == pytest.approx(0.005, rel=0.25)
    assert (log["action"] == "heartbeat").sum() / n == pytest.approx(0.003, rel=0.3)
    negative = (log["play_ms"] < 0).sum()
    assert negative / log["play_ms"].count() == pytest.approx(0.005, rel=0.4)
    assert 1 - log["id"].n_unique() / n == pytest.approx(0.01, rel=0.2)
    assert (log["uid"] == "u0000000").sum() / n == pytest.approx(0.02, rel=0.3)
    check = check_source(dirty / "source.yaml")
    assert 0 < sum(r.rows for r in check.refused) / n < 0.05


def test_late_rows_of_a_day_are_found_by_its_reader(dirty: Path) -> None:
    source = load_source(dirty / "source.yaml")
    read = read_events(source, build_index(source, None), FIRST)
    assert {r.date() for r in read.frame["occurred_at"]} == {FIRST}
    own_file = pl.read_parquet(dirty / "events" / f"{FIRST}.parquet")
    good = own_file.filter(
        pl.col("uid").is_not_null(), pl.col("action") != "heartbeat", pl.col("play_ms").fill_null(0) >= 0
    )
    assert read.frame["event_id"].n_unique() > good["id"].n_unique() * 1.01


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mixing": 1.5}, "mixing: found 1.5; expected a number from 0 to 1"),
        ({"mixing": float("nan")}, "mixing: found nan"),
        ({"users": 3}, "users: found 3; expected at least 4"),
        ({"communities": 0}, "communities: found 0; expected at least 1"),
        ({"days": 0}, "days: found 0; expected at least 1"),
        ({"seed": -1}, "seed: found -1; expected at least 0"),
        ({"events_per_day": 9}, "events_per_day: found 9; expected at least 10"),
    ],
)
def test_arguments_out_of_range_are_named(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=re.escape(words)):
        write(tmp_path / "platform", **changed)
    assert not (tmp_path / "platform").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SettingError, match="expected a new or an empty folder"):
        write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("exposures", [True, False])
def test_the_smallest_platforms_work(tmp_path: Path, exposures: bool) -> None:
    for k, (users, communities) in enumerate([(2, 1), (10, 10), (30, 25)]):
        out = write(tmp_path / str(k), users=users, communities=communities, events_per_day=10, exposures=exposures,
                    dirt=True, days=1)  # fmt: skip
        assert pl.read_parquet(out / "truth/users.parquet")["community"].n_unique() == communities
        assert events_of(out).height > 0
