"""What people fill in. A refusal becomes an error of the form, so that what was typed stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from django import forms
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from dashboard.templatetags.ui import shown
from snapshots import operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Server, Snapshot, User
from snapshots.models.marks import DESCRIBED

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
            self.refuse(refusal)
        return None

    def refuse(self, refusal: Refused) -> None:
        """Its sentence beside the field that it is about, if there is one."""
        self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))


class Ask(Told):
    """Asks for an operation. `request_key` is born with the page: one page, one operation."""

    request_key = forms.Field(required=False, initial=uuid4, widget=forms.HiddenInput)

    def clean_request_key(self) -> UUID:
        try:
            return UUID(str(self.cleaned_data["request_key"]))
        except ValueError:
            return uuid4()


# -- what is said of a snapshot --------------------------------------------------------------------


class About(forms.Form):
    """What a snapshot is for. All of it is optional, and kept here, not at the provider."""

    purpose = forms.CharField(
        label=gettext_lazy("Purpose"),
        help_text=gettext_lazy("What it is to make possible, in a few words."),
        required=False,
    )
    ticket = forms.CharField(
        label=gettext_lazy("Ticket"),
        help_text=gettext_lazy("The number or the address of what it belongs to."),
        required=False,
        widget=forms.TextInput(attrs={"dir": "auto", "autocomplete": "off"}),
    )
    owner = forms.CharField(
        label=pgettext_lazy("of a snapshot", "Owner"),
        help_text=gettext_lazy("Who decides whether it may go."),
        required=False,
        widget=forms.TextInput(attrs={"list": "people", "autocomplete": "off"}),
    )
    keep_until = forms.DateField(
        label=gettext_lazy("Keep until"),
        help_text=gettext_lazy(
            "Afterwards pages say that it may go. Nothing is deleted by itself."
        ),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        localize=False,
    )

    @property
    def says_something(self) -> bool:
        """Whether what is folded has something in it, or something wrong with it."""
        return any(self[name].value() or self[name].errors for name in About.base_fields)


class Describe(Told, About):
    def __init__(self, data: Any = None, *, snapshot: Snapshot) -> None:
        super().__init__(data, initial={name: getattr(snapshot, name) for name in DESCRIBED})


class Words(Told):
    """A reason, which is kept and shown."""

    words = Needed(
        label=gettext_lazy("Why"),
        help_text=gettext_lazy("Kept in the history, and shown with the snapshot."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, data: Any = None, *, snapshot: Snapshot) -> None:
        super().__init__(data)


class Lock(Words):
    until = forms.DateField(
        label=gettext_lazy("Locked until the end of"),
        help_text=gettext_lazy("Without a day it stays locked until somebody unlocks it."),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def clean_until(self) -> datetime | None:
        """The end of that day, where the reader is."""
        day: date | None = self.cleaned_data["until"]
        if day is None or day == date.max:
            return None
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time()))


# -- take a snapshot ------------------------------------------------------------------------------


class Room(forms.Form):
    """What goes first where no slot is free. Nothing is chosen for anybody."""

    going = forms.ModelChoiceField(
        Snapshot.objects.none(),
        label=gettext_lazy("Delete first"),
        required=False,
        widget=forms.RadioSelect,
    )
    typed_going = Needed(
        label=gettext_lazy("Type the name of the snapshot that is deleted"),
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def offer(self, server: Server, *, is_full: bool) -> None:
        """Once asked for, it is for the domain to refuse in words, not for the form to drop."""
        going = cast("forms.ModelChoiceField[Snapshot]", self.fields["going"])
        rows = server.snapshots.filter(gone_at=None)
        going.queryset = rows.select_related("server__account__team", "account__team")
        if not is_full and not self.is_bound:
            del self.fields["going"], self.fields["typed_going"]


class TakeSnapshot(Ask, About, Room):
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

    def __init__(self, data: Any, *, server: Server, may_stop: bool, is_full: bool) -> None:
        super().__init__(data, initial={"name": suggested_name(server)})
        self.offer(server, is_full=is_full)
        if data is None and (is_full or not server.is_running):
            del self.fields["stop_first"]
        elif data is None:  # once asked for, it is for the domain to refuse in words
            self.fields["stop_first"].disabled = not may_stop


def suggested_name(server: Server) -> str:
    """The server's name and the reader's time, in the provider's alphabet."""
    return f"{slugify(server.name)[:45] or 'snapshot'}-{timezone.localtime():%Y%m%d-%H%M}"


