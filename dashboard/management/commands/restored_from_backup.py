from typing import Any

from django.core.management.base import BaseCommand, CommandError

from snapshots.models import Epoch, Operation, State
from snapshots.operations import epoch

SENTENCE = "I have looked at the provider"


class Command(BaseCommand):
    help = (
        "After the database was restored from a backup: nothing is sent any more, until"
        " --go-on. What may have been sent before is in doubt, and never sent again."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--go-on", action="store_true", help="send again what is asked from now on"
        )

    def handle(self, *args: Any, go_on: bool, **options: Any) -> None:
        if go_on:
            self.go_on()
            return
        epoch.stop(Epoch.Why.SAID)
        self.stdout.write(
            "Nothing is sent. The worker now puts in doubt what was waiting, and looks at every"
            " account. Look at the provider's panel for what happened since the backup was made;"
            " then: manage.py restored_from_backup --go-on"
        )

    def go_on(self) -> None:
        if missing := epoch.still_to_do():
            raise CommandError("Not yet. " + " ".join(missing))
        doubtful = Operation.objects.filter(state__in=(State.IN_DOUBT, State.NEEDS_PERSON)).count()
        self.stdout.write(
            f"{doubtful} operations are in doubt or need a person. They stay so, and are never sent"
            f" again. To send what is asked from now on, type: {SENTENCE}"
        )
        try:
            typed = input()
        except EOFError:
            typed = ""
        if typed.strip().casefold() != SENTENCE.casefold():
            raise CommandError("That is not the sentence. Nothing is sent.")
        epoch.go_on()
        self.stdout.write("Sending goes on.")
