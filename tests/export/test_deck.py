"""The deck, read back by python-pptx: six slides, native charts with the findings' numbers, the same bytes again."""

import io
import zipfile

import export_world as world
from lxml import etree
from pptx import Presentation

from coterie.export.deck import deck
from coterie.export.findings import findings

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
# The order of a bar series' parts in ECMA-376, CT_BarSer: PowerPoint refuses a file that breaks it.
ORDER = ["idx", "order", "tx", "spPr", "invertIfNegative", "pictureOptions", "dPt", "dLbls", "trendline", "errBars", "cat",
         "val", "shape", "extLst"]  # fmt: skip
AXIS = ["axId", "scaling", "delete", "axPos", "majorGridlines", "minorGridlines", "title", "numFmt", "majorTickMark",
        "minorTickMark", "tickLblPos", "spPr", "txPr", "crossAx", "crosses", "crossesAt", "auto", "lblAlgn", "lblOffset",
        "tickLblSkip", "tickMarkSkip", "noMultiLvlLbl", "extLst"]  # fmt: skip


def made(handout) -> bytes:
    return deck(findings(handout), day=world.DAY, source="test")


def charts(slide) -> list:
    return [shape.chart for shape in slide.shapes if shape.has_chart]


def test_each_finding_is_a_slide_with_its_sentence_and_its_numbers() -> None:
    found = findings(world.handout())
    show = Presentation(io.BytesIO(made(world.handout())))
    assert len(show.slides) == 6
    for slide, finding in zip(list(show.slides)[1:], found, strict=True):
        assert slide.shapes.title.text_frame.text.startswith(finding.sentence.split("=")[0][:30])
        (chart,) = charts(slide)
        assert tuple(chart.plots[0].categories) == finding.figure.categories
        assert [tuple(s.values) for s in chart.plots[0].series] == [s.values for s in finding.figure.series]
        described = next(s for s in slide.shapes if s.has_chart)._element.nvGraphicFramePr.cNvPr.get("descr")
        assert finding.figure.title in described


def test_intervals_are_error_bars_that_end_where_they_should() -> None:
    slide = Presentation(io.BytesIO(made(world.handout()))).slides[2]
    figure = findings(world.handout())[1].figure
    bars = charts(slide)[0]._chartSpace.find(f".//{C}errBars")
    plus, minus = ([float(v.text) for v in bars.find(f"{C}{side}").iter(f"{C}v")] for side in ("plus", "minus"))
    for value, low, high, up, down in zip(figure.series[0].values, figure.low, figure.high, plus, minus, strict=True):
        assert abs(value + up - high) < 1e-9
        assert abs(value - down - low) < 1e-9


def test_parts_stand_in_the_order_that_the_schema_fixes() -> None:
    with zipfile.ZipFile(io.BytesIO(made(world.handout()))) as file:
        for name in (n for n in file.namelist() if n.startswith("ppt/charts/chart") and n.endswith(".xml")):
            root = etree.fromstring(file.read(name))
            for tag, order in (("ser", ORDER), ("catAx", AXIS)):
                for part in root.iter(f"{C}{tag}"):
                    places = [order.index(etree.QName(child).localname) for child in part]
                    assert places == sorted(places), name


def test_a_day_with_nothing_is_six_slides_without_a_chart() -> None:
    show = Presentation(io.BytesIO(made(world.handout([], [], []))))
    assert [len(charts(slide)) for slide in show.slides] == [0] * 6


def test_equal_days_give_equal_bytes_with_the_day_as_their_clock() -> None:
    first = made(world.handout())
    assert first == made(world.handout())
    with zipfile.ZipFile(io.BytesIO(first)) as file:
        assert {entry.date_time for entry in file.infolist()} == {(2024, 5, 20, 0, 0, 0)}
        assert b"2024-05-20T00:00:00Z" in file.read("docProps/core.xml")
        inner = next(n for n in file.namelist() if n.endswith(".xlsx"))
        with zipfile.ZipFile(io.BytesIO(file.read(inner))) as workbook:
            assert b">2024-05-20T00:00:00Z<" in workbook.read("docProps/core.xml")
