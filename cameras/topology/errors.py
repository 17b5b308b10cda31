"""What is wrong with a route."""

from __future__ import annotations


class RouteError(ValueError):
    """A value that a route can not have; `field` names it, the text is a sentence for people."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
