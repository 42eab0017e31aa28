"""The product's settings, and what only the bench serves: a bare view, and Django's admin."""

from dashboard.settings import *  # noqa: F403
from dashboard.settings import INSTALLED_APPS, MIDDLEWARE

ROOT_URLCONF = "bench.urls"
INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin"]
MIDDLEWARE = ["bench.counting.Counted", *MIDDLEWARE]
