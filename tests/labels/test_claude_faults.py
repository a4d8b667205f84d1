"""Every fault of the service: no text is lost, none is asked for ever, none that was delivered is paid for twice."""

import json
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from coterie.errors import LabelError
from coterie.labels import batches, online
from coterie.labels.base import Labelled
from coterie.labels.ledger import Ledger
from tests.labels.claude_cases import MODES, Make, Mode, documents, is_right, items, some
from tests.labels.claude_server import ClaudeServer, Dropped, Garbled, Json, Status, says, stops

ONLINE, BATCH = "POST /v1/messages", "POST /v1/messages/batches"
NO_HEADER = ()
TOO_MUCH = Status(429, "rate_limit_error")


def verdicts(labelled: Labelled) -> list[str]:
    """Text hashes as often as they have a verdict."""
    return sorted([*labelled.labels["text_hash"].unique(), *labelled.abstained, *labelled.failed])


def holds(params: Json, text: str) -> bool:
    return text in params["messages"][0]["content"]


# What passes: the same is sent again

PASSES = {
    "429 with retry-after": Status(429, headers=(("retry-after", "7"),)),
    "429 with retry-after-ms": Status(429, headers=(("retry-after-ms", "7000"),)),
    "429 without retry-after": Status(429, headers=NO_HEADER),
    "529 with retry-after": Status(529, "overloaded_error", headers=(("retry-after", "7"),)),
    "529 without retry-after": Status(529, "overloaded_error", headers=NO_HEADER),
    "500": Status(500, headers=NO_HEADER),
    "503": Status(503, headers=NO_HEADER),
    "408": Status(408, headers=NO_HEADER),
    "409": Status(409, headers=NO_HEADER),
    "dropped before the reply": Dropped(),
    "dropped within the reply": Dropped(halfway=True),
    "a reply that is cut off": Garbled(),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PASSES)
def test_what_passes_is_waited_for(
    server: ClaudeServer, make: Make, waits: list[float], monkeypatch: pytest.MonkeyPatch, mode: Mode, name: str
) -> None:
    monkeypatch.setattr(online, "_now", lambda: 0.0)
    server.drops = {ONLINE: [PASSES[name]], BATCH: [PASSES[name]]}
    labelled = make(mode, retries=0).label(some(4))
    assert is_right(labelled, 4)
    assert len(server.batches) == (mode == "batch")  # a batch that arrived is found again, not doubled
    told = 7.0 if "with " in name else 1.0
    if isinstance(PASSES[name], Status):
        assert waits == [pytest.approx(told)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PASSES)
def test_what_does_not_pass_fails_in_words_and_not_for_ever(
    server: ClaudeServer, make: Make, mode: Mode, name: str
) -> None:
    server.drops = {ONLINE: [PASSES[name]] * 1000, BATCH: [PASSES[name]] * 1000}
    # A batch that arrived all the same would be found: the list says that there is none.
    server.drops["GET /v1/messages/batches"] = [Status(404)] * 1000
    labelled = make(mode, retries=0).label(some(100))
    assert verdicts(labelled) == [f"h{i:03}" for i in range(100)]
    assert len(labelled.failed) == 100
    assert all(reason.startswith("the service") for reason in labelled.failed.values())
    assert server.calls.count(ONLINE) + server.calls.count(BATCH) <= 15


def test_a_service_that_asks_for_more_than_an_hour_is_not_waited_for(
    server: ClaudeServer, make: Make, waits: list[float]
) -> None:
    for mode in MODES:
        server.drops = {call: [Status(429, headers=(("retry-after", "86400"),))] * 9 for call in (ONLINE, BATCH)}
        labelled = make(mode, retries=0).label(some(4))
        assert len(labelled.failed) == 4
    assert sum(waits) < 3600


