"""Labels by Claude: asks, checks, asks again, pays within a budget and only once.

Belongs here: the order of things between the service and the ledger. Does not belong here: words (prompts.py), what
lasts (ledger.py), prices (prices.yaml).
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Literal

import anthropic
import httpx2  # the SDK's transport: where a stream of results breaks, its errors come through as they are
import polars as pl
import yaml
from anthropic.types import Message
from anthropic.types.messages import MessageBatch, MessageBatchResult

from coterie.errors import LabelError
from coterie.labels.base import LABELS, Labelled
from coterie.labels.ledger import Batch, Interests, Key, Ledger
from coterie.labels.prompts import PROMPT_VERSION, SCHEMA, document, read_answer, system_blocks, wire_text
from coterie.taxonomy import Taxonomy

# Items a request, for the first time of asking and each further one: what spoilt an answer is soon alone in its own.
SIZES = (20, 5, 1)

_FIXED_TOKENS, _ITEM_TOKENS = 200, 160  # room for an answer, about twice what three interests an item take
_MOST_BATCH_REQUESTS, _MOST_BATCH_BYTES = 10_000, 100_000_000  # the service takes 100 000 and 256 MB
_MOST_BATCHES_SEEN = 1000  # when looking for a batch that was perhaps submitted
_MOST_DOWN = 3  # failed requests in a row after which the service counts as down
_TRIES = 3  # to submit a batch, and to read its results
_FIRST_WAIT, _LONGEST_WAIT, _ALL_WAITS = 1.0, 60.0, 26 * 3600.0  # seconds; the service ends a batch after 24 hours
_MOST_FAILED_POLLS = 5

_sleep = time.sleep  # tests put their own in its place


class _UnreadableError(Exception):
    """A batch is there, but its results cannot be read now."""


_DOWN = (anthropic.AnthropicError, _UnreadableError)


@dataclass(frozen=True)
class _Price:
    """US dollars per million tokens, and the tokens that a model which thinks unasked needs besides its answer."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    thinking_tokens: int

    def usd(self, *, fresh: float, written: float, read: float, output: float) -> float:
        """The price of tokens by kind."""
        total = fresh * self.input + written * self.cache_write + read * self.cache_read + output * self.output
        return total / 1e6


@dataclass
class _Run:
    """What one call of `label` knows so far, by text hash."""

    texts: Mapping[str, str]
    answers: dict[str, Interests] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    usage: dict[str, float] = field(
        default_factory=lambda: {
            "requests": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_write_tokens": 0,
            "cache_read_tokens": 0,
            "usd": 0.0,
            "from_ledger": 0,
        }
    )

    def pending(self, among: Iterable[str], most_asked: int | None = None) -> list[str]:
        """Texts without a verdict, in canonical order; those asked oftener than that left out."""
        done = self.answers.keys() | self.failed.keys()
        bound = sys.maxsize if most_asked is None else most_asked
        return sorted(h for h in set(among) & self.texts.keys() - done if self.asked.get(h, 0) <= bound)

    def take(self, answers: Mapping[str, Interests]) -> int:
        """Take answers for texts of this run; how many of them are new."""
        new = {h: a for h, a in answers.items() if h in self.texts and h not in self.answers}
        self.answers.update(new)
        return len(new)

    def blame(self, wrong: Mapping[str, str]) -> None:
        """Note texts whose answer was wrong: they may be asked again."""
        for text_hash, reason in wrong.items():
            self.wrong[text_hash] = reason
            self.asked[text_hash] = self.asked.get(text_hash, 0) + 1

    def fail(self, hashes: Iterable[str], reason: str) -> None:
        """Give texts up."""
        self.failed.update(dict.fromkeys(self.pending(hashes), reason))


