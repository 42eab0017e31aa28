"""What the present work was asked for by: set where a request comes in, read where it is told."""

from contextvars import ContextVar

# It goes with every message to a worker, so that logs and the history can be followed.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# Of whoever sent the request. A worker has none: nobody is asking at that moment.
address: ContextVar[str] = ContextVar("address", default="")