def test_a_date_to_retry_at_is_read(server: ClaudeServer, make: Make, waits: list[float]) -> None:
    until = formatdate(4_000_000_000, usegmt=True)
    soon = formatdate(0, usegmt=True)
    server.drops = {
        ONLINE: [Status(429, headers=(("retry-after", soon),)), Status(429, headers=(("retry-after", until),))]
    }
    labelled = make(retries=0).label(some(4))
    assert len(labelled.failed) == 4
    assert waits == []


@pytest.mark.parametrize("mode", MODES)
def test_a_connection_that_hangs_is_left(
    server: ClaudeServer, make: Make, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = [1, 0, 0]
    server.takes = lambda body: 0.5 * (hung.pop(0) if hung else 0)
    labelled = make(mode, retries=0, timeout=0.2).label(some(4))
    assert is_right(labelled, 4)
    assert len(server.batches) <= 1


@pytest.mark.parametrize("code", [429, 500, 529])
def test_one_request_that_never_passes_fails_alone(server: ClaudeServer, make: Make, code: int) -> None:
    server.refuses = lambda params: Status(code, message="too much") if holds(params, '"text 24"') else None
    labelled = make().label(some(60))
    assert set(labelled.failed) == {f"h{i:03}" for i in range(20, 40)}
    assert set(labelled.failed.values()) == {f"the service answered {code}: too much"}
    assert verdicts(labelled) == [f"h{i:03}" for i in range(60)]


# What does not pass: smaller requests


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_text_that_spoils_its_request_is_isolated(server: ClaudeServer, make: Make, mode: Mode, code: int) -> None:
    server.refuses = lambda params: Status(code, "invalid_request_error") if holds(params, "poison") else None
    frame = items(*["poison" if i == 7 else f"<food.tea> {i}" for i in range(60)])
    labelled = make(mode).label(frame)
    assert list(labelled.failed) == ["h007"]
    assert labelled.labels.height == 59
    asked = Counter(item["text"] for document in documents(server) for item in document)
    assert asked["<food.tea> 30"] == 1
    assert asked["poison"] <= 8


@pytest.mark.parametrize("mode", MODES)
def test_a_request_that_is_too_large_is_split(server: ClaudeServer, make: Make, mode: Mode) -> None:
    """Online it is the request that is split; in batches the batch."""
    if mode == "online":
        server.refuses = lambda params: (
            Status(413, "request_too_large") if len(json.loads(params["messages"][0]["content"])["items"]) > 6 else None
        )
    else:
        server.drops = {BATCH: [Status(413, "request_too_large"), Status(413, "request_too_large"), None, None, None]}
    labelled = make(mode).label(some(81))
    assert is_right(labelled, 81)
    assert [len(batch) for batch in server.batches.values()] == ([] if mode == "online" else [1, 1, 2])
    answered = Counter(i["text"] for d in documents(server) for i in d if mode == "batch" or len(d) <= 6)
    assert set(answered.values()) == {1}


@pytest.mark.parametrize("mode", MODES)
def test_what_is_always_too_large_fails(server: ClaudeServer, make: Make, mode: Mode) -> None:
    server.drops = {call: [Status(413, "request_too_large", "too large")] * 10_000 for call in (ONLINE, BATCH)}
    labelled = make(mode).label(some(8))
    assert len(labelled.failed) == 8
    assert all("the service answered 413: too large" in reason for reason in labelled.failed.values())
    assert len(server.calls) < 70


@pytest.mark.parametrize("mode", MODES)
def test_a_service_that_refuses_everything_is_soon_left(server: ClaudeServer, make: Make, mode: Mode) -> None:
    """As where an account has no credit: not one request for each text."""
    server.drops = {call: [Status(400, message="no credit")] * 10_000 for call in (ONLINE, BATCH)}
    labelled = make(mode).label(some(600))
    assert len(labelled.failed) == 600
    assert all("the service answered 400: no credit" in reason for reason in labelled.failed.values())
    assert server.calls.count(ONLINE) + server.calls.count(BATCH) <= 5


# What a person must mend


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [401, 402, 403])
def test_what_a_person_must_mend_stops_the_run(server: ClaudeServer, make: Make, mode: Mode, code: int) -> None:
    server.drops = {call: [Status(code, "authentication_error")] for call in (ONLINE, BATCH)}
    with pytest.raises(LabelError, match="ANTHROPIC_API_KEY"):
        make(mode).label(some(2))
    assert is_right(make(mode).label(some(2)), 2)


