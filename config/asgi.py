"""The ASGI entry point: HTTP goes to Django, WebSockets go to Channels consumers of signed-in users."""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from config.backpressure import with_backpressure
from config.bodies import keep_in_memory

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http = with_backpressure(get_asgi_application())
keep_in_memory()

from alerts.routing import websocket_urlpatterns as of_alerts  # noqa: E402  (needs the app registry filled above)
from cameras.routing import websocket_urlpatterns as of_cameras  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(URLRouter([*of_alerts, *of_cameras])),
    }
)
