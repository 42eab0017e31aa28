"""What is sent to each address: a body that somebody with the right would succeed with.

`ASKS` knows an address by its name, or by its name and a variant (`webhook:own`), as matrix.txt
does. What is not here is asked for plainly and posted to with nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from snapshots import operations, tokens
from snapshots.models import User
from snapshots.operations import approvals
from tests.hardening.scene import PASSWORD, World

Body = dict[str, Any]
KEY = str(UUID(int=5))


def nothing(_world: World, _person: User | None) -> Body:
    return {}


class Ask(NamedTuple):
    body: Callable[[World, User | None], Body] = nothing
    thing: str = ""  # whose id stands in the address, if it is not the plain one of its noun
    query: Callable[[World], Body] = lambda _world: {}
    opened: str = ""  # the invitation whose link was opened before


def always(**body: Any) -> Callable[[World, User | None], Body]:
    return lambda _world, _person: dict(body)


def restoring(world: World, person: User | None) -> Body:
    snapshot = world.things["snapshot"]
    seen = operations.plan(snapshot).sealed(person) if person else ""
    typed = snapshot.server.name
    return {"request_key": KEY, "seen": seen, "typed": typed, "safety_snapshot": "on"}


def deciding(world: World, person: User | None) -> Body:
    restore = world.things["awaiting_approval restore"]
    seen = approvals.sealed(restore, person) if person else ""
    return {"seen": seen, "typed": restore.server.name, "words": "It cannot wait."}


def deleting(world: World, _person: User | None) -> Body:
    return {"request_key": KEY, "typed": world.things["snapshot"].name}


def deleting_several(world: World, _person: User | None) -> Body:
    chosen = {"snapshot": [world.pk("snapshot")], "typed": operations.delete_phrase(1)}
    return {"request_key": KEY} | chosen


def connecting(world: World, person: User | None) -> Body:
    url = world.things["account"].api_url
    world.things["account"].refresh_from_db()
    held = ""
    if person:
        purpose = f"connect:{world.team.pk}:{url}"
        held = tokens.hold(world.secrets["another token"], actor=person, purpose=purpose)
    return {"team": world.team.pk, "api_url": url, "label": "New", "held": held, "save": "1"}


def replacing(world: World, person: User | None) -> Body:
    purpose = f"replace:{world.pk('account')}"
    held = tokens.hold(world.token, actor=person, purpose=purpose) if person else ""
    return {"held": held, "save": "1"}


def a_webhook(world: World, _person: User | None) -> Body:
    return {
        "team": world.team.pk,
        "name": "Chat",
        "address": "https://chat.example.com/hook",
        "topics": ["failed"],
    }


def personal(_world: World, person: User | None) -> Body:
    return {
        "name": person.name if person else "Nobody",
        "language": "en",
        "time_zone": "UTC",
        "theme": "dark",
        "density": "compact",
    }


def signing_in(_world: World, person: User | None) -> Body:
    return {"login": person.email if person else "nobody@example.com", "password": PASSWORD}


MINE = {"name": "Told", "address": "https://chat.example.com/hook"}
PROVES = {"proof_password": PASSWORD}
CHANGES = {"oldpassword": PASSWORD, "password1": "another long pass phrase"}
CHANGES |= {"password2": CHANGES["password1"]}
NEW = {"name": "Nora", "password": "a long pass phrase of Nora"}

ASKS: dict[str, Ask] = {
    "connect_account": Ask(connecting),
    "replace_token": Ask(replacing),
    "change_account": Ask(always(label="Renamed", slots=7)),
    "remove_account": Ask(
        lambda world, _person: {"typed": world.things["paused account"].label}, "paused account"
    ),
    "resume_account": Ask(thing="paused account"),
    "take_snapshots": Ask(
        lambda world, _person: (
            {"request_key": KEY, "server": [world.pk("server")], "note": ""}
            | {"name_pattern": "{server}-{date}"}
        ),
        query=lambda world: {"server": world.pk("server")},
    ),
    "take_snapshot": Ask(always(request_key=KEY, name="before", note="why")),
    "take_snapshot:stop-first": Ask(
        always(request_key=KEY, name="before", note="why", stop_first="on")
    ),
    "start_server": Ask(always(request_key=KEY), "stopped server"),
    "server_tags": Ask(always(tags="web eu")),
    "delete_snapshots": Ask(
        deleting_several, query=lambda world: {"snapshot": world.pk("snapshot")}
    ),
    "restore_snapshot": Ask(restoring),
    "delete_snapshot": Ask(deleting),
    "snapshot_lock": Ask(always(words="Before the audit.")),
    "snapshot_unlock": Ask(always(words="It is over."), "marked snapshot"),
    "snapshot_good": Ask(always(words="Restored and looked at.")),
    "snapshot_not-good": Ask(always(words="It is broken."), "marked snapshot"),
    "snapshot_about": Ask(always(purpose="Upgrade", ticket="OPS-1", owner="Vera", keep_until="")),
    "cancel_operation": Ask(thing="queued create"),
    "cancel_operation:restore": Ask(thing="queued restore"),
    "hold_operation": Ask(thing="queued restore"),
    "release_operation": Ask(thing="held restore"),
    "approve_restore": Ask(deciding, "awaiting_approval restore"),
    "reject_restore": Ask(deciding, "awaiting_approval restore"),
    "break_glass": Ask(deciding, "awaiting_approval restore"),
    "receipt": Ask(thing="succeeded restore"),
    "receipt_json": Ask(thing="succeeded restore"),
    "give_verdict": Ask(always(happened="yes", words="I saw it."), "needs_person create"),
    "give_verdict:restore": Ask(always(happened="no", words="It ran."), "needs_person restore"),
    "live": Ask(query=lambda _world: {"scope": "shell"}),
    "live:server": Ask(query=lambda world: {"scope": f"server:{world.pk('server')}"}),
    "live:snapshot": Ask(query=lambda world: {"scope": f"snapshot:{world.pk('snapshot')}"}),
    "live:account": Ask(query=lambda world: {"scope": f"account:{world.pk('account')}"}),
    "live:operation": Ask(query=lambda world: {"scope": f"operation:{world.pk('operation')}"}),
    "live:batch": Ask(query=lambda world: {"scope": f"batch:{world.pk('batch')}"}),
    "servers:csv": Ask(query=lambda _world: {"format": "csv"}),
    "snapshots:csv": Ask(query=lambda _world: {"format": "csv"}),
    "activity:json": Ask(query=lambda _world: {"format": "json"}),
    "settings": Ask(personal),
    "theme": Ask(always(theme="dark")),
    "language": Ask(always(language="eo")),
    "messages": Ask(lambda world, _person: {"team": world.team.pk, "slow": "nothing"}),
    "create_team": Ask(always(name="Another")),
    "choose_team": Ask(lambda world, _person: {"team": world.team.pk}),
    "rename_team": Ask(always(name="Renamed")),
    "team_guard": Ask(always(guard="open", why="")),
    "tag_guard": Ask(always(guard="guarded", why="")),
    "server_guard": Ask(always(guard="sealed", why="")),
    "lowering": Ask(always(decision="approve", words="")),
    "team_rules": Ask(always(seconds=60, minutes=5)),
    "invite": Ask(always(role="viewer", reach="everything", email="somebody@example.com")),
    "invite:owner": Ask(always(role="owner", reach="everything", email="somebody@example.com")),
    "change_role": Ask(always(role="restorer", reach="everything")),
    "change_role:to-owner": Ask(always(role="owner", reach="everything")),
    "change_role:of-owner": Ask(always(role="viewer", reach="everything"), "owner"),
    "resume_member": Ask(thing="suspended member"),
    "suspend_member:of-owner": Ask(thing="owner"),
    "remove_member:of-owner": Ask(thing="owner"),
    "join:opened": Ask(always(email="nora@new.example", **NEW), opened="open invitation"),
    "join:for-another": Ask(always(**NEW), opened="invitation"),
    "new_webhook_secret": Ask(thing="webhook off"),
    "add_webhook": Ask(a_webhook),
    "add_own_webhook": Ask(lambda world, _person: {"team": world.team.pk} | MINE),
    "webhook": Ask(always(topics=["failed"], **MINE)),
    "webhook:own": Ask(always(**MINE), "own webhook"),
    "switch_webhook_on": Ask(thing="webhook off"),
    "switch_webhook_on:own": Ask(thing="own webhook off"),
    "resend_message": Ask(lambda w, _person: {"message": w.things["delivery"].message_id}),
    "resend_message:own": Ask(
        lambda w, _person: {"message": w.things["own delivery"].message_id}, "own webhook"
    ),
    "new_webhook_secret:own": Ask(thing="own webhook off"),
    **{
        f"{name}:own": Ask(thing="own webhook")
        for name in ("end_old_secret", "test_webhook", "switch_webhook_off", "remove_webhook")
    },
    "account_login": Ask(signing_in),
    "account_signup": Ask(always(email="eve@example.com", password1=CHANGES["password1"])),
    "account_reauthenticate": Ask(always(**PROVES)),
    "account_change_password": Ask(always(**CHANGES)),
    "account_email": Ask(always(email="another@example.com")),
    "account_set_password": Ask(always(**CHANGES)),
    "account_reset_password": Ask(always(email="stranger@example.com")),
    "mfa_activate_totp": Ask(always(code="123456")),
    "mfa_authenticate": Ask(always(code="123456")),
    "mfa_reauthenticate": Ask(always(**PROVES)),
    "mfa_edit_webauthn": Ask(always(name="Laptop")),
    "mfa_add_webauthn": Ask(always(name="Laptop", credential="")),
    "mfa_login_webauthn": Ask(always(credential="{}")),
}

# What stands in an address besides ids of ours.
WORDS = {"uidb36": "1", "key": "a-b", "secret": "s", "provider_id": "none"}


def address_of(row: str, world: World) -> str:
    """Where `row` of the matrix leads, for things of this team."""
    from tests.hardening.table import ROUTES

    name, ask = row.partition(":")[0], ASKS.get(row, Ask())
    given: Body = {}
    for key in ROUTES[name].keys:
        noun = NOUNS[ROUTES[name].route.partition("/")[0]]
        given[key] = WORDS[key] if key in WORDS else world.pk(ask.thing or noun)
    if name == "open_invitation":
        given["secret"] = world.secrets["open invitation"]
    query = ask.query(world)
    return reverse(name, kwargs=given) + (f"?{urlencode(query)}" if query else "")


NOUNS = {
    "accounts": "account",
    "auth": "passkey",
    "first": "",
    "batches": "batch",
    "invitations": "invitation",
    "join": "",
    "members": "member",
    "operations": "operation",
    "servers": "server",
    "snapshots": "snapshot",
    "tags": "tag",
    "lowerings": "lowering",
    "team": "team",
    "webhooks": "webhook",
}
