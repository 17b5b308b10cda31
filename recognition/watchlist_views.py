"""Pages about watchlists: the list, a new one, changing one. Deleting is left to the admin site."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.htmx import PageRequest, go_to, render_page
from recognition import selectors, watchlist_services
from recognition.errors import RecognitionError
from recognition.forms import WatchlistForm
from recognition.models import Watchlist
from recognition.packs import version_in_use


@require_safe
@permission_required("recognition.view_watchlist", raise_exception=True)
def watchlists(request: PageRequest) -> HttpResponse:
    """All watchlists."""
    found = selectors.watchlists().select_related("rule", "policy")  # which the alerts room gives every watchlist
    context = {"watchlists": found, "version": version_in_use()}
    return render_page(request, "recognition/watchlists.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.add_watchlist", raise_exception=True)
def add_watchlist(request: PageRequest) -> HttpResponse:
    """Makes a watchlist."""
    form = WatchlistForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            watchlist = watchlist_services.create_watchlist(actor=request.user, **form.cleaned_data)
        except RecognitionError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"The watchlist {watchlist.name} was made.")
            return go_to(request, reverse("watchlists"))
    return render_page(request, "recognition/watchlist_form.html", {"form": form, "watchlist": None})


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("recognition.change_watchlist", raise_exception=True)
def edit_watchlist(request: PageRequest, pk: int) -> HttpResponse:
    """Changes a watchlist."""
    watchlist = get_object_or_404(Watchlist, pk=pk)
    form = WatchlistForm(request.POST or None, instance=watchlist)
    if request.method == "POST" and form.is_valid():
        try:
            watchlist_services.change_watchlist(actor=request.user, watchlist=watchlist, **form.cleaned_data)
        except RecognitionError as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, f"The watchlist {watchlist.name} was saved.")
            return go_to(request, reverse("watchlists"))
    context = {"form": form, "watchlist": watchlist, "version": version_in_use()}
    return render_page(request, "recognition/watchlist_form.html", context)
