"""From outcomes to suggestions: which pairs qualify, what their effect is, and which may be shown.

The order matters. Candidates are chosen without looking at the effect's sign; all of the day's candidates are tested
together (Benjamini and Hochberg 1995) and shrunk together by kind; only then are rows picked. So neither the q-values
nor the effects suffer from picking the best.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control, norm

from coterie.strategies import wording
from coterie.strategies.budget import within_budget
from coterie.strategies.change import CHANGE_SCHEMA, MOVE_SCHEMA, parts, weekly_change, weekly_move
from coterie.strategies.label_error import with_label_error
from coterie.strategies.outcome import ADOPTION, EXPOSURE, GAIN, GAP, MIN_USERS, SHARE, WINDOW_DAYS, measure
from coterie.strategies.placebo import placebo
from coterie.strategies.shrinkage import Z90, shrink
from coterie.strategies.window import window_from_frames
from coterie.tables import STRATEGIES

BOOST, EXPLORE, CLOSE_GAP = "boost_interest", "explore_interest", "close_supply_gap"
KINDS = (BOOST, EXPLORE, CLOSE_GAP)
Q_LIMIT = 0.10
MIN_ENGAGED = 5  # members behind an estimate; with fewer the normal approximation fails and there is nothing to suggest
TOP_INTERESTS = 5
ROWS_PER_KIND = 3
LIFETIME = timedelta(days=14)
BOOST_MULTIPLIER = 1.2
EXPLORE_SLOTS = 2
PROPOSED = "proposed"


@dataclass(frozen=True)
class Days:
    """The concatenated daily frames that suggestions and their scores are made from.

    Each has the columns of its contract and `day`; `labels` may be without. `exposed` is what `showings.exposed_rows`
    makes of RAW_EVENTS, for logs with propensities or random showings. Where `share` is below 1, `engagement` and
    `exposed` hold only the users of a sample (`sample.sampled`).
    """

    engagement: pl.DataFrame
    labels: pl.DataFrame
    memberships: pl.DataFrame
    user_interests: pl.DataFrame
    interest_daily: pl.DataFrame
    exposed: pl.DataFrame | None = None
    share: float = 1.0


@dataclass(frozen=True)
class Changes:
    """How much preferences may change until the next window: `change.weekly_change`, and `change.weekly_move` of gains."""

    relative: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGE_SCHEMA))
    moves: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MOVE_SCHEMA))


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
    cited = citable(communities, disclosure_k)
    window = window_from_frames(
        start=start, end=day, members_on=before, prior_on=before, communities=cited["community_id"],
        engagement=days.engagement, labels=days.labels, memberships=days.memberships,
        user_interests=days.user_interests, exposed=days.exposed,
    )  # fmt: skip
    supply = days.interest_daily.filter(pl.col("day").is_between(start, day))
    return propose(
        day=day,
        communities=communities,
        outcomes=measure(window, supply, disclosure_k),
        placebos=placebo(window, supply, day),
        changes=changes_of_day(day=day, days=days, communities=cited["community_id"]),
        interest_graph=interest_graph,
        taxonomy=taxonomy,
        disclosure_k=disclosure_k,
        share=days.share,
    )


def changes_of_day(*, day: date, days: Days, communities: pl.Series) -> Changes:
    """How much preferences change, by the window that suggestions of a day are made from.

    Args:
        day: the day.
        days: as for `strategies_of_day`.
        communities: ids of the communities that may be cited.
    """
    start, before = day - timedelta(days=WINDOW_DAYS - 1), day - timedelta(days=WINDOW_DAYS)
    first, last = (
        window_from_frames(
            start=a, end=b, members_on=before, prior_on=before, communities=communities, engagement=days.engagement,
            labels=days.labels, memberships=days.memberships, user_interests=days.user_interests, exposed=days.exposed,
        )
        for a, b in parts(start, day)
    )  # fmt: skip
    return Changes(weekly_change(first, last), weekly_move(first, last))


def with_change(candidates: pl.DataFrame, changes: Changes | None) -> pl.DataFrame:
    """Candidates with `change`, relative, and for gains `move` in its place."""
    changes = changes or Changes()
    joined = candidates.join(changes.relative, on="community_id", how="left").join(
        changes.moves.with_columns(metric=pl.lit(GAIN)), on=["community_id", "interest_id", "metric"], how="left"
    )
    return joined.with_columns(change=pl.when(pl.col("metric") != GAIN).then("change"))


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
        outcomes: what `outcome.measure` returns for the last complete window.
        interest_graph: INTEREST_GRAPH of the day.
        taxonomy: interest_id, interest, sensitive. Interests that are missing there are treated as sensitive.
        placebos: what `placebo.placebo` returns for the same window; goes into the evidence.
        changes: what `changes_of_day` returns for it; None or a community that is not there: none is allowed for.
        disclosure_k: least number of users that a number may rest on.
        share: of users that the outcomes rest on; goes into the evidence where it is not 1.

    Returns:
        STRATEGIES, at most three rows a community and kind. Of those that compete for a community's showings, some give
        way (coterie.strategies.budget).
    """
    names = citable(communities, disclosure_k).select("community_id", "users")
    candidates = _candidates(outcomes.join(names, on="community_id", how="inner"), interest_graph, disclosure_k)
    if not candidates.height:
        return STRATEGIES.empty()
    if placebos is None:
        candidates = candidates.with_columns(placebo=pl.lit(None, dtype=pl.Float64))
    else:
        candidates = candidates.join(placebos, on=["community_id", "interest_id", "metric"], how="left")
    candidates = with_change(candidates, changes)
    candidates = candidates.join(taxonomy.select("interest_id", "interest", "sensitive"), on="interest_id", how="left")
    candidates = candidates.with_columns(
        pl.col("interest").fill_null(pl.col("interest_id")), pl.col("sensitive").fill_null(True)
    ).sort("kind", "community_id", "interest_id")
    estimated = _estimate(candidates)
    picked = _pick(estimated)
    rows = [_row(day, row, estimated.height, disclosure_k, share) for row in picked.iter_rows(named=True)]
    return STRATEGIES.conform(pl.DataFrame(rows, schema=STRATEGIES.schema)) if rows else STRATEGIES.empty()


