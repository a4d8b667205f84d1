"""What can go wrong between us and the service, in words a person can act on.

Belongs here: the errors of the SDK, sorted and told. Does not belong here: what is done about them (online.py,
batches.py), and answers that are wrong in themselves (prompts.py).
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import anthropic
import httpx2  # the SDK's transport

from coterie.errors import LabelError


class UnreadableError(Exception):
    """A batch is there, but its results cannot be read now."""


DOWN = (anthropic.AnthropicError, UnreadableError, json.JSONDecodeError)  # the last: a body that was cut off
# What may be gone when the same is sent again.
PASSING = (
    anthropic.APIConnectionError,
    anthropic.InternalServerError,
    anthropic.RateLimitError,
    anthropic.RequestTimeoutError,
    anthropic.ConflictError,
    json.JSONDecodeError,
)


def said(error: Exception) -> str:
    """What went wrong with the service, in the same words for the same thing."""
    if isinstance(error, anthropic.APITimeoutError):
        return "the service did not answer in time"
    if isinstance(error, anthropic.APIConnectionError):
        return "the service could not be reached"
    if isinstance(error, json.JSONDecodeError):
        return "the service sent something that is not JSON"
    if isinstance(error, anthropic.APIStatusError):
        body = error.body if isinstance(error.body, dict) else {}
        told = body.get("error")
        message = told.get("message") if isinstance(told, dict) else None
        return f"the service answered {error.status_code}" + (f": {str(message)[:200]}" if message else "")
    return str(error)[:200]


def refused_for_good(error: BaseException) -> LabelError | None:
    """What a person must mend before anything can be labelled; none if the error is no such thing."""
    if isinstance(error, anthropic.PaymentRequiredError):
        found = LabelError(
            f"ANTHROPIC_API_KEY: found a key whose account cannot pay ({said(error)}); expected one with credit"
        )
    elif isinstance(
        error, anthropic.AuthenticationError | anthropic.PermissionDeniedError | anthropic.CredentialsError
    ):
        found = LabelError(
            f"ANTHROPIC_API_KEY: found a key that is refused ({said(error)}); expected one that may use the service"
        )
    else:
        return None
    found.__cause__ = error
    return found


def raise_if_refused(error: Exception) -> None:
    """Stop the run rather than fail every item.

    Raises:
        LabelError: the key was refused, or its account cannot pay.
    """
    if found := refused_for_good(error):
        raise found


def is_too_large(error: BaseException) -> bool:
    """Whether a smaller request would be taken."""
    return isinstance(error, anthropic.APIStatusError) and error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def perhaps_billed(error: BaseException) -> bool:
    """Whether the service may have done what was asked, although no answer came. It bills no errors."""
    if isinstance(error, anthropic.APIConnectionError):
        return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
    return isinstance(error, json.JSONDecodeError | anthropic.APIResponseValidationError)


def retry_after(error: BaseException) -> float | None:
    """Seconds that the service asks to wait; none if it does not say.

    The header holds seconds or a date (RFC 9110, 10.2.3); `retry-after-ms` is this service's own.
    """
    if not isinstance(error, anthropic.APIStatusError):
        return None
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    try:
        return max(parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


@contextmanager
def key_in_words() -> Iterator[None]:
    """The SDK says by a TypeError that it has no key.

    Raises:
        LabelError: there is none.
    """
    try:
        yield
    except TypeError as error:
        if "authentication method" not in str(error):
            raise
        raise LabelError(
            "ANTHROPIC_API_KEY: found none; expected the key of the service (or COTERIE_LABELLER=local, which needs none)"
        ) from error
