"""Everything the engine raises, so that a caller can turn any of it into a sentence for a person.

Messages are written for people: what happened, why, and what to do next. The classes say which of them a
caller may want to treat differently; `EngineError` catches all.
"""


class EngineError(Exception):
    """Base of all errors of the engine; its text may be shown to a person."""


class ShapeError(EngineError, ValueError):
    """An array has the wrong shape, type or content (NaN, infinity): a mistake in a program."""


class ModelError(EngineError):
    """A model cannot be made ready: its source is missing or altered, or the cache cannot be written."""


class UnknownPack(EngineError, LookupError):
    """No model pack has this name; the message lists those that exist."""


class PhotoError(EngineError):
    """A photo cannot be used. `code` is stable and meant for programs, the text is meant for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
