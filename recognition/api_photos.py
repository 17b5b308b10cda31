"""Photos in and pictures out of the API: how uploads are read, and how a JPEG is answered.

Uploads stay in memory: a temporary file would be a photo in clear.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.problems import LengthRequired, TooLarge, Unavailable, Unprocessable
from recognition.engine import ModelError, PhotoError
from recognition.services import RecognitionError, Upload


class TakesPhotos(APIView):
    """A view with uploads; refuses a request that is larger than what is kept in memory unread."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if length > limit:
            raise TooLarge(
                f"The request has {length / 2**20:.0f} MB, more than the {limit / 2**20:.0f} that are "
                "accepted at once. Send fewer or smaller photos."
            )
        if not length and "HTTP_TRANSFER_ENCODING" in request.META:
            raise LengthRequired
        super().initial(request, *args, **kwargs)


class PictureNegotiation(DefaultContentNegotiation):
    """For views that answer with a picture: they are asked for images, and explain what is wrong in JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


def jpeg(data: bytes, *, max_age: int = 0) -> HttpResponse:
    """The picture, for this user only; kept by their browser for `max_age` seconds, if at all."""
    response = HttpResponse(data, content_type="image/jpeg")
    response["Cache-Control"] = f"private, max-age={max_age}" if max_age else "no-store"
    return response


def uploads(files: Sequence[UploadedFile[Any]], *, face: int | None = None) -> list[Upload]:
    """The photos as services take them."""
    return [Upload(name=file.name or "photo", data=file.read(), face=face) for file in files]


@contextmanager
def problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except PhotoError as error:
        raise Unprocessable(error.message, code=error.code) from None
    except RecognitionError as error:
        raise ValidationError({"name": [str(error)]}) from None
    except ModelError as error:
        raise Unavailable(str(error)) from None
