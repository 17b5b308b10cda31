"""The API of the ways between cameras: what is stated of them, and what was learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from cameras.models import Route, TravelTime
from cameras.topology import services
from cameras.topology.errors import RouteError
from cameras.topology.forms import VALUES
from cameras.topology.serializers import RouteSerializer, TravelTimeSerializer


class RoutesView(ListModelMixin, RetrieveModelMixin, GenericViewSet[Route]):
    """What is stated of the ways between cameras."""

    serializer_class = RouteSerializer
    parser_classes = (JSONParser,)
    queryset = Route.objects.all()
    lookup_value_regex = r"\d+"

    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        with _problems():
            route = services.add_route(actor=request.user, **wanted.validated_data)
        headers = {"Location": reverse("api-route-detail", args=[route.pk])}
        return Response(self.get_serializer(route).data, status=status.HTTP_201_CREATED, headers=headers)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is named; links are decided by it within some seconds, and old conflicts looked at again."""
        route = self.get_object()
        wanted = self.get_serializer(route, data=request.data, partial=True)
        wanted.is_valid(raise_exception=True)
        values: dict[str, Any] = {name: wanted.validated_data.get(name, getattr(route, name)) for name in VALUES}
        with _problems():
            changed = services.change_route(actor=request.user, route=route, **values)
        return Response(self.get_serializer(changed).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Takes back what was stated."""
        services.remove_route(actor=request.user, route=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class TravelTimesView(ListModelMixin, GenericViewSet[TravelTime]):
    """What was learned of the ways between cameras."""

    serializer_class = TravelTimeSerializer
    queryset = TravelTime.objects.all()
    required_permissions: Sequence[str] | None = ("cameras.view_route",)


@contextmanager
def _problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except RouteError as error:
        raise ValidationError({error.field: [str(error)]}) from None
