"""The API of alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import RetrieveModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.problems import Conflict
from alerts import lifecycle, reviews, selectors
from alerts.errors import AlertError
from alerts.models import Alert, AlertStep, Dismissal, Review
from alerts.serializers import (
    AlertFilter,
    AlertSerializer,
    AssignSerializer,
    CommentSerializer,
    DismissSerializer,
    LatestAlertsSerializer,
    LatestFilter,
    ReviewProgressSerializer,
    ReviewSerializer,
    StepSerializer,
)

_CHANGE = ("alerts.change_alert",)


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
        if "person" in request.query_params:
            found = found.exclude(reviews.LEADS)
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Marks the alert as seen. Doing it again, or after somebody else, changes nothing."""
        lifecycle.acknowledge(actor=_user(request), alert=self.get_object())
        return self._shown()

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def confirm(self, request: Request, pk: str) -> Response:
        """Says that the alert is right. A lead is confirmed by its reviews."""
        return self._do(lambda alert: lifecycle.confirm(actor=_user(request), alert=alert))

    @extend_schema(request=DismissSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def dismiss(self, request: Request, pk: str) -> Response:
        """Says that nothing is to be done about the alert, and why."""
        given = _given(DismissSerializer, request)
        reason = Dismissal(given["reason"])
        return self._do(
            lambda alert: lifecycle.dismiss(actor=_user(request), alert=alert, reason=reason, note=given["note"])
        )

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def close(self, request: Request, pk: str) -> Response:
        """Puts the alert away."""
        return self._do(lambda alert: lifecycle.close(actor=_user(request), alert=alert))

    @extend_schema(request=None, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def reopen(self, request: Request, pk: str) -> Response:
        """Takes up again what was dismissed or closed."""
        return self._do(lambda alert: lifecycle.reopen(actor=_user(request), alert=alert))

    @extend_schema(request=AssignSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def assign(self, request: Request, pk: str) -> Response:
        """Says who deals with the alert."""
        to = _given(AssignSerializer, request)["to"]
        return self._do(lambda alert: lifecycle.assign(actor=_user(request), alert=alert, to=to))

    @extend_schema(request=CommentSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def comment(self, request: Request, pk: str) -> Response:
        """Adds a remark to the alert's history."""
        text = _given(CommentSerializer, request)["text"]
        return self._do(lambda alert: lifecycle.comment(actor=_user(request), alert=alert, text=text))

    @extend_schema(request=ReviewSerializer, responses=ReviewProgressSerializer)
    @action(detail=True, methods=["post"], required_permissions=("alerts.review_alert",))
    def review(self, request: Request, pk: str) -> Response:
        """Takes the answer of one trained reviewer; what others have answered is not told."""
        user, given, alert = _user(request), _given(ReviewSerializer, request), self.get_object()
        if not reviews.may_review(user):
            raise PermissionDenied(reviews.UNTRAINED)
        answer = Review.Answer(given["answer"])
        with _told_as_conflict():
            outcome = reviews.review(actor=user, alert=alert, answer=answer, note=given["note"])
        return Response(ReviewProgressSerializer(outcome).data)

    @extend_schema(responses=StepSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def history(self, request: Request, pk: str) -> Response:
        """What was done about the alert, oldest first."""
        alert = self.get_object()
        steps = AlertStep.objects.filter(alert=alert)
        return Response(StepSerializer(steps, many=True, context={"is_lead": alert.is_lead}).data)

    def _do(self, deed: Callable[[Alert], object]) -> Response:
        alert = self.get_object()
        with _told_as_conflict():
            deed(alert)
        return self._shown()

    def _shown(self) -> Response:
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


def _user(request: Request) -> User:
    if not isinstance(request.user, User):  # the permission says so already
        raise NotAuthenticated
    return request.user


def _given(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """What was sent, checked; raises ValidationError."""
    sent = serializer(data=request.data)
    sent.is_valid(raise_exception=True)
    given: dict[str, Any] = sent.validated_data
    return given


@contextmanager
def _told_as_conflict() -> Iterator[None]:
    """What can not be done with the alert as it is becomes a problem document with that sentence."""
    try:
        yield
    except AlertError as error:
        raise Conflict(str(error)) from error


@extend_schema(exclude=True)
class NothingView(APIView):
    """Answers where the API has no route, in the API's own words."""

    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