class ClaudeLabeller:
    """Labels texts through the Messages API, or at half the price through the Message Batches API.

    Nothing is sent for a text that is in the ledger, or that says nothing. An answer is taken item by item; items with
    a wrong answer are asked again, twice at most. What cannot be labelled for a technical reason is `failed`, with the
    reason; a run is stopped only by what a person must mend first.

    Args:
        client: the SDK's client; its retries are for requests that the service could not take.
        taxonomy: the interests to choose from.
        ledger: what has been paid for.
        model: one that is priced in prices.yaml (COTERIE_LABEL_MODEL).
        mode: `batch` waits up to a day for its answers (COTERIE_LABEL_MODE).
        budget_usd: most that this labeller spends, in US dollars. A request is sent only if its cost, estimated from
            above, is left (COTERIE_LABEL_BUDGET_USD).

    Raises:
        LabelError: the model has no price; from `label`: the key is missing or refused, the model is not known to the
            service, the ledger cannot be used.
    """

    name = "claude"
    prompt_version = PROMPT_VERSION

    def __init__(
        self,
        client: anthropic.Anthropic,
        taxonomy: Taxonomy,
        ledger: Ledger,
        *,
        model: str,
        mode: Literal["batch", "online"],
        budget_usd: float,
    ) -> None:
        self.model = model
        self._client = client
        self._ledger = ledger
        self._mode = mode
        self._budget = budget_usd
        self._price, self._batch_factor = _price(model)
        self._key = Key(taxonomy.version, PROMPT_VERSION, model)
        self._interests = frozenset(taxonomy.interests)
        self._system = system_blocks(taxonomy)
        self._system_tokens = sum(_tokens(block["text"]) for block in self._system)
        self._spent = 0.0  # what was paid, and for batches on their way the estimate

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `Labeller`. The order of rows has no influence."""
        rows = items.select("text_hash", "text", "hashtags").sort("text_hash").iter_rows()
        texts = {text_hash: wire_text(text, hashtags) for text_hash, text, hashtags in rows}
        run = _Run({text_hash: text for text_hash, text in texts.items() if text})
        self._look_up(run, list(run.texts))
        ask = self._ask_batches if self._mode == "batch" else self._ask_online
        with _key_in_words():
            for times, size in enumerate(SIZES):
                self._read_open_batches(run)
                ask(run, run.pending(run.texts, times), size)
            self._read_open_batches(run)  # what another process submitted while this one was asking
        for text_hash in run.pending(run.texts):
            run.failed[text_hash] = f"asked again in vain: {run.wrong.get(text_hash, 'no answer came')}"
        return _labelled(run, [text_hash for text_hash, text in texts.items() if not text])

    # One by one

    def _ask_online(self, run: _Run, hashes: Sequence[str], size: int) -> None:
        down = 0
        for start in range(0, len(hashes), size):
            self._look_up(run, hashes[start : start + size])  # another process may have paid meanwhile
            chunk = run.pending(hashes[start : start + size])
            if not chunk:
                continue
            request = self._request(run, chunk)
            if not self._affordable(self._estimate(request, 1.0)):
                return run.fail(hashes[start:], self._out_of_budget)
            try:
                message = self._client.messages.create(**request)
            except anthropic.NotFoundError as error:
                raise LabelError(
                    f"COTERIE_LABEL_MODEL: found {self.model}, which the service at {self._client.base_url} does not "
                    f"have ({_said(error)}); expected a model that it serves"
                ) from error
            except _DOWN as error:
                _raise_if_key(error)
                down += 1
                run.fail(hashes[start:] if down == _MOST_DOWN else chunk, _said(error))
                continue
            down = 0
            self._spent += self._count(run, [message], 1, 1.0)
            good, wrong = self._verdicts(message, chunk)
            run.take(self._ledger.record(self._key, good))
            run.blame(wrong)
        return None

    # In batches

    def _ask_batches(self, run: _Run, hashes: Sequence[str], size: int) -> None:
        """Submit, wait, read; and once more with what actual costs, lower than the estimate, left of the budget."""
        left = list(hashes)
        while left:
            with self._ledger.submitting():
                # Whoever had the lock before may have submitted or bought some of these.
                self._look_up(run, left)
                elsewhere = {h for batch in self._ledger.open_batches(self._key) for h in batch.hashes}
                left = [h for h in run.pending(left) if h not in elsewhere]
                sent = self._submit_affordable(run, [left[i : i + size] for i in range(0, len(left), size)])
            for batch, estimate in sent:
                self._harvest(run, batch, estimate)
            asked = {h for batch, _ in sent for h in batch.hashes}
            left = run.pending(h for h in left if h not in asked)
            if not sent:
                return run.fail(left, self._out_of_budget)
        return None

    def _submit_affordable(self, run: _Run, chunks: Sequence[list[str]]) -> list[tuple[Batch, float]]:
        """Submit the first requests, as far as the budget goes; batches with their estimated costs in US dollars."""
        sent: list[tuple[Batch, float]] = []
        group: list[tuple[list[str], dict[str, Any]]] = []
        estimate, size = 0.0, 0

        def submit() -> None:
            nonlocal group, estimate, size
            if group and (batch := self._submit(run, [c for c, _ in group], [r for _, r in group])):
                self._spent += estimate
                sent.append((batch, estimate))
            group, estimate, size = [], 0.0, 0

        for chunk in chunks:
            if not run.pending(chunk):  # given up with the batch before
                continue
            request = self._request(run, chunk)
            cost, weight = self._estimate(request, self._batch_factor), len(repr(request).encode())
            if not self._affordable(estimate + cost):
                break
            if len(group) == _MOST_BATCH_REQUESTS or size + weight > _MOST_BATCH_BYTES:
                submit()
                if not self._affordable(cost):
                    break
            group.append((chunk, request))
            estimate, size = estimate + cost, size + weight
        submit()
        return sent

    def _submit(self, run: _Run, chunks: Sequence[list[str]], requests: Sequence[dict[str, Any]]) -> Batch | None:
        """Submit one batch, noted before and after; None: the service would not have it, and its texts have failed.

        The SDK's own retries are off here: a submission that came to nothing for us may have arrived all the same, so
        it is looked for before it is repeated.
        """
        hashes = [h for chunk in chunks for h in chunk]
        try:
            batch = self._ledger.intend(self._key, tuple(tuple(c) for c in chunks), self._newest_batch())
            body: Any = [
                {"custom_id": f"{batch.mark}-{number}", "params": request} for number, request in enumerate(requests)
            ]
            for attempt in range(_TRIES):
                try:
                    created = self._client.with_options(max_retries=0).messages.batches.create(requests=body)
                    return self._ledger.submitted(batch, created.id)
                except (anthropic.APIConnectionError, anthropic.InternalServerError, anthropic.RateLimitError):
                    if found := self._find(batch):
                        return self._ledger.submitted(batch, found)
                    if attempt == _TRIES - 1:
                        raise
                    _sleep(_FIRST_WAIT * 4**attempt)
                except anthropic.APIStatusError:  # refused, for certain
                    self._ledger.lose(batch)
                    raise
        except anthropic.NotFoundError as error:
            raise LabelError(
                f"COTERIE_LABEL_MODE: found batch, but the service at {self._client.base_url} has no message batches "
                f"({_said(error)}); expected online for this service"
            ) from error
        except _DOWN as error:
            _raise_if_key(error)
            run.fail(hashes, _said(error))  # an intent that is still open makes the next run look for the batch
        return None

    def _read_open_batches(self, run: _Run) -> None:
        """Read the batches that an earlier run left, or that another process waits for, if they ask what we would."""
        wanted = set(run.pending(run.texts))
        if not any(wanted & batch.hashes for batch in self._ledger.open_batches(self._key)):
            return
        found: list[Batch] = []
        try:
            with self._ledger.submitting():
                for batch in self._ledger.open_batches(self._key):
                    if wanted & batch.hashes and (there := self._located(batch)):
                        found.append(there)
        except _DOWN as error:
            _raise_if_key(error)
            for batch in self._ledger.open_batches(self._key):
                run.fail(batch.hashes, f"a batch is perhaps paid for but cannot be looked for: {_said(error)}")
        for batch in found:
            self._harvest(run, batch, 0.0)

    def _located(self, batch: Batch) -> Batch | None:
        """The batch with its id; None: it was intended, but the service never had it."""
        if batch.batch_id:
            return batch
        if found := self._find(batch):
            return self._ledger.submitted(batch, found)
        self._ledger.lose(batch)
        return None

    def _newest_batch(self) -> str | None:
        try:
            batches = self._client.messages.batches.list(limit=1).data
        except anthropic.NotFoundError:  # a service that does not list its batches
            return None
        return batches[0].id if batches else None

    def _find(self, batch: Batch) -> str | None:
        """The id of a batch that was perhaps submitted: newer than the newest before it, and of its size.

        One that has not ended does not say what it asks. It is taken for ours until its results show that it is not.
        """
        known = self._ledger.known_ids()
        try:
            for seen, candidate in enumerate(self._client.messages.batches.list(limit=100)):
                if candidate.id == batch.after_id or seen == _MOST_BATCHES_SEEN:
                    break
                counts = candidate.request_counts
                requests = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if candidate.id in known or requests != len(batch.requests):
                    continue
                if candidate.processing_status != "ended" or self._is_ours(batch, candidate):
                    return candidate.id
        except anthropic.NotFoundError:
            return None
        return None

    def _is_ours(self, batch: Batch, candidate: MessageBatch) -> bool:
        if not candidate.results_url:
            return False
        return all(c.startswith(f"{batch.mark}-") for c in self._results(candidate.id, len(batch.requests)))

    def _harvest(self, run: _Run, batch: Batch, estimate: float) -> None:
        """Wait for a batch, keep what is right, note what is wrong."""
        assert batch.batch_id
        try:
            ended = self._ended(batch.batch_id)
            results = self._results(batch.batch_id, len(batch.requests)) if ended.results_url else None
        except anthropic.NotFoundError:
            results = None
        except _DOWN as error:
            _raise_if_key(error)
            return run.fail(batch.hashes, f"a batch is paid for but cannot be read, the next run tries: {_said(error)}")
        if results is None:
            self._ledger.lose(batch)
            return run.blame(dict.fromkeys(run.pending(batch.hashes), "the service no longer has the batch"))
        if not all(custom_id.startswith(f"{batch.mark}-") for custom_id in results):
            self._ledger.disown(batch)
            return run.blame(dict.fromkeys(run.pending(batch.hashes), "the batch that was found was not ours"))
        good: dict[str, Interests] = {}
        wrong: dict[str, str] = {}
        messages = []
        for number, chunk in enumerate(batch.requests):
            result = results.get(f"{batch.mark}-{number}")
            if result is not None and result.type == "succeeded":
                messages.append(result.message)
                right, not_right = self._verdicts(result.message, chunk)
                good.update(right)
                wrong.update(not_right)
            else:
                wrong.update(dict.fromkeys(chunk, _no_message(result)))
        first, stored = self._ledger.close(self._key, batch, good)
        if first:
            self._spent += self._count(run, messages, len(batch.requests), self._batch_factor) - estimate
        run.take(stored)
        run.blame({h: reason for h, reason in wrong.items() if h in set(run.pending(batch.hashes))})
        return None

    def _ended(self, batch_id: str) -> MessageBatch:
        """The batch when it has ended. A service that is away for a while during hours of waiting does no harm."""
        waited, delay, failures = 0.0, _FIRST_WAIT, 0
        while True:
            try:
                batch = self._client.messages.batches.retrieve(batch_id)
                failures = 0
                if batch.processing_status == "ended":
                    return batch
            except (anthropic.APIConnectionError, anthropic.InternalServerError, anthropic.RateLimitError):
                failures += 1
                if failures == _MOST_FAILED_POLLS:
                    raise
            if waited >= _ALL_WAITS:
                raise _UnreadableError("it has not ended in time")
            _sleep(delay)
            waited, delay = waited + delay, min(1.5 * delay, _LONGEST_WAIT)

    def _results(self, batch_id: str, expected: int) -> dict[str, MessageBatchResult]:
        """The results by custom id. A stream that breaks off is read anew from its start."""
        for attempt in range(_TRIES):
            try:
                results = {line.custom_id: line.result for line in self._client.messages.batches.results(batch_id)}
            except (httpx2.HTTPError, ValueError):
                results = {}
            if len(results) >= expected:
                return results
            if attempt < _TRIES - 1:
                _sleep(_FIRST_WAIT)
        raise _UnreadableError("its results break off")

    # What both share

    def _look_up(self, run: _Run, hashes: Sequence[str]) -> None:
        run.usage["from_ledger"] += run.take(self._ledger.answers(self._key, hashes))

    def _request(self, run: _Run, chunk: Sequence[str]) -> dict[str, Any]:
        return {
            "model": self.model,
            "max_tokens": self._price.thinking_tokens + _FIXED_TOKENS + _ITEM_TOKENS * len(chunk),
            "system": self._system,
            "messages": [{"role": "user", "content": document([run.texts[h] for h in chunk])}],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }

    def _estimate(self, request: Mapping[str, Any], factor: float) -> float:
        """Most that a request may cost, in US dollars: the whole prompt paid as a cache write, the whole room used."""
        fresh = _tokens(request["messages"][0]["content"])
        output = request["max_tokens"]
        return factor * self._price.usd(fresh=fresh, written=self._system_tokens, read=0, output=output)

    def _affordable(self, usd: float) -> bool:
        return self._spent + usd <= self._budget

    @property
    def _out_of_budget(self) -> str:
        return f"budget of ${self._budget:g} reached (COTERIE_LABEL_BUDGET_USD)"

    def _count(self, run: _Run, messages: Iterable[Any], requests: int, factor: float) -> float:
        """Add what messages used; their cost in US dollars."""
        usd = 0.0
        run.usage["requests"] += requests
        for message in messages:
            used = getattr(message, "usage", None)
            fresh, written, read, output = (
                getattr(used, name, None) or 0
                for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
            )
            run.usage["input_tokens"] += fresh
            run.usage["cache_write_tokens"] += written
            run.usage["cache_read_tokens"] += read
            run.usage["output_tokens"] += output
            usd += factor * self._price.usd(fresh=fresh, written=written, read=read, output=output)
        run.usage["usd"] += usd
        return usd

    def _verdicts(self, message: Any, chunk: Sequence[str]) -> tuple[dict[str, Interests], dict[str, str]]:
        """Right answers and reasons of wrong ones, by text hash."""
        if not isinstance(message, Message) or not isinstance(message.content, list):
            return {}, dict.fromkeys(chunk, "the service sent something that is not a message")
        text = "".join(block.text for block in message.content if block.type == "text")
        verdicts = read_answer(text, message.stop_reason, len(chunk), self._interests)
        good = {chunk[place]: interests for place, interests in verdicts.good.items()}
        return good, {chunk[place]: reason for place, reason in verdicts.wrong.items()}


def _labelled(run: _Run, silent: Sequence[str]) -> Labelled:
    rows = [(h, interest, c) for h, answer in sorted(run.answers.items()) for interest, c in answer]
    return Labelled(
        labels=pl.DataFrame(rows, schema=LABELS, orient="row"),
        abstained=sorted([*silent, *(h for h, answer in run.answers.items() if not answer)]),
        failed=dict(sorted(run.failed.items())),
        usage=run.usage,
    )


def _price(model: str) -> tuple[_Price, float]:
    """The price of a model, and what a batch costs of it."""
    listed = yaml.safe_load((files("coterie.labels") / "prices.yaml").read_text(encoding="utf-8"))
    family = re.sub(r"-\d{8}$", "", model)
    if family not in listed["models"]:
        raise LabelError(
            f"COTERIE_LABEL_MODEL: found {model!r}, which has no price in coterie/labels/prices.yaml, so no budget can "
            f"hold; expected one of {', '.join(listed['models'])}, or a line with its price there"
        )
    return _Price(**listed["models"][family]), listed["batch_factor"]


def _tokens(text: str) -> float:
    """Tokens of a text, estimated from above: English has about 3.5 characters a token, Chinese about 1."""
    ascii_characters = sum(character.isascii() for character in text)
    return ascii_characters / 2.5 + (len(text) - ascii_characters) * 1.6


def _no_message(result: MessageBatchResult | None) -> str:
    if result is None:
        return "the batch gave no result"
    if result.type == "errored":
        return f"the batch gave an error: {result.error.error.message[:200]}"
    return f"the batch gave no answer: {result.type}"


def _said(error: Exception) -> str:
    """What went wrong with the service, in the same words for the same thing."""
    if isinstance(error, anthropic.APITimeoutError):
        return "the service did not answer in time"
    if isinstance(error, anthropic.APIConnectionError):
        return "the service could not be reached"
    if isinstance(error, anthropic.APIStatusError):
        body = error.body if isinstance(error.body, dict) else {}
        said = body.get("error")
        message = said.get("message") if isinstance(said, dict) else None
        return f"the service answered {error.status_code}" + (f": {str(message)[:200]}" if message else "")
    return str(error)[:200]


def _raise_if_key(error: Exception) -> None:
    """Nothing can be labelled until a person mends the key: stop the run rather than fail every item."""
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError | anthropic.CredentialsError):
        raise LabelError(
            f"ANTHROPIC_API_KEY: found a key that is refused ({_said(error)}); expected one that may use the service"
        ) from error


@contextmanager
def _key_in_words() -> Iterator[None]:
    """The SDK says by a TypeError that it has no key."""
    try:
        yield
    except TypeError as error:
        if "authentication method" not in str(error):
            raise
        raise LabelError(
            "ANTHROPIC_API_KEY: found none; expected the key of the service (or COTERIE_LABELLER=local, which needs none)"
        ) from error
