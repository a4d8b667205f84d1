"""Small cases for the tests of Claude's labels: a taxonomy, texts whose label the service knows, what is right."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from coterie.labels.base import LABELS, Labelled
from coterie.taxonomy import Domain, Interest, Taxonomy
from tests.labels.claude_server import ClaudeServer, Json

if TYPE_CHECKING:
    from coterie.labels.claude import ClaudeLabeller

MODES = ("online", "batch")
Mode = Literal["batch", "online"]
Make = Callable[..., "ClaudeLabeller"]
TREE: Mapping[str, Sequence[str]] = {"food": ["tea", "bread"], "sport": ["chess", "judo"]}


def make_taxonomy(tree: Mapping[str, Sequence[str]], **changed: Mapping[str, Any]) -> Taxonomy:
    """A taxonomy of domains and interests; `changed` gives an interest other words, by its short id."""

    def interest(name: str) -> Interest:
        words = {
            "name": name,
            "name_zh": "名",
            "description": f"About {name}",
            "keywords": [name],
            "keywords_zh": ["字"],
        }
        return Interest.model_validate({"id": name, **words, **changed.get(name, {})})

    return Taxonomy(
        tuple(
            Domain(id=d, name=d, name_zh="域", description=d, interests=tuple(interest(n) for n in names))
            for d, names in tree.items()
        )
    )


def items(*texts: str | None, tags: str | None = None) -> pl.DataFrame:
    schema = dict.fromkeys(["text_hash", "text", "hashtags", "language"], pl.String)
    return pl.DataFrame([(f"h{i:03}", t, tags, "en") for i, t in enumerate(texts)], schema=schema, orient="row")


def some(count: int) -> pl.DataFrame:
    return items(*[f"text {i} <food.tea>" if i % 2 else f"text {i}" for i in range(count)])


def is_right(labelled: Labelled, count: int) -> bool:
    odd = [f"h{i:03}" for i in range(count) if i % 2]
    even = [f"h{i:03}" for i in range(count) if not i % 2]
    expected = pl.DataFrame([(h, "food.tea", 0.9) for h in odd], schema=LABELS, orient="row")
    return labelled.labels.equals(expected) and list(labelled.abstained) == even and not labelled.failed


def documents(server: ClaudeServer) -> list[list[Json]]:
    return [json.loads(params["messages"][-1]["content"])["items"] for params in server.asked]
