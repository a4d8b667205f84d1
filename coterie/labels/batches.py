"""Asking in batches, at half the price: submitted once, noted before, waited for up to a day, read in any order.

Belongs here: the life of a batch between the service and the ledger. Does not belong here: requests and verdicts
(asking.py), what lasts (ledger.py).
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2  # the SDK's transport: where a stream of results breaks, its errors come through as they are
from anthropic.types.messages import MessageBatch, MessageBatchResult

from coterie.errors import LabelError
from coterie.labels.asking import Desk, Run
from coterie.labels.faults import (
    DOWN,
    PASSING,
    UnreadableError,
    is_too_large,
    perhaps_billed,
    raise_if_refused,
    retry_after,
    said,
)
from coterie.labels.ledger import Batch, Interests

_MOST_BATCH_REQUESTS, _MOST_BATCH_BYTES = 10_000, 100_000_000  # the service takes 100 000 and 256 MB
_MOST_BATCHES_SEEN = 1000  # when looking for a batch that was perhaps submitted
_TRIES = 3  # to submit a batch, and to read its results
_FIRST_WAIT, _LONGEST_WAIT, _ALL_WAITS = 1.0, 60.0, 26 * 3600.0  # seconds; the service ends a batch after 24 hours
_LONGEST_ASKED = 3600.0  # seconds; longer than this is not waited to submit, whatever the service says
_MOST_FAILED_POLLS = 5

_sleep = time.sleep  # tests put their own in its place


@dataclass(frozen=True)
class _Asked:
    """A request of a batch: its texts, itself, and most that it may cost in US dollars."""

    chunk: list[str]
    request: dict[str, Any]
    estimate: float

    @property
    def weight(self) -> int:
        """About its bytes."""
        return len(repr(self.request).encode())


class Batches:
    """Submits, waits for and reads the batches of a desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listed = True  # whether the service lists its batches, as far as is known

    def ask(self, run: Run, hashes: Sequence[str], size: int) -> None:
        """Submit, wait, read; and once more with what actual costs, lower than the estimate, left of the budget."""
        left = list(hashes)
        while left:
            with self._desk.ledger.submitting():
                left = self._unasked(run, left)
                wrong = self._warm(run, left, size)
                left = [h for h in run.pending(left) if h not in wrong]  # that is asked again with the others
                sent, tried = self._submit_affordable(run, self._desk.chunks(run, left, size))
            for batch, estimate in sent:
                self._harvest(run, batch, estimate)
            left = run.pending(h for h in left if h not in tried)
            if not tried:
                return run.fail(left, self._desk.purse.empty)
        return None

    def _unasked(self, run: Run, hashes: Sequence[str]) -> list[str]:
        """Those that are not in a batch. Whoever had the lock before may have submitted or bought some."""
        self._desk.look_up(run, hashes)
        elsewhere = {h for batch in self._desk.ledger.open_batches(self._desk.key) for h in batch.hashes}
        return [h for h in run.pending(hashes) if h not in elsewhere]

    def _warm(self, run: Run, hashes: Sequence[str], size: int) -> Collection[str]:
        """Put the prompt into the cache by asking for the first text alone, where that pays.

        A batch that starts with a cold cache reads nothing from it, as its requests are worked on side by side. If this
        one goes wrong, the batch is only dearer.

        Returns:
            The text, if its answer was wrong.
        """
        purse, some = self._desk.purse, list(hashes[:1])
        if not self._desk.warms(run, hashes, size):
            return ()
        request = self._desk.request(run, some)
        estimate = self._desk.estimate(request, 1.0)
        if not purse.affordable(estimate):
            return ()
        try:
            message = self._desk.client.messages.create(**request)
        except DOWN as error:
            raise_if_refused(error)
            purse.spent += estimate if perhaps_billed(error) else 0.0
            return ()
        purse.spent += purse.count(run.usage, [message], 1, 1.0)
        good, wrong = self._desk.verdicts(message, some)
        run.take(self._desk.ledger.record(self._desk.key, good))
        run.blame(wrong)
        return wrong

    def _submit_affordable(
        self, run: Run, chunks: Sequence[list[str]]
    ) -> tuple[list[tuple[Batch, float]], frozenset[str]]:
        """Submit the first requests, as far as the budget goes.

        Returns:
            Batches with their estimated costs in US dollars, and the texts that it was tried to submit.
        """
        sent: list[tuple[Batch, float]] = []
        tried: set[str] = set()
        group: list[_Asked] = []
        estimate, weight = 0.0, 0

        def submit() -> None:
            nonlocal group, estimate, weight
            tried.update(h for asked in group for h in asked.chunk)
            sent.extend(self._submit(run, group))
            group, estimate, weight = [], 0.0, 0

        for chunk in chunks:
            request = self._desk.request(run, chunk)
            asked = _Asked(chunk, request, self._desk.estimate(request, self._desk.purse.batch_factor))
            if group and (len(group) == _MOST_BATCH_REQUESTS or weight + asked.weight > _MOST_BATCH_BYTES):
                submit()
            if not self._desk.purse.affordable(estimate + asked.estimate):
                break
            group.append(asked)
            estimate, weight = estimate + asked.estimate, weight + asked.weight
        submit()
        return sent, frozenset(tried)

    def _submit(self, run: Run, group: Sequence[_Asked]) -> list[tuple[Batch, float]]:
        """Submit one batch; several if it is too large for the service, none if the service would not have it."""
        if not group:
            return []
        hashes = [h for asked in group for h in asked.chunk]
        estimate = sum(asked.estimate for asked in group)
        try:
            batch = self._desk.ledger.intend(
                self._desk.key, tuple(tuple(asked.chunk) for asked in group), self._newest_batch()
            )
            created = self._created(batch, group, estimate)
            self._desk.purse.spent += estimate
            return [(created, estimate)]
        except anthropic.NotFoundError as error:
            raise LabelError(
                f"COTERIE_LABEL_MODE: found batch, but the service at {self._desk.client.base_url} has no message batches "
                f"({said(error)}); expected online for this service"
            ) from error
        except DOWN as error:
            raise_if_refused(error)
            if is_too_large(error) and len(group) > 1:
                half = len(group) // 2
                return [*self._submit(run, group[:half]), *self._submit(run, group[half:])]
            if is_too_large(error):
                run.blame(dict.fromkeys(hashes, said(error)))  # asked again in smaller requests
                return []
            run.fail(hashes, said(error))  # an intent that is still open makes the next run look for the batch
        return []

    def _created(self, batch: Batch, group: Sequence[_Asked], estimate: float) -> Batch:
        """The batch at the service, its id noted.

        The SDK's own retries are off here: a submission that came to nothing for us may have arrived all the same, so
        it is looked for before it is repeated. Where the service does not list its batches it is not repeated.
        """
        body: Any = [
            {"custom_id": f"{batch.mark}-{number}", "params": asked.request} for number, asked in enumerate(group)
        ]
        for attempt in range(_TRIES):
            try:
                created = self._desk.client.with_options(max_retries=0).messages.batches.create(requests=body)
                return self._desk.ledger.submitted(batch, created.id)
            except PASSING as error:
                if found := self._find(batch):
                    return self._desk.ledger.submitted(batch, found)
                if perhaps_billed(error) and not self._listed:
                    self._desk.purse.spent += estimate
                    raise
                asked = retry_after(error)
                if attempt == _TRIES - 1 or (asked or 0) > _LONGEST_ASKED:
                    raise
                _sleep(_FIRST_WAIT * 4**attempt if asked is None else asked)
            except anthropic.APIStatusError:  # refused, for certain
                self._desk.ledger.lose(batch)
                raise
        raise AssertionError("unreachable")

    def read_open(self, run: Run) -> None:
        """Read the batches that an earlier run left, or that another process waits for, if they ask what we would."""
        wanted = set(run.pending(run.texts))
        if not any(wanted & batch.hashes for batch in self._desk.ledger.open_batches(self._desk.key)):
            return
        found: list[Batch] = []
        try:
            with self._desk.ledger.submitting():
                for batch in self._desk.ledger.open_batches(self._desk.key):
                    if wanted & batch.hashes and (there := self._located(batch)):
                        found.append(there)
        except DOWN as error:
            raise_if_refused(error)
            for batch in self._desk.ledger.open_batches(self._desk.key):
                run.fail(batch.hashes, f"a batch is perhaps paid for but cannot be looked for: {said(error)}")
        for batch in found:
            self._harvest(run, batch, 0.0)

    def _located(self, batch: Batch) -> Batch | None:
        """The batch with its id; None: it was intended, but the service never had it."""
        if batch.batch_id:
            return batch
        if found := self._find(batch):
            return self._desk.ledger.submitted(batch, found)
        self._desk.ledger.lose(batch)
        return None

    def _newest_batch(self) -> str | None:
        try:
            batches = self._desk.client.messages.batches.list(limit=1).data
        except anthropic.NotFoundError:  # a service that does not list its batches
            return None
        return batches[0].id if batches else None

    def _find(self, batch: Batch) -> str | None:
        """The id of a batch that was perhaps submitted: newer than the newest before it, and of its size.

        One that has not ended does not say what it asks. It is taken for ours until its results show that it is not.
        """
        known = self._desk.ledger.known_ids()
        try:
            for seen, candidate in enumerate(self._desk.client.messages.batches.list(limit=100)):
                if candidate.id == batch.after_id or seen == _MOST_BATCHES_SEEN:
                    break
                counts = candidate.request_counts
                requests = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
                if candidate.id in known or requests != len(batch.requests):
                    continue
                if candidate.processing_status != "ended" or self._is_ours(batch, candidate):
                    return candidate.id
        except anthropic.NotFoundError:
            self._listed = False
        return None

    def _is_ours(self, batch: Batch, candidate: MessageBatch) -> bool:
        if not candidate.results_url:
            return False
        return all(c.startswith(f"{batch.mark}-") for c in self._results(candidate.id, len(batch.requests)))

    def _harvest(self, run: Run, batch: Batch, estimate: float) -> None:
        """Wait for a batch, keep what is right, note what is wrong."""
        assert batch.batch_id
        try:
            ended = self._ended(batch.batch_id)
            results = self._results(batch.batch_id, len(batch.requests)) if ended.results_url else None
        except anthropic.NotFoundError:
            results = None
        except DOWN as error:
            raise_if_refused(error)
            return run.fail(batch.hashes, f"a batch is paid for but cannot be read, the next run tries: {said(error)}")
        if results is None:
            self._desk.ledger.lose(batch)
            return run.blame(dict.fromkeys(run.pending(batch.hashes), "the service no longer has the batch"))
        if not all(custom_id.startswith(f"{batch.mark}-") for custom_id in results):
            self._desk.ledger.disown(batch)
            return run.blame(dict.fromkeys(run.pending(batch.hashes), "the batch that was found was not ours"))
        good: dict[str, Interests] = {}
        wrong: dict[str, str] = {}
        messages = []
        interests = self._desk.interests_of(batch)
        for number, chunk in enumerate(batch.requests):
            result = results.get(f"{batch.mark}-{number}")
            if result is not None and result.type == "succeeded":
                messages.append(result.message)
                right, not_right = self._desk.verdicts(result.message, chunk, interests)
                good.update(right)
                wrong.update(not_right)
            else:
                wrong.update(dict.fromkeys(chunk, _no_message(result)))
        first, stored = self._desk.ledger.close(batch, good)
        if first:
            self._desk.purse.spent += (
                self._desk.purse.count(run.usage, messages, len(batch.requests), self._desk.purse.batch_factor)
                - estimate
            )
        if batch.key == self._desk.key:
            run.take(stored)
        else:  # asked under an earlier taxonomy: paid for, and what stands of it is taken
            self._desk.carry_over(run)
        run.blame({h: reason for h, reason in wrong.items() if h in set(run.pending(batch.hashes))})
        return None

    def _ended(self, batch_id: str) -> MessageBatch:
        """The batch when it has ended. A service that is away for a while during hours of waiting does no harm."""
        waited, delay, failures = 0.0, _FIRST_WAIT, 0
        while True:
            try:
                batch = self._desk.client.messages.batches.retrieve(batch_id)
                failures = 0
                if batch.processing_status == "ended":
                    return batch
            except PASSING:
                failures += 1
                if failures == _MOST_FAILED_POLLS:
                    raise
            if waited >= _ALL_WAITS:
                raise UnreadableError("it has not ended in time")
            _sleep(delay)
            waited, delay = waited + delay, min(1.5 * delay, _LONGEST_WAIT)

    def _results(self, batch_id: str, expected: int) -> dict[str, MessageBatchResult]:
        """The results by custom id. A stream that breaks off is read anew from its start."""
        for attempt in range(_TRIES):
            try:
                results = {line.custom_id: line.result for line in self._desk.client.messages.batches.results(batch_id)}
            except (httpx2.HTTPError, ValueError):
                results = {}
            if len(results) >= expected:
                return results
            if attempt < _TRIES - 1:
                _sleep(_FIRST_WAIT)
        raise UnreadableError("its results break off")


def _no_message(result: MessageBatchResult | None) -> str:
    if result is None:
        return "the batch gave no result"
    if result.type == "errored":
        return f"the batch gave an error: {result.error.error.message[:200]}"
    return f"the batch gave no answer: {result.type}"
