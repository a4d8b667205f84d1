"""Asking one request at a time, each answer at once.

Belongs here: the order of requests, what is done when one fails. Does not belong here: requests and verdicts
(asking.py), batches (batches.py).
"""

from collections.abc import Sequence

import anthropic

from coterie.errors import LabelError
from coterie.labels.asking import Desk, Run
from coterie.labels.faults import DOWN, raise_if_key, said

_MOST_DOWN = 3  # failed requests in a row after which the service counts as down


def ask_online(desk: Desk, run: Run, hashes: Sequence[str], size: int) -> None:
    """Ask for texts, so many a request.

    Raises:
        LabelError: the key is refused, or the service does not have the model.
    """
    down = 0
    for start in range(0, len(hashes), size):
        desk.look_up(run, hashes[start : start + size])  # another process may have paid meanwhile
        chunk = run.pending(hashes[start : start + size])
        if not chunk:
            continue
        request = desk.request(run, chunk)
        if not desk.affordable(desk.estimate(request, 1.0)):
            return run.fail(hashes[start:], desk.out_of_budget)
        try:
            message = desk.client.messages.create(**request)
        except anthropic.NotFoundError as error:
            raise LabelError(
                f"COTERIE_LABEL_MODEL: found {desk.model}, which the service at {desk.client.base_url} does not "
                f"have ({said(error)}); expected a model that it serves"
            ) from error
        except DOWN as error:
            raise_if_key(error)
            down += 1
            run.fail(hashes[start:] if down == _MOST_DOWN else chunk, said(error))
            continue
        down = 0
        desk.spent += desk.count(run, [message], 1, 1.0)
        good, wrong = desk.verdicts(message, chunk)
        run.take(desk.ledger.record(desk.key, good))
        run.blame(wrong)
    return None
