"""Settings: one file, every value from the environment, and no start with a bad one.

`docs/configuration.md` tells each variable's meaning, default and an example.
"""

from __future__ import annotations

import re
import warnings
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ import Env

from dashboard.environment import (
    BASE_DIR,
    DATA_DIR,
    LOOPBACK,
    bad,
    number,
    several,
    text,
    truth,
    web_address,
    whole_number,
)
from snapshots.secrets import key_from

# -- the house ------------------------------------------------------------------------------------
DEBUG = truth("DEBUG")
DEMO = truth("DEMO")  # a simulated provider, and passwords that everybody knows
SECRET_KEY = text("SECRET_KEY")
if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10:
    raise bad("SECRET_KEY", "needs 50 random characters or more: `openssl rand -hex 32`.")

SITE_URL = web_address("SITE_URL", text("SITE_URL", "http://localhost:8000"))
if urlsplit(SITE_URL).path:
    raise bad("SITE_URL", f"{SITE_URL!r} has a path; the site must have a host name of its own.")
IS_HTTPS = SITE_URL.startswith("https://")
_is_here = not IS_HTTPS and urlsplit(SITE_URL).hostname in LOOPBACK
if DEBUG and not _is_here:
    raise bad("DEBUG", "would show the insides of a public site; it is for http://localhost only.")
if DEMO and not _is_here:
    raise bad("DEMO", "has passwords that everybody knows; it is for http://localhost only.")
ALLOWED_HOSTS = several("ALLOWED_HOSTS", urlsplit(SITE_URL).hostname or "")
if "*" in ALLOWED_HOSTS:
    raise bad("ALLOWED_HOSTS", "'*' would let any Host header in; name your hosts.")
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "snapshots",
    "dashboard",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",  # for pages of django-allauth
    "django_htmx",
    "csp",
    "lucide",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    "dashboard.logs.RequestId",
    "dashboard.middleware.Headers",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "dashboard.devices.Devices",
    "dashboard.sessions.Sessions",
    "dashboard.middleware.SignInByDefault",
    "dashboard.proof.ProofFirst",
    "dashboard.middleware.Personal",
    "dashboard.middleware.RefusedToAnswer",
]

ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.shell",
            ],
            "builtins": ["django.templatetags.i18n", "dashboard.templatetags.ui"],
        },
    },
]

# -- where truth lives ----------------------------------------------------------------------------
_sqlite = f"sqlite:///{DATA_DIR / 'holdfast.sqlite3'}"
try:
    with warnings.catch_warnings(action="error"):
        DATABASES = {"default": Env.db_url_config(text("DATABASE_URL", _sqlite))}
except Exception:
    raise bad("DATABASE_URL", "is not a database address this product knows.") from None
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    # A socket's directory may be the host, as everywhere with PostgreSQL: postgres://me@%2Frun/db
    DATABASES["default"]["HOST"] = unquote(DATABASES["default"]["HOST"])
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # What is asked often is planned once a connection: planning takes longer than answering.
        "server_side_binding": True,
        "prepare_threshold": 3,
        "options": (
            "-c idle_in_transaction_session_timeout=10000 -c lock_timeout=5000"
            " -c statement_timeout=15000 -c synchronous_commit=on"
        ),
    }
