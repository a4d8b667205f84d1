"""Text files that were cut off, and quotes that are never closed: refused or told, never passed over."""

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coterie.errors import SourceError
from coterie.sources import Source, build_index, read_events
from coterie.sources.files import engine, open_rows
from coterie.sources.lines import Tally, is_well_formed, tally

DAY = date(2024, 3, 5)
HEAD = "uid,vid,action,ts,n\n"
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def row(i: int, n: object = 12345) -> str:
    return f"user{i:05d},v{i % 7},play,2024-03-05T12:{i % 60:02d}:00,{n}\n"


def trouble(source: Source) -> str:
    (entry,) = build_index(source, None).files
    return entry.error or ""


# --- files that were cut off ---


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_cut_in_half_inside_a_row_is_refused_whole(log: Any, suffix: str, packed: str) -> None:
    rows = [{"uid": f"u{i}", "vid": "v", "action": "play", "ts": f"{DAY}T12:00:00"} for i in range(1013)]
    path = log.write(f"events/{DAY}.{suffix}", rows)
    data = path.read_bytes()
    half = data[: len(data) // 2]
    assert not half.endswith(b"\n")
    path.unlink()
    # A pipe whose writer died packs what it got to a sound end.
    (log.folder / f"events/{DAY}.{suffix}{packed}").write_bytes(PACKED[packed](half))
    source = log.source()
    index = build_index(source, None)
    assert index.rows() == {DAY: 0}
    with pytest.raises(SourceError, match=rf"events/{DAY}.{suffix}{packed}: the file is cut off: its last line has no"):
        read_events(source, index, DAY)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEAD + row(0) + "user1,v1,play", "has 3 of 5 values"),
        (HEAD + row(0) + 'user1,"v, 1",play', "has 3 of 5 values"),
        (HEAD + row(0) + 'user1,v1,play,2024-03-05T12:00:00,"a long', "ends within quotes"),
        (HEAD + row(0) + 'user1,"v1,play\nuser2', "ends within quotes"),
        (HEAD + row(0)[:-1] + "\r", "ends in CR without LF"),
        (
            HEAD + "".join(map(row, range(102)))[:-4],
            "has a last value that is shorter than that of any of the 101 rows",
        ),
        (
            HEAD + "".join(map(row, range(102)))[:-6],
            "has a last value that is shorter than that of any of the 101 rows",
        ),
    ],
)
def test_how_a_cut_off_csv_file_shows(log: Any, text: str, why: str) -> None:
    log.write_text("events/a.csv", text)
    said = trouble(log.source())
    assert said.startswith(f"events/a.csv: the file is cut off: its last line has no line end and {why}")
    assert "if this one is whole, end its last line" in said
    log.write_text("events/a.csv", text + "\n")
    assert "cut off" not in trouble(log.source())


def test_a_csv_file_that_ends_where_a_block_does_is_refused(log: Any) -> None:
    text = HEAD + "".join(map(row, range(99)))
    last = "user,v,play,2024-03-05T12:00:00,"
    block = text + last + "7" * (8192 - len(text) - len(last))
    log.write_text("events/a.csv", block)
    assert "ends where a block of 4096 bytes does" in trouble(log.source())
    log.write_text("events/a.csv", block + "7")
    assert trouble(log.source()) == ""


@pytest.mark.parametrize(
    "text",
    [
        HEAD + row(0) + row(1)[:-1],
        HEAD + "".join(map(row, range(100)))[:-4],  # too few to compare with
        HEAD + "".join(row(i, i) for i in range(120))[:-3],  # others are as short
        HEAD + "".join(map(row, range(102)))[:-6] + '"1"',  # a quote that closes: the value is whole
        HEAD + row(0) + "  ",
    ],
)
def test_a_csv_file_that_may_well_be_whole_is_read(log: Any, text: str) -> None:
    log.write_text("events/a.csv", text)
    source = log.source(first_day=DAY)
    assert trouble(source) == ""
    rows = [line for line in text.splitlines()[1:] if line.strip()]
    assert read_events(source, build_index(source, None), DAY).frame.height == len(rows)


@pytest.mark.parametrize("ending", ["", "\n", "\n\n", " "])
def test_the_last_line_of_json_shows_by_itself_whether_it_is_whole(log: Any, ending: str) -> None:
    line = json.dumps({"uid": "u", "vid": "v", "action": "play", "ts": f"{DAY}T12:00:00"})
    log.write_text("events/a.jsonl", line + ending)
    assert trouble(log.source()) == ""
    log.write_text("events/a.jsonl", line + "\n" + line[:-9])
    assert "its last line has no line end and is not whole JSON" in trouble(log.source())
    log.write_text("events/a.jsonl", line + "\n[1]")  # not what is expected, but whole
    assert trouble(log.source()) == ""


@pytest.mark.parametrize(("text", "unended"), [(HEAD + row(0), False), (HEAD + row(0)[:-1], True)])
def test_whether_the_last_line_ends_is_known(log: Any, text: str, unended: bool) -> None:
    with engine() as con:
        assert open_rows(con, log.write_text("a.csv", text), "a.csv").unended is unended


# --- quotes ---


def test_what_a_quote_that_is_never_closed_swallows_is_quarantined_line_by_line(log: Any) -> None:
    rows = [row(i) for i in range(9)]
    rows[2] = "too,few\n"
    rows[5] = rows[5].replace("v5", '"v5')
    log.write_text(f"events/{DAY}.csv", HEAD + "".join(rows))
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert sorted(result.frame["user_id"]) == [f"user{i:05d}" for i in (0, 1, 3, 4)]
    lost = [json.loads(p)["line"] + "\n" for p in result.rejects["payload"]]
    assert sorted(lost) == sorted([rows[2], *rows[5:]])
    assert (result.read, result.digest) == (9, index.days()[DAY])


