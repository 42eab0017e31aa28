"""A message is delivered at least once, at its times, and keeps nothing else from its turn."""

from __future__ import annotations

import json
import re
import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from snapshots import events, notices, teams
from snapshots.events import Verb
from snapshots.models import Delivery, Event, Operation, Role, Webhook
from snapshots.notices import delivery as delivering
from snapshots.notices import webhooks
from tests.conftest import fresh, member, take
from tests.notices.conftest import OK, a_tick, subjects, verifies
from tests.provider.client.peer import answer

ERROR = answer(500, b"canary-in-the-answer")
GONE = answer(410)


@pytest.fixture
def operation(stage, server, oscar):
    return take(server, oscar)


def fails(operation: Operation) -> Event:
    """A line that calls for messages."""
    return events.record(
        Verb.CREATE_FAILED,
        team=operation.team,
        account=operation.account,
        server=operation.server,
        operation=operation,
        why="the provider said no",
    )


def only() -> Delivery:
    return Delivery.objects.get()


def test_a_webhook_gets_the_line_signed(stage, operation, receiving):
    there = receiving()
    event = fails(operation)
    a_tick()
    [(headers, body)] = there.heard
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "holdfast"
    assert headers["webhook-timestamp"] == str(int(timezone.now().timestamp()))
    assert verifies(headers, body, there.secret)
    assert not verifies(headers, body + b" ", there.secret)
    told = json.loads(body)
    assert told["type"] == "create.failed"
    assert told["timestamp"] == event.at.isoformat(timespec="milliseconds")
    assert told["data"]["sentence"] == (
        "could not take the snapshot before-update of web-1: the provider said no"
    )
    assert told["data"]["server"]["name"] == "web-1"
    assert told["data"]["operation"]["asked_by"] == "Oscar"
    assert told["data"]["operation"]["url"].endswith(f"/operations/{operation.pk}/")
    assert told["data"]["team"] == {"id": operation.team_id, "name": "Northwind"}
    assert (only().state, only().status, only().attempts) == ("sent", 204, 1)


def test_it_is_told_of_its_topics_only(operation, receiving):
    there = receiving(topics=["needs_person"])
    fails(operation)
    a_tick()
    assert there.heard == []
    assert not Delivery.objects.exists()


def test_what_fails_is_repeated_at_its_times_with_the_same_id_and_body(stage, operation, receiving):
    there = receiving(ERROR)
    fails(operation)
    waits = [
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=10),
    ]
    for n, wait in enumerate(waits, start=1):
        a_tick()
        a_tick()
        assert len(there.heard) == n
        assert (only().state, only().trouble, only().status) == ("waiting", "status", 500)
        assert only().due_at == timezone.now() + wait
        stage.later(seconds=wait.total_seconds())
    a_tick()
    assert (only().state, only().attempts) == ("failed", 7)
    stage.later(days=1)
    a_tick()
    assert len(there.heard) == 7
    assert len(set(there.ids)) == 1
    assert len({body for _headers, body in there.heard}) == 1
    assert len({headers["webhook-timestamp"] for headers, _body in there.heard}) == 7
    assert all(verifies(headers, body, there.secret) for headers, body in there.heard)


def test_a_later_attempt_says_the_same_of_a_renamed_team(stage, operation, receiving, alice):
    there = receiving(ERROR, OK)
    fails(operation)
    a_tick()
    teams.rename_team(operation.team, "Southwind", actor=alice)
    stage.later(seconds=5)
    a_tick()
    first, second = (body for _headers, body in there.heard)
    assert first == second
    assert json.loads(first)["data"]["team"]["name"] == "Northwind"


def test_a_later_attempt_may_succeed(stage, operation, receiving):
    there = receiving(ERROR, OK)
    fails(operation)
    a_tick()
    stage.later(seconds=5)
    a_tick()
    assert (only().state, only().attempts, only().trouble) == ("sent", 2, "")
    assert fresh(there.webhook).failures == 0


def test_nothing_of_an_answer_is_kept(operation, receiving):
    receiving(ERROR)
    fails(operation)
    a_tick()
    everything = [*Delivery.objects.values(), *Webhook.objects.values(), *Event.objects.values()]
    assert "canary-in-the-answer" not in repr(everything)


