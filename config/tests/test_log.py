"""The logs hold no credentials, and a traceback only where it tells of a mistake."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from config.log import RedactingFormatter, WithoutNeedlessTraceback, redact


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("config.tests.log")
    filter_ = WithoutNeedlessTraceback()
    made.addFilter(filter_)
    yield made
    made.removeFilter(filter_)


def said(caplog: pytest.LogCaptureFixture) -> str:
    return RedactingFormatter("%(levelname)s: %(message)s").format(caplog.records[-1])


@pytest.mark.parametrize(
    "text", ["rtsp://ada:secret@host/x", "rtsp://ada:se@cr@et@host/x", "Error 111 at redis://:secret@/run/redis.sock"]
)
def test_credentials_are_left_out(text: str) -> None:
    assert "***@" in redact(text)
    assert "cr" not in redact(text)


def test_an_address_in_a_path_is_left_alone() -> None:
    assert redact("http://host/path/ada@home") == "http://host/path/ada@home"


def test_an_outage_is_one_line(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    error = OperationalError("connection refused\nIs the server running?")
    logger.error("%s: %s", "Internal Server Error", "/cameras/", exc_info=error)

    assert said(caplog) == "ERROR: Internal Server Error: /cameras/: connection refused"


def test_a_refused_request_is_one_line(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("Forbidden: %s", "/people/%41/", exc_info=PermissionError(), extra={"status_code": 403})

    assert said(caplog) == "WARNING: Forbidden: /people/%41/"


def test_a_mistake_keeps_its_traceback(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        logger.error("Internal Server Error: %s", "/", exc_info=error, extra={"status_code": 500})

    assert "Traceback" in said(caplog)


@pytest.mark.parametrize(
    "name", ["django.request", "daphne.server", "celery.app.trace", "django.security.DisallowedHost"]
)
def test_the_loggers_that_need_it_have_a_filter(name: str) -> None:
    logging_: dict[str, Any] = settings.LOGGING
    assert logging_["loggers"][name]["filters"]
