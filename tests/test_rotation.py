"""Another key for everything that is sealed, while all goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from base64 import b64encode
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection

from dashboard.adapter import SecondFactors
from snapshots import rotation, secrets
from snapshots.models import Account, Team, Webhook
from tests.conftest import fresh
from tests.flow.conftest import database_url

NEW = b"a newer key." * 2 + b"12345678"
TOKENS = 1_000


@pytest.fixture
def webhook(team: Team) -> Webhook:
    row = Webhook.objects.create(team=team, name="chat", address="https://chat.example/")
    row.sealed_secret, row.sealed_old_secret = row.seal("whsec_now"), row.seal("whsec_before")
    row.save()
    return row


@pytest.fixture
def factor(rosa: Any) -> Authenticator:
    sealed = SecondFactors().encrypt
    data = {"seed": sealed("the seed"), "migrated_codes": [sealed("1234")], "used_mask": 5}
    return Authenticator.objects.create(user=rosa, type="recovery_codes", data=data)


def test_all_that_is_sealed_opens_with_the_new_key_alone(
    account: Account,
    webhook: Webhook,
    factor: Authenticator,
    stage: Any,
    settings: Any,
    capsys: Any,
) -> None:
    settings.TOKEN_KEYS = [NEW, *settings.TOKEN_KEYS]
    call_command("rotate_keys")
    assert "account.sealed_token: 1 sealed again.\n" in capsys.readouterr().out
    assert rotation.left() == 0
    settings.TOKEN_KEYS = [NEW]
    assert fresh(account).has_token(stage.tokens[account.pk])
    assert fresh(webhook).signing_secrets()[0].reveal() == "whsec_now"
    data, opened = fresh(factor).data, SecondFactors().decrypt
    assert [opened(data["seed"]), opened(data["migrated_codes"][0])] == ["the seed", "1234"]
    assert data["used_mask"] == 5
    call_command("rotate_keys")
    assert "account.sealed_token: 0 sealed again.\n" in capsys.readouterr().out


def test_what_no_key_opens_is_named_and_left_alone(
    account: Account, webhook: Webhook, factor: Authenticator, settings: Any, capsys: Any
) -> None:
    settings.TOKEN_KEYS = [NEW]
    with pytest.raises(SystemExit):
        call_command("rotate_keys")
    out = capsys.readouterr().out
    assert f"WRONG  no key opens 1 of account.sealed_token: {account.pk}." in out
    assert f"WRONG  no key opens 1 of authenticator.data: {factor.pk}." in out
    assert fresh(account).sealed_token == account.sealed_token
    assert rotation.left() == 3
    assert SecondFactors().decrypt(factor.data["seed"]) not in ("", "the seed")


def test_a_token_that_was_replaced_meanwhile_is_not_undone(account: Account, settings: Any) -> None:
    settings.TOKEN_KEYS = [NEW, *settings.TOKEN_KEYS]
    outcome = rotation.Outcome(rotation.PLACES[0])
    before = account.sealed_token
    account.seal_token("vps_another")
    account.save()
    rotation._seal_again(outcome, account.pk, before)
    assert (outcome.sealed, fresh(account).has_token("vps_another")) == (0, True)


@pytest.mark.parametrize("place", rotation.PLACES, ids=str)
def test_a_seal_is_bound_to_its_row_and_column(place: rotation.Place, settings: Any) -> None:
    sealed = secrets.seal("it", owner=place.owner(7), keys=settings.TOKEN_KEYS)
    others = {one.owner(pk) for one in rotation.PLACES for pk in (7, 8, 77)} - {place.owner(7)}
    for other in others:
        with pytest.raises(secrets.CannotOpen):
            secrets.open_sealed(sealed, owner=other, keys=settings.TOKEN_KEYS)


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_is_killed_loses_nothing_and_goes_on(team: Team, settings: Any) -> None:
    old = settings.TOKEN_KEYS
    rows = [Account(team=team, label="x", identity=str(number)) for number in range(TOKENS)]
    for row in Account.objects.bulk_create(rows):
        row.seal_token(f"vps_{row.identity}")
        row.save(update_fields=["sealed_token"])
    connection.close()
    settings.TOKEN_KEYS = [NEW, *old]
    with rotating(settings.TOKEN_KEYS) as process:
        while rotation.left() > TOKENS - 200:
            time.sleep(0.002)
        process.kill()
    assert 0 < rotation.left() < TOKENS
    assert all(row.has_token(f"vps_{row.identity}") for row in Account.objects.all())
    with rotating(settings.TOKEN_KEYS) as process:
        assert process.wait(60) == 0
    settings.TOKEN_KEYS = [NEW]
    assert all(row.has_token(f"vps_{row.identity}") for row in Account.objects.all())


def told(keys: list[bytes]) -> str:
    """As the environment says them."""
    return ",".join(b64encode(key).decode() for key in keys)


def rotating(keys: list[bytes]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"DATABASE_URL": database_url(), "TOKEN_KEYS": told(keys)}
    return subprocess.Popen([sys.executable, "manage.py", "rotate_keys"], env=environment)