class TakeSnapshots(Ask):
    """One form for many servers. `{server}`, `{date}` and `{time}` are filled in for each."""

    name_pattern = Needed(
        label=gettext_lazy("Names"),
        help_text=gettext_lazy(
            "{server}, {date} and {time} are filled in for each server, in your time zone."
        ),
        initial="{server}-{date}-{time}",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    note = TakeSnapshot.base_fields["note"]
    stop_first = forms.BooleanField(
        label=gettext_lazy("Stop those that are running, and start them again afterwards"),
        required=False,
    )

    def __init__(self, data: Any = None, *, may_stop: bool) -> None:
        super().__init__(data)
        if data is None and not may_stop:
            del self.fields["stop_first"]


class Restore(Ask, Room):
    """`seen` is the plan that the page shows. If its facts change, they must be read again."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    safety_snapshot = forms.BooleanField(
        label=gettext_lazy("Take a snapshot of the current state first"), required=False
    )
    why_without = Needed(
        label=gettext_lazy("If you go without it: why"),
        help_text=gettext_lazy("Kept in the history. Leave it empty if the snapshot is taken."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(
        self, data: Any = None, *, plan: operations.Plan, actor: User, slot_is_free: bool
    ) -> None:
        seals = plan.sealed(actor)
        super().__init__(data, initial={"seen": seals, "safety_snapshot": slot_is_free})
        self.offer(plan.snapshot.server, is_full=not slot_is_free)
        name = shown(plan.snapshot.server.name)
        self.fields["typed"].label = _("Type %(name)s to confirm") % {"name": name}
        # Once asked for, it is for the domain to refuse in words, not for the form to drop.
        self.fields["safety_snapshot"].disabled = not slot_is_free and data is None
        seen = data.get("seen", "") if data is not None else seals
        self.facts_changed = not operations.is_same(seen, plan, actor=actor)
        self._fresh = seals

    def clean(self) -> dict[str, Any]:
        """Who lets one go for a safety snapshot wants that: its box cannot be ticked before."""
        if self.cleaned_data.get("going"):
            self.cleaned_data["safety_snapshot"] = True
            if self.cleaned_data.get("why_without", "").strip():
                words = _("Either one is deleted first, or you go without: please choose.")
                self.add_error("going", words)
        return self.cleaned_data

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


class DeleteSeveral(Ask):
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, phrase: str) -> None:
        super().__init__(data)
        self.fields["typed"].label = _("Type “%(phrase)s” to confirm") % {"phrase": phrase}


class Decision(Told):
    """Of a second person. Several stand on one page, so their fields are told apart."""

    def __init__(self, data: Any = None, *, server: Server) -> None:
        super().__init__(data, auto_id=f"{type(self).__name__.lower()}_%s")
        if typed := self.fields.get("typed"):
            typed.label = _("Type %(name)s to confirm") % {"name": shown(server.name)}


class Approve(Decision):
    """`seen` is what the page of this very person showed of this very restore."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class Reject(Decision):
    words = Needed(
        label=gettext_lazy("Why not"),
        help_text=gettext_lazy("Kept in the history, and told to whoever asked."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class Emergency(Approve):
    words = Needed(
        label=gettext_lazy("Why it cannot wait"),
        help_text=gettext_lazy("Kept in the history, and told to everybody in the team."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


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
