"""A new password by mail: once, in half an hour, at our address, never past a second factor."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard import password_links
from snapshots import events
from snapshots.models import Event, PasswordLink
from tests.conftest import fresh
from tests.pages.factories import text

PASSWORD, NEW = "correct horse battery", "a staple of another colour"


@pytest.fixture(autouse=True)
def afternoon(time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    return time_machine


@pytest.fixture
def alice(alice):
    alice.set_password(PASSWORD)
    alice.save()
    return alice


class Away(BaseEmailBackend):
    def send_messages(self, messages):
        raise ConnectionRefusedError


def asked(client: Client, email: str, **more) -> str:
    """The link in the mail; only its path."""
    client.post("/auth/password/reset/", {"email": email}, **more)
    password_links.send()
    return re.search(r"http://localhost:8000(/auth/password/reset/key/\S+)", mail.outbox[-1].body)[
        1
    ]


def choose(client: Client, link: str) -> str:
    there = client.get(link)
    if there.status_code != 302:
        return text(there)
    return text(client.post(there.url, {"password1": NEW, "password2": NEW}, follow=True))


@pytest.mark.django_db(transaction=True)  # they are told after the commit
def test_the_link_works_once_and_the_person_is_told(alice, client):
    link = asked(client, alice.email)
    assert "Your password is changed" in choose(client, link)
    assert fresh(alice).check_password(NEW)
    assert mail.outbox[-1].subject == "Your password was changed"
    assert mail.outbox[-1].to == [alice.email]
    assert "This link was used already, or is too old." in choose(Client(), link)


def test_after_half_an_hour_it_is_too_old(alice, client, afternoon):
    link = asked(client, alice.email)
    afternoon.shift(1801)
    assert "This link was used already, or is too old." in choose(client, link)
    assert fresh(alice).check_password(PASSWORD)


def test_the_link_is_at_our_own_address_whatever_the_request_says(alice, client, settings):
    settings.ALLOWED_HOSTS = ["testserver", "other.example"]
    asked(client, alice.email, headers={"Host": "other.example"})
    assert "other.example" not in mail.outbox[-1].body


def test_it_signs_nobody_in_and_the_second_factor_is_asked_for(alice, client):
    TOTP.activate(alice, generate_totp_secret())
    choose(client, asked(client, alice.email))
    assert client.get("/servers/").status_code == 302
    answer = client.post("/auth/login/", {"login": alice.email, "password": NEW})
    assert answer.url == "/auth/2fa/authenticate/"


def test_all_sessions_end_with_it(alice, client, client_of):
    other = client_of(alice)
    assert other.get("/servers/").status_code == 200
    choose(client, asked(client, alice.email))
    assert other.get("/servers/").status_code == 302


def test_an_unknown_address_is_told_the_same_and_gets_no_mail(alice, client):
    known = client.post("/auth/password/reset/", {"email": alice.email}, follow=True)
    unknown = client.post("/auth/password/reset/", {"email": "nobody@example.com"}, follow=True)
    assert text(known) == text(unknown)
    password_links.send()
    password_links.send()
    assert [one.to for one in mail.outbox] == [[alice.email]]
    assert not PasswordLink.objects.exists()


def test_the_request_does_the_same_for_an_address_that_nobody_has(alice, client):
    """So the time that its answer takes tells nothing. No mail server is asked in it."""

    def work(email):
        with CaptureQueriesContext(connection) as asked:
            assert client.post("/auth/password/reset/", {"email": email}).status_code == 302
        return [re.split(r"SAVEPOINT|VALUES|SET|WHERE", one["sql"])[0] for one in asked]

    work("somebody@example.com")  # the first request of a browser does more
    assert work(alice.email) == work("nobody@example.com")
    assert mail.outbox == []


def test_a_mail_server_that_is_away_is_asked_again_until_the_link_would_be_too_old(
    alice, client, afternoon, settings
):
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Away"
    client.post("/auth/password/reset/", {"email": alice.email})
    password_links.send()
    settings.EMAIL_BACKEND = backend
    password_links.send()
    assert mail.outbox == []
    afternoon.shift(61)
    password_links.send()
    assert len(mail.outbox) == 1
    settings.EMAIL_BACKEND = f"{__name__}.Away"
    client.post("/auth/password/reset/", {"email": alice.email})
    afternoon.shift(1801)
    password_links.send()
    assert not PasswordLink.objects.exists()


def test_a_mail_server_that_is_away_is_tried_once_a_minute_however_many_ask(
    alice, rosa, client, afternoon, settings, caplog
):
    """Each try costs a worker seconds, which operations wait for."""
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Away"
    for person in (alice, rosa, rosa):
        client.post("/auth/password/reset/", {"email": person.email})
    password_links.send()
    password_links.send()
    assert len([one for one in caplog.messages if one.startswith("no link was sent")]) == 1
    settings.EMAIL_BACKEND = backend
    afternoon.shift(61)
    password_links.send()
    assert {one.to[0] for one in mail.outbox} == {alice.email, rosa.email}
    assert len(mail.outbox) == 2  # whoever asked twice needs one


def test_without_a_mail_server_whoever_runs_it_makes_the_link(alice, client, capsys):
    call_command("password_link", "--email", "Alice@example.com")
    said = capsys.readouterr().out
    assert "for half an hour" in said and mail.outbox == []
    link = re.search(r"http://localhost:8000(/auth/password/reset/key/\S+)", said)[1]
    assert "Your password is changed" in choose(client, link)
    assert fresh(alice).check_password(NEW)
    assert [events.line(one) for one in Event.objects.filter(actor=alice).order_by("pk")] == [
        "Alice can choose a new password by a link that was made where this installation runs",
        "Alice set a new password",
    ]
    with pytest.raises(CommandError, match="Nobody here has this address"):
        call_command("password_link", "--email", "nobody@example.com")


def test_who_is_kept_waiting_gets_in_by_the_mail(alice, client):
    for n in range(30):
        form = {"login": alice.email, "password": f"a wrong guess {n}"}
        client.post("/auth/login/", form, REMOTE_ADDR="203.0.113.1")
    choose(client, asked(client, alice.email))
    answer = client.post("/auth/login/", {"login": alice.email, "password": NEW})
    assert answer.status_code == 302
