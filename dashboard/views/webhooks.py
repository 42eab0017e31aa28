"""Webhooks: a team's, of which every member may know, and those of one's own, under the settings.

Their addresses are for who manages them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages as flashes
from django.core.paginator import Paginator
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import teams_here
from dashboard.addresses import posts_to
from dashboard.deliveries import Message, messages
from dashboard.forms import Needed, Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from snapshots.errors import NotAllowed
from snapshots.models import Delivery, Team, Topic, User, Webhook
from snapshots.notices import webhooks
from snapshots.permissions import (
    MANAGE_WEBHOOKS,
    may,
    require_webhook,
    visible_deliveries,
    visible_webhooks,
    why_not,
)

PAGE = 50


class OwnWebhookForm(Told):
    name = Needed(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("By which people recognise it: “On-call chat”, for example."),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    address = Needed(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy(
            "Public, https, port 443 or 8443. Only who manages this webhook can read it here."
        ),
        max_length=500,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url", "dir": "ltr"}
        ),
    )


class WebhookForm(OwnWebhookForm):
    topics = forms.MultipleChoiceField(
        label=gettext_lazy("Told of"),
        choices=Topic.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )


class OfTeam(Told):
    """For which of the person's teams."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), label=gettext_lazy("Team"))
    field_order = ("team", "name", "address", "topics")

    def __init__(self, data: Any, teams: Any, first: Team) -> None:
        super().__init__(data, initial={"team": first, "topics": Topic.values})
        self.fields["team"].queryset = teams
        self.fields["team"].empty_label = None
        if len(teams) == 1:
            self.fields["team"].widget = forms.HiddenInput()


class NewWebhook(OfTeam, WebhookForm):
    """A team's."""


class NewOwnWebhook(OfTeam, OwnWebhookForm):
    """One's own, for what one is told of a team."""


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All webhooks of the person's teams."""
    of_teams = visible_webhooks(request.user).filter(member=None)
    context = {
        "webhooks": listed(request.user, teams_here.here(request, of_teams)),
        "why_not": nobodys(request),
        "has_teams": len(request.user.roles) > 1,
    }
    return render(request, "webhooks/list.html", context)


def listed(
    user: User, rows: QuerySet[Webhook]
) -> list[tuple[Webhook, str, list[str], Message | None]]:
    """Each with its host, what it is told of, and its last message."""
    last = visible_deliveries(user).filter(webhook=OuterRef("pk")).order_by("-pk")
    found = list(
        rows.annotate(last_pk=Subquery(last.values("pk")[:1])).order_by("team__name", "name", "pk")
    )
    told = Delivery.objects.filter(pk__in=[row.last_pk for row in found if row.last_pk])
    told = told.select_related("event", "batch")
    last_of = {message.row.webhook_id: message for message in messages(told)}
    return [(row, webhooks.host_of(row), topic_words(row), last_of.get(row.pk)) for row in found]


def topic_words(webhook: Webhook) -> list[str]:
    if set(webhook.topics) >= set(Topic.values):
        return [_("Everything")]
    return [str(Topic(topic).label) for topic in webhook.topics if topic in Topic.values]


def manageable(request: HttpRequest) -> Any:
    mine = [pk for pk in request.user.roles if may(request.user, MANAGE_WEBHOOKS, pk)]
    return Team.objects.filter(pk__in=mine).order_by("name", "pk")


def nobodys(request: HttpRequest) -> str:
    """Why the person can add none anywhere; empty if they can."""
    if manageable(request):
        return ""
    team = teams_here.mine(request).first()
    return why_not(request.user, MANAGE_WEBHOOKS, team) if team else _("You are in no team yet.")


def adding(request: HttpRequest) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    name = shown(request.POST.get("name", "").strip()[:100])
    return _("Add a webhook, which is told what happens: %(name)s") % {"name": name}


def of_webhook(words: Promise) -> Callable[[HttpRequest, int], str]:
    """The same for one that exists; refused as the view refuses."""
    return lambda request, pk: str(words) % {"webhook": shown(mine(request, pk).name)}


@sensitive_variables("secret", "made")
@require_http_methods(["GET", "HEAD", "POST"])
@proven(adding)
def add(request: HttpRequest) -> HttpResponse:
    """A new webhook. Its secret is in this answer and in no other."""
    teams = manageable(request)
    if not teams:
        raise NotAllowed(nobodys(request))
    form = NewWebhook(posted(request), teams, first_of(request, teams))
    if made := form.tell(partial(webhooks.add, actor=request.user)):
        webhook, secret = made
        return show_secret(request, webhook, secret, is_new=True)
    status = 422 if form.is_bound else 200
    return render(request, "webhooks/add.html", {"form": form}, status=status)


