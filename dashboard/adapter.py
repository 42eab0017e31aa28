"""What we ask of django-allauth beyond its settings."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class NoSignUp(DefaultAccountAdapter):
    """People come by invitation; the public sign-up page stays closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False
