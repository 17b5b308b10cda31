"""A strict Content-Security-Policy for Lynceus' own pages: scripts, styles and connections from here only."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# The admin site and the API's pages come from packages that write scripts into the page.
WITHOUT = ("/admin/", "/api/docs/")


def content_security_policy(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Adds the header to every answer but those of WITHOUT."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not request.path.startswith(WITHOUT):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response

    return middleware
