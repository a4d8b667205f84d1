"""Before anything is spent it is said what will be: texts, requests, tokens, money; and prices have dates."""

import json
from datetime import date, timedelta

import polars as pl
import pytest

from coterie.errors import LabelError
from coterie.labels import asking
from coterie.labels.base import LABELS, Labelled
from coterie.labels.look import examples, figures
from coterie.labels.preview import preview_of
from coterie.labels.pricing import Price, PriceList, most_tokens, price_list
from coterie.labels.prompts import system_blocks
from coterie.labels.purse import Purse
from coterie.taxonomy import load_taxonomy
from tests.labels.claude_cases import MODES, Make, Mode, items, some
from tests.labels.claude_server import ClaudeServer, Json

DAY = date(2026, 11, 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [0, 1, 20, 41, 130])
def test_the_preview_says_what_is_asked(server: ClaudeServer, make: Make, mode: Mode, count: int) -> None:
    labeller = make(mode)
    frame = pl.concat([some(count), items(None).with_columns(text_hash=pl.lit("silent"))])
    planned = labeller.preview(frame)
    assert server.calls == []
    labelled = labeller.label(frame)
    assert planned.requests == labelled.usage["requests"]
    assert (planned.texts, planned.silent, planned.to_buy) == (count + 1, 1, count)
    assert planned.covered == count
    assert labelled.usage["usd"] <= planned.most_usd
    assert planned.likely_usd <= planned.most_usd
    assert f"{count} of" in planned.told() if count else "nothing" in planned.told()
    again = labeller.preview(frame)
    assert (again.from_ledger, again.to_buy, again.most_usd) == (count, 0, 0)


@pytest.mark.parametrize("mode", MODES)
def test_no_request_costs_more_than_it_was_said_to(server: ClaudeServer, make: Make, mode: Mode) -> None:
    """Even if the service uses all the room there is and caches nothing."""
    right = server.message

    def dear(params: Json) -> Json:
        message = right(params)
        assert isinstance(message, dict)
        blocks = [*params["system"], {"text": params["messages"][0]["content"]}]
        usage = {
            "input_tokens": most_tokens(blocks[2]["text"]),
            "cache_creation_input_tokens": sum(most_tokens(block["text"]) for block in blocks[:2]),
            "output_tokens": params["max_tokens"],
        }
        return {**message, "usage": {name: int(value) for name, value in usage.items()}}

    server.message = dear  # type: ignore[method-assign,assignment]
    planned = make(mode).preview(some(130))
    labelled = make(mode).label(some(130))
    assert 0.99 * planned.most_usd < labelled.usage["usd"] <= planned.most_usd


def test_the_preview_says_how_far_the_budget_goes(server: ClaudeServer, make: Make) -> None:
    planned = make(budget_usd=0.05).preview(some(400))
    assert planned.covered == 40  # two requests of at most 2 cents
    assert "for certain 40 of the texts" in planned.told()
    assert planned.most_usd > 0.3
    assert server.calls == []