def strategy_id(kind: str, community_id: str, interest_id: str) -> str:
    """The same id whenever the same suggestion is made again."""
    return "s-" + hashlib.sha256(f"{kind}|{community_id}|{interest_id}".encode()).hexdigest()[:12]


def _candidates(outcomes: pl.DataFrame, interest_graph: pl.DataFrame, disclosure_k: int) -> pl.DataFrame:
    """Rows to test, with kind, link and trigger; which rows are tested does not depend on the effect to be tested."""
    known = outcomes.filter(
        pl.col("baseline").is_not_null(), pl.col("engaged") + pl.col("engaged_others") >= disclosure_k
    )
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
    return with_label_error(pl.concat([boost, _explorable(known, interest_graph), gap], how="diagonal"))


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


def _estimate(candidates: pl.DataFrame) -> pl.DataFrame:
    """Add p, q, effect, interval, std_error and spread (the prior's width, in natural units) to each candidate."""
    usable = candidates["difference"].is_not_null() & (candidates["engaged"] >= MIN_ENGAGED)
    mask = usable.to_numpy()
    n = candidates.height
    difference = candidates["difference"].fill_null(0.0).to_numpy()
    error = candidates["std_error"].fill_null(1.0).to_numpy()
    scale, bias = candidates["scale"].fill_null(1.0).to_numpy(), candidates["bias_bound"].fill_null(0.0).to_numpy()
    # Candidates without enough members behind them count as tested and lost, so that leaving them out costs no level.
    p = np.ones(n)
    p[mask] = norm.sf(difference[mask] / error[mask])
    q = false_discovery_control(p, method="bh")
    change, move = (candidates[c].fill_null(0.0).to_numpy() for c in ("change", "move"))
    wrong, missed = (candidates[c].to_numpy() for c in ("label_error", "label_missed"))
    confidence = candidates["label_confidence"].fill_null(1.0).to_numpy()
    columns = {name: np.full(n, np.nan) for name in ("effect", "effect_low", "effect_high", "sd", "spread")}
    kinds = candidates["kind"].to_numpy()
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
        # A boost moves showings to what bears the label, so that is what its lower end is about. The other kinds are
        # about the interest: labels that are wrong or missing make its share look smaller.
        if kind != BOOST:
            down, up, dilution = up, np.hypot(up, Z90 * missed[rows] * effect), confidence[rows]
        columns["effect_low"][rows] = effect - np.hypot(low, down) - bias[rows]
        above = effect + np.hypot(high, up)
        # Every metric is a difference of two numbers in [0, 1].
        columns["effect_high"][rows] = np.minimum(above / np.where(above > 0, dilution, 1.0) + bias[rows], 1.0)
        columns["spread"][rows] = posterior.spread
    return candidates.with_columns(
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
        .sort(*by_kind, "engaged", "interest_id", descending=[False, False, True, False])
        .group_by(by_kind, maintain_order=True)
        .head(1)
    )
    moved = pl.when(pl.col("kind") == BOOST).then(pl.col("served_share") * (BOOST_MULTIPLIER - 1))
    picked = (
        pl.concat([found, unknown.select(found.columns)])
        .with_columns(status=status)
        .with_columns(withheld=pl.col("status") != PROPOSED)
        .sort(*by_kind, "withheld", "effect_low", "interest_id", descending=[False, False, False, True, False],
              nulls_last=True)
        .group_by(by_kind, maintain_order=True)
        .head(ROWS_PER_KIND)
        .with_columns(
            moved=moved.when(pl.col("kind") == EXPLORE).then(EXPLORE_SLOTS / 100),
            gains=pl.col("metric") == GAIN, proposed=~pl.col("withheld"),
        )
    )  # fmt: skip
    return within_budget(picked)


