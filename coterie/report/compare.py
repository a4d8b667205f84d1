"""Two days side by side: what is new, what is gone, who went where.

Belongs here: the comparison's rows and sentences. Does not belong here: asking the lake, looks.
"""

from typing import Any

import polars as pl

from coterie.report.assemble import assemble
from coterie.report.charts import movement
from coterie.report.facts import DayFacts
from coterie.report.names import community_name, interest_name
from coterie.report.numbers import Numbers
from coterie.report.page import helpers
from coterie.report.texts import Language, Texts

Rows = list[dict[str, Any]]


def render_comparison(before: DayFacts, after: DayFacts, moves: pl.DataFrame, language: Language = "en") -> str:
    """The comparison of two days as one HTML text.

    Args:
        before: facts of the earlier day.
        after: facts of the later one.
        moves: what BETWEEN gives for both: source, target, users_rounded.
    """
    t = Texts(language)
    days = {"before": t.day(before.day), "after": t.day(after.day)}
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
        parts=("today", "communities", "movement", "interests", "strategies"),
        k=after.disclosure_size,
        days=days,
        changed=sentences(before, after, t),
        communities=_communities(before, after),
        moves=moves.filter(~pl.col("source").eq_missing(pl.col("target"))).to_dicts(),
        interests=_interests(before, after),
        strategies=_strategies(before, after),
        profiles={},
        n=Numbers(t),
        **helpers(_joined(before, after), t),
    )


def sentences(before: DayFacts, after: DayFacts, t: Texts) -> list[str]:
    """What changed between two days: people, communities, suggestions."""
    then, now = before.row("overview") or {}, after.row("overview") or {}
    people_then, people_now = then.get("people"), now.get("people")
    if people_then and people_now:
        change = f"{(float(str(people_now)) / float(str(people_then)) - 1) * 100:+.0f}%".replace("-", "−")
        people = t("compare.people", now=f"{people_now:,}", before=f"{people_then:,}", change=change)
    else:
        people = t("compare.people_unknown", k=after.disclosure_size)
    ids_then, ids_now = (set(day["communities"]["community_id"]) for day in (before, after))
    plans_then, plans_now = (_proposed(day) for day in (before, after))
    return [
        people,
        t("compare.real", now=now.get("real", 0), before=then.get("real", 0), born=len(ids_now - ids_then),
          gone=len(ids_then - ids_now)),
        t("compare.strategies", now=len(plans_now), before=len(plans_then), both=len(plans_now & plans_then)),
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
