"""What can go wrong between us and the service, in words a person can act on.

Belongs here: the errors of the SDK, sorted and told. Does not belong here: what is done about them (online.py,
batches.py), and answers that are wrong in themselves (prompts.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic

from coterie.errors import LabelError


class UnreadableError(Exception):
    """A batch is there, but its results cannot be read now."""


DOWN = (anthropic.AnthropicError, UnreadableError)
PASSING = (anthropic.APIConnectionError, anthropic.InternalServerError, anthropic.RateLimitError)


def said(error: Exception) -> str:
    """What went wrong with the service, in the same words for the same thing."""
    if isinstance(error, anthropic.APITimeoutError):
        return "the service did not answer in time"
    if isinstance(error, anthropic.APIConnectionError):
        return "the service could not be reached"
    if isinstance(error, anthropic.APIStatusError):
        body = error.body if isinstance(error.body, dict) else {}
        told = body.get("error")
        message = told.get("message") if isinstance(told, dict) else None
        return f"the service answered {error.status_code}" + (f": {str(message)[:200]}" if message else "")
    return str(error)[:200]


def raise_if_key(error: Exception) -> None:
    """Nothing can be labelled until a person mends the key: stop the run rather than fail every item.

    Raises:
        LabelError: the key was refused.
    """
    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError | anthropic.CredentialsError):
        raise LabelError(
            f"ANTHROPIC_API_KEY: found a key that is refused ({said(error)}); expected one that may use the service"
        ) from error


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