else:
    raise bad("DATABASE_URL", "only sqlite:/// and postgres:// are supported.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Sign-in and its rate limits must not die with Redis, so both live in the database.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # Codes that were used and limits stand in it: strangers must not crowd them out.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Persistent connections: opening one costs more than most of our queries.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# -- jobs: Redis carries ids and may be emptied at any moment with nothing lost --------------------
CELERY_BROKER_URL = text("REDIS_URL", "redis://127.0.0.1:6379/0")
if urlsplit(CELERY_BROKER_URL).scheme not in {"redis", "rediss", "redis+socket"}:
    raise bad("REDIS_URL", "only redis://, rediss:// and redis+socket:// are supported.")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_keepalive": True,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_EAGER_RESULT = False
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SOFT_TIME_LIMIT = 40
CELERY_TASK_TIME_LIMIT = 50
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # who reaches Redis may not stop or question workers
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # the worker would exit
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file; the timetable has no memory
CELERY_WORKER_CONCURRENCY = whole_number("WORKER_CONCURRENCY", 4, least=1, most=64)
CELERY_DB_REUSE_MAX = 1000
HEARTBEAT_FILE = text("HEARTBEAT_FILE")
# Remembers what was sent when the database does not: see snapshots/operations/epoch.py.
WITNESS_FILE = text("WITNESS_FILE")

# -- the provider ---------------------------------------------------------------------------------
PROVIDER_API_URLS = [
    web_address("PROVIDER_API_URLS", url)
    for url in several("PROVIDER_API_URLS", "https://admin.vps.org/api/v1")
]
PROVIDER_PACE = number("PROVIDER_PACE", 1, least=0.1, most=1000)
try:
    TOKEN_KEYS = [key_from(key) for key in several("TOKEN_KEYS")]
except ValueError:
    raise bad("TOKEN_KEYS", "each key is base64 of 32 bytes: `openssl rand -base64 32`.") from None
if not TOKEN_KEYS:
    raise bad("TOKEN_KEYS", "needs a key to seal provider tokens: `openssl rand -base64 32`.")

# The history's chain: see snapshots/audit. One key more is made from SECRET_KEY.
try:
    AUDIT_KEYS = [key_from(key) for key in several("AUDIT_KEYS")]
except ValueError:
    raise bad("AUDIT_KEYS", "each key is base64 of 32 bytes: `openssl rand -base64 32`.") from None
AUDIT_HEAD_FILE = text("AUDIT_HEAD_FILE")

# -- people ---------------------------------------------------------------------------------------
AUTH_USER_MODEL = "snapshots.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "snapshots.passwords.HardToGuess"},
]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody gets mail because somebody typed their address
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE; no box to tick
ACCOUNT_ADAPTER = "dashboard.adapter.NoSignUp"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_FORMS = {
    "change_password": "dashboard.tried.ChangePassword",
    "reset_password": "dashboard.password_links.Ask",
}
ACCOUNT_RATE_LIMITS = {
    **{"login": None, "login_failed": None},  # snapshots/tries.py slows guesses down
    "manage_email": "5/10m/user",  # mails to an address that somebody says is theirs
}
ACCOUNT_EMAIL_NOTIFICATIONS = True  # whoever's password or second factor changes is told by mail
# Passkeys sign in by themselves; apps with codes, and passkeys too, come second after a password.
PASSWORD_RESET_TIMEOUT = 1800  # of the link in a mail; it works once
MFA_ALLOW_UNVERIFIED_EMAIL = True  # nobody signs up here with an address of somebody else
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_RECOVERY_CODE_DIGITS = 10
MFA_FORMS = {
    "add_webauthn": "dashboard.passkeys.Add",
    "edit_webauthn": "dashboard.passkeys.Rename",
    "authenticate": "dashboard.tried.Code",
    "authenticate_webauthn": "dashboard.tried.Passkey",
    "login_webauthn": "dashboard.tried.PasskeyAlone",
}
MFA_ADAPTER = "dashboard.adapter.SecondFactors"
# Single sign-on by OpenID Connect: for people who are here already, or hold an invitation.
OIDC_ISSUER = text("OIDC_ISSUER")
SOCIALACCOUNT_ADAPTER = "dashboard.sign_on.SignOn"
SOCIALACCOUNT_PROVIDERS = {}
if OIDC_ISSUER:
    OIDC_ISSUER = web_address("OIDC_ISSUER", OIDC_ISSUER)
    for _name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"):
        if not text(_name):
            raise bad(_name, "is needed where OIDC_ISSUER is given; the issuer tells it.")
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": text("OIDC_NAME", "single sign-on"),
                    "client_id": text("OIDC_CLIENT_ID"),
                    "secret": text("OIDC_CLIENT_SECRET"),
                    "settings": {"server_url": OIDC_ISSUER},
                }
            ],
        }
    }
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"

