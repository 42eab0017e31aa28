"""Fresh proof of identity: a session alone does not act where it would be for ever.

A view that restores, deletes, decides or changes who may what is marked `@proven(...)`. Its POST is
then answered with one more page if nobody has proved within five minutes who sits there: the page
says in a sentence what is being asked for, carries along what was typed (never secrets), and is
sent to the same address. So the everyday restore has two pages, and the second one acts. With a
proof that holds there is one page. What is asked for has been found, and the right to it, before
anybody is asked to prove anything.

A sign-in with a password or a passkey is a proof. One that another site vouched for is not, unless
that site says that the person has just signed in there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from secrets import token_urlsafe
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import begin_authentication
from allauth.socialaccount.models import SocialAccount
from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard import sign_on, signins
from dashboard.addresses import own_path
from dashboard.forms import Needed
from dashboard.tried import CodeAgain, PasskeyAgain
from snapshots.models import User

LASTS = 300  # seconds
WAITS = 900  # seconds, for who signs in elsewhere
_SESSION = "proved"  # who, and when
_KEPT = "to-approve:"  # in the cache: for whom, where to, the sentence, and what was typed
_A_KEY = re.compile(r"[\w-]{1,40}", re.ASCII)  # PostgreSQL takes no zero byte
_OURS = "proof_"  # the names of this page's own fields begin with it
_SECRETS = ("token", "password", "password1", "password2", "oldpassword")

View = Callable[..., HttpResponse]

# django-allauth's pages that show or change what proves who somebody is. They show secrets when
# they are opened, so opening them needs the proof already.
OF_ALLAUTH = frozenset(
    {
        "account_set_password",
        "mfa_activate_totp",
        "mfa_deactivate_totp",
        "mfa_add_webauthn",
        "mfa_edit_webauthn",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
    }
)


# -- whether there is one -------------------------------------------------------------------------


def note(request: HttpRequest, user: User, at: float | None = None) -> None:
    """From now on, or from `at` on, this session has a proof."""
    request.session[_SESSION] = [user.pk, time.time() if at is None else at]


def is_fresh(request: HttpRequest) -> bool:
    """Whether whoever has this session proved within five minutes who they are."""
    if not request.user.is_authenticated:
        return False
    who, at = request.session.get(_SESSION) or (0, 0)
    return who == request.user.pk and 0 <= time.time() - at < LASTS


def note_step(request: HttpRequest, user: User, method: str, **_more: Any) -> None:
    """django-allauth has seen a password, a code or a passkey. Others' word is judged elsewhere."""
    if method in {"password", "mfa"}:
        note(request, user)
    elif (at := getattr(request, "signed_on_at", None)) is not None:
        note(request, user, at)


# -- where it is needed ---------------------------------------------------------------------------


def proven(
    sentence: Callable[..., str], when: Callable[[HttpRequest], bool] = lambda request: True
) -> Callable[[View], View]:
    """A POST to this view needs a fresh proof; `when` says which, if not every one does.

    `sentence` gets the view's arguments and says what is being asked for, as an order. It refuses
    as the view would: what a person may not see or do, they are not asked to prove anything for.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def proved(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method != "POST" or is_fresh(request) or not when(request):
                return view(request, *args, **kwargs)
            return ask(request, sentence(request, *args, **kwargs)) or view(
                request, *args, **kwargs
            )

        proved.needs_proof = True  # type: ignore[attr-defined]
        return proved

    return decorate


class ProofFirst:
    """The same for the pages of django-allauth, which are not ours to decorate."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.url_name not in OF_ALLAUTH or is_fresh(request):
            return None
        address = reverse("account_reauthenticate")
        return redirect(f"{address}?{urlencode({'next': request.get_full_path()})}")


# -- the page -------------------------------------------------------------------------------------


class Proof(forms.Form):
    """One of them is enough: a passkey, a code, or the password, which a browser may fill in."""

    use_required_attribute = False

    proof_password = Needed(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    proof_code = Needed(
        label=gettext_lazy("Code from your app, or a recovery code"),
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "dir": "ltr"}
        ),
    )
    proof_credential = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, request: HttpRequest) -> None:
        super().__init__(data)
        self.request, self.user = request, request.user
        kinds = set(Authenticator.objects.filter(user=self.user).values_list("type", flat=True))
        if not self.user.has_usable_password():
            del self.fields["proof_password"]
        if not kinds & {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES}:
            del self.fields["proof_code"]
        if Authenticator.Type.WEBAUTHN not in kinds:
            del self.fields["proof_credential"]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value}
        if not given:
            raise ValidationError(_("Prove that it is you in one of these ways."))
        limits = {"app": "allauth.account", "action": "reauthenticate", "user": self.user}
        if not ratelimit.consume(self.request, **limits):
            signins.turned_away(self.user)
            raise get_adapter().validation_error("too_many_login_attempts")
        checks = {
            "proof_credential": self._passkey,
            "proof_code": self._code,
            "proof_password": self._password,
        }
        name = next(name for name in checks if name in given)
        checks[name](given[name])
        return self.cleaned_data

    def _password(self, value: str) -> None:
        if not get_adapter(self.request).reauthenticate(self.user, value):
            self.add_error("proof_password", get_adapter().error_messages["incorrect_password"])
            return
        record_authentication(self.request, self.user, method="password", reauthenticated=True)

    def _code(self, value: str) -> None:
        self._through(CodeAgain(user=self.user, data={"code": value}), "proof_code")

    def _passkey(self, value: str) -> None:
        self._through(PasskeyAgain(user=self.user, data={"credential": value}), None)

    def _through(self, form: Any, name: str | None) -> None:
        if form.is_valid():
            form.save()
            return
        for errors in form.errors.values():
            for error in errors:
                self.add_error(name, error)