def test_what_was_under_way_is_kept_when_the_run_stops(server: ClaudeServer, make: Make) -> None:
    server.refuses = lambda params: Status(401, "authentication_error") if holds(params, '"text 24"') else None
    server.takes = lambda body: 0.0 if holds(body, '"text 24"') else 0.05
    with pytest.raises(LabelError, match="ANTHROPIC_API_KEY"):
        make().label(some(60))
    asked = len(server.asked)
    server.refuses = lambda params: None
    assert is_right(make().label(some(60)), 60)
    answered = Counter(i["text"] for d in documents(server)[asked:] for i in d)
    assert not {f"text {i}" for i in range(0, 20, 2)} & set(answered)
    assert sum(answered.values()) == 20 if asked == 3 else 40


def test_a_run_that_is_interrupted_keeps_what_was_under_way(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Dagster does when a run is terminated."""
    waits = iter([None, KeyboardInterrupt()])
    real = online.wait

    def interrupted(*args: Any, **options: Any) -> Any:
        if error := next(waits, None):
            raise error
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(online, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make().label(some(200))
    sent = len(server.asked)
    assert sent == 3  # one alone, then two at once
    assert is_right(make().label(some(200)), 200)
    assert len(server.asked) == 10


# Batches that go wrong in part or wholly


@pytest.mark.parametrize("kind", ["expired", "canceled", "api_error", "invalid_request_error"])
@pytest.mark.parametrize("requests", [1, 3])
def test_a_batch_without_answers_is_asked_again(server: ClaudeServer, make: Make, kind: str, requests: int) -> None:
    """Partly (1 of 3 requests) or wholly."""
    server.faults = [None] + [Status(500, kind)] * requests
    labelled = make("batch").label(some(61))
    assert is_right(labelled, 61)
    answered = Counter(i["text"] for d in documents(server)[1 + requests :] for i in d)
    assert set(answered.values()) == {1}


@pytest.mark.parametrize("kind", ["expired", "canceled"])
def test_batches_that_never_answer_fail_after_three_times(server: ClaudeServer, make: Make, kind: str) -> None:
    server.refuses = lambda params: Status(500, kind)
    labelled = make("batch").label(some(6))
    assert len(labelled.failed) == 6
    assert all(f"gave no answer: {kind}" in reason for reason in labelled.failed.values())
    assert len(server.batches) == 3


def test_a_slow_batch_is_waited_for(server: ClaudeServer, make: Make, waits: list[float]) -> None:
    server.polls = 60
    assert is_right(make("batch").label(some(4)), 4)
    assert len(server.asked) == 1
    assert sum(waits) > 2000


# Answers that go wrong


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "fault",
    [
        stops("refusal"),
        stops("max_tokens"),
        says(lambda a: {"labels": a["labels"][1:]}),
        says(lambda a: {"labels": [*a["labels"], *a["labels"]]}),
        says(lambda a: {"labels": [{**e, "id": "99"} for e in a["labels"]]}),
        says(lambda a: {"items": a["labels"]}),
        says(lambda a: json.dumps(a)[:-9]),
    ],
    ids=["refusal", "max_tokens", "missing", "repeated", "unknown ids", "wrong schema", "truncated"],
)
def test_a_service_that_always_answers_wrong_is_asked_three_times(
    server: ClaudeServer, make: Make, mode: Mode, fault: Callable[[Json], Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = server.message

    def wrong(params: Json) -> Any:
        return fault(right(params))

    monkeypatch.setattr(server, "message", wrong)
    labelled = make(mode).label(some(25))
    assert verdicts(labelled) == [f"h{i:03}" for i in range(25)]
    assert labelled.failed
    asked = Counter(item["text"] for document in documents(server) for item in document)
    assert max(asked.values()) <= 3


# Money, where it is not known whether something was paid


@pytest.mark.parametrize("mode", MODES)
def test_what_was_perhaps_billed_counts_against_the_budget(server: ClaudeServer, make: Make, mode: Mode) -> None:
    """The connection breaks each time after the work was done, so each sending may have been billed."""
    server.drops = {
        ONLINE: [Dropped()] * 100,
        BATCH: [Dropped()] * 100,
        "GET /v1/messages/batches": [Status(404)] * 100,
    }
    labeller = make(mode, budget_usd=0.05, retries=0)
    labelled = labeller.label(some(400))
    assert len(labelled.failed) == 400
    each = labeller._desk.estimate(server.asked[0], 1.0)
    batched = sum(len(requests) for requests in server.batches.values())
    assert 0 < (server.calls.count(ONLINE) + 0.5 * batched) * each <= 0.05


# How many at once


def test_many_requests_are_under_way_at_once_and_no_more_than_the_bound(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online, "_MOST_AT_ONCE", 4)
    server.takes = lambda body: 0.2
    assert is_right(make().label(some(200)), 200)
    assert server.at_once[1] == 4


def test_the_first_request_goes_alone(server: ClaudeServer, make: Make) -> None:
    """So that it has put the prompt into the cache before the others look for it."""
    seen: list[int] = []
    server.takes = lambda body: seen.append(server.at_once[0]) or 0.01  # type: ignore[func-returns-value]
    make().label(some(100))
    assert seen[0] == 1
    assert len(seen) == 5


def test_the_window_grows_and_shrinks() -> None:
    window = online.Window()
    for _ in range(5):
        window.more()
    assert window.size == 6
    sent_in = window.round
    for _ in range(6):  # all six were sent together: one decrease
        window.fewer(sent_in)
    assert window.size == 3
    for _ in range(3):  # from now on one more a round of answers
        window.more()
    assert 3.8 < window.size <= 4
    for _ in range(10):
        window.fewer(window.round)
    assert window.size == 1


def test_a_crowded_service_is_asked_more_slowly(
    server: ClaudeServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes three requests at once and refuses the rest gets everything answered, with few refusals."""
    server.takes = lambda body: 0.01
    server.refuses = lambda params: TOO_MUCH if server.at_once[0] >= 3 else None
    labelled = make().label(some(1000))
    assert is_right(labelled, 1000)
    refused = len(server.asked) - labelled.usage["requests"]
    assert refused < 25


@pytest.mark.parametrize("budget", [5.0, 0.022])
def test_the_order_of_answers_has_no_influence(
    server: ClaudeServer, make: Make, ledger: Ledger, budget: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late ones first, early ones first, one after another; also where the budget ends in the middle."""
    results = []
    for number, slow in enumerate((lambda n: 0.0, lambda n: 0.02 * (n % 2), lambda n: 0.02 * (n % 3 == 0))):
        ledger.path = ledger.path.with_name(f"{number}.sqlite")
        monkeypatch.setattr(online, "_MOST_AT_ONCE", 1 if number == 0 else 16)
        server.takes = lambda body, slow=slow: slow(  # type: ignore[misc]
            int(json.loads(body["messages"][0]["content"])["items"][0]["text"].split()[1]) // 20
        )
        labelled = make(budget_usd=budget).label(some(400))
        results.append((labelled.labels.rows(), labelled.abstained, labelled.failed, labelled.usage))
    assert results[0] == results[1] == results[2]
    assert bool(results[0][2]) is (budget < 1)


# Waits of a batch


def test_a_batch_that_is_refused_for_the_moment_waits_as_it_is_told(
    server: ClaudeServer, make: Make, waits: list[float]
) -> None:
    server.drops = {BATCH: [Status(429, headers=(("retry-after", "30"),)), Status(429, headers=NO_HEADER), None]}
    assert is_right(make("batch").label(some(4)), 4)
    assert waits == [30.0, batches._FIRST_WAIT * 4]
