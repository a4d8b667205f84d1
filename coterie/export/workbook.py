"""`strategies.xlsx`: the day's suggestions for people who decide, with charts that Excel itself draws.

Belongs here: sheets, formats, filters, charts. Does not belong here: which numbers there are.

Written by XlsxWriter, which python-pptx needs anyway for the workbooks behind a slide's charts: it draws error bars on
charts, and the same content gives the same bytes. openpyxl, with which the tests read it back, has charts without a
simple way to either.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from math import ceil
from typing import Any

import polars as pl
import xlsxwriter

from coterie.export.findings import Figure, Finding
from coterie.export.handout import PROPOSED, Handout
from coterie.export.texts import LONGEST_CELL, clean, one_line, sheet_name
from coterie.export.words import ask_of, kind_of, known_by, metric_of, number_of

OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS, DECIDED, DATA = (
    "Overview", "Suggestions", "Communities", "Interests", "Decisions", "Chart data",
)  # fmt: skip
MOST_SHEETS = 60  # communities with a sheet of their own: with many more nobody finds one
LINE, MOST_LINES = 15.0, 8  # points of a line; Excel allows a row 409 points
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
COLOURS = {"real": BLUE, "weak": GREY, "artefact": ORANGE, "week before": GREY, "promised": GREY}
GRID: Mapping[str, Any] = {"visible": True, "line": {"color": "#DDDDDD"}}
FORMATS: Mapping[str, Mapping[str, Any]] = {
    "text": {"text_wrap": True, "indent": 1},
    "count": {"num_format": "#,##0"},
    "share": {"num_format": "0.0%"},
    "difference": {"num_format": "+0.0%;-0.0%;0.0%"},
    "ratio": {"num_format": "0.00"},
    "alarms": {"num_format": "0.0###"},
    "day": {"num_format": "yyyy-mm-dd"},
}


@dataclass(frozen=True)
class Field:
    """A column of a sheet: whose values, under which heading, how they look, how wide (characters)."""

    column: str
    heading: str
    kind: str = "text"
    width: int = 12


SUGGESTED = (
    Field("state", "Status", width=11),
    Field("asks", "What to do", width=16),
    Field("interest", "Interest", width=26),
    Field("community", "Community", width=30),
    Field("action", "How much", width=26),
    Field("effect", "Effect", "difference", 10),
    Field("effect_low", "90 % from", "difference", 10),
    Field("effect_high", "90 % to", "difference", 10),
    Field("baseline", "Without it", "share", 11),
    Field("measures", "The effect measures", width=30),
    Field("known", "How it is known", width=18),
    Field("q_value", "False alarms", "alarms", 12),
    Field("users_rounded", "Members", "count", 10),
    Field("users_per_arm", "Users per arm of a test", "count", 12),
    Field("test_days", "Days of a test", "count", 10),
    Field("scored", "Kind: scored today", "count", 11),
    Field("hit_rate", "Kind: came true", "share", 11),
    Field("expires_on", "Expires on", "day", 12),
    Field("decision", "Decision", width=11),
    Field("decided_on", "Decided on", "day", 12),
    Field("note", "Note", width=30),
    Field("why_withheld", "Why withheld", width=34),
    Field("strategy_id", "Id", width=17),
)
OWN = tuple(f for f in SUGGESTED if f.column not in {"community", "users_rounded"})
FOUND = (
    Field("name", "Community", width=40),
    Field("verdict", "Verdict", width=10),
    Field("users_rounded", "Members", "count", 10),
    Field("proposed_strategies", "Suggestions", "count", 12),
    Field("event", "What happened", width=14),
    Field("stability", "Stayed since yesterday", "share", 13),
    Field("q_value", "False alarms", "alarms", 12),
    Field("summary", "What members want", width=90),
    Field("community_id", "Id", width=15),
)
TRENDING = (
    Field("interest", "Interest", width=30),
    Field("domain", "Domain", width=26),
    Field("trend", "Trend", width=10),
    Field("trend_ratio", "Against the week before", "ratio", 13),
    Field("users_rounded", "Users", "count", 9),
    Field("baseline_share", "Share of users, week before", "share", 14),
    Field("demand_share", "Share of engagement", "share", 13),
    Field("supply_share", "Share of new items", "share", 12),
    Field("gap", "Gap", "difference", 10),
    Field("q_value", "False alarms", "alarms", 12),
    Field("interest_id", "Id", width=30),
)
CHOSEN = (
    Field("decided_on", "Decided on", "day", 12),
    Field("decision", "Decision", width=11),
    Field("strategy_id", "Suggestion", width=17),
    Field("issued_on", "Suggested on", "day", 13),
    Field("note", "Note", width=80),
)
READING = (
    "Effect: predicted difference from the baseline, as points of a share, with its 90 % interval.",
    "False alarms: of rows that are as clear as this one, the share to expect that are chance alone.",
    "Kind: of earlier suggestions of the same kind that were scored today, the share that came true.",
    "Empty: the log does not allow the number, or it would tell of too few people.",
)


def workbook(handout: Handout, findings: Sequence[Finding]) -> bytes:
    """The workbook as the bytes of an .xlsx; equal handouts give equal bytes."""
    made = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(made, options) as book:
        stamp = datetime.combine(handout.day, time(), UTC).replace(tzinfo=None)
        book.set_properties({"title": f"Interest communities, {handout.day}", "author": "Coterie", "created": stamp})
        _Writer(book, handout, findings).write()
    return made.getvalue()


class _Writer:
    """One workbook in the making."""

    def __init__(self, book: Any, handout: Handout, findings: Sequence[Finding]) -> None:
        self.book, self.handout, self.findings = book, handout, findings
        base: dict[str, Any] = {"valign": "top", "font_name": "Calibri", "font_size": 11}
        self.formats = {name: book.add_format(base | dict(look)) for name, look in FORMATS.items()}
        self.head = book.add_format(
            base
            | {"bold": True, "text_wrap": True, "indent": 1, "bg_color": "#E8EEF4", "bottom": 1, "bottom_color": GREY}
        )
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.quiet = book.add_format(base | {"font_color": "#666666"})
        self.link = book.add_format(base | {"font_color": BLUE, "underline": 1, "text_wrap": True, "indent": 1})
        self.back = book.add_format({"font_color": BLUE, "underline": 1})
        self.faded = book.add_format({"font_color": GREY})
        self.bold = book.add_format({"bold": True, "font_color": BLUE})
        actions = {row["strategy_id"]: row["action"] for row in handout.actions()}
        self.board = _readable(handout.board, actions)
        self.data_row = 0

    def write(self) -> None:
        communities = self.handout.communities
        names: list[str] = [OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS, DECIDED, DATA]
        own = {}
        for row in communities.head(MOST_SHEETS).iter_rows(named=True):
            own[row["community_id"]] = sheet_name(row["name"], names)
            names.append(own[row["community_id"]])
        sheets = {name: self.book.add_worksheet(name) for name in (OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS)}
        if self.handout.decided.height:
            sheets[DECIDED] = self.book.add_worksheet(DECIDED)
        pages = {key: self.book.add_worksheet(name) for key, name in own.items()}
        self.data = self.book.add_worksheet(DATA)
        self._overview(sheets[OVERVIEW])
        self._table(sheets[SUGGESTIONS], SUGGESTED, self.board, links={"community": _at(self.board, own)})
        self._table(sheets[COMMUNITIES], FOUND, communities, links={"name": _at(communities, own)})
        self._table(sheets[INTERESTS], TRENDING, _changed_first(self.handout.trends))
        if DECIDED in sheets:
            self._table(sheets[DECIDED], CHOSEN, self.handout.decided.sort("decided_on", descending=True))
        for row in communities.head(MOST_SHEETS).iter_rows(named=True):
            self._page(pages[row["community_id"]], row)
        self.data.hide()

    # -- sheets ----------------------------------------------------------------------------------------------------

    def _overview(self, sheet: Any) -> None:
        sheet.hide_gridlines(2)
        sheet.set_column(0, 0, 20)
        sheet.set_column(1, 1, 110)
        sheet.write_string(
            0, 0, clean(f"Interest communities of {self.handout.source}, {self.handout.day}"), self.title
        )
        row = 2
        for finding in self.findings:
            sheet.write_string(row, 0, finding.topic, self.head)
            sheet.write_string(row, 1, clean(finding.sentence), self.formats["text"])
            row += 1
        left_out = self.handout.communities.height - MOST_SHEETS
        reading = [*READING, f"Nothing here is about fewer than {self.handout.disclosure_size} users."]
        if left_out > 0:
            reading.append(
                f"{number_of(left_out, 'community', 'communities')} without a sheet of their own: {COMMUNITIES} has all."
            )
        for line in reading:
            row += 1
            sheet.write_string(row, 0, line, self.quiet)
        row += 2
        breaks = []
        for finding in self.findings:
            if finding.figure is not None:
                breaks.append(row)
                sheet.insert_chart(
                    row, 0, self._chart(finding.figure, finding.topic), {"description": finding.sentence}
                )
                row += 20
        sheet.set_h_pagebreaks(breaks[1::2])
        _print(sheet, pages=1)

    def _table(
        self,
        sheet: Any,
        fields: Sequence[Field],
        frame: pl.DataFrame,
        *,
        top: int = 0,
        links: Mapping[str, Sequence[str | None]] | None = None,
        freeze: bool = True,
    ) -> None:
        """Rows under headings with filters; `links` has, by column, the sheet that each row leads to."""
        sheet.set_row(top, _height([f.heading for f in fields], fields))
        for m, values in enumerate(frame.select([f.column for f in fields]).iter_rows(), 1):
            sheet.set_row(top + m, _height(values, fields))
        for n, field in enumerate(fields):
            if freeze:
                sheet.set_column(n, n, field.width)
            sheet.write_string(top, n, field.heading, self.head)
            targets = (links or {}).get(field.column)
            for m, value in enumerate(frame[field.column].to_list(), 1):
                target = targets[m - 1] if targets else None
                self._cell(sheet, top + m, n, value, field.kind, target)
        last = max(top + frame.height, top + 1)
        sheet.autofilter(top, 0, last, len(fields) - 1)
        if freeze:
            sheet.freeze_panes(1, 0)
            sheet.repeat_rows(0)
            _print(sheet, pages=2 if fields is SUGGESTED else 1)
        if fields[0].column == "state" and frame.height:
            withheld = {"type": "formula", "criteria": f'=$A{top + 2}<>"{PROPOSED}"', "format": self.faded}
            sheet.conditional_format(top + 1, 0, last, len(fields) - 1, withheld)
        if "trend" in {f.column for f in fields} and frame.height:
            changed = {"type": "formula", "criteria": '=OR($C2="rising",$C2="falling")', "format": self.bold}
            sheet.conditional_format(1, 0, last, len(fields) - 1, changed)

    def _cell(self, sheet: Any, row: int, column: int, value: Any, kind: str, target: str | None) -> None:
        look = self.formats[kind]
        if value is None:
            sheet.write_blank(row, column, None, look)
        elif isinstance(value, date):
            sheet.write_datetime(row, column, datetime.combine(value, time()), look)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value, look)
        elif target is not None:
            place = "internal:'" + target.replace("'", "''") + "'!A1"
            sheet.write_url(row, column, place, self.link, clean(value, LONGEST_CELL))
        else:
            sheet.write_string(row, column, clean(value), look)

    def _page(self, sheet: Any, community: Mapping[str, Any]) -> None:
        sheet.write_string(0, 0, clean(community["name"]), self.title)
        sheet.write_url(1, 0, f"internal:'{COMMUNITIES}'!A1", self.back, "all communities")
        facts = f"{community['verdict']}, {number_of(community['users_rounded'], 'member')} (rounded down to 5)"
        if community["event"]:
            facts += f", {community['event']}"
        sheet.write_string(2, 0, facts, self.quiet)
        sheet.write_string(3, 0, clean(community["summary"]), self.quiet)
        rows = self.board.filter(pl.col("community_id") == community["community_id"])
        for n, field in enumerate(OWN):
            sheet.set_column(n, n, field.width)
        if rows.height:
            self._table(sheet, OWN, rows, top=5, freeze=False)
        else:
            sheet.write_string(5, 0, "No suggestion today.", self.quiet)
        below = 8 + rows.height
        known = rows.filter(pl.col("effect").is_not_null(), pl.col("state") == PROPOSED).head(12)
        if known.height:
            sheet.insert_chart(below, 0, self._effects(known))
        sheet.insert_chart(below, 6 if known.height else 0, self._members(community["community_id"]))
        _print(sheet, pages=2)

    # -- charts ----------------------------------------------------------------------------------------------------

    def _rows(self, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
        """Put what a chart draws on the hidden sheet; returns its first and last row."""
        for n, name in enumerate(heading):
            self.data.write_string(self.data_row, n, clean(name))
        for row in rows:
            self.data_row += 1
            for n, value in enumerate(row):
                self._cell(self.data, self.data_row, n, value, "text" if isinstance(value, str) else "ratio", None)
        first, last = self.data_row - len(rows) + 1, self.data_row
        self.data_row += 2
        return first, last

    def _chart(self, figure: Figure, topic: str) -> Any:
        columns = [s.values for s in figure.series]
        if figure.low:
            columns += _lengths([value or 0.0 for value in columns[0]], figure.low, figure.high)
        names = [*(s.name for s in figure.series), "above", "below"][: len(columns)]
        first, last = self._rows([topic, *names], list(zip(figure.categories, *columns, strict=True)))
        chart = self.book.add_chart({"type": "bar"})
        for n, series in enumerate(figure.series, 1):
            look: dict[str, Any] = {
                "name": series.name,
                "categories": [DATA, first, 0, last, 0],
                "values": [DATA, first, n, last, n],
                "fill": {"color": COLOURS.get(series.name, BLUE)},
                "gap": 40,
                "overlap": 100 if figure.shared else 0,
            }
            if figure.low:
                look["x_error_bars"] = _intervals(first, last)
            chart.add_series(look)
        _dress(chart, topic, figure.title, FORMATS[figure.unit]["num_format"], legend=len(figure.series) > 1)
        chart.set_size({"width": 900, "height": 360})
        return chart

    def _effects(self, rows: pl.DataFrame) -> Any:
        labels = [one_line(f"{asks}: {interest}", 60) for asks, interest in rows.select("asks", "interest").rows()]
        lengths = _lengths(*(rows[c].to_list() for c in ("effect", "effect_low", "effect_high")))
        values = list(zip(labels, rows["effect"], *lengths, strict=True))
        first, last = self._rows(["suggestion", "effect", "above", "below"], values)
        chart = self.book.add_chart({"type": "bar"})
        chart.add_series(
            {
                "name": "effect",
                "categories": [DATA, first, 0, last, 0],
                "values": [DATA, first, 1, last, 1],
                "fill": {"color": BLUE},
                "gap": 40,
                "x_error_bars": _intervals(first, last),
            }
        )
        _dress(chart, "Suggestions", "predicted difference, with its 90 % interval", "+0%;-0%;0%", legend=False)
        chart.set_size({"width": 620, "height": max(200, 90 + 28 * rows.height)})
        return chart

    def _members(self, community_id: str) -> Any:
        past = self.handout.history.filter(pl.col("community_id") == community_id).sort("day")
        first, last = self._rows(
            ["day", "members"], [(f"{day}", n) for day, n in past.select("day", "users_rounded").rows()]
        )
        chart = self.book.add_chart({"type": "line"})
        chart.add_series(
            {
                "name": "members",
                "categories": [DATA, first, 0, last, 0],
                "values": [DATA, first, 1, last, 1],
                "line": {"color": BLUE, "width": 2},
                "marker": {"type": "circle", "size": 5, "fill": {"color": BLUE}, "border": {"color": BLUE}},
            }
        )
        chart.set_title({"name": "Members (rounded down to 5)", "name_font": {"size": 12}, "overlay": False})
        chart.set_legend({"none": True})
        chart.set_x_axis({"num_font": {"rotation": -45}})
        chart.set_y_axis({"min": 0, "num_format": "#,##0", "major_gridlines": GRID})
        chart.set_size({"width": 480, "height": 280})
        return chart


def _dress(chart: Any, title: str, axis: str, number: object, *, legend: bool) -> None:
    chart.set_title({"name": title, "name_font": {"size": 12}})
    chart.set_legend({"position": "top", "none": not legend})
    chart.set_y_axis(
        {"reverse": True, "label_position": "low", "interval_unit": 1, "major_gridlines": {"visible": False}}
    )
    chart.set_x_axis(
        {
            "name": axis,
            "name_font": {"bold": False},
            "num_format": number,
            "label_position": "high",  # below: the order of the bars is reversed
            "major_gridlines": GRID,
        }
    )


def _lengths(middle: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[tuple[float | None, ...]]:
    """How far an interval reaches above and below its middle."""
    return [
        tuple(round(max(0.0, b - m), 10) for b, m in zip(high, middle, strict=True)),
        tuple(round(max(0.0, m - a), 10) for a, m in zip(low, middle, strict=True)),
    ]


def _intervals(first: int, last: int) -> dict[str, Any]:
    """Error bars whose lengths stand in the third and fourth column of a chart's data."""
    cells = {
        side: f"='{DATA}'!${column}${first + 1}:${column}${last + 1}"
        for side, column in (("plus", "C"), ("minus", "D"))
    }
    return {
        "type": "custom",
        "plus_values": cells["plus"],
        "minus_values": cells["minus"],
        "line": {"color": "#222222", "width": 1.5},
    }


