"""Pages about following one identity live: choosing one, and what cameras show of them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from accounts.htmx import PageRequest, go_to, render_page, wants_partial
from cameras.follow import services
from cameras.follow.reading import board
from cameras.models import Follow, Identity, Sighting
from cameras.movement.who import last_of

MAY = ["cameras.follow_identity", "cameras.view_camera", "cameras.view_sighting"]
_IN_VIEW = 60
_PAST = 50


@require_safe
@permission_required(MAY, raise_exception=True)
def follows(request: PageRequest) -> HttpResponse:
    """Whom the user follows, and who is in view now and may be followed. Administrators see who follows whom."""
    sees_all = request.user.has_perm("accounts.view_auditevent")
    context = {
        "mine": services.going_on(user=request.user),
        "in_view": _in_view(),
        "sees_all": sees_all,
        "others": [one for one in services.going_on() if one.follow.user_id != request.user.pk] if sees_all else [],
        "past": _past() if sees_all else [],
    }
    return render_page(request, "cameras/follows.html", context)


@require_safe
@permission_required(MAY, raise_exception=True)
def follow(request: PageRequest, pk: int) -> HttpResponse:
    """Where somebody is now and likely next, as pictures; before that: whether to follow them."""
    asked = get_object_or_404(_identities(), pk=pk)
    identity = last_of(asked)
    if identity.pk != pk:
        return go_to(request, reverse("follow", args=[identity.pk]))
    mine = services.follow_of(request.user, identity)
    if mine is None:
        if wants_partial(request):
            return HttpResponseClientRefresh()  # it has ended meanwhile
        return render_page(request, "cameras/follow_start.html", {"identity": identity})
    seen = board(identity)
    if wants_partial(request) and request.GET.get("mark") == seen.mark:
        return HttpResponse(status=204)
    context = {
        "identity": identity,
        "board": seen,
        "follow": mine,
        "ends_at": services.ends_at(mine),
        "others": _who_else(request, identity),
    }
    return render_page(request, "cameras/follow.html", context, partial="board")


@require_POST
@permission_required(MAY, raise_exception=True)
def start(request: PageRequest, pk: int) -> HttpResponse:
    """Begins to follow somebody."""
    try:
        made = services.start(user=request.user, identity=get_object_or_404(_identities(), pk=pk))
    except services.FollowError as error:
        messages.error(request, str(error))
        return go_to(request, reverse("follows"))
    except Identity.DoesNotExist as error:  # deleted at this moment
        raise Http404 from error
    return go_to(request, reverse("follow", args=[made.identity_id]))


@require_POST
@permission_required(MAY, raise_exception=True)
def stop(request: PageRequest, pk: int) -> HttpResponse:
    """Follows somebody no longer."""
    identity = get_object_or_404(_identities(), pk=pk)
    if services.stop(user=request.user, identity=identity):
        messages.success(request, f"You follow {last_of(identity)} no longer.")
    return go_to(request, reverse("follows"))


def _identities() -> QuerySet[Identity]:
    return Identity.objects.select_related("person")


def _in_view() -> list[Sighting]:
    """The newest sighting of each identity that is in view now."""
    rows = Sighting.objects.filter(is_open=True, identity__isnull=False, is_doubted=False)
    newest = rows.select_related("identity__person").order_by("-first_seen", "-id")[: 4 * _IN_VIEW]
    return list({row.identity_id: row for row in reversed(newest)}.values())[::-1][:_IN_VIEW]


def _past() -> QuerySet[Follow]:
    """The follows that ended last."""
    return Follow.objects.exclude(until=None).select_related("user", "identity__person").order_by("-until")[:_PAST]


def _who_else(request: PageRequest, identity: Identity) -> list[Follow]:
    """For administrators: who else follows them."""
    if not request.user.has_perm("accounts.view_auditevent"):
        return []
    going_on = (one for one in services.going_on() if one.identity.pk == identity.pk)
    return [one.follow for one in going_on if one.follow.user_id != request.user.pk]
