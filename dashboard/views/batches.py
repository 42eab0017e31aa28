"""Several at once."""

from django.http import HttpRequest, HttpResponse


def take(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def delete(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def page(request: HttpRequest, pk: int) -> HttpResponse:
    return HttpResponse()
