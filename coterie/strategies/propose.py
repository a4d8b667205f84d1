"""From outcomes to suggestions: which pairs qualify, what their effect is, and which may be shown.

The order matters. Candidates are chosen without looking at the effect's sign; all of the day's candidates are tested
together (Benjamini and Hochberg 1995) and shrunk together by kind; only then are rows picked. So neither the q-values
nor the effects suffer from picking the best.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control, norm

from coterie.strategies import wording
from coterie.strategies.asked import EXPLORE_SLOTS, MOVED_SHARE, SEED_SLOTS, action_of
from coterie.strategies.bridges import bridges
from coterie.strategies.budget import within_budget
from coterie.strategies.candidates import MIN_ENGAGED, candidates, wanted
from coterie.strategies.change import CHANGE_SCHEMA, MOVE_SCHEMA, parts, weekly_change, weekly_move
from coterie.strategies.creators import by_creator
from coterie.strategies.days import Days
from coterie.strategies.grounds import MOVING_METRICS, as_json, evidence_of
from coterie.strategies.kinds import (
    BOOST,
    BRIDGE,
    DIVERSIFY,
    EXPLORE,
    KINDS,
    MOVING_KINDS,
    REST,
    SEED_CREATORS,
)
from coterie.strategies.newcomers import newcomers
from coterie.strategies.newcomers import placebos_of as beside_newcomers
from coterie.strategies.outcome import GAP, LOSS, MIN_USERS, WINDOW_DAYS, measure
from coterie.strategies.placebo import PLACEBO_SCHEMA, placebo
from coterie.strategies.resting import placebos_of as beside_rest
from coterie.strategies.resting import resting
from coterie.strategies.shrinkage import Z90, shrink
from coterie.strategies.supply_gaps import change_by_text, gaps_by_text
from coterie.strategies.timing import TARGET_OF_HOURS, placebos_of, timing, with_move
from coterie.tables import STRATEGIES

Q_LIMIT = 0.10
ROWS_PER_KIND = 3
LIFETIME = timedelta(days=14)
# What a suggestion is about: a creator, an interest and whose items of it, an interest, or hours of the day.
TARGET_OF_BRIDGE = pl.concat_str("interest_id", "other_community_id", separator="|")
TARGET = pl.coalesce("creator_id", TARGET_OF_BRIDGE, "interest_id", pl.lit(TARGET_OF_HOURS))
PROPOSED = "proposed"


@dataclass(frozen=True)
class Changes:
    """How much preferences may change until the next window: `change.weekly_change`, and `change.weekly_move` of gains.

    `gaps` stands in the place of `relative` for supply gaps, where labels spread (supply_gaps).
    """

    relative: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGE_SCHEMA))
    moves: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MOVE_SCHEMA))
    gaps: pl.DataFrame | None = None


def strategies_of_day(
    *,
    day: date,
    days: Days,
    communities: pl.DataFrame,
    interest_graph: pl.DataFrame,
    taxonomy: pl.DataFrame,
    disclosure_k: int = MIN_USERS,
) -> pl.DataFrame:
    """The table `strategies` of a day.

    Args:
        day: the day D.
        days: engagement and interest_daily of D-6..D, memberships and user_interests of D-7, labels of the items.
        communities: COMMUNITIES of D.
        interest_graph: INTEREST_GRAPH of D.
        taxonomy: interest_id, interest, sensitive.
        disclosure_k: least size of a community that is spoken of, and of what a number rests on.

    Returns:
        STRATEGIES, sorted by key; empty where there are no memberships of D-7 yet.
    """
    start, before = day - timedelta(days=WINDOW_DAYS - 1), day - timedelta(days=WINDOW_DAYS)
    cited = citable(communities, disclosure_k)["community_id"]
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    # First, so that no two windows are held at a time.
    by_name, beside_names = _of_creators(days, start, day, cited, taxonomy, disclosure_k)
    allowed = taxonomy.filter(~pl.col("sensitive"))["interest_id"]
    placed = newcomers(days, start, day, cited, members_on=before, allowed=allowed, disclosure_k=disclosure_k)
    by_hour = timing(days, start, day, cited, members_on=before, disclosure_k=disclosure_k)
    by_hour = with_move(by_hour, days, start, day, before)
    gaps = gaps_by_text(days, start, day, cited, members_on=before, supply=supply, disclosure_k=disclosure_k)
    window = days.window(start, day, cited, members_on=before)
    outcomes = gaps.in_outcomes(measure(window, supply, disclosure_k))
    of_bridges = bridges(window, wanted(outcomes), disclosure_k)
    rested = resting(days, start, day, outcomes, members_on=before, disclosure_k=disclosure_k)
    beside = [placebos_of(by_hour), beside_rest(rested), beside_newcomers(placed)]
    own = [frame.drop("placebo") for frame in (by_hour, rested, placed)]
    return propose(
        day=day,
        communities=communities,
        outcomes=pl.concat([outcomes, by_name, of_bridges, *own], how="diagonal"),
        placebos=pl.concat([gaps.in_placebos(placebo(window, supply, day)), beside_names, *beside]),
        changes=changes_of_day(day=day, days=days, communities=cited),
        interest_graph=interest_graph,
        taxonomy=taxonomy,
        disclosure_k=disclosure_k,
        share=days.share,
        timezone=days.timezone,
    )


def _of_creators(
    days: Days, start: date, day: date, communities: pl.Series, taxonomy: pl.DataFrame, disclosure_k: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Outcomes by creator, and what the same is for random groups."""
    allowed, before = taxonomy.filter(~pl.col("sensitive"))["interest_id"], start - timedelta(days=1)
    found = by_creator(days, start, day, communities, members_on=before, allowed=allowed, disclosure_k=disclosure_k)
    return found.outcomes, found.placebos(day)


