"""The daily frames that suggestions, their plans and their scores are made from, and windows cut out of them.

Belongs here: which frames. Does not belong here: reading them (assets.strategies), and what a window is (window).
"""

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from coterie.strategies.window import Window, window_from_frames


@dataclass(frozen=True)
class Days:
    """The concatenated daily frames that suggestions and their scores are made from.

    Each has the columns of its contract and `day`; `labels` may be without. `exposed` is what `showings.exposed_rows`
    makes of RAW_EVENTS, for logs with propensities or random showings. `creators` is item_id, creator_id; None if the log
    has no creators. `by_text` is `labels` without what audiences made of them; None if they made nothing. Where `share` is
    below 1, `engagement` and `exposed` hold only the users of a sample (`sample.sampled`).
    """

    engagement: pl.DataFrame
    labels: pl.DataFrame
    memberships: pl.DataFrame
    user_interests: pl.DataFrame
    interest_daily: pl.DataFrame
    exposed: pl.DataFrame | None = None
    creators: pl.DataFrame | None = None
    share: float = 1.0
    present: pl.DataFrame | None = None
    by_text: pl.DataFrame | None = None
    timezone: str = "UTC"

    def window(
        self, start: date, end: date, communities: pl.Series, *, members_on: date, labels: pl.DataFrame | None = None
    ) -> Window:
        """The window of `start` to `end`, both inclusive.

        Args:
            start: the first day; what users had engaged with before it is that of the day before.
            end: the last day.
            communities: ids of the communities to measure.
            members_on: the day whose primary memberships count.
            labels: what stands in the place of `labels`, if something does.

        Returns:
            The window, without members if there are no memberships of `members_on`.
        """
        return window_from_frames(
            start=start,
            end=end,
            members_on=members_on,
            prior_on=start - timedelta(days=1),
            communities=communities,
            engagement=self.engagement,
            labels=self.labels if labels is None else labels,
            memberships=self.memberships,
            user_interests=self.user_interests,
            exposed=self.exposed,
        )
