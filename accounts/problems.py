"""API errors as application/problem+json (RFC 9457): what happened, why, and what to do.

Whatever a view raises ends here, so that a program never has to read an HTML page. What nobody foresaw is
logged with its traceback and answered with a sentence that gives nothing away.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFilesSent
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from redis.exceptions import RedisError
from rest_framework import serializers
from rest_framework.exceptions import (
    APIException,
    NotFound,
    ParseError,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler

from accounts.vault import VaultError

_log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"


class Unprocessable(APIException):
    """The request was understood, but what it holds can not be used. `more` goes into the document."""

    status_code = 422
    default_code = "unprocessable"

    def __init__(self, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.more = more


class TooLarge(APIException):
    """More was sent than is accepted."""

    status_code = 413
    default_code = "too_large"
    default_detail = "The request is larger than what is accepted. Send fewer or smaller photos."


class LengthRequired(APIException):
    """A body came without saying how long it is, so that nothing of it was read."""

    status_code = 411
    default_code = "length_required"
    default_detail = "The request does not say how long it is. Send it with Content-Length, not in chunks."


class Conflict(APIException):
    """Somebody changed or deleted at the same moment what this needs."""

    status_code = 409
    default_code = "conflict"
    default_detail = "Something that this needs was changed or deleted at the same moment. Look again, then repeat it."


class Unavailable(APIException):
    """Something that is needed does not answer; trying again later may help."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "The database or Redis does not answer at the moment. Try again in a few seconds."


class NotNow(Unavailable):
    """Nothing is wrong, but what was asked for is not there at this moment. Who asks again and again fills no log."""


class Sealed(APIException):
    """Stored data can not be opened; an administrator finds the reason in the log."""

    status_code = 500
    default_code = "sealed"
    default_detail = "What is stored here can not be opened. Ask an administrator to look into the log."


class Unforeseen(APIException):
    """A mistake in Lynceus."""

    default_code = "unforeseen"
    default_detail = "Lynceus made a mistake. It is written in the log; ask an administrator to look there."


class Problem(serializers.Serializer[Any]):
    """The shape of a problem document, for the schema."""

    type = serializers.CharField(help_text="A stable name of the kind of problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What happened, why, and what to do.")
    errors = serializers.DictField(  # type: ignore[assignment]  # of the document, not of a validation
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="By field, what is wrong with it.",
    )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Turns what a view raises into a problem document."""
    known = _known(error)
    if known.status_code >= 500 and not isinstance(known, NotNow):
        # What a view raises in the words of the API was foreseen: its sentence is enough, also in the log.
        _log.error("The API could not answer: %s", error, exc_info=None if known is error else error)
    response = default_handler(known, context)
    if response is None:  # never for an APIException
        raise known
    problem: dict[str, Any] = {
        "type": f"urn:lynceus:problem:{known.default_code}",
        "title": response.status_text,
        "status": response.status_code,
    }
    if isinstance(known, ValidationError):
        problem["detail"] = "Some values can not be used; see errors."
        problem["errors"] = response.data if isinstance(response.data, dict) else {"request": response.data}
    else:
        problem["detail"] = str(known.detail)
        problem |= getattr(known, "more", {})
    response.data = problem
    response.content_type = CONTENT_TYPE
    if response.status_code >= 500:  # Django would say it again, in fewer words
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _known(error: Exception) -> APIException:
    """The same error in the words of the API."""
    if isinstance(error, UnsupportedMediaType):
        detail = f"{error.detail} Send photos as a form (multipart/form-data), and everything else as JSON."
        return UnsupportedMediaType("", detail=detail)
    if isinstance(error, APIException):
        return error
    if isinstance(error, Http404):
        return NotFound("There is nothing at this address, or not any more.")
    if isinstance(error, DjangoPermissionDenied):
        return PermissionDenied()
    if isinstance(error, (RequestDataTooBig, TooManyFilesSent)):
        return TooLarge()
    if isinstance(error, IntegrityError):
        return Conflict()
    if isinstance(error, (SuspiciousOperation, RecursionError)):
        return ParseError("The request is not well formed.")
    if isinstance(error, (OperationalError, InterfaceError, RedisError)):
        return Unavailable()
    return Sealed() if isinstance(error, VaultError) else Unforeseen()
