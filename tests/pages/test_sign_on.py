"""Single sign-on against a real issuer: it lets in whom we know or invited, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core import mail
from django.test import Client
from django.utils import translation

from dashboard import password_links
from snapshots import events, invitations
from snapshots.models import Event, Membership, Operation, Role, User
from tests.issuer import CLIENT, SECRET, Issuer
from tests.pages.factories import a_server, a_snapshot, an_account, form_on, text

ROSA = {"sub": "17", "email": "rosa@example.com", "email_verified": True, "name": "Rosa L."}
NEW = {"sub": "42", "email": "nora@example.com", "email_verified": True, "name": "Nora"}


@pytest.fixture
def issuer(settings: Any) -> Iterator[Issuer]:
    with Issuer() as issuer:
        app = {
            "provider_id": "sso",
            "name": "Northwind ID",
            "client_id": CLIENT,
            "secret": SECRET,
            "settings": {"server_url": issuer.url},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}
        }
        yield issuer


def sign_on(client: Client, issuer: Issuer, claims: dict[str, Any], more: str = "") -> Any:
    """There and back, as a browser goes."""
    issuer.claims = claims
    there = client.post(f"/auth/oidc/sso/login/{more}")
    assert there.url.startswith(f"{issuer.url}/authorize?")
    back = requests.get(there.url, allow_redirects=False, timeout=5).headers["Location"]
    assert back.startswith("http://testserver/auth/oidc/sso/login/callback/?")
    return client.get(back.removeprefix("http://testserver"))


def told(user: User | None) -> list[str]:
    """What the history says of their sign-ins."""
    rows = Event.objects.filter(actor=user, team=None).order_by("pk")
    return [events.line(one) for one in rows]


def is_in(client: Client) -> bool:
    return client.get("/servers/").status_code == 200


def test_the_page_offers_it_by_its_name(issuer, client, db):
    assert "Sign in with Northwind ID" in text(client.get("/auth/login/"))


def test_without_configuration_there_is_none(client, db):
    assert "Sign in with" not in text(client.get("/auth/login/")).replace("with a passkey", "")
    assert client.post("/auth/oidc/sso/login/").status_code == 404


@pytest.mark.django_db(transaction=True)  # they are told after the commit
def test_who_is_here_comes_in_by_the_verified_address_and_is_told(issuer, rosa, client):
    assert sign_on(client, issuer, ROSA).status_code == 302
    assert is_in(client)
    assert [one.subject for one in mail.outbox] == ["You can sign in another way now"]
    assert told(rosa) == ["Rosa signs in by Northwind ID too, from now on", "Rosa signed in"]
    rosa.email = "rosa.new@example.com"  # from now on they are known by what the issuer calls them
    rosa.save()
    again = Client()
    sign_on(again, issuer, ROSA)
    assert is_in(again)


@pytest.mark.parametrize("verified", [False, None, "true", "false", 1])
def test_an_address_that_is_not_verified_opens_nothing(issuer, rosa, client, verified):
    refused = sign_on(client, issuer, ROSA | {"email_verified": verified})
    assert refused.status_code == 403
    words = "It does not say that your e-mail address is verified."
    assert words in text(refused)
    assert told(None) == [f"Was refused: {words}"]
    assert not is_in(client)


def test_a_stranger_becomes_nobody(issuer, team, client):
    page = sign_on(client, issuer, NEW)
    assert "People join by invitation." in text(page)
    assert not is_in(client)
    assert not User.objects.filter(email=NEW["email"]).exists()
    assert told(None) == ["Somebody was not let in: nobody here has the address they gave"]


def test_what_an_issuer_refuses_is_told(issuer, rosa, client):
    client.post("/auth/oidc/sso/login/")
    client.get("/auth/oidc/sso/login/callback/", {"error": "access_denied"})
    assert not is_in(client)
    assert told(None) == ["Was refused: It was stopped there, or it did not answer as it should."]


def test_whose_account_is_switched_off_stays_out_and_it_is_told(issuer, rosa, client):
    rosa.is_active = False
    rosa.save()
    sign_on(client, issuer, ROSA)
    assert not is_in(client)
    assert told(rosa)[-1] == "Rosa was refused: This account is switched off."


def test_whoever_opened_an_invitation_joins_by_it(issuer, team, alice, client):
    _row, secret = invitations.invite(team, Role.OPERATOR, actor=alice, email=NEW["email"])
    assert "Sign in with Northwind ID" in text(client.get(f"/join/{secret}/", follow=True))
    sign_on(client, issuer, NEW, "?next=/join/")
    nora = User.objects.get(email=NEW["email"])
    assert (nora.name, nora.has_usable_password()) == ("Nora", False)
    assert Membership.objects.get(user=nora).role == Role.OPERATOR
    assert is_in(client)


def test_an_invitation_for_somebody_else_is_none(issuer, team, alice, client):
    _row, secret = invitations.invite(team, Role.OPERATOR, actor=alice, email="pia@example.com")
    client.get(f"/join/{secret}/")
    refused = sign_on(client, issuer, NEW)
    assert "This invitation is for pia@example.com" in text(refused)
    assert not User.objects.filter(email=NEW["email"]).exists()


@pytest.mark.parametrize("email", ["", NEW["email"]])
def test_an_address_whose_invitation_others_saw_has_to_be_proved(
    issuer, team, alice, client, email
):
    """Whoever invites sees the link too, and could have opened it."""
    invitation, _secret = invitations.invite(team, Role.OPERATOR, actor=alice, email=email)
    squatter = invitations.join(
        invitation, name="Nora", email=NEW["email"], password="correct horse battery"
    )
    refused = sign_on(client, issuer, NEW)
    assert "Somebody here has this address, and has never proved it." in text(refused)
    client.post("/auth/password/reset/", {"email": squatter.email})
    password_links.send()
    link = re.search(r"http://localhost:8000(/\S+)", mail.outbox[-1].body)[1]
    form = client.get(link).url
    new = "a staple of another colour"
    client.post(form, {"password1": new, "password2": new})
    sign_on(client, issuer, NEW)
    assert is_in(client)


def test_the_second_factor_is_asked_for_all_the_same(issuer, rosa, client):
    TOTP.activate(rosa, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    code = RecoveryCodes.activate(rosa).get_unused_codes()[0]
    assert sign_on(client, issuer, ROSA).url == "/auth/2fa/authenticate/"
    assert not is_in(client)
    client.post("/auth/2fa/authenticate/", {"code": code})
    assert is_in(client)


def test_an_answer_to_another_browser_opens_nothing(issuer, rosa, client):
    issuer.claims = ROSA
    there = client.post("/auth/oidc/sso/login/")
    back = requests.get(there.url, allow_redirects=False, timeout=5).headers["Location"]
    victim = Client()
    victim.get(back.removeprefix("http://testserver"))
    assert not is_in(victim)


def test_two_answers_about_two_people_open_nothing(issuer, rosa, client):
    issuer.other_sub = "18"
    refused = sign_on(client, issuer, ROSA)
    assert "Its answer contradicts itself." in text(refused)
    assert not is_in(client)


def test_nobody_connects_it_to_somebody_elses_session(issuer, alice, client_of):
    client = client_of(alice)
    refused = sign_on(client, issuer, ROSA, "?process=connect")
    assert refused.status_code == 403


# -- seen and removed -----------------------------------------------------------------------------


def remove_link(client: Client) -> str:
    """Where the page of one's ways in leads to remove it."""
    page = client.get("/auth/2fa/").content.decode()
    return re.search(r'href="(/auth/oidc/\d+/remove/)"', page)[1]


