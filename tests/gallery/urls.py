"""The site's addresses, and two that show what nobody should ever see."""

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from dashboard.urls import handler404, handler500
from dashboard.urls import urlpatterns as of_the_site

__all__ = ["handler404", "handler500", "urlpatterns"]


def broken(_request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


def silent(_request: HttpRequest) -> HttpResponse:
    raise OperationalError


def too_many(request: HttpRequest) -> HttpResponse:
    return render(request, "429.html", status=429)


urlpatterns = [
    *of_the_site,
    path("broken/", broken),
    path("silent/", silent),
    path("too-many/", too_many),
]
