"""`strategies.xlsx`: the day's suggestions for people who decide, with charts that Excel itself draws.

Belongs here: sheets, formats, filters, charts. Does not belong here: which numbers there are.

Written by XlsxWriter, which python-pptx needs anyway for the workbooks behind a slide's charts: it draws error bars on
charts, and the same content gives the same bytes. openpyxl, with which the tests read it back, has charts without a
simple way to either.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import polars as pl
import xlsxwriter

from coterie.export.findings import Figure, Finding, Series
from coterie.export.handout import PROPOSED, Handout, has_interval
from coterie.export.texts import LONGEST_CELL, clean, one_line, sheet_name
from coterie.export.words import number_of
from coterie.export.workbook_charts import BLUE, DATA, GREY, Charts
from coterie.export.workbook_fields import CHOSEN, FORMATS, FOUND, OWN, SUGGESTED, TRENDING, Field, height, readable

OVERVIEW, SUGGESTIONS, COMMUNITIES, INTERESTS, DECIDED = (
    "Overview", "Suggestions", "Communities", "Interests", "Decisions",
)  # fmt: skip
MOST_SHEETS = 60  # communities with a sheet of their own: with many more nobody finds one
MEMBERS = "Members (rounded down to 5)"
READING = (
    "Effect: predicted difference from the baseline, as points of a share, with its 90 % interval.",
    "False alarms: of rows that are as clear as this one, the share to expect that are chance alone.",
    "Kind: of earlier suggestions of the same kind that were scored in the last 28 days, the share that came true.",
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
        stamp = datetime.combine(handout.day, time())
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
        self.board = readable(handout.board, actions)

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
        self.charts = Charts(self.book)
        self._overview(sheets[OVERVIEW])
        self._table(sheets[SUGGESTIONS], SUGGESTED, self.board, links={"community": _at(self.board, own)})
        self._table(sheets[COMMUNITIES], FOUND, communities, links={"name": _at(communities, own)})
        self._table(sheets[INTERESTS], TRENDING, _changed_first(self.handout.trends))
        if DECIDED in sheets:
            self._table(
                sheets[DECIDED],
                CHOSEN,
                self.handout.decided.sort("decided_on", "strategy_id", descending=[True, False]),
            )
        for row in communities.head(MOST_SHEETS).iter_rows(named=True):
            self._page(pages[row["community_id"]], row)

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
                    row,
                    0,
                    self.charts.bars(finding.figure, finding.topic, width=900, height=360),
                    {"description": finding.sentence},
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
        sheet.set_row(top, height([f.heading for f in fields], fields))
        for m, values in enumerate(frame.select([f.column for f in fields]).iter_rows(), 1):
            sheet.set_row(top + m, height(values, fields))
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
        known = rows.filter(has_interval(), pl.col("state") == PROPOSED).head(12)
        if known.height:
            tall = max(200, 90 + 28 * known.height)
            sheet.insert_chart(below, 0, self.charts.bars(_effects(known), "Suggestions", width=620, height=tall))
        past = self.handout.history.filter(pl.col("community_id") == community["community_id"]).sort("day")
        members = self.charts.line(MEMBERS, past.select("day", "users_rounded").rows(), width=480, height=280)
        sheet.insert_chart(below, 6 if known.height else 0, members)
        _print(sheet, pages=2)


def _effects(rows: pl.DataFrame) -> Figure:
    """Effects of some rows of the readable board, which may be of several measures: their labels say what is asked."""
    labels = [one_line(f"{asks}: {interest}", 60) for asks, interest in rows.select("asks", "interest").rows()]
    series = (Series("effect", tuple(rows["effect"])),)
    low, high = tuple(rows["effect_low"]), tuple(rows["effect_high"])
    return Figure(
        "predicted difference, with its 90 % interval", "difference", tuple(labels), series, low=low, high=high
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
    if pages > 1:
        sheet.repeat_columns(0, 2)  # what is asked, beside its numbers on the second page
