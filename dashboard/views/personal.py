"""A person's own settings: name, language, zone, look, keys."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings as django_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.addresses import own_path
from dashboard.reader import speak_as_to
from snapshots import people
from snapshots.models import Event, User

LINES = 20


@lru_cache(maxsize=1)
def zones() -> list[str]:
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    kept = [name for name in names if not name.startswith(("Etc/", "SystemV/", "posix", "right"))]
    return ["UTC", *(name for name in kept if name != "UTC")]


@lru_cache(maxsize=1)
def _zones_by_city() -> dict[str, str]:
    """What somebody may type for a zone: its name in any case, or its city alone."""
    by_city = {name.rpartition("/")[2].casefold(): name for name in zones()}
    return by_city | {name.casefold(): name for name in zones()}


class ZoneInput(forms.TextInput):
    """A field with the zones beneath it: type a part of a name and choose."""

    def __init__(self) -> None:
        super().__init__(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"})

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        typed = (super().value_from_datadict(data, files, name) or "").strip()
        return _zones_by_city().get(typed.replace(" ", "_").casefold(), typed)


class PersonalForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("As the browser")), *django_settings.LANGUAGES],
        required=False,
    )

    class Meta:
        model = User
        fields = ["name", "language", "time_zone", "theme", "density", "shortcuts"]
        labels = {
            "name": gettext_lazy("Name"),
            "time_zone": gettext_lazy("Time zone"),
            "theme": gettext_lazy("Theme"),
            "density": gettext_lazy("Rows"),
            "shortcuts": gettext_lazy("Use keyboard keys"),
        }
        help_texts = {
            "name": gettext_lazy("How others read of you in the history."),
            "time_zone": gettext_lazy(
                "All times are shown in this zone. Type a city, for example Berlin."
            ),
            "shortcuts": gettext_lazy(
                "Single keys, for example / for the search. ? shows all of them."
            ),
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "time_zone": ZoneInput,
            "theme": forms.RadioSelect,
            "density": forms.RadioSelect,
        }


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    form = PersonalForm(request.POST or None, instance=copy(request.user))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            people.rename(request.user, form.cleaned_data["name"])
            user = form.save(commit=False)
            user.save(update_fields=PersonalForm.Meta.fields)  # the rest was read a moment ago
        _speak_anew(request, user)
        messages.success(request, _("Your settings are saved."))
        response = _remember(redirect("settings"), django_settings.THEME_COOKIE_NAME, user.theme)
        return _remember(response, django_settings.LANGUAGE_COOKIE_NAME, user.language)
    lines = Event.objects.filter(actor=request.user, team=None).order_by("-pk")[:LINES]
    context = {"form": form, "zones": zones(), "sign_ins": lines}
    return render(request, "personal/settings.html", context, status=422 if form.is_bound else 200)


def _speak_anew(request: HttpRequest, user: User) -> None:
    """What is said from here on is said in the language that was just chosen."""
    request.COOKIES.pop(django_settings.LANGUAGE_COOKIE_NAME, None)
    translation.activate(translation.get_language_from_request(request))
    speak_as_to(user)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """The switch in the menu: back to the page it was used on."""
    wanted = request.POST.get("theme", "")
    if wanted in User.Theme.values:
        User.objects.filter(pk=request.user.pk).update(theme=wanted)
        return _remember(_back(request), django_settings.THEME_COOKIE_NAME, wanted)
    return _back(request)


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """The choice on the sign-in page, for those whom we do not know yet."""
    wanted = request.POST.get("language", "")
    if wanted in dict(django_settings.LANGUAGES):
        return _remember(_back(request), django_settings.LANGUAGE_COOKIE_NAME, wanted)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    here = own_path(request, request.headers.get("Referer", ""))
    return HttpResponseRedirect(here or resolve_url("overview"))


def _remember(response: HttpResponse, name: str, wanted: str) -> HttpResponse:
    """In a cookie too, so that the sign-in page looks and speaks the same."""
    if not wanted:
        response.delete_cookie(name, samesite="Lax")
        return response
    response.set_cookie(
        name,
        wanted,
        max_age=31_536_000,
        samesite="Lax",
        httponly=True,
        secure=django_settings.SESSION_COOKIE_SECURE,
    )
    return response
