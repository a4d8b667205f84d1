"""The report of a day for a reader who has never heard of Leiden.

Belongs here: which rows of which facts stand where. Does not belong here: words (words/), looks (templates/), charts.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import polars as pl

from coterie.report.assemble import assemble
from coterie.report.charts import MOST_SCORES, charts_of, first_interest, size_history
from coterie.report.facts import DayFacts
from coterie.report.names import community_name, interest_name, item_text
from coterie.report.numbers import Metric, Numbers, fact_of
from coterie.report.sentences import (
    how_far_to_trust,
    nothing_to_do,
    strategy_says,
    strategy_title,
    top_strategies,
    what_changed,
)
from coterie.report.texts import Language, Texts

Rows = list[dict[str, Any]]
PARTS = ("today", "communities", "movement", "interests", "supply", "strategies", "record", "data", "method")
NEIGHBOURS = 5
MOST_LACKS = 8
MOST_QUALITY = 60  # interests with annotated texts


def render(facts: DayFacts, language: Language = "en") -> str:
    """The report as one HTML text; equal facts give equal text. Everything from the log is escaped."""
    t = Texts(language)
    profiles = _profiles(facts, t)
    charts = charts_of(facts, t)
    for community, profile in profiles.items():
        if profile["chart"]:
            charts[f"c-{community}"] = profile["chart"]
    board = _board(facts, t)
    return assemble(
        "page.html.j2",
        t,
        charts=charts,
        parameters={"day": f"date '{facts.day.isoformat()}'", "k": str(facts.disclosure_size)},
        title=t("title", source=facts.source, date=t.day(facts.day)),
        heading=t("heading"),
        subtitle=t("subtitle", source=facts.source, date=t.day(facts.day)),
        parts=PARTS,
        k=facts.disclosure_size,
        n=Numbers(t),
        changed=what_changed(facts, t),
        trust=how_far_to_trust(facts, t),
        top=top_strategies(facts["board"]),
        overview=facts["overview"].row(0, named=True),
        nothing=nothing_to_do(facts["overview"].row(0, named=True), t),
        proposed=facts["board"].filter(pl.col("status") == "proposed").height,
        communities=_communities(facts, t),
        profiles=profiles,
        moves=moved(facts["moves"].filter(pl.col("day") == facts.day)),
        events=_events(facts, t),
        river_days=facts["moves"]["day"].n_unique() + 1,
        trends=_by_q(facts["trends"].filter(pl.col("users_rounded").is_not_null())),
        interest_choices=_choices(facts),
        first_interest=first_interest(facts),
        gaps=facts["gaps"].sort(pl.col("gap").abs(), "interest_id", descending=[True, False]).to_dicts(),
        board=board,
        filters=_filters(board, t),
        record=facts["record"].to_dicts(),
        calibration=facts["calibration"].to_dicts(),
        scored=_scored(facts),
        quality=facts["quality"].sort("day", descending=True).to_dicts(),
        quality_today=facts.row("quality", day=facts.day),
        rejects=facts["rejects"].to_dicts(),
        labellers=facts["labellers"].to_dicts(),
        label_quality=facts["label_quality"].head(MOST_QUALITY).to_dicts(),
        **helpers(facts, t),
    )


def helpers(facts: DayFacts, t: Texts) -> dict[str, Callable[..., object]]:
    """What templates call: names of communities and interests, sentences of a suggestion, tables behind a number."""
    called = {i: community_name(n, facts.names) for i, n in facts["history"].select("community_id", "name").iter_rows()}

    def interest(row: Mapping[str, Any]) -> str:
        return interest_name(row["interest_id"], facts.names, row.get("interest"))

    def tables_of(metric: Metric) -> tuple[str, ...]:
        if metric.direct:
            return (metric.direct,)
        return fact_of(metric).tables

    return {
        "interest": interest,
        "community": lambda community: called.get(community, community),
        "strategy_title": lambda row: strategy_title(row, facts, t),
        "strategy_says": lambda row: strategy_says(row, t),
        "plan": lambda row: _plan(row, t),
        "tables_of": tables_of,
    }


def _plan(row: Mapping[str, Any], t: Texts) -> str:
    if row["users_per_arm"] is None:
        return t("strategy.plan_none")
    numbers = Numbers(t)
    users = numbers("board.users_per_arm", row)
    if row["test_days"] is None:
        said = t("strategy.plan_small", users=users)
    else:
        said = t("strategy.plan", users=users, days=numbers("board.test_days", row))
    return said + t("space") + t("strategy.unit_community") if row["unit"] == "community" else said


def _communities(facts: DayFacts, t: Texts) -> Rows:
    wants = _wants(facts)
    rows = facts["communities"].to_dicts()
    for row in rows:
        names = wants.get(row["community_id"], [])
        row["wants"] = str(t.get("join")).join(names[:3]) or t.get("none")
        row["words"] = " ".join([row["name"], community_name(row["name"], facts.names), *names]).lower()
    return rows


def _wants(facts: DayFacts) -> dict[str, list[str]]:
    wants: dict[str, list[str]] = {}
    for community, interest in facts["wants"].select("community_id", "interest_id").iter_rows():
        wants.setdefault(community, []).append(interest_name(interest, facts.names))
    return wants


def moved(moves: pl.DataFrame) -> Rows:
    """Those moves that are not staying, the largest group first."""
    others = moves.filter(~pl.col("source").eq_missing(pl.col("target")))
    return others.sort("users_rounded", "source", "target", descending=[True, False, False]).to_dicts()


def _events(facts: DayFacts, t: Texts) -> list[tuple[date, str, str]]:
    """Day, community and what happened, latest first; that all began on the first day of all is no news."""
    first = facts["history"]["day"].min() or facts.day
    lineage = facts["lineage"].filter((pl.col("event") != "born") | (pl.col("day") != first))
    latest = lineage.sort("day", "community_id", "event", descending=[True, False, False])
    return [(event["day"], event["community_id"], says_event(event, facts, t)) for event in latest.to_dicts()]


def _by_q(trends: pl.DataFrame) -> Rows:
    return trends.sort("q_value", "interest_id", nulls_last=True).to_dicts()


def _choices(facts: DayFacts) -> list[tuple[str, str]]:
    often = facts["interest_days"].group_by("interest_id").agg(pl.len()).filter(pl.col("len") >= 3)
    called = dict(facts["trends"].select("interest_id", "interest").iter_rows())
    choices = [(i, interest_name(i, facts.names, called.get(i))) for i in often["interest_id"]]
    return sorted(choices, key=lambda choice: (choice[1], choice[0]))


def _board(facts: DayFacts, t: Texts) -> Rows:
    rows = facts["board"].to_dicts()
    for row in rows:
        row["called"] = interest_name(row["interest_id"] or "", facts.names, row["interest"])
        row["place"] = community_name(row["community"], facts.names)
        row["state"] = row["status"].partition(": ")[0]
        row["says_status"] = says_status(row["status"], t)
        row["words"] = " ".join([row["called"], row["interest"], row["place"], row["community"]]).lower()
    return rows


def says_status(status: str, t: Texts) -> str:
    """The status of a suggestion in words; a reason that the catalogue does not know stays as the table has it."""
    if status == "proposed":
        return t("status.proposed")
    state, _, reason = status.partition(": ")
    known = t.get("reasons").get(re.sub(r"\d+", "{n}", reason))
    return t(f"status.{state}") + t("colon") + (known.format(*re.findall(r"\d+", reason)) if known else reason)


def _scored(facts: DayFacts) -> Rows:
    """Suggestions that were measured again, latest first: those that the chart shows."""
    rows = facts["scores"].filter(pl.col("realised").is_not_null()).tail(MOST_SCORES).reverse().to_dicts()
    for row in rows:
        row["called"] = facts.names.words.get(row["interest"], row["interest"])
        row["place"] = community_name(row["community"], facts.names)
    return rows


def _filters(board: Rows, t: Texts) -> list[tuple[str, list[tuple[str, str]]]]:
    def choices(column: str, says: Callable[[str], str]) -> list[tuple[str, str]]:
        found = sorted({row[column] for row in board if row[column]})
        return sorted(((value, says(value)) for value in found), key=lambda choice: (choice[1], choice[0]))

    places = {row["community_id"]: row["place"] for row in board}
    return [
        ("kind", choices("kind", lambda kind: t(f"kinds.{kind}"))),
        ("community", choices("community_id", lambda community: places[community])),
        ("evidence", choices("evaluability", lambda known: t(f"short_evidence.{known}"))),
        ("status", choices("state", lambda state: t(f"status.{state}"))),
    ]


def _profiles(facts: DayFacts, t: Texts) -> dict[str, dict[str, Any]]:
    board = _board(facts, t)
    return {row["community_id"]: _profile(row, facts, board, t) for row in facts["communities"].to_dicts()}


def _profile(row: dict[str, Any], facts: DayFacts, board: Rows, t: Texts) -> dict[str, Any]:
    community = row["community_id"]

    def own(fact: str) -> pl.DataFrame:
        return facts[fact].filter(pl.col("community_id") == community)

    mine = [s for s in board if s["community_id"] == community and s["state"] == "proposed"]
    history = own("history").sort("day", descending=True)
    return {
        "row": row,
        "name": community_name(row["name"], facts.names),
        "since": _since(community, facts),
        "chart": size_history(facts, community, t),
        "history": history.to_dicts(),
        "wants": own("wants").to_dicts(),
        "lacks": [s for s in mine if s["kind"] == "close_supply_gap" and s["effect"] is not None][:MOST_LACKS],
        "exemplars": [{**item, "said": item_text(item["text"])} for item in own("exemplars").to_dicts()],
        "neighbours": own("neighbours").head(NEIGHBOURS).to_dicts(),
        "strategies": mine,
        "lineage": [(event["day"], says_event(event, facts, t)) for event in own("lineage").to_dicts()],
    }


def _since(community: str, facts: DayFacts) -> date | None:
    """The first day of its history, if that is not simply where the four weeks begin."""
    days = facts["history"].filter(pl.col("community_id") == community)["day"]
    first = days.min()
    return first if isinstance(first, date) and (facts.day - first).days < 27 else None


def says_event(event: Mapping[str, Any], facts: DayFacts, t: Texts) -> str:
    """An event in a community's life as a sentence; communities too small to be told of are left out of it."""
    called = {i: community_name(n, facts.names) for i, n in facts["history"].select("community_id", "name").iter_rows()}
    others = [called[i] for i in json.loads(event["from_ids"] or "[]") if i in called and i != event["community_id"]]
    kind = event["event"]
    if others and kind in {"split", "merged"}:
        return t(f"event_says.{kind}", names=t.listed(others))
    return t(f"event_says.{kind}") if kind in {"born", "died"} else t(f"event.{kind}") + str(t.get("first.stop"))
