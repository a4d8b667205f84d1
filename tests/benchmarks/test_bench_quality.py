"""A small run of each quality section: a change that makes the product worse fails here.

Margins are wide enough for the seeds; the figures themselves are in docs/benchmarks.md.
"""

import polars as pl
import pytest

from benchmarks import communities, identity, nulls, peers
from benchmarks.section import Setting

SEED = 2


def value(rows: pl.DataFrame, method: str, measure: str, labels: str | None = None) -> float:
    found = rows.filter(pl.col("method") == method, pl.col("measure") == measure)
    found = found if labels is None else found.filter(pl.col("labels") == labels)
    return float(found["value"].item())


def test_communities_are_found_and_foretell() -> None:
    rows = communities.measure(Setting({"mixing": 0.3}), SEED)
    oracle, gain = (value(rows, peers.ORACLE, what, "none") for what in ("ari", "gain"))
    louvain = value(rows, peers.LOUVAIN, "ari", "none")
    for labels, least in (("true", 0.8), ("local", 0.7)):
        found = value(rows, peers.COTERIE, "ari", labels)
        assert found > least * oracle
        assert found > louvain
        assert found > value(rows, peers.LEIDEN, "ari", labels)
        assert value(rows, peers.COTERIE, "gain", labels) > 0.7 * gain
        assert abs(value(rows, peers.PLACEBO, "gain", labels)) < 0.15
        assert value(rows, peers.COTERIE, "ece", labels) < 0.06


def test_where_only_the_feed_differs_hardly_any_day_has_a_real_community(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nulls, "DAYS", 6)
    rows = nulls.measure(Setting({"world": nulls.FEED_ONLY, "labels": "true"}), SEED)
    assert value(rows, peers.COTERIE, "real on a day") <= 0.25


def test_who_does_not_change_keeps_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "DAYS", 8)
    rows = identity.measure(Setting({"life": identity.QUIET, "labels": "true"}), SEED)
    assert value(rows, peers.COTERIE, "same id") > 0.9
    assert value(rows, peers.COTERIE, "same id") > value(rows, identity.RAW, "same id")
