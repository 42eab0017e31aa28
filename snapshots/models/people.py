"""Users, teams, and who is what in which team."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from snapshots.models.guard import Guard, Guarded

SESSION_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"  # Django's own


def known_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(_("%(name)s is not a time zone."), params={"name": name})


class Users(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class Standing(NamedTuple):
    """What somebody is in a team, and the scope they are limited to: None reaches everything.

    `asks_more`: the team wants a second factor of everybody.
    """

    role: str
    scope: int | None
    asks_more: bool = False


class User(AbstractUser):
    """A person. They sign in with their e-mail address; `name` is how others read of them."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable", _("Comfortable")
        COMPACT = "compact", _("Compact")

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=100)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[known_zone]
    )
    theme = models.CharField(_("theme"), max_length=8, choices=Theme, default=Theme.SYSTEM)
    density = models.CharField(
        _("density"), max_length=12, choices=Density, default=Density.COMFORTABLE
    )
    language = models.CharField(_("language"), max_length=8, default="", blank=True)
    shortcuts = models.BooleanField(_("keyboard keys"), default=True)
    sessions_ended = models.PositiveIntegerField(default=0, editable=False)
    is_setting_up = models.BooleanField(default=False, editable=False)  # see `snapshots.first_run`

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[Users] = Users()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name or self.email

    def end_sessions(self) -> None:
        """End all of their sessions, wherever they are, with this transaction."""
        User.objects.filter(pk=self.pk).update(sessions_ended=models.F("sessions_ended") + 1)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What each session is held against: the password, and how often all of them were ended."""
        held = f"{self.password}{self.sessions_ended or ''}"
        return salted_hmac(SESSION_SALT, held, secret=secret, algorithm="sha256").hexdigest()

    @cached_property
    def standing(self) -> dict[int, Standing]:
        """By team, where not suspended. Read once per object: a request sees one answer."""
        rows = self.memberships.filter(suspended_at=None)
        told = rows.values_list("team_id", "role", "scope_id", "team__second_factor")
        return {team: Standing(role, scope, more) for team, role, scope, more in told}

    @cached_property
    def has_second_factor(self) -> bool:
        """A passkey or codes from an app; recovery codes alone are none."""
        mine = User.objects.filter(pk=self.pk, authenticator__type__in=SECOND_FACTORS)
        return mine.exists()

    @property
    def roles(self) -> dict[int, str]:
        """Team id -> role."""
        return {team: one.role for team, one in self.standing.items()}

    @property
    def unlimited(self) -> list[int]:
        """The teams of which they reach everything."""
        return [team for team, one in self.standing.items() if one.scope is None]

    @property
    def scopes(self) -> list[int]:
        """What they are limited to in the others."""
        return [one.scope for one in self.standing.values() if one.scope is not None]


SECOND_FACTORS = ("totp", "webauthn")
LONGEST_HOLD = 300  # seconds
LONGEST_GRACE = 30  # minutes; meanwhile nothing else can be asked of the server


class Team(Guarded):
    name = models.CharField(_("name"), max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")
    hold = models.PositiveSmallIntegerField(
        _("hold before a restore"), default=30, validators=[MaxValueValidator(LONGEST_HOLD)]
    )  # seconds in which a confirmed restore can still be cancelled
    grace = models.PositiveSmallIntegerField(
        _("grace before a deletion"), default=0, validators=[MaxValueValidator(LONGEST_GRACE)]
    )  # minutes in which a deletion can still be taken back
    second_factor = models.BooleanField(_("second factor required"), default=False)
    guard = models.CharField(
        _("guard level"), max_length=8, choices=Guard, default=Guard.CAREFUL
    )  # of a server that has none of its own, nor by a tag

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(guard__in=Guard.values), name="known_guard_of_a_team"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """Lowest first. What each may do stands in `snapshots.permissions`."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    RESTORER = "restorer", _("Restorer")
    ADMIN = "admin", _("Admin")
    OWNER = "owner", _("Owner")


# Whoever manages people and tags could give themselves the rest: a limit would be none for them.
LIMITABLE = (Role.VIEWER, Role.OPERATOR, Role.RESTORER)


class Membership(models.Model):
    """Somebody in a team. Suspended, it gives nothing, and stays with its role and scope."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=Role)
    scope = models.ForeignKey(
        "snapshots.Scope", null=True, on_delete=models.PROTECT, related_name="memberships"
    )
    since = models.DateTimeField(auto_now_add=True)
    suspended_at = models.DateTimeField(null=True)
    suspended_by_name = models.CharField(max_length=100, default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "team"], name="one_membership_a_team"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="known_role"),
            models.CheckConstraint(
                condition=models.Q(scope=None) | models.Q(role__in=LIMITABLE),
                name="who_manages_reaches_everything",
            ),
        ]


INVITED_FOR = timedelta(hours=72)


def invited_until() -> datetime:
    return timezone.now() + INVITED_FOR


class Invitation(models.Model):
    """A link that makes its bearer a member, once. Only a hash of its secret is kept.

    `email` may be empty: then whoever opens the link first is meant.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(_("role"), max_length=10, choices=Role)
    scope = models.ForeignKey(
        "snapshots.Scope", null=True, on_delete=models.PROTECT, related_name="invitations"
    )
    email = models.EmailField(_("e-mail address"), blank=True, default="")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    invited_by_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=invited_until)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="known_invited_role"
            ),
            models.CheckConstraint(
                condition=models.Q(scope=None) | models.Q(role__in=LIMITABLE),
                name="invited_who_manages_reaches_everything",
            ),
        ]
