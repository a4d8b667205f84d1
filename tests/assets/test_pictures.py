"""The pictures of `communities` in the UI: drawn, of what may be told, and of nothing else."""

import base64
import io
import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from assets.pictures import drawn
from coterie.tables import COMMUNITIES, MEMBERSHIPS, USER_INTERESTS
from resources.warehouse import Warehouse

DAY = date(2024, 5, 2)
K = 20
SIZES = {"c-big": 64, "c-mid": 31, "c-small": 19}  # the last one may not be told of
INTERESTS = ("food.coffee", "pets.cats", "arts.jazz")
TAXONOMY = pl.DataFrame({"interest_id": list(INTERESTS), "interest": ["Coffee", "Cats", "Jazz"]})


def members(of: dict[str, int]) -> pl.DataFrame:
    rows = [
        {"user_id": f"{c}-{n:03d}", "community_id": c, "probability": 0.9, "is_primary": True, "level": 0}
        for c, size in of.items()
        for n in range(size)
    ]
    return pl.DataFrame([{k: r.get(k) for k in MEMBERSHIPS.schema} for r in rows], schema=MEMBERSHIPS.schema)


def named(of: dict[str, int]) -> pl.DataFrame:
    wants = {"interests": [{"interest_id": "food.coffee", "lift": 3.2, "low": 2.1, "high": 4.4}]}
    rows = [
        {"community_id": c, "users": size, "verdict": verdict, "name": f"Name of {c}", "evidence": json.dumps(wants),
         "level": 0, "summary": "", "stability": 1.0, "q_value": 0.01}
        for (c, size), verdict in zip(of.items(), ("real", "weak", "real"), strict=True)
    ]  # fmt: skip
    return pl.DataFrame([{k: r.get(k) for k in COMMUNITIES.schema} for r in rows], schema=COMMUNITIES.schema)


def interests() -> pl.DataFrame:
    rows = [
        {"user_id": u, "interest_id": i, "engaged": float(1 + n)}
        for u in members(SIZES)["user_id"]
        for n, i in enumerate(INTERESTS)
    ]
    return pl.DataFrame([{k: r.get(k) for k in USER_INTERESTS.schema} for r in rows], schema=USER_INTERESTS.schema)


def shown(**given: Any) -> dict[str, Any]:
    moved = members({"c-big": 34, "c-mid": 61, "c-small": 19})
    usual = {
        "communities": named(SIZES), "before": named(SIZES), "memberships": members(SIZES),
        "memberships_before": moved, "user_interests": interests(), "taxonomy": TAXONOMY, "disclosure_k": K,
    }  # fmt: skip
    return {name: value.md_str for name, value in drawn(Warehouse(), DAY, **(usual | given)).items()}


def image(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split("base64,")[1].rstrip(")")))).convert("RGB"))


def test_both_pictures_are_drawn_and_verdicts_stand_in_words() -> None:
    found = shown()
    assert set(found) == {"map", "river", "verdicts"}
    for name in ("map", "river"):
        pixels = image(found[name])
        assert pixels.shape[1] > 700
        assert (pixels != 255).any(axis=2).mean() > 0.02  # something is on it
    assert found["verdicts"].splitlines() == [
        "- **Name of c-big**, about 60 members. Real: Members share interests beyond chance. They engage with Coffee "
        "(3.2 times as much as everybody, 2.1 to 4.4).",
        "- **Name of c-mid**, about 30 members. Not sure yet: There is not enough evidence yet to say that it is more than "
        "chance. It gets no suggestions. They engage with Coffee (3.2 times as much as everybody, 2.1 to 4.4).",
    ]


def test_a_name_is_text_whatever_it_holds() -> None:
    hostile = named(SIZES).with_columns(name=pl.lit("![](http://x)\n# <b>*"))
    first = shown(communities=hostile)["verdicts"].splitlines()[0]
    assert first.startswith("- **!\\[\\](http://x) \\# &lt;b&gt;\\***, about 60 members.")


def test_who_is_too_few_changes_no_pixel() -> None:
    with_small, without = shown(), {c: n for c, n in SIZES.items() if c != "c-small"}
    here = pl.col("community_id") != "c-small"
    bare = shown(
        communities=named(SIZES).filter(here), memberships=members(without),
        memberships_before=members({"c-big": 34, "c-mid": 61}),
    )  # fmt: skip
    assert bare == with_small


def test_the_first_day_has_no_river_and_a_day_without_communities_no_map() -> None:
    assert set(shown(before=None, memberships_before=None)) == {"map", "verdicts"}
    empty = shown(
        communities=COMMUNITIES.empty(), before=None, memberships=MEMBERSHIPS.empty(), memberships_before=None
    )
    assert empty == {}


@pytest.mark.parametrize("seed", [1, 2])
def test_order_of_rows_does_not_show(seed: int) -> None:
    mixed = {
        "communities": named(SIZES).sample(fraction=1, shuffle=True, seed=seed),
        "memberships": members(SIZES).sample(fraction=1, shuffle=True, seed=seed),
        "user_interests": interests().sample(fraction=1, shuffle=True, seed=seed),
    }
    assert shown(**mixed) == shown()