def changes_of_day(*, day: date, days: Days, communities: pl.Series) -> Changes:
    """How much preferences change, by the window that suggestions of a day are made from.

    Args:
        day: the day.
        days: as for `strategies_of_day`.
        communities: ids of the communities that may be cited.
    """
    start, before = day - timedelta(days=WINDOW_DAYS - 1), day - timedelta(days=WINDOW_DAYS)
    first, last = (days.window(a, b, communities, members_on=before) for a, b in parts(start, day))
    by_text = change_by_text(days, start, day, communities, members_on=before)
    return Changes(weekly_change(first, last), weekly_move(first, last), by_text)


def with_change(outcomes: pl.DataFrame, changes: Changes | None) -> pl.DataFrame:
    """Outcomes with `change`, relative, and for gains `move` in its place; and how its interest changed within the week."""
    changes = changes or Changes()
    moves = pl.col("metric").is_in(MOVING_METRICS)
    own = pl.DataFrame(schema={"own_move": pl.Float64})
    relative = changes.relative.with_columns(gap=pl.lit(False))
    of_gaps = (changes.relative if changes.gaps is None else changes.gaps).with_columns(gap=pl.lit(True))
    joined = (
        pl.concat([own, outcomes], how="diagonal")
        .with_columns(gap=pl.col("metric") == GAP)
        .join(pl.concat([relative, of_gaps]), on=["community_id", "gap"], how="left")
        .drop("gap")
    )
    return joined.join(changes.moves, on=["community_id", "interest_id"], how="left").with_columns(
        change=pl.when(~moves & pl.col("own_move").is_null()).then("change"),
        # What is taken from an interest goes to the rest of the feed, which is further from it than the whole is.
        move=pl.when(pl.col("metric") == LOSS)
        .then(pl.col("move") / (1 - pl.col("served_share")))
        .when(moves)
        .then("move")
        .otherwise("own_move"),
    )


def citable(communities: pl.DataFrame, disclosure_k: int) -> pl.DataFrame:
    """The communities that a suggestion may cite: real ones of at least `disclosure_k` users."""
    return communities.filter(pl.col("verdict") == "real", pl.col("users") >= disclosure_k)


