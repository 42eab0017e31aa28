"""What may be asked of a server or a snapshot."""

from __future__ import annotations

import re

from django.db.models import QuerySet
from django.utils import timezone

from snapshots.errors import Refused
from snapshots.models import Account, Kind, Operation, Server, Snapshot, User
from snapshots.models.operation import HOLDING
from snapshots.operations.slots import slots, taken
from snapshots.permissions import known_servers
from snapshots.reasons import reason
from snapshots.said import gettext as _
from snapshots.text import same_name

RIGHT = {
    Kind.CREATE: "create",
    Kind.RESTORE: "restore",
    Kind.DELETE: "delete",
    Kind.STOP: "power",
    Kind.START: "power",
}
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # the alphabet is documented; the length is *assumed*


def right_for(operation: Operation) -> str:
    """The right to decide about `operation`. A safety snapshot is part of its restore."""
    parent = operation.parent if operation.kind == Kind.CREATE else None
    return RIGHT[Kind(parent.kind if parent else operation.kind)]


def slots_taken(server: Server) -> list[str]:
    """The names that take up the server's slots: its snapshots, and creates on their way."""
    return taken(slots(server))


def check_name(name: str) -> None:
    """The provider's rule for snapshot names. Raises `Refused`, naming the character at fault."""
    if not name:
        raise Refused(_("A snapshot needs a name."), field="name")
    wrong = sorted(set(re.sub(r"[A-Za-z0-9_-]", "", name)))
    if wrong:
        shown = " ".join(sign for sign in wrong[:5] if sign != " ")
        if " " in wrong:
            shown = _("space") + (f" {shown}" if shown else "")
        raise Refused(
            _(
                "The provider allows letters without accents, digits, - and _."
                " Not allowed: %(wrong)s"
            )
            % {"wrong": shown},
            field="name",
        )
    if not NAME.fullmatch(name):
        raise Refused(
            _("The name has %(count)d characters; 64 fit.") % {"count": len(name)}, field="name"
        )


def check_note(note: str) -> None:
    if len(note) > 900:
        raise Refused(
            _("The note has %(count)d characters; 900 fit.") % {"count": len(note)}, field="note"
        )


def busy(server: Server) -> str:
    """Why nothing more can be asked of this machine now.

    What was asked of it as another row, in an account of another team or one that not everybody
    reaches, is not told.
    """
    holder = _holders(server).first()
    if holder is None or holder.server_id != server.pk:
        return _("%(server)s is busy. Please try again in a few minutes.") % {"server": server.name}
    what = {
        Kind.CREATE: _(
            "%(server)s is busy: %(person)s asked for the snapshot %(name)s at %(time)s."
        ),
        Kind.RESTORE: _(
            "%(server)s is busy: %(person)s asked to restore it to %(name)s at %(time)s."
        ),
        Kind.DELETE: _("%(server)s is busy: %(person)s asked to delete %(name)s at %(time)s."),
        Kind.STOP: _("%(server)s is busy: %(person)s asked to stop it at %(time)s."),
        Kind.START: _("%(server)s is busy: %(person)s asked to start it at %(time)s."),
    }[Kind(holder.kind)]
    return what % {
        "server": server.name,
        "person": holder.asked_by_name,
        "name": holder.name,
        "time": f"{timezone.localtime(holder.created_at):%H:%M}"
        f" {timezone.get_current_timezone_name()}",
    }


def is_held(server: Server) -> bool:
    """Whether something that was asked of this machine has not ended."""
    return _holders(server).exists()


def _holders(server: Server) -> QuerySet[Operation]:
    return Operation.objects.filter(
        lock_key=server.lock_key, parent__isnull=True, state__in=HOLDING
    )


def removed(account: Account) -> str:
    """Why nothing can be asked of the servers of an account that was removed; else empty."""
    if not account.removed_at:
        return ""
    return _(
        "%(account)s was removed from %(team)s, so nothing can be asked of its servers."
        " What happened stays here to be read."
    ) % {"account": account.label, "team": account.team.name}


