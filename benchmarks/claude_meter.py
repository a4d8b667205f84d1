"""A service on this machine that speaks as much of the Messages and Message Batches API as labels need, and meters it.

Belongs here: counting of tokens and of what the cache does. Does not belong here: what is asked (coterie.labels), what
is made of the counts (benchmarks.label_cost).

A token is four characters, rounded up, of what is sent (system blocks, messages, the schema) and of the answer. The
cache works as documented by Anthropic: an entry is the prefix up to the mark, under the same model and output format; a
request that finds none writes it, and it can be found once that request has been answered; it lives for five minutes or
an hour after it was last used. Requests of a batch are worked on side by side, so that none finds what another of them
writes. Time is the service's own: it passes only where it is told to, between a batch's submission and the work on it.

Answers come from a table: text -> interest; a text that is not in it gets an empty list.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from benchmarks.loopback import on_loopback

Json = dict[str, Any]
_WHEN = "2026-01-01T00:00:00Z"
_MINUTES = {"5m": 5.0, "1h": 60.0}


def tokens(characters: int) -> int:
    """Tokens of so many characters."""
    return -(-characters // 4)


class Meter:
    """The service's state: its clock, its cache, its batches.

    Args:
        answers: text -> interest.
        minutes_to_batch: between a batch's submission and the work on it.
    """

    def __init__(self, answers: Mapping[str, str], minutes_to_batch: float = 0.0) -> None:
        self.url = ""
        self._answers = answers
        self._minutes_to_batch = minutes_to_batch
        self._now = 0.0
        self._cached: dict[str, tuple[float, float]] = {}  # prefix -> last used, for how long
        self._results: list[str] = []

    def message(self, params: Json) -> Json:
        """One request, answered at once."""
        message, written = self._answered(params)
        self._cached.update(written)
        return message

    def batch(self, requests: list[Json]) -> Json:
        """All requests of a batch, side by side."""
        self._now += self._minutes_to_batch
        lines, written = [], {}
        for request in requests:
            message, entry = self._answered(request["params"])
            written.update(entry)
            lines.append({"custom_id": request["custom_id"], "result": {"type": "succeeded", "message": message}})
        self._cached.update(written)
        self._results.append("".join(json.dumps(line) + "\n" for line in lines))
        return self.ended(len(self._results) - 1)

    def ended(self, number: int) -> Json:
        """A batch as the service shows it."""
        counts = dict.fromkeys(["processing", "errored", "canceled", "expired"], 0)
        return {
            "id": f"msgbatch_{number}",
            "type": "message_batch",
            "processing_status": "ended",
            "request_counts": {**counts, "succeeded": self._results[number].count("\n")},
            "created_at": _WHEN,
            "expires_at": _WHEN,
            "results_url": f"{self.url}/v1/messages/batches/msgbatch_{number}/results",
        }

    def results(self, number: int) -> str:
        """A batch's results, a line each."""
        return self._results[number]

    def _answered(self, params: Json) -> tuple[Json, dict[str, tuple[float, float]]]:
        """A message with its usage, and what it writes to the cache."""
        content = params["messages"][0]["content"]
        text = json.dumps(
            {"labels": [self._label(item) for item in json.loads(content)["items"]]}, separators=(",", ":")
        )
        system = params["system"]
        mark = max((place for place, block in enumerate(system) if "cache_control" in block), default=-1)
        form = json.dumps(params["output_config"])
        prefix = "".join(block["text"] for block in system[: mark + 1])
        rest = "".join(block["text"] for block in system[mark + 1 :]) + content
        usage = {"input_tokens": tokens(len(rest)), "output_tokens": tokens(len(text))}
        cached = tokens(len(prefix) + len(form))
        key = json.dumps([params["model"], form, prefix])
        used, lasts = self._cached.get(key, (0.0, -1.0))
        found = mark >= 0 and self._now - used <= lasts
        kept = _MINUTES[system[mark].get("cache_control", {}).get("ttl", "5m")] if mark >= 0 else 0.0
        if mark < 0:
            usage["input_tokens"] += cached
        usage |= {
            "cache_read_input_tokens": cached if found else 0,
            "cache_creation_input_tokens": cached if mark >= 0 and not found else 0,
        }
        message = {
            "id": "msg",
            "type": "message",
            "role": "assistant",
            "model": params["model"],
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        return message, {key: (self._now, kept)} if mark >= 0 else {}

    def _label(self, item: Json) -> Json:
        interest = self._answers.get(item["text"])
        return {"id": item["id"], "interests": [{"interest": interest, "confidence": 0.9}] if interest else []}


@contextmanager
def serving(meter: Meter) -> Iterator[Meter]:
    """The service, for as long as the block lasts."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: else each reply waits for an acknowledgement
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                reply = meter.message(body) if self.path == "/v1/messages" else meter.batch(body["requests"])
            self._reply(json.dumps(reply), "application/json")

        def do_GET(self) -> None:
            parts = self.path.split("?")[0].split("/")
            if len(parts) == 4:
                return self._reply(json.dumps({"data": [], "has_more": False}), "application/json")
            number = int(parts[4].removeprefix("msgbatch_"))
            if parts[-1] == "results":
                return self._reply(meter.results(number), "application/x-jsonl")
            return self._reply(json.dumps(meter.ended(number)), "application/json")

        def _reply(self, text: str, kind: str) -> None:
            data = text.encode()
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with on_loopback(Handler) as meter.url:
        yield meter
