"""A source: its description, what days its files hold, and its events and items as the contracts want them."""

from coterie.sources.check import Finding, SourceCheck, check_source
from coterie.sources.description import EventType, Source, load_source
from coterie.sources.events import pseudonym
from coterie.sources.files import Room
from coterie.sources.index import SourceIndex, build_index, is_unusual, usual_rows
from coterie.sources.items import ItemsRead, read_items, rejected_items
from coterie.sources.reading import DayRead, OpenDay, open_day, read_events

__all__ = [
    "DayRead",
    "EventType",
    "Finding",
    "ItemsRead",
    "OpenDay",
    "Room",
    "Source",
    "SourceCheck",
    "SourceIndex",
    "build_index",
    "check_source",
    "is_unusual",
    "load_source",
    "open_day",
    "pseudonym",
    "read_events",
    "read_items",
    "rejected_items",
    "usual_rows",
]
