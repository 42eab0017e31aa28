"""Inviting by link: shown once, opened once, and told to nobody else on the way."""

import re

import pytest
from django.core import mail

from snapshots import invitations
from snapshots.models import Invitation, Membership, Role, User
from tests.conftest import fresh, person
from tests.pages.factories import form_on, text

PASSWORD = "a long enough one"
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def nora(db):
    return person("Nora")


def make(client, team, **words):
    address = f"/team/{team.pk}/invite/"
    return client.post(
        address, form_on(client.get(address), address) | {"role": "operator"} | words
    )


def link_on(page):
    return re.search(r'value="(http[^"]+/join/[^"]+)"', page.content.decode())[1]


@pytest.fixture
def link(team, alice, client_of):
    """The path of an invitation for anybody."""
    return link_on(make(client_of(alice), team)).removeprefix("http://localhost:8000")


def test_the_link_is_shown_once(team, alice, client_of):
    client = client_of(alice)
    page = make(client, team)
    secret = link_on(page).rstrip("/").rpartition("/")[2]
    assert "It is shown here once and kept nowhere." in text(page)
    for address in (f"/team/{team.pk}/", f"/team/{team.pk}/invite/", "/activity/"):
        assert secret not in client.get(address).content.decode()
    assert secret not in str(dict(client.session))
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_the_link_leads_to_an_address_without_the_secret(link, client):
    answer = client.get(link)
    assert (answer.status_code, answer.url) == (302, "/join/")
    secret = link.rstrip("/").rpartition("/")[2]
    assert secret not in str(dict(client.session))
    assert secret not in client.get("/join/").content.decode()


def test_a_stranger_joins_with_a_name_and_a_password(link, team, client):
    client.get(link)
    page = client.get("/join/")
    assert "Alice invites you to Northwind as Operator." in text(page)
    sent = form_on(page, "/join/")
    done = client.post(
        "/join/", sent | {"email": "New@Example.com", "name": "Newt", "password": PASSWORD}
    )
    assert (done.status_code, done.url) == (303, "/")
    user = User.objects.get(email="new@example.com")
    assert Membership.objects.get(user=user, team=team).role == Role.OPERATOR
    assert "You are in Northwind." in text(client.get("/"))


def test_what_was_typed_stays_and_the_password_does_not(link, client):
    client.get(link)
    words = {"email": "new@example.com", "name": "Newt", "password": "short"}
    page = client.post("/join/", words)
    assert page.status_code == 422
    assert "at least 12 characters" in text(page)
    sent = form_on(page, "/join/")
    assert (sent["email"], sent["name"], sent["password"]) == ("new@example.com", "Newt", "")
    assert re.search(r'<input type="password" name="password"', page.content.decode())
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_signed_in_person_joins_as_themselves(link, team, nora, client_of):
    client = client_of(nora)
    client.get(link)
    assert "Join Northwind as Nora" in text(client.get("/join/"))
    assert client.post("/join/").status_code == 303
    assert Membership.objects.get(user=nora, team=team).role == Role.OPERATOR


def test_a_role_in_the_form_changes_nothing(link, team, nora, client_of):
    client = client_of(nora)
    client.get(link)
    client.post("/join/", {"role": "owner", "team": "1"})
    assert Membership.objects.get(user=nora, team=team).role == Role.OPERATOR


def test_after_a_sign_in_one_is_back_at_the_invitation(link, nora, client):
    nora.set_password(PASSWORD)
    nora.save()
    client.get(link)
    page = client.get("/join/").content.decode()
    assert "/auth/login/?next=/join/" in page
    done = client.post(
        "/auth/login/?next=/join/", {"login": nora.email, "password": PASSWORD, "next": "/join/"}
    )
    assert done.url == "/join/"
    assert "Join Northwind as Nora" in text(client.get("/join/"))


def test_signed_in_as_somebody_else_one_reads_for_whom_it_is(team, alice, nora, client_of):
    page = make(client_of(alice), team, email="NILS@example.com")
    client = client_of(nora)
    client.get(link_on(page).removeprefix("http://localhost:8000"))
    answer = client.get("/join/")
    assert "for nils@example.com, and you are signed in as nora@example.com" in text(answer)
    assert client.post("/join/").status_code == 422
    assert not Membership.objects.filter(user=nora).exists()


