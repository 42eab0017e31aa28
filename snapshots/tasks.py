"""Celery's door to the domain: each task is one line, safe twice, late, or never."""

from __future__ import annotations

from celery import shared_task

from snapshots import audit, guards, inventory, notices, operations, queue


@shared_task(name="snapshots.tick")
def tick() -> None:
    """Every two seconds: what time does, and who is due."""
    operations.sweep()
    queue.announce("send", operations.due())
    queue.announce("observe", inventory.due())
    guards.expire()  # last: nothing that is sent waits for it


@shared_task(name="snapshots.send")
def send(pk: int) -> None:
    operations.send(pk, fenced=True)


# Two listings of half a minute at most each, and the writing of tens of thousands of rows.
@shared_task(name="snapshots.observe", soft_time_limit=100, time_limit=110)
def observe(pk: int) -> None:
    inventory.observe(pk)


@shared_task(name="snapshots.tell")
def tell() -> None:
    """A task of its own: whatever a receiver does, the tick does not wait for it."""
    notices.write_messages()
    notices.deliver()


@shared_task(name="snapshots.seal")
def seal() -> None:
    audit.seal()
    audit.publish()


@shared_task(name="snapshots.tidy")
def tidy() -> None:
    inventory.tidy()
    notices.tidy()
