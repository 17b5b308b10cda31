"""Every setting of Lynceus, read top to bottom. Variables are documented in `.env.example`."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path

import django
import django_stubs_ext
from celery.schedules import crontab
from django.templatetags.static import static
from django.urls import reverse_lazy

from config import embedded
from config.env import Settings
from config.secretfiles import read_or_create

django_stubs_ext.monkeypatch()  # lets annotations such as ModelForm[Person] exist at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = Settings(BASE_DIR / ".env")

# --- Where things are kept ---------------------------------------------------------------------------------------
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
MODELS_DIR = DATA_DIR / "models"

# --- Security ----------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY") or read_or_create(
    DATA_DIR / "secrets" / "django", lambda: secrets.token_urlsafe(50)
)
# Key-encryption keys, newest first: "2:<base64 of 32 bytes>,1:<...>". Unset: made once and kept in DATA_DIR/secrets.
VAULT_KEYS = env.text("VAULT_KEYS")
VAULT_KEY_FILE = DATA_DIR / "secrets" / "vault"
ALLOWED_HOSTS = env.texts("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.texts("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY", False) else None
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- Applications ------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "recognition",
    "cameras",
    "alerts",
    "workers",
]
if django.VERSION < (6, 0):  # template partials are part of Django from 6.0 on
    INSTALLED_APPS.append("template_partials")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["template_partials.templatetags.partials"] if django.VERSION < (6, 0) else [],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- PostgreSQL and Redis: the embedded ones where no URL is given ---------------------------------------------------
DATABASE_URL = env.url("DATABASE_URL", ["postgres", "postgresql"])
REDIS_URL = env.url("REDIS_URL", ["redis", "rediss", "unix"])
EMBEDDED_POSTGRES = not DATABASE_URL
EMBEDDED_REDIS = not REDIS_URL

_database = env.database(DATABASE_URL or embedded.postgres_url(DATA_DIR))
# A server that vanishes without a word is noticed in seconds; what DATABASE_URL says of these goes first.
_noticed = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_options = _database.get("OPTIONS")
DATABASES = {
    "default": _database
    | {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,  # under ASGI a kept connection would belong to a thread that may not come back
        "OPTIONS": _noticed | {"tcp_user_timeout": 20_000} | (_options if isinstance(_options, dict) else {}),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS = REDIS_URL or embedded.redis_url(DATA_DIR)
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # No time-out while the layer waits for messages: with one, an idle page is cut off, and a page that closes
        # at that moment leaves a task that can not be cancelled any more. A page looks every few seconds by itself.
        "CONFIG": {"hosts": [{"address": REDIS, "socket_timeout": None}], "capacity": 500, "expiry": 30},
    }
}

# --- Celery ------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL or embedded.celery_url(DATA_DIR)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "config.beat:SteadyScheduler"
# Camera loops go over a queue of each worker (workers/dispatch.py). They are no jobs that end: the lease decides who
# runs one, so its message is acknowledged at once.
DISPATCH_SECONDS = 2


def _every(seconds: int, task: str) -> dict[str, object]:
    """A task for beat; a message that waited until the next one comes is dropped."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


CELERY_BEAT_SCHEDULE = {
    "dispatch-cameras": _every(DISPATCH_SECONDS, "workers.tasks.dispatch_cameras"),
    "close-stale-sightings": _every(10, "workers.tasks.close_stale_sightings"),
    "take-up-switches": _every(10, "recognition.tasks.take_up_switches"),
    "embed-left-out": _every(30, "recognition.tasks.embed_left_out"),
    "prune-gallery-changes": _every(60, "recognition.tasks.prune_gallery_changes"),
    "look-after-uploads": _every(15, "recognition.batch_tasks.look_after_uploads"),
    "deliver-pending": _every(3, "alerts.tasks.deliver_pending"),
    "send-due": _every(2, "alerts.tasks.send_due"),
    "escalate-due": _every(5, "alerts.tasks.escalate_due"),
    "prune-deliveries": _every(3600, "alerts.tasks.prune_deliveries"),
    "report-absences": _every(30, "alerts.tasks.report_absences"),
    "prune-removals": _every(3600, "alerts.tasks.prune_removals"),
    "watch-cameras": _every(5, "cameras.tasks.watch_cameras"),
    "prune-unknowns": _every(60, "cameras.identity_tasks.prune_unknowns"),
    "learn-travel-times": _every(900, "cameras.identity_tasks.learn_travel_times"),
    "end-follows": _every(60, "cameras.identity_tasks.end_follows"),
    "wipe-logs": {"task": "alerts.erasing_tasks.wipe_logs", "schedule": crontab(hour="3", minute="40")},
    "propose-merges": {"task": "cameras.identity_tasks.propose_merges", "schedule": crontab(hour="3", minute="20")},
    "sum-up-movement": _every(60, "cameras.movement_tasks.sum_up"),
    "prune-photo-searches": _every(600, "cameras.search_tasks.prune"),
    "take-up-photo-searches": _every(15, "cameras.search_tasks.take_up"),
    "prune-camera-health": _every(3600, "cameras.tasks.prune_health"),
    "remember-left-out": _every(300, "alerts.feedback_tasks.remember_left_out"),
    "prune-mistakes": _every(3600, "alerts.feedback_tasks.prune_mistakes"),
}

