"""Guessing gets nowhere, and keeps nobody out who has been in before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.test import Client

from dashboard import devices
from snapshots import tries
from snapshots.models import Tries
from tests.long import so_many
from tests.pages.factories import text

PASSWORD = "correct horse battery"
HASHED: list[str] = []


class Counting(Argon2PasswordHasher):
    """Cheap, and says how often a password was looked at."""

    algorithm = "argon2"
    time_cost, memory_cost, parallelism = 1, 8, 1

    def verify(self, password: str, encoded: str) -> bool:
        HASHED.append(password)
        return super().verify(password, encoded)

    def encode(self, password: str, salt: str) -> str:
        HASHED.append(password)
        return super().encode(password, salt)

    def must_update(self, encoded: str) -> bool:
        return False


@pytest.fixture(autouse=True)
def one_moment(time_machine):
    """Waits would end on a slow machine."""
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)


@pytest.fixture
def hashed(settings: Any) -> list[str]:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    HASHED.clear()
    return HASHED


@pytest.fixture
def alice(hashed, alice):
    alice.set_password(PASSWORD)
    alice.save()
    hashed.clear()
    return alice


def attempt(client: Client, login: str, password: str, address: str = "203.0.113.9") -> Any:
    form = {"login": login, "password": password}
    return client.post("/auth/login/", form, REMOTE_ADDR=address)


def her_device(alice) -> Client:
    """A browser that she has signed in from and out again."""
    client = Client()
    assert attempt(client, alice.email, PASSWORD, "198.51.100.7").status_code == 302
    client.post("/auth/logout/")
    assert client.get("/servers/").status_code == 302
    return client


@pytest.mark.parametrize("addresses", [1, 500])
def test_thousands_of_guesses_get_nowhere_and_she_still_signs_in(
    alice, hashed, addresses, time_machine
):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    device = her_device(alice)
    hashed.clear()
    number = so_many(200, 10_000)
    for n in range(number):
        address = f"203.0.{n % addresses // 250}.{n % addresses % 250 + 1}"
        guess = PASSWORD if n == number - 1 else f"a wrong guess {n}"
        answer = attempt(Client(), alice.email, guess, address)
        assert answer.status_code == 200, n
    assert "Too many tries. Try again in" in text(answer)
    assert len(hashed) <= (5 if addresses == 1 else 20)
    assert attempt(device, alice.email, PASSWORD, "203.0.0.1").status_code == 302


def test_the_brake_lets_go_and_the_wait_doubles(alice, hashed, time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    for n in range(5):
        attempt(Client(), alice.email, f"a wrong guess {n}")
    for wait in (30, 60, 120, 240):
        time_machine.shift(wait - 1)
        assert "Too many tries" in text(attempt(Client(), alice.email, PASSWORD))
        time_machine.shift(1)
        assert "is not right" in text(attempt(Client(), alice.email, "a wrong guess"))
    time_machine.shift(480)
    assert attempt(Client(), alice.email, PASSWORD).status_code == 302
    assert not Tries.objects.filter(free_at__gt="2026-11-24T00:00:00Z").exists()


def test_nobody_waits_for_more_than_an_hour(alice):
    counted = {tries.PERSON: "somebody"}
    waits = [tries._delay(tries.PERSON, count) for count in (19, 20, 21, 26, 500)]
    assert [wait.total_seconds() for wait in waits] == [0, 60, 120, 3600, 3600]
    for _ in range(20):
        assert tries.take(counted) is None
    assert tries.take(counted) <= timedelta(minutes=1)


def test_a_stranger_at_her_own_address_does_not_keep_her_out(alice):
    device = her_device(alice)
    for n in range(60):
        attempt(Client(), f"somebody{n}@example.com", "a wrong guess", "198.51.100.7")
    assert "Too many tries" in text(attempt(Client(), alice.email, PASSWORD, "198.51.100.7"))
    assert attempt(device, alice.email, PASSWORD, "198.51.100.7").status_code == 302


def test_a_stolen_device_guesses_slowly_too(alice, hashed):
    device = her_device(alice)
    hashed.clear()
    for n in range(100):
        attempt(device, alice.email, f"a wrong guess {n}")
    assert len(hashed) == 10


def test_a_device_is_known_for_whom_it_was(alice, oscar, hashed):
    device = her_device(alice)
    oscar.set_password(PASSWORD)
    oscar.save()
    hashed.clear()
    for n in range(100):
        attempt(device, oscar.email, f"a wrong guess {n}")
    assert len(hashed) == 5


def test_a_device_cannot_be_made_up(alice, hashed):
    forged = Client()
    forged.cookies[devices.COOKIE] = her_device(alice).cookies[devices.COOKIE].value[:-3] + "AAA"
    hashed.clear()
    for n in range(50):
        attempt(forged, alice.email, f"a wrong guess {n}")
    assert len(hashed) == 5


def test_whoever_has_a_network_of_their_own_is_one_address(alice, rosa, oscar, vera, hashed):
    """A household has 2^64 addresses of the newer kind."""
    people = (alice, rosa, oscar, vera)
    for n in range(80):
        attempt(Client(), people[n % 4].email, f"a wrong guess {n}", f"2001:db8:0:7:{n:x}::1")
    assert len(hashed) == 20
    attempt(Client(), alice.email, "a wrong guess", "2001:db8:0:8::1")
    assert len(hashed) == 21


def test_what_is_said_of_an_address_is_not_believed(alice, hashed):
    for n in range(50):
        Client().post(
            "/auth/login/",
            {"login": alice.email, "password": f"a wrong guess {n}"},
            headers={"X-Forwarded-For": f"203.0.113.{n}"},
        )
    assert len(hashed) == 5


def test_behind_a_trusted_proxy_only_its_own_word_counts(alice, hashed, settings):
    settings.TRUST_PROXY_HEADERS = True
    for n in range(50):
        Client().post(
            "/auth/login/",
            {"login": alice.email, "password": f"a wrong guess {n}"},
            headers={"X-Forwarded-For": f"10.0.0.{n}, 203.0.113.77"},
        )
    assert len(hashed) == 5


def test_the_known_and_the_unknown_are_told_the_same_for_the_same_work(alice, hashed):
    told = {}
    for login in (alice.email, "nobody@example.com"):
        hashed.clear()
        answers = [
            attempt(Client(), login, f"a wrong guess {n}", f"192.0.2.{len(login)}")
            for n in range(8)
        ]
        words = ["".join(one.context["form"].non_field_errors()) for one in answers]
        told[login] = (words[:5], [word[:20] for word in words], len(hashed))
    assert told[alice.email] == told["nobody@example.com"]
    assert told[alice.email][2] == 5


def test_what_is_counted_is_forgotten(alice, time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    attempt(Client(), "nobody@example.com", "a wrong guess")
    assert Tries.objects.count() == 3
    time_machine.shift(25 * 3600)
    assert attempt(Client(), alice.email, PASSWORD).status_code == 302
    assert not Tries.objects.filter(count__gt=0).exists()
