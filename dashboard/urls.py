"""The tree of addresses: one list per resource."""

from __future__ import annotations

from django.urls import include, path

from dashboard.views import health, live, personal

watching = [
    path("live/", live.poll, name="live"),
]
personal_settings = [
    path("settings/", personal.settings, name="settings"),
    path("settings/theme/", personal.theme, name="theme"),
]
people = [
    path("auth/", include("allauth.account.urls")),
]
machinery = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

urlpatterns = [*watching, *personal_settings, *people, *machinery]