# -- words, times, files --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("eo", "Esperanto"), ("ar", "العربية")]  # each in its own words
THEME_COOKIE_NAME = "__Host-theme" if IS_HTTPS else "theme"
LANGUAGE_COOKIE_NAME = "__Host-language" if IS_HTTPS else "language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = IS_HTTPS
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = truth("SERVE_STATIC_FROM_SOURCE", default=DEBUG)
STATIC_ROOT: str | None = text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
if WHITENOISE_USE_FINDERS:
    STATIC_ROOT = None  # nothing was collected
else:  # compressed once, and named by their content, so that browsers may keep them for ever
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_ALLOW_ALL_ORIGINS = False

# -- being told -----------------------------------------------------------------------------------
try:
    _mail = Env.email_url_config(text("EMAIL_URL", "consolemail://"))
except (ImproperlyConfigured, KeyError, ValueError):
    raise bad(
        "EMAIL_URL", "is not a mail address such as smtp+tls://user:password@host:587."
    ) from None
vars().update(_mail)
EMAIL_HOST_PASSWORD = text("EMAIL_PASSWORD") or _mail["EMAIL_HOST_PASSWORD"]
EMAIL_TIMEOUT = 10
# Printed to the log, nobody gets it: then messages are not written, and pages say so.
_sending = ("smtp.EmailBackend", "filebased.EmailBackend")
EMAIL_IS_SENT: bool = _mail["EMAIL_BACKEND"].endswith(_sending)
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", "holdfast@localhost")
if not re.fullmatch(r"[^@\r\n]+@[^@\s]+", DEFAULT_FROM_EMAIL):
    raise bad("DEFAULT_FROM_EMAIL", "is not an e-mail address.")
WEBHOOK_ALLOWED_HOSTS = several("WEBHOOK_ALLOWED_HOSTS")
for _host in WEBHOOK_ALLOWED_HOSTS:
    if not re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?", _host):
        raise bad("WEBHOOK_ALLOWED_HOSTS", f"{_host!r} is not a host, or host:port.")

# -- hardening ------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler's stylesheet draws its ticks with data: images
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
if OIDC_ISSUER:  # browsers hold the redirect after a form against it, too
    CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"].append(
        "{0.scheme}://{0.netloc}".format(urlsplit(OIDC_ISSUER))
    )
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-holdfast" if IS_HTTPS else "holdfast"
CSRF_COOKIE_NAME = "__Host-csrftoken" if IS_HTTPS else "csrftoken"
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "dashboard.views.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
TRUST_PROXY_HEADERS = truth("TRUST_PROXY_HEADERS")
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_HANDLERS = ["dashboard.uploads.NoFiles"]  # the limit above does not count files

# What `check --deploy` would have us set, and why we do not.
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for all subdomains is for the owner of the domain to decide
    "security.W008",  # the proxy in front terminates TLS and redirects
    "security.W021",  # as W005
]

LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise bad("LOG_LEVEL", f"{LOG_LEVEL!r} is none of DEBUG, INFO, WARNING, ERROR.")
LOG_FORMAT = text("LOG_FORMAT", "json" if IS_HTTPS else "text").lower()
if LOG_FORMAT not in {"json", "text"}:
    raise bad("LOG_FORMAT", f"{LOG_FORMAT!r} is neither json nor text.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "dashboard.logs.Machine"},
        "text": {"()": "dashboard.logs.Terminal"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # urllib3's debug lines carry full addresses; nobody needs them in a log.
        "urllib3": {"level": "INFO"},
        # A line per task, every two seconds, would bury what matters.
        "celery.beat": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
