"""The report as an asset: its preview says in words what it says, and where it lies."""

from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets import reports
from coterie.report import track_record
from coterie.tables import TABLES
from resources.configurable import Log, Method, Reporting, Storage
from resources.lake import Lake
from resources.report_file import NEEDED, scores_of

DAY, BEFORE = date(2024, 5, 2), date(2024, 5, 1)
DAYS = dg.DailyPartitionsDefinition("2024-05-01", end_date="2024-06-01")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    cooks = {"community_id": "c1", "name": "Cooks", "verdict": "real", "users_rounded": 20, "summary": "They cook."}
    put(lake, DAY, **{name: [] for name in NEEDED} | {"mart_community_day": [cooks]})
    put(lake, DAY, raw_events=[{"event_id": str(n), "user_id": f"u{n}"} for n in range(24)])
    return lake


def put(lake: Lake, day: date, **tables: list[dict[str, object]]) -> None:
    for name, rows in tables.items():
        table = TABLES[name]
        frame = pl.DataFrame([dict.fromkeys(table.schema) | row for row in rows], schema=table.schema)
        with lake.stage(table, day, frame) as staged:
            lake.publish(staged)


def made_of(lake: Lake, reporting: Reporting) -> dg.AssetMaterialization:
    description = lake.home / "source.yaml"
    description.write_text(
        "name: t\ntimezone: UTC\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    storage = Storage(home=str(lake.home))
    result = dg.materialize(
        reports.build(DAYS),
        partition_key=DAY.isoformat(),
        resources={
            "storage": storage,
            "reporting": reporting,
            "log": Log(storage=storage, description=str(description), pseudonym_key=""),
            "method": Method(first_day=BEFORE.isoformat(), half_life_days=14.0, disclosure_size=20, graph_users=100),
        },
        instance=dg.DagsterInstance.ephemeral(),
    )
    (made,) = result.asset_materializations_for_node("report")
    return made


def test_its_preview_is_what_it_says_first(lake: Lake) -> None:
    made = made_of(lake, Reporting(language="en"))
    said = {}
    for key in ("preview", "to_do", "trust", "how_to_open"):
        shown = made.metadata[key]
        assert isinstance(shown, dg.MarkdownMetadataValue)
        said[key] = [line for line in str(shown.value).splitlines() if line]
        assert len(str(shown.value)) < 1000, "Dagster's UI folds what is longer"
    assert said["preview"][0] == "**What changed**"
    assert said["preview"][1] == "1. Fewer than 20 people engaged with anything, so nothing is told about them."
    assert said["preview"][2].startswith("2. Communities that are real: 1 of 1.")
    assert said["to_do"][0] == "**What to do**"
    assert said["to_do"][1].startswith("1. Nothing today: no suggestion passed its test")
    assert said["trust"][0] == "**How far to trust it**"
    assert said["trust"][1].startswith("1. There is no track record yet")
    assert said["how_to_open"][0].startswith("To open the file: `coterie report --day 2024-05-02 --open`.")
    path = Path(str(made.metadata["file"].value))
    assert path == lake.home / "reports" / "2024-05-02.html"
    assert "Cooks" in path.read_text(encoding="utf-8")
    assert made.metadata["open"].value == path.as_uri()


def test_where_the_reports_are_served_it_links_to_them(lake: Lake) -> None:
    made = made_of(lake, Reporting(language="en", url="https://reports.test/daily/"))
    assert made.metadata["open"].value == "https://reports.test/daily/2024-05-02.html"
    assert str(made.metadata["how_to_open"].value).startswith("A click on the address opens the file.")


def test_names_from_the_log_are_text_in_the_preview() -> None:
    evil = "Show <script> more [x](javascript:y) *z*"
    shown = reports._previews([("Changed", []), ("To do", [evil]), ("Trust", [])])
    assert shown["to_do"] == "**To do**\n\n" + r"1. Show &lt;script&gt; more \[x\](javascript:y) \*z\*"


def test_scores_are_summed_up_by_the_kind_of_their_suggestion(lake: Lake) -> None:
    put(lake, BEFORE, strategies=[{"strategy_id": "a", "kind": "boost_interest"}])
    scored = {"issued_on": BEFORE, "horizon_days": 7, "predicted": 0.1, "realised": 0.2, "placebo": 0.0}
    cards = [("a", "hit"), ("a", "miss"), ("a", "not_scorable"), ("gone", "hit")]
    # A score of the next day, and one of what was shipped: neither counts.
    apart = [
        {"strategy_id": "a", "verdict": "miss", **scored, **of} for of in ({"horizon_days": 8}, {"shipped_on": DAY})
    ]
    put(lake, DAY, strategy_scorecard=[*({"strategy_id": s, "verdict": v, **scored} for s, v in cards), *apart])
    assert track_record(scores_of(lake, first=BEFORE, last=DAY)).rows() == [
        ("boost_interest", 7, 2, 0.5, 0.1, 0.2, 0.0),
        ("unknown", 7, 1, 1.0, 0.1, 0.2, 0.0),
    ]
    assert scores_of(lake, first=BEFORE, last=BEFORE).is_empty()
