"""The Celery application: `celery -A config`.

Queues: `celery` for jobs and deliveries; each camera worker has one of its own.
"""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# It warns superusers of pickled messages; ours are JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)
# It asks whether running tasks shall end when Redis is lost. Ours go on: leases decide who runs a camera.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

app = Celery("lynceus")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["recognition"], related_name="batch_tasks")
app.autodiscover_tasks(["alerts"], related_name="feedback_tasks")
app.autodiscover_tasks(["alerts"], related_name="erasing_tasks")
for _name in ("identity_tasks", "movement_tasks", "search_tasks"):
    app.autodiscover_tasks(["cameras"], related_name=_name)
