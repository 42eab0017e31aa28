"""The Celery app, and the timetable of what happens by itself."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["snapshots"])

app.conf.beat_schedule = {
    "find due work": {"task": "snapshots.tick", "schedule": 2.0, "options": {"expires": 10}},
    "forget old looks": {"task": "snapshots.tidy", "schedule": 3600.0, "options": {"expires": 600}},
}
