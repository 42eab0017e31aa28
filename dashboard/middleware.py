"""What holds for every request: who may ask, in which zone we answer, and which headers go out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect

from dashboard.addresses import own_path
from dashboard.reader import speak_as_to
from dashboard.views import errors
from snapshots import events
from snapshots.errors import NeedsSecondFactor, NotAllowed, Refused

GetResponse = Callable[[HttpRequest], HttpResponse]

PROBES = {"healthz", "readyz"}
PERMISSIONS_POLICY = (
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "payment=(), usb=(), browsing-topics=(), interest-cohort=()"
)


class Headers:
    """The headers of every answer, errors and static files included. Stands first."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if "Cache-Control" not in response:  # static files have theirs
            response["Cache-Control"] = "no-store"
        if "html" in response.get("Content-Type", ""):
            patch_vary_headers(response, ["HX-Request"])
        if getattr(request, "htmx", False) and response.status_code == 403:
            response.headers.setdefault("HX-Reswap", "none")  # never into the page's own content
        if _has_signed_out(request, response):
            response["Clear-Site-Data"] = '"cache", "storage"'
        return response


def _has_signed_out(request: HttpRequest, response: HttpResponse) -> bool:
    return (
        request.method == "POST"
        and getattr(request.resolver_match, "url_name", "") == "account_logout"
        and response.status_code == 302
    )


class SignInByDefault(LoginRequiredMiddleware):
    """Every view asks for a sign-in unless it says `login_not_required`."""

    def process_view(
        self, request: HttpRequest, view_func: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """An open view (health, sign-in) is not to cost a look at the session."""
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, args, kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:
        """A page goes to the sign-in and back; a fragment sends its whole page there."""
        if not request.htmx:
            return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
        address = resolve_url(settings.LOGIN_URL)
        if back := own_path(request, request.htmx.current_url or ""):
            address += "?" + urlencode({"next": back})
        response = HttpResponseClientRedirect(address)
        response.status_code = 401
        return response


class Personal:
    """Times in the reader's own zone, words in their own language."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        timezone.deactivate()  # the last reader's, where an answer comes before any view
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view_func: Any, *_arguments: Any) -> None:
        # Whoever is signed in is known on an open page too; only a probe must not cost a session.
        match = request.resolver_match
        is_probe = match is not None and match.url_name in PROBES
        if not is_probe and request.user.is_authenticated:
            speak_as_to(request.user)
        else:
            timezone.deactivate()


class RefusedToAnswer:
    """The last net: a refusal that no form caught is told in words.

    For lack of a right it is in the audit too, if something was to be done: here nothing that is
    rolled back is left.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, NotAllowed):
            if request.method == "POST":
                events.refused(error, actor=request.user, team=error.team)
            set_up = isinstance(error, NeedsSecondFactor)
            return errors.refused(request, str(error), 403, set_up=set_up)
        if isinstance(error, Refused):
            return errors.refused(request, str(error), 409)
        return None
