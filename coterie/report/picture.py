"""The map and the river of a day as pictures, for places that show no page.

Belongs here: turning the report's charts into PNG. Does not belong here: the charts (map_chart, river_chart), and where
pictures are shown (assets.pictures).
"""

from collections.abc import Mapping
from datetime import date

import polars as pl
import vl_convert

from coterie.report.facts import FACTS, DayFacts, names_of
from coterie.report.map_chart import STILL_WIDTH, community_map
from coterie.report.marks import Spec
from coterie.report.river_chart import movement
from coterie.report.texts import Texts

NEEDED = ("communities", "neighbours", "wants", "moves")  # facts that the pictures are made of


def pictures(
    day: date, frames: Mapping[str, pl.DataFrame], called: pl.DataFrame, taxonomy: pl.DataFrame, disclosure_k: int
) -> dict[str, bytes]:
    """PNG by name: `map`, and `river` where somebody moved or stayed since the day before.

    Args:
        day: the day.
        frames: the answers of NEEDED, facts of the report.
        called: community_id and name of the communities of the day and of the day before.
        taxonomy: interest_id, interest.
        disclosure_k: the least number of users that was told of.
    """
    others = {name: pl.DataFrame() for name in FACTS}
    facts = DayFacts(day, "", {**others, **frames, "history": called}, disclosure_k, names_of(taxonomy, "en"))
    # Whether a machine has fonts for other languages, nobody knows; the tables' own names are English.
    t = Texts("en", html=False)
    drawn = {"map": community_map(facts, t, still=True), "river": movement(facts["moves"], facts, t)}
    return {name: _png(spec) for name, spec in drawn.items() if spec is not None}


def _png(spec: Spec) -> bytes:
    fixed = {**spec, "width": STILL_WIDTH, "background": "white", "padding": 8}
    made: bytes = vl_convert.vegalite_to_png(fixed, scale=1)
    return made
