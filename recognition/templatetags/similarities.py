"""What a similarity means, beside the number."""

from __future__ import annotations

from django import template

from recognition.meaning import sentence

register = template.Library()


@register.filter
def meaning(similarity: float | None, pack: str) -> str:
    """A sentence about a similarity that this version of a pack measured; empty where nothing can be said."""
    return sentence(similarity, pack)