def ask(request: HttpRequest, sentence: str) -> HttpResponse | None:
    """The page that asks for a proof; None as soon as it was given: then the view may act."""
    if request.htmx:
        return _elsewhere(request)
    is_answer = any(name.startswith(_OURS) for name in request.POST)
    form = Proof(request.POST if is_answer else None, request)
    if is_answer and form.is_valid():
        request.POST = _without_ours(request.POST)  # type: ignore[misc]
        return None
    return _page(request, form, sentence, carried=_carried(request.POST), status=401)


def _elsewhere(request: HttpRequest) -> HttpResponse:
    """A fragment cannot ask: its whole page does, and comes back."""
    back = own_path(request, request.htmx.current_url or "") or resolve_url("overview")
    query = urlencode({"next": back})
    response = HttpResponseClientRedirect(f"{reverse('account_reauthenticate')}?{query}")
    response.status_code = 401
    return response


def _without_ours(posted: QueryDict) -> QueryDict:
    kept = posted.copy()
    for name in [name for name in kept if name.startswith(_OURS)]:
        del kept[name]
    return kept


def _carried(posted: QueryDict) -> list[tuple[str, str]]:
    """What was typed, for the form of this page; never a secret."""
    left_out = {"csrfmiddlewaretoken", *_SECRETS}
    return [
        (name, value)
        for name, values in _without_ours(posted).lists()
        if name not in left_out
        for value in values
    ]


def _keep(request: HttpRequest, sentence: str, carried: list[tuple[str, str]]) -> str:
    """Where what was typed waits, while its person is away to sign in elsewhere.

    Not in the session: coming back begins another.
    """
    kept = token_urlsafe(16)
    told = [(name, value) for name, value in carried if name != "held"]
    cache.set(_KEPT + kept, (request.user.pk, request.path, sentence, told), WAITS)
    return f"{reverse('approve')}?{urlencode({'kept': kept})}"


@require_safe
def approve(request: HttpRequest) -> HttpResponse:
    """Back from there: what is approved once more, and what was typed."""
    told = request.GET.get("kept", "")
    kept = cache.get(_KEPT + told) if _A_KEY.fullmatch(told) else None
    if kept is None or kept[0] != request.user.pk:
        messages.warning(request, _("Nothing was done. What you had typed is not kept any more."))
        return redirect("overview")
    if not is_fresh(request):
        return to_the_page(request, request.get_full_path())
    _who, action, sentence, carried = kept
    context = {"action": action, "sentence": sentence, "carried": carried}
    return render(request, "account/approve.html", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The proof for a page that is to be opened; then on to it."""
    onward = own_path(request, request.GET.get("next", "") or request.POST.get("next", ""))
    form = Proof(request.POST if request.method == "POST" else None, request)
    if is_fresh(request) or (form.is_bound and form.is_valid()):
        return redirect(onward or "mfa_index")
    status = 422 if form.is_bound else 200
    return _page(request, form, "", carried=[("next", onward)], status=status)


def to_the_page(request: HttpRequest, onward: str = "") -> HttpResponse:
    """django-allauth has an address for each kind of proof; ours has all of them."""
    query = urlencode({"next": onward or own_path(request, request.GET.get("next", ""))})
    return redirect(f"{reverse('account_reauthenticate')}?{query}")


def _page(
    request: HttpRequest,
    form: Proof,
    sentence: str,
    *,
    carried: list[tuple[str, str]],
    status: int,
) -> HttpResponse:
    is_signed_on = SocialAccount.objects.filter(user=request.user).exists()
    place = sign_on.name() if is_signed_on else ""
    onward = dict(carried).get("next") or request.path
    context = {
        "sign_on": place,
        "onward": _keep(request, sentence, carried) if place and sentence else onward,
        "form": form,
        "sentence": sentence,
        "carried": carried,
        "left_out": any(request.POST.get(name) for name in _SECRETS),
        "action": request.path,
        "minutes": LASTS // 60,
        "has_none": not form.fields,
    }
    if "proof_credential" in form.fields:
        context["js_data"] = {"request_options": begin_authentication(request.user)}
    return render(request, "account/reauthenticate.html", context, status=status)