@pytest.fixture
def linked(issuer, rosa):
    """Rosa has signed in by it, and has a password besides."""
    sign_on(Client(), issuer, ROSA)
    rosa.set_password("correct horse battery")
    rosa.save()
    mail.outbox.clear()
    return rosa


@pytest.mark.django_db(transaction=True)  # she is told after the commit
def test_whoever_came_by_it_sees_it_and_removes_it(issuer, linked, client_of):
    client = client_of(linked)
    assert "Single sign-on 1 Somewhere else you sign in" in text(client.get("/auth/2fa/"))
    address = remove_link(client)
    assert "rosa@example.com at Northwind ID will not sign you in here" in text(client.get(address))
    answer = client.post(address, follow=True)
    assert "It does not sign you in any more." in text(answer)
    assert "Single sign-on" not in text(answer)
    assert told(linked)[-1] == "Rosa signs in by Northwind ID no more"
    assert [one.subject for one in mail.outbox] == ["A way to sign in was removed"]
    assert "From now on Northwind ID does not sign you in" in mail.outbox[0].body
    linked.email = "rosa.new@example.com"
    linked.save()
    stranger = Client()
    sign_on(stranger, issuer, ROSA)
    assert not is_in(stranger)


def test_the_last_way_in_stays(issuer, linked, client_of, settings):
    linked.set_unusable_password()
    linked.save()
    client = client_of(linked)
    address = remove_link(client)
    words = "Choose a password first: without Northwind ID you could not sign in any more."
    page = client.get(address)
    assert words in text(page)
    assert f'action="{address}"' not in page.content.decode()
    refused = client.post(address)
    assert (refused.status_code, words in text(refused)) == (422, True)
    sign_on(Client(), issuer, ROSA | {"sub": "18"})
    configured, settings.SOCIALACCOUNT_PROVIDERS = settings.SOCIALACCOUNT_PROVIDERS, {}
    assert client.post(address).status_code == 422  # the other one leads in nowhere now
    settings.SOCIALACCOUNT_PROVIDERS = configured
    client.post(address)
    assert [one.uid for one in linked.socialaccount_set.all()] == ["18"]
    assert client.post(remove_link(client)).status_code == 422


