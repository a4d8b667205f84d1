"""`coterie taxonomy propose` and `diff`: what they print and write, and that a preview comes before any spending."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import anthropic
import polars as pl
import pytest
from typer.testing import CliRunner

from coterie.errors import SettingError, TaxonomyError
from coterie.labels.claude import ClaudeLabeller
from coterie.labels.ledger import Ledger
from coterie.tables import TABLES
from coterie.taxonomy import as_yaml, load_taxonomy
from resources.lake import Lake
from tests.labels.claude_cases import TREE, make_taxonomy
from tests.labels.claude_server import ClaudeServer, running
from workflows.cli import app

DAY = date(2024, 5, 1)
TEXTS = ["<food.tea> a", "<sport.judo> b", "nothing c", "mail jo@b.org <food.bread> d", "<music.jazz> we drink oolong"]


@pytest.fixture
def server() -> Iterator[ClaudeServer]:
    with running() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, server: ClaudeServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with five texts, labelled with TREE by Claude, and a source that names TREE."""
    (tmp_path / "old.yaml").write_text(as_yaml(make_taxonomy(TREE), ""), encoding="utf-8")
    (tmp_path / "source.yaml").write_text(
        "name: t\ntimezone: UTC\ntaxonomy: old.yaml\nevents:\n  path: none.csv\n"
        "  columns: {user_id: u, item_id: i, event_type: e, occurred_at: t}\n  event_types: {like: {kind: positive}}\n"
    )
    for name, value in {
        "COTERIE_HOME": str(tmp_path),
        "COTERIE_SOURCE": str(tmp_path / "source.yaml"),
        "ANTHROPIC_API_KEY": "key",
        "ANTHROPIC_BASE_URL": server.url,
        "COLUMNS": "300",
    }.items():
        monkeypatch.setenv(name, value)
    lake = Lake(tmp_path)
    items = [
        {"item_id": f"i{n}", "text": t, "text_hash": f"h{n}", "content_hash": f"c{n}", "language": "en"}
        for n, t in enumerate(TEXTS)
    ]
    labels = [
        {"item_id": "i0", "interest_id": "food.tea", "weight": 1.0, "confidence": 0.9},
        {"item_id": "i1", "interest_id": "sport.judo", "weight": 1.0, "confidence": 0.9},
    ]
    for name, rows in {"raw_items": items, "item_labels": labels}.items():
        table = TABLES[name]
        frame = pl.DataFrame([dict.fromkeys(table.schema) | row for row in rows], schema=table.schema)
        with lake.stage(table, DAY, frame) as staged:
            lake.publish(staged)
    return tmp_path


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["taxonomy", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_propose_says_the_price_first_and_writes_a_file(home: Path, server: ClaudeServer) -> None:
    out = home / "new.yaml"
    told = run("propose", "--sample", "4", "--out", out, "--dry-run")
    assert "To buy: 4 of 4 texts" in told
    assert server.calls == []
    assert not out.exists()
    told = run("propose", "--out", out)
    assert told.index("To buy: 5 of 5 texts") < told.index("Read 5 of 5 texts")
    assert "1 added\n  + music.jazz\n0 removed\n0 changed" in told
    assert "jo@" not in str(server.asked)
    old, new = load_taxonomy(home / "old.yaml"), load_taxonomy(out)
    assert old.diff(new).added == ("music.jazz",)
    assert (old.edition, new.edition) == (1, 2)
    assert "Proposed by claude-haiku-4-5 from 5 texts" in out.read_text(encoding="utf-8")
    with pytest.raises(TaxonomyError, match=r"new\.yaml: found a file"):
        run("propose", "--out", out)


def test_propose_spends_nothing_beyond_the_budget(
    home: Path, server: ClaudeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COTERIE_LABEL_BUDGET_USD", "0.01")
    with pytest.raises(SettingError, match="COTERIE_LABEL_BUDGET_USD"):
        run("propose", "--out", home / "new.yaml")
    assert server.calls == []


def test_diff_says_what_would_be_labelled_anew(home: Path, server: ClaudeServer) -> None:
    new = make_taxonomy({**TREE, "food": ["tea", "wine"]}, tea={"keywords": ["tea", "oolong"], "description": "Leaves"})
    (home / "new.yaml").write_text(as_yaml(new, ""), encoding="utf-8")
    told = run("diff", home / "old.yaml", home / "new.yaml")
    assert "1 added\n  + food.wine\n1 removed\n  - food.bread\n1 changed" in told
    assert "~ food.tea: description 'About tea' -> 'Leaves'; keywords +oolong" in told
    assert "item_labels of 2024-05-01 to 2024-05-01: 1 of 2 items are labelled with an interest of theirs" in told
    assert "no ledger" in told

    client = anthropic.Anthropic(api_key="key", base_url=server.url)
    old, ledger = load_taxonomy(home / "old.yaml"), Ledger(home / "state" / "labels.sqlite")
    labeller = ClaudeLabeller(client, old, ledger, model="claude-haiku-4-5", mode="online", budget_usd=5)
    labelled = labeller.label(Lake(home).read("raw_items", DAY))
    assert list(labelled.failed) == ["h4"]  # it names an interest that the old taxonomy does not have
    calls = len(server.calls)
    told = run("diff", home / "old.yaml", home / "new.yaml")
    # Again: tea and bread for their branch, the empty one for the interest that came.
    assert "Answers of claude-haiku-4-5: 3 of 4 would be asked again, the others stand." in told
    assert "To buy: 4 of 5 texts (1 in the ledger" in told
    assert len(server.calls) == calls


def test_diff_of_a_taxonomy_with_itself(home: Path) -> None:
    told = run("diff", home / "old.yaml", home / "old.yaml")
    assert "0 added\n0 removed\n0 changed" in told
    assert "Branches that change: none" in told