def propose(
    *,
    day: date,
    communities: pl.DataFrame,
    outcomes: pl.DataFrame,
    interest_graph: pl.DataFrame,
    taxonomy: pl.DataFrame,
    placebos: pl.DataFrame | None = None,
    changes: Changes | None = None,
    disclosure_k: int = MIN_USERS,
    share: float = 1.0,
    timezone: str = "UTC",
) -> pl.DataFrame:
    """Suggestions from the outcomes of the last complete window.

    Triggers:
        boost_interest: members engage more with the interest than others do, per showing where showings are logged,
            else as a share of their engagement. Where the log tells what members are shown now, the effect is what a
            moved showing gains over that (coterie.strategies.gain).
        explore_interest: the interest is linked in the interest graph with one of the community's five most
            distinctive interests, the community's share of it is not above the others', and its members without
            earlier engagement take it up more often than others without.
        close_supply_gap: the interest's share of the members' engagement is above its share of supply, and above its
            share of the others' engagement: a gap that everybody feels is not repeated for each community.
        diversify: a showing of an interest that takes up a tenth of what members are shown, or more, brings less than
            what they are shown otherwise, while within the week its share rose and what a showing of it brings, against
            the rest, fell by more than chance explains.
        seed_creators: members are shown less of a creator than others are, and a showing of what the creator makes
            brings more than what they are shown now.
        bridge: another community wants the same interest and is mostly shown other items of it, which bring more from
            members than what they are shown of it.
        rest_interest: once a member has been shown it so often on a day that at most a quarter of its showings are left,
            a showing of it brings less than what else the member is shown then, and loses more against that, or annoys
            more often, than it did before.
        cold_start_bundle: after some number of engagements, 20 at most, four of five users who are placed in the community
            belong to it, by profiles that were learnt from others.
        timing: members are there in some hours of the day more than others are, and a showing in them brings more than
            one brings the same members at other times of the same day.

    A row is kept at q <= 0.10 over the day's candidates of all kinds. It is `proposed` if the lower end of its 90 %
    interval is above zero as well. The interval is that of the shrunk effect, widened on both sides by what the
    community's preferences may change until it is acted on, by what wrong and missing labels may do
    (coterie.strategies.label_error; a boost's lower end is about the items as labelled) and by the bias bound of the
    outcome, and goes no further than 1; `std_error` is the posterior standard deviation with that change and without
    labels and bound. Sensitive interests are kept
    for analysis, with no action, and are never proposed. What cannot be evaluated is listed without a number, one row
    a community and kind at most.

    Args:
        day: the day of the suggestion.
        communities: COMMUNITIES of the day; only real ones of at least `disclosure_k` users are cited.
        outcomes: what `outcome.measure` returns for the last complete window, `creators.ByCreator.outcomes`, and what
            `bridges.bridges`, `timing.timing`, `resting.resting` and `newcomers.newcomers` return.
        interest_graph: INTEREST_GRAPH of the day.
        taxonomy: interest_id, interest, sensitive. Interests that are missing there are treated as sensitive.
        placebos: what `placebo.placebo` returns for the same window and that by creator; goes into the evidence.
        changes: what `changes_of_day` returns for it; None or a community that is not there: none is allowed for.
        disclosure_k: least number of users that a number may rest on.
        share: of users that the outcomes rest on; goes into the evidence where it is not 1.
        timezone: what hours of the day are those of.

    Returns:
        STRATEGIES, at most three rows a community and kind. Of those that compete for a community's showings, some give
        way (coterie.strategies.budget).
    """
    names = citable(communities, disclosure_k).select("community_id", "users")
    measured = with_change(outcomes.join(names, on="community_id", how="inner"), changes)
    tested = candidates(measured, interest_graph, disclosure_k)
    if not tested.height:
        return STRATEGIES.empty()
    if placebos is None:
        placebos = pl.DataFrame(schema=PLACEBO_SCHEMA)
    tested = (
        tested.with_columns(target=TARGET)
        .join(placebos.rename({"interest_id": "target"}), on=["community_id", "target", "metric"], how="left")
        .join(taxonomy.select("interest_id", "interest", "sensitive"), on="interest_id", how="left")
        .with_columns(
            pl.col("interest").fill_null(pl.col("interest_id")),
            # What is about no interest is about no sensitive one.
            sensitive=pl.col("sensitive").fill_null(pl.col("interest_id").is_not_null())
            | pl.col("avoided").fill_null(False),
            timezone=pl.lit(timezone),
        )
        .sort("kind", "community_id", "target")
    )
    estimated = _estimate(tested)
    picked = _pick(estimated)
    rows = [_row(day, row, estimated.height, disclosure_k, share) for row in picked.iter_rows(named=True)]
    return STRATEGIES.conform(pl.DataFrame(rows, schema=STRATEGIES.schema)) if rows else STRATEGIES.empty()


