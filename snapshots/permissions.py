"""Who may do what: one table, which serves the gate and the button alike."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Subquery
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from snapshots import kept
from snapshots.errors import NeedsSecondFactor, NotAllowed
from snapshots.models import (
    Account,
    Batch,
    Delivery,
    Event,
    Membership,
    Operation,
    Role,
    Scope,
    Server,
    Snapshot,
    Tag,
    Team,
    User,
    Webhook,
)
from snapshots.models.people import SECOND_FACTORS
from snapshots.said import gettext as _

Row = TypeVar("Row", bound=Model)

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
TAG = "tag"
READ_AUDIT = "read_audit"
APPROVE = "approve"
BREAK_GLASS = "break_glass"
SCHEDULE = "schedule"  # reserved

RESERVED = frozenset({SCHEDULE})  # in the table, and asked by nothing yet

LOOKING = frozenset({VIEW, READ_AUDIT})

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
    TAG: gettext_lazy("tag servers"),
    READ_AUDIT: gettext_lazy("read what happened to accounts and people"),
    APPROVE: gettext_lazy("approve restores that others asked for"),
    BREAK_GLASS: gettext_lazy("restore without the second person in an emergency"),
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
    TAG,
    READ_AUDIT,
    SCHEDULE,
}

TABLE: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.OPERATOR: frozenset(_OPERATOR),
    Role.RESTORER: frozenset(_RESTORER),
    Role.ADMIN: frozenset(_ADMIN),
    Role.OWNER: frozenset(_ADMIN | {BREAK_GLASS}),
}


def may(user: User, right: str, team: Team | int) -> bool:
    """Whether `user` has `right` in `team`. Whoever is inactive, or suspended there, has none."""
    team_id = team if isinstance(team, int) else team.pk
    return is_granted(user, right, team_id) and not lacks_second_factor(user, right, team_id)


def is_granted(user: User, right: str, team_id: int) -> bool:
    """Whether their role there has it."""
    return user.is_active and right in TABLE.get(user.roles.get(team_id, ""), frozenset())


def lacks_second_factor(user: User, right: str, team_id: int) -> bool:
    """Whether the team wants a second factor for this, and `user` has none. Looking needs none."""
    standing = user.standing.get(team_id)
    is_asked = standing is not None and standing.asks_more and right not in LOOKING
    return is_asked and not user.has_second_factor


def may_now(user_id: int | None, right: str, team_id: int, server_id: int | None = None) -> bool:
    """The same, read afresh, and with the server for which they need it: one question.

    For a worker that acts long after the click.
    """
    if user_id is None:
        return False

    def write() -> QuerySet[Membership, tuple[Any, ...]]:
        members = Membership.objects.filter(user__is_active=True, suspended_at=None)
        has_factor = Q(user__authenticator__type__in=SECOND_FACTORS)
        members = members.filter(Q(team__second_factor=False) | has_factor)
        members = members.filter(team=team_id).filter(user=user_id)
        if server_id is not None:
            members = members.filter(_reaching(server_id))
        return members.values_list("role")

    values = [team_id, user_id] if server_id is None else [team_id, user_id, server_id, server_id]
    return any(right in TABLE[role] for (role,) in kept.ask("role now", write, values))


def able(right: str, team: Team, server: Server | None = None) -> list[User]:
    """Who may do this there, by name: everybody whom `may_now` lets."""
    members = Membership.objects.filter(team=team, suspended_at=None)
    members = members.filter(role__in=roles_with(right))
    if server is not None:
        members = members.filter(_reaching(server.pk))
    found = User.objects.filter(pk__in=members.values("user"), is_active=True)
    if team.second_factor:
        found = found.filter(authenticator__type__in=SECOND_FACTORS).distinct()
    return list(found.order_by("name", "pk"))


def _reaching(server_id: int) -> Q:
    """Members who reach that server."""
    accounts = Scope.accounts.through.objects.filter(account__servers=server_id)
    tags = Scope.tags.through.objects.filter(tag__servers=server_id)
    return Q(scope=None) | Q(scope__in=accounts.values("scope")) | Q(scope__in=tags.values("scope"))


def require(user: User, right: str, team: Team, server: Server | None = None) -> None:
    """Raise `NotAllowed`, saying which right is missing and who can give it.

    With a `server`, the right is needed there: who is limited may reach it no more.
    """
    is_allowed = may(user, right, team)
    if is_allowed and (server is None or reaches(user, server)):
        return
    if is_granted(user, right, team.pk) and lacks_second_factor(user, right, team.pk):
        sentence = _(
            "%(team)s wants a second factor of everybody. Until you have one, you may look but not"
            " act. Set it up under your settings, Signing in."
        )
        raise NeedsSecondFactor(sentence % {"team": team.name}, team=team)
    people = managers(team)
    if is_allowed:
        sentence = _("Your part of %(team)s does not reach so far. %(people)s can change that.")
        raise NotAllowed(sentence % {"team": team.name, "people": people}, team=team)
    sentence = _("You may not %(right)s in %(team)s. %(people)s can give you that right.")
    words = {"right": RIGHTS[right], "team": team.name, "people": people}
    raise NotAllowed(sentence % words, team=team)


def managers(team: Team) -> str:
    """Who can give rights in `team`, by name."""
    return named(team, roles_with(MANAGE_PEOPLE))


def roles_with(right: str) -> list[Role]:
    return [role for role in Role if right in TABLE[role]]


def named(team: Team, roles: list[Role]) -> str:
    """The first few who have one of `roles`, by name."""
    present = Membership.objects.filter(team=team, suspended_at=None, user__is_active=True)
    rows = (
        present.filter(role__in=roles).order_by("user__name").values_list("user__name", flat=True)
    )
    names = rows.values_list("user__name", flat=True)[:3]
    return ", ".join(names) or _("An owner")


def why_not(user: User, right: str, team: Team) -> str:
    """Why `user` may not, and who can change that; empty if they may. The gate is `require`."""
    try:
        require(user, right, team)
    except NotAllowed as refusal:
        return str(refusal)
    return ""


# -- how far one sees -----------------------------------------------------------------------------
#
# What is beyond somebody's reach is to them as if it did not exist. Whoever is limited nowhere is
# asked nothing more for it.


def reached(scopes: list[int]) -> QuerySet[Server, Any]:
    """The ids of the servers in any of these scopes."""
    whole = Scope.accounts.through.objects.filter(scope__in=scopes).values("account")
    tagged = Tag.servers.through.objects.filter(tag__scopes__in=scopes).values("server")
    return Server.objects.filter(Q(account__in=whole) | Q(pk__in=tagged)).values("pk")


def _accounts(scopes: list[int]) -> Q:
    """Accounts of which something is in any of these scopes."""
    whole = Scope.accounts.through.objects.filter(scope__in=scopes).values("account")
    tagged = Tag.servers.through.objects.filter(tag__scopes__in=scopes).values("server__account")
    return Q(pk__in=whole) | Q(pk__in=tagged)


def may_hear(scope: int | None, about: Event | Batch) -> bool:
    """Whether a member who is limited to `scope` may be told of it. No question without a limit."""
    if scope is None:
        return True
    if isinstance(about, Batch):
        return about.operations.filter(server__in=reached([scope])).exists()
    if about.server_id:
        return reached([scope]).filter(pk=about.server_id).exists()
    return Account.objects.filter(_accounts([scope])).filter(pk=about.account_id or 0).exists()


def _within(user: User, team: str, server: str) -> Q:
    """Rows of teams of which they reach everything, and of servers that they reach in others."""
    everything = Q(**{f"{team}__in": user.unlimited})
    if not user.scopes:
        return everything
    return everything | Q(**{f"{server}__in": reached(user.scopes)})


def narrowed(user: User, rows: QuerySet[Row], *, team: str, server: str) -> QuerySet[Row]:
    """Those of `rows` that they reach, of teams that they are in."""
    return rows.filter(_within(user, team, server)) if user.scopes else rows


def reaches(user: User, server: Server) -> bool:
    """Whether `server` is within their reach. No question for who is limited nowhere."""
    team = server.account.team_id
    if team in user.unlimited:
        return True
    scope = user.standing[team].scope if team in user.standing else None
    return scope is not None and reached([scope]).filter(pk=server.pk).exists()


def visible_accounts(user: User) -> QuerySet[Account]:
    """Accounts that are connected. One that was removed is only history."""
    return known_accounts(user).filter(removed_at=None)


def known_accounts(user: User) -> QuerySet[Account]:
    """Those that were removed too. Of one that is reached in part, whoever asks sees that part."""
    within = Q(team_id__in=user.unlimited)
    return Account.objects.filter(within | _accounts(user.scopes) if user.scopes else within)


def visible_servers(user: User) -> QuerySet[Server]:
    return known_servers(user).filter(account__removed_at=None)


def known_servers(user: User) -> QuerySet[Server]:
    """Those of removed accounts too: for a page that tells what happened, never for a list."""
    rows = Server.objects.filter(_within(user, "account__team_id", "pk"))
    return rows.select_related("account__team")


def visible_snapshots(user: User) -> QuerySet[Snapshot]:
    return known_snapshots(user).filter(account__removed_at=None)


def known_snapshots(user: User) -> QuerySet[Snapshot]:
    """Those of removed accounts too: for a page that tells what happened, never for a list."""
    rows = Snapshot.objects.filter(_within(user, "account__team_id", "server_id"))
    return rows.select_related("server", "account__team")


def visible_operations(user: User) -> QuerySet[Operation]:
    rows = Operation.objects.filter(_within(user, "team_id", "server_id"))
    return rows.select_related("server", "snapshot", "account__team")


def visible_batches(user: User) -> QuerySet[Batch]:
    """Those with something that they reach, and their own. Not all that is in one need be seen."""
    within = Q(team_id__in=user.unlimited)
    if user.scopes:
        seen = Operation.objects.filter(batch=OuterRef("pk"), server__in=reached(user.scopes))
        within |= Q(team_id__in=user.roles) & (Q(asked_by=user) | Q(Exists(seen)))
    return Batch.objects.filter(within).select_related("team")


def visible_events(user: User) -> QuerySet[Event]:
    """Everything about servers; what concerns accounts and people only with the right for it."""
    audited = [team for team in user.roles if may(user, READ_AUDIT, team)]
    about_servers = Event.objects.filter(
        _within(user, "team_id", "server_id"), server__isnull=False
    )
    rows = about_servers | Event.objects.filter(team_id__in=audited)
    return rows.select_related("server", "snapshot", "operation", "account")


def visible_sign_ins(user: User, team: int | None = None) -> QuerySet[Event]:
    """Of those in whose team, or in `team`, one reads the audit.

    Of who is nobody we know, those read who do so in the first team: it set the installation up.
    """
    audited = [one for one in user.roles if team in (None, one) and may(user, READ_AUDIT, one)]
    if not audited:
        return Event.objects.none()
    people = Membership.objects.filter(team__in=audited).values("user")
    first = Team.objects.order_by("pk").values("pk")[:1]
    theirs = Q(Exists(Team.objects.filter(pk__in=audited, pk=Subquery(first))))
    return Event.objects.filter(Q(actor__in=people) | (Q(actor=None) & theirs), team=None)


def visible_webhooks(user: User) -> QuerySet[Webhook]:
    """That the team has one, every member may know, and of what it is told; not more.

    A person's own is theirs alone.
    """
    rows = Webhook.objects.filter(Q(member=None) | Q(member__user=user), team_id__in=user.roles)
    return rows.select_related("team", "member")


def visible_deliveries(user: User) -> QuerySet[Delivery]:
    """Messages of their teams, but for those about servers that they do not reach."""
    rows = Delivery.objects.filter(team_id__in=user.roles)
    if not user.scopes:
        return rows
    return rows.filter(Q(event__server=None) | _within(user, "team_id", "event__server_id"))


def require_webhook(user: User, webhook: Webhook) -> None:
    """Raise `NotAllowed` unless `user` may manage it: a person's own is managed by them alone."""
    if webhook.member is None:
        require(user, MANAGE_WEBHOOKS, webhook.team)
        return
    if webhook.member.user_id != user.pk:
        raise NotAllowed(_("A webhook of one’s own is for that person alone."), team=webhook.team)
    require(user, VIEW, webhook.team)
