import sys
from typing import Any

from django.core.management.base import BaseCommand

from dashboard import house


class Command(BaseCommand):
    """In the list of commands for people; manage.py itself starts it, before there are settings."""

    help = "Start everything under one supervisor, as `make run` does."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(house.main())
