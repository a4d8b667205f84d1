"""The table `communities`: each community with its verdict, name and evidence.

Belongs here: what is concluded from the sums of the test. Does not belong here: the sums themselves (evidence).
"""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from scipy import stats

from coterie.communities.evidence import Evidence, evidence_of_day
from coterie.communities.profile import distinctive, names_of, summary_of
from coterie.interests import benjamini_hochberg
from coterie.tables import COMMUNITIES

# On platforms without structure a level of 0.05 calls something real on too many days (benchmarks.nulls shows both).
REAL = 0.02
FEWEST_TESTED = 20.0
# Evidence of the test counts half after as many days, so that a community that stops being one is found out.
TEST_HALF_LIFE_DAYS = 14.0
# A community whose members show, at most, less than this share of what their profile promises is an artefact.
LEAST_KEPT = 0.25


def communities(
    *,
    day: date,
    memberships: pl.DataFrame,
    yesterday_memberships: pl.DataFrame | None,
    user_interests: pl.DataFrame,
    yesterday_user_interests: pl.DataFrame | None,
    engagement: pl.DataFrame,
    labels: pl.DataFrame,
    yesterday_communities: pl.DataFrame | None,
    taxonomy: pl.DataFrame,
    exposures_logged: bool,
    disclosure_k: int,
) -> pl.DataFrame:
    """The table `communities`.

    Verdicts: real if q <= 0.02, by a one-sided t-test of the mean excess with as many degrees of freedom as the
    effective number of member-days, and Benjamini-Hochberg over the communities tested that day. Artefact if it is
    not real and the upper 95 % bound of the excess is below a quarter of what the profile promises. Else weak: not
    enough evidence yet. A new community is weak until it has been tested on days after its birth.

    Args:
        day: the day.
        memberships: MEMBERSHIPS of the day.
        yesterday_memberships: of the day before; None on the first day, as are the other three of yesterday.
        user_interests: USER_INTERESTS of the day.
        yesterday_user_interests: of the day before.
        engagement: ENGAGEMENT of the day.
        labels: item_id, interest_id, weight of its items.
        yesterday_communities: COMMUNITIES of the day before.
        taxonomy: interest_id and interest, the name.
        exposures_logged: whether the log says what users were shown.
        disclosure_k: fewest members behind anything told.

    Returns:
        COMMUNITIES, a row for each community with a main member.
    """
    today: dict[str, Evidence] = {}
    if yesterday_memberships is not None and yesterday_user_interests is not None:
        today = evidence_of_day(
            yesterday_memberships=yesterday_memberships,
            yesterday_user_interests=yesterday_user_interests,
            engagement=engagement,
            labels=labels,
            exposures_logged=exposures_logged,
        )
    main = memberships.filter("is_primary")
    size = dict(main["community_id"].value_counts().iter_rows())
    past = {} if yesterday_communities is None else {r["community_id"]: r for r in yesterday_communities.to_dicts()}
    words = dict(taxonomy.select("interest_id", "interest").iter_rows())
    told = distinctive(memberships, user_interests, disclosure_k)
    names = names_of(told, words, {name: row["name"] for name, row in past.items()})
    staying = _stability(main, yesterday_memberships, user_interests)
    rows = [
        {
            "community_id": name,
            "parent_id": None,
            "level": 0,
            "users": size[name],
            "stability": staying.get(name),
            "name": names[name],
            "summary": summary_of(told[name], words),
            **_state(past.get(name), today.get(name)),
        }
        for name in sorted(size)
    ]
    p = np.array([_p_value(row) for row in rows], dtype=np.float64)
    tested = np.isfinite(p)
    q = np.full(len(rows), np.nan)
    q[tested] = benjamini_hochberg(p[tested])
    for row, p_value, q_value in zip(rows, p, q, strict=True):
        row["p_value"] = float(p_value) if np.isfinite(p_value) else None
        row["q_value"] = float(q_value) if np.isfinite(q_value) else None
        row["verdict"] = _verdict(row)
        row["evidence"] = _evidence(row, told[row["community_id"]])
    return COMMUNITIES.conform(pl.DataFrame(rows, schema=COMMUNITIES.schema))


def _state(before: dict[str, Any] | None, today: Evidence | None) -> dict[str, float]:
    keep = 0.5 ** (1 / TEST_HALF_LIFE_DAYS)
    state = {
        name: keep**power * (before[name] if before else 0.0) + (getattr(today, field) if today else 0.0)
        for name, field, power in (
            ("excess", "excess", 1),
            ("excess_absolute", "absolute", 1),
            ("excess_square", "square", 2),
            ("excess_promised", "promised", 1),
        )
    }
    # Kish's effective sample size of the sizes of the excess: a few members who are most of it count as few.
    effective = state["excess_absolute"] ** 2 / state["excess_square"] if state["excess_square"] > 0 else 0.0
    return {**state, "tested_users": effective}


def _p_value(row: dict[str, Any]) -> float:
    if row["tested_users"] < FEWEST_TESTED:
        return np.nan
    return float(stats.t.sf(row["excess"] / np.sqrt(row["excess_square"]), row["tested_users"] - 1))


def _verdict(row: dict[str, Any]) -> str:
    if row["q_value"] is None:
        return "weak"
    if row["q_value"] <= REAL:
        return "real"
    reach = float(stats.t.ppf(0.95, row["tested_users"] - 1)) * np.sqrt(row["excess_square"])
    return "artefact" if row["excess"] + reach < LEAST_KEPT * row["excess_promised"] else "weak"


def _evidence(row: dict[str, Any], interests: list[Any]) -> str:
    promised = row["excess_promised"]
    return json.dumps(
        {
            "interests": [
                {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(d).items()} for d in interests
            ],
            "test": {
                "effective_member_days": round(row["tested_users"], 1),
                "share_of_promise_kept": round(row["excess"] / promised, 3) if promised > 0 else None,
            },
        },
        ensure_ascii=False,
    )


def _stability(main: pl.DataFrame, yesterday: pl.DataFrame | None, user_interests: pl.DataFrame) -> dict[str, float]:
    if yesterday is None:
        return {}
    present = user_interests.select("user_id").unique()
    before = yesterday.filter("is_primary").select("user_id", "community_id").join(present, on="user_id", how="semi")
    now = main.select("user_id", now="community_id")
    stayed = (
        before.join(now, on="user_id", how="left")
        .group_by("community_id")
        .agg((pl.col("now") == pl.col("community_id")).fill_null(False).mean())
    )
    return dict(stayed.iter_rows())
