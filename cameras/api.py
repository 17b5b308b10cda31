"""The API of cameras and of what they saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.problems import Conflict, NotNow
from cameras import live, release, selectors, services
from cameras.history.api import paged
from cameras.history.serializers import SightingFilter
from cameras.models import Camera, CameraEvent, CameraHour, Sighting
from cameras.serializers import (
    CameraEventSerializer,
    CameraHourSerializer,
    CameraSerializer,
    CameraStatusesSerializer,
    EventFilter,
    RateFilter,
    SightingSerializer,
    SpanFilter,
)
from cameras.sources import SourceError
from cameras.values import CameraError
from recognition.api_photos import PictureNegotiation, jpeg
from recognition.errors import RecognitionError
from recognition.models import Person

_CHANGE: Sequence[str] = ("cameras.change_camera",)
_LEAD = "This match is only a lead. Its picture is released once reviewers have confirmed it."


class CamerasView(RetrieveModelMixin, GenericViewSet[Camera]):
    """Cameras and their state. A source, which may hold a password, is written and never read."""

    serializer_class = CameraSerializer
    parser_classes = (JSONParser,)
    queryset = Camera.objects.all()
    lookup_value_regex = r"\d+"
    required_permissions: Sequence[str] | None = None

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page: list[Camera] = self.paginate_queryset(self.get_queryset()) or []
        return self.get_paginated_response(_shown(page, many=True).data)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(_shown([self.get_object()]).data)

    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        with _problems():
            camera = services.add_camera(actor=request.user, **wanted.validated_data)
        place = reverse("api-camera-detail", args=[camera.pk])
        return Response(_shown([camera]).data, status=status.HTTP_201_CREATED, headers={"Location": place})

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is named; its loop starts anew where that matters. An empty source keeps the one it has."""
        camera = self.get_object()
        wanted = self.get_serializer(camera, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        with _problems():
            camera = services.change_camera(actor=request.user, camera=camera, **wanted.validated_data)
        return Response(_shown([camera]).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Removes the camera; its sightings and alerts remain."""
        services.remove_camera(actor=request.user, camera=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=CameraSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def restart(self, request: Request, pk: str) -> Response:
        """Lets the camera's loop end and start anew."""
        services.restart_camera(actor=request.user, camera=self.get_object())
        return self.retrieve(request)

    @extend_schema(request=None, responses=CameraSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def enable(self, request: Request, pk: str) -> Response:
        """Switches the camera on."""
        services.set_enabled(actor=request.user, camera=self.get_object(), enabled=True)
        return self.retrieve(request)

    @extend_schema(request=None, responses=CameraSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def disable(self, request: Request, pk: str) -> Response:
        """Switches the camera off."""
        services.set_enabled(actor=request.user, camera=self.get_object(), enabled=False)
        return self.retrieve(request)

    @extend_schema(
        parameters=[RateFilter, OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY, 304: None},
    )
    @action(detail=True, content_negotiation_class=PictureNegotiation)
    def snapshot(self, request: Request, pk: str) -> HttpResponseBase:
        """The live picture, as JPEG. The first request after a while may come before the worker made one.

        With the last picture's ETag in `If-None-Match` the answer is 304 as long as there is no newer one.
        """
        asked = RateFilter(data=request.query_params)
        asked.is_valid(raise_exception=True)
        picture = live.picture(self.get_object().pk, fps=asked.validated_data["fps"])
        if picture is None:
            raise NotNow(
                "The camera has no live picture at the moment. Ask again in a second; if that does not help, "
                "see the camera's status."
            )
        response = jpeg(picture.jpeg)
        response["ETag"] = quote_etag(picture.tag)
        return get_conditional_response(request._request, etag=response["ETag"], response=response) or response


class CameraEventsView(GenericViewSet[CameraEvent]):
    """What was wrong with a camera, newest first."""

    serializer_class = CameraEventSerializer
    queryset = CameraEvent.objects.all()
    page_ordering = ("-began_at", "-id")
    required_permissions = ("cameras.view_camera",)

    @extend_schema(
        operation_id="cameras_events_list",
        parameters=[EventFilter, OpenApiParameter("camera", int, OpenApiParameter.PATH)],
    )
    def list(self, request: Request, camera: int) -> Response:
        get_object_or_404(Camera, pk=camera)
        page = self.paginate_queryset(
            EventFilter(data=request.query_params).rows(selectors.events, "began_at", camera=camera)
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class CameraHoursView(GenericViewSet[CameraHour]):
    """What a camera did, by the hour (UTC), newest first."""

    serializer_class = CameraHourSerializer
    queryset = CameraHour.objects.all()
    page_ordering = ("-start",)
    required_permissions = ("cameras.view_camera",)

    @extend_schema(
        operation_id="cameras_hours_list",
        parameters=[SpanFilter, OpenApiParameter("camera", int, OpenApiParameter.PATH)],
    )
    def list(self, request: Request, camera: int) -> Response:
        get_object_or_404(Camera, pk=camera)
        page = self.paginate_queryset(
            SpanFilter(data=request.query_params).rows(selectors.hours, "start", camera=camera)
        )
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class CameraStatusView(GenericAPIView[Camera]):
    """The state of every camera, by name."""

    queryset = Camera.objects.all()
    serializer_class = CameraStatusesSerializer
    pagination_class = None

    @extend_schema(operation_id="camera_status")
    def get(self, request: Request) -> Response:
        cameras = list(self.get_queryset())
        states = live.statuses(cameras)
        rows = [
            {"id": camera.pk, "name": camera.name, "enabled": camera.enabled, "status": states[camera.pk]}
            for camera in cameras
        ]
        return Response(CameraStatusesSerializer({"results": rows}).data)


class SightingsView(RetrieveModelMixin, GenericViewSet[Sighting]):
    """What the cameras saw, newest first."""

    serializer_class = SightingSerializer
    queryset = Sighting.objects.all()
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    page_ordering = ("-first_seen", "-id")

    def get_queryset(self) -> QuerySet[Sighting]:
        return release.marked(selectors.sightings())

    @extend_schema(parameters=[SightingFilter])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By one filter and a span, a page is full and there is a way back. By several, a page may be short, or empty,
        and yet have a `next`: follow it."""
        asked = SightingFilter(data=request.query_params)
        filters = asked.filters()
        if not asked.is_simple:
            return paged(request, filters)
        found = asked.rows(selectors.sightings, "first_seen")
        wanted = release.released if "person" in request.query_params else release.marked
        page = self.paginate_queryset(wanted(found))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=PictureNegotiation)
    def shot(self, request: Request, pk: str) -> HttpResponse:
        """The best shot, as JPEG; 409 while the match is only a lead."""
        sighting = self.get_object()
        if release.is_lead(sighting):
            raise Conflict(_LEAD)
        picture = services.shot_of(sighting)
        if picture is None:
            raise Http404
        return jpeg(picture, max_age=300)


class PersonSightingsView(GenericViewSet[Sighting]):
    """Where and when a person was seen, over all cameras, newest first."""

    serializer_class = SightingSerializer
    queryset = Sighting.objects.all()
    page_ordering = ("-first_seen", "-id")
    required_permissions = ("recognition.view_person", "cameras.view_sighting")

    @extend_schema(
        operation_id="people_sightings_list",
        parameters=[SpanFilter, OpenApiParameter("person", int, OpenApiParameter.PATH)],
    )
    def list(self, request: Request, person: int) -> Response:
        get_object_or_404(Person, pk=person)
        found = SpanFilter(data=request.query_params).rows(selectors.sightings, "first_seen", person=person)
        page = self.paginate_queryset(release.released(found))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


def _shown(cameras: Sequence[Camera], *, many: bool = False) -> CameraSerializer:
    """Cameras with their states, which come in one round trip."""
    context = {"statuses": live.statuses(cameras)}
    return CameraSerializer(cameras if many else cameras[0], many=many, context=context)


@contextmanager
def _problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except CameraError as error:
        raise ValidationError({error.field: [str(error)]}) from None
    except RecognitionError as error:
        raise ValidationError({"name": [str(error)]}) from None
    except SourceError as error:
        raise ValidationError({"source": [str(error)]}) from None
