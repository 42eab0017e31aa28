"""The tags of a server: words of the team's own, to find servers by and to limit people to."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.forms import Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from snapshots import tags
from snapshots.permissions import TAG, require, visible_servers


class Tags(Told):
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        help_text=gettext_lazy(
            "Short words with spaces between: letters, digits, - and _. The provider knows nothing"
            " of them."
        ),
        required=False,
        max_length=400,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def tagging(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    require(request.user, TAG, server.account.team)
    return _("Change the tags of %(server)s.") % {"server": shown(server.name)}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(tagging)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which tags a server has, after reading whose reach they decide."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    require(request.user, TAG, server.account.team)
    form = Tags(posted(request), initial={"tags": " ".join(tags.of(server))})
    if form.tells(partial(tags.set_tags, server, actor=request.user)):
        messages.success(request, _("The tags are saved."))
        return see_other(request, "server", server.pk)
    context = {
        "server": server,
        "form": form,
        "known": server.account.team.tags.order_by("word"),
        "limited": tags.limited_by_tags(server),
    }
    return render(request, "servers/tags.html", context, status=422 if form.is_bound else 200)
