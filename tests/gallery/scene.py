"""A believable house: two teams at work, an empty one, and something in every state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.utils import timezone

from snapshots import invitations, teams
from snapshots import operations as verbs
from snapshots.models import (
    Account,
    Attempt,
    Batch,
    Delivery,
    Event,
    Lowering,
    Operation,
    RestorePlan,
    Role,
    Server,
    Snapshot,
    Tag,
    Team,
    User,
    Webhook,
)
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation

PASSWORD = "a picture of a password"
SYSTEMS = ("Debian 12", "Ubuntu 24.04 LTS", "AlmaLinux 9")
PLANS = (("Standard VPS", 2, 4096, 80), ("Performance VPS", 4, 8192, 160))
LONG_NAME = "proxy-eu-1.customers.northwind.example"
FLEET = (
    ("web-1", "nightly", (0.6, 1.6, 2.6)),
    ("web-2", "nightly", (0.6, 1.6, 2.6)),
    ("db-1", "nightly", (0.7, 1.7, 2.7, 3.7, 4.7)),
    ("db-2", "before-upgrade", (9.2, 31.0)),
    ("cache-1", "weekly", (3.1, 10.1)),
    ("mail-1", "weekly", (2.2, 9.2, 16.2)),
    ("build-7", "clean", (41.0,)),
    ("shop", "release-114", (1.2, 8.4, 23.0)),
    ("wiki", "weekly", (5.4, 12.4)),
    (LONG_NAME, "nightly", (0.5, 1.5)),
    ("sandbox", "", ()),
)
LINES: list[Event] = []  # the history, until all of it can be written in its order


@dataclass
class Scene:
    """Who and what the pictures are of."""

    people: dict[str, User]
    teams: dict[str, Team]
    servers: dict[str, Server]
    operations: dict[str, Operation]
    accounts: dict[str, Account]
    batch: Batch
    webhook: Webhook
    own_webhook: Webhook
    lowering: Lowering
    secret: str


def build() -> Scene:
    people = {
        nick: User.objects.create_user(f"{nick}@example.com", PASSWORD, name=name)
        for nick, name in (
            ("alice", "Alice Moreau"),
            ("adam", "Adam Kowalski"),
            ("rosa", "Rosa Lindqvist"),
            ("oscar", "Oscar Haddad"),
            ("vera", "Vera Novák"),
            ("lena", "Lena Fischer"),
            ("emma", "Emma Sato"),
            ("finn", "Finn Berger"),
            ("zoe", "Zoe Almeida"),
        )
    }
    User.objects.update(time_zone="Europe/Berlin")
    with transaction.atomic():
        TOTP.activate(people["zoe"], "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        RecoveryCodes.activate(people["zoe"])
    claims = {"userinfo": {"email": "zoe.almeida@id.example.com"}}
    SocialAccount.objects.create(user=people["zoe"], provider="sso", uid="17", extra_data=claims)
    northwind = teams.create_team("Northwind", owner=people["alice"])
    labs = teams.create_team("Southwind Labs", owner=people["finn"])
    harbour = teams.create_team("Harbour", owner=people["emma"])
    for nick, role in (
        ("adam", Role.ADMIN),
        ("rosa", Role.RESTORER),
        ("oscar", Role.OPERATOR),
        ("vera", Role.VIEWER),
        ("lena", Role.VIEWER),
    ):
        teams.add_member(northwind, people[nick], role, actor=people["alice"])
    teams.add_member(labs, people["lena"], Role.ADMIN, actor=people["finn"])
    _invitation, secret = invitations.invite(
        northwind, Role.RESTORER, actor=people["alice"], email="nora@example.com"
    )
    accounts = dict(_accounts(northwind, labs))
    servers = dict(_fleet(accounts))
    operations = dict(_operations(servers, people))
    batch = _batch(northwind, servers, people)
    _marks(servers["db-1"], people["rosa"])
    lowering = _guards(servers, people["adam"])
    LINES.extend(_sign_ins(people["alice"], people["rosa"]))
    Event.objects.bulk_create(sorted(LINES, key=lambda line: line.at))
    LINES.clear()
    webhook, own = _webhooks(northwind, operations, people["lena"])
    return Scene(
        people,
        {"northwind": northwind, "labs": labs, "harbour": harbour},
        servers,
        operations,
        accounts,
        batch,
        webhook,
        own,
        lowering,
        secret,
    )


# -- accounts and servers -------------------------------------------------------------------------


def _accounts(northwind: Team, labs: Team) -> Iterator[tuple[str, Account]]:
    now = timezone.now()
    yield (
        "live",
        an_account(
            northwind,
            "Production",
            identity="ops@northwind.example",
            company="Northwind Trading",
            permissions=["servers:read", "servers:power", "snapshots:*"],
            connected_by_name="Alice Moreau",
            token_at=now - timedelta(days=70),
            token_by_name="Alice Moreau",
            next_pass_at=now + timedelta(seconds=50),
        ),
    )
    yield (
        "stale",
        an_account(
            labs,
            "Staging",
            identity="staging@southwind.example",
            applied_pass_at=now - timedelta(minutes=42),
            complete_pass_at=now - timedelta(minutes=42),
            next_pass_at=now + timedelta(seconds=40),
            trouble="HTTP 503 Service Unavailable",
            trouble_since=now - timedelta(minutes=41),
            failed_passes=12,
        ),
    )
    yield (
        "paused",
        an_account(labs, "Lab machines", paused="person", paused_at=now - timedelta(hours=3)),
    )
    yield (
        "refused",
        an_account(
            labs,
            "Customers",
            paused="token",
            paused_at=now - timedelta(hours=1),
            trouble="HTTP 401 Invalid token.",
            trouble_since=now - timedelta(hours=1),
        ),
    )
    yield (
        "key_lost",
        an_account(labs, "Archive", paused="key", paused_at=now - timedelta(minutes=9)),
    )


def _fleet(accounts: dict[str, Account]) -> Iterator[tuple[str, Server]]:
    for n, (name, pattern, days) in enumerate(FLEET):
        plan, vcpus, memory, storage = PLANS[n % 2]
        server = a_server(
            accounts["live"],
            name,
            status={"build-7": "stopped", "wiki": "suspended", "sandbox": "rescue"}.get(
                name, "active"
            ),
            address=f"203.0.113.{10 + n}",
            hostname=f"{name}.northwind.example",
            location=("us-west", "eu-north")[n % 2],
            os=SYSTEMS[n % 3],
            plan=plan,
            vcpus=vcpus,
            memory_mb=memory,
            storage_gb=storage,
            created_at=timezone.now() - timedelta(days=300 + n),
        )
        for number, age in enumerate(days):
            day = timezone.now() - timedelta(days=age)
            a_snapshot(
                server,
                pattern if pattern.endswith("114") and not number else f"{pattern}-{day:%m-%d}",
                age,
                size_mb=2_150 + 1_913 * n + 310 * number,
                description="Before the OpenSSL update" if number == 1 else "",
            )
        yield name, server
    for name, account in (
        ("stage-1", accounts["stale"]),
        ("stage-2", accounts["stale"]),
        ("lab-1", accounts["paused"]),
        ("customer-204", accounts["refused"]),
    ):
        server = a_server(account, name)
        a_snapshot(server, "weekly", 4.5)
        yield name, server


# -- operations -----------------------------------------------------------------------------------


def _operations(
    servers: dict[str, Server], people: dict[str, User]
) -> Iterator[tuple[str, Operation]]:
    alice, rosa, oscar, finn = (people[nick] for nick in ("alice", "rosa", "oscar", "finn"))
    now = timezone.now()
    for n in range(24):  # from which estimates learn
        server = servers[("web-1", "web-2", "db-1", "cache-1")[n % 4]]
        _told("create", server, "succeeded", oscar, now - timedelta(days=3 + 2.3 * n), 200 + 13 * n)
    for n, name in enumerate(("wiki", "mail-1", "shop")):
        of = servers[name].snapshots.earliest("created_at")
        days = timedelta(days=3 + 8 * n)
        _told("restore", servers[name], "succeeded", rosa, now - days, 460 + 90 * n, snapshot=of)

    def ago(**span: float) -> datetime:
        return now - timedelta(**span)

    def newest(name: str) -> Snapshot:
        return servers[name].snapshots.latest("created_at")

    for kind, name, state, by, at, seconds, more in (
        ("restore", "shop", "succeeded", rosa, ago(hours=20), 540, {"snapshot": newest("shop")}),
        ("create", "wiki", "failed", oscar, ago(hours=5), 40, _refused("The server is suspended.")),
        ("create", LONG_NAME, "cancelled", oscar, ago(hours=4), 9, {}),
        ("delete", "cache-1", "succeeded", rosa, ago(hours=3), 4, {"snapshot": newest("cache-1")}),
        ("restore", "cache-1", "not_applied", rosa, ago(hours=2), 300,
         {"snapshot": newest("cache-1"), "reason": "verdict",
          "details": {"person": rosa.name, "words": "The panel shows no restore that day."}}),
        ("create", "build-7", "expired", oscar, ago(minutes=95), 600, {"reason": "too_late"}),
        ("create", "mail-1", "in_doubt", oscar, ago(minutes=12), 0,
         {"reason": "no_answer", "details": {"words": "the connection was closed"}}),
        ("restore", "db-2", "needs_person", rosa, ago(minutes=47), 0,
         {"snapshot": newest("db-2"), "reason": "undecided"}),
        ("create", "web-1", "running", oscar, ago(minutes=2, seconds=10), 0,
         {"name": "before-nginx", "note": "Before the nginx update"}),
        ("restore", "web-2", "running", rosa, ago(minutes=9), 0, {"snapshot": newest("web-2")}),
        ("create", "cache-1", "queued", alice, ago(seconds=8), 0, {"name": "before-upgrade"}),
        ("delete", "web-1", "waiting", rosa, ago(seconds=50), 0, {"snapshot": newest("web-1")}),
        ("restore", "wiki", "awaiting_approval", rosa, ago(minutes=14), 0,
         {"snapshot": newest("wiki"), "send_before": now + timedelta(minutes=226)}),
        ("create", "stage-1", "running", finn, ago(minutes=44), 0, {"slow_at": ago(minutes=30)}),
    ):  # fmt: skip
        yield f"{state} {kind} {name}", _told(kind, servers[name], state, by, at, seconds, **more)


def _refused(words: str) -> dict[str, Any]:
    return {"reason": "provider_said", "details": {"words": words}}


def _told(
    kind: str,
    server: Server,
    state: str,
    by: User,
    at: datetime,
    seconds: float,
    **more: Any,
) -> Operation:
    """An operation asked for `at`, with its lines in the history and what was sent."""
    ended = at + timedelta(seconds=seconds) if seconds else None
    unsent = {"awaiting_approval", "queued", "waiting", "cancelled", "expired"}
    sent = None if state in unsent else at + timedelta(seconds=2)
    verdict = "said_no" if more.get("reason") == "verdict" else state
    took = state in {"running", "succeeded"} and kind != "delete"
    fields = {
        "created_at": at,
        "sent_at": sent,
        "accepted_at": at + timedelta(seconds=3) if took else None,
        "ended_at": ended,
        "name": more["snapshot"].name if "snapshot" in more else f"by-hand-{at:%m-%d}",
        "attempt_count": 1 if sent else 0,
        "confirmed": {"id": more["snapshot"].remote_id} if "snapshot" in more else {},
    } | more
    if kind == "create" and state == "succeeded":
        fields["snapshot"] = server.snapshots.filter(name=fields["name"]).first()
    operation = an_operation(kind, server, state, by, **fields)
    if state == "awaiting_approval":
        _planned(operation)
        state = verdict = "approval_wanted"
    told = ["asked", *(["sending"] if sent else []), *(["running"] if took else [])]
    if state not in {"queued", "waiting", "running"}:
        told.append(verdict)
    for n, verb in enumerate(told):
        _line(operation, verb, ended if verb == verdict and ended else at + timedelta(seconds=n))
    if sent:
        unclear = {"in_doubt", "needs_person", "not_applied"}
        outcome = "accepted" if took else "unknown" if state in unclear else "declined"
        Attempt.objects.create(
            operation=operation,
            number=1,
            claimed_at=sent,
            deadline=sent + timedelta(seconds=30),
            outcome=outcome,
            status={"accepted": 202, "declined": 400}.get(outcome),
            excerpt=fields.get("details", {}).get("words", ""),
            answered_at=sent + timedelta(seconds=1),
        )
    return operation


def _planned(restore: Operation) -> None:
    """What was confirmed; its server needs a second person."""
    Server.objects.filter(pk=restore.server_id).update(
        guard="guarded", guard_by_name="Alice Moreau"
    )
    assert restore.snapshot is not None
    facts = verbs.plan(restore.snapshot).facts
    kept = RestorePlan(operation=restore, facts=facts, shown_at=restore.created_at)
    kept.digest = kept.agreed
    kept.save()


def _line(operation: Operation, verb: str, at: datetime) -> None:
    asked = verb in {"asked", "cancelled", "said_no", "approval_wanted"}
    LINES.append(
        Event(
            at=at,
            team=operation.team,
            verb=f"{operation.kind}.{verb}",
            actor=operation.asked_by if asked else None,
            actor_name=operation.asked_by_name if asked else "",
            account=operation.account,
            server=operation.server,
            snapshot=operation.snapshot,
            operation=operation,
            address="203.0.113.200" if asked else "",
            data={
                "server": operation.server.name,
                "snapshot": operation.name,
                "account": operation.account.label,
                "reason": operation.reason,
                **operation.details,
            },
        )
    )


def _sign_ins(*people: User) -> Iterator[Event]:
    for person in people:
        for hours, verb in ((30, "not_let_in"), (29, "signed_in"), (5, "password_set")):
            yield Event(
                at=timezone.now() - timedelta(hours=hours),
                verb=f"person.{verb}",
                actor=person,
                actor_name=str(person),
                address="2001:db8:4a::17",
            )


# -- several at once, and being told --------------------------------------------------------------


def _batch(team: Team, servers: dict[str, Server], people: dict[str, User]) -> Batch:
    began = timezone.now() - timedelta(minutes=6)
    wiki, oscar = servers["wiki"], people["oscar"]
    batch = Batch.objects.create(
        team=team,
        kind="create",
        asked_by=oscar,
        asked_by_name=oscar.name,
        created_at=began,
        refused=[
            {
                "server": wiki.pk,
                "snapshot": None,
                "name": "wiki",
                "why": "wiki is suspended: the provider takes no snapshot of it.",
            }
        ],
    )
    for name, state, seconds in ((LONG_NAME, "succeeded", 230), ("build-7", "running", 0)):
        _told(
            "create",
            servers[name],
            state,
            oscar,
            began,
            seconds,
            batch=batch,
            name="before-patch",
        )
    return batch


def _webhooks(
    team: Team, operations: dict[str, Operation], person: User
) -> tuple[Webhook, Webhook]:
    """The team's, and one of `person`'s own."""
    own = Webhook.objects.create(
        team=team,
        member=team.memberships.get(user=person),
        name="My phone",
        address="https://phone.example.com/push",
    )
    webhook = Webhook.objects.create(
        team=team,
        name="Chat of the operators",
        address="https://chat.northwind.example/hooks/holdfast",
        topics=["failed", "in_doubt", "needs_person"],
    )
    for key, state, more in (
        ("failed create wiki", "sent", {"status": 204, "attempts": 1}),
        ("in_doubt create mail-1", "waiting", {"trouble": "status", "status": 503, "attempts": 2}),
        ("needs_person restore db-2", "failed", {"trouble": "unreached", "attempts": 9}),
    ):
        event = operations[key].events.latest("pk")
        for to in ({"webhook": webhook}, {"webhook": own}, {"user": operations[key].asked_by}):
            about = {"team": team, "event": event, "topic": "failed", "state": state}
            Delivery.objects.create(**about, **to, **more)
    return webhook, own


# -- what is said of snapshots --------------------------------------------------------------------


def _guards(servers: dict[str, Server], by: User) -> Lowering:
    """One of each level; that of a tag is to be lowered."""
    team, said = servers["web-1"].account.team, {"guard_by_name": str(by)}
    prod = Tag.objects.create(team=team, word="prod", guard="guarded", **said)
    prod.servers.add(servers["db-2"], servers["mail-1"])
    for name, guard in (("build-7", "sealed"), (LONG_NAME, "open")):
        Server.objects.filter(pk=servers[name].pk).update(guard=guard, **said)
    return Lowering.objects.create(
        team=team,
        tag=prod,
        guard="careful",
        why="The move to the new disks, until Friday",
        asked_by=by,
        asked_by_name=str(by),
    )


def _marks(server: Server, by: User) -> None:
    """The newest is to be kept, the one before is locked, and the oldest is known to be good."""
    newest, before, *_more, oldest = server.snapshots.order_by("-created_at")
    day = timezone.localdate()
    verbs.describe(
        newest,
        actor=by,
        purpose="Before the new compiler",
        ticket="BUILD-114",
        owner="Oscar",
        keep_until=day + timedelta(days=30),
    )
    until = timezone.now() + timedelta(days=20)
    verbs.lock(before, actor=by, words="The audit of the release needs it", until=until)
    verbs.mark_good(oldest, actor=by, words="All builds of the release passed")
