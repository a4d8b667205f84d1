"""The report of a day: one HTML file that opens anywhere, without a network or a server."""

from coterie.report.page import DayTables, render

__all__ = ["DayTables", "render"]
