"""The first owner comes by the link in the log: once, while there is nobody, and nobody else."""

import re
import socket

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from dashboard import first_link
from snapshots import first_run, invitations, teams
from snapshots.errors import Refused
from snapshots.events import sentence
from snapshots.models import Event, FirstRun, Membership, Role, User
from tests.conftest import member
from tests.operations.test_guarantees import at_once
from tests.pages.factories import an_account, form_on, text

PASSWORD = "a long enough one"
ALICE = {"email": "alice@example.com", "name": "Alice", "password": PASSWORD, "team": "Northwind"}


def begin(secret, **more):
    return first_run.begin(invitations.fingerprint(secret), **(ALICE | more))


@pytest.fixture
def secret(db):
    return first_run.new_secret()


def test_only_a_hash_of_the_secret_is_kept(secret):
    assert len(secret) == 43  # 256 bits
    assert secret not in str(list(FirstRun.objects.values()))


def test_the_first_owns_the_team_that_they_name(secret):
    user, team = begin(secret)
    assert (team.name, user.roles) == ("Northwind", {team.pk: Role.OWNER})
    assert user.check_password(PASSWORD)
    told = [sentence(one) for one in Event.objects.order_by("-pk")[:2]]
    assert told == ["set this installation up, as its first owner", "created the team Northwind"]
    assert first_run.began(user)


def test_it_works_once(secret):
    begin(secret)
    with pytest.raises(Refused, match="works no more"):
        begin(secret, email="mallory@example.com")
    assert User.objects.count() == 1


def test_each_start_makes_the_one_before_worthless(secret):
    newer = first_run.new_secret()
    with pytest.raises(Refused, match="works no more"):
        begin(secret)
    assert begin(newer)


def test_while_there_is_somebody_there_is_no_link(secret, alice):
    assert first_run.new_secret() == ""
    with pytest.raises(Refused, match="works no more"):
        begin(secret, email="mallory@example.com")
    assert not first_run.began(alice)


@pytest.mark.parametrize("wrong", ["", "guess", "0" * 43])
def test_a_guess_is_none(secret, wrong):
    with pytest.raises(Refused, match="works no more"):
        first_run.begin(wrong, **ALICE)
    with pytest.raises(Refused, match="works no more"):
        begin(wrong)
    assert not first_run.knows(wrong) and not User.objects.exists()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"name": " "}, "name"),
        ({"email": "alice"}, "email"),
        ({"password": "short"}, "password"),
        ({"team": " "}, "name"),
    ],
)
def test_what_will_not_do_leaves_the_link_open(secret, words, field):
    with pytest.raises(Refused) as refusal:
        begin(secret, **words)
    assert refusal.value.field == field
    assert not User.objects.exists()
    assert begin(secret)


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_have_the_link_at_once_one_is_the_owner():
    kept = first_run.new_secret()
    results = at_once(
        *(lambda n=n: begin(kept, email=f"a{n}@example.com", team=f"Team {n}") for n in range(10))
    )
    assert sum(isinstance(one, tuple) for one in results) == 1
    assert User.objects.count() == FirstRun.objects.filter(done_by__isnull=False).count() == 1


# -- told ----------------------------------------------------------------------------------------


def test_a_start_tells_it_and_the_address_leads_there(db, settings):
    settings.SITE_URL = "https://snapshots.example.com"
    words = first_link.words()
    path = re.search(r"https://snapshots\.example\.com(/first/\S+/)", words)[1]
    answer = Client().get(path)
    assert answer.status_code == 302 and answer["Location"] == "/first/"


def test_a_start_with_people_tells_nothing(alice, capsys):
    assert first_link.words() == ""
    call_command("first_run")
    assert "There is somebody already" in capsys.readouterr().out


# -- in the browser -------------------------------------------------------------------------------


@pytest.fixture
def opened(secret):
    client = Client()
    assert client.get(reverse("open_first_run", args=[secret])).status_code == 302
    return client


def test_a_stranger_reads_where_the_link_is_and_gets_no_further(secret):
    client = Client()
    assert "This installation has no owner yet" in text(client.get("/auth/login/"))
    for answer in (
        client.get("/first/"),
        client.post("/first/", ALICE),
        client.get("/first/guess/"),
    ):
        assert answer.status_code == 404
        assert "finds the link for the first owner in the log" in text(answer)
    assert not User.objects.exists()


