"""The slide deck: a title and the day's five findings, with charts that PowerPoint itself draws and people can edit.

Belongs here: slides. Does not belong here: which findings there are (findings).
"""

import io
from collections.abc import Sequence
from datetime import date
from typing import Any

from lxml import etree
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION, XL_LEGEND_POSITION, XL_TICK_LABEL_POSITION
from pptx.util import Inches, Pt

from coterie.export.findings import Figure, Finding
from coterie.export.packed import repacked
from coterie.export.texts import clean

WIDTH, HEIGHT = Inches(13.333), Inches(7.5)
# Okabe and Ito (2008): told apart by colour-blind readers too. As in the report: real blue, weak grey, artefact orange.
BLUE, ORANGE, GREY, INK = "0072B2", "D55E00", "999999", "222222"
COLOURS = {"real": BLUE, "weak": GREY, "artefact": ORANGE, "week before": GREY, "promised": GREY}
FORMATS = {"count": "#,##0", "share": "0.0%", "difference": "+0.0%;-0.0%;0.0%"}
_C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"


def deck(findings: Sequence[Finding], *, day: date, source: str) -> bytes:
    """The deck as the bytes of a .pptx; equal findings give equal bytes."""
    show: Any = Presentation()
    show.slide_width, show.slide_height = WIDTH, HEIGHT
    properties = show.core_properties
    properties.title, properties.author = f"Interest communities, {day}", "Coterie"
    properties.last_modified_by, properties.revision = "Coterie", 1
    _opening(show, findings, day, source)
    for number, finding in enumerate(findings, 1):
        _slide(show, number, finding, f"{clean(source)} · {day} · Coterie")
    made = io.BytesIO()
    show.save(made)
    return repacked(made.getvalue(), day)


def _opening(show: Any, findings: Sequence[Finding], day: date, source: str) -> None:
    slide = show.slides.add_slide(show.slide_layouts[5])
    _title(slide, f"Interest communities of {source}, {day}", 34, Inches(0.5))
    box = slide.shapes.add_textbox(Inches(0.7), Inches(1.9), Inches(11.9), Inches(5))
    box.name = "Findings"
    _paragraphs(box, [f"{n}. {f.topic}: {f.sentence}" for n, f in enumerate(findings, 1)], 18, 10)


def _slide(show: Any, number: int, finding: Finding, footer: str) -> None:
    slide = show.slides.add_slide(show.slide_layouts[5])
    _title(slide, finding.sentence, 24, Inches(0.35))
    topic = slide.shapes.add_textbox(Inches(0.7), Inches(0.2), Inches(11.9), Inches(0.35))
    topic.name = "Topic"
    _paragraphs(topic, [f"{number}. {finding.topic}"], 12, 0, GREY)
    if finding.figure is not None:
        _chart(slide, finding.figure)
    notes = slide.shapes.add_textbox(Inches(0.7), Inches(6.1), Inches(11.9), Inches(0.9))
    notes.name = "How to read it"
    _paragraphs(notes, finding.notes, 12, 2)
    foot = slide.shapes.add_textbox(Inches(0.7), Inches(7.05), Inches(11.9), Inches(0.35))
    foot.name = "Source"
    _paragraphs(foot, [footer], 10, 0, GREY)


def _title(slide: Any, text: str, size: int, top: int) -> None:
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = Inches(0.7), top, Inches(11.9), Inches(1.2)
    title.text_frame.text = clean(text)
    title.text_frame.word_wrap = True
    paragraph = title.text_frame.paragraphs[0]
    paragraph.alignment = 1
    paragraph.font.size, paragraph.font.bold = Pt(size), True
    paragraph.font.color.rgb = RGBColor.from_string(INK)


def _paragraphs(box: Any, texts: Sequence[str], size: int, after: int, colour: str = INK) -> None:
    frame = box.text_frame
    frame.word_wrap = True
    for n, text in enumerate(texts):
        paragraph = frame.paragraphs[0] if n == 0 else frame.add_paragraph()
        run = paragraph.add_run()
        run.text = clean(text)
        run.font.size = Pt(size)
        run.font.color.rgb = RGBColor.from_string(colour)
        paragraph.space_after = Pt(after)


