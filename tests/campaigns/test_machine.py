"""The real code against the real simulator, in any order that Hypothesis can think of.

People ask, cancel and judge; messages come in any order and twice; workers are killed between any
two statements and slowed down between any two calls; the provider declines, loses and delays; it
is looked at in every state; the clock runs. After every step the checker compares what the provider
saw with what we wrote, and at the end everything must come to an end or before a person.

`MACHINE_EXAMPLES=1000 pytest tests/campaigns/test_machine.py` takes longer, with other examples
each time.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from snapshots import accounts, operations, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.models import (
    Account,
    Membership,
    Operation,
    RestorePlan,
    Role,
    Server,
    Snapshot,
    State,
)
from snapshots.models.operation import ENDED, HOLDING, NOT_SENT, OPEN
from snapshots.operations import approvals
from tests.campaigns.checker import complaints
from tests.conftest import NOW, Stage, fresh, member, person

LONG = int(os.environ.get("MACHINE_EXAMPLES", "0"))

WHICH = st.integers(0, 11)
# Between which two statements a worker is killed; None: it is not.
KILLED = st.one_of(st.none(), st.none(), st.none(), st.integers(1, 40))
# What the provider does with a change. The times that it takes are within what we assume of it.
WIRE: dict[str, dict[str, Any]] = {
    "close_before": {},
    "close_after": {"rst": True},
    "late": {"seconds": 100},
    "garbage": {},
    "cut": {"at": 30},
    "other_ids": {},
    "answer 429": {"status": 429, "body": {"detail": "slow down"}},
    "answer 400": {"status": 400, "body": {"detail": "no"}},
    "answer 401": {"status": 401, "body": {"detail": "Invalid token."}},
    "answer 404": {"status": 404, "body": {"detail": "Not found."}},
    "answer 500": {"status": 500, "body": {"detail": "oops"}},
    "answer 500 done": {"status": 500, "body": "<html>", "apply": True},
    "create_fails": {},
    "never_restoring": {},
}
LISTING: dict[str, dict[str, Any]] = {
    "partial": {},
    "empty": {},
    "stale": {"seconds": 55},
    "answer": {"status": 503},
}
SPANS = st.sampled_from([1, 5, 20, 31, 61, 61, 125, 700, 1000, 4000])
NEARLY = st.sampled_from([1, 5, 31, 61])  # a request may be under way for twice that
OTHERS = st.lists(st.tuples(st.integers(0, 4), WHICH, NEARLY), max_size=2)
DECISIONS = st.sampled_from(["approve", "approve", "approve", "reject", "break_glass"])
WHO = st.sampled_from(["bob", "bob", "bob", "alice", "rosa"])
ADMINISTRATION = [
    "resume",
    "resume",
    "pause",
    "demote",
    "promote",
    "promote",
    "demote Bob",
    "promote Bob",
]
FORMS = [
    "create",
    "creates",
    "delete",
    "deletes",
    "restore",
    "restore, safely",
    "restore, guarded",
    "start",
    "stop, create, start",
]


DELIVERY = {
    "which": WHICH,
    "wire": st.sampled_from([*WIRE, "", "", ""]),
    "killed": KILLED,
    "meanwhile": KILLED,
    "what": OTHERS,
}


class Killed(BaseException):
    """kill -9: nothing of ours catches it, and what was not committed is gone."""


@contextmanager
def at_statement(number: int | None, act: Callable[[], None]) -> Iterator[None]:
    """Do `act` before the database sees statement `number` of what is inside."""
    count = 0

    def meet(execute: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count == number:
            act()
        return execute(*args)

    with connection.execute_wrapper(meet):
        yield


def die() -> None:
    raise Killed


class Machine(RuleBasedStateMachine):
    stage: ClassVar[Stage]
    send: ClassVar[Callable[[int], None]] = staticmethod(operations.send)

    @initialize(
        keeps=st.booleans(),
        asked=st.lists(st.tuples(st.sampled_from(FORMS), WHICH), min_size=1, max_size=3),
    )
    def open(self, keeps: bool, asked: list[tuple[str, int]]) -> None:
        call_command("flush", interactive=False, verbosity=0)
        self.stage.provider.reset()
        self.begin = len(self.stage.provider.log)
        self.token = self.stage.provider.account("Northwind", keeps_descriptions=keeps)
        for name in ("web-1", "db-1", "vault-1"):
            server = self.stage.provider.server(self.token, name)
            for n in range(2):
                self.stage.provider.snapshot(server, f"{name}-{n}", created_at=NOW)
        self.alice = person("Alice")
        team = teams.create_team("Northwind", owner=self.alice)
        team.hold = 5
        team.save()
        self.rosa = member("Rosa", Role.RESTORER, team)
        self.bob = member("Bob", Role.RESTORER, team)
        self.account = accounts.connect(
            team,
            label="Production",
            api_url=self.stage.provider.url,
            token=self.token,
            actor=self.alice,
        )
        self.stage.look(self.account)
        Server.objects.filter(name="vault-1").update(guard="guarded", guard_by_name="Alice")
        self.last_form: Callable[[], Any] = lambda: None
        for what, which in asked:
            self.fill_in(what=what, which=which, killed=None)

    # -- people -----------------------------------------------------------------------------------

    def ask(self, form: Callable[[], Any], killed: int | None) -> None:
        """A form is sent; if the web process is killed over it, it is sent again."""
        self.last_form = form
        try:
            with at_statement(killed, die):
                form()
        except Killed:
            self.ask_again()
        except (Refused, NotAllowed):
            pass

    @rule()
    def ask_again(self) -> None:
        try:
            self.last_form()
        except (Refused, NotAllowed):
            pass

    @rule(what=st.sampled_from(FORMS), which=WHICH, killed=KILLED)
    def fill_in(self, what: str, which: int, killed: int | None) -> None:
        key, more = uuid.uuid4(), {"actor": self.rosa}
        server, snapshots = self.server(which), self.snapshots()
        if "guarded" in what:
            snapshots = [one for one in snapshots if one.server.guard]
        chosen = (snapshots[which % 4 :] + snapshots)[: 1 + which % 3]
        match what:
            case "create" | "stop, create, start":
                more |= {"name": f"copy-{key.hex[:6]}", "stop_first": what != "create"}
                form = partial(operations.request_create, server, **more)
            case "creates":
                form = partial(operations.request_creates, [server, self.server(which + 1)], **more)
            case "start":
                form = partial(operations.request_start, server, **more)
            case _ if not chosen:
                return
            case "delete":
                more["typed"] = chosen[0].name
                form = partial(operations.request_delete, chosen[0], **more)
            case "deletes":
                more["typed"] = operations.delete_phrase(len(chosen))
                form = partial(operations.request_deletes, chosen, **more)
            case _:
                more |= {"typed": chosen[0].server.name, "safety_snapshot": "safely" in what}
                more["seen"] = operations.plan(chosen[0]).sealed(self.rosa)
                more["why_without"] = "It is a test server"
                form = partial(operations.request_restore, chosen[0], **more)
        self.ask(partial(form, request_key=key), killed)

    @rule(which=WHICH, killed=KILLED)
    def cancel(self, which: int, killed: int | None) -> None:
        if operation := self.operation(which):
            self.end_of_click(lambda: operations.cancel(operation, actor=self.rosa), killed)

    @rule(which=WHICH, what=st.sampled_from(["hold", "release", "release"]), killed=KILLED)
    def think_it_over(self, which: int, what: str, killed: int | None) -> None:
        if operation := self.operation(which):
            verb = getattr(operations, what)
            self.end_of_click(lambda: verb(operation, actor=self.rosa), killed)

    @rule(which=WHICH, what=DECISIONS, who=WHO, killed=KILLED)
    def decide_alone(self, **how: Any) -> None:
        self.decide(**how)

    @rule(which=WHICH, what=DECISIONS, who=WHO, killed=KILLED)
    def ask_and_decide(self, which: int, what: str, who: str, killed: int | None) -> None:
        self.fill_in(what="restore, guarded", which=which, killed=None)
        self.decide(which=0, what=what, who=who, killed=killed)

    def decide(self, which: int, what: str, who: str, killed: int | None) -> None:
        """Of a restore that waits for a second person; of another one, sometimes."""
        asked = self.operations(State.AWAITING_APPROVAL) or self.operations()
        if not asked:
            return
        operation, actor = asked[which % len(asked)], getattr(self, who)
        if not RestorePlan.objects.filter(operation=operation).exists():
            return
        more: dict[str, Any] = {"words": "I looked"} if what != "approve" else {}
        if what != "reject":
            more["typed"] = operation.server.name
            more["seen"] = approvals.sealed(operation, actor)
        verb = getattr(approvals, what)
        self.end_of_click(lambda: verb(operation, actor=actor, **more), killed)

    @rule(which=WHICH, happened=st.booleans(), killed=KILLED)
    def judge(self, which: int, happened: bool, killed: int | None) -> None:
        if asked := self.operations(State.NEEDS_PERSON):
            operation = asked[which % len(asked)]
            self.end_of_click(
                lambda: operations.give_verdict(
                    operation, actor=self.rosa, happened=happened, words="I looked"
                ),
                killed,
            )

    def end_of_click(self, click: Callable[[], None], killed: int | None) -> None:
        try:
            with at_statement(killed, die):
                click()
        except (Refused, NotAllowed, Killed):
            pass

    @rule(what=st.sampled_from(ADMINISTRATION))
    def administer(self, what: str) -> None:
        try:
            match what:
                case "resume" | "pause":
                    getattr(accounts, what)(fresh(self.account), actor=self.alice)
                case _:
                    role = Role.RESTORER if "promote" in what else Role.VIEWER
                    who = self.bob if "Bob" in what else self.rosa
                    membership = Membership.objects.get(user=who)
                    teams.change_role(membership, role, actor=self.alice)
        except Refused:
            pass
        self.rosa, self.bob = fresh(self.rosa), fresh(self.bob)

    # -- workers ----------------------------------------------------------------------------------

    def deliver(
        self,
        which: int,
        wire: str,
        killed: int | None,
        meanwhile: int | None,
        what: list[tuple[int, int, int]],
    ) -> None:
        """A message reaches a worker, for the first or the tenth time."""
        queued = self.operations(State.QUEUED)
        operation = queued[which % len(queued)] if queued and which < 9 else self.operation(which)
        if operation is None:
            return
        self.fill_buckets()
        if wire:
            kind, *_ = wire.split()
            path = {"never_restoring": "/restore/", "create_fails": "^/snapshots/$"}.get(kind)
            change = {"method": "DELETE"} if operation.kind == "delete" else {"method": "POST"}
            change |= {"path": path} if path else {}
            self.stage.provider.faults.add(kind, **change, **WIRE[wire])

        def act() -> None:
            if killed:
                raise Killed
            if not connection.in_atomic_block:  # no other worker would see our half of it
                self.others(what)

        try:
            with at_statement(killed or meanwhile, act):
                self.send(operation.pk)
        except Killed:
            pass
        self.stage.provider.faults.clear()

    # Three rules, so that it happens often: this is what it is about.
    @rule(**DELIVERY)
    def deliver_first(self, **how: Any) -> None:
        self.deliver(**how)

    @rule(**DELIVERY)
    def deliver_again(self, **how: Any) -> None:
        self.deliver(**how)

    @rule(**DELIVERY)
    def deliver_late(self, **how: Any) -> None:
        self.deliver(**how)

    @rule(
        which=WHICH,
        when=st.sampled_from(["before", "after"]),
        what=OTHERS,
    )
    def deliver_and_hang(self, which: int, when: str, what: list[tuple[int, int, int]]) -> None:
        """While the provider keeps a worker waiting, others go on; then its answer comes."""
        queued = self.operations(State.QUEUED)
        if not queued:
            return
        operation = queued[which % len(queued)]
        self.fill_buckets()
        method = "DELETE" if operation.kind == "delete" else "POST"
        self.stage.provider.faults.add("hang", method=method, when=when)
        event = "arrived" if when == "before" else "applied"
        count = len(self.changes(event))
        worker = threading.Thread(target=self.in_thread, args=(operation.pk,))
        worker.start()
        while worker.is_alive() and len(self.changes(event)) == count:
            worker.join(0.005)
        if worker.is_alive():
            self.others(what)
        self.stage.provider.faults.clear()
        worker.join(30)

    def in_thread(self, pk: int) -> None:
        try:
            self.send(pk)
        finally:
            connection.close()

    def changes(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.stage.provider.log if e["event"] == event and e["method"] != "GET"]

    def others(self, what: list[tuple[int, int, int]]) -> None:
        """What somebody else does in the middle of a worker's work."""
        for n, which, seconds in what:
            match n:
                case 0:
                    self.stage.later(seconds=seconds)
                case 1:
                    operations.sweep()
                case 2:
                    self.cancel(which=which, killed=None)
                case 3:
                    self.stage.look(self.account)
                case 4 if operation := self.operation(which):
                    self.send(operation.pk)

    @rule(killed=KILLED)
    def tick(self, killed: int | None) -> None:
        try:
            with at_statement(killed, die):
                operations.sweep()
        except Killed:
            return
        for pk in operations.due():
            self.fill_buckets()
            self.send(pk)

    @rule(fault=st.sampled_from(["", "", "", *LISTING]), killed=KILLED)
    def look(self, fault: str, killed: int | None) -> None:
        if fault:
            options = {"times": 1} | LISTING[fault]
            self.stage.provider.faults.add(fault, method="GET", path="^/snapshots/$", **options)
        try:
            with at_statement(killed, die):
                self.stage.look(self.account)
        except Killed:
            pass
        self.stage.provider.faults.clear()

    # -- the rest of the world --------------------------------------------------------------------

    @rule(seconds=SPANS)
    def time_passes(self, seconds: int) -> None:
        self.stage.later(seconds=seconds)

    @rule(which=WHICH, what=st.sampled_from(["rename", "create", "delete", "power", "restore"]))
    def outside(self, which: int, what: str) -> None:
        """Somebody acts in the provider's panel, where nothing of ours is on its way."""
        snapshot = self.snapshot(which)
        server = snapshot.server if snapshot else self.server(which)
        if server.operations.filter(state__in=set(HOLDING) - set(NOT_SENT)).exists():
            return
        panel = self.stage.provider.outside
        try:
            match what:
                case "rename":
                    panel.rename_server(server.remote_id, f"{server.name}x"[:20])
                case "create":
                    panel.create_snapshot(server.remote_id, "by-hand")
                case "delete" if snapshot:
                    panel.delete_snapshot(snapshot.remote_id)
                case "power":
                    action = "start" if server.status == "stopped" else "stop"
                    panel.power(server.remote_id, action)
                case "restore" if snapshot:
                    panel.restore_snapshot(snapshot.remote_id)
        except Exception:  # the panel refuses it too
            return

    # -- what must hold ---------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        if hasattr(self, "begin"):
            found = complaints(self.stage.provider.log[self.begin :])
            assert not found, "\n".join(found)
        if connection.queries_log.maxlen:
            connection.queries_log.clear()

    def teardown(self) -> None:
        """Everything works again, and time passes: nothing is left without somebody to move it."""
        if not hasattr(self, "begin"):
            return
        self.stage.provider.faults.clear()
        Membership.objects.filter(user=self.rosa).update(role=Role.RESTORER)
        Account.objects.update(paused="", paused_at=None)
        for minutes in (1, 1, 1, 1, 2, 16, 2, 2, 61, 2, 16, 2, 24 * 60, 2, 2, 48 * 60, 2, 2):
            if not Operation.objects.filter(state__in=OPEN).exists():
                break
            self.stage.later(minutes=minutes)
            self.tick(killed=None)
            self.stage.look(self.account)
            self.all_is_well()
        left = Operation.objects.filter(state__in=OPEN).exclude(state=State.NEEDS_PERSON)
        asked = Operation.objects.filter(state=State.NEEDS_PERSON).values_list("lock_key")
        stuck = left.exclude(lock_key__in=asked)  # what stands behind one that needs a person
        assert not stuck, [(one, one.state, one.reason) for one in stuck]

    # -- pieces -----------------------------------------------------------------------------------

    def operations(self, *states: State) -> list[Operation]:
        known = Operation.objects.filter(state__in=states or State.values).order_by("pk")
        return list(known.select_related("server", "team", "snapshot"))

    def operation(self, which: int) -> Operation | None:
        """One that is open rather than one that has ended; sometimes that too."""
        known = sorted(self.operations(), key=lambda one: (one.state in ENDED, one.pk))
        open_ones = [one for one in known if one.state not in ENDED]
        chosen = known if which == 11 else open_ones
        return chosen[which % len(chosen)] if chosen else None

    def server(self, which: int) -> Server:
        known = Server.objects.order_by("pk").select_related("account__team")
        return list(known)[which % 2]

    def snapshots(self) -> list[Snapshot]:
        known = Snapshot.objects.filter(gone_at=None, status="completed").order_by("pk")
        return list(known.select_related("server__account__team", "account__team"))

    def snapshot(self, which: int) -> Snapshot | None:
        known = self.snapshots()
        return known[which % len(known)] if known else None

    def fill_buckets(self) -> None:
        Account.objects.update(reads_left=30)


PROFILE = settings(
    max_examples=LONG or 15,
    stateful_step_count=40 if LONG else 25,
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_nothing_is_sent_twice_lost_or_said_falsely(stage):
    Machine.stage = stage
    run_state_machine_as_test(Machine, settings=PROFILE)


class Naive(Machine):
    """As one would write it: look whether it is queued, send, and write down that it was."""

    @staticmethod
    def send(pk: int) -> None:
        operation = Operation.objects.filter(pk=pk, state=State.QUEUED).first()
        if operation is not None:
            with operation.account.client() as client:
                try:
                    client.restore_snapshot(operation.confirmed["id"], operation.server.remote_id)
                except Exception:
                    return
            Operation.objects.filter(pk=pk).update(state=State.RUNNING)


@pytest.mark.django_db(transaction=True)
def test_the_checker_sees_what_a_naive_sender_does(stage):
    Naive.stage = stage
    with pytest.raises(AssertionError, match="was sent without a claim"):
        run_state_machine_as_test(Naive, settings=settings(PROFILE, phases=[Phase.generate]))
