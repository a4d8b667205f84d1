"""Which pairs of community and target may become a suggestion of each kind, before any effect is tested.

Belongs here: triggers. Does not belong here: what an effect is (outcome, creators, bridges), and which are shown (propose).

Which rows are tested must not depend on the effect to be tested: a candidate that loses counts as tested.
"""

import polars as pl

from coterie.strategies.bridges import BRIDGE_GAIN, BRIDGES
from coterie.strategies.creators import BY_CREATOR, CREATOR_GAIN
from coterie.strategies.kinds import (
    BOOST,
    BRIDGE,
    CLOSE_GAP,
    COLD_START,
    DIVERSIFY,
    EXPLORE,
    REST,
    SEED_CREATORS,
    TIMING,
)
from coterie.strategies.label_error import with_label_error
from coterie.strategies.newcomers import NEWCOMERS, PLACED
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, LOSS, SHARE
from coterie.strategies.resting import REST_GAIN, RESTED
from coterie.strategies.shrinkage import Z90
from coterie.strategies.timing import TIMED, TIMING_GAIN

MIN_ENGAGED = 5  # members behind an estimate; with fewer the normal approximation fails and there is nothing to suggest
TOP_INTERESTS = 5
LEAST_SERVED = 0.10  # share of the members' showings from which on an interest can narrow a feed
Z_WORN = 1.96  # each of two signs of wear at 97.5 %, so both together at 95 %
MOST_SEEDS = 20  # creators of a community who are tested: each that is costs the others power


def candidates(outcomes: pl.DataFrame, interest_graph: pl.DataFrame, disclosure_k: int) -> pl.DataFrame:
    """Rows to test, with kind, link and trigger.

    Args:
        outcomes: OUTCOME_SCHEMA with what `propose.with_change` adds, and BY_CREATOR's, BRIDGES', TIMED's, RESTED's
            and NEWCOMERS' columns where creators, bridges, hours, caps and newcomers are measured.
        interest_graph: INTEREST_GRAPH of the day.
        disclosure_k: least number of users that a row may rest on.
    """
    every = pl.concat(
        [pl.DataFrame(schema=BY_CREATOR | BRIDGES | TIMED | RESTED | NEWCOMERS).drop("placebo"), outcomes],
        how="diagonal",
    )
    known = every.filter(pl.col("baseline").is_not_null(), pl.col("engaged") + pl.col("engaged_others") >= disclosure_k)
    boost = _boostable(known)
    share = known.filter(pl.col("metric") == SHARE).select(
        "community_id", "interest_id", trigger=(pl.col("difference") > 0).fill_null(False)
    )
    gap = (
        known.filter(pl.col("metric") == GAP)
        .join(share, on=["community_id", "interest_id"], how="left")
        .select(
            *known.columns,
            kind=pl.lit(CLOSE_GAP),
            trigger=pl.col("trigger").fill_null(False),
            link=pl.lit(None, dtype=pl.String),
        )
    )
    parts = [
        boost,
        _explorable(known, interest_graph),
        gap,
        _narrowing(known),
        _seeds(known),
        _bridges(known),
        _hours(every),
        _worn(known),
        _placed(known),
    ]
    return with_label_error(pl.concat(parts, how="diagonal"))


def _narrowing(known: pl.DataFrame) -> pl.DataFrame:
    """What takes up much of the members' showings, more of them at the week's end, while a showing brings clearly less."""
    narrows = (pl.col("share_rise") > 0) & (pl.col("gain_fall") > Z90 * pl.col("gain_fall_error"))
    return known.filter(pl.col("metric") == LOSS, pl.col("served_share") >= LEAST_SERVED).with_columns(
        kind=pl.lit(DIVERSIFY), trigger=narrows.fill_null(False), link=pl.lit(None, dtype=pl.String)
    )


def _seeds(known: pl.DataFrame) -> pl.DataFrame:
    """The creators of whom members are shown least beside what others are shown."""
    missed = pl.col("shown_to_others") - pl.col("served_share")
    of_creators = (
        known.filter(pl.col("metric") == CREATOR_GAIN).with_columns(missed=missed).filter(pl.col("missed") > 0)
    )
    # Who cannot be measured takes no place; one of them stands for all.
    ordered = of_creators.sort("community_id", "missed", "creator_id", descending=[False, True, False])
    known_not = pl.col("why_not").is_not_null()
    unknown, tested = (
        ordered.filter(which).group_by("community_id", maintain_order=True).head(most)
        for which, most in ((known_not, 1), (~known_not, MOST_SEEDS))
    )
    return (
        pl.concat([tested, unknown.select(tested.columns)])
        .sort("community_id", "creator_id")
        .drop("missed")
        .with_columns(kind=pl.lit(SEED_CREATORS), trigger=pl.lit(True), link=pl.lit(None, dtype=pl.String))
    )


