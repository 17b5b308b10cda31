"""Which part of a page a request wants: the whole one, or the named partial that HTMX swaps in."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PageRequest(HttpRequest):
    """A request of a signed-in user, as the pages' views get it."""

    htmx: HtmxDetails
    user: User


def wants_partial(request: PageRequest) -> bool:
    """Whether only a part of the page is swapped in. A boosted link and a restored page want all of it."""
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def render_page(
    request: PageRequest, template: str, context: Mapping[str, object], *, partial: str = ""
) -> HttpResponse:
    """The page, or its partial where HTMX asks for it. Nothing of it is kept by browsers: it tells of people."""
    name = f"{template}#{partial}" if partial and wants_partial(request) else template
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "no-store"
    return response


def go_to(request: PageRequest, url: str) -> HttpResponse:
    """Sends the browser on to another page, with and without HTMX."""
    if wants_partial(request):
        return HttpResponseClientRedirect(url)
    return HttpResponseRedirect(url)
