"""A day in parts: the same rows, the same checks, and never all of them in memory."""

from datetime import date
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from assets.gate import suite
from coterie.errors import CoterieError
from coterie.tables import ENGAGEMENT
from resources import lake as lake_module
from resources.audit import audit, audit_parts
from resources.lake import Lake

DAY = date(2024, 5, 1)


def rows(users: range) -> pl.DataFrame:
    return ENGAGEMENT.conform(
        pl.DataFrame(
            [(f"u{u:04}", f"i{i}", 1 + u % 2, True, u % 10 / 10, None, "") for u in users for i in range(3)],
            schema=ENGAGEMENT.schema,
            orient="row",
        )
    )


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    monkeypatch.setattr(lake_module, "ROW_GROUP_ROWS", 64)
    monkeypatch.setattr(lake_module, "PART_ROWS", 100)
    return Lake(tmp_path)


def test_parts_are_published_as_one_table(lake: Lake) -> None:
    whole = rows(range(100))
    with lake.stage(ENGAGEMENT, DAY, (whole.slice(at, 7) for at in range(0, 300, 7)), {"mark": "m"}) as staged:
        assert (staged.frame, staged.rows) == (None, 300)
        sizes = [part.height for part in staged.parts()]
        assert pl.concat(staged.parts()).equals(whole)
        lake.publish(staged)
    assert len(sizes) > 2
    assert max(sizes) <= 101
    assert lake.read("engagement", DAY).equals(whole)
    assert lake.read("engagement", DAY, ["item_id"]).equals(whole.select("item_id"))
    assert lake.note("engagement", DAY, "mark") == "m"
    file = pq.ParquetFile(lake.partition("engagement", DAY))
    assert {file.metadata.row_group(n).num_rows for n in range(file.num_row_groups - 1)} == {64}


def test_a_few_parts_become_the_very_file_that_the_frame_becomes(lake: Lake) -> None:
    whole = rows(range(30))
    written = []
    for content in (whole, iter([whole.head(40), whole.slice(40)])):
        with lake.stage(ENGAGEMENT, DAY, content) as staged:
            written.append(staged.path.read_bytes())
    assert written[0] == written[1]


def test_how_the_parts_were_cut_does_not_show(lake: Lake) -> None:
    whole = rows(range(100))
    written = []
    for size in (1, 50, 299):
        with lake.stage(ENGAGEMENT, DAY, [whole.slice(at, size) for at in range(0, 300, size)]) as staged:
            written.append(staged.path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_parts_out_of_order_are_refused(lake: Lake) -> None:
    parts = [rows(range(50, 100)), rows(range(50))]
    refused = pytest.raises(CoterieError, match="engagement: parts are not in the order of user_id, item_id")
    with refused, lake.stage(ENGAGEMENT, DAY, parts):
        pass
    assert not list(lake.home.rglob("*.parquet"))


def test_the_audit_of_parts_finds_what_the_audit_of_the_whole_finds(lake: Lake) -> None:
    whole = rows(range(100))
    wrong = whole.with_columns(strength=pl.when(pl.col("user_id").is_in(["u0003", "u0090"])).then(2.0).otherwise(0.5))
    # The same key twice, where one part ends and the next begins.
    wrong = ENGAGEMENT.conform(pl.concat([wrong, *(wrong.slice(at, 1) for at in range(95, 105))]))
    at_once = {f.check: f for f in audit(suite(ENGAGEMENT), wrong)}
    with lake.stage(ENGAGEMENT, DAY, [wrong.slice(at, 50) for at in range(0, wrong.height, 50)]) as staged:
        assert staged.frame is None
        in_parts = {f.check: f for f in audit_parts(suite(ENGAGEMENT), staged.parts())}
    assert {c: f.passed for c, f in in_parts.items()} == {c: f.passed for c, f in at_once.items()}
    assert not in_parts["contract"].passed
    for check, found in in_parts.items():
        assert found.numbers["rows"] == wrong.height
        assert found.numbers.get("unexpected") == at_once[check].numbers.get("unexpected")


def test_no_part_at_all_is_an_empty_day(lake: Lake) -> None:
    with lake.stage(ENGAGEMENT, DAY, iter(())) as staged:
        assert staged.rows == 0
        findings = audit_parts(suite(ENGAGEMENT), staged.parts())
    assert [f.check for f in findings] == [c.name for c in suite(ENGAGEMENT).checks]


def test_users_are_forgotten_in_a_table_of_many_parts(lake: Lake) -> None:
    whole = rows(range(100))
    with lake.stage(ENGAGEMENT, DAY, [whole], {"mark": "m"}) as staged:
        lake.publish(staged)
    assert lake.forget(["u0003", "u0099", "nobody"]) == {"engagement": 6}
    assert lake.read("engagement", DAY).equals(whole.filter(~pl.col("user_id").is_in(["u0003", "u0099"])))
    assert lake.note("engagement", DAY, "mark") == "m"
