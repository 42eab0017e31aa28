"""What is known after a call that did not simply work.

The distinction is the product: a caller may repeat what was `NotSent`, may believe a `Declined`,
and must never guess after `Unknown`.
"""

from __future__ import annotations


class ProviderError(Exception):
    """Something other than the documented success.

    `message` is one clean line that is safe to show (never a token, never a page of HTML).
    `status` is the HTTP status, if an answer was read. `retry_after` is in seconds, if the
    provider named one.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        self.message = message
        self.status = status
        self.retry_after = retry_after


class Declined(ProviderError):
    """The provider answered a readable 4xx: it says that it did nothing."""


class NotSent(ProviderError):
    """`connect()` (DNS, TCP, TLS) never returned, so no byte of the request has left."""


class Unavailable(ProviderError):
    """A read failed or made no sense. Nothing was changed; reading again is safe."""


class Unknown(ProviderError):
    """A change was sent, or may have been sent, and what it did is not known."""
