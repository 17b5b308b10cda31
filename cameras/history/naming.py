"""What operators call somebody unknown. To name them for good, by enrolling them: cameras.identities."""

from __future__ import annotations

from accounts.services import Actor, record
from cameras.models import Identity
from config.transactions import brief_transaction
from recognition.errors import RecognitionError
from recognition.models import NAME_LENGTH


@brief_transaction()
def set_label(*, actor: Actor, identity: Identity, label: str) -> Identity:
    """Gives somebody unknown a label, or takes it away. Raises RecognitionError with a sentence."""
    text = " ".join(label.replace("\0", "").split())
    if len(text) > NAME_LENGTH:
        raise RecognitionError(f"The label has {len(text)} characters; {NAME_LENGTH} are taken. Choose a shorter one.")
    row = Identity.objects.select_for_update().filter(pk=identity.pk).first()
    if row is None:
        raise RecognitionError("They were deleted meanwhile: there is nobody left to label.")
    if row.person_id is not None:
        raise RecognitionError("They are enrolled and have a name. Change the name of the person instead.")
    if row.merged_into_id is not None:
        raise RecognitionError("They were made one with another identity meanwhile. Label that one.")
    row.label = text
    row.save(update_fields=["label"])
    record(actor=actor, verb="labelled", target=f"identity {row.pk}")
    return row
