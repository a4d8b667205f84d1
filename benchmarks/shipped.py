"""Whether boosts that were shipped are scored rightly: what the scorecard finds, beside what is true.

Run: `python -m benchmarks.shipped [SEEDS]` (some ten seconds a seed). Platforms on which from the ninth day on a tenth of
what the members of three communities are shown is given to one interest each: the best for the first, a middling one
for the second, the worst for the third. Members are the true ones and labels are true, so that nothing but the estimate
can be wrong. Beside it a design that lost: how the members' mean strength of a showing changed from the week before, less
the same change for those for whom nothing was shipped, over the share of showings that moved.
"""

import json
import sys
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import norm

from benchmarks import show
from benchmarks.worlds import Known, WorldDay, run_world, true_labels
from coterie.simulate import Boost, Scenario
from coterie.strategies.days import Days
from coterie.strategies.kinds import BOOST
from coterie.strategies.outcome import GAIN, WINDOW_DAYS
from coterie.strategies.scorecard import SHIPPED, scorecard_of_day
from coterie.strategies.showings import PROPENSITY, exposed_rows
from coterie.strategies.window import Window
from coterie.tables import INTEREST_DAILY, USER_INTERESTS

USERS, EVENTS, COMMUNITIES, SHARE, START = 2_000, 20_000, 6, 0.1, 8
RANKS = {"the best": 0, "a middling one": 0.3, "the worst": 1}  # place among the interests that the platform has
WEEKS = (1, 2)
OURS, LOST = "what moved", "difference in differences"
Z90 = float(norm.ppf(0.95))


def scenario(seed: int, boosts: tuple[Boost, ...] = (), days: int = START + WINDOW_DAYS * max(WEEKS)) -> Scenario:
    """The platform of a seed."""
    return Scenario(
        seed=seed, days=days, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, mixing=0.4, boosts=boosts
    )  # fmt: skip


def chosen(seed: int) -> tuple[Boost, ...]:
    """One boost for each of RANKS, by what is true on the day before they start."""
    _, known = run_world(scenario(seed, days=START))
    found = []
    for community, rank in enumerate(RANKS.values()):
        effects = known.boosts.filter(pl.col("community") == community).sort("effect", "interest_id", descending=True)
        interest = effects["interest_id"][round(rank * (effects.height - 1))]
        found.append(Boost(community, interest, SHARE, START))
    return tuple(found)


def measure(seed: int) -> Iterator[dict[str, object]]:
    """For each boost, week and design: what was found, its error, and the truth."""
    boosts = chosen(seed)
    days, known = run_world(scenario(seed, boosts))
    first, before = days[START].on, _frames(days[START - WINDOW_DAYS : START], known)
    was = _window(before, first - timedelta(days=1))
    shares = {b: _share(was, b) for b in boosts}
    shipped = pl.DataFrame(
        [
            {"strategy_id": name, "community_id": f"c{b.community}", "interest_id": b.interest_id, "metric": GAIN,
             "issued_on": first, "shipped_on": first, "held": True, "kind": BOOST,
             "evaluability": PROPENSITY, "effect": 0.0, "std_error": 1.0,
             "evidence": json.dumps({"share_of_showings_now": shares[b]})}
            for name, b in zip(RANKS, boosts, strict=True)
        ],
        schema=SHIPPED,
    )  # fmt: skip
    nothing = pl.DataFrame(schema=SHIPPED | {"day": pl.Date})
    for week in WEEKS:
        last = START + WINDOW_DAYS * week
        after = _frames(days[last - WINDOW_DAYS : last], known)
        on = days[last - 1].on
        scored = {r["strategy_id"]: r for r in scorecard_of_day(day=on, days=after, issued=nothing, shipped=shipped)
                  .iter_rows(named=True)}  # fmt: skip
        now = _window(after, on)
        for name, boost in zip(RANKS, boosts, strict=True):
            true = {"interest": name, "week": week, "true": _truth(known, boost, [d.on for d in days[last - 7 : last]])}
            row = scored[name]
            yield true | {"design": OURS, "found": row["realised"], "error": row["realised_error"]}
            value, error = _difference(was, now, boost)
            yield true | {"design": LOST, "found": value, "error": error}


def _window(days: Days, last: date) -> Window:
    ids = days.memberships["community_id"].unique().sort()
    start = last - timedelta(days=WINDOW_DAYS - 1)
    return days.window(start, last, ids, members_on=start - timedelta(days=1))


