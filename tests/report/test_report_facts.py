"""The report's queries on tables whose answer is known."""

import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
import report_world as world
from conftest import Made
from statsmodels.stats.proportion import proportion_confint

from coterie.report import BETWEEN, FACTS
from coterie.report.facts import Fact
from coterie.tables import TABLES
from resources.lake import Lake
from resources.report_file import Reporter

DAY = date(2024, 5, 2)
BEFORE = date(2024, 5, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    world.empty_day(lake, DAY)
    return lake


def ask(lake: Lake, fact: str) -> pl.DataFrame:
    return Reporter(lake, "t", 20).facts(DAY)[fact]


def members(community: str, users: range, probability: float = 1.0) -> list[dict[str, object]]:
    return [
        {"user_id": f"u{n}", "community_id": community, "probability": probability, "is_primary": True, "level": 0}
        for n in users
    ]


def test_moves_are_counted_between_days_and_small_groups_left_out(lake: Lake) -> None:
    world.put(lake, BEFORE, memberships=[*members("a", range(50)), *members("b", range(50, 60))])
    # 27 stay, 22 move, one leaves; of b all go (too few to tell); 21 come from nowhere.
    after = [*members("a", range(27)), *members("c", range(27, 49)), *members("c", range(100, 121))]
    world.put(lake, DAY, memberships=after)
    assert ask(lake, "moves").rows() == [(DAY, "a", "a", 25), (DAY, "a", "c", 20), (DAY, None, "c", 20)]


def test_sizes_have_the_interval_of_their_probabilities(lake: Lake) -> None:
    told = {
        "community_id": "a",
        "name": "A",
        "verdict": "real",
        "users_rounded": 100,
        "summary": "",
        "proposed_strategies": 0,
    }
    world.put(lake, DAY, memberships=members("a", range(100), 0.8), mart_community_day=[told])
    # The standard error is the root of 100 * 0.8 * 0.2, which is 4: 1.645 of them are 6.6.
    row = ask(lake, "communities").row(0, named=True)
    assert (row["users_low"], row["users_rounded"], row["users_high"]) == (90, 100, 115)


def test_overlap_is_one_for_the_same_and_nothing_for_others(lake: Lake) -> None:
    communities = {"a": ("x", "y"), "b": ("x", "y"), "c": ("z",)}
    mine = {c: [f"{c}{n}" for n in range(25)] for c in communities}
    base = dict.fromkeys(("evidence", "engaged_square", "expected", "affinity", "lift", "lift_low", "lift_high",
                          "p_value", "q_value"), 1.0)  # fmt: skip
    world.put(
        lake, DAY,
        memberships=[{"user_id": u, "community_id": c, "probability": 1.0, "is_primary": True, "level": 0}
                     for c, users in mine.items() for u in users],
        mart_community_day=[{"community_id": c, "name": c, "verdict": "real", "users_rounded": 25, "summary": "",
                             "proposed_strategies": 0} for c in communities],
        user_interests=[{**base, "user_id": u, "interest_id": i, "engaged": 2.0}
                        for c, users in mine.items() for u in users for i in communities[c]],
    )  # fmt: skip
    assert ask(lake, "neighbours").rows() == [("a", "b", 1.0), ("b", "a", 1.0)]


@pytest.mark.parametrize(("inside", "shown"), [(19, False), (20, True)])
def test_an_item_is_shown_only_if_enough_members_took_it_up(lake: Lake, inside: int, shown: bool) -> None:
    told = {
        "community_id": "a",
        "name": "A",
        "verdict": "real",
        "users_rounded": 40,
        "summary": "",
        "proposed_strategies": 0,
    }
    seen = [("i", n) for n in range(inside)] + [("other", n) for n in range(400)]
    world.put(
        lake, DAY, memberships=members("a", range(40)), mart_community_day=[told],
        raw_items=[{"item_id": "i", "text": "T", "language": "en", "text_hash": "", "content_hash": ""}],
        engagement=[{"user_id": f"u{n}", "item_id": i, "exposures": 1, "exposure_logged": True, "strength": 0.5,
                     "signals": ""} for i, n in seen],
    )  # fmt: skip
    found = ask(lake, "exemplars")
    assert found["item_id"].to_list() == (["i"] if shown else [])
    if shown:
        # 20 of 40 members; of 360 others nobody, who count as the 20 that they would be fewer than.
        assert found.row(0, named=True)["times"] == 9.0


def test_the_gap_has_the_error_of_a_ratio_over_users(lake: Lake) -> None:
    rng = np.random.default_rng(0)
    strengths = rng.uniform(0.1, 1.0, size=(60, 2)).round(3)
    item = {"language": "en", "text_hash": "", "content_hash": ""}
    label = {"weight": 1.0, "confidence": 0.9, "labeller": "local", "model": "m", "taxonomy_version": "t"}
    world.put(
        lake, DAY,
        raw_items=[{**item, "item_id": i} for i in ("x", "y")],
        item_labels=[{**label, "item_id": i, "interest_id": i} for i in ("x", "y")],
        engagement=[{"user_id": f"u{n}", "item_id": i, "exposures": 1, "exposure_logged": True,
                     "strength": strengths[n, j], "signals": ""} for n in range(60) for j, i in enumerate(("x", "y"))],
        mart_interest_trends=[{"interest_id": i, "domain": "d", "interest": i, "users_rounded": 60, "demand_share": 0.4,
                               "supply_share": 0.5, "gap": -0.1, "trend": "steady"} for i in ("x", "y")],
    )  # fmt: skip
    totals = strengths.sum(axis=1)
    share = strengths[:, 0].sum() / totals.sum()
    wanted = np.sqrt(((strengths[:, 0] - share * totals) ** 2).sum()) / totals.sum()
    offered = np.sqrt(0.25 / 2 + 0.25)
    row = ask(lake, "gaps").filter(pl.col("interest_id") == "x").row(0, named=True)
    assert row["gap_high"] - row["gap"] == pytest.approx(1.645 * np.hypot(wanted, offered), abs=0.006)


def test_a_ratio_of_nothing_is_no_number(lake: Lake) -> None:
    row = {"interest_id": "x", "domain": "d", "interest": "x", "users_rounded": 60, "demand_share": 0.4,
           "supply_share": 0.5, "gap": -0.1, "trend": "steady"}  # fmt: skip
    world.put(lake, DAY, mart_interest_trends=[row])
    found = ask(lake, "gaps").row(0, named=True)
    assert (found["gap"], found["gap_low"], found["gap_high"]) == (-0.1, None, None), "nobody engaged, nothing was new"
    assert "Supply and demand" in Reporter(lake, "t", 20).report(DAY)


def test_shares_by_day_have_wilsons_interval(usual: Made) -> None:
    row = usual.facts().row("interest_days", day=world.LAST, interest_id=world.interests()[1][0])
    assert row is not None
    low, high = proportion_confint(30, 175, alpha=0.1, method="wilson")
    assert (row["share"], row["share_low"], row["share_high"]) == pytest.approx((30 / 175, low, high), abs=2e-4)


def test_the_record_and_the_levels_are_counted(usual: Made) -> None:
    facts = usual.facts()
    record = facts.row("record", kind="all")
    assert record is not None
    low, high = proportion_confint(10, 12, alpha=0.1, method="wilson")
    assert (record["scored"], record["hits"]) == (12, 10)
    assert (record["hit_rate_low"], record["hit_rate_high"]) == pytest.approx((low, high), abs=1e-3)
    # Ten differ by 0.01 with an error of 0.042, two by far more: each level holds ten of twelve.
    assert facts["calibration"]["share"].to_list() == [0.833] * 6


def test_nobody_waits_for_an_analyst_who_writes_into_the_views_file(lake: Lake) -> None:
    lake.refresh_views()
    holder = "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", holder, str(lake.home / "coterie.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as analyst:
        assert analyst.stdout is not None
        assert analyst.stdout.readline() == "held\n"
        assert ask(lake, "overview")["events"].to_list() == [0]
        analyst.communicate()


def test_no_fact_shows_fewer_people_than_may_be_told(forty: Made) -> None:
    facts = forty.facts()
    for name in FACTS:
        for column in ("users_rounded", "people"):
            if column in facts[name].columns:
                least = facts[name][column].min()
                assert least is None or int(str(least)) >= world.K, f"{name}.{column}"


def test_two_days_side_by_side(usual: Made) -> None:
    first = world.LAST - timedelta(days=8)
    html = Reporter(usual.lake, "test", world.K).comparison(first, world.LAST)
    assert "20 May 2024 against 12 May 2024" in html
    said = re.sub("<[^>]+>", "", html)
    assert "Communities that are real: 5 now, 6 on the earlier day. 0 that are shown" in said
    assert "About 175 people engaged with something, 180 on the earlier day: −3% (90% interval −18% to +16%)." in said
    assert "Suggestions: 10 now, 0 then, 0 of them the same." in said
    usual.lake.refresh_views()
    with duckdb.connect(str(usual.lake.home / "coterie.duckdb"), read_only=True) as views:
        moved = views.sql(
            BETWEEN["moves_between"].sql, params={"before": first, "day": world.LAST, "k": world.K}
        ).fetchall()
    assert ("c01", "c02", 25) in moved
    assert all(source == target for source, target, _ in moved if (source, target) != ("c01", "c02"))


@pytest.mark.parametrize("fact", [*FACTS.values(), *BETWEEN.values()], ids=lambda f: f.name)
def test_the_tables_that_a_number_names_are_those_that_its_query_reads(fact: Fact) -> None:
    made = set(re.findall(r"\b(\w+) as \(", fact.sql))
    read = set(re.findall(r"\b(?:from|join)\s+(\w+)", fact.sql)) & set(TABLES) - made
    assert read == set(fact.tables)
