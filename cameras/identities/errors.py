"""What people are told when something about identities can not be done."""

from __future__ import annotations

from recognition.errors import RecognitionError


class CorrectionError(RecognitionError):
    """A correction that is not possible; the message says why, and what to do."""