def _bridges(known: pl.DataFrame) -> pl.DataFrame:
    """Every bridge that was measured: how it is found does not depend on what it brings."""
    return known.filter(pl.col("metric") == BRIDGE_GAIN).with_columns(
        kind=pl.lit(BRIDGE), trigger=pl.lit(True), link=pl.lit(None, dtype=pl.String)
    )


def _hours(every: pl.DataFrame) -> pl.DataFrame:
    """Every community that has hours of its own, also where nothing is known of what a showing brings in them."""
    return every.filter(pl.col("metric") == TIMING_GAIN).with_columns(
        kind=pl.lit(TIMING), trigger=pl.lit(True), link=pl.lit(None, dtype=pl.String)
    )


def _worn(known: pl.DataFrame) -> pl.DataFrame:
    """What loses more against others, or annoys more, once it has been shown for a while: by more than chance explains."""
    worn = [pl.col(of) > Z_WORN * pl.col(f"{of}_error") for of in ("tired", "annoyed")]
    return known.filter(pl.col("metric") == REST_GAIN).with_columns(
        kind=pl.lit(REST), trigger=pl.any_horizontal(worn).fill_null(False), link=pl.lit(None, dtype=pl.String)
    )


def _placed(known: pl.DataFrame) -> pl.DataFrame:
    """Every community that something tells apart: after how many engagements it is known was chosen by other users."""
    return known.filter(pl.col("metric") == PLACED).with_columns(
        kind=pl.lit(COLD_START), trigger=pl.lit(True), link=pl.lit(None, dtype=pl.String)
    )


def wanted(outcomes: pl.DataFrame) -> pl.DataFrame:
    """community_id, interest_id of what communities want: it has a larger share of their engagement than of the others'."""
    share = outcomes.filter(pl.col("metric") == SHARE, pl.col("difference") > 0, pl.col("engaged") >= MIN_ENGAGED)
    return share.select("community_id", "interest_id")


def _boostable(known: pl.DataFrame) -> pl.DataFrame:
    """Boosts by what moving a showing gains, where the log can say; else by how members differ from others."""
    metric = next((m for m in (GAIN, EXPOSURE) if known["metric"].eq(m).any()), SHARE)
    pair = ["community_id", "interest_id"]
    beside = known.filter(pl.col("metric") == EXPOSURE).select(
        *pair, beside_others="difference", beside_others_error="std_error"
    )
    of_it = known.filter(pl.col("metric") == metric)
    if metric == GAIN:
        # What everybody engages with more is no suggestion for a community.
        of_it = of_it.join(beside, on=pair, how="left")
        trigger = (pl.col("beside_others") > 0).fill_null(False)
    else:
        trigger = (pl.col("value") > pl.col("community_mean")).fill_null(metric == SHARE)
    return of_it.with_columns(kind=pl.lit(BOOST), trigger=trigger, link=pl.lit(None, dtype=pl.String))


def _explorable(outcomes: pl.DataFrame, interest_graph: pl.DataFrame) -> pl.DataFrame:
    share = outcomes.filter(pl.col("metric") == SHARE, pl.col("difference").is_not_null())
    top = (
        share.filter(pl.col("difference") > 0, pl.col("engaged") >= MIN_ENGAGED)
        .sort("community_id", "difference", "interest_id", descending=[False, True, False])
        .group_by("community_id", maintain_order=True)
        .head(TOP_INTERESTS)
        .select("community_id", link="interest_id")
    )
    tied = interest_graph.filter(pl.col("weight") > 0).select("source", "target", "weight")
    both = pl.concat([tied, tied.select(source="target", target="source", weight="weight")])
    linked = (
        top.join(both, left_on="link", right_on="source", how="inner")
        .rename({"target": "interest_id"})
        .sort("community_id", "interest_id", "weight", "link", descending=[False, False, True, False])
        .group_by("community_id", "interest_id", maintain_order=True)
        .first()
        .select("community_id", "interest_id", "link")
    )
    below = share.filter(pl.col("difference") <= 0).select("community_id", "interest_id")
    return (
        outcomes.filter(pl.col("metric") == ADOPTION)
        .join(below, on=["community_id", "interest_id"], how="semi")
        .join(linked, on=["community_id", "interest_id"], how="inner")
        .with_columns(kind=pl.lit(EXPLORE), trigger=pl.lit(True))
        .select(*outcomes.columns, "kind", "trigger", "link")
    )