def _share(window: Window, boost: Boost, *, members: bool = True) -> float:
    """Share of the showings that the interest has."""
    assert window.exposure is not None
    assert window.exposure.feed is not None
    at = _users(window, boost if members else None)
    served = window.exposure.feed.served[at][:, [window.interests.index(boost.interest_id)]].sum()
    return float(served / window.exposure.feed.showings[at].sum())


def _users(window: Window, boost: Boost | None) -> npt.NDArray[np.intp]:
    """The members of a boost's community; of None, all who are of no community that was boosted."""
    names = [f"c{n}" for n in range(len(RANKS))] if boost is None else [f"c{boost.community}"]
    rows = [window.communities.index(name) for name in names]
    inside = np.asarray(window.members[rows].sum(axis=0)).reshape(-1) > 0
    return np.flatnonzero(~inside if boost is None else inside)


def _difference(was: Window, now: Window, boost: Boost) -> tuple[float, float]:
    """The design that lost: difference in differences, users as clusters who are in both weeks."""
    change, moved, variance = 0.0, 0.0, 0.0
    for sign, of in ((1.0, boost), (-1.0, None)):
        ratio, influence = [], []
        for window in (was, now):
            assert window.exposure is not None
            assert window.exposure.feed is not None
            at = _users(window, of)
            y, x = window.exposure.feed.strength[at], window.exposure.feed.shown[at]
            ratio.append(y.sum() / x.sum())
            users = np.array(window.users)[at].tolist()
            influence.append(dict(zip(users, ((y - ratio[-1] * x) / x.sum()).tolist(), strict=True)))
        change += sign * (ratio[1] - ratio[0])
        moved += sign * (_share(now, boost, members=of is not None) - _share(was, boost, members=of is not None))
        variance += sum(
            (influence[1].get(u, 0.0) - influence[0].get(u, 0.0)) ** 2 for u in {*influence[0], *influence[1]}
        )
    moved /= 1 - (_share(now, boost) - moved)
    return change / moved, float(np.sqrt(variance)) / abs(moved)


def _frames(days: list[WorldDay], known: Known) -> Days:
    engaged = pl.concat([d.engagement.with_columns(day=pl.lit(d.on)) for d in days])
    events = [d.events.filter(pl.col("kind") == "exposure").with_columns(day=pl.lit(d.on)) for d in days]
    on = days[0].on - timedelta(days=1)
    members = known.communities_on(on).drop_nulls().select(
        "user_id", community_id=pl.format("c{}", "community"), is_primary=pl.lit(True)
    )  # fmt: skip
    return Days(
        engagement=engaged,
        labels=true_labels(known),
        # Nobody moves on these platforms; the scorecard asks for the day before each week that is scored.
        memberships=pl.concat([members.with_columns(day=pl.lit(on - timedelta(days=n))) for n in (0, WINDOW_DAYS)]),
        user_interests=USER_INTERESTS.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
        interest_daily=INTEREST_DAILY.empty().select(pl.lit(None, pl.Date).alias("day"), pl.all()),
        exposed=exposed_rows(pl.concat(events), engaged),
    )


def _truth(known: Known, boost: Boost, days: list[date]) -> float:
    """Strength of a showing of the interest less that of a showing as it is without boosts, a mean over days."""
    theirs = known.engagement.filter(pl.col("community") == boost.community, pl.col("day").is_in(days))
    now = theirs.group_by("day").agg(now=(pl.col("served") * pl.col("strength")).sum() / pl.col("served").sum())
    of_it = theirs.filter(pl.col("interest_id") == boost.interest_id).join(now, on="day")
    return float((of_it["strength"] - of_it["now"]).mean() or 0.0)  # type: ignore[arg-type]


def main(count: int) -> None:
    """Print a table: which interest, the truth, what was found, and how often the 90 % interval holds the truth."""
    rows = pl.DataFrame([row for seed in range(1, count + 1) for row in measure(seed)])
    inside = (pl.col("found") - pl.col("true")).abs() <= Z90 * pl.col("error")
    off = (pl.col("found") - pl.col("true")).abs()
    found = rows.group_by("design", "interest", "week", maintain_order=True).agg(
        pl.col("found").count(), pl.col("true", "found", "error").mean().name.suffix("_mean"), off=off.mean(),
        held=inside.mean(),
    )  # fmt: skip
    columns = ["design", "interest", "week", "boosts", "true gain", "found", "mean error", "mean distance", "held"]
    print(show.table(columns, [[d, a, str(w), str(n), *(f"{v:+.3f}" for v in (t, r)), *(f"{v:.3f}" for v in (e, o)),
                               f"{h:.2f}"] for d, a, w, n, t, r, e, o, h in found.sort("design").rows()]))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
