"""The one address that pages ask for what changed."""

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.http import require_safe

from dashboard import live


@require_safe
def poll(request: HttpRequest) -> HttpResponse:
    """Our rows only, never the provider."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return HttpResponseForbidden()
    return live.poll(request)
