"""The cascade asks about one text in ten, certifies the rest, and says whose each label is."""

from collections.abc import Sequence

import polars as pl
import pytest

from coterie.labels.base import LABELS, Labelled
from coterie.labels.cascade import CascadeLabeller, drawn
from tests.labels.claude_cases import Make, documents
from tests.labels.claude_server import ClaudeServer, Status

MANY = 3_000


class Stand:
    """A local labeller that says what it is told to: text -> interest and confidence, by a mark in the text."""

    name = "local"
    model = "stand-in"

    def label(self, items: pl.DataFrame) -> Labelled:
        told = items.select(
            "text_hash",
            interest_id=pl.col("text").str.extract(r"\[(\w+\.\w+)"),
            confidence=pl.col("text").str.extract(r"\[\w+\.\w+ ([0-9.]+)\]").cast(pl.Float64),
        ).drop_nulls()
        silent = items.filter(~pl.col("text_hash").is_in(told["text_hash"].implode()))["text_hash"].to_list()
        return Labelled(told.select(list(LABELS)), abstained=silent)


def texts(said: Sequence[tuple[str, str]], start: int = 0) -> pl.DataFrame:
    """Texts of (what Claude says, what the local labeller says)."""
    rows = [
        (f"t{k:05}", f"text {k} {f'<{claude}>' if claude else ''} {f'[{local}]' if local else ''}", None, "en")
        for k, (claude, local) in enumerate(said, start)
    ]
    return pl.DataFrame(rows, schema=["text_hash", "text", "hashtags", "language"], orient="row").cast(pl.String)


GOOD = [("food.tea", "food.tea 0.9")] * 3 + [("sport.judo", "sport.judo 0.85"), ("", "")]


@pytest.fixture
def cascade(make: Make) -> CascadeLabeller:
    return CascadeLabeller(Stand(), make(), texts([]))


def test_one_text_in_ten_is_asked_about_and_the_rest_is_certified(
    server: ClaudeServer, cascade: CascadeLabeller
) -> None:
    items = texts(GOOD * (MANY // 5))
    found = cascade.label(items)
    asked = sum(len(document) for document in documents(server))
    assert asked <= MANY / 10 * 1.15
    assert cascade.certificate.threshold == 0.85
    assert cascade.certificate.wrong == 0
    by = dict(found.labels["labeller"].value_counts().iter_rows())
    assert by["claude"] < MANY / 10
    assert by["local"] > MANY * 0.65
    assert set(found.labels["model"]) == {"stand-in", "claude-haiku-4-5"}
    assert found.labels["text_hash"].n_unique() + len(found.abstained) == MANY
    assert found.usage["texts_asked"] == asked


def test_where_the_local_labeller_is_wrong_its_labels_are_left_out(cascade: CascadeLabeller) -> None:
    unsure = [("food.tea", "food.tea 0.9"), ("sport.chess", "food.tea 0.4")]
    found = cascade.label(texts(unsure * (MANY // 2)))
    local = found.labels.filter(pl.col("labeller") == "local")
    assert local["confidence"].min() == 0.9
    assert found.labels.filter(pl.col("labeller") == "claude", pl.col("interest_id") == "sport.chess").height > 100


def test_nothing_is_certified_where_all_is_wrong(cascade: CascadeLabeller) -> None:
    found = cascade.label(texts([("sport.chess", "food.tea 0.9")] * MANY))
    assert cascade.certificate.threshold is None
    assert set(found.labels["labeller"]) == {"claude"}
    assert "COTERIE_LABELLER=local takes them as they are" in cascade.certificate.said("Claude")


def test_too_few_texts_leave_local_labels_as_they_are(cascade: CascadeLabeller) -> None:
    found = cascade.label(texts(GOOD * 20))
    assert not cascade.certificate.told_enough
    assert found.labels.filter(pl.col("labeller") == "local").height > 60


def test_drawn_texts_of_earlier_days_certify_and_cost_nothing_again(server: ClaudeServer, make: Make) -> None:
    past = texts(GOOD * (MANY // 5))
    CascadeLabeller(Stand(), make(), texts([])).label(past)
    before = len(server.asked)
    today = texts(GOOD * 10, start=MANY)
    cascade = CascadeLabeller(Stand(), make(), past)
    cascade.label(today)
    asked = [item for document in documents(server)[before:] for item in document]
    assert cascade.certificate.threshold == 0.85
    assert len(asked) <= 10
    replayed = CascadeLabeller(Stand(), make(), past)
    after = len(server.asked)
    assert replayed.label(today).labels.equals(CascadeLabeller(Stand(), make(), past).label(today).labels)
    assert len(server.asked) == after


def test_what_is_met_most_and_least_sure_is_asked_first(server: ClaudeServer, cascade: CascadeLabeller) -> None:
    items = texts([("food.tea", "food.tea 0.9"), ("food.tea", "food.tea 0.5")] * 200)
    famous = items.filter(~drawn(items["text_hash"]))["text_hash"][:20]
    items = items.with_columns(seen=pl.when(pl.col("text_hash").is_in(famous.implode())).then(1000).otherwise(1))
    cascade.label(items)
    asked = {item["text"] for document in documents(server) for item in document}
    of_famous = items.filter(pl.col("text_hash").is_in(famous.implode()))["text"].str.strip_chars()
    assert set(of_famous) <= asked


def test_what_claude_could_not_judge_has_the_local_label(server: ClaudeServer, make: Make) -> None:
    server.refuses = lambda params: Status(500)
    found = CascadeLabeller(Stand(), make(retries=0), texts([])).label(
        texts([("food.tea", "food.tea 0.9"), ("", "")] * 60)
    )
    assert set(found.labels["labeller"]) == {"local"}
    assert found.labels["text_hash"].n_unique() == 60
    assert len(found.abstained) + len(found.failed) == 60
    assert found.failed


def test_the_preview_is_of_what_is_asked(server: ClaudeServer, cascade: CascadeLabeller) -> None:
    items = texts(GOOD * 100)
    planned = cascade.preview(items)
    cascade.label(items)
    assert planned.to_buy == sum(len(document) for document in documents(server))
