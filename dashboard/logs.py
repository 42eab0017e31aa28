"""Log lines: JSON for machines, one readable line for people, and the same request id on all.

A request gets an id when it comes in; whatever it sets going carries it, in this process and, by
`snapshots.queue`, in the worker. No line holds a secret or an e-mail address, and no text that came
from outside can begin a line of its own.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dashboard.proxies import client_address
from snapshots.whence import address, request_id

log = logging.getLogger(__name__)
HEADER = "X-Request-ID"
FITTING = re.compile(r"[A-Za-z0-9._-]{8,64}")
SLOW = 1.0  # seconds

_SECRETS = re.compile(r"vps_[\w-]{6,}|(?<=Bearer )\S+|(?<=://)[^/\s@]*:[^/\s@]*(?=@)")
_ADDRESSES = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# What an exception or a caller put on the record, and is fit to be read by others.
_FIELDS = ("view", "pk", "method", "status", "ms", "user_id", "task", "task_id")


def _clean(text: str) -> str:
    return _ADDRESSES.sub("(address)", _SECRETS.sub("(secret)", text))


def _message(record: logging.LogRecord) -> str:
    """The words. Django's own name the path, which may hold an invitation's secret."""
    words = record.getMessage()
    request = getattr(record, "request", None)
    if isinstance(request, HttpRequest):
        words = words.replace(request.path, view_of(request) or "an address that is none")
    return _clean(words)


class Machine(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if given := request_id.get():
            line["request_id"] = given
        line |= {name: vars(record)[name] for name in _FIELDS if name in vars(record)}
        if record.exc_info:
            line["error"] = _clean(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class Terminal(logging.Formatter):
    """A line for people; the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        facts = [f"{n}={vars(record)[n]}" for n in _FIELDS if n in vars(record)]
        if given := request_id.get():
            facts.append(f"request={given}")
        words = f"{at} {record.levelname:7} {record.name}: {_message(record)}"
        line = _UNSEEN.sub(lambda found: repr(found[0])[1:-1], "  ".join([words, *facts]))
        if record.exc_info:
            line += "\n" + _clean(self.formatException(record.exc_info))
        return line


class RequestId:
    """Gives each request its id, and writes a line for those that changed, failed or took long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request_id.set(_given(request) or secrets.token_hex(8))
        asker = address.set(client_address(request))
        begun = time.monotonic()
        try:
            response = self.get_response(request)
            response.headers[HEADER] = request_id.get()
            self._tell(request, response, time.monotonic() - begun)
            return response
        finally:
            request_id.reset(given)
            address.reset(asker)

    @staticmethod
    def _tell(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        is_news = request.method == "POST" or response.status_code >= 500 or seconds > SLOW
        facts: dict[str, Any] = {
            "method": request.method,
            "view": view_of(request),
            "status": response.status_code,
            "ms": round(seconds * 1000),
        }
        match = request.resolver_match
        if match and "pk" in match.kwargs:
            facts["pk"] = match.kwargs["pk"]
        if user_id := _user_id(request):
            facts["user_id"] = user_id
        log.log(logging.INFO if is_news else logging.DEBUG, "answered", extra=facts)


def view_of(request: HttpRequest) -> str:
    """The address by its name: the path itself may hold a secret."""
    return request.resolver_match.view_name if request.resolver_match else ""


def _user_id(request: HttpRequest) -> int | None:
    """Only if somebody has looked already: a line in the log is not to cost a query."""
    user = getattr(request, "_cached_user", None)
    return user.pk if user is not None else None


def _given(request: HttpRequest) -> str:
    """The id that the proxy in front gave it, if the proxy is to be believed."""
    said = request.headers.get(HEADER, "") if settings.TRUST_PROXY_HEADERS else ""
    return said if FITTING.fullmatch(said) else ""
