"""Say what this installation lacks, a line for each check, and what to do about it."""

from __future__ import annotations

import shutil
import zoneinfo
from collections.abc import Collection, Iterator
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core import checks
from django.core.mail import get_connection
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from dashboard import probes
from dashboard.probes import Trouble
from snapshots import audit
from snapshots.models import Account, append_only
from snapshots.secrets import CannotOpen

LEAST_FREE = 1024**3
CLOCKS_APART = timedelta(seconds=2)


def configuration() -> str:
    """What Django's own deployment checks say; over plain http half of them make no sense."""
    found = checks.run_checks(include_deployment_checks=settings.IS_HTTPS)
    told = [one for one in found if not one.is_silenced()]
    if told:
        words = "; ".join(f"{one.id}: {one.msg}" for one in told)
        raise Trouble(words, "See docs/configuration.md")
    return "fit for the public" if settings.IS_HTTPS else "in order, for plain http"


def keys() -> str:
    """Every account's token opens with one of TOKEN_KEYS."""
    accounts = Account.objects.filter(removed_at=None).exclude(sealed_token="").order_by("pk")
    shut = []
    for account in accounts:
        try:
            account.client().close()
        except CannotOpen:
            shut.append(f"{account.pk} ({account.label})")
    if shut:
        raise Trouble(
            f"no key opens the token of {len(shut)} account(s): {', '.join(shut)}",
            "Put the key that sealed it back into TOKEN_KEYS, or enter the token again",
        )
    return f"the tokens of {len(accounts)} account(s) open"


def history() -> str:
    """Whether it is being sealed, and still has the head that was kept last; not every line."""
    if not append_only.in_place():
        raise Trouble("the database lets its lines be changed", "Run: manage.py migrate")
    if number := audit.overdue():
        raise Trouble(f"{number} lines are not sealed", "See whether the workers and beat run")
    if not settings.AUDIT_HEAD_FILE:
        return "sealed; AUDIT_HEAD_FILE is not set, so a missing end would not be noticed"
    try:
        heads = audit.read(Path(settings.AUDIT_HEAD_FILE))
    except OSError:
        heads = []  # nothing was sealed yet, or another machine has it
    if heads and audit.verify(heads[-1:], after=heads[-1]).findings:
        raise Trouble("lines are missing or were changed", "Run: manage.py verify_audit")
    return "sealed, and with the head that was kept last" if heads else "sealed"


def mail() -> str:
    if not parseaddr(settings.DEFAULT_FROM_EMAIL)[1]:
        raise Trouble("DEFAULT_FROM_EMAIL is no address", "Set it to the sender of your mail")
    if not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"):
        if settings.IS_HTTPS:
            raise Trouble("mail reaches nobody: it stays on this machine", "Set EMAIL_URL")
        is_kept = settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")
        where = "kept in files" if is_kept else "printed to the log"
        return f"{where}, which is fine while trying it out"
    server = get_connection(timeout=5)
    try:
        server.open()
    except OSError as error:
        what = f"the mail server does not take us ({type(error).__name__})"
        raise Trouble(what, "See EMAIL_URL") from None
    finally:
        server.close()
    return f"{settings.EMAIL_HOST} takes us"


def clock() -> str:
    if connection.vendor != "postgresql":
        return "the database is on this machine"
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        apart = abs(timezone.now() - cursor.fetchone()[0])
    if apart > CLOCKS_APART:
        raise Trouble(
            f"this machine and the database are {apart.total_seconds():.0f} s apart",
            "Synchronise both clocks (NTP)",
        )
    return "agrees with the database's"


def disk() -> str:
    if connection.vendor != "sqlite":
        return "the database is not on this machine's disk"
    free = shutil.disk_usage(Path(connection.settings_dict["NAME"]).parent).free
    if free < LEAST_FREE:
        raise Trouble(f"{free // 1024**2} MB free beside the database", "Make room")
    return f"{free // 1024**3} GB free beside the database"


def static() -> str:
    if settings.WHITENOISE_USE_FINDERS:
        return "served from the source tree"
    try:
        staticfiles_storage.url("css/holdfast.css")
    except ValueError:
        raise Trouble("nothing was collected", "Run: manage.py collectstatic") from None
    return "collected"


def zones() -> str:
    known = len(zoneinfo.available_timezones())
    if known < 300:
        raise Trouble(f"only {known} time zones are known", "Install tzdata")
    return f"{known} known"


def signs(probe: probes.Probe) -> probes.Probe:
    """Of what runs elsewhere we know by a file only."""

    def look() -> str:
        if not settings.HEARTBEAT_FILE:
            raise Trouble("not known", "Set HEARTBEAT_FILE, for all programs alike")
        return probe()

    return look


CHECKS: dict[str, probes.Probe] = {
    "settings": configuration,
    "database": probes.database,
    "migrations": probes.migrations,
    "broker": probes.broker,
    "worker": signs(probes.worker),
    "beat": signs(probes.beat),
    "static files": static,
    "keys": keys,
    "history": history,
    "mail": mail,
    "clock": clock,
    "disk": disk,
    "time zones": zones,
}


# Where a probe fails with an error of others, whose words may name a password.
ADVICE = {
    "database": "See whether it runs, and DATABASE_URL",
    "migrations": "Once the database answers, run: manage.py migrate",
    "broker": "See whether Redis or Valkey runs, and REDIS_URL",
    "keys": "Once the database answers and is migrated, ask again",
    "history": "Once the database answers and is migrated, ask again",
}


class Finding(NamedTuple):
    """What one check says; `advice` is empty where all is well."""

    name: str
    words: str
    advice: str = ""


def findings(*, but: Collection[str] = ()) -> Iterator[Finding]:
    """Each check's. Never a secret: where others' code fails, only the name of its error."""
    for name, probe in CHECKS.items():
        if name in but:
            continue
        try:
            yield Finding(name, probe())
        except Trouble as trouble:
            yield Finding(name, str(trouble), trouble.advice)
        except Exception as error:
            yield Finding(
                name, type(error).__name__, ADVICE.get(name, "See the log of the programs")
            )


class Command(BaseCommand):
    help = "Check this installation: a line for each item, exit code 1 if something is wrong."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = total = 0
        for name, words, advice in findings():
            total += 1
            wrong += bool(advice)
            if advice:
                self.stdout.write(f"WRONG  {name:12}  {words}. {advice}.")
            else:
                self.stdout.write(f"ok     {name:12}  {words}")
        if wrong:
            self.stdout.write(f"\n{wrong} of {total} checks found something wrong.")
            raise SystemExit(1)
        self.stdout.write("\nAll is well.")
