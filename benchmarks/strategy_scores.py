"""What suggestions are worth where the truth is known: the last day of a world, other ways of choosing, the scores.

Belongs here: scores of one world. Does not belong here: how suggestions are made (coterie.strategies), what is true of
them (strategy_truths), and the page (strategies).

On the last day of each world the real library makes its suggestions, from the same frames that the assets give it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
from scipy import stats

from benchmarks import pipeline
from benchmarks.pipeline import Found
from benchmarks.strategy_truths import (
    PAIR,
    boost_effects,
    boosts_of_labels,
    possible_gain,
    showings_of,
    truths,
    truths_of_creators,
)
from benchmarks.worlds import Known, WorldDay, taxonomy
from coterie.strategies.candidates import candidates as candidates_of
from coterie.strategies.creators import ByCreator, by_creator
from coterie.strategies.days import Days

# The candidates as they are tested, before any is picked: the library publishes only what it picks.
from coterie.strategies.kinds import BOOST, BRIDGE, DIVERSIFY, EXPLORE, KINDS, SEED_CREATORS
from coterie.strategies.outcome import WINDOW_DAYS, measure
from coterie.strategies.propose import (
    PROPOSED,
    TARGET,
    _estimate,
    changes_of_day,
    citable,
    strategies_of_day,
    with_change,
)
from coterie.strategies.showings import exposed_rows
from coterie.strategies.supply_gaps import Gaps, gaps_by_text
from coterie.strategies.window import Window

ADVISED = ", where Coterie advises"
NOT_REAL, NO_ROW = "not real", "real, no boost proposed"
# On these platforms all items of an interest are alike, so there is no bridge to be found, and none to be scored.
SCORED = tuple(kind for kind in KINDS if kind != BRIDGE)
FEWEST_MEMBERS = pipeline.DISCLOSURE
FEWEST_RANKED = 5  # pairs; a rank correlation of fewer says nothing
COTERIE, POPULARITY, NAIVE, RANDOM = "Coterie", "popularity", "observed lift", "random"
PER_SHOWING = "strength a showing"
FOUND_BEST = "best for the communities found"
METHODS = (COTERIE, PER_SHOWING, NAIVE, POPULARITY, RANDOM)


@dataclass(frozen=True)
class LastDay:
    """The last day of a world, as the assets see it.

    Attributes:
        on: the day.
        days: the frames of the week that ends on it.
        found: what stands at its end.
        cited: the communities that a suggestion may cite.
        window: the week as matrices, members as of the day before it.
        of_creators: the same week's creators.
    """

    on: date
    days: Days
    found: Found
    cited: pl.DataFrame
    window: Window
    of_creators: ByCreator
    gaps: Gaps


def last_day(
    days: Sequence[WorldDay], known: Known, labels: pl.DataFrame, found: Sequence[Found], *, by_text: pl.DataFrame
) -> LastDay:
    """Gather what `assets.strategies` gathers from the lake.

    Args:
        days: all days of the world.
        known: the truth, of which only the days of the items' making are read.
        labels: item_id, interest_id, weight of all items, as they stood when the week began.
        by_text: the same by text alone, which daily figures of interests are made of.
        found: what stood at the end of each day, at least the last eight.
    """
    week, today, before = days[-WINDOW_DAYS:], found[-1], found[-1 - WINDOW_DAYS]
    engaged = pl.concat([d.engagement.with_columns(day=pl.lit(d.on)) for d in week])
    labels = labels.select("item_id", "interest_id", "weight", *(c for c in ("confidence",) if c in labels.columns))
    first_seen = _first_seen(days, known)
    events = [d.events.filter(pl.col("kind") == "exposure").with_columns(day=pl.lit(d.on)) for d in week]
    frames = Days(
        engagement=engaged,
        labels=labels.filter(pl.col("item_id").is_in(engaged["item_id"].unique().implode())),
        memberships=before.memberships.with_columns(day=pl.lit(before.on)),
        user_interests=before.user_interests.with_columns(day=pl.lit(before.on)),
        interest_daily=pl.concat([_interest_daily(d, by_text, first_seen) for d in week]),
        exposed=exposed_rows(pl.concat(events), engaged),
        creators=known.texts.select(item_id="vid", creator_id="author"),
        by_text=by_text.filter(pl.col("item_id").is_in(engaged["item_id"].unique().implode())),
    )
    cited = citable(today.communities, FEWEST_MEMBERS)
    ids = cited["community_id"]
    of_creators = by_creator(
        frames, week[0].on, today.on, ids, members_on=before.on, allowed=_allowed(), disclosure_k=FEWEST_MEMBERS
    )  # fmt: skip
    window = frames.window(week[0].on, today.on, ids, members_on=before.on)
    gaps = gaps_by_text(
        frames, week[0].on, today.on, ids, members_on=before.on, supply=frames.interest_daily,
        disclosure_k=FEWEST_MEMBERS,
    )  # fmt: skip
    return LastDay(today.on, frames, today, cited, window, of_creators, gaps)


def _allowed() -> pl.Series:
    return taxonomy().frame().filter(~pl.col("sensitive"))["interest_id"]


def _first_seen(days: Sequence[WorldDay], known: Known) -> pl.DataFrame:
    """item_id and day: when an item was made, or, where that was before the log, when it was first met."""
    met = (
        pl.concat([d.engagement.select("item_id", day=pl.lit(d.on)) for d in days])
        .group_by("item_id")
        .agg(pl.col("day").min())
    )
    made = known.texts.select(item_id="vid", day=pl.col("posted").dt.date())
    made = made.filter(pl.col("day") >= days[0].on)
    return pl.concat([made, met.join(made, on="item_id", how="anti")])


def _interest_daily(day: WorldDay, labels: pl.DataFrame, first_seen: pl.DataFrame) -> pl.DataFrame:
    """What the strategies read of the table `interest_daily`: day, interest_id, supply, items."""
    new = labels.join(first_seen.filter(pl.col("day") == day.on), on="item_id", how="semi")
    shown = labels.filter(pl.col("item_id").is_in(day.engagement["item_id"].unique().implode()))
    supply = new.group_by("interest_id").agg(supply=pl.col("weight").sum())
    items = shown.group_by("interest_id").agg(items=pl.col("item_id").n_unique().cast(pl.Int64))
    return supply.join(items, on="interest_id", how="full", coalesce=True).select(
        pl.lit(day.on).alias("day"), "interest_id", pl.col("supply").fill_null(0.0), pl.col("items").fill_null(0)
    )


def suggestions(last: LastDay) -> pl.DataFrame:
    """STRATEGIES of the last day, by the library."""
    return strategies_of_day(
        day=last.on, days=last.days, communities=last.found.communities, interest_graph=last.found.interest_graph,
        taxonomy=taxonomy().frame(), disclosure_k=FEWEST_MEMBERS,
    )  # fmt: skip


def candidates(last: LastDay) -> pl.DataFrame:
    """All that was tested that day, with effect and interval where there is a number: as `propose` does before it picks."""
    by_interest = last.gaps.in_outcomes(measure(last.window, last.days.interest_daily))
    outcomes = pl.concat([by_interest, last.of_creators.outcomes], how="diagonal")
    named = outcomes.join(last.cited.select("community_id", "users"), on="community_id", how="inner")
    changes = changes_of_day(day=last.on, days=last.days, communities=last.cited["community_id"])
    tested = candidates_of(with_change(named, changes), last.found.interest_graph, FEWEST_MEMBERS)
    if tested.is_empty():
        columns = {"effect": pl.Float64, "effect_low": pl.Float64, "effect_high": pl.Float64}
        return tested.with_columns(pl.lit(None, t).alias(c) for c, t in columns.items())
    return _estimate(tested.with_columns(target=TARGET).sort("kind", "community_id", "target"))


# What other ways of choosing would choose, and what it brings.


def observed(members: pl.DataFrame, engagement: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """What simpler ways of choosing look at, for each community and interest.

    Args:
        members: community_id, user_id.
        engagement: ENGAGEMENT of a week.
        labels: item_id, interest_id, weight.

    Returns:
        community_id, interest_id and the scores: `popularity`, everybody's engagement with the interest; `observed
        lift`, the interest's share of the members' engagement over its share of everybody's, as it is; `strength a
        showing`, the members' engagement per showing of the interest, whoever chose to show it, from 20 showings on.
    """
    rows = engagement.join(labels, on="item_id").with_columns(
        strength=pl.col("strength") * pl.col("weight"), shown=pl.col("exposures") * pl.col("weight")
    )
    total = pl.col("strength") / pl.col("strength").sum()
    everybody = rows.group_by("interest_id").agg(popularity=pl.col("strength").sum())
    everybody = everybody.with_columns(share=pl.col("popularity") / pl.col("popularity").sum())
    theirs = rows.join(members, on="user_id").group_by(*PAIR).agg(pl.col("strength").sum(), pl.col("shown").sum())
    return (
        theirs.with_columns(own=total.over("community_id"))
        .join(everybody, on="interest_id")
        .select(
            *PAIR,
            pl.col("popularity").alias(POPULARITY),
            (pl.col("own") / pl.col("share")).alias(NAIVE),
            pl.when(pl.col("shown") >= FEWEST_MEMBERS).then(pl.col("strength") / pl.col("shown")).alias(PER_SHOWING),
        )
        .sort(*PAIR)
    )


def choices(rows: pl.DataFrame, scores: pl.DataFrame, communities: pl.Series, sensitive: Sequence[str]) -> pl.DataFrame:
    """One interest for each found community by each method.

    Args:
        rows: STRATEGIES; Coterie chooses the proposed boost whose interval's lower end is highest, or abstains.
        scores: what `observed` gives; those methods choose the highest.
        communities: ids to choose for.
        sensitive: interests that no method may choose.

    Returns:
        community_id, method, interest_id (null where a method abstains, and for the random choice).
    """
    proposed = rows.filter(pl.col("kind") == BOOST, pl.col("status") == PROPOSED)
    ranked = {COTERIE: proposed.select(*PAIR, score="effect_low")} | {
        method: scores.select(*PAIR, score=method).drop_nulls() for method in (PER_SHOWING, NAIVE, POPULARITY)
    }
    ids = pl.DataFrame({"community_id": communities.unique().sort()}, schema={"community_id": pl.String})
    parts = [ids.with_columns(method=pl.lit(RANDOM), interest_id=pl.lit(None, pl.String))]
    for method, scored in ranked.items():
        chosen = (
            scored.filter(~pl.col("interest_id").is_in(sensitive))
            .sort("community_id", "score", "interest_id", descending=[False, True, False])
            .group_by("community_id", maintain_order=True)
            .first()
        )
        named = ids.join(chosen, on="community_id", how="left")
        parts.append(named.select("community_id", method=pl.lit(method), interest_id="interest_id"))
    return pl.concat(parts).sort("community_id", "method")


def gains(chosen: pl.DataFrame, effects: pl.DataFrame, sensitive: Sequence[str]) -> pl.DataFrame:
    """`chosen` with gain: what boosting the choice adds; 0 where there is none, the mean effect for the random choice."""
    allowed = effects.filter(~pl.col("interest_id").is_in(sensitive))
    mean = allowed.group_by("community_id").agg(mean=pl.col("boost").mean())
    joined = chosen.join(effects.select(*PAIR, "boost"), on=PAIR, how="left").join(mean, on="community_id", how="left")
    gain = pl.when(pl.col("method") == RANDOM).then("mean").otherwise("boost").fill_null(0.0)
    return joined.select(*chosen.columns, gain=gain)


def best_choice(effects: pl.DataFrame, sensitive: Sequence[str]) -> pl.DataFrame:
    """community_id, best (what who knows the truth would add), weight (the members' share of all activity)."""
    allowed = effects.filter(~pl.col("interest_id").is_in(sensitive))
    return allowed.group_by("community_id").agg(best=pl.col("boost").max(), weight=pl.col("weight").first())


# Scores.


def regret(chosen: pl.DataFrame, best: float | None = None) -> float:
    """The share of the best gain that is missed: 0 for the best choices, 1 for choices that add nothing, more for harm.

    Args:
        chosen: gain, best, weight, one row a community.
        best: the gain to compare with; by default the best choice for the same members.
    """
    most = float((chosen["best"] * chosen["weight"]).sum()) if best is None else best
    return 1 - float((chosen["gain"] * chosen["weight"]).sum()) / most


def covered(frame: pl.DataFrame, truth: str = "truth") -> pl.DataFrame:
    """Rows with a number and a truth, with `inside` and `overstated` (the truth is below the interval)."""
    known = frame.filter(pl.col("effect_low").is_not_null(), pl.col(truth).is_not_null())
    return known.with_columns(
        inside=pl.col(truth).is_between("effect_low", "effect_high"), overstated=pl.col(truth) < pl.col("effect_low")
    )


def rank_correlation(score: pl.Series, truth: pl.Series) -> float | None:
    """Spearman's; None with fewer than five pairs or where either side is all alike."""
    if len(score) < FEWEST_RANKED or score.n_unique() < 2 or truth.n_unique() < 2:
        return None
    return float(stats.spearmanr(score.to_numpy(), truth.to_numpy()).statistic)


# Figures of one world.

ROWS = {"method": pl.String, "measure": pl.String, "value": pl.Float64, "weight": pl.Float64, "effect": pl.Float64,
        "effect_low": pl.Float64, "effect_high": pl.Float64, "truth": pl.Float64, "boost": pl.Float64}  # fmt: skip
Line = tuple[str, str, float | None, float]


def figures(days: Sequence[WorldDay], known: Known, labels: pl.DataFrame) -> pl.DataFrame:
    """Everything that is scored of one world with one set of labels.

    Returns:
        ROWS: `value` is a mean, and `weight` what it is a mean over, so that worlds can be pooled. `method` is who is
        scored, or the kind of row. A line `row` for each suggestion with a number, for the charts.
    """
    found = list(pipeline.run(days, labels, exposures=True))
    by_text, labels = labels, pipeline.spread(labels, [day.engagement for day in days[:-WINDOW_DAYS]])
    last = last_day(days, known, labels, found, by_text=by_text)
    showings = showings_of(days[-WINDOW_DAYS:], known)
    truth = pl.concat(
        [
            truths(last.window, last.days, known, showings),
            truths_of_creators(last.of_creators, last.days, known, showings),
        ]
    ).rename({"interest_id": "target"})
    members = found[-1].memberships.filter("is_primary").select("community_id", "user_id")
    members = members.filter(pl.len().over("community_id") >= FEWEST_MEMBERS)
    effects = boost_effects(members, known, known.boosts)
    by_label = boost_effects(members, known, boosts_of_labels(known, labels))
    scores = observed(members, last.days.engagement, last.days.labels)
    sensitive = taxonomy().frame().filter("sensitive")["interest_id"].to_list()

    def with_truth(frame: pl.DataFrame) -> pl.DataFrame:
        keyed = frame.with_columns(target=TARGET)
        joined = keyed.join(truth, on=["community_id", "target", "metric"], how="left")
        joined = joined.join(effects, on=PAIR, how="left")
        joined = joined.join(by_label.select(*PAIR, boost_as_labelled="boost"), on=PAIR, how="left")
        return joined.with_columns(pl.col("boost", "boost_as_labelled").fill_null(0.0))

    rows, tested = with_truth(suggestions(last)), with_truth(candidates(last))
    best = best_choice(effects, sensitive)
    chosen = choices(rows, scores, best["community_id"], sensitive).join(best, on="community_id")
    possible, verdicts = possible_gain(known, sensitive), found[-1].communities
    lines = [
        *_coverage_lines(rows, tested),
        *_rank_lines(rows, tested, scores),
        *_loss_lines(rows),
        *_regret_lines("", gains(chosen, effects, sensitive), verdicts, possible),
        *_regret_lines(", items as labelled", gains(chosen, by_label, sensitive), verdicts, possible),
        *_abstention_lines(chosen.filter(pl.col("method") == COTERIE), verdicts, possible),
    ]
    frame = pl.DataFrame(lines, schema={c: ROWS[c] for c in ("method", "measure", "value", "weight")}, orient="row")
    points = rows.filter(pl.col("effect").is_not_null()).select(
        "effect", "effect_low", "effect_high", "truth", "boost", method="kind", measure=pl.lit("row")
    )
    return pl.concat([frame.filter(pl.col("weight") > 0), points], how="diagonal").select(
        pl.lit(None, dtype).alias(name) if name not in {*frame.columns, *points.columns} else pl.col(name).cast(dtype)
        for name, dtype in ROWS.items()
    )


def _mean(method: str, measure: str, values: pl.Series) -> Line:
    mean = values.cast(pl.Float64).mean()
    return (method, measure, mean if isinstance(mean, float) else None, float(len(values)))


def _coverage_lines(rows: pl.DataFrame, tested: pl.DataFrame) -> Iterator[Line]:
    for kind in SCORED:
        of_kind = {"rows": rows.filter(pl.col("kind") == kind), "candidates": tested.filter(pl.col("kind") == kind)}
        for name, frame in of_kind.items():
            held = covered(frame)
            yield _mean(kind, f"coverage of {name}", held["inside"])
            yield _mean(kind, f"overstated {name}", held["overstated"])
            yield _mean(kind, f"error of {name}", held["effect"] - held["truth"])
            if kind == BOOST:
                as_labelled = covered(frame, "truth_as_labelled")
                yield _mean(kind, f"coverage of {name}, items as labelled", as_labelled["inside"])
            numbered = frame.filter(pl.col("effect_low").is_not_null())
            yield _mean(kind, f"{name} about interests without items", numbered["truth"].is_null())
        yield _mean(kind, "candidates with a number", of_kind["candidates"]["effect_low"].is_not_null())


def _rank_lines(rows: pl.DataFrame, tested: pl.DataFrame, scores: pl.DataFrame) -> Iterator[Line]:
    by_method = {COTERIE: "effect", **{method: method for method in (PER_SHOWING, NAIVE, POPULARITY)}}
    for name, frame in (("rows", rows), ("candidates", tested)):
        known = frame.filter(pl.col("kind") == BOOST, pl.col("effect").is_not_null()).join(scores, on=PAIR, how="left")
        for method, column in by_method.items():
            correlation = rank_correlation(known[column].fill_null(0.0), known["boost"])
            if correlation is not None:
                yield method, f"rank correlation of {name}", correlation, 1.0


def _loss_lines(rows: pl.DataFrame) -> Iterator[Line]:
    for kind in (BOOST, EXPLORE):
        shown = rows.filter(pl.col("kind") == kind, pl.col("status") == PROPOSED)
        yield _mean(kind, "gains that are losses", shown["boost"] <= 0)
        yield _mean(kind, "gains that are losses, items as labelled", shown["boost_as_labelled"] <= 0)
    for kind in (DIVERSIFY, SEED_CREATORS):
        shown = rows.filter(pl.col("kind") == kind, pl.col("status") == PROPOSED)
        yield _mean(kind, "gains that are losses", shown["truth"] <= 0)
        yield _mean(kind, "gains that are losses, items as labelled", shown["truth_as_labelled"] <= 0)


def _regret_lines(how: str, chosen: pl.DataFrame, verdicts: pl.DataFrame, possible: float) -> Iterator[Line]:
    theirs = chosen.filter(pl.col("community_id").is_in(_real(verdicts).implode()))
    advised = theirs.filter(pl.col("method") == COTERIE, pl.col("interest_id").is_not_null())["community_id"]
    for method in METHODS:
        mine = theirs.filter(pl.col("method") == method)
        for what, some in (("", mine), (ADVISED, mine.filter(pl.col("community_id").is_in(advised.implode())))):
            if some.height:
                yield method, f"regret{what}{how}", regret(some), float((some["best"] * some["weight"]).sum())
        of_all = chosen.filter(pl.col("method") == method)
        yield method, f"regret on the platform{how}", regret(of_all, possible), possible
    one = chosen.filter(pl.col("method") == COTERIE)
    yield FOUND_BEST, f"regret on the platform{how}", regret(one.with_columns(gain="best"), possible), possible


def _abstention_lines(mine: pl.DataFrame, verdicts: pl.DataFrame, possible: float) -> Iterator[Line]:
    is_real = pl.col("community_id").is_in(_real(verdicts).implode())
    for why, which in ((NOT_REAL, ~is_real), (NO_ROW, is_real & pl.col("interest_id").is_null())):
        without = mine.filter(which)
        yield why, "communities without advice", without.height / max(mine.height, 1), float(mine.height)
        yield why, "cost of abstaining", float((without["best"] * without["weight"]).sum()) / possible, possible


def _real(verdicts: pl.DataFrame) -> pl.Series:
    return verdicts.filter(pl.col("verdict") == "real")["community_id"]