def _height(values: Sequence[Any], fields: Sequence[Field]) -> float:
    """Points that a row needs so that wrapped texts are seen; a Chinese character is as wide as two others."""
    wide = [sum(2 if ord(c) > 0x2E7F else 1 for c in str(v)) / (f.width - 2) for v, f in zip(values, fields, strict=True)
            if isinstance(v, str)]  # fmt: skip
    return LINE * min(MOST_LINES, max([1, *(ceil(lines) for lines in wide)]))


def _readable(board: pl.DataFrame, actions: Mapping[str, Any]) -> pl.DataFrame:
    """The board with columns for people: state, asks, action, measures, known, why_withheld."""

    def said(column: str, words: Any) -> pl.Series:
        return pl.Series([words(value) for value in board[column]], dtype=pl.String)

    status = pl.col("status")
    return board.with_columns(
        state=pl.when(status == PROPOSED).then(pl.lit(PROPOSED)).otherwise(pl.lit("withheld")),
        why_withheld=pl.when(status != PROPOSED).then(status.str.strip_prefix("withheld: ")),
        asks=said("kind", kind_of),
        measures=said("metric", metric_of),
        known=said("evaluability", known_by),
        action=said("strategy_id", lambda key: ask_of(actions.get(key))),
    )


def _changed_first(trends: pl.DataFrame) -> pl.DataFrame:
    changed = pl.col("trend").is_in(["rising", "falling"])
    return trends.sort(changed, "users_rounded", "interest_id", descending=[True, True, False], nulls_last=True)


def _at(frame: pl.DataFrame, sheets: Mapping[str, str]) -> list[str | None]:
    return [sheets.get(key) for key in frame["community_id"]]


def _print(sheet: Any, *, pages: int) -> None:
    """Landscape A4, so many pages wide and as many long as it takes."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(pages, 0)