def test_who_dies_between_sending_and_recording_leaves_it_to_be_sent_again(
    stage, operation, receiving
):
    there = receiving()
    fails(operation)
    notices.write_messages()
    row = delivering._next()
    assert row is not None
    Delivery.objects.filter(pk=row.pk).update(  # as the claim does; then the process is killed
        attempts=1, leased_until=timezone.now() + delivering.LEASE
    )
    delivering._send(row)
    a_tick()
    assert len(there.heard) == 1  # while the lease holds nobody sends it
    stage.later(seconds=61)
    a_tick()
    assert len(there.heard) == 2
    assert len(set(there.ids)) == 1
    assert (only().state, only().attempts) == ("sent", 2)


def test_an_answer_that_comes_after_its_claim_was_lost_records_nothing(operation, receiving):
    receiving()
    fails(operation)
    notices.write_messages()
    stale = delivering._next()
    stale.attempts = 1
    Delivery.objects.filter(pk=stale.pk).update(attempts=2)
    delivering._record(stale, Delivery.State.FAILED, delivering.Outcome(Delivery.Trouble.SILENT))
    assert only().state == "waiting"


def test_two_workers_with_the_same_message_send_it_once(operation, receiving):
    there = receiving()
    fails(operation)
    notices.write_messages()
    first, second = delivering._next(), delivering._next()
    delivering._deliver(first)
    delivering._deliver(second)
    assert len(there.heard) == 1


def test_while_one_message_is_under_way_the_other_workers_are_left_to_operations(
    settings, operation, receiving
):
    receiving()
    for _ in range(3):
        fails(operation)
    notices.write_messages()
    Delivery.objects.filter(pk=Delivery.objects.first().pk).update(
        leased_until=timezone.now() + delivering.LEASE
    )
    settings.CELERY_WORKER_CONCURRENCY = 4
    assert delivering._next() is None
    settings.CELERY_WORKER_CONCURRENCY = 8
    assert delivering._next() is not None


def test_with_one_worker_process_operations_have_their_turn_between_two_messages(
    settings, operation, receiving
):
    settings.CELERY_WORKER_CONCURRENCY = 1
    there = receiving()
    fails(operation), fails(operation)
    a_tick()
    assert len(there.heard) == 1
    a_tick()
    assert len(there.heard) == 2


def test_an_address_that_fails_rests_and_costs_the_others_nothing(stage, operation, receiving):
    dead = receiving(ERROR, name="Dead")
    well = receiving(name="Well")
    for _ in range(5):
        fails(operation)
    a_tick()
    assert (len(dead.heard), len(well.heard)) == (1, 5)
    for _ in range(6):
        a_tick()
    assert len(dead.heard) == 1
    stage.later(seconds=5)
    a_tick()
    assert len(dead.heard) == 2
    assert fresh(dead.webhook).resting_until == timezone.now() + timedelta(seconds=10)


def test_an_address_that_is_gone_is_switched_off_and_said_so(stage, operation, receiving):
    there = receiving(GONE)
    fails(operation), fails(operation)
    a_tick()
    stage.later(minutes=10)
    a_tick()
    assert len(there.heard) == 1
    assert fresh(there.webhook).off == "gone"
    states = Delivery.objects.order_by("pk").values_list("state", "trouble")
    assert list(states) == [("failed", "status"), ("dropped", "off")]
    assert Event.objects.filter(verb="webhook.gone").count() == 1
    fails(operation)
    a_tick()
    assert Delivery.objects.count() == 2


def test_switched_off_nothing_more_is_sent(operation, receiving, alice):
    there = receiving()
    fails(operation)
    notices.write_messages()
    webhooks.switch(there.webhook, on=False, actor=alice)
    notices.deliver()
    assert there.heard == []
    assert (only().state, only().trouble) == ("dropped", "off")


def test_a_new_secret_signs_beside_the_old_one_for_a_day(stage, operation, receiving, alice):
    there = receiving()
    new = webhooks.new_secret(there.webhook, actor=alice)
    fails(operation)
    a_tick()
    stage.later(hours=25)
    fails(operation)
    a_tick()
    (first, body), (second, later_body) = there.heard
    assert first["webhook-signature"].count("v1,") == 2
    assert verifies(first, body, there.secret)
    assert verifies(first, body, new)
    assert second["webhook-signature"].count("v1,") == 1
    assert verifies(second, later_body, new)
    assert not verifies(second, later_body, there.secret)


def test_without_its_key_it_is_not_sent_and_says_why(settings, operation, receiving):
    there = receiving()
    settings.TOKEN_KEYS = [b"another key" + b"." * 21]
    fails(operation)
    a_tick()
    assert there.heard == []
    assert (only().state, only().trouble) == ("waiting", "key_lost")


def test_what_the_operator_no_longer_lists_is_not_sent_to(settings, operation, receiving):
    there = receiving()
    settings.WEBHOOK_ALLOWED_HOSTS = []
    fails(operation)
    a_tick()
    assert there.peer.connections == 0
    assert only().trouble == "unreached"


