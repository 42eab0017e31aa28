"""Look whether the history is what was written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from snapshots import audit


class Command(BaseCommand):
    help = "Read the history's chain and say which lines were changed, put in, moved or taken away."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--heads",
            metavar="FILE",
            default=settings.AUDIT_HEAD_FILE,
            help="a copy of what AUDIT_HEAD_FILE kept (default: that file, if it is set)",
        )
        parser.add_argument(
            "--since-last-head",
            action="store_true",
            help="only what came after the last head, which is taken for true",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        heads = self._heads(options["heads"])
        since = options["since_last_head"] and heads
        report = audit.verify(heads, after=heads[-1] if since else audit.Head(0, ""))
        for words in report.findings:
            self.stdout.write(f"WRONG  {words}.")
        self.stdout.write(f"{report.lines} lines read, up to line {report.head.seq}.")
        if report.waiting:
            self.stdout.write(f"{report.waiting} more lines wait to be sealed.")
        if report.late:
            self.stdout.write(
                f"{report.late} lines were sealed more than two minutes after the time they tell."
                " If the workers ran then, ask who wrote them."
            )
        if not heads:
            self.stdout.write("No heads were given: lines missing at the end are not noticed.")
        if report.findings:
            raise SystemExit(1)
        self.stdout.write("The history is what was sealed.")

    @staticmethod
    def _heads(file: str) -> list[audit.Head]:
        if not file:
            return []
        try:
            return audit.read(Path(file))
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from None
