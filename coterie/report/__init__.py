"""The report of a day: one HTML file that opens anywhere, without a network or a server."""

from coterie.report.page import DayTables, headline, render, track_record

__all__ = ["DayTables", "headline", "render", "track_record"]
