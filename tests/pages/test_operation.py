"""The page of one operation: never more than is known, and always what comes next."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import operations
from snapshots.models import Attempt, Epoch, Event, Kind, Operation, Pass, Sighting, State
from snapshots.operations import epoch
from tests.conftest import delete, fresh, restore, take
from tests.operations.test_room import (
    full,  # noqa: F401
    going,  # noqa: F401
    restore_with_room,
    target,  # noqa: F401
)
from tests.pages.factories import (
    an_operation,
    form_on,
    queries,
    text,
)


def page_of(operation, user, client_of):
    answer = client_of(user).get(f"/operations/{operation.pk}/")
    assert answer.status_code == 200
    return text(answer)


@pytest.mark.parametrize("state", [one for one in State.values if one != "awaiting_approval"])
@pytest.mark.parametrize("kind", Kind.values)
def test_every_kind_in_every_state_has_a_page(web, old, rosa, client_of, kind, state):
    snapshot = old if kind in {"restore", "delete"} else None
    operation = an_operation(kind, web, state, rosa, snapshot=snapshot)
    page = page_of(operation, rosa, client_of)
    assert str(State(state).label) in page
    if state != State.SUCCEEDED:
        for claim in (
            "is gone at the provider",
            "as completed. web-1 can be",
            "as over.",
            "The provider showed web-1",
        ):
            assert claim not in page


def test_a_snapshot_is_told_step_by_step(stage, server, oscar, client_of):
    operation = take(server, oscar)
    page = page_of(operation, oscar, client_of)
    assert "Waiting to take the snapshot before-update of web-1" in page
    assert "Nothing has been sent and nothing has been changed yet." in page

    stage.send(operation)
    page = page_of(operation, oscar, client_of)
    assert "Taking the snapshot before-update of web-1" in page
    assert "Accepted by the provider: done" in page
    assert "The provider is taking it: now" in page
    assert "You can close this page; it keeps running." in page
    assert "complete " not in page

    stage.watch(operation, minutes=6)
    page = page_of(operation, oscar, client_of)
    assert "Took the snapshot before-update of web-1" in page
    assert "The provider lists before-update as completed." in page


def test_a_running_operation_shows_an_estimate_that_never_reaches_the_end(web, rosa, client_of):
    long_ago = timezone.now() - timedelta(hours=3)
    operation = an_operation("create", web, "running", rosa, accepted_at=long_ago)
    answer = client_of(rosa).get(f"/operations/{operation.pk}/")
    assert 'value="95"' in answer.content.decode()
    assert "Taking longer than usual." in text(answer)


def test_a_restore_says_that_it_cannot_be_stopped(web, old, rosa, client_of):
    page = page_of(an_operation("restore", web, "running", rosa, snapshot=old), rosa, client_of)
    assert "Restoring web-1 to pre-upgrade" in page
    assert "it cannot be stopped any more" in page
    assert "Cancel" not in page


def test_a_restore_waits_for_its_safety_snapshot_and_says_so(snapshot, rosa, client_of):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    page = page_of(operation, rosa, client_of)
    assert "The safety snapshot comes first." in page
    child = operation.children.get()
    assert f"Safety snapshot {child.name} first: now" in page
    assert "Send to the provider: to come" in page
    child_page = page_of(child, rosa, client_of)
    assert "This is the safety snapshot of a restore." in child_page


def test_what_was_not_sent_yet_can_be_cancelled(server, oscar, client_of):
    operation = take(server, oscar)
    client = client_of(oscar)
    address = f"/operations/{operation.pk}/cancel/"
    sent = form_on(client.get(f"/operations/{operation.pk}/"), address)
    answer = client.post(address, sent)
    assert (answer.status_code, answer.url) == (303, f"/operations/{operation.pk}/")
    page = page_of(operation, oscar, client_of)
    assert "Cancelled the snapshot before-update of web-1" in page
    assert "Nothing was changed at the provider." in page


def test_what_was_done_before_it_is_not_said_to_be_nothing(
    stage,
    target,  # noqa: F811
    going,  # noqa: F811
    rosa,
    client_of,
):
    operation = restore_with_room(target, rosa, going)
    safety = operation.children.get()
    stage.send(safety.children.get())
    assert "What comes before it was sent to the provider" in page_of(safety, rosa, client_of)
    stage.watch(stage.send(safety), minutes=5)
    page = page_of(operation, rosa, client_of)
    assert f"{going.name} was deleted to make room: done" in page
    assert "What comes before it was sent to the provider" in page
    assert "nothing has been changed" not in page

    operations.hold(fresh(operation), actor=rosa)
    page = page_of(operation, rosa, client_of)
    assert "Somebody holds it. It has not been sent." in page
    assert "Nothing has been sent" not in page

    operations.cancel(fresh(operation), actor=rosa)
    page = page_of(operation, rosa, client_of)
    assert "This changed nothing at the provider, but what came before it was sent" in page
    assert "Nothing was changed" not in page


def test_of_one_that_did_not_happen_it_is_told_what_came_before(stage, snapshot, rosa, client_of):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.watch(stage.send(operation.children.get()), minutes=5)
    stage.provider.faults.add("close_before", path="/restore/")
    operation = stage.send(operation)
    stage.later(minutes=3)
    operations.sweep()
    operations.give_verdict(fresh(operation), actor=rosa, happened=False, words="it is as it was")
    page = page_of(operation, rosa, client_of)
    assert "it changed nothing. What comes before it was sent to the provider" in page


def test_a_restore_that_came_too_late_does_not_say_that_nothing_was_changed(
    stage, snapshot, rosa, client_of
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.watch(stage.send(operation.children.get()), minutes=5)
    stage.later(hours=1)
    operations.sweep()
    page = page_of(operation, rosa, client_of)
    assert "It was not sent in time." in page
    assert "This changed nothing at the provider, but what came before it was sent" in page
    assert "othing was changed" not in page


def test_what_was_sent_cannot_be_cancelled_and_the_answer_says_so(stage, server, oscar, client_of):
    operation = stage.send(take(server, oscar))
    answer = client_of(oscar).post(f"/operations/{operation.pk}/cancel/")
    assert answer.status_code == 409
    assert "Too late to cancel: it may have been sent, or has ended already." in text(answer)
    assert fresh(operation).state == State.RUNNING


def test_a_get_never_cancels(server, oscar, client_of):
    operation = take(server, oscar)
    answer = client_of(oscar).get(f"/operations/{operation.pk}/cancel/", follow=True)
    assert answer.redirect_chain == [(f"/operations/{operation.pk}/", 302)]
    assert "Nothing was done." in answer.content.decode()
    assert fresh(operation).state == State.QUEUED


def test_a_viewer_cannot_cancel_and_reads_why(server, oscar, vera, client_of):
    operation = take(server, oscar)
    assert "You may not take snapshots in Northwind." in page_of(operation, vera, client_of)
    assert client_of(vera).post(f"/operations/{operation.pk}/cancel/").status_code == 403
    assert fresh(operation).state == State.QUEUED


def test_doubt_is_told_as_doubt(web, old, rosa, client_of):
    operation = an_operation(
        "restore", web, "in_doubt", rosa, snapshot=old, reason="no_answer", details={"words": "x."}
    )
    page = page_of(operation, rosa, client_of)
    assert "Perhaps restoring web-1 to pre-upgrade" in page
    assert "we do not know whether the provider carried it out" in page
    assert "A restore is never sent a second time by us." in page
    assert "Until this is known, nothing else can be asked of web-1." in page
    assert "Perhaps sent to the provider: not known" in page
    assert ".." not in page


@pytest.fixture
def undecided(web, old, rosa):
    """A restore that nobody can decide but a person who looks."""
    operation = an_operation("restore", web, "needs_person", rosa, snapshot=old, reason="undecided")
    Attempt.objects.create(
        operation=operation,
        number=1,
        claimed_at=operation.sent_at,
        deadline=operation.sent_at,
        outcome="unknown",
        status=504,
        excerpt="<b>Gateway</b> Time-out",
        answered_at=timezone.now(),
    )
    seen_in = Pass.objects.create(
        account=web.account, begun_at=timezone.now(), ended_at=timezone.now(), complete=True
    )
    Sighting.objects.create(
        operation=operation, seen_in=seen_in, begun_at=seen_in.begun_at, complete=True, status="ok?"
    )
    return operation


def test_a_person_gets_all_the_evidence(undecided, rosa, client_of):
    page = page_of(undecided, rosa, client_of)
    for words in (
        "Somebody must look, and say whether it happened.",
        "Please look at web-1 in the provider’s own panel",
        "No clear answer came back. HTTP 504.",
        "<b>Gateway</b> Time-out",
        "The server: ok?",
        "It happened",
        "It did not happen",
    ):
        assert words in page


def test_a_verdict_needs_a_reason_and_keeps_what_was_typed(undecided, rosa, client_of):
    client = client_of(rosa)
    address = f"/operations/{undecided.pk}/verdict/"
    sent = form_on(client.get(f"/operations/{undecided.pk}/"), address)
    sent.pop("happened", None)
    answer = client.post(address, sent | {"happened": "yes", "words": "  "})
    assert answer.status_code == 422
    assert "Please say what you saw; it is kept with the verdict." in text(answer)
    answer = client.post(address, sent | {"words": "typed with care"})
    assert answer.status_code == 422
    assert "Choose whether it happened." in text(answer)
    assert "typed with care" in text(answer)
    assert fresh(undecided).state == State.NEEDS_PERSON


@pytest.mark.parametrize(
    ("happened", "state"), [("yes", State.SUCCEEDED), ("no", State.NOT_APPLIED)]
)
def test_a_verdict_is_kept_with_name_and_reason(undecided, rosa, client_of, happened, state):
    client = client_of(rosa)
    answer = client.post(
        f"/operations/{undecided.pk}/verdict/", {"happened": happened, "words": "I looked"}
    )
    assert answer.status_code == 303
    assert fresh(undecided).state == state
    assert "Rosa decided: I looked" in page_of(undecided, rosa, client_of)


def test_an_operator_gives_no_verdict_on_a_restore(undecided, oscar, client_of):
    client = client_of(oscar)
    address = f"/operations/{undecided.pk}/verdict/"
    assert "You may not restore servers in Northwind." in page_of(undecided, oscar, client_of)
    for sent in ({}, {"happened": "yes", "words": "trust me"}):
        assert client.post(address, sent).status_code == 403
    assert fresh(undecided).state == State.NEEDS_PERSON
    assert Event.objects.filter(verb="refused", actor=oscar).exists()


def test_a_failure_says_why_and_what_can_be_done_next(web, old, rosa, client_of):
    operation = an_operation(
        "restore",
        web,
        "failed",
        rosa,
        snapshot=old,
        sent_at=None,
        reason="changed",
        details={"what": "new snapshot nightly"},
    )
    answer = client_of(rosa).get(f"/operations/{operation.pk}/")
    page = text(answer)
    assert "It changed since you confirmed (new snapshot nightly); nothing was sent." in page
    assert "Not sent: not reached" in page
    assert "Nothing was changed at the provider." in page
    assert f'href="/snapshots/{old.pk}/restore/"' in answer.content.decode()


def test_a_paused_account_says_why_nothing_goes_on(web, old, rosa, client_of):
    web.account.paused = "person"
    web.account.save()
    operation = an_operation("delete", web, "queued", rosa, snapshot=old)
    page = page_of(operation, rosa, client_of)
    assert "Production is paused, so nothing is sent." in page


def test_a_finished_page_stops_asking(web, rosa, client_of):
    def poller(state):
        operation = an_operation("create", web, state, rosa)
        page = client_of(rosa).get(f"/operations/{operation.pk}/").content.decode()
        return re.search(r'<div id="live".*?>', page, re.S)[0]

    assert "every" not in poller("failed")
    assert "every" in poller("running")


def test_a_poll_brings_the_new_state_and_nothing_while_nothing_changes(
    stage, server, oscar, client_of
):
    operation = take(server, oscar)
    client = client_of(oscar)
    page = client.get(f"/operations/{operation.pk}/").content.decode()
    poll = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    assert client.get(poll).status_code == 204
    stage.send(operation)
    answer = client.get(poll).content.decode()
    assert f'id="operation-head-{operation.pk}"' in answer
    assert "Taking the snapshot before-update of web-1" in answer


def test_a_deletion_is_told_to_its_end(stage, snapshot, rosa, client_of):
    operation = delete(snapshot, rosa)
    stage.send(operation)
    page = page_of(operation, rosa, client_of)
    assert "Deleted the snapshot pre-upgrade of web-1" in page
    assert "pre-upgrade is gone at the provider, for ever." in page


def test_a_long_history_costs_no_more_queries(web, old, rosa, client_of):
    operation = an_operation("restore", web, "in_doubt", rosa, snapshot=old)
    client = client_of(rosa)
    few = queries(client, f"/operations/{operation.pk}/")
    for minute in range(60):
        at = timezone.now() + timedelta(minutes=minute)
        look = Pass.objects.create(account=web.account, begun_at=at, ended_at=at, complete=True)
        Sighting.objects.create(operation=operation, seen_in=look, begun_at=at, complete=True)
    assert queries(client, f"/operations/{operation.pk}/") == few <= 13


# -- lines and power ------------------------------------------------------------------------------


@pytest.fixture
def stopped_first(server, rosa):
    """Stop, snapshot, start: asked for as one."""
    return take(server, rosa, stop_first=True)


def test_what_stands_in_line_says_behind_what_and_can_be_cancelled(
    stopped_first, server, rosa, client_of
):
    client = client_of(rosa)
    answer = client.get(f"/operations/{stopped_first.pk}/")
    page = text(answer)
    assert "In line: the snapshot before-update of web-1" in page
    assert "Nothing has been sent and nothing has been changed yet." in page
    assert "It waits for: Queued Stop of web-1" in page
    assert "web-1 is stopped first: now" in page
    assert "Send to the provider: to come" in page
    assert "If web-1 cannot be stopped, no snapshot is taken." in page
    address = f"/operations/{stopped_first.pk}/cancel/"
    client.post(address, form_on(answer, address))
    assert fresh(stopped_first).state == State.CANCELLED


def test_what_waits_in_a_database_that_was_put_back_is_not_called_unsent(
    stopped_first, rosa, client_of
):
    epoch.stop(Epoch.Why.SAID)
    html = page_of(fresh(stopped_first), rosa, client_of)
    assert "it may have been sent before, and is not sent again" in html
    assert "Nothing has been sent" not in html and "You can cancel it" not in html
    assert "Cancel this snapshot" not in html
    assert "Cancel this stop" not in page_of(stopped_first.needs, rosa, client_of)


def test_no_worker_means_no_promise_of_seconds(settings, tmp_path, web, rosa, client_of):
    operation = an_operation(Kind.CREATE, web, State.QUEUED, rosa)
    promise = "It is sent as soon as a worker is free, usually within seconds."
    assert promise in page_of(operation, rosa, client_of)
    Operation.objects.update(due_at=timezone.now() + timedelta(minutes=10))
    assert promise not in page_of(operation, rosa, client_of), "it was put off"
    settings.HEARTBEAT_FILE = str(tmp_path / "never")
    Operation.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    html = page_of(operation, rosa, client_of)
    assert promise not in html
    assert "is done when one is back, or expires unsent" in html


def test_the_last_in_line_names_all_that_come_before_it(stopped_first, rosa, client_of):
    start = stopped_first.needs.needed_by.get(kind="start")
    page = page_of(start, rosa, client_of)
    assert "It waits for 2, in this order:" in page
    assert "Stop, snapshot, start Queued Stop of web-1 Waiting Snapshot before-update" in page
    assert "web-1 is started only if it was stopped by this" in page


def test_stop_snapshot_start_is_told_to_its_end(stage, stopped_first, rosa, client_of):
    stop, start = stopped_first.needs, stopped_first.needs.needed_by.get(kind="start")
    stage.send(stop)
    assert "Stopping web-1" in page_of(stop, rosa, client_of)
    stage.watch(stop, minutes=2)
    assert "The provider showed web-1 as stopped." in page_of(stop, rosa, client_of)
    stage.send(stopped_first)
    page = page_of(stopped_first, rosa, client_of)
    assert "web-1 was stopped for it: done" in page
    assert "Its turn came: done" in page
    stage.watch(stopped_first, minutes=6)
    assert "can be put back to it. web-1 was stopped first." in page_of(
        stopped_first, rosa, client_of
    )
    stage.send(start)
    stage.watch(start, minutes=2)
    assert "Started web-1" in page_of(start, rosa, client_of)


def test_after_a_restore_a_stopped_server_can_be_started(snapshot, rosa, client_of):
    operation = an_operation("restore", snapshot.server, "succeeded", rosa, snapshot=snapshot)
    assert "start it now?" not in page_of(operation, rosa, client_of)
    type(snapshot.server).objects.filter(pk=snapshot.server_id).update(status="stopped")
    client = client_of(rosa)
    answer = client.get(f"/operations/{operation.pk}/")
    assert "web-1 is stopped: start it now?" in text(answer)
    address = f"/servers/{snapshot.server_id}/start/"
    done = client.post(address, form_on(answer, address))
    start = Operation.objects.get(kind="start")
    assert (done.status_code, done.url) == (303, f"/operations/{start.pk}/")
    assert "start it now?" not in page_of(operation, rosa, client_of)


def test_who_may_not_start_a_server_reads_why(web, old, rosa, oscar, client_of):
    web.status = "stopped"
    web.save()
    operation = an_operation("restore", web, "succeeded", rosa, snapshot=old)
    page = page_of(operation, oscar, client_of)
    assert "web-1 is stopped: start it now?" in page
    assert "You may not start and stop servers in Northwind." in page
    assert client_of(oscar).post(f"/servers/{web.pk}/start/").status_code == 403
    assert not Operation.objects.filter(kind="start").exists()


def test_what_came_true_without_an_answer_is_not_called_sent(web, old, rosa, client_of):
    operation = an_operation(
        "delete", web, "succeeded", rosa, snapshot=old, reason="not_listed", sent_at=timezone.now()
    )
    page = page_of(operation, rosa, client_of)
    assert "Perhaps sent to the provider: not known" in page
    assert "Sent to the provider: done" not in page


def test_what_was_sent_is_shown_as_it_is_documented(stage, server, oscar, client_of):
    operation = stage.send(take(server, oscar))
    page = page_of(operation, oscar, client_of)
    assert "POST /snapshots/ server_id=" in page
    assert f"description=[ref:{operation.marker}]" in page
    assert "HTTP 201." in page


def test_each_step_says_how_long_it_took(web, oscar, client_of):
    begun = timezone.now() - timedelta(minutes=10)
    operation = an_operation(
        "create",
        web,
        "succeeded",
        oscar,
        created_at=begun,
        sent_at=begun + timedelta(seconds=2),
        accepted_at=begun + timedelta(seconds=3),
        ended_at=begun + timedelta(minutes=6, seconds=3),
    )
    page = page_of(operation, oscar, client_of)
    for span in ("after 2 s", "after 1 s", "after 6 min 0 s"):
        assert span in page


def test_within_its_hold_a_restore_says_when_it_is_sent_and_can_be_held_and_let_go(
    team, snapshot, rosa, client_of
):
    team.hold = 30
    team.save()
    operation = restore(fresh(snapshot), rosa)
    client, address = client_of(rosa), f"/operations/{operation.pk}/"
    page = client.get(address)
    assert "It is sent on 23 Nov 2026, 14:02 UTC, in 30 s." in text(page)
    for button in ("Hold", "Start now", "Cancel this restore"):
        assert button in text(page)
    form = form_on(page, f"{address}cancel/")
    assert client.post(f"{address}hold/", form).status_code == 303
    page = text(client.get(address))
    assert "On hold: the restore of web-1 to pre-upgrade" in page
    assert "Somebody holds it. It has not been sent." in page
    assert "Start now" not in page
    assert client.post(f"{address}release/", form).status_code == 303
    page = text(client.get(address))
    assert "Waiting to restore web-1 to pre-upgrade" in page
    assert "It is sent on" not in page


@pytest.mark.parametrize("is_held", [False, True])
def test_a_restore_whose_safety_snapshot_failed_is_not_said_to_be_sent(
    stage, team, snapshot, rosa, client_of, is_held
):
    team.hold = 30
    team.save()
    stage.provider.faults.add("answer", method="POST", status=400, body={"detail": "not today"})
    operation = restore(fresh(snapshot), rosa, safety_snapshot=True)
    if is_held:
        operations.hold(operation, actor=rosa)
    stage.send(operation.children.get())
    page = text(client_of(rosa).get(f"/operations/{operation.pk}/"))
    for words in ("It is sent on", "Start now", "Let it go on"):
        assert words not in page
    assert ("did not complete, so it will not be sent" in page) is is_held
