"""Two teams at work, the same in everything but one word that stands in every text of theirs.

`northwind` in a page of the other team, or `eastmoor` in one of Northwind's, has leaked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.cache import cache as of_the_site
from django.test import Client
from django.test.client import ClientHandler
from django.utils import timezone

from snapshots import invitations, operations, teams
from snapshots.models import (
    Approval,
    Attempt,
    Batch,
    Delivery,
    Event,
    Lowering,
    Membership,
    Operation,
    Pass,
    RestorePlan,
    Role,
    Scope,
    Server,
    Sighting,
    State,
    Tag,
    Team,
    Topic,
    User,
    Webhook,
    Wish,
)
from tests.conftest import Stage, prove
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation

PASSWORD = "a password of the matrix"
COLUMNS = ("nobody", "suspended", "mallory", "lena", "vera", "oscar", "rosa", "adam", "alice")
NORTHWIND = {
    "alice": Role.OWNER,
    "adam": Role.ADMIN,
    "rosa": Role.RESTORER,
    "oscar": Role.OPERATOR,
    "vera": Role.VIEWER,
    "lena": Role.RESTORER,
    "suspended": Role.ADMIN,
}
SPECIAL = ("suspended", "lena")
EASTMOOR = {
    "mallory": Role.OWNER,
    "adele": Role.ADMIN,
    "ruben": Role.RESTORER,
    "olga": Role.OPERATOR,
    "vito": Role.VIEWER,
}


@dataclass(repr=False)
class World:
    """One team: who is in it, and one of everything by its noun. `word` is in every text."""

    word: str
    team: Team
    people: dict[str, User]
    token: str  # of the provider account, as its owner would paste it
    things: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)  # of invitations

    def pk(self, noun: str) -> int:
        return self.things[noun].pk


@dataclass(repr=False)
class Scene:
    ours: World
    theirs: World
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def people(self) -> dict[str, User]:
        return self.ours.people | self.theirs.people

    def client(self, nick: str, *, checks_csrf: bool = False) -> Client:
        """A browser of theirs."""
        client = Client()
        client.handler = _handler(checks_csrf)
        if nick != "nobody":
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[nick]
        return client

    def sign_everybody_in(self) -> None:
        for nick, person in self.people.items():
            client = Client()
            person.refresh_from_db()  # whose sessions were ended may sign in again
            client.force_login(person)
            prove(client)
            self.sessions[nick] = client.cookies[settings.SESSION_COOKIE_NAME].value


@cache
def _handler(checks_csrf: bool) -> ClientHandler:
    """For all of thousands of clients: each would look through the static files anew."""
    return ClientHandler(enforce_csrf_checks=checks_csrf)


@cache
def _hashed() -> str:
    """Once for everybody: that it takes long is its purpose."""
    return make_password(PASSWORD)


def build(stage: Stage) -> Scene:
    of_the_site.clear()
    ours = _world(stage, "northwind", NORTHWIND)
    theirs = _world(stage, "eastmoor", EASTMOOR)
    for world in (ours, theirs):
        world.secrets["another token"] = stage.provider.account(f"more-{world.word}")
    _same_machine_in_both(ours, theirs)
    scene = Scene(ours, theirs)
    scene.sign_everybody_in()
    return scene


def _world(stage: Stage, word: str, people: dict[str, Role]) -> World:
    made = {
        nick: User.objects.create(
            email=f"{nick}.{word}@example.com", name=f"{nick.title()} {word}", password=_hashed()
        )
        for nick in people
    }
    owner = next(nick for nick, role in people.items() if role == Role.OWNER)
    team = teams.create_team(f"team {word}", owner=made[owner])
    for nick, role in people.items():
        if nick != owner:
            # By nobody: whom one has just let in is no second person to what they ask.
            teams.add_member(team, made[nick], role)
    world = World(word, team, made, stage.provider.account(word))
    by_role = {role: made[nick] for nick, role in people.items() if nick not in SPECIAL}
    _fleet(world, by_role[Role.OPERATOR], by_role[Role.RESTORER])
    _listeners(world, by_role[Role.VIEWER])
    world.things["lowering"] = Lowering.objects.create(
        team=team,
        server=world.things["server"],
        guard="careful",
        why=f"why {word}",
        asked_by=by_role[Role.ADMIN],
        asked_by_name=f"asker {word}",
    )
    Lowering.objects.create(
        team=team,
        why=f"why {word}",
        state="rejected",
        asked_by_name=f"asker {word}",
        decided_by_name=f"decider {word}",
        words=f"words {word}",
    )
    _people(world, by_role)
    return world


def _fleet(world: World, operator: User, restorer: User) -> None:
    word, now = world.word, timezone.now()
    account = an_account(
        world.team,
        f"account {word}",
        api_url=settings.PROVIDER_API_URLS[0],
        identity=f"ops@{word}.example",
        company=f"company {word}",
        permissions=["snapshots:*", f"permission-{word}:*"],
        trouble=f"trouble {word}",
        connected_by_name=f"connector {word}",
        token_by_name=f"replacer {word}",
        token_hint="zzzz",
    )
    account.seal_token(world.token)
    account.save()
    described = {
        "hostname": f"host.{word}.example",
        "address": f"address {word}",
        "location": f"location {word}",
        "plan": f"plan {word}",
        "os": f"system {word}",
    }

    def server(name: str, **more: Any) -> Server:
        return a_server(account, f"{name}-{word}", **(described | more))

    free = server("web")
    snapshot = a_snapshot(free, f"nightly-{word}", description=f"description {word}")
    a_snapshot(free, f"gone-{word}", gone_at=now)
    world.things |= {"account": account, "server": free, "snapshot": snapshot}
    world.things["marked snapshot"] = a_snapshot(
        free,
        f"marked-{word}",
        purpose=f"purpose {word}",
        ticket=f"ticket {word}",
        owner=f"owner {word}",
        locked_at=now,
        locked_by_name=f"locker {word}",
        lock_reason=f"lock {word}",
        good_at=now,
        good_by_name=f"witness {word}",
        good_why=f"good {word}",
    )
    guarded = {"guard": "careful", "guard_by_name": f"setter {word}"}
    tag = Tag.objects.create(team=world.team, word=f"tag-{word}", **guarded)
    for row in (world.team, free):
        type(row).objects.filter(pk=row.pk).update(**guarded)
    tag.servers.add(free)
    world.things["tag"] = tag
    world.things["stopped server"] = server("stopped", status="stopped")
    world.things["paused account"] = an_account(
        world.team, f"paused {word}", paused="person", paused_by=operator, paused_at=now
    )
    names: dict[str, Any] = {"name": f"made-{word}", "note": f"note {word}"}
    names["about"] = {"purpose": f"purpose {word}", "ticket": f"ticket {word}"}
    words = {"words": f"answer {word}", "person": f"judge {word}"}
    for state, kind, by in (
        ("queued", "create", operator),
        ("queued", "restore", restorer),
        ("held", "restore", restorer),
        ("awaiting_approval", "restore", restorer),
        ("running", "create", operator),
        ("needs_person", "create", operator),
        ("needs_person", "restore", restorer),
        ("failed", "create", operator),
        ("succeeded", "restore", restorer),
    ):
        of = server(f"{state}-{kind}")
        more: dict[str, Any] = dict(names)
        if kind == "restore":
            more["snapshot"] = a_snapshot(of, f"{kind}-{word}")
            more["confirmed"] = {"name": f"confirmed {word}"}
        if state == "failed":
            more |= {"reason": "provider_said", "details": words}
        if state == "needs_person":
            more |= {"reason": "undecided", "stopped_by_name": f"stopper {word}"}
        made = an_operation(kind, of, state, by, **more)
        made.asked_by_name = f"asker {word}"
        made.save()
        world.things[f"{state} {kind}"] = made
        if state == "awaiting_approval":
            facts = operations.plan(made.snapshot).facts
            plan = RestorePlan(operation=made, facts=facts, shown_at=now, why_without=f"why {word}")
            plan.digest = plan.agreed
            plan.save()
        if (kind, state) == ("restore", "succeeded"):
            said = {"by_name": f"second {word}", "words": f"answer {word}"}
            Approval.objects.create(operation=made, what="emergency", by=by, **said)
        for verb in ("asked", state) if state in ("failed", "succeeded") else ("asked",):
            _line(world, f"{kind}.{verb}", by, of, operation=made, snapshot=made.snapshot)
    world.things["operation"] = world.things["queued create"]
    _seen(world, world.things["needs_person create"])
    world.things["batch"] = Batch.objects.create(
        team=world.team,
        kind="create",
        asked_by=operator,
        asked_by_name=f"asker {word}",
        refused=[{"server": free.pk, "snapshot": None, "name": free.name, "why": f"why {word}"}],
    )
    Operation.objects.filter(pk=world.pk("running create")).update(batch=world.things["batch"])


def _seen(world: World, operation: Operation) -> None:
    word, now = world.word, timezone.now()
    Attempt.objects.create(
        operation=operation,
        number=1,
        claimed_at=now,
        deadline=now,
        outcome="unknown",
        excerpt=f"excerpt {word}",
        pre_image={"names": [f"before {word}"]},
        answered_at=now,
    )
    look = Pass.objects.create(
        account=operation.account,
        begun_at=now,
        ended_at=now,
        complete=True,
        trouble=f"trouble {word}",
    )
    Sighting.objects.create(
        operation=operation,
        seen_in=look,
        begun_at=now,
        complete=True,
        status=f"status {word}",
        marked=[f"marked {word}"],
        candidates=[f"candidate {word}"],
    )


def _line(world: World, verb: str, by: User, server: Server, **more: Any) -> Event:
    word = world.word
    data = {"server": server.name, "account": f"account {word}", "snapshot": f"snapshot {word}"}
    data |= {"words": f"words {word}", "reason": f"reason {word}", "name": f"named {word}"}
    return Event.objects.create(
        team=world.team,
        verb=verb,
        actor=by,
        actor_name=f"actor {word}",
        account=server.account,
        server=server,
        data=data,
        **more,
    )


def _listeners(world: World, viewer: User) -> None:
    word, member = world.word, Membership.objects.get(user=viewer, team=world.team)
    for noun, whose in (("webhook", None), ("own webhook", member)):
        webhook = Webhook.objects.create(
            team=world.team,
            member=whose,
            name=f"{noun} {word}",
            address=f"https://{word}.example.com/{noun.replace(' ', '-')}",
            topics=[] if whose else Topic.values,
        )
        webhook.sealed_secret = webhook.sealed_old_secret = webhook.seal(
            "whsec_MfKQ9r8GKYqrTwjUPD8I"
        )
        webhook.old_secret_until = timezone.now() + timedelta(hours=1)
        webhook.save()
        world.things[noun] = webhook
        off = {"off": "person", "off_at": timezone.now()}
        world.things[f"{noun} off"] = Webhook.objects.create(
            team=world.team,
            member=whose,
            name=f"{noun} off {word}",
            address=f"https://{word}.example.com/{noun.replace(' ', '-')}-off",
            topics=[] if whose else Topic.values,
            **off,
        )
    event = Event.objects.filter(team=world.team, verb="create.failed").get()
    for to in ({"webhook": world.things["webhook"]}, {"user": viewer}):
        told = Delivery.objects.create(
            team=world.team, event=event, topic="failed", state="failed", trouble="status", **to
        )
        world.things["delivery"] = world.things.get("delivery", told)
    own = {"webhook": world.things["own webhook"], "state": "failed", "trouble": "status"}
    world.things["own delivery"] = Delivery.objects.create(
        team=world.team, event=event, topic="failed", **own
    )
    Wish.objects.create(user=viewer, team=world.team, topic="slow", scope="nothing")


def _people(world: World, by_role: dict[Role, User]) -> None:
    owner, word = by_role[Role.OWNER], world.word
    if "suspended" in world.people:
        theirs = Membership.objects.get(user=world.people["suspended"], team=world.team)
        teams.suspend(theirs, actor=owner)
        world.things["suspended member"] = theirs
        only = Scope.of([world.things["paused account"]], [])
        Membership.objects.filter(user=world.people["lena"]).update(scope=only)
    for noun, role in (("member", Role.OPERATOR), ("viewer", Role.VIEWER), ("owner", Role.OWNER)):
        world.things[noun] = Membership.objects.get(user=by_role[role], team=world.team)
    world.things["team"] = world.team
    world.things["passkey"] = Authenticator.objects.create(
        user=User.objects.create(email=f"kim.{word}@example.com", name=f"Kim {word}"),
        type=Authenticator.Type.WEBAUTHN,
        data={"name": f"key {word}", "credential": {}},
    )
    for noun, email in (("invitation", f"nora.{word}@example.com"), ("open invitation", "")):
        made, secret = invitations.invite(world.team, Role.VIEWER, actor=owner, email=email)
        world.things[noun], world.secrets[noun] = made, secret


def _same_machine_in_both(ours: World, theirs: World) -> None:
    """Both teams have connected the same account once: what one does is seen by the other."""
    for world in (ours, theirs):
        account = an_account(
            world.team,
            f"shared {world.word}",
            api_url="https://shared.example/api/v1",
            identity="shared@example.com",
        )
        server = a_server(account, f"shared-{world.word}", remote_id="77")
        world.things["shared snapshot"] = a_snapshot(server, f"shared-{world.word}")
        world.things["shared server"] = server
    busy = theirs.things["shared server"]
    by = theirs.people["ruben"]
    an_operation("create", busy, State.RUNNING, by, name=f"shared-{theirs.word}")
