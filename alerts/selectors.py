"""Reads of alerts that pages, consumers and the API share."""

from __future__ import annotations

from django.db.models import QuerySet

from alerts.models import Alert


def alerts(*, state: str = "", person: int | None = None, camera: int | None = None) -> QuerySet[Alert]:
    """Alerts, newest first, with what their partial shows."""
    found = Alert.objects.select_related("sighting", "acknowledged_by").defer("sighting__sealed_shot")
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


def after(cursor: int, *, limit: int) -> list[Alert]:
    """The alerts that were committed after the cursor, oldest first."""
    return list(alerts().filter(id__gt=cursor).order_by("id")[:limit])