def _chart(slide: Any, figure: Figure) -> None:
    data = CategoryChartData(number_format=FORMATS[figure.unit])
    data.categories = figure.categories
    for series in figure.series:
        data.add_series(series.name, series.values)
    frame = slide.shapes.add_chart(
        XL_CHART_TYPE.BAR_CLUSTERED, Inches(0.7), Inches(1.55), Inches(11.9), Inches(4.5), data
    )
    frame.name = "Chart"
    told = "; ".join(f"{s.name}: {', '.join(_values(figure, s.values))}" for s in figure.series)
    frame._element.nvGraphicFramePr.cNvPr.set("descr", clean(f"Bar chart of {figure.title}. {told}", 1000))
    chart = frame.chart
    chart.font.size = Pt(12)
    chart.has_title = False
    chart.has_legend = len(figure.series) > 1
    if chart.has_legend:
        chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
    _axes(chart, figure)
    plot = chart.plots[0]
    # Bars that share a place lie on one another, not end to end: only so can their labels stand outside.
    plot.gap_width, plot.overlap = 40, 100 if figure.shared else -5
    for series in plot.series:
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = RGBColor.from_string(COLOURS.get(series.name, BLUE))
        series.invert_if_negative = False
    if figure.low:
        _intervals(plot.series[0]._element, figure)
    else:
        plot.has_data_labels = True
        plot.data_labels.number_format, plot.data_labels.number_format_is_linked = FORMATS[figure.unit], False
        plot.data_labels.font.size = Pt(11)
        plot.data_labels.position = XL_LABEL_POSITION.OUTSIDE_END


def _axes(chart: Any, figure: Figure) -> None:
    categories, values = chart.category_axis, chart.value_axis
    categories.reverse_order = True  # the first category on top
    categories.tick_label_position = XL_TICK_LABEL_POSITION.LOW  # also where bars go to the left
    categories.has_major_gridlines = False
    # Every category has its label; by default some are left out where they stand close.
    skip = categories._element.makeelement(f"{{{_C}}}tickLblSkip", {"val": "1"})
    categories._element.find(f"{{{_C}}}noMultiLvlLbl").addprevious(skip)
    values.has_major_gridlines = True
    values.major_gridlines.format.line.color.rgb = RGBColor.from_string("DDDDDD")
    values.tick_labels.number_format, values.tick_labels.number_format_is_linked = FORMATS[figure.unit], False
    values.has_title = True
    values.axis_title.text_frame.text = clean(figure.title)
    values.axis_title.text_frame.paragraphs[0].font.size = Pt(12)
    values.axis_title.text_frame.paragraphs[0].font.bold = False
    values.tick_label_position = XL_TICK_LABEL_POSITION.HIGH  # below: the order of categories is reversed


def _intervals(series: Any, figure: Figure) -> None:
    """Error bars of the only series. python-pptx has no call for them: CT_ErrBars of ECMA-376, 21.2.2.55."""
    middle = [value or 0.0 for value in figure.series[0].values]
    plus = [high - value for high, value in zip(figure.high, middle, strict=True)]
    minus = [value - low for low, value in zip(figure.low, middle, strict=True)]
    bars = etree.Element(f"{{{_C}}}errBars", nsmap={"c": _C, "a": _A})
    for name, value in (("errBarType", "both"), ("errValType", "cust"), ("noEndCap", "0")):
        etree.SubElement(bars, f"{{{_C}}}{name}", val=value)
    for name, lengths in (("plus", plus), ("minus", minus)):
        literal = etree.SubElement(etree.SubElement(bars, f"{{{_C}}}{name}"), f"{{{_C}}}numLit")
        etree.SubElement(literal, f"{{{_C}}}formatCode").text = "General"
        etree.SubElement(literal, f"{{{_C}}}ptCount", val=str(len(lengths)))
        for n, length in enumerate(lengths):
            point = etree.SubElement(literal, f"{{{_C}}}pt", idx=str(n))
            etree.SubElement(point, f"{{{_C}}}v").text = repr(max(0.0, round(length, 10)))
    line = etree.SubElement(etree.SubElement(bars, f"{{{_C}}}spPr"), f"{{{_A}}}ln", w="19050")
    etree.SubElement(etree.SubElement(line, f"{{{_A}}}solidFill"), f"{{{_A}}}srgbClr", val=INK)
    # The schema fixes the order of a series' parts: error bars come right before the categories.
    series.find(f"{{{_C}}}cat").addprevious(bars)


def _values(figure: Figure, values: Sequence[float | None]) -> list[str]:
    pairs = [(c, v) for c, v in zip(figure.categories, values, strict=True) if v is not None]
    return [f"{c} {v:,.0f}" if figure.unit == "count" else f"{c} {v:.1%}" for c, v in pairs]
