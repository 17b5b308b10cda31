"""How the parts are wired: settings, URLs, ASGI, Celery, the embedded services. Knows no faces."""