def test_somebody_who_is_known_is_asked_to_sign_in(team, alice, nora, client_of, client):
    page = make(client_of(alice), team, email="nora@example.com")
    client.get(link_on(page).removeprefix("http://localhost:8000"))
    answer = client.get("/join/")
    assert "Sign in as them to join." in text(answer)
    assert 'name="password"' not in answer.content.decode()
    words = {"name": "N", "password": PASSWORD}
    assert client.post("/join/", words).status_code == 422  # the password stays theirs
    assert not fresh(nora).check_password(PASSWORD)


def test_a_member_has_nothing_to_do(link, rosa, client_of):
    client = client_of(rosa)
    client.get(link)
    assert "You are in Northwind already" in text(client.get("/join/"))


@pytest.mark.parametrize("secret", ["x", "A" * 43, "é", "a b", "../../etc"])
def test_a_link_that_we_do_not_know(client, db, secret):
    answer = client.get(f"/join/{secret}/")
    assert answer.status_code == 404
    assert not client.session.keys()


def test_without_a_link_there_is_nothing_to_join(client, db):
    assert client.get("/join/").status_code == 404
    assert client.post("/join/", {"name": "x", "password": PASSWORD}).status_code == 404


def test_a_link_works_once_and_says_so(link, nora, client_of, client):
    theirs = client_of(nora)
    theirs.get(link)
    theirs.post("/join/")
    client.get(link)
    answer = client.get("/join/")
    assert answer.status_code == 410
    assert "This invitation has been used." in text(answer)


def test_a_withdrawn_one_works_no_more_even_where_it_is_open(link, team, alice, client_of, client):
    client.get(link)
    assert client.get("/join/").status_code == 200
    invitation = Invitation.objects.get()
    page = client_of(alice).get(f"/team/{team.pk}/")
    assert "whoever opens the link first Operator Alice, just now" in text(page)
    assert client_of(alice).post(f"/invitations/{invitation.pk}/withdraw/").status_code == 303
    words = {"email": "new@example.com", "name": "N", "password": PASSWORD}
    assert client.post("/join/", words).status_code == 410
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_void_one_is_marked_where_it_is_listed(team, alice, client_of):
    from tests.conftest import member

    ada = member("Ada", Role.ADMIN, team)
    invitations.invite(team, Role.VIEWER, actor=ada)
    Membership.objects.filter(user=ada).update(role=Role.VIEWER)
    page = text(client_of(alice).get(f"/team/{team.pk}/"))
    assert "Void Ada, who made this invitation, may no longer do so." in page


# -- by mail ---------------------------------------------------------------------------------------


def test_with_an_address_it_is_sent_by_mail_too(team, alice, client_of):
    page = make(client_of(alice), team, email="nora@example.com")
    assert "handed to the mail server for nora@example.com" in text(page)
    [message] = mail.outbox
    assert message.to == ["nora@example.com"]
    assert message.subject == "Join Northwind on Holdfast"
    assert link_on(page) in message.body


def test_a_name_adds_no_lines_of_its_own_to_the_mail(team, alice, client_of):
    alice.name = "Alice\n\nPay at https://evil.example.com/"
    alice.save()
    make(client_of(alice), team, email="nora@example.com")
    [message] = mail.outbox
    assert message.body.strip().splitlines()[0].startswith("Alice  Pay at")


def test_without_an_address_nothing_is_sent(team, alice, client_of):
    make(client_of(alice), team)
    assert mail.outbox == []


def test_without_a_mail_server_the_page_says_so(team, alice, client_of, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    page = make(client_of(alice), team, email="nora@example.com")
    assert "This installation sends no e-mail. Send the link yourself." in text(page)
    assert link_on(page)


def test_a_mail_server_that_fails_costs_only_the_mail(team, alice, client_of, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1
    page = make(client_of(alice), team, email="nora@example.com")
    assert "The mail server did not take it. Send the link yourself." in text(page)
    assert link_on(page)


@pytest.mark.parametrize("email", ["no address", "a@b", "x@example.com\nBcc: y@example.com"])
def test_an_address_that_is_none_is_refused(team, alice, client_of, email):
    page = make(client_of(alice), team, email=email)
    assert page.status_code == 422
    assert not Invitation.objects.exists()
