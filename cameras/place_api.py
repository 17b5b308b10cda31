"""The API of zones, site plans and groups of cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cameras import places
from cameras.models import CameraGroup, SitePlan, Zone
from cameras.place_serializers import GroupSerializer, PlanChange, PlanInput, PlanSerializer, ZoneSerializer
from cameras.zones import ZoneError
from recognition.api_photos import PictureNegotiation, TakesPhotos
from recognition.errors import RecognitionError

Parsers = list[BaseParser]  # inside the views `list` is a method


class ZonesView(ListModelMixin, RetrieveModelMixin, GenericViewSet[Zone]):
    """Zones in pictures, on plans and on coordinates."""

    serializer_class = ZoneSerializer
    parser_classes = (JSONParser,)
    queryset = Zone.objects.all()
    lookup_value_regex = r"\d+"

    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        with _problems():
            zone = places.add_zone(actor=request.user, **wanted.validated_data)
        return _created(self.get_serializer(zone).data, "api-zone-detail", zone.pk)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is named; running cameras go on with it within two seconds."""
        zone = self.get_object()
        wanted = self.get_serializer(zone, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        names = ("name", "camera", "plan", "shape", "points", "radius_m", "anchor")
        values = {name: wanted.validated_data.get(name, getattr(zone, name)) for name in names}
        with _problems():
            zone = places.change_zone(actor=request.user, zone=zone, **values)
        return Response(self.get_serializer(zone).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Removes the zone and who passed it."""
        places.remove_zone(actor=request.user, zone=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class PlansView(TakesPhotos, ListModelMixin, RetrieveModelMixin, GenericViewSet[SitePlan]):
    """Site plans and where the cameras are on them."""

    serializer_class = PlanSerializer
    queryset = SitePlan.objects.prefetch_related("places")
    lookup_value_regex = r"\d+"
    required_permissions: Sequence[str] | None = None

    def get_parsers(self) -> Parsers:
        """A new plan comes as a form, for its picture; changes come as JSON."""
        changes = "patch" in (getattr(self, "action_map", None) or {})
        return [JSONParser()] if changes else [MultiPartParser()]

    @extend_schema(request={"multipart/form-data": PlanInput}, responses={201: PlanSerializer})
    def create(self, request: Request) -> Response:
        wanted = PlanInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        with _problems():
            plan = places.add_plan(actor=request.user, **values | {"image": values["image"].read()})
        return _created(self.get_serializer(plan).data, "api-plan-detail", plan.pk)

    @extend_schema(request=PlanChange, responses=PlanSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Renames the plan, says how wide it is, and puts cameras on it."""
        plan = self.get_object()
        wanted = PlanChange(data=request.data)
        wanted.is_valid(raise_exception=True)
        with _problems(), transaction.atomic():
            if "name" in wanted.validated_data:
                places.rename_plan(actor=request.user, plan=plan, name=wanted.validated_data["name"])
            if "metres_wide" in wanted.validated_data:
                metres_wide = wanted.validated_data["metres_wide"]
                places.measure_plan(actor=request.user, plan=plan, metres_wide=metres_wide)
            if "cameras" in wanted.validated_data:
                _arrange(request, plan, wanted.validated_data["cameras"])
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Removes the plan; zones that were drawn on it stay without it."""
        places.remove_plan(actor=request.user, plan=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses={(200, "image/*"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=PictureNegotiation)
    def image(self, request: Request, pk: str) -> HttpResponse:
        """The drawing, as PNG or JPEG."""
        plan = self.get_object()
        drawing = SitePlan.objects.values_list("image", flat=True).get(pk=plan.pk)
        response = HttpResponse(bytes(drawing), content_type=plan.media_type)
        response["Cache-Control"] = "private, max-age=300"
        return response


class GroupsView(ListModelMixin, RetrieveModelMixin, GenericViewSet[CameraGroup]):
    """Groups of cameras."""

    serializer_class = GroupSerializer
    parser_classes = (JSONParser,)
    queryset = CameraGroup.objects.prefetch_related("cameras")
    lookup_value_regex = r"\d+"

    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = {"cameras": [], **wanted.validated_data}
        with _problems():
            group = places.save_group(actor=request.user, group=None, **values)
        return _created(self.get_serializer(group).data, "api-camera-group-detail", group.pk)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is named; `cameras` are then those in the group, and no others."""
        group = self.get_object()
        wanted = self.get_serializer(group, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        values = {"name": group.name, "cameras": list(group.cameras.all()), **wanted.validated_data}
        with _problems():
            places.save_group(actor=request.user, group=group, **values)
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Removes the group; its cameras stay."""
        places.remove_group(actor=request.user, group=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _arrange(request: Request, plan: SitePlan, wanted: Sequence[dict[str, Any]]) -> None:
    """Puts these cameras on the plan and takes all others off."""
    there = {one["camera"].pk for one in wanted}
    for place in plan.places.exclude(camera__in=there).select_related("camera"):
        places.place_camera(actor=request.user, camera=place.camera, plan=None)
    for one in wanted:
        places.place_camera(actor=request.user, camera=one["camera"], plan=plan, x=one["x"], y=one["y"])


def _created(data: object, name: str, pk: int) -> Response:
    return Response(data, status=status.HTTP_201_CREATED, headers={"Location": reverse(name, args=[pk])})


@contextmanager
def _problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except ZoneError as error:
        raise ValidationError({error.field: [str(error)]}) from None
    except RecognitionError as error:
        raise ValidationError({"name": [str(error)]}) from None
