"""Answers with a part of some bytes where a browser asks for one (RFC 9110, section 14): video players do, and Safari
plays nothing without.

One range only: of several, or what is no range of bytes, all is sent, as the standard allows.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


def part_of(request: HttpRequest, data: bytes, content_type: str) -> HttpResponse:
    """All of the data, the part that is asked for (206), or 416 where there is no such part."""
    wanted = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    first, last = wanted.groups() if wanted is not None else ("", "")
    if not first and not last:
        response = HttpResponse(data, content_type=content_type)
    else:
        begin, end = _span(first, last, len(data))
        if begin < end:
            response = HttpResponse(data[begin:end], status=206, content_type=content_type)
            response["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        else:
            response = HttpResponse(status=416, content_type=content_type)
            response["Content-Range"] = f"bytes */{len(data)}"
    response["Accept-Ranges"] = "bytes"
    return response


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Where the part begins, and the first byte after it; nothing lies between where there is no such part."""
    if not first:  # the last so many bytes
        return max(0, size - int(last)), size
    end = size if not last else min(size, int(last) + 1)
    return int(first), end
