"""The map of communities and the river of movement as the Dagster UI shows them.

Belongs here: asking the facts that the report asks, before its marts are there. Does not belong here: drawing.
"""

import base64
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.gate import as_text
from coterie.report.facts import FACTS
from coterie.report.picture import NEEDED, pictures
from coterie.report.texts import Texts
from resources.warehouse import Warehouse


def drawn(
    warehouse: Warehouse,
    day: date,
    *,
    communities: pl.DataFrame,
    before: pl.DataFrame | None,
    memberships: pl.DataFrame,
    memberships_before: pl.DataFrame | None,
    user_interests: pl.DataFrame,
    taxonomy: pl.DataFrame,
    disclosure_k: int,
) -> dict[str, Any]:
    """Metadata of `communities`: the map, the river since yesterday, and what each verdict means.

    Args:
        warehouse: runs the queries.
        day: the day.
        communities: COMMUNITIES of the day.
        before: those of the day before; None on the first day.
        memberships: MEMBERSHIPS of the day.
        memberships_before: those of the day before.
        user_interests: USER_INTERESTS of the day.
        taxonomy: interest_id, interest.
        disclosure_k: least number of users that is told of.

    Returns:
        `map`, `river` (where there was a day before) and `verdicts`, as Markdown; those without anything to tell are
        left out.
    """
    yesterday = day - timedelta(days=1)
    main = [_on(memberships, day), *([] if memberships_before is None else [_on(memberships_before, yesterday)])]
    told = communities.with_columns(users_rounded=pl.col("users") // 5 * 5).filter(
        pl.col("users_rounded") >= disclosure_k
    )
    frames = {
        "memberships": pl.concat(main),
        "user_interests": _on(user_interests, day),
        "communities": _on(communities, day),
        # What the mart will say of them, as far as the pictures ask.
        "mart_community_day": _on(told, day).with_columns(
            event=pl.lit(None, pl.String), proposed_strategies=pl.lit(None, pl.Int64)
        ),
    }
    answers = {name: _answer(warehouse, FACTS[name].sql, frames, day=day, k=disclosure_k) for name in NEEDED}
    known = pl.concat([c.select("community_id", "name") for c in (communities, before) if c is not None])
    found: dict[str, Any] = {
        name: dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")
        for name, png in pictures(
            day, answers, known.unique("community_id", keep="first"), taxonomy, disclosure_k
        ).items()
    }
    if told.height:
        found["verdicts"] = dg.MetadataValue.md(_verdicts(told, answers["wants"], taxonomy))
    return found


def _on(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    return frame.with_columns(day=pl.lit(day))


def _answer(warehouse: Warehouse, sql: str, frames: Mapping[str, pl.DataFrame], **given: object) -> pl.DataFrame:
    """The query's answer; it is given the parameters that it names."""
    return warehouse.query(sql, frames, **{name: value for name, value in given.items() if f"${name}" in sql})


def _verdicts(told: pl.DataFrame, wants: pl.DataFrame, taxonomy: pl.DataFrame) -> str:
    """A line for each community, as Markdown."""
    said = Texts("en", html=False)
    names = dict(taxonomy.select("interest_id", "interest").iter_rows())
    lines = []
    for row in told.sort("users_rounded", "community_id", descending=[True, False]).iter_rows(named=True):
        theirs = wants.filter(pl.col("community_id") == row["community_id"]).head(3)
        likes = ", ".join(
            f"{as_text(names.get(interest, interest))} ({lift:g} times as much as everybody, {low:g} to {high:g})"
            for interest, lift, low, high in theirs.select("interest_id", "lift", "lift_low", "lift_high").iter_rows()
        )
        verdict = row["verdict"]
        lines.append(
            f"- **{as_text(row['name'])}**, about {row['users_rounded']:,} members. {said(f'verdict.{verdict}')}: "
            f"{said(f'verdict_says.{verdict}')}" + (f" They engage with {likes}." if likes else "")
        )
    return "\n".join(lines)
