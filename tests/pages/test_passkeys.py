"""Passkeys and security keys, as their owners use them and as whoever found one would."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from snapshots import events
from snapshots.models import Event
from tests.pages.security_key import SecurityKey
from tests.pages.test_second_factor import PASSWORD, sign_in

ALONE, SECOND = "/auth/2fa/webauthn/login/", "/auth/2fa/authenticate/"


@pytest.fixture
def rosa(rosa):
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


@pytest.fixture
def key(rosa):
    return SecurityKey.of(rosa)


def is_in(client):
    return client.get("/servers/").status_code == 200


def alone(client):
    """The challenge of the sign-in page."""
    return client.get(ALONE, headers={"X-Requested-With": "XMLHttpRequest"}).json()[
        "request_options"
    ]


def second(client, user):
    """The challenge that comes after the password."""
    sign_in(client, user)
    return client.get(SECOND).context["js_data"]["request_options"]


def test_one_that_asks_its_owner_signs_in_alone(rosa, key, client):
    client.post(ALONE, {"credential": key.signs(alone(client), rosa, asks=True)})
    assert is_in(client)


def test_one_that_asks_nobody_comes_second(rosa, key, client):
    client.post(SECOND, {"credential": key.signs(second(client, rosa), rosa)})
    assert is_in(client)


def test_one_that_asks_nobody_does_not_sign_in_alone(rosa, key, client):
    client.post(ALONE, {"credential": key.signs(alone(client), rosa)})
    assert not is_in(client)


@pytest.mark.parametrize("minutes", [0, 16])
def test_nor_with_the_challenge_that_a_thief_got_as_a_second_one(
    rosa, key, vera, minutes, time_machine
):
    """What follows a password is forgotten after a quarter of an hour; its challenge was not."""
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    vera.set_password(PASSWORD)
    vera.save()
    SecurityKey.of(vera)
    thief = Client()
    signed = key.signs(second(thief, vera), rosa)
    time_machine.shift(60 * minutes)
    thief.post(ALONE, {"credential": signed})
    assert not is_in(thief)


@pytest.mark.parametrize("where", [ALONE, SECOND])
def test_one_that_is_not_right_is_told(rosa, key, client, where):
    key.private = SecurityKey().private
    options = alone(client) if where == ALONE else second(client, rosa)
    client.post(where, {"credential": key.signs(options, rosa, asks=True)})
    assert not is_in(client)
    (line,) = Event.objects.filter(verb="person.not_let_in")
    assert events.line(line) == "Rosa was not let in: the password or the code was wrong"


@pytest.mark.parametrize(
    "nonsense",
    ["[]", "1", '{"id": "YQ", "rawId": "Yg"}', '{"rawId": "YQ", "response": {}}', '{"rawId": 5}'],
)
@pytest.mark.parametrize("where", [ALONE, SECOND, "/auth/2fa/webauthn/add/"])
def test_nonsense_is_no_passkey_and_no_error_of_ours(rosa, key, client_of, client, where, nonsense):
    if where == ALONE:
        alone(client)
    elif where == SECOND:
        second(client, rosa)
    else:
        client = client_of(rosa)
        client.get(where)
    client.raise_request_exception = False
    assert client.post(where, {"credential": nonsense}).status_code in (200, 302)
    assert Authenticator.objects.count() == 1