def _row(day: date, row: Mapping[str, Any], candidates: int, disclosure_k: int, share: float) -> dict[str, Any]:
    known = row["why_not"] is None
    action = _action(row) if known and not row["sensitive"] else {"type": "none"}
    return {
        "strategy_id": strategy_id(row["kind"], row["community_id"], row["interest_id"]),
        "kind": row["kind"],
        "community_id": row["community_id"],
        "interest_id": row["interest_id"],
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
        "evidence": as_json(_evidence(day, row, candidates, disclosure_k, share)),
        "guardrail": wording.guardrail(row) if known else wording.NOT_APPLIED,
        "expires_on": day + LIFETIME,
        "kill_criterion": wording.kill_criterion(row) if known else wording.NOT_APPLIED,
        "status": row["status"],
    }


def _action(row: Mapping[str, Any]) -> dict[str, Any]:
    parameters: dict[str, float | int]
    if row["kind"] == BOOST:
        parameters = {"multiplier": BOOST_MULTIPLIER}
    elif row["kind"] == EXPLORE:
        parameters = {"slots_per_100": EXPLORE_SLOTS}
    else:
        # Items of the interest to add so that its share of supply meets the share that is asked for.
        wanted = min(row["baseline"] + row["effect"], 0.9)
        missing = (wanted * row["supply_total"] - row["supply"]) / (1 - wanted)
        parameters = {"items_wanted": max(1, math.ceil(round(missing, 6)))}
    return {
        "type": row["kind"],
        "community_id": row["community_id"],
        "interest_id": row["interest_id"],
        "parameters": parameters,
    }


def _evidence(day: date, row: Mapping[str, Any], candidates: int, disclosure_k: int, share: float) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "window": [(day - timedelta(days=WINDOW_DAYS - 1)).isoformat(), day.isoformat()],
        "members_as_of": (day - timedelta(days=WINDOW_DAYS)).isoformat(),
        "compared_with": wording.COMPARISONS[row["metric"]],
        "active_members": disclosed(row["members"], disclosure_k),
        "candidates_tested": candidates,
    }
    if share < 1:
        evidence["share_of_users"] = rounded(share)  # counts of active and engaged users are of the sample
    if row["why_not"] is not None:
        return evidence | {"not_evaluable": row["why_not"]}
    evidence |= {
        "members_engaged": disclosed(row["engaged"], disclosure_k),
        "others_active": disclosed(row["others"], disclosure_k),
        "others_engaged": disclosed(row["engaged_others"], disclosure_k),
        "members_value": rounded(row["value"]),
        "raw_difference": rounded(row["difference"]),
        "raw_std_error": rounded(row["std_error"]),
        "bias_bound": rounded(row["bias_bound"]),
        "weekly_change": rounded(row["change"] if row["move"] is None else row["move"] / abs(row["effect"])),
        "shrinkage": {
            "method": "adaptive shrinkage, mixture of half-normals at zero",
            "kept_share": rounded(row["effect"] / row["difference"]) if row["difference"] else None,
            "prior_spread": rounded(row["spread"] * row["scale"]),
        },
        "label_confidence": rounded(row["label_confidence"]),
        "label_items": rounded(row["label_items"]),
        "label_error": rounded(row["label_error"]),
        "placebo": rounded(row["placebo"]),
        "effective_users": rounded(row["effective_users"]),
    }
    if row["moved"] is not None:
        evidence["share_of_showings_moved"] = rounded(row["moved"])
    if row["effective_rows"] is not None:
        evidence["effective_rows"] = rounded(row["effective_rows"])
    if row["cut_share"] is not None:
        evidence["share_of_weight_cut"] = rounded(row["cut_share"])
    if row["metric"] == GAIN:
        evidence |= {
            "share_of_showings_now": rounded(row["served_share"]),
            "the_same_for_everybody": rounded(row["popularity"]),
            "members_less_others": rounded(row["beside_others"]),
            "members_less_others_std_error": rounded(row["beside_others_error"]),
        }
    if row["link"] is not None:
        evidence["linked_with"] = row["link"]
    return evidence


def disclosed(count: int, disclosure_k: int) -> int | None:
    """A count that may be shown: rounded down to a multiple of 5, null below the disclosure size."""
    return count // 5 * 5 if count >= disclosure_k else None


def rounded(value: float | None) -> float | None:
    """Six significant digits: enough for readers, and stable in text."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def as_json(value: Mapping[str, Any]) -> str:
    """Canonical JSON: sorted keys, real characters."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
