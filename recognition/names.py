"""The names that people give: to persons, watchlists and cameras."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction

from recognition.errors import RecognitionError
from recognition.models import NAME_LENGTH

# Nothing that belongs in a name: they move the cursor of a terminal, or turn the letters around.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean_name(name: str) -> str:
    """The name without needless white space or control characters; raises RecognitionError when it is empty or
    too long."""
    name = " ".join(_INVISIBLE.sub("", name).split())
    if not name:
        raise RecognitionError("The name is empty. Type a name.")
    if not name.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in name):
        raise RecognitionError("The name has characters that are no text. Type it again.")
    if len(name) > NAME_LENGTH:
        raise RecognitionError(f"The name has {len(name)} characters; at most {NAME_LENGTH} are kept. Shorten it.")
    return name


@contextmanager
def unique_name(kind: str, name: str) -> Iterator[None]:
    """Writes a row whose name must be free; raises RecognitionError when somebody took it at the same moment."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise RecognitionError(f"There is a {kind} {clean_name(name)!r} already. Choose another name.") from None
