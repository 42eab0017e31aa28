"""Where somebody is signed in: with which device, from which address, and when it was last used."""

from __future__ import annotations

import re
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import signins
from snapshots.events import Verb

BROWSERS = (
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|Chromium|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bSafari/"),
)
SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iOS", r"\b(iPhone|iPad|iPod)\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


def device(user_agent: str) -> str:
    """What a browser says it is, in two words; its own words if we do not know it."""

    def of(table: tuple[tuple[str, str], ...]) -> str:
        return next((name for name, pattern in table if re.search(pattern, user_agent)), "")

    browser, system = of(BROWSERS), of(SYSTEMS)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent[:60] or _("unknown")


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """All of them; one of the others, or all others, can be ended."""
    mine: list[Any] = UserSession.objects.purge_and_list(request.user)
    others = [one for one in mine if not one.is_current()]
    if request.method == "POST":
        sent = request.POST.get("session", "")
        ended = [one for one in others if sent in ("others", str(one.pk))]
        if ended:
            with transaction.atomic():
                signins.note(Verb.SESSIONS_ENDED, request.user, number=len(ended))
                for one in ended:
                    one.end()
            messages.success(request, _("Signed out there."))
        return redirect("usersessions_list")
    rows = sorted(mine, key=lambda one: (not one.is_current(), -one.last_seen_at.timestamp()))
    context = {"sessions": [(one, device(one.user_agent)) for one in rows], "others": len(others)}
    return render(request, "usersessions/list.html", context)
