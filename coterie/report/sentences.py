"""The first screen in sentences: what changed, what to do, how far to trust it.

Belongs here: which sentence the day's facts call for. Does not belong here: the words (words/*.yaml).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from coterie.report.facts import DayFacts
from coterie.report.names import community_name, interest_name
from coterie.report.numbers import Numbers
from coterie.report.texts import Texts

Row = Mapping[str, object]
TOP = 3
PROMISED = 0.9
FEWEST_SCORED = 20  # suggestions, below which a track record says little
# How an estimate is known, the surest first.
TRUST = ("propensity", "random_exposure", "observational", "not_evaluable")


def what_changed(facts: DayFacts, t: Texts) -> list[str]:
    """Three sentences: people, communities, interests."""
    numbers = Numbers(t)
    overview = facts.row("overview") or {}
    if not overview.get("events"):
        return [t("first.nothing")]
    return [
        _people(overview, facts, t, numbers),
        _communities(overview, facts, t, numbers),
        _interests(facts, t, numbers),
    ]


def top_strategies(board: pl.DataFrame) -> Sequence[Row]:
    """Up to three suggestions to start with: the best of each kind, the surest knowledge first, then the next best."""
    proposed = board.filter(pl.col("status") == "proposed", pl.col("effect").is_not_null())
    if proposed.is_empty():
        return []
    sure = pl.col("evaluability").replace_strict({name: n for n, name in enumerate(TRUST)}, default=len(TRUST))
    ordered = proposed.with_columns(
        sure=sure.cast(pl.Int64), place=pl.col("effect_low").rank("ordinal", descending=True).over("kind")
    )
    return ordered.sort("place", "sure", "strategy_id").head(TOP).to_dicts()


def nothing_to_do(overview: Row, t: Texts) -> str:
    """Why there is no suggestion to start with: none passed its test, or those that did are warnings by their record."""
    if not overview["warnings"]:
        return t("first.no_strategy")
    return t("first.only_warnings", n=Numbers(t)("overview.warnings", overview))


def how_far_to_trust(facts: DayFacts, t: Texts) -> list[str]:
    """The track record so far in sentences, or that there is none."""
    numbers = Numbers(t)
    record = facts.row("record", kind="all")
    if record is None:
        return [t("first.record_none")]
    low, high = float(record["hit_rate_low"]), float(record["hit_rate_high"])  # type: ignore[arg-type]
    judged = "record_low" if high < PROMISED else "record_high" if low > PROMISED else "record_fair"
    if record["scored"] < FEWEST_SCORED:  # type: ignore[operator]
        judged = "record_few"
    return [
        t(
            "first.record",
            scored=numbers("record.scored", record),
            hits=numbers("record.hits", record),
            rate=numbers("record.hit_rate", record),
            interval=numbers.interval("record.hit_rate", record, "interval_90"),
        ),
        t(f"first.{judged}"),
        t(
            "first.record_means",
            predicted=numbers("record.predicted", record, plain=True),
            realised=numbers("record.realised", record, plain=True),
            placebo=numbers("record.placebo", record, plain=True),
        ),
    ]


def first_screen(facts: DayFacts, language: str = "en") -> list[tuple[str, list[str]]]:
    """The first screen as plain texts, for places that show no HTML: headings, each with its sentences."""
    t = Texts(language, html=False)  # type: ignore[arg-type]
    top = [
        strategy_title(row, facts, t) + t("first.stop") + t("space") + strategy_says(row, t)
        for row in top_strategies(facts["board"])
    ]
    todo = top or [nothing_to_do(facts["overview"].row(0, named=True), t)]
    trust = [t("space").join(how_far_to_trust(facts, t))]
    return [(t("first.changed"), what_changed(facts, t)), (t("first.do"), todo), (t("first.trust"), trust)]


def headline(facts: DayFacts, language: str = "en") -> list[str]:
    """The sentences of the first screen, without their headings."""
    return [sentence for _, sentences in first_screen(facts, language) for sentence in sentences]


_ASKED = ("from_hour", "to_hour", "most_per_day", "signals")


def strategy_title(row: Row, facts: DayFacts, t: Texts) -> str:
    """What is suggested, in one line."""
    key = f"strategy.{row['kind']}" if t.has(f"strategy.{row['kind']}") else "strategy.boost_interest"
    asked = {name: row[name] for name in _ASKED if row.get(name) is not None}
    return t(f"{key}_told" if asked else key, **asked, community=community_name(str(row["community"]), facts.names),
             interest=interest_name(str(row["interest_id"]), facts.names, str(row["interest"])))  # fmt: skip


def strategy_says(row: Row, t: Texts) -> str:
    """What is expected, with the interval, and how it is known; without an estimate, that there is none."""
    if row["effect"] is None:
        return t("strategy.not_evaluable")
    numbers = Numbers(t)
    metric = f"strategy.{row['metric']}"
    said = t(
        metric if t.has(metric) else "strategy.other_metric",
        effect=numbers("board.effect", row, plain=True),
        interval=numbers.interval("board.effect", row, "interval_90", plain=True),
        baseline=numbers("board.baseline", row),
    )
    known = f"strategy.{row['evaluability']}"
    return said + t("space") + t(known if t.has(known) else "strategy.observational")


def _people(overview: Row, facts: DayFacts, t: Texts, numbers: Numbers) -> str:
    if overview["people"] is None:
        return t("first.people_few", k=facts.disclosure_size)
    said = {"people": numbers("overview.people", overview)}
    for when, before in (("day", "yesterday"), ("week", "last_week")):
        metric = f"overview.people_since_{before}"
        if overview[f"people_since_{before}"] is not None:
            said |= {when: numbers(metric, overview), f"{when}_range": _range(overview, before, t, numbers)}
    if "day" not in said:
        return t("first.people_since_last_week" if "week" in said else "first.people_first", **said)
    return t("first.people_since" if "week" in said else "first.people_since_yesterday", **said)


def _range(overview: Row, before: str, t: Texts, numbers: Numbers) -> str:
    """The interval of a change and, once there are enough days, what such changes usually are."""
    interval = numbers.interval(f"overview.people_since_{before}", overview, "interval_90")
    low, high = (f"usual_{before}_{end}" for end in ("low", "high"))
    if overview[low] is None:
        return interval
    return t("first.usual", interval=interval, low=numbers(f"overview.{low}", overview),
             high=numbers(f"overview.{high}", overview))  # fmt: skip


def _communities(overview: Row, facts: DayFacts, t: Texts, numbers: Numbers) -> str:
    def n(name: str) -> str:
        return numbers(f"overview.{name}", overview)

    if not overview["communities"]:
        said = t("first.real_no_candidate", k=facts.disclosure_size)
    elif not overview["real"]:
        said = t("first.real_none", all=n("communities"))
    else:
        said = t("first.real", real=n("real"), all=n("communities"), false_alarms=n("false_alarms"))
    if overview["real_yesterday"] is None:
        return said
    week = overview["real_last_week"] is not None

    def with_alarms(when: str) -> str:
        real = n(f"real_{when}")
        if overview[f"false_alarms_{when}"] is None:
            return t("first.real_before_none", real=real)
        return t("first.real_before", real=real, false_alarms=n(f"false_alarms_{when}"))

    before = {"yesterday": with_alarms("yesterday")} | ({"week": with_alarms("last_week")} if week else {})
    changes = {"born": n("new_yesterday"), "gone": n("gone_yesterday")}
    if week:
        changes |= {"born_week": n("new_last_week"), "gone_week": n("gone_last_week")}
    sentences = [
        said,
        t("first.before_both" if week else "first.before", **before),
        t("first.changes_week" if week else "first.changes_day", **changes),
    ]
    if any(overview[f"{what}_{when}"] for what in ("new", "gone") for when in ("yesterday", "last_week")):
        sentences.append(t("first.in_view", k=facts.disclosure_size))
    return t("space").join(sentences)


def _interests(facts: DayFacts, t: Texts, numbers: Numbers) -> str:
    known = facts["trends"].filter(pl.col("ratio_low").is_not_null())
    moving = facts["trends"].filter(pl.col("trend").is_in(["rising", "falling"]))
    clear = moving.filter(pl.col("ratio_low").is_not_null()).sort("q_value", "interest_id", nulls_last=True)
    if moving.height and clear.is_empty():
        row = moving.sort("q_value", "interest_id", nulls_last=True).row(0, named=True)
        name = interest_name(row["interest_id"], facts.names, row["interest"])
        return t(f"first.{row['trend']}_untold", interest=name)
    if known.is_empty():
        return t("first.steady_unknown", k=facts.disclosure_size)
    row = (clear if clear.height else known.sort("q_value", "interest_id", nulls_last=True)).row(0, named=True)
    values = {
        "interest": interest_name(row["interest_id"], facts.names, row["interest"]),
        "ratio": numbers("trends.ratio", row),
        "interval": numbers.interval("trends.ratio", row, "interval_90"),
    }
    if not clear.height:
        said = t("first.steady", **values)
        # Several are compared at once: that the interval of one of them leaves 1 out is no change yet.
        by_chance = row["ratio_low"] > 1 or row["ratio_high"] < 1
        return t("space").join([said, t("first.steady_by_chance")]) if by_chance else said
    end = t("first.stop")
    if row["since_yesterday_low"] is not None:
        end = t(
            "first.versus_yesterday",
            ratio=numbers("trends.since_yesterday", row),
            interval=numbers.interval("trends.since_yesterday", row),
        )
    return t(f"first.{row['trend']}", **values) + end
