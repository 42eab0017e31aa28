"""How many queries a request asks. Counts only when told to, so that it costs the rest nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

HEADER = "X-Bench-Queries"


class Counted:
    """Stands outside everything: the session's queries are queries too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wanted = request.headers.get(HEADER)
        if not wanted:
            return self.get_response(request)
        asked: list[str] = []

        def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            begun = time.perf_counter()
            try:
                return execute(sql, *rest)
            finally:
                asked.append(f"{(time.perf_counter() - begun) * 1000:.2f} ms  {sql}")

        with connection.execute_wrapper(note):
            response = self.get_response(request)
        if wanted == "show":
            response = HttpResponse("\n\n".join(asked), content_type="text/plain")
        response[HEADER] = str(len(asked))
        return response
