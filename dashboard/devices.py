"""Devices that somebody has signed in from: a signed cookie says so, for half a year.

It opens nothing. Whoever has it is counted by themselves when they try to sign in as that person,
so that no stranger's guesses can keep the person out (`snapshots.tries`). It is given when a
sign-in is complete, second factor included, and to whoever chose a password by the link in a mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from dashboard.proxies import client_address
from snapshots import tries
from snapshots.models import User

AGE = 180 * 24 * 3600
MOST = 5  # people on one device
SALT = "a device that is known"
COOKIE = "__Host-device" if settings.IS_HTTPS else "device"


def known(request: HttpRequest) -> dict[str, str]:
    """Whose device it is: by their keys, with the name that the device has for each."""
    try:
        return dict(signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=AGE))
    except (signing.BadSignature, ValueError, TypeError):
        return {}


def network(address: str) -> str:
    """Who has one address of the newer kind has the 64 bits after its network's."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))


def counted(request: HttpRequest, email: str) -> tries.Counted:
    """What a try to sign in as `email` from here counts for."""
    email, address = email.strip().lower(), network(client_address(request))
    if devices := known(request):
        pk = User.objects.filter(email=email, pk__in=devices).values_list("pk", flat=True).first()
        if pk is not None:
            return {tries.DEVICE: f"{pk} {devices[str(pk)]}"}
    return {tries.PAIR: f"{email} {address}", tries.ADDRESS: address, tries.PERSON: email}


def counted_second(request: HttpRequest, user: User) -> tries.Counted:
    """The same for what comes after the password, a code or a passkey."""
    if name := known(request).get(str(user.pk)):
        return {tries.DEVICE: f"{user.pk} {name} second"}
    return {tries.SECOND: str(user.pk)}


def remember(request: HttpRequest, user: User, **_: Any) -> None:
    """This person has signed in here; the answer will say so to the device."""
    request.is_device_of = user  # type: ignore[attr-defined]


class Devices:
    """Writes the cookie that `remember` asks for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        user = getattr(request, "is_device_of", None)
        if user is not None:
            devices = known(request)
            name = devices.pop(str(user.pk), "") or secrets.token_urlsafe(9)
            kept = dict([*devices.items(), (str(user.pk), name)][-MOST:])
            response.set_cookie(
                COOKIE,
                signing.dumps(kept, salt=SALT),
                max_age=AGE,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
