"""The WebSockets of the cameras room."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack
from django.urls import path

from cameras.consumers import LiveConsumer

websocket_urlpatterns = [path("ws/live/", AuthMiddlewareStack(LiveConsumer.as_asgi()))]
