"""The settings that every test starts from. Loaded before Django reads its own."""

import os

os.environ.setdefault("SECRET_KEY", "a key for tests, " * 3)
os.environ.setdefault("TOKEN_KEYS", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
os.environ.setdefault("SERVE_STATIC_FROM_SOURCE", "1")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1/0")  # nobody there, unless a test says so
os.environ.setdefault("DATABASE_URL", "sqlite:///.data/test.sqlite3")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser driver runs a loop