def test_the_secret_is_in_no_page_that_follows(secret, opened):
    page = opened.get("/first/")
    assert page.status_code == 200
    assert secret not in page.content.decode()


def test_the_owner_is_made_and_signed_in_and_sees_what_is_left(opened, client_of):
    sent = form_on(opened.get("/first/"), "/first/") | ALICE
    done = opened.post("/first/", sent, follow=True)
    assert done.redirect_chain == [("/setup/", 303)]
    page = text(done)
    assert "Northwind is created, and it is yours." in page
    assert "Connect account" in page and "Invite people to your team" in page
    assert "Go on with the set-up" in text(opened.get("/servers/"))
    assert opened.get("/accounts/new/").status_code == 200
    opened.post("/auth/logout/")
    opened.post("/auth/login/", {"login": ALICE["email"], "password": PASSWORD})
    assert "Go on with the set-up" in text(opened.get("/servers/"))
    elsewhere = client_of(User.objects.get())
    assert opened.post("/setup/done/").status_code == 303
    for client in (opened, elsewhere):
        assert "Go on with the set-up" not in text(client.get("/servers/"))
    assert opened.get("/setup/").status_code == 200  # its address stays


def test_what_was_typed_stays_and_the_password_does_not(opened):
    page = opened.post("/first/", ALICE | {"password": "xyzzy"})
    assert page.status_code == 422
    assert 'value="alice@example.com"' in page.content.decode()
    assert "xyzzy" not in page.content.decode()


def test_a_team_without_a_name_is_told_at_its_field(opened):
    page = opened.post("/first/", ALICE | {"team": " "})
    assert page.status_code == 422
    assert "A team needs a name." in text(page)


def test_an_open_page_comes_too_late_when_somebody_was_first(opened, alice):
    answer = opened.post("/first/", ALICE | {"email": "mallory@example.com"})
    assert answer.status_code == 404
    assert "This installation has its first owner" in text(answer)
    assert User.objects.count() == 1


@pytest.fixture
def first(opened):
    opened.post("/first/", ALICE)
    return opened


def test_the_summary_tells_what_the_doctor_says(first, settings):
    settings.SITE_URL = "https://elsewhere.example.com"
    an_account(User.objects.get().teams.get(), "Production")
    page = text(first.get("/setup/"))
    assert "Production" in page
    for check in ("database", "broker", "migrations", "keys"):
        assert check in page
    assert "another address than https://elsewhere.example.com" in page


def test_a_test_mail_is_sent_to_oneself(first, settings, mailoutbox):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert first.post("/setup/mail/").status_code == 303
    assert [mail.to for mail in mailoutbox] == [["alice@example.com"]]
    assert "A test was handed to the mail server for alice@example.com" in text(
        first.get("/setup/")
    )


def test_a_mail_server_that_fails_is_told(first, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    first.post("/setup/mail/")
    page = text(first.get("/setup/"))
    assert "The mail server did not take it. ConnectionRefusedError" in page


def test_the_page_speaks_to_no_mail_server_by_itself(first, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
        server.settimeout(0)
        assert first.get("/setup/").status_code == 200
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("address", ["/setup/", "/setup/mail/", "/setup/done/"])
def test_the_summary_is_for_who_set_it_up(first, client_of, address):
    other = client_of(User.objects.create_user("rosa@example.com", name="Rosa"))
    method = other.get if address == "/setup/" else other.post
    assert method(address).status_code == 404
    assert Client().post(address).status_code == 302


@pytest.mark.parametrize("ends", [teams.suspend, teams.remove_member])
def test_who_set_it_up_and_is_out_of_that_team_reads_it_no_more(first, ends):
    mine = Membership.objects.get()
    other = member("Ada", Role.OWNER, mine.team)
    ends(mine, actor=other)
    first.post("/auth/login/", {"login": ALICE["email"], "password": PASSWORD})
    assert first.get("/settings/").status_code == 200
    assert first.get("/setup/").status_code == 404
    assert first.post("/setup/mail/").status_code == 404
    assert "Go on with the set-up" not in text(first.get("/servers/"))