# --- Signing in --------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = reverse_lazy("login")
LOGIN_REDIRECT_URL = reverse_lazy("dashboard")
LOGOUT_REDIRECT_URL = reverse_lazy("login")

# --- Pages and files ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
# Uploads stay in memory from the socket to the vault: a temporary file would be a photo in clear.
MAX_PHOTO_MB = env.integer("MAX_PHOTO_MB", 20, low=1, high=200)
MAX_REQUEST_BYTES = max(100, MAX_PHOTO_MB + 10) * 2**20
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST_BYTES
DATA_UPLOAD_MAX_NUMBER_FILES = 50
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- API ---------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.ModelPermissions"],
    "DEFAULT_PAGINATION_CLASS": "accounts.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "accounts.problems.exception_handler",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lynceus",
    "DESCRIPTION": "Multi-camera face recognition: people, watchlists, cameras, sightings, alerts.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "OnDuplicate": "recognition.models.OnDuplicate",
        "OnForeignFace": "recognition.serializers.ON_FOREIGN_FACE",
        "EventKind": "cameras.models.EventKind",
        "Verdict": "cameras.models.Verdict",
        "SearchState": "cameras.models.SearchState",
        "Dismissal": "alerts.models.Dismissal",
        "ReviewAnswer": "alerts.models.Review.Answer",
    },
}

UNFOLD = {
    "SITE_TITLE": "Lynceus",
    "SITE_HEADER": "Lynceus",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("img/logo.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/logo.svg")}],
    "SHOW_VIEW_ON_SITE": True,
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)",
            "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)",
            "300": "oklch(85.5% .138 181.1)",
            "400": "oklch(77.7% .152 181.9)",
            "500": "oklch(60% .118 184.7)",
            "600": "oklch(51.1% .096 186.4)",
            "700": "oklch(43.7% .078 188.2)",
            "800": "oklch(38.6% .063 188.4)",
            "900": "oklch(33% .055 190)",
            "950": "oklch(27.7% .046 192.5)",
        }
    },
}

# --- Recognition -------------------------------------------------------------------------------------------------
# The pack that is used until another is chosen on the page Models. Which ones exist is found when it is first needed.
MODEL_PACK = env.text("MODEL_PACK", "compact")
MODEL_DEVICE = env.text("MODEL_DEVICE", "cpu")
MODEL_THREADS = env.integer("MODEL_THREADS", 1, low=1, high=64)
MODEL_IDLE_MINUTES = env.integer("MODEL_IDLE_MINUTES", 30, low=0, high=100_000)
GALLERY_POLL_SECONDS = 0.5
GALLERY_STORAGE = env.choice("GALLERY_STORAGE", "auto", ["auto", "float32", "float16", "int8"])
# Whether a second look is taken for faces of less than 32 pixels: nowhere, when photos are searched, or on cameras too.
SMALL_FACES = env.choice("SMALL_FACES", "off", ["off", "photos", "all"])

