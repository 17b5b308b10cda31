"""The WebSockets of the alerts room."""

from __future__ import annotations

from channels.sessions import SessionMiddlewareStack
from django.urls import path

from alerts.consumers import AlertsConsumer

# Which session it is, and nothing of the database yet: after a restart hundreds of pages connect at once, and the
# newsroom looks up all of them together.
websocket_urlpatterns = [path("ws/alerts/", SessionMiddlewareStack(AlertsConsumer.as_asgi()))]
