"""The report of a day: one HTML file that opens anywhere, without a network or a server."""

from coterie.report.compare import render_comparison
from coterie.report.facts import BETWEEN, FACTS, DayFacts, Fact, Names, names_of
from coterie.report.outward import outward
from coterie.report.page import render
from coterie.report.record import track_record
from coterie.report.sentences import first_screen, headline
from coterie.report.texts import LANGUAGES, Language, Texts

__all__ = [
    "BETWEEN", "FACTS", "LANGUAGES", "DayFacts", "Fact", "Language", "Names", "Texts", "first_screen", "headline", "names_of",
    "outward", "render", "render_comparison", "track_record",
]  # fmt: skip
