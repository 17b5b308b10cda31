"""What this room has noted about a person beside their rows: imports, photos that wait, names in the trails.

That something was done, by whom and when, stays; who it was about does not.
"""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from accounts import vault
from accounts.models import AuditEvent
from accounts.services import forget_words
from recognition.models import BatchPhoto, PendingEnrolment, Person


def forget_traces(person: Person) -> None:
    """Wipes them. Part of the transaction that deletes the person."""
    for row in PendingEnrolment.objects.filter(person=person):
        vault.shred(row.scope)
        row.delete()
    # One row a photo and name: what is left has to differ.
    BatchPhoto.objects.filter(person=person).update(
        path=Concat(Value("erased "), Cast(F("pk"), CharField())),
        name="",
        watchlist="",
        notes="",
        digest="",
        why="",
        sealed=None,
        similarity=None,
    )
    kind = ContentType.objects.get_for_model(Person)
    LogEntry.objects.filter(content_type=kind, object_id=str(person.pk)).update(
        object_repr=f"person {person.pk}", change_message=""
    )
    forget_words([f"person {person.pk}"], filters=[f"person={person.pk}"])
    # Whose face theirs resembled, and the other way round.
    for event in AuditEvent.objects.filter(verb="enrolled", detail__like__contains=[str(person.pk)]):
        event.detail["like"] = [one for one in event.detail["like"] if one != str(person.pk)]
        event.save(update_fields=["detail"])
