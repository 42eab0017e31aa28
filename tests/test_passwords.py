"""What is guessed first is refused; what is hard to guess needs no digits or signs."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from snapshots.models import User
from snapshots.passwords import HardToGuess

ROSA = User(email="rosa.lindqvist@example.com", name="Rosa Lindqvist")


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "passwordpassword",
        "qwertyuiop123",
        "1qaz2wsx3edc",
        "aaaaaaaaaaaaaaaa",
        "123456789012",
        "letmeinletmein",
        "iloveyou2026",
        "administrator1",
        "holdfast2026",
    ],
)
def test_what_is_guessed_first_is_refused(password):
    with pytest.raises(ValidationError, match="guessed soon"):
        HardToGuess().validate(password, ROSA)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "lamp river seventeen moss",
        "kvar nekonataj vortoj",
    ],
)
def test_what_is_hard_to_guess_is_taken(password):
    validate_password(password, ROSA)


@pytest.mark.parametrize("password", ["rosalindqvist1", "RosaLindqvist!"])
def test_ones_own_name_is_none(password):
    with pytest.raises(ValidationError, match="too similar"):
        validate_password(password, ROSA)


def test_a_long_one_is_judged_quickly_and_taken():
    began = time.process_time()
    validate_password("lamp river seventeen moss " * 40, ROSA)
    assert time.process_time() - began < 2


def test_eleven_characters_are_too_few():
    with pytest.raises(ValidationError, match="too short"):
        validate_password("lamp7river#", ROSA)