def test_another_teams_webhook_hears_nothing(operation, receiving, mallory):
    there = receiving(team=mallory.teams.get(), actor=mallory)
    fails(operation)
    a_tick()
    assert there.heard == []


@pytest.mark.parametrize("data", ["no dictionary", 5])
@pytest.mark.parametrize("is_own", [False, True])
def test_a_line_that_cannot_be_told_keeps_no_other_from_its_turn(
    operation, receiving, team, data, is_own
):
    there = receiving(owner=operation.asked_by if is_own else None)
    broken = Event.objects.create(
        verb="create.failed", team=team, operation=operation, data=data, to_tell=True
    )
    fine = fails(operation)
    a_tick()
    assert there.told == ["create.failed"]
    assert Delivery.objects.get(event=fine).state == "sent"
    assert Delivery.objects.get(event=broken).trouble == "our_fault"


def test_a_message_never_holds_up_what_it_tells(settings, operation, receiving):
    """The line and its flag are one row in the transaction of the change, and that is all."""
    receiving()
    with CaptureQueriesContext(connection) as asked:
        fails(operation)
    assert len(asked) == 1
    assert Event.objects.get(to_tell=True)
    assert not Delivery.objects.exists()


def test_messages_are_forgotten_after_a_month_and_what_waits_is_not(stage, operation, receiving):
    receiving()
    fails(operation)
    a_tick()
    stage.later(days=29)
    notices.tidy()
    fails(operation)
    notices.write_messages()
    stage.later(days=2)
    notices.tidy()
    assert [row.state for row in Delivery.objects.all()] == ["waiting"]


def test_what_has_waited_for_days_is_tried_once_more_and_given_up(stage, operation, receiving):
    there = receiving(ERROR)
    fails(operation)
    notices.write_messages()
    stage.later(days=3)
    a_tick()
    assert len(there.heard) == 1
    assert only().state == "failed"


def test_a_message_can_be_sent_again_with_the_id_it_had(stage, operation, receiving, alice):
    there = receiving(GONE, OK)
    fails(operation)
    a_tick()
    webhooks.switch(fresh(there.webhook), on=True, actor=alice)
    webhooks.resend(only(), actor=alice)
    a_tick()
    assert len(set(there.ids)) == 1
    assert (len(there.ids), only().state) == (2, "sent")


# -- e-mail ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("mailing")
def test_a_mail_is_plain_words_with_a_link_in_the_readers_zone(stage, operation, oscar):
    type(oscar).objects.filter(pk=oscar.pk).update(time_zone="Europe/Berlin")
    fails(operation)
    a_tick()
    [sent] = [one for one in mail.outbox if one.to == [oscar.email]]
    assert sent.subject == (
        "[Northwind] Could not take the snapshot before-update of web-1: the provider said no"
    )
    link = f"https://snapshots.example.com/operations/{operation.pk}/"
    assert link in sent.body
    assert "Server: web-1\nAccount: Production\nAsked for by: Oscar\n" in sent.body
    assert "When: 23 Nov 2026, 15:02 Europe/Berlin" in sent.body
    assert "https://snapshots.example.com/settings/messages/" in sent.body
    assert sent.extra_headers["Auto-Submitted"] == "auto-generated"
    row = Delivery.objects.get(user=oscar)
    assert sent.extra_headers["Message-ID"] == f"<{row.message_id}@snapshots.example.com>"
    assert row.state == "sent"


@pytest.mark.usefixtures("mailing")
def test_a_mail_speaks_the_readers_language(operation, oscar):
    type(oscar).objects.filter(pk=oscar.pk).update(language="eo")
    event = fails(operation)
    with translation.override("eo"):
        said = events.line(event)
    assert said != events.line(event)
    a_tick()
    [sent] = [one for one in mail.outbox if one.to == [oscar.email]]
    assert sent.subject == f"[Northwind] {said}"
    assert sent.body.startswith(said)
    [other] = [one for one in mail.outbox if one.to != [oscar.email]]
    assert other.subject == f"[Northwind] {events.line(event)}"


HOSTILE = "x\r\nBcc: everybody@example.com\u202e\x07"


@pytest.mark.usefixtures("mailing")
def test_names_put_nothing_into_the_head_of_a_mail(server, oscar, team):
    type(server).objects.filter(pk=server.pk).update(name=HOSTILE)
    type(team).objects.filter(pk=team.pk).update(name=HOSTILE)
    operation = fresh(take(fresh(server), oscar))
    fails(operation)
    a_tick()
    [sent] = [one for one in mail.outbox if one.to == [oscar.email]]
    raw = sent.message().as_bytes()
    assert not re.search(rb"^bcc:", raw, re.I | re.M)
    assert "\u202e" not in sent.subject + sent.body
    assert sent.recipients() == [oscar.email]


