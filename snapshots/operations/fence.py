"""A worker that was frozen must not wake up and send.

While it was stopped, others have concluded from its silence that the request will never leave.
The kernel's timer runs while a process is stopped, and SIGALRM's default action lets no
instruction happen between thawing and dying.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def fence(seconds: float | None) -> Iterator[None]:
    """Kill this process if it is still inside after `seconds`; None: do not (a test, a shell).

    Only for a worker's own process and its main thread: it takes SIGALRM for itself.
    """
    if seconds is None:
        yield
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
