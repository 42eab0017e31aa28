"""Celery's door to what is said in the pages' own words; the domain's is `snapshots.tasks`."""

from __future__ import annotations

from celery import shared_task

from dashboard import password_links


@shared_task(name="dashboard.password_links")
def send_password_links() -> None:
    password_links.send()
