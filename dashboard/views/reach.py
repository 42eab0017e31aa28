"""What somebody is to be in a team and how far they reach: the fields of two forms."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.forms import Told
from dashboard.templatetags.ui import shown
from snapshots.models import Account, Membership, Role, Scope, Tag, Team
from snapshots.teams import Only

EVERYTHING, ONLY = "everything", "only"


class RoleChoice(forms.ChoiceField):
    """A role among those that one may give, each with what it lets people do."""

    widget = forms.RadioSelect

    def offer(self, roles: list[Role]) -> None:
        self.choices = [(role.value, role.label) for role in roles]

    def clean(self, value: Any) -> Role:
        return Role(super().clean(value))


class Some(forms.ModelMultipleChoiceField):
    """Some of the team's things."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, rows: QuerySet[Any], label: Any) -> None:
        super().__init__(rows, label=label, required=False)

    def label_from_instance(self, row: Any) -> str:
        return str(shown(row))


class Place(Told):
    """A role, and `only`: what they are limited to."""

    role = RoleChoice(label=gettext_lazy("Role"))
    reach = forms.ChoiceField(
        label=gettext_lazy("What they reach"),
        choices=[
            (EVERYTHING, gettext_lazy("Everything in the team")),
            (ONLY, gettext_lazy("Only some accounts, or servers with some tags")),
        ],
        widget=forms.RadioSelect,
        initial=EVERYTHING,
        error_messages={"required": gettext_lazy("Please say how far they reach.")},
    )
    accounts = Some(Account.objects.none(), gettext_lazy("Accounts"))
    tags = Some(Tag.objects.none(), gettext_lazy("Servers with the tags"))

    def offer(self, team: Team, roles: list[Role]) -> None:
        self.fields["role"].offer(roles)
        self.fields["accounts"].queryset = team.accounts.filter(removed_at=None).order_by("label")
        self.fields["tags"].queryset = team.tags.order_by("word")

    @property
    def parts(self) -> list[forms.BoundField]:
        return [self["accounts"], self["tags"]]

    def clean(self) -> dict[str, Any]:
        told = self.cleaned_data
        reach = told.pop("reach", EVERYTHING)
        only = Only(list(told.pop("accounts", ())), list(told.pop("tags", ())))
        return told | {"only": only if reach == ONLY else None}


def approved(posted: Any, team: Team, roles: list[Role]) -> tuple[str, str]:
    """The role that is asked for and a sentence on how far it reaches; empty if there is none.

    For whoever is to prove that it is them.
    """
    form = Place(posted)
    form.offer(team, roles)
    if not form.is_valid():
        return "", ""
    only = form.cleaned_data["only"]
    reach = _("They reach only: %(reach)s.") % {"reach": shown(only.words)} if only else ""
    return str(form.cleaned_data["role"].label), reach or _("They reach everything.")


def now(member: Membership) -> dict[str, Any]:
    """What the form shows of somebody who is there already."""
    scope: Scope | None = member.scope
    if scope is None:
        return {"role": member.role, "reach": EVERYTHING}
    chosen = {"accounts": scope.accounts.all(), "tags": scope.tags.all()}
    return {"role": member.role, "reach": ONLY} | chosen
