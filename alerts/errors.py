"""What can go wrong when something is done about an alert."""

from __future__ import annotations


class AlertError(Exception):
    """What was asked for can not be done, or not any more; the message is a sentence for people."""
