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
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.problems import Conflict, LengthRequired, TooLarge, Unavailable, Unprocessable
from recognition.engine import ModelError, PhotoError
from recognition.errors import RecognitionError
from recognition.serializers import EnrolmentSerializer
from recognition.services import Enrolment, Upload


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


class AlreadyEnrolled(Conflict):
    """A face is enrolled for somebody else, and nothing was stored. `more` says for whom."""

    default_code = "duplicate"

    def __init__(self, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.more = more


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


def enrolled(done: Enrolment) -> Response:
    """What became of an enrolment. Raises Unprocessable and AlreadyEnrolled when nothing was stored."""
    facts: dict[str, Any] = {
        "rejected": [{"photo": each.photo, "why": each.why} for each in done.rejected],
        "duplicates": [
            {
                "photo": each.photo,
                "person": each.person,
                "name": each.name,
                "similarity": round(each.similarity, 4),
                "enhanced": each.enhanced,
            }
            for each in done.duplicates
        ],
        "there": list(done.there),
        "doubts": list(done.doubts),
    }
    if done.person is None and done.duplicates:
        names = ", ".join(sorted({each.name for each in done.duplicates}))
        raise AlreadyEnrolled(
            f"A face is enrolled already: {names}. Nothing was stored. Send on_duplicate=join to add the photos to "
            "that person, or on_duplicate=new to enrol as asked all the same.",
            **facts,
        )
    if done.person is None or not (done.photos or done.there):
        raise Unprocessable("No photo was usable. The reasons are in rejected.", rejected=facts["rejected"])
    facts |= {"person": done.person.pk, "name": done.person.name, "templates": done.templates}
    place = reverse("api-person-detail", args=[done.person.pk])
    code = status.HTTP_201_CREATED if done.photos else status.HTTP_200_OK
    return Response(EnrolmentSerializer(facts).data, status=code, headers={"Location": place})


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