def test_how_it_is_called_without_a_name_is_read_in_the_readers_language(
    linked, client_of, settings
):
    settings.SOCIALACCOUNT_PROVIDERS = {}
    linked.language = "eo"
    linked.save()
    client = client_of(linked)
    client.post(remove_link(client))
    with translation.override("en"):
        assert told(linked)[-1] == "Rosa signs in by single sign-on no more"


def test_nobody_sees_or_removes_another_persons(linked, client_of, alice):
    address = remove_link(client_of(linked))
    assert client_of(alice).get(address).status_code == 404
    assert client_of(alice).post(address).status_code == 404
    assert linked.socialaccount_set.exists()


# -- what it proves -------------------------------------------------------------------------------


@pytest.fixture
def old(team):
    return a_snapshot(a_server(an_account(team)), "pre-upgrade", days=11)


def test_a_sign_in_there_that_was_long_ago_proves_nothing(issuer, rosa, old, client):
    rosa.set_unusable_password()
    rosa.save()
    sign_on(client, issuer, ROSA)
    address = f"/snapshots/{old.pk}/restore/"
    page = client.post(address, form_on(client.get(address), address) | {"typed": "web-1"})
    assert page.status_code == 401
    assert "Sign in with Northwind ID once more" in text(page)
    assert not Operation.objects.exists()


def test_a_fresh_one_does(issuer, rosa, old, client):
    rosa.set_unusable_password()
    rosa.save()
    sign_on(client, issuer, ROSA)
    address = f"/snapshots/{old.pk}/restore/"
    typed = form_on(client.get(address), address) | {"typed": "web-1"}
    page = client.post(address, typed).content.decode()
    again = re.search(r'action="/auth/oidc/sso/login/([^"]+)"', page)[1].replace("&amp;", "&")
    there = sign_on(client, issuer, ROSA, again)
    assert (issuer.asked[-1]["prompt"], issuer.asked[-1]["max_age"]) == ("login", "0")
    page = client.get(there.url)
    assert "Overwrite web-1 with pre-upgrade, for ever." in text(page)
    assert client.post(address, form_on(page, address)).status_code == 303


def test_what_was_typed_waits_for_whoever_typed_it_and_not_for_ever(
    issuer, rosa, old, client, client_of, vera, time_machine
):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    sign_on(client, issuer, ROSA)
    address = f"/snapshots/{old.pk}/restore/"
    sent = {"typed": "web-1", "words": "why", "token": "vps_of_rosa", "held": "a seal"}
    page = client.post(address, sent).content.decode()
    there = unquote(re.search(r"next=([^\"]+approve[^\"]+)", page)[1])
    assert client.get(there).url.startswith("/auth/reauthenticate/?next=%2F")
    back = sign_on(client, issuer, ROSA, f"?auth_params=prompt%3Dlogin%26max_age%3D0&next={there}")
    page = client.get(back.url)
    assert form_on(page, address) | {"csrfmiddlewaretoken": ""} == {
        "csrfmiddlewaretoken": "",
        "typed": "web-1",
        "words": "why",
    }
    assert client_of(vera).get(there).url == "/"
    time_machine.shift(901)
    assert client.get(there).url == "/"


def test_an_issuer_that_did_not_ask_again_proves_nothing(issuer, rosa, old, client):
    rosa.set_unusable_password()
    rosa.save()
    issuer.ago = 3600
    sign_on(client, issuer, ROSA, "?auth_params=max_age%3D7200")
    assert is_in(client)
    assert client.post(f"/snapshots/{old.pk}/restore/", {"typed": "web-1"}).status_code == 401
