"""Two days side by side: what is new, what is gone, who went where.

Belongs here: the comparison's rows and sentences. Does not belong here: asking the lake, looks.
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from coterie.report.assemble import assemble
from coterie.report.facts import DayFacts
from coterie.report.names import community_name, interest_name
from coterie.report.numbers import Numbers
from coterie.report.page import helpers, moved
from coterie.report.river_chart import movement
from coterie.report.texts import Language, Texts

Rows = list[dict[str, Any]]


def render_comparison(
    before: DayFacts, after: DayFacts, between: Mapping[str, pl.DataFrame], language: Language = "en"
) -> str:
    """The comparison of two days as one HTML text.

    Args:
        before: facts of the earlier day.
        after: facts of the later one.
        between: the answers of BETWEEN for both, by name.
    """
    t = Texts(language)
    days = {"before": t.day(before.day), "after": t.day(after.day)}
    moves = between["moves_between"]
    drawn = movement(moves.with_columns(day=pl.lit(after.day)), after, t, earlier=before)
    charts = {"river": drawn} if drawn else {}
    return assemble(
        "compare.html.j2",
        t,
        charts=charts,
        parameters={
            "before": f"date '{before.day.isoformat()}'",
            "day": f"date '{after.day.isoformat()}'",
            "k": str(after.disclosure_size),
        },
        title=t("compare.title", source=after.source, **days),
        heading=t("compare.heading", **days),
        subtitle=after.source,
        parts=("changed", "communities", "movement", "interests", "strategies"),
        k=after.disclosure_size,
        days=days,
        both=between["overview_between"].row(0, named=True),
        changed=sentences(before, after, between, t),
        communities=_communities(before, after),
        moves=moved(moves),
        interests=_interests(before, after),
        strategies=_strategies(before, after),
        profiles={},
        n=Numbers(t),
        then=Numbers(t, before.day),
        now=Numbers(t, after.day),
        **helpers(_joined(before, after), t),
    )


def sentences(before: DayFacts, after: DayFacts, between: Mapping[str, pl.DataFrame], t: Texts) -> list[str]:
    """What changed between two days: people, communities, suggestions."""
    then, now = before.row("overview") or {}, after.row("overview") or {}
    both = between["overview_between"].row(0, named=True)
    n, n_then, n_now = Numbers(t), Numbers(t, before.day), Numbers(t, after.day)
    if both["people_since"] is None:
        people = t("compare.people_unknown", k=after.disclosure_size)
    else:
        people = t("compare.people", now=n_now("overview.people", now), before=n_then("overview.people", then),
                   change=n("overview_between.people_since", both),
                   interval=n.interval("overview_between.people_since", both, "interval_90"))  # fmt: skip
    return [
        people,
        t("compare.real", now=n_now("overview.real", now), before=n_then("overview.real", then),
          born=n("overview_between.new", both), gone=n("overview_between.gone", both), k=after.disclosure_size),
        t("compare.strategies", now=n_now("overview.proposed", now), before=n_then("overview.proposed", then),
          both=n("overview_between.kept", both)),
    ]  # fmt: skip


def _proposed(day: DayFacts) -> set[str]:
    return set(day["board"].filter(pl.col("status") == "proposed")["strategy_id"])


def _communities(before: DayFacts, after: DayFacts) -> Rows:
    then = {row["community_id"]: row for row in before["communities"].to_dicts()}
    now = {row["community_id"]: row for row in after["communities"].to_dicts()}
    rows = [{"id": i, "then": then.get(i), "now": now.get(i)} for i in [*now, *(i for i in then if i not in now)]]
    for row in rows:
        known = row["now"] or row["then"]
        row["name"] = community_name(known["name"], after.names)
    return rows


def _interests(before: DayFacts, after: DayFacts) -> Rows:
    then, now = (day["interest_days"].filter(pl.col("day") == day.day).to_dicts() for day in (before, after))
    by_id = {row["interest_id"]: row for row in then}
    called = dict(after["trends"].select("interest_id", "interest").iter_rows())
    rows = [
        {"name": interest_name(row["interest_id"], after.names, called.get(row["interest_id"])), "now": row,
         "then": by_id[row["interest_id"]]}
        for row in now if row["interest_id"] in by_id
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-abs(row["now"]["share"] - row["then"]["share"]), row["name"]))


def _strategies(before: DayFacts, after: DayFacts) -> list[tuple[str, Rows]]:
    then, now = _proposed(before), _proposed(after)
    rows_then, rows_now = before["board"].to_dicts(), after["board"].to_dicts()
    return [
        ("new", [row for row in rows_now if row["strategy_id"] in now - then]),
        ("kept", [row for row in rows_now if row["strategy_id"] in now & then]),
        ("dropped", [row for row in rows_then if row["strategy_id"] in then - now]),
    ]


def _joined(before: DayFacts, after: DayFacts) -> DayFacts:
    """The later day, with the names of communities that only the earlier one has."""
    history = (
        pl.concat([before["history"], after["history"]]).unique(["day", "community_id"]).sort("day", "community_id")
    )
    return DayFacts(after.day, after.source, {**after.frames, "history": history}, after.disclosure_size, after.names)
