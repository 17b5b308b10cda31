"""Reads of alerts that pages, consumers and the API share."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from alerts.models import Alert, AlertState


def alerts(*, state: str = "", person: int | None = None, camera: int | None = None) -> QuerySet[Alert]:
    """Alerts, newest first, with what their partial shows."""
    found = Alert.objects.select_related("sighting", "event", "acknowledged_by").defer("sighting__sealed_shot")
    if state:
        found = found.filter(state=state)
    if person is not None:
        found = found.filter(person=person)
    if camera is not None:
        found = found.filter(camera=camera)
    return found


def newest_id() -> int:
    """The id of the newest alert, 0 when there is none: the cursor that a page starts from."""
    return Alert.objects.order_by("-id").values_list("id", flat=True).first() or 0


def between(cursor: int, newest: int, *, limit: int) -> tuple[list[Alert], int]:
    """The alerts after the cursor up to the newest, oldest first; beyond `limit` only the newest, and how many not."""
    if newest <= cursor:
        return [], 0
    found = alerts().filter(id__gt=cursor, id__lte=newest)
    fresh = list(found.order_by("-id")[: limit + 1])
    missed = found.count() - limit if len(fresh) > limit else 0
    return fresh[:limit][::-1], missed


def standings(ids: Iterable[int]) -> dict[int, tuple[str, int]]:
    """The state and the version of each of these alerts that still exists, by id."""
    rows = Alert.objects.filter(id__in=ids).values_list("id", "state", "version")
    return {pk: (state, version) for pk, state, version in rows}


def open_count() -> int:
    """How many alerts nobody has acknowledged yet; counted up to 1000, because nobody reads further."""
    return Alert.objects.filter(state=AlertState.NEW)[:1000].count()
