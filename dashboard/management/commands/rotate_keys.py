"""Seal everything with the newest key, so that the old ones can go."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from dashboard import factors
from snapshots import rotation


class Command(BaseCommand):
    help = (
        "Seal what is in the database with the first of TOKEN_KEYS."
        " Everything may go on running, if all programs know that key already."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        shut = 0
        for outcome in rotation.rotate():
            shut += self._tell(str(outcome.place), outcome.sealed, outcome.shut)
        shut += self._tell("authenticator.data", *factors.rotate())
        if shut:
            self.stdout.write("Put their key back into TOKEN_KEYS, or enter them again.")
            raise SystemExit(1)
        self.stdout.write(
            "All is sealed with the first key. Run it once more in ten minutes, since a page may"
            " hold what another key sealed; then the others may go from TOKEN_KEYS."
        )

    def _tell(self, place: str, sealed: int, shut: list[int]) -> int:
        self.stdout.write(f"{place}: {sealed} sealed again.")
        if shut:
            ids = ", ".join(map(str, shut[:20]))
            self.stdout.write(f"WRONG  no key opens {len(shut)} of {place}: {ids}.")
        return len(shut)
