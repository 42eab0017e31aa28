"""What is said when something cannot be done. A page for people, a flash for htmx."""

from __future__ import annotations

import sys

from django.contrib.messages import error as flash_error
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.defaults import page_not_found
from django_htmx.http import reswap

from dashboard import signins
from dashboard.reader import speak_as_to
from snapshots.whence import request_id


def refused(
    request: HttpRequest, sentence: str, status: int, *, set_up: bool = False
) -> HttpResponse:
    """409 or 403 with the reason. Swapped into a row it would delete the row: so a flash."""
    if request.htmx:
        flash_error(request, sentence)
        response = render(request, "shell/_flashes.html", {"oob": True}, status=status)
        return reswap(response, "none")
    template = "errors/refused.html" if status == 409 else "403.html"
    return render(request, template, {"sentence": sentence, "set_up": set_up}, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was too old or came from elsewhere; nothing was done."""
    sentence = _(
        "This form was too old, or cookies are switched off, so nothing was done. "
        "Go back, reload the page and send it again."
    )
    signins.refused(request.user if request.user.is_authenticated else None, sentence)
    if request.htmx:
        return refused(request, sentence, 403)
    return render(request, "errors/csrf.html", {"sentence": sentence}, status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 in the reader's own words, also where no view was there to ask who that is."""
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        speak_as_to(user)
    return page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500; 503 if it is the database that does not answer. Drawn without it either way."""
    if not isinstance(sys.exc_info()[1], OperationalError):
        html = render_to_string("500.html", {"request_id": request_id.get()})
        return HttpResponse(html, status=500)
    response = HttpResponse(render_to_string("errors/503.html"), status=503)
    response["Retry-After"] = "10"
    return response