def test_what_quotes_hold_together_wrongly_is_quarantined_line_by_line(log: Any) -> None:
    rows = [row(i) for i in range(9)]
    rows[3] = rows[3].replace("v3", '"v3')  # the next quote closes it, three rows later
    rows[6] = rows[6].replace("v6", '"v6"')
    text = ("\ufeff" + HEAD + "too,few\n" + "".join(rows)).replace("\n", "\r\n")
    log.write_text(f"events/{DAY}.csv", text)
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert sorted(result.frame["user_id"]) == [f"user{i:05d}" for i in (0, 1, 2, 7, 8)]
    lost = [json.loads(p)["line"] + "\n" for p in result.rejects["payload"]]
    assert sorted(lost) == sorted(["too,few\n", *rows[3:7]])
    assert (result.read, result.digest) == (10, index.days()[DAY])


def test_a_mere_quote_in_a_value_is_no_open_one(log: Any) -> None:
    log.write_text(f"events/{DAY}.csv", HEAD + row(0).replace("v0", '5" disc') + row(1) + "too,few\n")
    source = log.source()
    result = read_events(source, build_index(source, None), DAY)
    assert sorted(result.frame["item_id"]) == ['5" disc', "v1"]
    assert result.rejects["payload"].to_list() == ['{"line": "too,few"}']


def test_where_quotes_cannot_be_told_apart_the_file_is_refused(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write_text(f"events/{DAY}.csv", HEAD + row(0) + 'u,"v"x,play,2024-03-05T12:00:00,1\n')
    source = log.source()
    assert trouble(source) == ""
    monkeypatch.setattr("coterie.sources.files.tally", lambda *file: Tally(1, b"", 0, [["x"]], []))
    said = (
        f"events/{DAY}.csv: quotes are out of order: found 1 rows .* but 1 that can be read and 1 that cannot; expected"
    )
    with pytest.raises(SourceError, match=said):
        read_events(source, build_index(source, None), DAY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text('a,"\n ', max_size=12), after=st.sampled_from(["z,z,z\n", '"z",z,z\n', "z\n"]))
@example(body='"a"a,"', after="z,z,z\n")
@example(body='1,2,  "', after="z,z,z\n")
@example(body='1,2, "', after="z,z,z\n")
def test_rows_are_told_apart_as_duckdb_does(tmp_path: Path, body: str, after: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"a,b,c\n1,2,3\n{body}\n{after}")
    with engine() as con:
        rows = open_rows(con, path, "a.csv")
        read = len(rows.relation.fetchall())
        lost = rows.broken()  # raises where the count differs
        counted = tally(path, "", ",")
    assert read <= counted.rows <= read + len(lost) - len(counted.left_open)
    if is_well_formed(path, "", ","):
        assert not counted.left_open


@pytest.mark.parametrize("packed", PACKED)
def test_a_large_file_is_looked_at_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: str) -> None:
    monkeypatch.setattr("coterie.sources.lines._READ", 7)
    path = tmp_path / f"a.csv{packed}"
    text = 'a,b\n"x ""y"" z\nw",2\r\nplain,"4"\n' * 5
    for data, well_formed in ((text, True), (text + 'u,"', False), (text + 'u"x",1\n', False), (text + "u", False)):
        path.write_bytes(PACKED[packed](data.encode()))
        assert is_well_formed(path, packed, ",") is well_formed
    path.write_bytes(PACKED[packed](text.encode()))
    assert (tally(path, packed, ",").rows, tally(path, packed, ",").left_open) == (14, [])


# --- lines that are no rows ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD.replace("\n", "\r") + row(0).replace("\n", "\r"),
            r"found lines that end in CR alone .*; expected LF or CRLF",
        ),
        (
            "x" * 140_000 + ",b\n1,2\n",
            r"the first line cannot be read \(field larger than field limit .*\): found 'xxx",
        ),
    ],
)
def test_a_first_line_that_is_no_header_is_told_in_words(log: Any, text: str, said: str) -> None:
    log.write_text("events/a.csv", text)
    source = log.source()
    with pytest.raises(SourceError, match=r"events/a.csv: " + said):
        read_events(source, build_index(source, None), DAY)


def test_what_is_rejected_of_one_file_is_not_taken_for_the_next_ones(log: Any) -> None:
    log.write_text(f"events/{DAY}a.csv", HEAD + row(0) + "too,few\n")
    log.write_text(f"events/{DAY}b.csv", HEAD + row(1) + row(2).replace("2024-03-05T", "soon"))
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert (result.read, index.rows()[DAY], result.digest) == (4, 4, index.days()[DAY])
    assert sorted(result.rejects["copies"]) == [1, 1]


def test_text_that_is_not_utf8_is_rejected_by_every_query(log: Any) -> None:
    path = log.write_text(f"events/{DAY}.csv", HEAD + row(0) + row(1, "?"))
    path.write_bytes(path.read_bytes().replace(b"?", b"\xff"))  # in a column that is not described
    source = log.source()
    index = build_index(source, None)
    result = read_events(source, index, DAY)
    assert (result.frame.height, result.read, result.digest) == (1, 2, index.days()[DAY])
