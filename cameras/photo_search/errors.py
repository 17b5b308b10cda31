"""What can go wrong with a search by photo, said in a sentence for people."""

from __future__ import annotations

from recognition.errors import RecognitionError


class SearchError(RecognitionError):
    """Something about a search can not be done; `field` says which value it is about, or is empty."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field
