"""A loopback service that speaks the Messages API and the Message Batches API well enough for the real SDK.

It answers from the texts: a text that holds `<domain.interest>` gets that interest with confidence 0.9, any other
text an empty list. Faults are scripted; each is used once, in order.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from benchmarks.loopback import on_loopback

Json = dict[str, Any]
Fault = Callable[[Json], Json]  # from a right message to what is sent instead

_WHEN = "2026-01-01T00:00:00Z"
_USAGE = {"input_tokens": 100, "output_tokens": 50, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 900}


@dataclass(frozen=True)
class Status:
    """An HTTP error in place of a reply."""

    code: int
    kind: str = "api_error"
    message: str = "scripted"
    headers: tuple[tuple[str, str], ...] = (("retry-after-ms", "1"),)


@dataclass(frozen=True)
class Dropped:
    """The connection is closed, half of the reply sent if `halfway`; what was asked for is done all the same."""

    halfway: bool = False


@dataclass(frozen=True)
class Garbled:
    """A whole reply whose body is cut in the middle of its JSON."""


@dataclass
class ClaudeServer:
    """What was asked, and what is to go wrong.

    Attributes:
        asked: the parameters of every message request, also those within batches, in the order of arrival.
        calls: every call, as "METHOD path"; the batch's id as {id}.
        faults: for the next messages (None: no fault).
        drops: for the next HTTP calls to a path prefix: method and prefix -> what happens in place of a reply.
        refuses: from the parameters of a message request to an error, whenever it is asked; also within batches.
        takes: from the body of a call to the seconds until it is answered.
        at_once: message requests under way, and the most that there were.
        polls: how often a batch says that it is in progress.
        batches: id -> the requests of each batch that was made.
    """

    asked: list[Json] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    faults: list[Fault | Status | None] = field(default_factory=list)
    drops: dict[str, list[Status | Dropped | Garbled | None]] = field(default_factory=dict)
    refuses: Callable[[Json], Status | None] = lambda params: None
    takes: Callable[[Json], float] = lambda body: 0.0
    at_once: list[int] = field(default_factory=lambda: [0, 0])
    results: dict[str, list[Json]] = field(default_factory=dict)
    batches: dict[str, list[Json]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    polls: int = 0
    cut_results: int = 0
    url: str = ""

    def add_stranger(self, requests: int, *, ended: bool) -> str:
        """A batch that somebody else made."""
        made = [{"custom_id": f"other-{i}", "params": {"messages": []}} for i in range(requests)]
        return self._made(made, 0 if ended else 1)

    def message(self, params: Json) -> Json | Status:
        self.asked.append(params)
        if refused := self.refuses(params):
            return refused
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Status):
            return fault
        right = _message(params, answer(params))
        return fault(right) if fault else right

    def batch(self, requests: list[Json]) -> str:
        batch_id = self._made(requests, self.polls)
        lines = []
        for request in requests:
            reply = self.message(request["params"])
            if isinstance(reply, Status):
                error = {"type": "error", "error": {"type": reply.kind, "message": reply.message}, "request_id": "r"}
                result = {"type": reply.kind} if reply.kind in {"expired", "canceled"} else None
                lines.append(
                    {"custom_id": request["custom_id"], "result": result or {"type": "errored", "error": error}}
                )
            else:
                result = {"type": "succeeded", "message": reply}
                lines.append({"custom_id": request["custom_id"], "result": result})
        self.results[batch_id] = lines[::-1]  # the real service promises no order either
        return batch_id

    def _made(self, requests: list[Json], polls: int) -> str:
        batch_id = f"msgbatch_{len(self.batches):04}"
        self.batches[batch_id] = requests
        self.left[batch_id] = polls
        self.results[batch_id] = [{"custom_id": r["custom_id"], "result": {"type": "expired"}} for r in requests]
        return batch_id

    def seen(self, batch_id: str) -> Json:
        ended = self.left[batch_id] <= 0
        counts = dict.fromkeys(["processing", "succeeded", "errored", "canceled", "expired"], 0)
        counts["succeeded" if ended else "processing"] = len(self.batches[batch_id])
        return {
            "id": batch_id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": _WHEN,
            "expires_at": _WHEN,
            "results_url": f"{self.url}/v1/messages/batches/{batch_id}/results" if ended else None,
        }


def answer(params: Json) -> Json:
    """The right answer to a request."""
    document = json.loads(params["messages"][-1]["content"])
    items = document["items"]
    if document["task"] == "propose_taxonomy":
        return proposed(document)
    return {
        "labels": [
            {
                "id": i["id"],
                "interests": [
                    {"interest": m, "confidence": 0.9} for m in re.findall(r"<([a-z]\w*[.][a-z]\w*)>", i["text"])
                ],
            }
            for i in items
        ]
    }


def proposed(document: Json) -> Json:
    """A proposal: an interest for each `<domain.interest>` in the texts; a review drops what is called `..._dup`."""
    if document["stage"] == "review":
        domains = document["proposed"]["domains"]
        return {
            "domains": [
                {**d, "interests": [i for i in d["interests"] if not i["id"].endswith("_dup")]} for d in domains
            ]
        }
    found: dict[str, list[str]] = {}
    for domain, interest in re.findall(r"<([a-z]\w*)[.]([a-z]\w*)>", json.dumps(items_of(document))):
        if interest not in found.setdefault(domain, []):
            found[domain].append(interest)
    return {
        "domains": [
            {
                "id": domain,
                "name": domain.title(),
                "description": f"All {domain}",
                "interests": [
                    {"id": i, "name": i.title(), "description": f"About {i}", "keywords": [i, f"{i}茶"]}
                    for i in interests
                ],
            }
            for domain, interests in found.items()
        ]
    }


def items_of(document: Json) -> list[str]:
    return [item["text"] for item in document["items"]]


def says(change: Callable[[Json], Any]) -> Fault:
    """A message whose answer is changed: `change` gets the right answer and returns another, or text."""

    def fault(message: Json) -> Json:
        changed = change(json.loads(message["content"][0]["text"]))
        text = changed if isinstance(changed, str) else json.dumps(changed)
        return {**message, "content": [{"type": "text", "text": text}]}

    return fault


def stops(reason: str) -> Fault:
    """A message that stopped for another reason, its text cut in half."""

    def fault(message: Json) -> Json:
        text = message["content"][0]["text"]
        return {**message, "stop_reason": reason, "content": [{"type": "text", "text": text[: len(text) // 2]}]}

    return fault


def _message(params: Json, content: Json) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [{"type": "text", "text": json.dumps(content)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _USAGE,
    }


@contextmanager
def running() -> Iterator[ClaudeServer]:
    """The service, for as long as the block lasts."""
    server = ClaudeServer()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: else each reply waits for an acknowledgement
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                server.at_once[0] += self.path == "/v1/messages"
                server.at_once[1] = max(server.at_once)
            time.sleep(server.takes(body))
            with lock:
                server.at_once[0] -= self.path == "/v1/messages"
                self.handle_call(lambda: self.post(body))

        def do_GET(self) -> None:
            with lock:
                self.handle_call(self.get)

        def handle_call(self, do: Callable[[], Any]) -> None:
            path = self.path.split("?")[0]
            call = f"{self.command} {re.sub('msgbatch_[0-9]+', '{id}', path)}"
            server.calls.append(call)
            server.headers.append(dict(self.headers))
            script = server.drops.get(call, [])
            instead = script.pop(0) if script else None
            if isinstance(instead, Status):
                return self.send(instead)
            done = do()
            if isinstance(instead, Dropped) and not instead.halfway:
                self.close_connection = True
                return None
            return self.send(done, instead)

        def post(self, body: Json) -> Any:
            if self.path == "/v1/messages":
                return server.message(body)
            if self.path == "/v1/messages/batches":
                return server.seen(server.batch(body["requests"]))
            return Status(404, "not_found_error")

        def get(self) -> Any:
            path, _, query = self.path.partition("?")
            parts = path.split("/")
            if path == "/v1/messages/batches":
                limit = int(re.findall(r"limit=(\d+)", query)[0])
                newest = [server.seen(b) for b in reversed(server.batches)][:limit]
                return {"data": newest, "has_more": False, "first_id": None, "last_id": None}
            if parts[4] not in server.batches:
                return Status(404, "not_found_error")
            if path.endswith("/results"):
                return "".join(json.dumps(line) + "\n" for line in server.results[parts[4]])
            seen = server.seen(parts[4])
            server.left[parts[4]] -= 1
            return seen

        def send(self, content: Any, instead: Any = None) -> None:
            code, headers = 200, content.headers if isinstance(content, Status) else ()
            if isinstance(content, Status):
                code = content.code
                content = {"type": "error", "error": {"type": content.kind, "message": content.message}}
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            if isinstance(instead, Garbled):
                data = data[: len(data) // 2]
            self.send_response(code)
            self.send_header("content-type", "application/x-jsonl" if isinstance(content, str) else "application/json")
            self.send_header("content-length", str(len(data)))
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if isinstance(instead, Dropped) or (isinstance(content, str) and server.cut_results):
                server.cut_results -= not isinstance(instead, Dropped)
                self.close_connection = True
                data = data[: len(data) // 2]
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with on_loopback(Handler) as server.url:
        yield server