@sensitive_variables("secret", "made")
@require_http_methods(["GET", "HEAD", "POST"])
@proven(adding)
def add_own(request: HttpRequest) -> HttpResponse:
    """One of the person's own. Its secret is in this answer and in no other."""
    teams = teams_here.mine(request)
    if not teams:
        raise NotAllowed(_("You are in no team yet."))
    form = NewOwnWebhook(posted(request), teams, first_of(request, teams))
    if made := form.tell(partial(webhooks.add_own, actor=request.user)):
        webhook, secret = made
        return show_secret(request, webhook, secret, is_new=True)
    status = 422 if form.is_bound else 200
    return render(request, "webhooks/add.html", {"form": form, "is_own": True}, status=status)


def first_of(request: HttpRequest, teams: QuerySet[Team]) -> Team:
    """The team that is looked at, if it is one of them."""
    chosen = teams_here.chosen(request)
    return next((team for team in teams if team.pk == chosen), teams[0])


@sensitive_variables("secret")
def show_secret(
    request: HttpRequest, webhook: Webhook, secret: str, *, is_new: bool
) -> HttpResponse:
    context = {"webhook": webhook, "secret": secret, "is_new": is_new}
    return render(request, "webhooks/secret.html", context)


def mine(request: HttpRequest, pk: int) -> Webhook:
    """404 for strangers, 403 for members without the right."""
    webhook = get_object_or_404(visible_webhooks(request.user), pk=pk)
    require_webhook(request.user, webhook)
    return webhook


@require_http_methods(["GET", "HEAD", "POST"])
@proven(of_webhook(gettext_lazy("Change where or of what %(webhook)s is told.")))
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One webhook: what it is told, its secret, and what became of each message."""
    webhook = mine(request, pk)
    form_class = WebhookForm if webhook.member is None else OwnWebhookForm
    now = {name: getattr(webhook, name) for name in ("name", "address", "topics")}
    form = form_class(posted(request), initial=now)
    if form.tells(partial(webhooks.change, webhook, actor=request.user)):
        flashes.success(request, _("The webhook is saved."))
        return see_other(request, "webhook", pk)
    rows = visible_deliveries(request.user).filter(webhook=webhook).order_by("-pk")
    rows = rows.select_related("event", "batch")
    rows = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "webhook": webhook,
        "host": webhooks.host_of(webhook),
        "form": form,
        "page": rows,
        "deliveries": messages(rows.object_list),
    }
    return render(request, "webhooks/page.html", context, status=422 if form.is_bound else 200)


@sensitive_variables("secret")
@posts_to("webhook")
@proven(of_webhook(gettext_lazy("Make another secret for %(webhook)s.")))
def new_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """Another secret, in this answer and in no other."""
    webhook = mine(request, pk)
    secret = webhooks.new_secret(webhook, actor=request.user)
    return show_secret(request, webhook, secret, is_new=False)


@posts_to("webhook")
@proven(of_webhook(gettext_lazy("End the old secret of %(webhook)s.")))
def end_old_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """From now on only the new one signs."""
    webhooks.end_old_secret(mine(request, pk), actor=request.user)
    flashes.success(request, _("The old secret signs no more."))
    return see_other(request, "webhook", pk)


@posts_to("webhook")
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message that says it is a test."""
    webhooks.test(mine(request, pk), actor=request.user)
    flashes.info(request, _("A test is on its way. Its outcome stands below in a few seconds."))
    return see_other(request, "webhook", pk)


@posts_to("webhook")
def switch_on(request: HttpRequest, pk: int) -> HttpResponse:
    webhooks.switch(mine(request, pk), on=True, actor=request.user)
    return see_other(request, "webhook", pk)


@posts_to("webhook")
def switch_off(request: HttpRequest, pk: int) -> HttpResponse:
    webhooks.switch(mine(request, pk), on=False, actor=request.user)
    return see_other(request, "webhook", pk)


@posts_to("webhook")
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one of its messages again."""
    webhook = mine(request, pk)
    message = request.POST.get("message", "").replace("\0", "")  # which PostgreSQL does not take
    rows = visible_deliveries(request.user).filter(webhook=webhook)
    row = get_object_or_404(rows.select_related("webhook__team"), message_id=message)
    webhooks.resend(row, actor=request.user)
    flashes.info(request, _("The message is sent again, with the id it had."))
    return see_other(request, "webhook", pk)


@posts_to("webhook")
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget it and its secret."""
    webhook = mine(request, pk)
    webhooks.remove(webhook, actor=request.user)
    words = _("%(webhook)s is removed, and its secret with it.") % {"webhook": shown(webhook.name)}
    flashes.success(request, words)
    return see_other(request, "webhooks" if webhook.member is None else "messages")
