"""The Celery application: `celery -A config`. Queues: `celery` for jobs and deliveries, `cameras` for camera loops."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("lynceus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
