"""The places of the site that messages go to: the list with how each does, a new one, changing, trying, removing."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from accounts.models import User
from accounts.vault import VaultError
from alerts import delivery_selectors, endpoints, trials
from alerts.channel_forms import EndpointForm
from alerts.channels import base
from alerts.channels.base import ConfigError
from alerts.models import Channel, Endpoint

ABOUT = {
    Channel.EMAIL: "To an address, with the picture where the watchlist allows it.",
    Channel.SMS: "160 characters that say who, where and when.",
    Channel.PUSH: "On this phone or computer, also while no page of Lynceus is open.",
    Channel.WEBHOOK: "A signed request to a program of yours.",
    Channel.MQTT: "To a broker, such as Home Assistant's.",
    Channel.CHAT: "Telegram, Slack, Discord, Gotify, ntfy and others.",
    Channel.LOG: "A file of JSON lines on the server.",
    Channel.SYSLOG: "To a log server or a SIEM, as CEF.",
}


@require_safe
@permission_required("alerts.view_endpoint", raise_exception=True)
def channels(request: PageRequest) -> HttpResponse:
    """The site's places, and how each does."""
    found = Endpoint.objects.filter(user=None)
    context = {
        "places": delivery_selectors.places(found),
        "may_change": request.user.has_perm("alerts.change_endpoint"),
    }
    return render_page(request, "alerts/channels/channels.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.add_endpoint", raise_exception=True)
def add_channel(request: PageRequest, kind: str = "") -> HttpResponse:
    """Asks of which kind the new place is, and then for the rest."""
    kinds = endpoints.channels(personal=False)
    if not kind:
        return choose(request, kinds, own=False)
    channel = chosen(kind, kinds)
    form = EndpointForm(request.POST or None, sender=base.sender(channel))
    if request.method == "POST" and form.is_valid():
        row = save(request.user, form, channel=channel, endpoint=None, user=None)
        if row is not None:
            return added(request, row, form, own=False)
    return form_page(request, form, channel=channel, endpoint=None, own=False)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.change_endpoint", raise_exception=True)
def edit_channel(request: PageRequest, pk: UUID) -> HttpResponse:
    """Changes a place."""
    row = get_object_or_404(Endpoint, pk=pk, user=None)
    return edit(request, row, own=False)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("alerts.delete_endpoint", raise_exception=True)
def remove_channel(request: PageRequest, pk: UUID) -> HttpResponse:
    """Asks, and then removes a place."""
    row = get_object_or_404(Endpoint, pk=pk, user=None)
    return remove(request, row, own=False)


@require_POST
@permission_required("alerts.change_endpoint", raise_exception=True)
def test_channel(request: PageRequest, pk: UUID) -> HttpResponse:
    """Sends a test message there and says what became of it."""
    row = get_object_or_404(Endpoint, pk=pk, user=None)
    return tested(request, row, trials.send_test(actor=request.user, endpoint=row), back=reverse("channels"))


def choose(request: PageRequest, kinds: Sequence[Channel], *, own: bool) -> HttpResponse:
    """The page that asks of which kind a new place is."""
    if request.method == "POST":
        raise Http404
    shown = [(channel, ABOUT[channel]) for channel in kinds]
    return render_page(request, "alerts/channels/choose.html", {"kinds": shown, "own": own})


def chosen(kind: str, kinds: Sequence[Channel]) -> Channel:
    """The channel of an address; raises Http404 where it is none of these."""
    for channel in kinds:
        if channel.value == kind:
            return channel
    raise Http404


def added(request: PageRequest, row: Endpoint, form: EndpointForm, *, own: bool) -> HttpResponse:
    """Back to the list, which says so; by the way of what only this answer shows."""
    return _done(request, row, form.left_empty, f"{row.name} was added. Send a test to see that it works.", own=own)


def edit(request: PageRequest, row: Endpoint, *, own: bool) -> HttpResponse:
    """The form of a place that exists, and its answer. Where a browser is, only that browser can say."""
    channel = Channel(row.channel)
    has_place = channel is not Channel.PUSH
    form = EndpointForm(
        request.POST or None,
        sender=base.sender(channel),
        endpoint=row,
        config=_known(row) if has_place else {},
        has_place=has_place,
    )
    is_saved = (
        request.method == "POST"
        and form.is_valid()
        and save(request.user, form, channel=channel, endpoint=row, user=row.user) is not None
    )
    if is_saved:
        renewed = [name for name in form.left_empty if name in form.forgotten]
        return _done(request, row, renewed, f"{row.name} was saved.", own=own)
    return form_page(request, form, channel=channel, endpoint=row, own=own)


def remove(request: PageRequest, row: Endpoint, *, own: bool) -> HttpResponse:
    """The page that asks whether a place shall be removed, and its answer."""
    if request.method == "POST":
        name = row.name
        endpoints.remove_endpoint(actor=request.user, endpoint=row)
        messages.success(request, f"{name} was removed. Nothing is sent there any more.")
        return go_to(request, _list(own=own))
    waiting = delivery_selectors.places([row])[0].health.waiting
    return render_page(request, "alerts/channels/remove.html", {"endpoint": row, "own": own, "waiting": waiting})


def tested(request: PageRequest, row: Endpoint, problem: str | None, *, back: str) -> HttpResponse:
    """What became of a test message: swapped in beside the place, or on top of the list."""
    if wants_partial(request):
        context = {"endpoint": row, "problem": problem}
        return render_page(request, "alerts/channels/partials/_tested.html", context)
    if problem is None:
        messages.success(request, f"{row.name} took the test message.")
    else:
        messages.error(request, f"{row.name} did not get the test message. {problem}")
    return go_to(request, back)


def save(
    actor: User, form: EndpointForm, *, channel: Channel, endpoint: Endpoint | None, user: User | None
) -> Endpoint | None:
    """The saved place, or None with the form's field saying why not."""
    try:
        if endpoint is None:
            given = form.given or {}
            return endpoints.add_endpoint(actor=actor, channel=channel, given=given, user=user, **form.values)
        return endpoints.change_endpoint(
            actor=actor, endpoint=endpoint, given=form.given, forget=form.forgotten, **form.values
        )
    except ConfigError as error:
        form.add_config_error(error.field, str(error))
    except VaultError:
        form.add_error(None, "What is stored of it does not open any more. Remove it, and add it anew.")
    return None


def form_page(
    request: PageRequest, form: EndpointForm, *, channel: Channel, endpoint: Endpoint | None, own: bool
) -> HttpResponse:
    """The page with the form of a place."""
    context = {"form": form, "channel": channel, "about": ABOUT[channel], "endpoint": endpoint, "own": own}
    return render_page(request, "alerts/channels/form.html", context)


def _done(request: PageRequest, row: Endpoint, made: list[str], said: str, *, own: bool) -> HttpResponse:
    """On to the list; first, where the channel made one of these secrets, to the only page that ever shows it."""
    secrets = endpoints.secrets_of(row, made)
    if secrets:
        context = {"endpoint": row, "secrets": secrets, "own": own}
        return render_page(request, "alerts/channels/secrets.html", context)
    messages.success(request, said)
    return go_to(request, _list(own=own))


def _known(row: Endpoint) -> dict[str, str]:
    try:
        return endpoints.shown_config(row)
    except VaultError:  # saving says so
        return {}


def _list(*, own: bool) -> str:
    return reverse("my_notifications" if own else "channels")
