"""What was shipped: the gain of a showing of it, measured while showings move.

Belongs here: what differs from a gain that nobody acted on, and which suggestions cannot be scored so. Does not belong here:
the verdict and when (scorecard), and who decides (decisions).

A gain is what a showing of the target brings, less a showing of what members are shown. While a suggestion is in force,
what they are shown holds the showings that it moved, so the same measure shrinks: with the target's share of the
showings at s1 instead of s0 it is (1 - s1) / (1 - s0) times the gain of a showing that moved, if what gave way is an
average of the feed. Divided by that, it can be set against what was predicted. It is the gain of all showings of the
target, those that moved among them. Both sides are showings of the same week and users, so what the week brings to all of
them does not count. Of a bridge all this holds within its interest: the target are the other community's items of it, the
feed are the members' showings of the interest.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from coterie.strategies.bridges import BRIDGE_GAIN
from coterie.strategies.creators import CREATOR_GAIN
from coterie.strategies.kinds import DIVERSIFY
from coterie.strategies.newcomers import PLACED
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, LOSS, SHARE
from coterie.strategies.resting import REST_GAIN
from coterie.strategies.timing import TIMING_GAIN

AS_INTERVENTIONS = (GAIN, LOSS, CREATOR_GAIN, BRIDGE_GAIN)
_CHOSEN = (
    "the log has neither random showings nor propensities, so whom the feed chose cannot be told from what it brings"
)
NOT_AS_INTERVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        SHARE: _CHOSEN,
        EXPOSURE: _CHOSEN,
        ADOPTION: "how often members take it up by themselves was predicted, not how often when it is shown to them, and those "
        "who have not yet taken it up are others every week: a group of members to whom it is not shown is missing",
        GAP: "a gap was predicted, not what more items bring, and what members engage with moves with what there is: a group "
        "of members to whom the new items are not shown is missing",
        REST_GAIN: "beyond the cap nothing is shown any more that could be compared: members without the cap are missing",
        TIMING_GAIN: "what is kept for the hours is taken from the other times of the same days, which it was compared with: "
        "members for whom nothing is kept are missing",
        PLACED: "members stood in for newcomers, and the log does not say which newcomers were shown the bundle",
    }
)
ANOTHER = "something else that was shipped moves showings of the same community, so nobody knows whose doing it was"
# Of the other's showings of an interest, as many must still be of its items as when the bridge was suggested, nearly: once
# members are shown them as well, they are no longer told apart, and count for what they are compared with.
LEAST_TOLD_APART = 0.95
MINGLED = "the items of the other community are no longer told from the members' own, so what moved cannot be measured"
NOT_MOVED = "its share of what members are shown did not change as was asked for, so nothing tells that anything moved"


def of_what_moved(found: pl.DataFrame) -> pl.DataFrame:
    """Gains measured while suggestions are in force, as those of the showings that moved.

    A loss needs no such care: it is measured against what members are shown otherwise, whatever share that has.

    Args:
        found: kind, community_id, realised, realised_error, served_share (the target's share of the members' showings, now)
            and share_before (when it was suggested; null counts as none), of all that is in force. Of a bridge both shares
            are of the members' showings of the interest.

    Returns:
        The same, of gains `realised` and `realised_error` multiplied by (1 - share_before) / (1 - served_share). Null
        where the share did not change in the direction that was asked for, so that nothing tells that anything moved, and
        where something else moves showings of the same community, so that nobody knows whose doing it was; `unmoved` says
        which.
    """
    before = pl.col("share_before").fill_null(0.0)
    less = pl.col("kind") == DIVERSIFY
    moved = pl.when(less).then(pl.col("served_share") < before).otherwise(pl.col("served_share") > before)
    alone = pl.len().over("community_id") == 1
    factor = pl.when(less).then(1.0).otherwise((1 - before) / (1 - pl.col("served_share")))
    known = (moved & (pl.col("served_share") < 1)).fill_null(False)
    return found.with_columns(
        pl.when(alone & known).then(pl.col("realised", "realised_error") * factor),
        unmoved=pl.when(~alone).then(pl.lit(ANOTHER)).when(~known).then(pl.lit(NOT_MOVED)),
    )
