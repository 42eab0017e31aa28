"""The whole way with real processes, and what it survives."""

import os
import signal
import time

import redis

from snapshots import accounts, rotation
from snapshots.models import Operation, Server, State, Webhook
from tests.conftest import delete, fresh, restore, take
from tests.test_rotation import NEW, rotating, told

ON_THE_WAY = (State.RUNNING, State.SUCCEEDED)


def applied(provider, method, path):
    return len(provider.calls(method, path, "applied"))


def test_take_restore_and_delete_each_reach_the_provider_once(works, provider, server, rosa):
    taken = works.wait_for_state(take(server, rosa), State.SUCCEEDED)
    restored = works.wait_for_state(
        restore(taken.snapshot, rosa), State.SUCCEEDED, State.NEEDS_PERSON
    )
    assert restored.state == State.SUCCEEDED
    works.wait_for_state(delete(taken.snapshot, rosa), State.SUCCEEDED)
    assert applied(provider, "POST", "/restore/") == 1
    assert applied(provider, "DELETE", "/snapshots/") == 1
    assert applied(provider, "POST", "/snapshots/") == 2  # the create, and the restore's path


def test_a_worker_killed_while_the_provider_works_changes_nothing(works, provider, server, oscar):
    operation = works.wait_for_state(take(server, oscar), *ON_THE_WAY)
    works.kill("worker")
    works.start("worker")
    works.wait_for_state(operation, State.SUCCEEDED)
    assert applied(provider, "POST", "/snapshots/") == 1


def test_a_worker_killed_in_the_middle_of_a_call_leaves_a_doubt_that_is_resolved(
    works, provider, server, oscar
):
    provider.faults.add("hang", method="POST", when="after")
    operation = take(server, oscar)
    works.wait_for(lambda: applied(provider, "POST", "/snapshots/"))
    assert fresh(operation).state == State.SENDING
    works.kill("worker")
    works.start("worker")
    works.wait_for_state(operation, State.IN_DOUBT, *ON_THE_WAY)  # after the claim's deadline
    works.wait_for_state(operation, State.SUCCEEDED)
    assert applied(provider, "POST", "/snapshots/") == 1


def test_with_the_broker_wiped_and_killed_nothing_is_forgotten(works, provider, server, oscar):
    redis.Redis(port=works.port).flushall()
    works.kill("valkey")
    operation = take(server, oscar)
    assert fresh(operation).state == State.QUEUED
    works.start("valkey")
    works.wait_for_state(operation, State.SUCCEEDED, seconds=60)
    assert applied(provider, "POST", "/snapshots/") == 1


def test_without_beat_for_a_while_the_nudge_alone_sends(works, provider, server, oscar):
    works.kill("beat")
    operation = take(server, oscar)
    works.wait_for_state(operation, *ON_THE_WAY)
    works.start("beat")
    works.wait_for_state(operation, State.SUCCEEDED)


def test_two_beats_and_two_workers_send_once(works, provider, server, oscar):
    second = type(works)(works.home / "second", provider, port=works.port)
    second.home.mkdir()
    second.start("worker", "beat")
    try:
        works.wait_for_state(take(server, oscar), State.SUCCEEDED)
    finally:
        second.stop()
    assert applied(provider, "POST", "/snapshots/") == 1


def test_a_worker_shows_that_it_lives(works, account):
    heartbeat = works.home / "heartbeat"
    works.wait_for(heartbeat.exists)
    os.killpg(works.running["worker"].pid, signal.SIGSTOP)
    last = heartbeat.stat().st_mtime
    time.sleep(5)  # two beats pass that nobody answers
    assert heartbeat.stat().st_mtime == last
    os.killpg(works.running["worker"].pid, signal.SIGCONT)
    works.wait_for(lambda: heartbeat.stat().st_mtime > last)


def test_keys_are_changed_beside_the_workers_and_a_kill_in_between_loses_nothing(
    works, provider, server, oscar, team, settings, monkeypatch
):
    old, hooks = settings.TOKEN_KEYS, 600

    def from_now_on(*keys):
        settings.TOKEN_KEYS = list(keys)
        monkeypatch.setenv("TOKEN_KEYS", told(settings.TOKEN_KEYS))
        works.kill("worker")
        works.start("worker")

    for row in Webhook.objects.bulk_create(
        Webhook(team=team, name=str(n), address=f"https://{n}.example/") for n in range(hooks)
    ):
        Webhook.objects.filter(pk=row.pk).update(sealed_secret=row.seal(f"whsec_{row.name}"))
    from_now_on(NEW, *old)
    first = take(server, oscar, "first")
    with rotating(settings.TOKEN_KEYS) as process:
        works.wait_for(lambda: rotation.left() < hooks - 100)
        process.kill()
    assert 0 < rotation.left() < hooks
    works.wait_for_state(first, State.SUCCEEDED)
    second = take(server, oscar, "second")
    with rotating(settings.TOKEN_KEYS) as process:
        assert process.wait(60) == 0
    works.wait_for_state(second, State.SUCCEEDED)
    from_now_on(NEW)
    works.wait_for_state(take(server, oscar, "third"), State.SUCCEEDED)
    opened = {row.name: row.signing_secrets()[0].reveal() for row in Webhook.objects.all()}
    assert opened == {str(n): f"whsec_{n}" for n in range(hooks)}
    assert applied(provider, "POST", "/snapshots/") == 3


def test_an_account_that_hangs_delays_none_of_forty_nine_others(works, provider, team, alice):
    tokens = [provider.account(f"Account {n}") for n in range(50)]
    for n, token in enumerate(tokens):
        for m in range(10 if n == 0 else 1):
            provider.server(token, f"web-{n}-{m}")
        accounts.connect(team, label=str(n), api_url=provider.url, token=token, actor=alice)
    works.wait_for(lambda: Server.objects.count() == 59)
    provider.faults.add("hang", token=tokens[0], times=None, seconds=60)
    name, before = provider.world.tokens[tokens[0]].name, len(provider.calls())
    servers = Server.objects.select_related("account__team").order_by("pk")
    for server in sorted(servers, key=lambda one: one.account.label != "0"):
        take(server, alice)  # the ten of the account that hangs first
    others = Operation.objects.exclude(account__label="0")
    works.wait_for(lambda: others.filter(state__in=ON_THE_WAY).count() == 49)
    assert {one.state for one in Operation.objects.filter(account__label="0")} == {State.QUEUED}
    tried = sum(call["token"] == name for call in provider.calls()[before:])
    # The client asks three times for each look: seven seconds and a half of a worker.
    assert tried / 3 < 10, "each of its ten operations kept a worker waiting"
    provider.faults.clear()
    works.wait_for(lambda: not Operation.objects.filter(state=State.QUEUED).exists(), 90)
