"""Addresses that may lead outside, and those that are not pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

View = Callable[[HttpRequest, int], HttpResponse]


def own_path(request: HttpRequest, url: str) -> str:
    """The path of `url` if it is a page of ours; else empty."""
    if not url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return ""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else ""


def posts_to(page: str, *, of_it: bool = True) -> Callable[[View], View]:
    """For a button's address: opened as a page, after a sign-in say, it leads to its page.

    `of_it` says whether that is the page of the thing with this id.

    Nothing is done then, and that is said.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def post_only(request: HttpRequest, pk: int) -> HttpResponse:
            if request.method == "POST":
                return view(request, pk)
            messages.warning(request, _("Nothing was done. If you still want it, choose it here."))
            return redirect(page, pk) if of_it else redirect(page)

        return post_only

    return decorate
