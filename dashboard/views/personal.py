"""A person's own settings: name, time zone, theme."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import available_timezones

from django import forms
from django.conf import settings as django_settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.addresses import own_path
from snapshots.models import User


@lru_cache(maxsize=1)
def zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    kept = [name for name in names if not name.startswith(("Etc/", "SystemV/", "posix", "right"))]
    return [(name, name.replace("_", " ")) for name in ["UTC", *(n for n in kept if n != "UTC")]]


class PersonalForm(forms.ModelForm):
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=zones,
        help_text=gettext_lazy("All times are shown in this zone."),
    )

    class Meta:
        model = User
        fields = ["name", "time_zone", "theme"]
        help_texts = {"name": gettext_lazy("How others read of you in the history.")}
        widgets = {
            "theme": forms.RadioSelect,
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
        }


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    form = PersonalForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your settings are saved."))
        return _remember_theme(redirect("settings"), form.cleaned_data["theme"])
    status = 422 if form.is_bound else 200
    return render(request, "account/settings.html", {"form": form}, status=status)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """The switch in the menu: back to the page it was used on."""
    wanted = request.POST.get("theme", "")
    if wanted in User.Theme.values:
        User.objects.filter(pk=request.user.pk).update(theme=wanted)
    back = own_path(request, request.headers.get("Referer", "")) or resolve_url("settings")
    return _remember_theme(HttpResponseRedirect(back), wanted)


def _remember_theme(response: HttpResponse, wanted: str) -> HttpResponse:
    """In a cookie too, so that the sign-in page looks the same."""
    if wanted in User.Theme.values:
        response.set_cookie(
            "theme",
            wanted,
            max_age=31_536_000,
            samesite="Lax",
            httponly=True,
            secure=django_settings.SESSION_COOKIE_SECURE,
        )
    return response
