"""Supply gaps, by labels of texts alone.

Belongs here: the window that gaps and their change are measured in, where labels spread. Does not belong here: the measures
(outcome, change).

What is new has no audience yet, so supply can be counted by text alone. Demand must be counted alike: by text and
audience together it has items that supply can never have, and more of them on one day than on another.
"""

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from coterie.strategies.change import parts, weekly_change
from coterie.strategies.days import Days
from coterie.strategies.outcome import GAP, measure
from coterie.strategies.placebo import placebo


@dataclass(frozen=True)
class Gaps:
    """Gaps by text: `outcomes` as of `measure`, `placebos` as of `placebo`; None where labels do not spread."""

    outcomes: pl.DataFrame | None = None
    placebos: pl.DataFrame | None = None

    def in_outcomes(self, found: pl.DataFrame) -> pl.DataFrame:
        """Outcomes with these gaps in the place of theirs."""
        return _instead(found, self.outcomes)

    def in_placebos(self, found: pl.DataFrame) -> pl.DataFrame:
        """Placebos with these gaps in the place of theirs."""
        return _instead(found, self.placebos)


def gaps_by_text(
    days: Days,
    start: date,
    end: date,
    communities: pl.Series,
    *,
    members_on: date,
    supply: pl.DataFrame,
    disclosure_k: int,
) -> Gaps:
    """The supply gaps of a window; see `Days.window`, `measure` and `placebo` for the arguments."""
    if days.by_text is None:
        return Gaps()
    window = _by_text(days).window(start, end, communities, members_on=members_on)
    is_gap = pl.col("metric") == GAP
    return Gaps(measure(window, supply, disclosure_k).filter(is_gap), placebo(window, supply, end).filter(is_gap))


def change_by_text(
    days: Days, start: date, end: date, communities: pl.Series, *, members_on: date
) -> pl.DataFrame | None:
    """What `change.weekly_change` says of a window by labels of texts alone; None where labels do not spread."""
    if days.by_text is None:
        return None
    by_text = _by_text(days)
    first, last = (by_text.window(a, b, communities, members_on=members_on) for a, b in parts(start, end))
    return weekly_change(first, last)


def _by_text(days: Days) -> Days:
    """The same days by labels of texts; a gap is about engagement, and without showings a window costs little."""
    assert days.by_text is not None
    unshown = days.engagement.with_columns(exposure_logged=pl.lit(False))
    return replace(days, engagement=unshown, labels=days.by_text, exposed=None)


def _instead(found: pl.DataFrame, gaps: pl.DataFrame | None) -> pl.DataFrame:
    if gaps is None:
        return found
    return pl.concat([found.filter(pl.col("metric") != GAP), gaps]).sort("community_id", "interest_id", "metric")
