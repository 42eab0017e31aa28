"""What was refused is told too, whatever became of the rest of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client

from dashboard import signins
from snapshots import accounts, events, invitations, operations, teams
from snapshots.errors import Refused
from snapshots.models import Event, Role
from tests.pages.factories import a_server, an_account, form_on, text
from tests.pages.security_key import SecurityKey
from tests.pages.test_second_factor import code_of, with_app

ADD = "/auth/2fa/webauthn/add/"
PASSWORD = "correct horse battery staple"


def told(**words: Any) -> list[str]:
    return [events.line(one) for one in Event.objects.filter(**words).order_by("pk")]


def test_a_missing_right_is_told_once_with_who_asked_from_where(
    team: Any, vera: Any, client_of: Any
) -> None:
    answer = client_of(vera).post(f"/team/{team.pk}/name/", {"name": "Veraland"})
    assert answer.status_code == 403
    line = Event.objects.get(verb="refused")
    assert (line.actor, line.team, line.address) == (vera, team, "127.0.0.1")
    assert events.line(line).startswith("Vera was refused: You may not manage people in Northwind.")


def test_opening_a_page_is_no_attempt(team: Any, vera: Any, client_of: Any) -> None:
    assert client_of(vera).get(f"/team/{team.pk}/name/").status_code == 403
    assert told(verb="refused") == []


def test_what_is_refused_where_it_is_asked_is_told_once(
    team: Any, vera: Any, client_of: Any
) -> None:
    web = a_server(an_account(team))
    client_of(vera).post(f"/servers/{web.pk}/snapshots/new/", {"name": "x"})
    assert len(told(verb="refused")) == 1


def test_a_wrong_name_typed_at_a_removal_is_told(account: Any, alice: Any) -> None:
    with pytest.raises(Refused):
        accounts.remove(account, typed="Staging", actor=alice)
    assert told(verb="refused", account=account)[0].startswith(
        "Alice was refused: That is not the name of the account"
    )


def test_a_wrong_phrase_typed_for_several_is_told(snapshot: Any, rosa: Any) -> None:
    with pytest.raises(Refused):
        operations.request_deletes([snapshot], actor=rosa, typed="yes", request_key=None)
    assert "Please type" in told(verb="refused", actor=rosa)[0]


def test_a_line_is_written_in_the_transaction_of_what_it_tells(
    transactional_db: None, team: Any, alice: Any
) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        events.record(events.Verb.TEAM_RENAMED, team=team, actor=alice, before="x")


@pytest.mark.django_db(transaction=True)
def test_an_action_whose_line_cannot_be_written_does_not_happen(
    team: Any, alice: Any, client_of: Any
) -> None:
    client = client_of(alice)
    client.raise_request_exception = False
    with connection.execute_wrapper(_no_lines):
        assert client.post(f"/team/{team.pk}/name/", {"name": "Southwind"}).status_code == 500
    team.refresh_from_db()
    assert team.name == "Northwind"


@pytest.mark.django_db(transaction=True)
def test_nobody_comes_in_without_the_line_that_says_so(rosa_with_password: Any) -> None:
    client = Client(raise_request_exception=False)
    with connection.execute_wrapper(_no_lines):
        assert come_in(client).status_code == 500
    assert client.get("/").status_code == 302
    assert come_in(client).status_code == 302
    assert client.get("/").status_code == 200


def _no_lines(execute: Any, sql: str, *rest: Any) -> Any:
    if sql.startswith('INSERT INTO "snapshots_event"'):
        raise OSError("the disk is full")
    return execute(sql, *rest)


# -- coming in ------------------------------------------------------------------------------------


@pytest.fixture
def rosa_with_password(rosa: Any) -> Any:
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


def come_in(client: Client, password: str = PASSWORD, email: str = "rosa@example.com") -> Any:
    return client.post("/auth/login/", {"login": email, "password": password})


def test_coming_in_and_going_out_are_told(rosa_with_password: Any) -> None:
    client = Client()
    assert come_in(client).status_code == 302
    client.post("/auth/logout/")
    lines = Event.objects.filter(actor=rosa_with_password, team=None).order_by("pk")
    assert [events.line(one) for one in lines] == ["Rosa signed in", "Rosa signed out"]
    assert {one.address for one in lines} == {"127.0.0.1"}


def test_who_is_not_let_in_is_told_without_what_they_typed(
    rosa_with_password: Any, client_of: Any
) -> None:
    come_in(Client(), "wrong-canary")
    come_in(Client(), "wrong-canary", "typed-canary@example.com")
    assert told(team=None) == [
        "Rosa was not let in: the password or the code was wrong",
        "Somebody was not let in: nobody here has the address they gave",
    ]
    assert "canary" not in str(list(Event.objects.values()))


def test_a_flood_of_tries_does_not_fill_the_disk(rosa: Any, stage: Any) -> None:
    for number in range(500):
        signins.whence.address.set(f"2001:db8::{number:x}")
        signins.not_let_in({"email": "rosa@example.com"})
        signins.not_let_in({"email": "rosa@example.com"})
    signins.whence.address.set("")
    assert Event.objects.filter(verb="person.not_let_in").count() == signins.LINES_A_MINUTE
    stage.later(minutes=2)
    signins.not_let_in({"email": "rosa@example.com"})
    untold, last = told(team=None)[-2:]
    assert untold.startswith("Tries that have no line of their own")
    assert last.startswith("Rosa was not let in")
    lines = Event.objects.filter(verb="person.not_let_in").count()
    rest = [one.data["number"] for one in Event.objects.filter(verb="person.tries_untold")]
    assert lines + sum(rest) == 1001
    assert cache.get(signins.UNTOLD, 0) == 0


def test_a_new_password_and_its_line_are_one(rosa_with_password: Any) -> None:
    client = Client()
    come_in(client)
    new = "another horse battery staple"
    words = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post("/auth/password/change/", words)
    assert told(verb="person.password_set") == ["Rosa set a new password"]


def test_second_factors_that_come_and_go_are_told(rosa: Any, client_of: Any) -> None:
    client = client_of(rosa)
    page = client.get("/auth/2fa/totp/activate/")
    secret = page.context["form"].secret
    client.post("/auth/2fa/totp/activate/", {"code": code_of(secret)})
    client.post("/auth/2fa/recovery-codes/generate/")
    client.post("/auth/2fa/totp/deactivate/")
    lines = told(actor=rosa, verb__startswith="person.factor")
    assert "Rosa added a second factor: codes of an app" in lines
    assert "Rosa removed a second factor: codes of an app" in lines
    assert "Rosa removed a second factor: recovery codes" in lines
    assert len(lines) == 6  # the codes came with the app, were made anew, and went with it
    assert secret not in str(list(Event.objects.values()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["totp/activate", "totp/deactivate", "recovery-codes/generate"])
def test_a_second_factor_whose_line_cannot_be_written_stays_as_it_was(
    rosa: Any, client_of: Any, what: str
) -> None:
    client = client_of(rosa)
    client.raise_request_exception = False
    if what != "totp/activate":
        with transaction.atomic():
            with_app(rosa)
    page = client.get(f"/auth/2fa/{what}/")
    secret = page.context["form"].secret if what == "totp/activate" else ""
    before = list(Authenticator.objects.values())
    with connection.execute_wrapper(_no_lines):
        sent = {"code": code_of(secret)} if secret else {}
        assert client.post(f"/auth/2fa/{what}/", sent).status_code == 500
    assert list(Authenticator.objects.values()) == before
    assert client.post(f"/auth/2fa/{what}/", sent).status_code == 302
    assert list(Authenticator.objects.values()) != before


@pytest.mark.django_db(transaction=True)
def test_nor_does_a_passkey_come_or_go_without_its_line(rosa: Any, client_of: Any) -> None:
    client = client_of(rosa)
    client.raise_request_exception = False
    options = client.get(ADD).context["js_data"]["creation_options"]
    sent = {"name": "Key", "credential": SecurityKey.born(options)}
    with connection.execute_wrapper(_no_lines):
        assert client.post(ADD, sent).status_code == 500
    assert not Authenticator.objects.exists()
    options = client.get(ADD).context["js_data"]["creation_options"]
    assert client.post(ADD, sent | {"credential": SecurityKey.born(options)}).status_code == 302
    row = Authenticator.objects.get(type="webauthn")
    with connection.execute_wrapper(_no_lines):
        assert client.post(f"/auth/2fa/webauthn/keys/{row.pk}/remove/").status_code == 500
    assert Authenticator.objects.filter(pk=row.pk).exists()


def test_a_wrong_code_lets_nobody_in_and_is_told(rosa_with_password: Any) -> None:
    with_app(rosa_with_password)
    client = Client()
    come_in(client)
    client.post("/auth/2fa/authenticate/", {"code": "000000"})
    (line,) = told(verb="person.not_let_in")
    assert line == "Rosa was not let in: the password or the code was wrong"


def test_a_form_from_elsewhere_is_told(rosa: Any, team: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(rosa)
    for _ in range(2):
        assert client.post(f"/team/{team.pk}/name/", {"name": "Mine"}).status_code == 403
    (line,) = told(verb="refused", actor=rosa)
    assert line.startswith("Rosa was refused: This form was too old")


@pytest.mark.parametrize("verb", [teams.remove_member, teams.suspend])
def test_an_owner_too_few_is_told(team: Any, alice: Any, verb: Any) -> None:
    with pytest.raises(Refused):
        verb(alice.memberships.get(), actor=alice)
    (line,) = told(verb="refused", team=team, actor=alice)
    assert line.startswith("Alice was refused: ")


def test_an_invitation_for_somebody_else_that_is_tried_is_told(
    team: Any, alice: Any, mallory: Any, client_of: Any
) -> None:
    _row, secret = invitations.invite(team, Role.ADMIN, actor=alice, email="nora@example.com")
    client = client_of(mallory)
    client.get(f"/join/{secret}/")
    client.post("/join/")
    (line,) = told(verb="refused", team=team)
    assert line.startswith("Mallory was refused: This invitation is for nora@example.com")


def test_what_is_turned_away_without_a_look_is_told(rosa_with_password: Any) -> None:
    for _ in range(20):
        come_in(Client(), "wrong-canary")
    assert told(team=None) == [
        "Rosa was not let in: the password or the code was wrong",
        "Tries that have no line of their own, since such tries were last told: 4",
        "Rosa was not let in: too many tries, and this one was not looked at",
    ]


def test_whoever_comes_in_next_brings_the_number_of_tries_along(rosa_with_password: Any) -> None:
    for _ in range(4):
        come_in(Client(), "wrong-canary")
    come_in(Client())
    words = "Tries that have no line of their own, since such tries were last told: 3"
    assert told(team=None)[1:] == [words, "Rosa signed in"]


def test_a_guess_at_the_old_password_is_told(rosa_with_password: Any, client_of: Any) -> None:
    new = "another horse battery staple"
    words = {"oldpassword": "a guess", "password1": new, "password2": new}
    client_of(rosa_with_password).post("/auth/password/change/", words)
    assert told(team=None) == ["Rosa was not let in: the password or the code was wrong"]


def test_who_is_called_something_else_is_told_as_who_they_were(oscar: Any, client_of: Any) -> None:
    page = client_of(oscar)
    sent = form_on(page.get("/settings/"), "/settings/")
    page.post("/settings/", sent | {"name": "Alice"})
    page.post("/settings/", sent | {"name": "Alice", "theme": "dark"})
    assert told(team=None) == ["Oscar is called Alice from now on"]


def test_sessions_that_somebody_ends_elsewhere_are_told(rosa_with_password: Any) -> None:
    one, other = Client(), Client()
    come_in(one)
    come_in(other)
    one.post("/auth/sessions/", {"session": "others"})
    assert told(team=None)[-1] == "Rosa signed out elsewhere, from so many devices: 1"


# -- who sees it ----------------------------------------------------------------------------------


def test_sign_ins_are_seen_by_the_person_and_by_who_reads_the_audit_of_their_team(
    rosa_with_password: Any, alice: Any, vera: Any, mallory: Any, client_of: Any
) -> None:
    come_in(Client())
    assert "Rosa signed in from 127.0.0.1" in text(client_of(alice).get("/activity/"))
    assert "Rosa signed in from 127.0.0.1" in text(client_of(rosa_with_password).get("/settings/"))
    for other in (vera, mallory):
        assert "Rosa signed in" not in text(
            client_of(other).get("/activity/", {"kind": "sign-ins"})
        )


def test_what_nobody_we_know_tried_is_for_the_first_team(
    team: Any, alice: Any, vera: Any, mallory: Any, client_of: Any
) -> None:
    """Who set the installation up looks after it; other teams here are not to know who knocks."""
    come_in(Client(), "wrong-canary", "nobody@example.com")
    words = "Somebody was not let in"
    assert words in text(client_of(alice).get("/activity/"))
    assert words not in text(client_of(vera).get("/activity/"))
    assert words not in text(client_of(mallory).get("/activity/"))
    teams.add_member(mallory.teams.get(), alice, Role.ADMIN)
    client = client_of(alice)
    client.post("/team/chosen/", {"team": mallory.teams.get().pk})
    assert words not in text(client.get("/activity/"))


def test_from_where_is_for_those_who_read_the_audit(
    team: Any, oscar: Any, vera: Any, alice: Any, client_of: Any
) -> None:
    web = a_server(an_account(team))
    client_of(oscar).post(f"/servers/{web.pk}/snapshots/new/", {"name": "before"})
    page = {"server": web.pk}
    assert "from 127.0.0.1" in text(client_of(alice).get("/activity/", page))
    assert "Oscar asked" in text(client_of(vera).get("/activity/", page))
    assert "127.0.0.1" not in text(client_of(vera).get("/activity/", page))
    for person, address in ((alice, "127.0.0.1"), (vera, "")):
        file = client_of(person).get("/activity/", page | {"format": "json"})
        (line,) = json.loads(b"".join(file.streaming_content))
        assert (line["address"], line["outcome"]) == (address, "asked")


def test_a_hostile_name_is_no_formula_in_the_file(alice: Any, team: Any, client_of: Any) -> None:
    alice.name = '=HYPERLINK("http://evil")'
    alice.save()
    with transaction.atomic():
        events.record(events.Verb.TEAM_RENAMED, team=team, actor=alice, before="@SUM(1)")
    table = b"".join(client_of(alice).get("/activity/?format=csv").streaming_content).decode()
    assert "'=HYPERLINK" in table
    assert ',"=HYPERLINK' not in table
