"""One pass: our rows follow the provider, and absence is only concluded from complete looks."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from snapshots import inventory, operations
from snapshots.models import Account, Event, Operation, Pass, Server, Snapshot
from snapshots.operations import budget
from snapshots.provider.client import Client
from tests.conftest import NOW, fresh, restore, take


def names(model, account):
    return sorted(
        model.objects.filter(account=account, gone_at=None).values_list("name", flat=True)
    )


def test_a_pass_mirrors_servers_and_snapshots(account):
    assert names(Server, account) == ["db-1", "web-1"]
    assert names(Snapshot, account) == ["nightly", "pre-upgrade"]


def test_a_pass_that_finds_nothing_new_writes_no_row_and_raises_no_revision(stage, account):
    stage.look(account)
    assert fresh(account).revision == account.revision


def test_changed_rows_carry_the_accounts_new_revision(stage, account, server):
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(account)
    assert fresh(server).status == "stopped"
    assert fresh(server).revision == fresh(account).revision > account.revision


def test_what_two_complete_looks_do_not_show_is_gone_and_stays_in_the_history(
    stage, account, snapshot
):
    stage.provider.outside.delete_snapshot(snapshot.remote_id)
    stage.look(account)
    stage.look(account)
    assert fresh(snapshot).gone_at is None  # two looks, but a second apart
    stage.later(minutes=1)
    stage.look(account)
    assert fresh(snapshot).gone_at is not None
    assert Event.objects.filter(verb="snapshot.gone", snapshot=snapshot).count() == 1


def test_a_listing_that_is_not_complete_makes_nothing_gone(stage, account, snapshot):
    stage.provider.faults.add("partial", path="/snapshots/", times="forever")
    for _ in range(4):
        stage.later(minutes=1)
        stage.look(account)
    assert names(Snapshot, account) == ["nightly", "pre-upgrade"]
    assert "not complete" in fresh(account).trouble


def test_an_id_given_out_again_is_another_snapshot(stage, account, snapshot):
    with stage.provider.changing() as world:
        world.snapshots[snapshot.remote_id].created_at = (NOW - timedelta(hours=1)).timestamp()
    stage.look(account)
    rows = Snapshot.objects.filter(remote_id=snapshot.remote_id)
    assert [row.gone_at is None for row in rows.order_by("pk")] == [False, True]


def test_an_incomplete_listing_is_not_believed_about_an_id_that_is_known(stage, account, snapshot):
    with stage.provider.changing() as world:
        world.snapshots[snapshot.remote_id].name = "another"
    nightly = Snapshot.objects.get(name="nightly").remote_id
    stage.provider.faults.add("partial", ids=[nightly], path="/snapshots/")
    stage.look(account)
    assert "not complete" in fresh(account).trouble
    assert names(Snapshot, account) == ["nightly", "pre-upgrade"]
    assert fresh(snapshot).gone_at is None


def test_a_snapshot_taken_in_the_providers_panel_is_told_as_such(stage, account, server):
    assert not Event.objects.filter(verb="snapshot.found").exists()
    stage.provider.snapshot(server.remote_id, "by-hand")
    stage.look(account)
    stage.look(account)
    assert Event.objects.get(verb="snapshot.found").snapshot.name == "by-hand"


def test_a_provider_that_does_not_answer_leaves_the_last_data_and_says_since_when(
    stage, account, server
):
    stage.provider.faults.add("answer", status=503, body="<html>down</html>", times="forever")
    stage.look(account)
    account = fresh(account)
    assert "503" in account.trouble
    assert "<" not in account.trouble
    assert account.trouble_since is not None
    assert names(Server, account) == ["db-1", "web-1"]
    stage.provider.faults.clear()
    stage.look(account)
    assert (fresh(account).trouble, fresh(account).trouble_since) == ("", None)


def test_a_failing_provider_is_asked_ever_less_often_up_to_five_minutes(stage, account):
    stage.provider.faults.add("answer", status=500, body="", times="forever")
    waits = []
    for _ in range(6):
        stage.look(account)
        row = fresh(account)
        waits.append((row.next_pass_at - row.passes.latest("ended_at").ended_at).total_seconds())
    assert waits == [60, 120, 240, 300, 300, 300]


def test_an_older_look_that_ends_late_does_not_turn_the_rows_back(stage, account, server):
    with account.client() as client:
        old = client.servers(), client.snapshots()
    begun = stage.traveller.shift(0) or fresh(account).applied_pass_at
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(account)
    inventory._looked(account, begun, *old)
    assert fresh(server).status == "stopped"


def test_one_look_serves_an_account_however_many_ask_for_it(stage, account):
    Account.objects.filter(pk=account.pk).update(next_pass_at=NOW)
    before = len(stage.provider.calls("GET"))
    for _ in range(5):
        inventory.observe(account.pk)
    assert len(stage.provider.calls("GET")) == before + 2


def test_looks_of_more_than_a_day_ago_are_forgotten_unless_something_rests_on_them(stage, account):
    stage.later(days=2)
    inventory.tidy()
    assert not Pass.objects.exists()


def test_uuids_and_pages_are_read_like_the_rest(stage, team, alice):
    from snapshots import accounts

    token = stage.provider.account("Contoso", dialect="live")
    for n in range(45):
        stage.provider.server(token, f"node-{n:02}")
    account = accounts.connect(
        team, label="Live", api_url=stage.provider.url, token=token, actor=alice
    )
    stage.look(account)
    assert len(names(Server, account)) == 45
    assert fresh(account).complete_pass_at is not None


def test_a_long_answer_of_a_failing_provider_is_told_in_short(stage, account):
    stage.provider.faults.add("answer", status=503, body={"detail": "x" * 400}, times="forever")
    stage.look(account)
    before = fresh(account)
    assert (len(before.trouble), before.failed_passes) == (300, 1)
    stage.look(account)
    assert fresh(account).revision == before.revision


def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then(stage, account):
    stage.provider.faults.add(
        "answer", status=429, body={"detail": "slow"}, headers={"Retry-After": "3600"}
    )
    stage.look(account)
    row = fresh(account)
    assert row.next_pass_at - row.passes.latest("ended_at").ended_at == timedelta(hours=1)


def test_a_blip_of_a_minute_makes_nothing_gone_and_finds_nothing(stage, account, server):
    stage.provider.faults.add("empty", times=6)
    for _ in range(6):
        stage.later(seconds=9)
        stage.look(account)
    told = Event.objects.filter(verb__in=["server.gone", "snapshot.gone", "snapshot.found"])
    assert not told.exists()


def test_what_was_gone_and_is_listed_again_is_the_same_row(stage, account, server, snapshot):
    stage.provider.faults.add("empty", times=6)
    for _ in range(3):
        stage.later(minutes=1)
        stage.look(account)
    assert fresh(server).gone_at
    assert fresh(snapshot).gone_at
    stage.look(account)
    assert not fresh(server).gone_at
    assert not fresh(snapshot).gone_at
    assert not Event.objects.filter(verb="snapshot.found").exists()
    assert Event.objects.filter(verb="snapshot.back", snapshot=snapshot).count() == 1


def test_a_listed_snapshot_of_a_server_that_is_not_listed_stays(stage, account, server, snapshot):
    stage.provider.faults.add("hidden", path="/servers/", ids=[server.remote_id])
    for _ in range(4):
        stage.later(minutes=2)
        stage.look(account)
    assert fresh(server).gone_at
    assert not fresh(snapshot).gone_at


def test_an_old_operation_does_not_slow_the_whole_account(stage, account, snapshot, rosa):
    stage.provider.faults.add("close_before", path="/restore/")
    operation = stage.watch(stage.send(restore(snapshot, rosa)), times=4, minutes=15)
    row = fresh(operation.account)
    assert row.next_pass_at - row.passes.latest("ended_at").ended_at == timedelta(minutes=1)


def test_a_clock_that_was_ahead_stops_nothing(stage, account, server, oscar):
    ahead = NOW + timedelta(days=1)
    operation = take(server, oscar)
    Account.objects.filter(pk=account.pk).update(
        next_pass_at=ahead, nudged_at=ahead, reads_at=ahead, reads_left=0
    )
    Operation.objects.filter(pk=operation.pk).update(nudged_at=ahead)
    assert operations.due() == [operation.pk]
    assert inventory.due() == [account.pk]
    assert not budget.take(account.pk, 2)
    stage.later(minutes=1)
    assert budget.take(account.pk, 2)


def test_a_server_without_a_name_is_called_by_its_id(stage, account, server):
    stage.provider.outside.change_server(server.remote_id, name="", hostname="")
    stage.look(account)
    assert fresh(server).name == server.remote_id


class Broken(Client):
    """An error of ours, such as nobody foresaw."""

    def servers(self, status=None, location=None):
        raise RuntimeError("unforeseen")


def test_an_error_of_ours_is_told_and_looking_goes_on_later(stage, account, monkeypatch):
    monkeypatch.setattr("snapshots.models.account.Client", Broken)
    stage.look(account)
    broken = fresh(account)
    assert broken.trouble == "an error of ours came up while looking at the provider"
    assert broken.next_pass_at > broken.passes.latest("ended_at").ended_at
    monkeypatch.undo()
    stage.look(account)
    assert fresh(account).trouble == ""


def known(stage, account):
    """Look until a look has found nothing to write, so that the answer's bytes are known."""
    stage.look(account)
    stage.look(account)
    assert fresh(account).mirrored


