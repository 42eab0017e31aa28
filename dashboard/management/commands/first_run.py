from typing import Any

from django.core.management.base import BaseCommand

from dashboard import first_link


class Command(BaseCommand):
    help = "While there is nobody: print a link for the first owner. The one before works no more."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(first_link.words() or "There is somebody already: no link is needed.")