def check_connected(account: Account) -> None:
    if words := removed(account):
        raise Refused(words)


def check_server(server: Server) -> None:
    account = server.account
    check_connected(account)
    if server.gone_at:
        raise Refused(_("The provider no longer lists %(server)s.") % {"server": server.name})
    if account.paused == Account.Paused.KEY:
        raise Refused(_("%(account)s needs its token again.") % {"account": account.label})
    if account.paused == Account.Paused.TOKEN:
        raise Refused(
            _("The provider refuses the token of %(account)s. It must be replaced first.")
            % {"account": account.label}
        )


def check_is(server: Server, status: str, *, field: str | None = None) -> None:
    """What can only be asked of a server in this state. Raises `Refused`."""
    if server.status == status:
        return
    sentence = {
        "active": _("%(server)s is not running, so there is nothing to stop: it is “%(status)s”."),
        "stopped": _(
            "%(server)s is not stopped, so there is nothing to start: it is “%(status)s”."
        ),
    }[status]
    words = {"server": server.name, "status": server.status or _("unknown")}
    raise Refused(sentence % words, field=field)


def check_snapshot(snapshot: Snapshot, *, deleting: bool = False) -> None:
    if snapshot.gone_at:
        raise Refused(_("The provider no longer lists %(snapshot)s.") % {"snapshot": snapshot.name})
    # *Assumed*: the provider deletes a failed snapshot, and neither touches one in progress.
    if not snapshot.is_completed and not (deleting and snapshot.status == "failed"):
        raise Refused(
            _("%(snapshot)s is “%(status)s” at the provider, not completed.")
            % {"snapshot": snapshot.name, "status": snapshot.status}
        )
    if deleting and snapshot.is_locked:
        raise Refused(
            _(
                "%(snapshot)s is locked. %(person)s: “%(reason)s” It cannot be deleted before"
                " somebody who may lock and unlock snapshots has unlocked it."
            )
            % {
                "snapshot": snapshot.name,
                "person": snapshot.locked_by_name,
                "reason": snapshot.lock_reason,
            }
        )


def check_why(words: str) -> str:
    """Why somebody goes without a safety snapshot, tidied. Raises `Refused`."""
    lacking = _(
        "Please say why you go without a safety snapshot: it is the only way back."
        " It is kept in the history."
    )
    return reason(words, lacking, field="why_without")


def check_slot(server: Server, *, field: str | None = None) -> None:
    names = slots_taken(server)
    if len(names) >= server.account.slots:
        raise Refused(
            _("All %(limit)d slots of %(server)s are taken: %(names)s. Delete one first.")
            % {"limit": server.account.slots, "server": server.name, "names": ", ".join(names)},
            field=field,
        )


def check_typed(
    typed: str, wanted: str, kind: Kind, server: Server, actor: User, *, field: str = "typed"
) -> None:
    """Raises `Refused`; it names nothing that the person does not reach."""
    if same_name(typed, wanted):
        return
    if not typed.strip():
        raise Refused(_("Please type %(name)s to confirm.") % {"name": wanted}, field=field)
    if kind == Kind.RESTORE:
        sentence = _("That is not the name of the server you are restoring, which is %(name)s.")
        theirs = known_servers(actor).filter(account=server.account, gone_at=None)
        others = [other.name for other in theirs]
        another = _("You typed %(typed)s, which is another of your servers.")
    else:
        sentence = _("That is not the name of the snapshot you are deleting, which is %(name)s.")
        others = [other.name for other in server.snapshots.filter(gone_at__isnull=True)]
        another = _("You typed %(typed)s, which is another snapshot of this server.")
    said = words = sentence % {"name": wanted}
    if any(same_name(typed, other) for other in others):
        words = said + " " + another % {"typed": typed.strip()[:80]}
    # Who reads the history may not reach that server.
    raise Refused(words, field=field, for_all=said if kind == Kind.RESTORE else words)