def strategy_id(kind: str, community_id: str, target: str) -> str:
    """The same id whenever the same suggestion is made again; the target is an interest, or that of a bridge."""
    return "s-" + hashlib.sha256(f"{kind}|{community_id}|{target}".encode()).hexdigest()[:12]


def _public(row: Mapping[str, Any]) -> str:
    """What the id is made of: of a creator the interest, as anybody could try out whose id gives a published one."""
    return str(row["interest_id"] if row["creator_id"] is not None else row["target"])


def _estimate(tested: pl.DataFrame) -> pl.DataFrame:
    """Add p, q, effect, interval, std_error and spread (the prior's width, in natural units) to each candidate."""
    usable = tested["difference"].is_not_null() & (tested["engaged"] >= MIN_ENGAGED)
    mask = usable.to_numpy()
    n = tested.height
    difference = tested["difference"].fill_null(0.0).to_numpy()
    error = tested["std_error"].fill_null(1.0).to_numpy()
    scale, bias = tested["scale"].fill_null(1.0).to_numpy(), tested["bias_bound"].fill_null(0.0).to_numpy()
    # Candidates without enough members behind them count as tested and lost, so that leaving them out costs no level.
    p = np.ones(n)
    p[mask] = norm.sf(difference[mask] / error[mask])
    q = false_discovery_control(p, method="bh")
    change, move = (tested[c].fill_null(0.0).to_numpy() for c in ("change", "move"))
    wrong, missed = (tested[c].to_numpy() for c in ("label_error", "label_missed"))
    confidence = tested["label_confidence"].fill_null(1.0).to_numpy()
    columns = {name: np.full(n, np.nan) for name in ("effect", "effect_low", "effect_high", "sd", "spread")}
    kinds = tested["kind"].to_numpy()
    for kind in KINDS:
        rows = np.flatnonzero(mask & (kinds == kind))
        # On the scale sqrt(p (1 - p)) errors depend on sample size alone and effects of rare and common interests are
        # alike, so that one prior can serve them all.
        posterior = shrink(difference[rows] / scale[rows], error[rows] / scale[rows])
        effect = posterior.mean * scale[rows]
        moved = change[rows] * np.abs(effect) + move[rows]
        # What is not known of the past and what the future changes are independent: their squares add up.
        columns["effect"][rows] = effect
        columns["sd"][rows] = np.hypot(posterior.sd * scale[rows], moved)
        low, high = effect - posterior.low * scale[rows], posterior.high * scale[rows] - effect
        down, up = Z90 * moved, Z90 * np.hypot(moved, wrong[rows] * effect)
        dilution = np.ones(len(rows))
        # What moves showings moves those of what bears the label, so that is what its lower end is about. Others are
        # about the interest: labels that are wrong or missing make its share look smaller.
        if kind not in MOVING_KINDS:
            down, up, dilution = up, np.hypot(up, Z90 * missed[rows] * effect), confidence[rows]
        columns["effect_low"][rows] = effect - np.hypot(low, down) - bias[rows]
        above = effect + np.hypot(high, up)
        # Every metric is a difference of two numbers in [0, 1].
        columns["effect_high"][rows] = np.minimum(above / np.where(above > 0, dilution, 1.0) + bias[rows], 1.0)
        columns["spread"][rows] = posterior.spread
    return tested.with_columns(
        usable=pl.Series(mask), p_value=pl.Series(p), q_value=pl.Series(q),
        **{name: pl.Series(values).fill_nan(None) for name, values in columns.items()},
    )  # fmt: skip


