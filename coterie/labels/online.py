"""Asking online: as many requests at once as the service takes, each answer when it comes.

Belongs here: how many at once, when to wait, what is done when one fails. Does not belong here: requests and verdicts
(asking.py), batches (batches.py).

How many are under way follows additive increase and multiplicative decrease (Chiu and Jain 1989), with TCP's slow start
(Jacobson 1988): one more with every answer until the service first says that it is too much, from then on one more with
every round of answers, and half as many each time that it says so again. The first request goes alone, and puts the
prompt into the cache for the others.

Nothing in the result depends on the order of answers: what is asked in one request is fixed beforehand, and whether the
budget allows a request is decided in order, as if each waited for those before it (what is under way is held back at
its highest possible cost, and where that is too much the request waits until it is known).
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import anthropic

from coterie.errors import LabelError
from coterie.labels.asking import Desk, Run
from coterie.labels.faults import (
    DOWN,
    PASSING,
    is_too_large,
    perhaps_billed,
    refused_for_good,
    retry_after,
    said,
)

_MOST_AT_ONCE = 16
_MOST_DOWN = 3  # requests given up in a row after which the service counts as down
_TRIES, _TRIES_BILLED = 5, 3  # fewer where each may be billed, as when a connection breaks or hangs
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds, where the service does not say how long
_LONGEST_ASKED = 3600.0  # longer than this is not waited, whatever the service says

_sleep, _now = time.sleep, time.monotonic  # tests put their own in their place


class Window:
    """How many requests may be under way."""

    def __init__(self) -> None:
        self.size = 1.0
        self.round = 0  # a new one with every decrease
        self._starting = True

    def more(self) -> None:
        """An answer came."""
        self.size = min(self.size + (1.0 if self._starting else 1.0 / self.size), float(_MOST_AT_ONCE))

    def fewer(self, sent_in: int) -> None:
        """The service says that it is too much; those that were sent together say so only once."""
        if sent_in == self.round:
            self.size = max(self.size / 2, 1.0)
            self.round += 1
            self._starting = False


@dataclass
class _Job:
    """A request: its place in the order, what it asks, how often it was sent, in which round.

    `held` says whether its highest possible cost is held back in the purse.
    """

    place: tuple[int, ...]
    chunk: list[str]
    request: dict[str, Any]
    estimate: float
    sent: int = 0
    round: int = 0
    held: bool = False


def ask_online(desk: Desk, run: Run, hashes: Sequence[str], size: int) -> None:
    """Ask for texts, so many a request.

    Raises:
        LabelError: the key is refused, or the service does not have the model. What was under way is kept first.
    """
    _Asking(desk, run, hashes, size).through()


class _Asking:
    """One pass over texts."""

    def __init__(self, desk: Desk, run: Run, hashes: Sequence[str], size: int) -> None:
        self._desk, self._run, self._size = desk, run, size
        chunks = desk.chunks(run, hashes, size)
        self._waiting: deque[tuple[tuple[int, ...], list[str]]] = deque(
            ((number,), chunk) for number, chunk in enumerate(chunks)
        )
        self._again: list[_Job] = []
        self._flying: dict[Future[Any], _Job] = {}
        self._window = Window()
        self._resume_at = 0.0
        self._down = 0
        self._refused_in_a_row: list[str] = []
        self._over = False
        self._error: BaseException | None = None
        # Its own retries would be as many requests as before, each after a wait of its own.
        self._client = desk.client.with_options(max_retries=0)

    def through(self) -> None:
        """Ask until nothing is left to ask."""
        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            try:
                while self._send(pool):
                    self._take(FIRST_COMPLETED)
            finally:  # a run that is interrupted keeps what it has paid for
                self._over = True
                self._take(ALL_COMPLETED)
        if self._error:
            raise self._error

    def _send(self, pool: ThreadPoolExecutor) -> bool:
        """Send as many requests as may be under way; whether any is."""
        while len(self._flying) < int(self._window.size) and (job := self._next()):
            if (left := self._resume_at - _now()) > 0:
                _sleep(left)
            self._resume_at = 0.0
            job.sent, job.round = job.sent + 1, self._window.round
            self._flying[pool.submit(self._sent, job.request)] = job
        return bool(self._flying)

    def _take(self, when: str) -> None:
        """Wait for the next answers, or for all, and take them in the order of their requests."""
        done, _ = wait(self._flying, return_when=when)
        for future in sorted(done, key=lambda f: self._flying[f].place):
            job, error = self._flying.pop(future), future.exception()
            if error is None:
                self._answered(job, future.result())
            else:
                self._went_wrong(job, error)

    def _sent(self, request: dict[str, Any]) -> Any:
        return self._client.messages.create(**request)

    # What is sent next

    def _next(self) -> _Job | None:
        """The next request, its highest possible cost held back; none if there is none, or none now."""
        while not self._over and (job := self._again[0] if self._again else self._new()):
            if not job.held and not self._desk.purse.affordable(job.estimate):
                if not self._flying:
                    self._stop(self._desk.purse.empty)
                return None
            if not job.held:
                self._desk.purse.spent += job.estimate
                job.held = True
            if self._again:
                return self._again.pop(0)
            self._waiting.popleft()
            return job
        return None

    def _new(self) -> _Job | None:
        """The first request that was not sent yet."""
        while self._waiting:
            place, asked = self._waiting[0]
            self._desk.look_up(self._run, asked)  # another process may have paid meanwhile
            if chunk := self._run.pending(asked):
                request = self._desk.request(self._run, chunk)
                return _Job(place, chunk, request, self._desk.estimate(request, 1.0))
            self._waiting.popleft()
        return None

    # What comes of it

    def _answered(self, job: _Job, message: Any) -> None:
        self._down = 0
        self._refused_in_a_row.clear()
        self._window.more()
        purse = self._desk.purse
        purse.spent += purse.count(self._run.usage, [message], 1, 1.0) - job.estimate
        good, wrong = self._desk.verdicts(message, job.chunk)
        self._run.take(self._desk.ledger.record(self._desk.key, good))
        self._run.blame(wrong)

    def _went_wrong(self, job: _Job, error: BaseException) -> None:
        if not perhaps_billed(error):
            self._desk.purse.spent -= job.estimate
        job.held = False  # and where it was perhaps billed, it is paid for twice if it is sent again
        if isinstance(error, PASSING):
            self._passing(job, error)
        elif isinstance(error, DOWN):
            self._refused(job, error)
        else:
            self._halt(error)

    def _passing(self, job: _Job, error: Exception) -> None:
        """Send again, later and with fewer beside it; give in after so many times."""
        asked = retry_after(error)
        if isinstance(error, anthropic.APIStatusError):
            self._window.fewer(job.round)
        if (
            self._over
            or job.sent >= (_TRIES_BILLED if perhaps_billed(error) else _TRIES)
            or (asked or 0) > _LONGEST_ASKED
        ):
            return self._give_in(job, error)
        pause = min(_FIRST_WAIT * 4 ** (job.sent - 1), _LONGEST_WAIT) if asked is None else asked
        self._resume_at = max(self._resume_at, _now() + pause)
        self._again = sorted([*self._again, job], key=lambda j: j.place)
        return None

    def _refused(self, job: _Job, error: Exception) -> None:
        """What would be refused again, as it stands."""
        if refusal := refused_for_good(error):
            return self._halt(refusal)
        if isinstance(error, anthropic.NotFoundError):
            missing = LabelError(
                f"COTERIE_LABEL_MODEL: found {self._desk.model}, which the service at {self._desk.client.base_url} does "
                f"not have ({said(error)}); expected a model that it serves"
            )
            missing.__cause__ = error
            return self._halt(missing)
        if is_too_large(error) and len(job.chunk) > 1 and not self._over:
            half = len(job.chunk) // 2
            parts = [((*job.place, n), chunk) for n, chunk in enumerate((job.chunk[:half], job.chunk[half:]))]
            self._waiting.extendleft(reversed(parts))
            return None
        if isinstance(error, anthropic.BadRequestError | anthropic.UnprocessableEntityError) and not self._over:
            # Perhaps because of one text: asked again in smaller requests. If it is because of all, such as an account
            # without credit, then several first requests in a row are refused.
            self._run.blame(dict.fromkeys(job.chunk, said(error)))
            if self._size > 1:
                self._down += 1
                self._refused_in_a_row += job.chunk
            if self._down == _MOST_DOWN:
                self._run.fail(self._refused_in_a_row, said(error))
                self._stop(said(error))
            return None
        return self._give_in(job, error)

    # How it ends

    def _give_in(self, job: _Job, error: Exception) -> None:
        self._run.fail(job.chunk, said(error))
        self._down += 1
        if self._down == _MOST_DOWN:
            self._stop(said(error))

    def _stop(self, reason: str) -> None:
        """Send nothing any more; what is under way is still taken."""
        self._over = True
        under_way = {h for job in self._flying.values() for h in job.chunk}
        left = [h for job in self._again for h in job.chunk] + [h for _, chunk in self._waiting for h in chunk]
        self._run.fail((h for h in left if h not in under_way), reason)
        self._waiting.clear()
        self._again.clear()

    def _halt(self, error: BaseException) -> None:
        """Nothing can be asked until a person mends something: raised when what is under way has been kept."""
        self._error = self._error or error
        self._over = True
