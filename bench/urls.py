"""The product's addresses, and the two that pages are measured against."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path

from dashboard.urls import handler500, urlpatterns
from snapshots.models import Server

__all__ = ["handler500", "urlpatterns"]


def bare(request: HttpRequest) -> HttpResponse:
    """The least that a signed-in page can be."""
    return HttpResponse(f"Hello {request.user.pk}\n", content_type="text/plain")


class Servers(admin.ModelAdmin):
    """The rows of our list, as Django's own list shows them."""

    list_display = ("name", "status", "address", "location", "plan", "os", "account", "created_at")
    list_select_related = ("account",)
    list_per_page = 100
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        return super().get_queryset(request).filter(account__team_id__in=request.user.roles)


site = admin.AdminSite(name="admin")
site.register(Server, Servers)
urlpatterns = [
    path("bench/bare/", bare, name="bare"),
    path("bench/admin/", site.urls),
    *urlpatterns,
]
