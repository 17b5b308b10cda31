"""Parts of an answer, as video players ask for them."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from config.ranges import part_of

DATA = bytes(range(100))


@pytest.mark.parametrize(
    ("asked", "status", "part", "said"),
    [
        ("bytes=0-1", 206, DATA[:2], "bytes 0-1/100"),
        ("bytes=0-", 206, DATA, "bytes 0-99/100"),
        ("bytes=90-", 206, DATA[90:], "bytes 90-99/100"),
        ("bytes=99-99", 206, DATA[99:], "bytes 99-99/100"),
        ("bytes=98-5000", 206, DATA[98:], "bytes 98-99/100"),
        ("bytes=-3", 206, DATA[97:], "bytes 97-99/100"),
        ("bytes=-500", 206, DATA, "bytes 0-99/100"),
        ("Bytes=1-2", 206, DATA[1:3], "bytes 1-2/100"),
        ("bytes=100-", 416, b"", "bytes */100"),
        ("bytes=-0", 416, b"", "bytes */100"),
        ("bytes=5-4", 416, b"", "bytes */100"),
        ("bytes=999999999999999999-", 416, b"", "bytes */100"),
        ("", 200, DATA, None),
        ("bytes=-", 200, DATA, None),
        ("bytes=0-1,5-6", 200, DATA, None),  # several: all is sent
        ("items=0-1", 200, DATA, None),
        ("bytes=a-b", 200, DATA, None),
        ("bytes=٣-", 200, DATA, None),
        ("bytes=" + "9" * 5000 + "-", 200, DATA, None),
    ],
)
def test_one_range_is_answered(asked: str, status: int, part: bytes, said: str | None) -> None:
    request = RequestFactory().get("/", headers={"Range": asked} if asked else {})
    answer = part_of(request, DATA, "video/mp4")
    assert (answer.status_code, answer.content, answer.headers.get("Content-Range")) == (status, part, said)
    assert (answer["Accept-Ranges"], answer["Content-Type"]) == ("bytes", "video/mp4")


def test_nothing_has_no_parts() -> None:
    request = RequestFactory().get("/", headers={"Range": "bytes=0-"})
    assert part_of(request, b"", "video/mp4").status_code == 416
