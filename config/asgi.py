"""The ASGI entry point: HTTP goes to Django, WebSockets go to Channels consumers of signed-in users."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from config.bodies import keep_in_memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http = get_asgi_application()
keep_in_memory()

from alerts.routing import websocket_urlpatterns  # noqa: E402  (needs the app registry that get_asgi_application fills)

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
