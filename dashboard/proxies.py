"""What a proxy in front says of a request, believed only where the settings trust it."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Whose request it is: the peer's address, or the last one that a trusted proxy names.

    The last, because the proxy writes that one itself; what stands before it anybody can send.
    Empty if there is none, as behind a socket.
    """
    said = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_PROXY_HEADERS and (named := request.headers.get("X-Forwarded-For")):
        said = named.rpartition(",")[2].strip()
    try:
        address = ip_address(said)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
