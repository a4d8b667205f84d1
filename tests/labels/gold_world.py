"""Small gold sets for tests: texts with what people and a labeller say of each."""

from collections.abc import Sequence

import polars as pl

from coterie.labels.gold import ANSWERS, DRAWN, VERDICTS, GoldSet, Version

LOCAL = Version("local", "lexical-1", "", "t1")

Said = Sequence[str]


def gold_set(
    people: Sequence[Said],
    labels: Sequence[Sequence[tuple[str, float]]],
    *,
    probability: Sequence[float] | None = None,
    version: Version = LOCAL,
    annotator: str = "ann",
) -> GoldSet:
    """Text n has the interests people[n], main one first, and labels[n] with confidences; empty: none."""
    texts = [f"t{n:04}" for n in range(len(people))]
    chances = probability or [1.0] * len(texts)
    answers = [
        (annotator, text, place, interest, "", "t1")
        for text, said in zip(texts, people, strict=True)
        for place, interest in enumerate(said or [None], 1)  # type: ignore[list-item]
    ]
    verdicts = [
        (version.labeller, version.model, version.prompt_version, version.taxonomy_version, text, interest, sure)
        for text, given in zip(texts, labels, strict=True)
        for interest, sure in (given or [(None, None)])  # type: ignore[list-item]
    ]
    return GoldSet(
        pl.DataFrame({"draw": "d", "text_hash": texts, "stratum": "s", "probability": chances}, schema=DRAWN),
        pl.DataFrame(answers, schema=ANSWERS, orient="row"),
        pl.DataFrame(verdicts, schema=VERDICTS, orient="row"),
    )