# --- Cameras -----------------------------------------------------------------------------------------------------
CAMERA_SLOTS = env.integer("CAMERA_SLOTS", 32, low=1, high=512)
DETECT_FPS = env.decimal("DETECT_FPS", 5.0, low=0.2, high=30.0)
# Where cameras may be looked for; cameras/network.py says what the words mean and what is never allowed.
CAMERA_SCHEMES = env.texts("CAMERA_SCHEMES", ["rtsp", "rtsps", "http", "https"])
CAMERA_PORTS = env.texts(
    "CAMERA_PORTS",
    [
        "80-88",
        "322",
        "443",
        "554-558",
        "1024-1025",
        "1554",
        "1935-1936",
        "2020",
        "4747",
        "5000",
        "5540-5554",
        "6554",
        "7070-7071",
        "7441",
        "7447",
        "8000-8999",
        "9000",
        "10000-10999",
        "34567",
        "37777",
        "50000",
        "55554",
    ],
)
CAMERA_NETWORKS = env.texts("CAMERA_NETWORKS", ["private", "loopback", "public"])
# How long a camera may take to answer, and to send the next picture; how long the very same picture is no fault.
CAMERA_TIMEOUT_SECONDS = env.decimal("CAMERA_TIMEOUT_SECONDS", 10.0, low=1, high=120)
CAMERA_FROZEN_SECONDS = env.decimal("CAMERA_FROZEN_SECONDS", 30.0, low=5, high=86_400)
# What decodes beside the processor: off, auto, or a kind of device that FFmpeg knows, such as vaapi or cuda.
CAMERA_HARDWARE_DECODING = env.text("CAMERA_HARDWARE_DECODING", "off")
# After so many seconds without pictures a camera counts as down; how long is kept what was wrong with cameras.
CAMERA_DOWN_SECONDS = env.integer("CAMERA_DOWN_SECONDS", 30, low=10, high=86_400)
CAMERA_HEALTH_DAYS = env.integer("CAMERA_HEALTH_DAYS", 90, low=1, high=3650)
# For how many hours the face of an unknown person is kept, sealed, so that they are found to be the same at other
# cameras and by a search; 0: nothing of unknown faces is kept, and they are not linked.
UNKNOWN_HOURS = env.integer("UNKNOWN_HOURS", 24, low=0, high=24 * 365)
# After so many hours nobody is followed live any more without being asked for again.
FOLLOW_HOURS = env.integer("FOLLOW_HOURS", 12, low=1, high=24 * 30)
# For how many days the results of a search by photo are kept, with the faces that were searched, sealed.
PHOTO_SEARCH_DAYS = env.integer("PHOTO_SEARCH_DAYS", 7, low=1, high=365)
LEASE_SECONDS = 12
HEARTBEAT_SECONDS = 1

# --- Alerts ------------------------------------------------------------------------------------------------------
# Where people reach the pages: messages carry links there. Unset, `up` says where it serves them.
SITE_URL_IS_SET = bool(env.text("SITE_URL"))
SITE_URL = (env.text("SITE_URL") or "http://localhost:8000").rstrip("/")
# Where webhooks, chat services, SMS gateways and brokers may be; alerts/channels/guard.py says what is never allowed.
ALERT_NETWORKS = env.texts("ALERT_NETWORKS", ["private", "public"])
ALERT_PORTS = env.texts("ALERT_PORTS", ["1-65535"])
# smtp://user:password@host:587?tls=starttls, smtps://host:465, or smtp://host:25?tls=none
EMAIL_SERVER = env.text("EMAIL_SERVER")
EMAIL_FROM = env.text("EMAIL_FROM", "Lynceus <lynceus@localhost>")
# The API of Twilio, or of a gateway that speaks it.
SMS_API_URL = env.text("SMS_API_URL", "https://api.twilio.com")
SMS_ACCOUNT = env.text("SMS_ACCOUNT")
SMS_TOKEN = env.text("SMS_TOKEN")
SMS_FROM = env.text("SMS_FROM")
# Whom push services may ask when something is wrong with our messages.
PUSH_CONTACT = env.text("PUSH_CONTACT", "mailto:lynceus@localhost")
PUSH_KEY_FILE = DATA_DIR / "secrets" / "push"
ALERT_LOG_DIR = Path(env.text("ALERT_LOG_DIR", str(DATA_DIR / "log"))).expanduser().resolve()
RULES_POLL_SECONDS = 0.5
# For how many days a face is remembered that was said not to be somebody, so that it does not happen again; 0: never.
MISTAKE_DAYS = env.integer("MISTAKE_DAYS", 30, low=0, high=365)

# --- Logging -----------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "config.log.RedactingFormatter", "format": "%(levelname)s %(name)s: %(message)s"},
    },
    "filters": {
        "one-line": {"()": "config.log.WithoutTraceback"},
        "no-needless-traceback": {"()": "config.log.WithoutNeedlessTraceback"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "daphne": {"level": "WARNING"},
        "daphne.server": {"filters": ["no-needless-traceback"]},
        "django.request": {"filters": ["no-needless-traceback"]},
        "django.security.DisallowedHost": {"filters": ["one-line"]},
        "accounts.problems": {"filters": ["no-needless-traceback"]},
        "django.channels.server": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING", "filters": ["no-needless-traceback"]},
        "celery.worker.strategy": {"level": "WARNING"},
        "matplotlib": {"level": "WARNING"},
        "faiss.loader": {"level": "WARNING"},  # it tells which of its builds are not there
        "celery.beat": {"level": "WARNING", "filters": ["one-line"]},
    },
}
# FFmpeg inside OpenCV writes the address of a stream that fails, credentials included, straight to stderr.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
