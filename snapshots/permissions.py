"""Who may do what: one table, which serves the gate and the button alike."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from snapshots import kept
from snapshots.errors import NotAllowed
from snapshots.models import (
    Account,
    Batch,
    Event,
    Membership,
    Operation,
    Role,
    Server,
    Snapshot,
    Team,
    User,
    Webhook,
)
from snapshots.said import gettext as _

VIEW = "view"
CREATE = "create"
DELETE = "delete"
RESTORE = "restore"
DESCRIBE = "describe"
PROTECT = "protect"
POWER = "power"
MANAGE_ACCOUNTS = "manage_accounts"
MANAGE_PEOPLE = "manage_people"
MANAGE_WEBHOOKS = "manage_webhooks"
SET_RULES = "set_rules"
READ_AUDIT = "read_audit"
APPROVE = "approve"  # reserved
SCHEDULE = "schedule"  # reserved

RESERVED = frozenset({APPROVE, SCHEDULE})  # in the table, and asked by nothing yet

RIGHTS: dict[str, Promise] = {
    VIEW: gettext_lazy("see servers, snapshots and their history"),
    CREATE: gettext_lazy("take snapshots"),
    DELETE: gettext_lazy("delete snapshots"),
    RESTORE: gettext_lazy("restore servers"),
    DESCRIBE: gettext_lazy("say what snapshots are for"),
    PROTECT: gettext_lazy("lock snapshots, unlock them and mark them as known good"),
    POWER: gettext_lazy("start and stop servers"),
    MANAGE_ACCOUNTS: gettext_lazy("manage provider accounts"),
    MANAGE_PEOPLE: gettext_lazy("manage people"),
    MANAGE_WEBHOOKS: gettext_lazy("manage webhooks"),
    SET_RULES: gettext_lazy("set the rules for restores"),
    READ_AUDIT: gettext_lazy("read what happened to accounts and people"),
    APPROVE: gettext_lazy("approve restores"),
    SCHEDULE: gettext_lazy("schedule snapshots"),
}

_VIEWER = {VIEW}
_OPERATOR = _VIEWER | {CREATE, DESCRIBE}
_RESTORER = _OPERATOR | {DELETE, RESTORE, PROTECT, POWER, APPROVE}
_ADMIN = _RESTORER | {
    MANAGE_ACCOUNTS,
    MANAGE_PEOPLE,
    MANAGE_WEBHOOKS,
    SET_RULES,
    READ_AUDIT,
    SCHEDULE,
}

TABLE: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.OPERATOR: frozenset(_OPERATOR),
    Role.RESTORER: frozenset(_RESTORER),
    Role.ADMIN: frozenset(_ADMIN),
    Role.OWNER: frozenset(_ADMIN),
}


def may(user: User, right: str, team: Team | int) -> bool:
    """Whether `user` has `right` in `team`. An inactive user has none."""
    team_id = team if isinstance(team, int) else team.pk
    return user.is_active and right in TABLE.get(user.roles.get(team_id, ""), frozenset())


def may_now(user_id: int | None, right: str, team_id: int) -> bool:
    """The same, read afresh: for a worker that acts long after the click."""
    if user_id is None:
        return False

    def write() -> QuerySet[Membership, tuple[Any, ...]]:
        members = Membership.objects.filter(user__is_active=True)
        return members.filter(team=team_id, user=user_id).values_list("role")

    roles = kept.ask("role now", write, [team_id, user_id])
    return any(right in TABLE[role] for (role,) in roles)


def require(user: User, right: str, team: Team) -> None:
    """Raise `NotAllowed`, saying which right is missing and who can give it."""
    if may(user, right, team):
        return
    people = User.objects.filter(
        memberships__team=team,
        memberships__role__in=[role for role in Role if MANAGE_PEOPLE in TABLE[role]],
        is_active=True,
    ).order_by("name")
    raise NotAllowed(
        _("You may not %(right)s in %(team)s. %(people)s can give you that right.")
        % {
            "right": RIGHTS[right],
            "team": team.name,
            "people": ", ".join(person.name for person in people[:3]) or _("An owner"),
        }
    )


def why_not(user: User, right: str, team: Team) -> str:
    """Why `user` may not, and who can change that; empty if they may. The gate is `require`."""
    try:
        require(user, right, team)
    except NotAllowed as refusal:
        return str(refusal)
    return ""


def visible_accounts(user: User) -> QuerySet[Account]:
    """Accounts that are connected. One that was removed is only history."""
    return Account.objects.filter(team_id__in=user.roles, removed_at=None)


def known_accounts(user: User) -> QuerySet[Account]:
    """Those that were removed too."""
    return Account.objects.filter(team_id__in=user.roles)


def visible_servers(user: User) -> QuerySet[Server]:
    return known_servers(user).filter(account__removed_at=None)


def known_servers(user: User) -> QuerySet[Server]:
    """Those of removed accounts too: for a page that tells what happened, never for a list."""
    return Server.objects.filter(account__team_id__in=user.roles).select_related("account__team")


def visible_snapshots(user: User) -> QuerySet[Snapshot]:
    return known_snapshots(user).filter(account__removed_at=None)


def known_snapshots(user: User) -> QuerySet[Snapshot]:
    """Those of removed accounts too: for a page that tells what happened, never for a list."""
    return Snapshot.objects.filter(account__team_id__in=user.roles).select_related(
        "server", "account__team"
    )


def visible_operations(user: User) -> QuerySet[Operation]:
    return Operation.objects.filter(team_id__in=user.roles).select_related(
        "server", "snapshot", "account__team"
    )


def visible_batches(user: User) -> QuerySet[Batch]:
    return Batch.objects.filter(team_id__in=user.roles).select_related("team")


def visible_events(user: User) -> QuerySet[Event]:
    """Everything about servers; what concerns accounts and people only with the right for it."""
    audited = [team for team in user.roles if may(user, READ_AUDIT, team)]
    events = Event.objects.filter(team_id__in=user.roles).select_related(
        "server", "snapshot", "operation", "account"
    )
    return events.filter(server__isnull=False) | events.filter(team_id__in=audited)


def visible_webhooks(user: User) -> QuerySet[Webhook]:
    """That the team has one, every member may know, and of what it is told; not more.

    A person's own is theirs alone.
    """
    rows = Webhook.objects.filter(Q(member=None) | Q(member__user=user), team_id__in=user.roles)
    return rows.select_related("team", "member")


def require_webhook(user: User, webhook: Webhook) -> None:
    """Raise `NotAllowed` unless `user` may manage it: a person's own is managed by them alone."""
    if webhook.member is None:
        require(user, MANAGE_WEBHOOKS, webhook.team)
        return
    if webhook.member.user_id != user.pk:
        raise NotAllowed(_("A webhook of one’s own is for that person alone."))
    require(user, VIEW, webhook.team)
