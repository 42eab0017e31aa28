"""Two teams, each with a word of its own in every text: neither ever reads the other's.

The matrix looks for it in every answer to everybody; here every link is followed, and lists are
narrowed, taken away as files and polled; and what is sent to people and machines is read.
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.core import mail
from django.db import models

from snapshots import notices
from snapshots.models import Delivery, Event, Webhook
from snapshots.notices.payload import body
from tests.hardening.asks import ASKS, Ask, address_of
from tests.hardening.scene import Scene, World
from tests.hardening.table import ROUTES
from tests.hardening.visits import PASSING, ready, undone, writes

# Columns that hold no words of anybody's: codes, ids, seals and times of ours.
CODES = {
    "approval": "what digest",
    "account": "api_url sealed_token token_hint mirrored paused",
    "attempt": "outcome",
    "authenticator": "type",
    "batch": "kind",
    "delivery": "topic message_id state trouble",
    "emailaddress": "",
    "epoch": "why",
    "event": "verb address request_id mac",
    "invitation": "role secret_hash",
    "membership": "role suspended_by_name",
    "operation": "kind lock_key marker state reason remote_id",
    "restoreplan": "digest",
    "scope": "",
    "tag": "guard",
    "team": "guard",
    "lowering": "guard state",
    "server": "remote_id status guard",
    "snapshot": "remote_id status",
    "user": "password time_zone theme density language",
    "usersession": "session_key user_agent data",
    "webhook": "topics sealed_secret sealed_old_secret off",
    "wish": "topic scope",
}
LINK = re.compile(r'\s(?:href|action|hx-get|hx-post|data-href|src)="([^"#]*)')
SCOPES = ("server", "account", "snapshot", "operation", "batch")
LISTS = ("/servers/", "/snapshots/", "/activity/")
FILTERS = (
    "q",
    "server",
    "snapshot",
    "account",
    "person",
    "team",
    "tag",
    "maker",
    "state",
    "status",
)
MOST = 2  # addresses that differ only in what their query asks for


def words_of(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [field for field in model._meta.concrete_fields if isinstance(field, kinds)]


def test_the_word_stands_in_every_text_that_there_is(scene):
    """So that a new column of words gets into the scene, and is looked for."""
    without = []
    for model in apps.get_models():
        name = model._meta.model_name or ""
        if model._meta.app_label in ("sessions", "contenttypes", "auth") or name not in known():
            continue
        said = repr(list(model._base_manager.values()))
        for field in words_of(model):
            values = repr(list(model._base_manager.values_list(field.name)))
            if field.name not in CODES.get(name, "").split() and "northwind" not in values:
                without.append(f"{name}.{field.name}")
        names = {field.name for field in words_of(model)} - set(CODES.get(name, "").split())
        assert "eastmoor" in said or not names, name
    assert without == []


def known() -> set[str]:
    return {model._meta.model_name or "" for model in apps.get_models() if model.objects.exists()}


def crawl(scene: Scene, who: str, first: list[str]) -> dict[str, str]:
    """Every address that can be reached by links, and what it answers."""
    client, left, found = ready(scene, "overview", who), list(first), dict[str, str]()
    often: dict[Any, int] = {}
    while left:
        address = left.pop(0)
        parts = urlsplit(address)
        names = tuple(sorted(word.partition("=")[0] for word in parts.query.split("&")))
        asked = (parts.path, names) if parts.query else address
        often[asked] = often.get(asked, 0) + 1
        if address in found or often[asked] > MOST or parts.path.startswith("/static/"):
            continue
        answer = client.get(address, headers={"Accept-Language": "en"})
        said = b"".join(answer) if answer.streaming else answer.content
        found[address] = said.decode() + repr(answer.headers)
        for link in LINK.findall(said.decode()):
            link = unescape(link)
            if link.startswith(("/", "?")) and not link.startswith("//"):
                left.append(link if link.startswith("/") else parts.path + link)
    return found


def is_there(row: str, at: World) -> bool:
    return not ASKS.get(row, Ask()).thing or ASKS[row].thing in at.things


def everywhere(scene: Scene, world: World) -> list[str]:
    """Where no link leads: each address with one's own and the other's ids, as a file, polled."""
    addresses = ["/"]
    for at in (scene.ours, scene.theirs):
        rows = {*ROUTES, *ASKS} - {"open_invitation"}
        addresses += [address_of(row, at) for row in sorted(rows) if is_there(row, at)]
        addresses += [f"/live/?scope={noun}:{at.pk(noun)}&since=" for noun in SCOPES]
        addresses += [f"{path}?{one}={at.pk(one)}" for path in LISTS for one in FILTERS[1:4]]
    addresses += [f"/live/?scope={noun}&since=" for noun in ("shell", "overview", "accounts")]
    addresses += [f"/live/?scope={path.strip('/')}&since=" for path in LISTS]
    addresses += [f"{path}?format={form}" for path in LISTS for form in ("csv", "json")]
    other = scene.theirs if world is scene.ours else scene.ours
    addresses += [f"{path}?format=csv&{one}={other.word[:5]}" for path in LISTS for one in FILTERS]
    return addresses


@pytest.mark.parametrize("who", ["alice", "mallory"])
def test_no_page_file_or_poll_tells_of_the_other_team(scene, who):
    world = scene.ours if who in scene.ours.people else scene.theirs
    other = scene.theirs if world is scene.ours else scene.ours
    with undone(), writes() as written:
        found = crawl(scene, who, everywhere(scene, world))
        # Sessions and limits, and one's own address, which django-allauth copies when it is shown.
        assert written <= PASSING | {"account_emailaddress"}, "somebody only looked"
    asked_for = (other.word, other.word[:5])  # what was typed is shown again
    leaks = [at for at, said in found.items() if other.word in said and asked_for[1] not in at]
    assert leaks == []
    assert len(found) > 150
    assert sum(world.word in said for said in found.values()) > 30


def test_a_busy_machine_is_not_said_to_be_the_other_teams(scene):
    """Both teams have connected one account: what the other does is told without a name."""
    at = f"/servers/{scene.ours.pk('shared server')}/"
    client = ready(scene, "server", "alice")
    with undone():
        for address, data in (
            (f"{at}snapshots/new/", {"name": "mine"}),
            (f"/snapshots/{scene.ours.pk('shared snapshot')}/restore/", {"typed": "x"}),
        ):
            for answer in (client.get(at), client.get(address), client.post(address, data)):
                assert "eastmoor" not in answer.content.decode()


def test_messages_tell_each_team_its_own(scene, settings):
    settings.EMAIL_IS_SENT = True
    with undone():
        lines = Event.objects.filter(server__isnull=False)
        assert lines.update(to_tell=True) > 10
        notices.write_messages()
        told = list(Delivery.objects.select_related("team", "webhook", "event", "user"))
        assert {one.team for one in told} == {scene.ours.team, scene.theirs.team}
        Webhook.objects.update(off="person")  # nothing leaves this machine
        notices.deliver()
        for world, other in ((scene.ours, scene.theirs), (scene.theirs, scene.ours)):
            mails = [one for one in mail.outbox if world.word in one.to[0]]
            assert mails
            assert not [one.subject for one in mails if other.word in one.message().as_string()]
            posts = [body(one) for one in told if one.webhook and one.team == world.team]
            assert posts
            assert not [one for one in posts if other.word in json.dumps(str(one))]
