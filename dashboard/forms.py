"""What people fill in. A refusal becomes an error of the form, so that what was typed stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django import forms
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.plots import AGES
from dashboard.templatetags.ui import SERVER, SNAPSHOT, Look, shown
from snapshots.errors import NotAllowed, Refused
from snapshots.events import Verb
from snapshots.models import Server, User
from snapshots.permissions import visible_accounts, visible_servers, visible_snapshots

MOST_CHOICES = 500  # a longer list is no help: people then come by a link, or search


# -- asking for something -------------------------------------------------------------------------


class Needed(forms.CharField):
    """Not optional; but if it is missing, the domain says so, in its own words."""

    def validate(self, value: str) -> None:
        pass


class Told(forms.Form):
    """A form whose answer is a verb of the domain."""

    use_required_attribute = False

    def tell(self, verb: Callable[..., Any], **more: Any) -> Any:
        """What `verb` answers, or None with its refusal in the form. A missing right goes on up."""
        return self.ask(lambda: verb(**self.cleaned_data, **more)) if self.is_valid() else None

    def tells(self, verb: Callable[..., Any]) -> bool:
        """The same for a verb without an answer: whether it was done."""
        self.tell(verb)
        return self.is_valid()

    def ask(self, work: Callable[[], Any]) -> Any:
        """What `work` answers, or None with its refusal in the form."""
        try:
            return work()
        except NotAllowed:
            raise
        except Refused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
        return None


class Ask(Told):
    """Asks for an operation. `request_key` is born with the page: one page, one operation."""

    request_key = forms.CharField(required=False, initial=uuid4, widget=forms.HiddenInput)

    def clean_request_key(self) -> UUID:
        try:
            return UUID(self.cleaned_data["request_key"])
        except ValueError:
            return uuid4()


class TakeSnapshot(Ask):
    name = Needed(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy(
            "Letters without accents, digits, - and _, at most 64. It cannot be renamed later."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        help_text=gettext_lazy("Why you take it. Kept with the snapshot at the provider."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    stop_first = forms.BooleanField(
        label=gettext_lazy("Stop the server first, and start it again afterwards"), required=False
    )

    def __init__(self, data: Any = None, *, server: Server, may_stop: bool) -> None:
        super().__init__(data, initial={"name": suggested_name(server)})
        if data is None and not server.is_running:
            del self.fields["stop_first"]
        elif data is None:  # once asked for, it is for the domain to refuse in words
            self.fields["stop_first"].disabled = not may_stop


def suggested_name(server: Server) -> str:
    """The server's name and the reader's time, in the provider's alphabet."""
    return f"{slugify(server.name)[:45] or 'snapshot'}-{timezone.localtime():%Y%m%d-%H%M}"


class Restore(Ask):
    """`seen` is the digest of the facts on the page. If they change, they must be read again."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    safety_snapshot = forms.BooleanField(
        label=gettext_lazy("Take a snapshot of the current state first"), required=False
    )

    def __init__(self, data: Any = None, *, seen: str, name: str, slot_is_free: bool) -> None:
        self.facts_changed = data is not None and data.get("seen", "") != seen
        super().__init__(data, initial={"seen": seen, "safety_snapshot": slot_is_free})
        self.fields["typed"].label = _("Type %(name)s to confirm") % {"name": shown(name)}
        # Once asked for, it is for the domain to refuse in words, not for the form to drop.
        self.fields["safety_snapshot"].disabled = not slot_is_free and data is None
        self._fresh = seen

    def read_again(self) -> None:
        """After a refusal: the page now shows fresh facts, and their confirmation starts anew."""
        if self.facts_changed:
            self.data = self.data.copy()
            self.data["seen"], self.data["typed"] = self._fresh, ""


class Delete(Ask):
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, name: str) -> None:
        super().__init__(data)
        self.fields["typed"].label = _("Type %(name)s to confirm") % {"name": shown(name)}


class Verdict(Told):
    happened = forms.TypedChoiceField(
        choices=[("yes", gettext_lazy("It happened")), ("no", gettext_lazy("It did not happen"))],
        coerce=lambda value: value == "yes",
        error_messages={"required": gettext_lazy("Choose whether it happened.")},
    )
    words = Needed(
        label=gettext_lazy("What you saw"),
        help_text=gettext_lazy(
            "For example: “The provider's panel lists a restore at 14:03.” Kept in the history."
        ),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


# -- looking for something ------------------------------------------------------------------------


class Pick(forms.ChoiceField):
    """One of the rows a person can see, by its id. Anything else is ignored."""

    widget = forms.Select(attrs={"class": "form-select"})

    def offer(self, rows: QuerySet[Any], wanted: str, label: str = "name") -> None:
        """List `rows`; one that came by a link is among them even if the list is too long."""
        pairs = rows.order_by(label, "pk").values_list("pk", label)
        listed = [(str(pk), shown(words)) for pk, words in pairs[:MOST_CHOICES]]
        if wanted.isdecimal() and len(wanted) < 19 and wanted not in dict(listed):
            listed += [(str(pk), shown(words)) for pk, words in pairs.filter(pk=wanted)]
        self.choices = [("", _("All")), *listed]


class Search(forms.CharField):
    widget = forms.TextInput(
        attrs={"type": "search", "class": "form-control", "autocomplete": "off"}
    )

    def __init__(self, label: Any) -> None:
        super().__init__(label=label, required=False, max_length=100)


class Filter(forms.Form):
    """A GET form: all of it stands in the address. What is unknown in it is ignored."""

    sorts: ClassVar[dict[str, str]] = {}  # the word in the address: the field to order by
    default_sort: ClassVar[str] = ""

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.offer(user)
        self.is_valid()
        self.chosen = {k: v for k, v in self.cleaned_data.items() if v not in ("", None)}

    def offer(self, user: User) -> None:
        """Fill in the choices that depend on the person."""

    def pick(self, name: str, rows: QuerySet[Any], label: str = "name") -> None:
        self.fields[name].offer(rows, self.data.get(name, ""), label)

    def chips(self) -> list[tuple[str, str, str, str]]:
        """What is filtered by: the word in the address, label, value, the address without it."""
        chips = []
        for name, value in self.chosen.items():
            words = dict(getattr(self.fields[name], "choices", ())).get(str(value), value)
            if isinstance(value, date):
                words = date_format(value)
            chips.append((name, str(self.fields[name].label), str(words), self.address(name)))
        return chips

    def address(self, without: str = "") -> str:
        """The query of this list, tidy: no empty words, and no page."""
        words = {name: self.data[name] for name in self.chosen if name != without}
        if self.sort != self.default_sort:
            words["sort"] = self.sort
        return "?" + urlencode(words)

    @property
    def sort(self) -> str:
        """The word to sort by, with a minus for downwards."""
        asked = self.data.get("sort", "")
        return asked if asked.removeprefix("-") in self.sorts else self.default_sort

    def sorted(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        field = F(self.sorts[self.sort.removeprefix("-")])
        down = self.sort.startswith("-")
        first = field.desc(nulls_last=True) if down else field.asc(nulls_first=True)
        return rows.order_by(first, "-pk" if down else "pk")


def status_choices(rows: QuerySet[Any], known: dict[str, Look]) -> list[tuple[str, Any]]:
    """The provider's words in use. One that we do not know is shown as it came."""
    used = rows.filter(gone_at=None).exclude(status="").order_by("status")
    words = used.values_list("status", flat=True).distinct()
    return [(word, known[word].word if word in known else f"“{shown(word)}”") for word in words]


