"""The API of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from alerts import selectors, services
from alerts.models import Alert
from alerts.serializers import AlertFilter, AlertSerializer, LatestAlertsSerializer, LatestFilter


class AlertsView(RetrieveModelMixin, GenericViewSet[Alert]):
    """Alerts, newest first."""

    serializer_class = AlertSerializer
    queryset = Alert.objects.all()
    lookup_value_regex = r"\d+"
    page_ordering = ("-id",)
    required_permissions: Sequence[str] | None = None

    def get_queryset(self) -> QuerySet[Alert]:
        return selectors.alerts()

    @extend_schema(parameters=[AlertFilter])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        found = AlertFilter(data=request.query_params).rows(selectors.alerts, "captured_at")
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=("alerts.change_alert",))
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Marks the alert as seen. Doing it again, or after somebody else, changes nothing."""
        if not isinstance(request.user, User):  # the permission says so already
            raise NotAuthenticated
        services.acknowledge(actor=request.user, alert=self.get_object())
        return Response(self.get_serializer(self.get_object()).data)


class LatestAlertsView(GenericAPIView[Alert]):
    """The newest alerts, newest first."""

    serializer_class = LatestAlertsSerializer
    queryset = Alert.objects.all()
    pagination_class = None

    @extend_schema(operation_id="alerts_latest", parameters=[LatestFilter])
    def get(self, request: Request) -> Response:
        wanted = LatestFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        newest = selectors.alerts()[: wanted.validated_data["limit"]]
        return Response(LatestAlertsSerializer({"results": newest}).data)


@extend_schema(exclude=True)
class NothingView(APIView):
    """Answers where the API has no route, in the API's own words."""

    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