def wrong_by_hand(server):
    """A row that is not as listed, without a revision that tells so."""
    Server.objects.filter(pk=server.pk).update(status="wrong")


def test_the_same_answer_again_is_not_compared_again(stage, account, server):
    known(stage, account)
    wrong_by_hand(server)
    stage.look(account)
    assert fresh(server).status == "wrong"
    assert fresh(account).complete_pass_at == fresh(account).applied_pass_at
    assert Pass.objects.filter(account=account).latest("begun_at").complete


def test_another_answer_is_compared(stage, account, server):
    known(stage, account)
    wrong_by_hand(server)
    stage.provider.snapshot(server.remote_id, "by-hand")
    stage.look(account)
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(account)
    assert fresh(server).status == "stopped"
    assert "by-hand" in names(Snapshot, account)


def test_what_changed_in_our_rows_is_compared_again(stage, account, server):
    known(stage, account)
    wrong_by_hand(server)
    Account.next_revision(account.pk)
    stage.look(account)
    assert fresh(server).status == "active"


def test_every_hour_all_is_compared_again(stage, account, server):
    known(stage, account)
    wrong_by_hand(server)
    stage.later(hours=1)
    stage.look(account)
    assert fresh(server).status == "active"


def test_what_is_watched_is_looked_for_in_an_answer_that_is_known(stage, account, server, oscar):
    operation = stage.send(take(server, oscar))
    known(stage, account)
    before = operation.sightings.count()
    stage.look(account)
    assert operation.sightings.count() == before + 1
    assert {sighting.status for sighting in operation.sightings.all()} == {"in_progress"}


def test_a_snapshot_that_is_missing_is_not_forgotten_because_the_answer_is_the_same(
    stage, account, snapshot
):
    known(stage, account)
    stage.provider.outside.delete_snapshot(snapshot.remote_id)
    for _ in range(3):
        stage.later(minutes=1)
        stage.look(account)
    assert fresh(snapshot).gone_at is not None


def test_the_pages_of_a_listing_are_charged(stage, account):
    budget.spend(account.pk, 12)
    assert fresh(account).reads_left == 30 - 2 - 12
    budget.spend(account.pk, 1000)
    assert fresh(account).reads_left == -30  # a minute's worth at most


def test_the_tick_waits_for_nobody_who_holds_one_of_the_accounts(stage, account):
    """Only PostgreSQL locks rows; there a batch holds several accounts while it is written."""
    stage.later(minutes=5)
    with CaptureQueriesContext(connection) as asked:
        assert inventory.due() == [account.pk]
    [mark] = [one["sql"] for one in asked if one["sql"].startswith('UPDATE "snapshots_account"')]
    assert connection.vendor == "sqlite" or "SKIP LOCKED" in mark
    assert inventory.due() == []
