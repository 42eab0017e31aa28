"""Where somebody is signed in, for how long, and how it ends."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from dashboard.views.sessions import device
from snapshots import invitations
from snapshots.models import Role, User
from tests.conftest import fresh
from tests.operations.test_meanwhile import meanwhile
from tests.pages.factories import form_on, text

PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18 Safari/604"
)


@pytest.fixture
def alice(alice):
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture(autouse=True)
def afternoon(time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    return time_machine


def signed_in(user, agent: str = FIREFOX, address: str = "203.0.113.9") -> Client:
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    client.post("/auth/login/", {"login": user.email, "password": PASSWORD})
    assert client.get("/servers/").status_code == 200
    return client


def is_in(client: Client) -> bool:
    return client.get("/servers/").status_code == 200


def test_each_session_is_listed_with_device_address_and_last_use(alice, afternoon):
    phone = signed_in(alice, PHONE, "198.51.100.7")
    afternoon.shift(3600)
    page = text(signed_in(alice).get("/auth/sessions/"))
    assert "Firefox on Linux this one 203.0.113.9" in page
    assert "Safari on iOS 198.51.100.7" in page
    assert is_in(phone)


def test_one_can_be_ended_and_all_others(alice, afternoon):
    phone, laptop, here = signed_in(alice, PHONE), signed_in(alice), signed_in(alice)
    page = here.get("/auth/sessions/")
    row = next(one for one, name in page.context["sessions"] if name == "Safari on iOS")
    here.post("/auth/sessions/", {"session": row.pk})
    assert (is_in(phone), is_in(laptop), is_in(here)) == (False, True, True)
    here.post("/auth/sessions/", {"session": "others"})
    assert (is_in(laptop), is_in(here)) == (False, True)


def test_nobody_ends_somebody_elses(alice, oscar):
    oscar.set_password(PASSWORD)
    oscar.save()
    hers, his = signed_in(alice), signed_in(oscar)
    row = hers.get("/auth/sessions/").context["sessions"][0][0]
    his.post("/auth/sessions/", {"session": row.pk})
    assert is_in(hers)


def test_a_changed_password_ends_all_others(alice):
    other, here = signed_in(alice), signed_in(alice)
    new = "a staple of another colour"
    sent = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/auth/password/change/", sent).status_code == 302
    assert (is_in(other), is_in(here)) == (False, True)


def test_eight_hours_after_the_last_thing_done_it_is_over(alice, afternoon):
    client = signed_in(alice)
    for _ in range(2):
        afternoon.shift(7 * 3600)
        assert is_in(client)
    afternoon.shift(8 * 3600 + 1)
    assert not is_in(client)


def test_what_a_page_asks_by_itself_keeps_no_session_alive(alice, afternoon):
    client = signed_in(alice)
    for _ in range(9):
        afternoon.shift(3600)
        client.get("/live/?scope=shell&since=0", headers={"HX-Request": "true"})
    assert not is_in(client)


def test_a_day_after_the_sign_in_it_is_over_in_any_case(alice, afternoon):
    client = signed_in(alice)
    for _ in range(23):
        afternoon.shift(3600)
        assert is_in(client)
    afternoon.shift(3600)
    assert not is_in(client)


def test_a_day_after_it_no_invitation_is_accepted_by_it_either(alice, mallory, afternoon):
    """That page is open, and acts as whoever is signed in."""
    elsewhere = mallory.teams.get()
    _row, secret = invitations.invite(elsewhere, Role.VIEWER, actor=mallory)
    client = signed_in(alice)
    client.get(f"/join/{secret}/")
    for _ in range(23):
        afternoon.shift(3600)
        assert is_in(client)
    assert "_auth_user_id" in client.session
    afternoon.shift(3600)
    assert client.post("/join/", {}).status_code == 422
    assert not elsewhere.members.filter(pk=alice.pk).exists()
    assert "_auth_user_id" not in client.session
    assert "Elsewhere" in text(client.get("/join/"))  # the link still works


def test_a_new_key_comes_with_the_sign_in(alice):
    client = Client()
    client.get("/join/")
    before = client.session.session_key
    client.post("/auth/login/", {"login": alice.email, "password": PASSWORD})
    assert client.session.session_key not in (None, before)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "unknown"),
    ],
)
def test_a_device_in_words(agent, words):
    assert device(agent) == words


def new_password(user) -> None:
    """Chosen elsewhere, to be rid of whoever has a session here."""
    User.objects.filter(pk=user.pk).update(password=make_password("another horse battery"))


@pytest.mark.parametrize("ends", [User.end_sessions, new_password])
def test_what_is_saved_in_the_moment_in_which_sessions_end_brings_none_back(alice, client_of, ends):
    """The whole row was written as it had been read: the old password too."""
    client, address = client_of(alice), "/settings/"
    sent = form_on(client.get(address), address)
    with meanwhile('FROM "snapshots_user"', lambda: ends(alice)):
        assert client.post(address, sent | {"theme": "dark"}).status_code == 302
    assert fresh(alice).theme == "dark"
    assert not is_in(client)


def test_nor_does_a_password_that_is_changed_in_that_moment(alice, client_of):
    client, new = client_of(alice), "another horse battery staple"
    words = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    with meanwhile('FROM "snapshots_user"', alice.end_sessions):
        client.post("/auth/password/change/", words)
    assert fresh(alice).check_password(new)
    assert not is_in(client)
