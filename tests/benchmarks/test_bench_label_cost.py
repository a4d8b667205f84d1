"""The metering service of the bench does what it says, and the product stays under a twentieth of one call a title."""

import json
from typing import Any

import pytest

from benchmarks import label_cost
from benchmarks.claude_meter import Meter, tokens

FORM = {"format": {"type": "json_schema", "schema": {}}}
PROMPT = tokens(400 + len(json.dumps(FORM)))


def request(ttl: str | None = None, text: str = "tea", rules: str = "r" * 400) -> dict[str, Any]:
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    content = json.dumps({"task": "label_items", "items": [{"id": "0", "text": text}]})
    return {
        "model": "m",
        "system": [{"type": "text", "text": rules, "cache_control": mark}],
        "messages": [{"role": "user", "content": content}],
        "output_config": FORM,
    }


def cached(message: dict[str, Any]) -> tuple[int, int]:
    usage = message["usage"]
    return usage["cache_creation_input_tokens"], usage["cache_read_input_tokens"]


def test_the_prompt_is_written_once_and_then_found() -> None:
    meter = Meter({"tea": "food.tea"})
    first, second, other = (meter.message(request(rules=r)) for r in ("r" * 400, "r" * 400, "s" * 400))
    assert [cached(m) for m in (first, second, other)] == [(PROMPT, 0), (0, PROMPT), (PROMPT, 0)]
    text = '{"labels":[{"id":"0","interests":[{"interest":"food.tea","confidence":0.9}]}]}'
    assert first["content"][0]["text"] == text
    assert first["usage"]["output_tokens"] == tokens(len(text))
    assert first["usage"]["input_tokens"] == tokens(len(request()["messages"][0]["content"]))


@pytest.mark.parametrize(("ttl", "minutes", "found"), [(None, 4, 2), (None, 6, 0), ("1h", 59, 2), ("1h", 61, 0)])
def test_a_batch_finds_what_was_cached_and_lives(ttl: str | None, minutes: float, found: int) -> None:
    meter = Meter({}, minutes)
    meter.message(request(ttl))
    meter.batch([{"custom_id": str(n), "params": request(ttl, text=str(n))} for n in range(2)])
    usage = [cached(json.loads(line)["result"]["message"]) for line in meter.results(0).splitlines()]
    assert usage == [(0, PROMPT)] * found + [(PROMPT, 0)] * (2 - found)


def test_a_twentieth_of_one_call_a_title() -> None:
    ours = label_cost._usage(label_cost.Way(250))
    one = label_cost._usage(label_cost.Way(10, size=1, mode="online", hour=False))
    each, all_of_it = (sum(u[kind] for kind in label_cost.KINDS) / n for u, n in ((ours, 250), (one, 10)))
    assert each < all_of_it / 20
    assert ours["requests"] == 6  # one that warms the cache, five of fifty
    assert ours["cache_read_tokens"] == 5 * ours["cache_write_tokens"]