def test_what_is_on_its_way_is_not_bought_again(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: float) -> None:
        raise KeyboardInterrupt

    server.polls = 1
    with monkeypatch.context() as patch:
        patch.setattr("coterie.labels.batches._sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            make("batch").label(some(30))
    planned = make("batch").preview(some(35))
    assert (planned.on_their_way, planned.to_buy) == (30, 5)


def test_a_labeller_that_spends_nothing_has_no_preview() -> None:
    assert preview_of(object(), some(1)) is None


# Prices


def test_every_price_has_its_day_and_the_table_its_source() -> None:
    prices = price_list()
    assert prices.source.startswith("Anthropic")
    assert "platform.claude.com" in prices.source
    for lines in prices.models.values():
        days = [line.valid_from for line in lines]
        assert days == sorted(set(days))
        for line in lines:
            assert line.valid_from <= prices.checked
            assert 0 < line.cache_read < line.input < line.cache_write < line.cache_write_1h < line.output


def test_the_largest_request_is_one_that_need_not_stream() -> None:
    """The SDK refuses to wait longer than ten minutes, which it takes to be 21 333 tokens."""
    for lines in price_list().models.values():
        room = lines[-1].thinking_tokens + asking._FIXED_TOKENS + asking._ITEM_TOKENS * asking.SIZES[0]
        assert room * 6 < 128_000


def test_long_texts_are_fewer_in_a_request(make: Make, server: ClaudeServer) -> None:
    """Fifty captions of 4,000 Chinese characters would be 300 000 tokens: more than a model takes, or than a price is for."""
    labeller = make()
    frame = items(*["茶" * 5000] * 13, *["tea"] * 10)
    assert labeller.preview(frame).requests == 3
    assert not labeller.label(frame).failed
    sizes = [len(json.loads(asked["messages"][0]["content"])["items"]) for asked in server.asked]
    assert sorted(sizes) == [6, 6, 11]  # they arrive in any order
    prompt = sum(most_tokens(block["text"]) for block in system_blocks(load_taxonomy()))
    assert prompt + asking._MOST_ITEM_TOKENS < 100_000


def dated(day: date, dollars: float) -> Price:
    return Price(day, dollars, dollars, dollars, dollars, dollars, 0)


def test_the_price_of_the_day_holds() -> None:
    prices = PriceList("source", DAY, 30, 0.5, {"model": (dated(DAY, 1.0), dated(DAY + timedelta(9), 2.0))})
    assert [prices.of("model", DAY + timedelta(d)).input for d in (0, 8, 9, 99)] == [1, 1, 2, 2]
    assert prices.of("model-20260101").input == 2
    with pytest.raises(LabelError, match=r"valid from 2026-11-01.*valid on 2026-10-31"):
        prices.of("model", DAY - timedelta(1))
    with pytest.raises(LabelError, match="no price"):
        prices.of("other", DAY)


def test_an_old_table_warns(make: Make) -> None:
    prices = price_list()
    last = prices.checked + timedelta(prices.stale_after_days)
    assert prices.warning(last) is None
    assert prices.warning(None) is None
    assert "was last checked on" in str(prices.warning(last + timedelta(1)))
    assert make(on=last).preview(some(1)).warnings == ()
    (warning,) = make(on=last + timedelta(1)).preview(some(1)).warnings
    assert prices.source in warning


def test_warming_pays_from_three_requests_on() -> None:
    """2 for the write at the full price, then 0.05 a request, against 1 a request: 2 + 0.05 n < n from n = 2.1 on."""
    purse = Purse(price_list().of("claude-haiku-4-5"), 1.0, batch_factor=0.5, keeps_an_hour=True)
    assert [n for n in range(1, 6) if purse.warming_pays(n, 20_000)] == [3, 4, 5]


def test_what_is_kept_for_an_hour_costs_its_own_price(server: ClaudeServer, make: Make) -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 1_000_000}
    for text, mode, usd in ((some(1), "online", 1.25), (some(2).tail(1), "batch", 0.5 * 2.0)):
        server.faults = [lambda message: {**message, "usage": usage}]
        assert make(mode, model="claude-haiku-4-5-20251001", budget_usd=9).label(text).usage["usd"] == pytest.approx(
            usd
        )


# What is shown afterwards


def test_figures_and_examples() -> None:
    texts = ["call 0912-345-678 ![x](http://a/b.png) <b>", "tea | two\nlines", None, *[f"text {i}" for i in range(20)]]
    frame = items(*texts)
    labels = pl.DataFrame(
        [
            ("h000", "food.tea", 0.5),
            ("h000", "sport.judo", 0.9),
            *[(f"h{i:03}", "food.tea", 1.0) for i in range(3, 20)],
        ],
        schema=LABELS,
        orient="row",
    )
    usage = {"usd": 0.25, "input_tokens": 10, "cache_write_tokens": 30, "cache_read_tokens": 60}
    labelled = Labelled(labels, ["h002", "h020", "h021"], {"h001": "the service answered 500"}, usage)
    told = figures(labelled)
    assert (told["labelled"], told["abstained"], told["failed"]) == (18, 3, 1)
    assert (told["usd"], told["cache_share"]) == (0.25, 0.6)
    shown = examples(frame, labelled)
    assert shown["verdict"].to_list() == ["labelled"] * 7 + ["abstained"] * 2 + ["failed"]
    assert shown.row(0) == (
        "labelled",
        "call [phone] ![x] (http://a/b.png) &lt;b&gt;",
        "sport.judo 0.90, food.tea 0.50",
    )
    assert shown.row(9) == ("failed", "tea | two lines", "the service answered 500")
    assert examples(frame.reverse(), labelled).equals(shown)
    assert examples(frame.head(0), Labelled(labels.head(0))).height == 0
    assert "cache_share" not in figures(Labelled(labels))