@pytest.mark.usefixtures("mailing")
@pytest.mark.parametrize(
    ("error", "state", "trouble", "status"),
    [
        (smtplib.SMTPRecipientsRefused({"o": (550, b"no")}), "failed", "mail_refused", 550),
        (smtplib.SMTPRecipientsRefused({"o": (450, b"later")}), "waiting", "mail_refused", 450),
        (smtplib.SMTPDataError(554, b"spam"), "failed", "mail_refused", 554),
        (smtplib.SMTPAuthenticationError(535, b"canary"), "waiting", "mail_refused", 535),
        (smtplib.SMTPServerDisconnected("canary"), "waiting", "mail", None),
        (ConnectionRefusedError(), "waiting", "mail", None),
        (TimeoutError(), "waiting", "mail", None),
        (RuntimeError("odd"), "waiting", "our_fault", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_the_mail_server_says_decides(
    settings, operation, error, state, trouble, status, failing_mail
):
    failing_mail(error)
    fails(operation)
    a_tick()
    rows = list(Delivery.objects.order_by("pk").values_list("state", "trouble", "status"))
    told = (state, trouble, status)
    assert rows == [told, ("waiting", "", None) if trouble == "mail" else told]


@pytest.mark.usefixtures("mailing")
def test_a_mail_server_that_is_not_there_costs_one_attempt_and_the_webhooks_nothing(
    stage, operation, receiving, failing_mail, settings
):
    working = settings.EMAIL_BACKEND
    failing_mail(TimeoutError())
    for _ in range(3):
        fails(operation)
    there = receiving()
    a_tick()
    assert there.told == ["create.failed"] * 3
    mails = Delivery.objects.filter(webhook=None)
    assert sum(mails.values_list("attempts", flat=True)) == 1
    settings.EMAIL_BACKEND = working
    stage.later(seconds=31)
    a_tick()
    assert mails.filter(state="sent").count() == len(mail.outbox) == 6


@pytest.fixture
def failing_mail(settings):
    """A mail server that answers every message with `error`."""
    import sys
    from types import ModuleType

    module = ModuleType("tests_failing_mail")

    def with_error(error: Exception) -> None:
        class Backend(BaseEmailBackend):
            def send_messages(self, messages):
                raise error

        module.Backend = Backend
        settings.EMAIL_BACKEND = "tests_failing_mail.Backend"

    sys.modules[module.__name__] = module
    yield with_error
    del sys.modules[module.__name__]


@pytest.mark.usefixtures("mailing")
def test_a_digest_of_a_batch_is_one_mail_when_all_of_it_has_ended(
    stage, account, server, team, oscar, alice, receiving
):
    from snapshots.models import Batch

    there = receiving()
    batch = Batch.objects.create(
        team=team,
        kind="create",
        asked_by=oscar,
        asked_by_name="Oscar",
        refused=[{"server": server.pk, "snapshot": None, "name": "mail-1", "why": "it is busy"}],
    )
    rows = [take(one, oscar) for one in account.servers.order_by("name")]
    Operation.objects.update(batch=batch)

    def ends(row: Operation, state: str) -> None:
        Operation.objects.filter(pk=row.pk).update(state=state, ended_at=timezone.now())
        row = Operation.objects.select_related("team", "server").get(pk=row.pk)
        events.record(Verb(f"create.{state}"), team=row.team, server=row.server, operation=row)

    ends(rows[0], "succeeded")
    a_tick()
    assert subjects(oscar) == []
    ends(rows[1], "cancelled")
    a_tick()
    a_tick()
    assert subjects(oscar) == ["[Northwind] 2 snapshots were asked for together; complete: 1"]
    [sent] = mail.outbox
    assert "web-1: Cancelled\nmail-1 was not asked for: it is busy" in sent.body
    assert f"https://snapshots.example.com/batches/{batch.pk}/" in sent.body
    assert there.told == ["create.succeeded"]


@pytest.mark.usefixtures("mailing")
def test_an_admin_of_another_team_is_in_no_mail(operation, mallory):
    member("Ada", Role.ADMIN, mallory.teams.get())
    fails(operation)
    a_tick()
    told = " ".join(str(one.message()) for one in mail.outbox)
    assert "Elsewhere" not in told and "ada@" not in told and "mallory@" not in told