def _pick(estimated: pl.DataFrame) -> pl.DataFrame:
    status = (
        pl.when(pl.col("why_not").is_not_null())
        .then(pl.format("withheld: not evaluable, {}", pl.col("why_not")))
        .when(pl.col("sensitive"))
        .then(pl.lit("withheld: sensitive interest"))
        .when(pl.col("effect_low") > 0)
        .then(pl.lit(PROPOSED))
        .otherwise(pl.lit("withheld: the interval reaches zero"))
    )
    by_kind = ["kind", "community_id"]
    found = estimated.filter(pl.col("usable"), pl.col("trigger"), pl.col("q_value") <= Q_LIMIT, pl.col("effect") > 0)
    # A community that is too small or too quiet is one finding, not one a interest: the interest that most members
    # touched stands for it.
    unknown = (
        estimated.filter(pl.col("why_not").is_not_null(), ~pl.col("sensitive"))
        .sort(*by_kind, "engaged", "target", descending=[False, False, True, False])
        .group_by(by_kind, maintain_order=True)
        .head(1)
    )
    moved = pl.when(pl.col("kind").is_in([BOOST, DIVERSIFY, BRIDGE])).then(pl.col("served_share") * MOVED_SHARE)
    picked = (
        pl.concat([found, unknown.select(found.columns)])
        .with_columns(status=status)
        .with_columns(
            withheld=pl.col("status") != PROPOSED,
            public=pl.when(pl.col("creator_id").is_null()).then("target").otherwise("interest_id"),
        )
        .sort(*by_kind, "withheld", "effect_low", "target", descending=[False, False, False, True, False],
              nulls_last=True)
        .unique([*by_kind, "public"], keep="first", maintain_order=True)  # of the creators of an interest, one
        .group_by(by_kind, maintain_order=True)
        .head(ROWS_PER_KIND)
        .with_columns(
            moved=moved.when(pl.col("kind") == EXPLORE)
            .then(EXPLORE_SLOTS / 100)
            .when(pl.col("kind") == SEED_CREATORS)
            .then(SEED_SLOTS / 100)
            .when(pl.col("kind") == REST)
            .then(pl.col("served_share") * pl.col("late_share")),
            gains=pl.col("metric").is_in(MOVING_METRICS), proposed=~pl.col("withheld"),
        )
    )  # fmt: skip
    return within_budget(picked)


def _row(day: date, row: Mapping[str, Any], tested: int, disclosure_k: int, share: float) -> dict[str, Any]:
    known = row["why_not"] is None
    action = action_of(row) if known and not row["sensitive"] else {"type": "none"}
    return {
        "strategy_id": strategy_id(row["kind"], row["community_id"], _public(row)),
        "kind": row["kind"],
        "community_id": row["community_id"],
        "interest_id": row["interest_id"],
        "creator_id": row["creator_id"],
        "other_community_id": row["other_community_id"],
        "action": as_json(action),
        "users_affected": row["users"],
        "metric": row["metric"],
        "baseline": row["baseline"],
        "effect": row["effect"] if known else None,
        "effect_low": row["effect_low"] if known else None,
        "effect_high": row["effect_high"] if known else None,
        "std_error": row["sd"] if known else None,
        "p_value": row["p_value"] if known else None,
        "q_value": row["q_value"] if known else None,
        "evaluability": row["evaluability"],
        "evidence": as_json(evidence_of(day, row, tested, disclosure_k, share)),
        "guardrail": wording.guardrail(row) if known else wording.NOT_APPLIED,
        "expires_on": day + LIFETIME,
        "kill_criterion": wording.kill_criterion(row) if known else wording.NOT_APPLIED,
        "status": row["status"],
    }
