"""Another e-mail address to sign in with: asked for with a proof, and confirmed by a mail to it."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from dashboard import password_links
from snapshots import events, invitations
from snapshots.errors import Refused
from snapshots.models import Event, Role, User
from tests.conftest import fresh, person
from tests.pages.factories import text

PASSWORD, NEW = "correct horse battery", "rosa@new.example"
PAGE = "/auth/email/"


@pytest.fixture(autouse=True)
def afternoon(time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    return time_machine


@pytest.fixture
def rosa(rosa):
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


def signed_in(email):
    client = Client()
    client.post("/auth/login/", {"login": email, "password": PASSWORD})
    return client


def is_in(client):
    return client.get("/servers/").status_code == 200


def asked(client, email=NEW):
    """The path of the link in the mail."""
    answer = client.post(PAGE, {"email": email}, follow=True)
    assert f"A link is on its way to {email}." in text(answer)
    message = mail.outbox[-1]
    assert message.to == [email]
    return re.search(r"http://localhost:8000(/auth/email/\S+)", message.body)[1]


@pytest.mark.django_db(transaction=True)  # the old address is told after the commit
def test_the_link_in_the_mail_changes_it_once_and_the_old_address_is_told(rosa):
    client, other = signed_in(rosa.email), signed_in(rosa.email)
    link = asked(client)
    assert "Sign in with rosa@new.example from now on?" in text(client.get(link))
    assert fresh(rosa).email == "rosa@example.com"
    client.post(link)
    assert fresh(rosa).email == NEW
    assert (is_in(client), is_in(other)) == (True, False)
    assert (is_in(signed_in(NEW)), is_in(signed_in("rosa@example.com"))) == (True, False)
    assert (mail.outbox[-1].to, mail.outbox[-1].subject) == (
        ["rosa@example.com"],
        "You sign in with another address",
    )
    (line,) = Event.objects.filter(verb="person.address_changed")
    words = "Rosa signs in with rosa@new.example from now on, no longer with rosa@example.com"
    assert events.line(line) == words
    assert EmailAddress.objects.get(user=rosa, verified=True).email == NEW


def test_it_works_once_even_if_the_old_one_comes_back(rosa):
    client = signed_in(rosa.email)
    link = asked(client)
    client.post(link)
    back = asked(client, "rosa@example.com")
    client.post(back)
    assert client.post(link).status_code == 410
    assert fresh(rosa).email == "rosa@example.com"


def test_after_half_an_hour_it_is_too_old(rosa, afternoon):
    client = signed_in(rosa.email)
    link = asked(client)
    afternoon.shift(1801)
    answer = client.post(link)
    assert answer.status_code == 410
    assert "This link was used already, is too old, or is somebody else’s." in text(answer)
    assert fresh(rosa).email == "rosa@example.com"


def test_a_new_password_makes_it_worthless(rosa):
    client = signed_in(rosa.email)
    link = asked(client)
    new = "a staple of another colour"
    words = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post("/auth/password/change/", words)
    assert client.post(link).status_code == 410


def test_it_is_for_whoever_asked_and_nobody_else(rosa, alice, client_of):
    """A mail to a mistyped address changes nothing of whoever reads it."""
    link = asked(signed_in(rosa.email))
    assert client_of(alice).post(link).status_code == 410
    assert Client().post(link).status_code == 302
    assert (fresh(rosa).email, fresh(alice).email) == ("rosa@example.com", "alice@example.com")


def test_a_session_alone_does_not_ask_for_it(rosa, client_of):
    page = client_of(rosa, proves=False).post(PAGE, {"email": NEW})
    assert page.status_code == 401
    assert "Sign in with rosa@new.example from now on, no longer with rosa@example.com." in text(
        page
    )
    assert mail.outbox == []


def test_an_address_of_somebody_here_is_told_the_same_and_gets_no_mail(rosa, alice):
    answer = signed_in(rosa.email).post(PAGE, {"email": alice.email}, follow=True)
    assert f"A link is on its way to {alice.email}." in text(answer)
    assert mail.outbox == []


def test_somebody_who_was_quicker_keeps_it(rosa):
    client = signed_in(rosa.email)
    link = asked(client)
    User.objects.create_user(NEW, name="Nora")
    answer = client.post(link)
    assert "Somebody here has this address already." in text(answer)
    assert fresh(rosa).email == "rosa@example.com"
    assert events.line(Event.objects.get(verb="refused")).startswith("Rosa was refused: Somebody")


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "This is not an e-mail address."),
        ("rosa", "This is not an e-mail address."),
        ("ROSA@example.com", "You sign in with this address already."),
    ],
)
def test_what_is_no_other_address_is_refused_in_words(rosa, email, words):
    answer = signed_in(rosa.email).post(PAGE, {"email": email})
    assert answer.status_code == 422
    assert words in text(answer)
    assert mail.outbox == []


def test_nobody_fills_somebody_elses_letter_box(rosa):
    client = signed_in(rosa.email)
    for _ in range(5):
        asked(client)
    answer = client.post(PAGE, {"email": NEW})
    assert "Too many tries." in text(answer)
    assert len(mail.outbox) == 5


def test_invitations_go_with_the_address(rosa, mallory):
    theirs = mallory.teams.get()
    old, _secret = invitations.invite(theirs, Role.VIEWER, actor=mallory, email=rosa.email)
    new, _secret = invitations.invite(theirs, Role.VIEWER, actor=mallory, email=NEW)
    with pytest.raises(Refused, match=r"you are signed in as rosa@example\.com"):
        invitations.accept(new, user=fresh(rosa))
    client = signed_in(rosa.email)
    client.post(asked(client))
    with pytest.raises(Refused, match=f"you are signed in as {NEW}"):
        invitations.accept(old, user=fresh(rosa))
    assert invitations.accept(new, user=fresh(rosa)).team == theirs


def test_whoever_gets_the_old_address_is_somebody_new(rosa):
    """Also where it had been proved: django-allauth keeps proved addresses once each."""
    EmailAddress.objects.create(user=rosa, email=rosa.email, verified=True, primary=True)
    client = signed_in(rosa.email)
    client.post(asked(client))
    client.post("/auth/password/reset/", {"email": "rosa@example.com"})
    password_links.send()
    assert mail.outbox[-1].to == [NEW]  # the last one was the link, not a new password
    again = person("Rosa")
    assert again.email == "rosa@example.com"
    EmailAddress.objects.create(user=again, email=again.email, verified=True, primary=True)


def test_where_no_mail_is_sent_the_page_says_so(rosa, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    page = signed_in(rosa.email).get(PAGE)
    assert "This installation sends no e-mail, so no other address can be confirmed." in text(page)
    assert 'name="email"' not in page.content.decode()


def test_a_mail_server_that_does_not_take_it_is_said(rosa, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1
    answer = signed_in(rosa.email).post(PAGE, {"email": NEW})
    assert answer.status_code == 422
    assert "The mail server did not take it." in text(answer)