class ServerFilter(Filter):
    FULL, OLD, GONE = "slots-full", "no-recent-snapshot", "not-listed"
    sorts = {
        "name": "name",
        "account": "account__label",
        "state": "status",
        "newest": "newest_at",
        "slots": "taken",
    }
    default_sort = "name"

    q = Search(label=gettext_lazy("Name, address or id"))
    account = Pick(label=gettext_lazy("Account"), required=False)
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )
    newest = forms.ChoiceField(
        label=gettext_lazy("Newest snapshot"),
        required=False,
        choices=[("", gettext_lazy("All")), *((age.key, age.words) for age in AGES)],
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def offer(self, user: User) -> None:
        self.pick("account", visible_accounts(user), "label")
        self.fields["state"].choices = [
            ("", _("All")),
            *status_choices(visible_servers(user), SERVER),
            (self.FULL, _("All slots taken")),
            (self.OLD, _("No snapshot younger than 7 days")),
            (self.GONE, _("No longer listed by the provider")),
        ]


class SnapshotFilter(Filter):
    GONE = "not-listed"
    sorts = {
        "name": "name",
        "server": "server__name",
        "state": "status",
        "size": "size_mb",
        "taken": "created_at",
    }
    default_sort = "-taken"

    q = Search(label=gettext_lazy("Name"))
    server = Pick(label=gettext_lazy("Server"), required=False)
    account = Pick(label=gettext_lazy("Account"), required=False)
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def offer(self, user: User) -> None:
        self.pick("server", visible_servers(user))
        self.pick("account", visible_accounts(user), "label")
        self.fields["state"].choices = [
            ("", _("All")),
            *status_choices(visible_snapshots(user), SNAPSHOT),
            (self.GONE, _("No longer listed by the provider")),
        ]


class ActivityFilter(Filter):
    """`KINDS`: the word in the address, and how the verbs of that kind begin."""

    KINDS = {
        "create": (gettext_lazy("Snapshots taken"), "create."),
        "restore": (gettext_lazy("Restores"), "restore."),
        "delete": (gettext_lazy("Deletions"), "delete."),
        "refused": (gettext_lazy("Refused"), "refused"),
        "outside": (gettext_lazy("Seen at the provider"), ("snapshot.", "server.")),
        "account": (gettext_lazy("Accounts"), "account."),
        "people": (gettext_lazy("People and teams"), ("team.", "member.")),
    }

    server = Pick(label=gettext_lazy("Server"), required=False)
    person = Pick(label=gettext_lazy("Person"), required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        widget=forms.Select(attrs={"class": "form-select"}),
        choices=[("", gettext_lazy("All")), *((word, kind[0]) for word, kind in KINDS.items())],
    )
    since = forms.DateField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}),
    )
    until = forms.DateField(
        label=gettext_lazy("To"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control"}),
    )

    def offer(self, user: User) -> None:
        self.pick("server", visible_servers(user))
        self.pick("person", User.objects.filter(memberships__team_id__in=user.roles).distinct())

    @property
    def verbs(self) -> list[str]:
        """The verbs of the chosen kind; none chosen, all."""
        begins = self.KINDS[self.chosen["kind"]][1] if "kind" in self.chosen else ""
        return [verb for verb in Verb.values if verb.startswith(begins)]
