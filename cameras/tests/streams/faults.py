"""What a camera of the tests can do wrong; which of it makes sense depends on its protocol."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    NONE = "none"
    # While it streams
    DROP = "drop"  # breaks off in the middle of a picture
    HANG = "hang"  # keeps the connection and sends nothing more
    TRICKLE = "trickle"  # sends a few bytes a second
    GARBAGE = "garbage"  # every third picture is damaged
    NOISE = "noise"  # bytes between the pictures that belong to nothing
    FREEZE = "freeze"  # the same picture again and again
    BLACK = "black"
    RESIZE = "resize"  # pictures of another size
    WILD = "wild"  # time stamps that jump to and fro
    # When one connects
    SILENT = "silent"  # accepts and never answers
    UNAUTHORIZED = "unauthorized"  # 401 whatever one says
    MISSING = "missing"  # 404
    BUSY = "busy"  # 503
    REDIRECT = "redirect"  # to `redirect_to`


AT_CONNECT = frozenset((Fault.SILENT, Fault.UNAUTHORIZED, Fault.MISSING, Fault.BUSY, Fault.REDIRECT))
