"""Gather, check and compile the translations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Bring locale/ up to the source and compile it. For translators: --missing LANGUAGE"
        " prints what is untranslated as JSON; --fill LANGUAGE FILE takes the same list back with"
        " each `str` filled in. Needs the packages of requirements/dev.txt."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--missing", metavar="LANGUAGE")
        one.add_argument("--fill", nargs=2, metavar=("LANGUAGE", "FILE"))

    def handle(self, *args: Any, **options: Any) -> None:
        from dashboard import catalogue

        if language := options["missing"]:
            self._known(language)
            missing = catalogue.missing(language)
            self.stdout.write(json.dumps(missing, ensure_ascii=False, indent=1))
        elif options["fill"]:
            language, file = options["fill"]
            self._known(language)
            entries = json.loads(Path(file).read_text("utf-8"))
            for complaint in catalogue.fill(language, entries):
                self.stderr.write(f"Not taken: {complaint}")
            self._report(language)
        else:
            for language in catalogue.LANGUAGES:
                catalogue.update(language)
                self._report(language)

    def _known(self, language: str) -> None:
        from dashboard import catalogue

        if language not in catalogue.LANGUAGES:
            raise CommandError(f"{language} is none of {', '.join(catalogue.LANGUAGES)}.")

    def _report(self, language: str) -> None:
        from dashboard import catalogue

        known, missing = len(catalogue.read(language)), len(catalogue.missing(language))
        self.stdout.write(f"{language}: {known} sentences, {missing} untranslated")
