"""Charts that Excel itself draws, from cells of one hidden sheet.

Belongs here: bars with intervals, lines over days. Does not belong here: where a chart stands (workbook).

The numbers stand in cells, error bars included: so people can change a chart, and programs other than Excel draw it too.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from coterie.export.findings import Figure
from coterie.export.texts import clean
from coterie.export.workbook_fields import FORMATS

DATA = "Chart data"
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"
COLOURS = {"real": BLUE, "weak": GREY, "artefact": ORANGE, "week before": GREY, "promised": GREY}
GRID: Mapping[str, Any] = {"visible": True, "line": {"color": "#DDDDDD"}}


class Charts:
    """The charts of a workbook; the hidden sheet is its last."""

    def __init__(self, book: Any) -> None:
        self.book, self.sheet, self.row = book, book.add_worksheet(DATA), 0
        self.sheet.hide()

    def bars(self, figure: Figure, title: str, *, width: int, height: int) -> Any:
        """A bar chart, with error bars where the figure has intervals; width and height in pixels."""
        columns = [s.values for s in figure.series]
        if figure.low:
            columns += _lengths([value or 0.0 for value in columns[0]], figure.low, figure.high)
        names = [*(s.name for s in figure.series), "above", "below"][: len(columns)]
        first, last = self._rows([title, *names], list(zip(figure.categories, *columns, strict=True)))
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
        _dress(chart, title, figure.title, FORMATS[figure.unit]["num_format"], legend=len(figure.series) > 1)
        chart.set_size({"width": width, "height": height})
        return chart

    def line(self, title: str, days: Sequence[tuple[date, int]], *, width: int, height: int) -> Any:
        """Counts over days; width and height in pixels."""
        first, last = self._rows(["day", title], [(day.isoformat(), count) for day, count in days])
        chart = self.book.add_chart({"type": "line"})
        chart.add_series(
            {
                "name": title,
                "categories": [DATA, first, 0, last, 0],
                "values": [DATA, first, 1, last, 1],
                "line": {"color": BLUE, "width": 2},
                "marker": {"type": "circle", "size": 5, "fill": {"color": BLUE}, "border": {"color": BLUE}},
            }
        )
        chart.set_title({"name": title, "name_font": {"size": 12}})
        chart.set_legend({"none": True})
        chart.set_x_axis({"num_font": {"rotation": -45}})
        chart.set_y_axis({"min": 0, "num_format": FORMATS["count"]["num_format"], "major_gridlines": GRID})
        chart.set_size({"width": width, "height": height})
        return chart

    def _rows(self, heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[int, int]:
        """Put what a chart draws on the hidden sheet; returns its first and last row."""
        for n, name in enumerate(heading):
            self.sheet.write_string(self.row, n, clean(name))
        for row in rows:
            self.row += 1
            for n, value in enumerate(row):
                if isinstance(value, str):
                    self.sheet.write_string(self.row, n, clean(value))
                elif value is not None:
                    self.sheet.write_number(self.row, n, value)
        first, last = self.row - len(rows) + 1, self.row
        self.row += 2
        return first, last


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
