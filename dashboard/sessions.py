"""How long a session lasts, and where it was last used.

Eight hours after the last thing that its person did, and in any case a day after the sign-in, it
is over. What a page asks by itself, to stay up to date, is nothing that the person did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from dashboard.proxies import client_address

LONGEST = 24 * 3600  # seconds
NOTED_EVERY = 60
_BEGAN, _SEEN = "began", "seen"


def begin(request: HttpRequest, user: Any, **_: Any) -> None:
    """Somebody has signed in."""
    request.session[_BEGAN] = request.session[_SEEN] = int(time.time())
    request.user = user
    UserSession.objects.create_from_request(request)


class Sessions:
    """Ends what is too old, and notes what is used."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_arguments: Any) -> None:
        match = request.resolver_match
        is_open = not getattr(view, "login_required", True)
        if is_open or match is None or not request.user.is_authenticated:
            return
        now = int(time.time())
        is_use = match.url_name != "live" and now - request.session.get(_SEEN, 0) >= NOTED_EVERY
        if not end_if_over(request) and is_use:
            request.session[_SEEN] = now
            note(request)


def end_if_over(request: HttpRequest) -> bool:
    """Sign out whoever signed in a day ago. An open page that acts as somebody asks it itself."""
    now = int(time.time())
    if now - request.session.setdefault(_BEGAN, now) < LONGEST:
        return False
    logout(request)
    return True


def note(request: HttpRequest) -> None:
    """The session was used from here, now."""
    row = UserSession.objects.filter(session_key=request.session.session_key)
    address = client_address(request) or "0.0.0.0"  # noqa: S104  # nobody's address
    if not row.update(last_seen_at=timezone.now(), ip=address):
        UserSession.objects.create_from_request(request)
