"""A second factor: asked for after the password, set up and taken away, and wanted by a team."""

from __future__ import annotations

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, hotp_value
from django.core import mail

from snapshots.events import sentence
from snapshots.models import Event, Operation
from snapshots.permissions import RESTORE, may_now
from tests.conftest import fresh, restore
from tests.pages.factories import a_server, a_snapshot, an_account, text

PASSWORD = "correct horse battery"


@pytest.fixture
def rosa(rosa):
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


@pytest.fixture(autouse=True)
def one_moment(time_machine):
    """A code lasts half a minute, which may end between two lines."""
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)


def code_of(secret: str) -> str:
    return f"{hotp_value(secret, int(time.time()) // 30):06d}"


def with_app(user) -> str:
    """Gives them codes from an app; its secret."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


# -- set up ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)  # the mail goes out after the commit
def test_an_app_is_set_up_with_its_first_code_and_codes_are_shown_once(rosa, client_of):
    client = client_of(rosa)
    page = client.get("/auth/2fa/totp/activate/")
    secret = re.search(r'id="secret">([A-Z2-7]+)<', page.content.decode())[1]
    wrong = client.post("/auth/2fa/totp/activate/", {"code": "000000"})
    assert "This code or passkey is not right" in text(wrong)
    done = client.post("/auth/2fa/totp/activate/", {"code": code_of(secret)}, follow=True)
    assert done.redirect_chain[-1][0] == "/auth/2fa/recovery-codes/"
    codes = re.findall(r"<code>([0-9]{10})</code>", done.content.decode())
    assert len(set(codes)) == 10
    again = client.get("/auth/2fa/recovery-codes/")
    assert not any(code in again.content.decode() for code in codes)
    assert "10 codes are unused" in text(again)
    [told] = mail.outbox
    assert (told.to, told.subject) == ([rosa.email], "A second factor was added")
    assert secret not in str(Authenticator.objects.get(type="totp").data)


def test_the_secrets_are_sealed(rosa):
    secret = with_app(rosa)
    seed = RecoveryCodes.activate(rosa).instance.data["seed"]
    kept = Authenticator.objects.get(type="totp").data["secret"]
    assert secret not in kept and "." in kept and "." in seed


def test_a_secret_of_somebody_else_opens_nothing(rosa, vera, client):
    """Copied in the database, by whoever may write there."""
    with_app(rosa)
    secret, codes = with_app(vera), RecoveryCodes.activate(vera).get_unused_codes()
    RecoveryCodes.activate(rosa)
    for kind in ("totp", "recovery_codes"):
        data = Authenticator.objects.get(user=vera, type=kind).data
        Authenticator.objects.filter(user=rosa, type=kind).update(data=data)
    sign_in(client, rosa)
    for code in (code_of(secret), codes[0]):
        client.post("/auth/2fa/authenticate/", {"code": code})
        assert client.get("/servers/").status_code == 302


def test_without_another_factor_the_codes_go_with_the_app(rosa, client_of):
    with_app(rosa)
    RecoveryCodes.activate(rosa)
    client_of(rosa).post("/auth/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()


# -- asked for ------------------------------------------------------------------------------------


def sign_in(client, user):
    return client.post("/auth/login/", {"login": user.email, "password": PASSWORD})


def test_the_password_alone_opens_nothing(rosa, client):
    secret = with_app(rosa)
    assert sign_in(client, rosa).url == "/auth/2fa/authenticate/"
    assert client.get("/servers/").status_code == 302
    assert "not right" in text(client.post("/auth/2fa/authenticate/", {"code": "123456"}))
    assert client.post("/auth/2fa/authenticate/", {"code": code_of(secret)}).status_code == 302
    assert client.get("/servers/").status_code == 200


def test_a_code_works_once(rosa, client, client_of):
    secret = with_app(rosa)
    code = code_of(secret)
    sign_in(client, rosa)
    client.post("/auth/2fa/authenticate/", {"code": code})
    other = type(client)()
    sign_in(other, rosa)
    assert "was used already" in text(other.post("/auth/2fa/authenticate/", {"code": code}))


def test_a_recovery_code_stands_in_once(rosa, client):
    with_app(rosa)
    code = RecoveryCodes.activate(rosa).get_unused_codes()[3]
    sign_in(client, rosa)
    assert client.post("/auth/2fa/authenticate/", {"code": code}).status_code == 302
    other = type(client)()
    sign_in(other, rosa)
    assert "not right" in text(other.post("/auth/2fa/authenticate/", {"code": code}))


# -- wanted by a team -----------------------------------------------------------------------------


@pytest.fixture
def old(team):
    return a_snapshot(a_server(an_account(team)), "pre-upgrade", days=11)


def rules(team, client, **more):
    return client.post(f"/team/{team.pk}/rules/", {"seconds": 0, "minutes": 0} | more)


def test_an_owner_who_has_one_wants_it_of_everybody(team, alice, client_of):
    client = client_of(alice)
    refused = rules(team, client, second_factor="on")
    assert refused.status_code == 422
    assert "Set up your own second factor first" in text(refused)
    with_app(alice)
    assert rules(team, client_of(alice), second_factor="on").status_code == 303
    assert fresh(team).second_factor
    assert Event.objects.filter(verb="team.second_factor_on", actor=alice).exists()


def test_an_admin_does_not_decide_it(team, oscar, client_of):
    oscar.memberships.update(role="admin")
    with_app(oscar)
    refused = rules(team, client_of(oscar), second_factor="on")
    assert "Only an owner says whether everybody needs a second factor." in text(refused)
    assert not fresh(team).second_factor
    told = Event.objects.get(verb="refused", team=team, actor=oscar)
    assert "Only an owner says" in sentence(told)


def test_who_has_none_looks_and_is_told_how_to_act(team, old, rosa, client_of):
    type(team).objects.update(second_factor=True)
    client = client_of(rosa)
    assert client.get(f"/snapshots/{old.pk}/").status_code == 200
    refused = client.post(f"/snapshots/{old.pk}/restore/", {"typed": "web-1"})
    assert refused.status_code == 403
    assert "Northwind wants a second factor of everybody." in text(refused)
    assert 'id="set-up" href="/auth/2fa/"' in refused.content.decode()
    assert "Northwind wants a second factor" in text(client.get(f"/team/{team.pk}/"))
    assert not Operation.objects.exists()
    with_app(rosa)
    answer = client_of(rosa).post(f"/snapshots/{old.pk}/restore/", {"typed": "web-1"})
    assert answer.status_code == 422  # asked, and only the facts have to be read


def test_a_missing_right_is_still_called_one(team, old, vera, client_of):
    type(team).objects.update(second_factor=True)
    refused = client_of(vera).get(f"/snapshots/{old.pk}/restore/")
    assert "You may not restore servers in Northwind." in text(refused)


def test_the_worker_asks_again(team, old, rosa):
    with_app(rosa)
    type(team).objects.update(second_factor=True)
    restore(old, fresh(rosa))
    assert may_now(rosa.pk, RESTORE, team.pk)
    Authenticator.objects.all().delete()
    assert not may_now(rosa.pk, RESTORE, team.pk)


def test_who_manages_people_sees_who_has_one(team, alice, rosa, vera, client_of):
    with_app(rosa)
    page = text(client_of(alice).get(f"/team/{team.pk}/"))
    assert re.search(r"Rosa second factor rosa@example.com", page)
    assert re.search(r"Vera no second factor vera@example.com", page)
    assert "no second factor" not in text(client_of(vera).get(f"/team/{team.pk}/"))
