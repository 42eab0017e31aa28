"""What a database of an earlier version holds is as good afterwards."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from dashboard import factors
from snapshots import secrets
from tests.conftest import fresh
from tests.pages.test_second_factor import PASSWORD, code_of, sign_in

UNBOUND = ("snapshots", "0016_approvals")


def migrate(*target: tuple[str, str]) -> Any:
    """To `target`, or to the newest. The models of that time."""
    executor = MigrationExecutor(connection)
    return executor.migrate([*target] or executor.loader.graph.leaf_nodes()).apps


def is_let_in(user: Any, code: str) -> bool:
    client = Client()
    sign_in(client, user)
    client.post("/auth/2fa/authenticate/", {"code": code})
    return client.get("/servers/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_second_factors_of_before_they_were_bound_sign_in_and_are_bound(
    team: Any, rosa: Any, vera: Any, oscar: Any, time_machine: Any
) -> None:
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)  # a code lasts half a minute
    for person in (rosa, vera, oscar):
        person.set_password(PASSWORD)
        person.save()
    secret, passkey = generate_totp_secret(), {"name": "Laptop", "credential": {}}
    seed = "5eed" * 10
    lost = secrets.seal("x", owner=factors.OWNER, keys=[b"k" * 32])
    old = migrate(UNBOUND).get_model("mfa", "Authenticator").objects
    for person, kind, data in (
        (rosa, "totp", {"secret": factors.seal(secret)}),
        (rosa, "recovery_codes", {"seed": factors.seal(seed), "used_mask": 2}),
        (rosa, "webauthn", passkey),
        (vera, "totp", {"secret": factors.seal(secret)}),
        (vera, "recovery_codes", {"migrated_codes": [factors.seal("12345678")]}),
        (oscar, "totp", {"secret": lost}),
    ):
        old.create(user_id=person.pk, type=kind, data=data)
    migrate()
    kept = {(one["user_id"], one["type"]): one["data"] for one in Authenticator.objects.values()}
    for person in (rosa, vera):
        assert re.match(rf"{person.pk}:totp\|", kept[person.pk, "totp"]["secret"])
    assert kept[rosa.pk, "webauthn"] == passkey
    assert kept[oscar.pk, "totp"] == {"secret": lost}
    codes = RecoveryCodes(Authenticator.objects.get(user=rosa, type="recovery_codes"))
    assert len(codes.get_unused_codes()) == 9  # one was used before
    assert is_let_in(rosa, code_of(secret))
    assert is_let_in(rosa, codes.get_unused_codes()[0])
    assert is_let_in(vera, "12345678")
    assert not is_let_in(oscar, code_of(secret))
    Authenticator.objects.filter(user=oscar).update(data=kept[rosa.pk, "totp"])
    assert not is_let_in(fresh(oscar), code_of(secret))
