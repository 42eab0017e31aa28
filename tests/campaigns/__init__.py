"""The protocol under attack: as a model, against the simulator, and with real processes.

What runs from the command line needs Django as a test has it.
"""

import os

import django

import tests.environment  # noqa: F401

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django.setup()
