"""What every page needs around its content. Nothing is read unless a template asks for it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from dashboard import live, sign_on, teams_here
from dashboard.seen import is_stopped
from dashboard.tray import is_waiting, tray, troubled
from snapshots import first_run, teams
from snapshots.operations import epoch

NAVIGATION = (
    ("overview", _("Overview")),
    ("servers", _("Servers")),
    ("snapshots", _("Snapshots")),
    ("activity", _("Activity")),
    ("accounts", _("Accounts")),
    ("team_index", _("Team")),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Theme and languages for all; tray, trouble and navigation for those who are signed in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {
            "theme": theme(request.COOKIES.get(settings.THEME_COOKIE_NAME, "")),
            "languages": settings.LANGUAGES,
            "has_nobody": SimpleLazyObject(first_run.is_open),
            "sign_on": sign_on.name(),
        }
    return {
        "theme": theme(user.theme),
        "density": user.density,
        "navigation": NAVIGATION,
        "section": _section(request.path),
        "tray": SimpleLazyObject(lambda: tray(request)),
        "troubled": SimpleLazyObject(lambda: troubled(request)),
        "work_is_waiting": SimpleLazyObject(lambda: is_waiting(request)),
        "sending_stopped": SimpleLazyObject(
            lambda: epoch.stopped() if is_stopped(request) else None
        ),
        "closed": SimpleLazyObject(lambda: [] if user.roles else teams.closed_to(user)),
        "team_switch": SimpleLazyObject(lambda: teams_here.switch(request)),
        "watch": SimpleLazyObject(lambda: live.watching(request, "shell")),
    }


def theme(wanted: str) -> str:
    """For <html data-bs-theme>; empty follows the system."""
    return wanted if wanted in {"light", "dark"} else ""


def _section(path: str) -> str:
    first = path.strip("/").partition("/")[0] or "overview"
    belongs_to = {
        "operations": "activity",
        **dict.fromkeys(("team", "members", "invitations", "webhooks"), "team_index"),
    }
    return belongs_to.get(first, first)
