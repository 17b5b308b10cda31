"""The API of identities: who there is, where and when they were seen, and exports.

Whom a sighting may show is not told while its match is only a lead (`cameras.release`): what is found by whom it shows
leaves such sightings out, figures included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils.http import urlencode
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.ids import parse_id
from accounts.models import User
from accounts.pagination import CursorPages
from cameras import release
from cameras.history import exporting
from cameras.history.export_views import streamed
from cameras.history.filters import KNOWN, Filters
from cameras.history.reading import listed, sightings_page
from cameras.history.serializers import (
    ExportInput,
    IdentityDetailSerializer,
    IdentityFilter,
    IdentitySerializer,
    TheirExportInput,
    TheirSightingsFilter,
)
from cameras.models import Identity, Sighting
from cameras.selectors import Cursor
from cameras.serializers import SightingSerializer
from recognition.errors import RecognitionError

_LOOK = ("recognition.view_person", "cameras.view_sighting")
_EXPORT = (*_LOOK, "cameras.export_identity")
_PAGING = [
    OpenApiParameter("cursor", str, description="Where the page starts: follow `next`."),
    OpenApiParameter("limit", int, description="How many results a page has, at most 500."),
]
_FILE = {(200, kind.split(";")[0]): OpenApiTypes.BINARY for kind in exporting.TYPES.values()}
_USUAL = CursorPages.page_size or 50
MOST_COUNTED = 10_000  # each is asked whether it is a lead


class IdentitiesView(GenericViewSet[Identity]):
    """Identities, the newest first; those that were made one with another are left out."""

    serializer_class = IdentitySerializer
    queryset = Identity.objects.select_related("person")
    parser_classes = (JSONParser,)
    lookup_value_regex = r"\d+"
    page_ordering = ("-id",)
    required_permissions: Sequence[str] = _LOOK

    @extend_schema(parameters=[IdentityFilter])
    def list(self, request: Request) -> Response:
        asked = IdentityFilter(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found = self.get_queryset().filter(merged_into=None)
        if who := asked.validated_data.get("who"):
            found = found.filter(person__isnull=who != KNOWN)
        if person := asked.validated_data.get("person"):
            found = found.filter(person=person)
        page = self.paginate_queryset(found)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(responses=IdentityDetailSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One identity, with where and when they were last seen."""
        row: Any = self.get_object()
        theirs = release.released(Sighting.objects.filter(identity=row, is_doubted=False)).order_by(
            "-first_seen", "-id"
        )
        last = theirs.first()
        row.times_seen = theirs.order_by()[: MOST_COUNTED + 1].count()
        row.last_seen = last.last_seen if last is not None else None
        row.last_camera = last.camera_id if last is not None else None
        row.last_camera_name = last.camera_name if last is not None else None
        row.present = theirs.filter(is_open=True).exists()
        return Response(IdentityDetailSerializer(row).data)

    @extend_schema(parameters=[TheirSightingsFilter, *_PAGING], responses=SightingSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def sightings(self, request: Request, pk: str) -> Response:
        """Where and when they were seen. A page may be short, or empty, and yet have a `next`: follow it."""
        row = self.get_object()
        filters = TheirSightingsFilter(data=request.query_params).filters(identity=row.pk)
        return paged(request, filters)

    @extend_schema(request=TheirExportInput, responses=_FILE)
    @action(detail=True, methods=["post"], required_permissions=_EXPORT)
    def export(self, request: Request, pk: str) -> HttpResponseBase:
        """Where and when they were seen, as a file, the oldest first."""
        row = self.get_object()
        return _exported(request, TheirExportInput(data=request.data), identity=row.pk)


class HistoryExportView(GenericAPIView[Sighting]):
    """All sightings by filters as a file, the oldest first."""

    queryset: QuerySet[Sighting] = Sighting.objects.all()
    serializer_class = ExportInput
    parser_classes = (JSONParser,)
    required_permissions = _EXPORT

    @extend_schema(operation_id="history_export", request=ExportInput, responses=_FILE)
    def post(self, request: Request) -> HttpResponseBase:
        return _exported(request, ExportInput(data=request.data))


def _exported(request: Request, wanted: TheirExportInput | ExportInput, **more: int) -> HttpResponseBase:
    filters = wanted.filters(**more)
    values = wanted.validated_data
    if not isinstance(request.user, User):
        raise NotFound
    try:
        export = exporting.begin(actor=request.user, kind=values["format"], filters=filters, reason=values["reason"])
    except RecognitionError as error:
        raise ValidationError({"reason": [str(error)]}) from None
    return streamed(export)


def paged(request: Request, filters: Filters) -> Response:
    """A page of sightings by any filters, in the shape that all lists have; there is no way back."""
    cursor = _cursor(request)
    size = min(CursorPages.max_page_size, max(1, parse_id(request.query_params.get("limit")) or _USUAL))
    found = sightings_page(filters, cursor, size=size)
    wanted = release.released if filters.tells_who else release.marked
    rows = {row.pk: row for row in wanted(listed().filter(pk__in=[row.pk for row in found.rows]))}
    shown = SightingSerializer([rows[row.pk] for row in found.rows if row.pk in rows], many=True)
    onward = None
    if found.next is not None:
        asked = request.query_params.dict() | {"cursor": str(found.next)}
        onward = request.build_absolute_uri(f"{request.path}?{urlencode(asked)}")
    return Response({"next": onward, "previous": None, "results": shown.data})


def _cursor(request: Request) -> Cursor | None:
    text = request.query_params.get("cursor", "")
    cursor = Cursor.parse(text) if text else None
    if text and cursor is None:
        raise NotFound(CursorPages.invalid_cursor_message)
    return cursor
