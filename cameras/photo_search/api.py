"""The API of searches by photo over people and past sightings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated, PermissionDenied, ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.problems import Problem, Unprocessable
from cameras.models import PhotoSearch
from cameras.photo_search import asking, results
from cameras.photo_search.errors import SearchError
from cameras.photo_search.serializers import FoundSerializer, PhotoSearchSerializer, SearchInput
from recognition.api import PhotoThrottle
from recognition.api_photos import TakesPhotos, problems, uploads

_INPUT_NAMES = {"since": "from", "until": "to"}  # where the services call it otherwise


class PhotoSearchesView(TakesPhotos, ListModelMixin, GenericViewSet[PhotoSearch]):
    """Searches by photo, newest first. Who reads another one's results is on record, as every search is."""

    serializer_class = PhotoSearchSerializer
    parser_classes = (MultiPartParser,)
    throttle_classes = (PhotoThrottle,)
    queryset = PhotoSearch.objects.filter(begun_at__isnull=False).prefetch_related("parts")
    lookup_value_regex = "[0-9a-fA-F-]{36}"
    page_ordering = ("-asked_at", "id")
    required_permissions: Sequence[str] = ("recognition.identify_person", "cameras.view_sighting")

    @extend_schema(parameters=[OpenApiParameter("case_number", str, description="Only those of this case.")])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rows = self.get_queryset()
        case = request.query_params.get("case_number", "").replace("\x00", "")
        if case:
            rows = rows.filter(case_number=case)
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        request={"multipart/form-data": SearchInput},
        responses={201: FoundSerializer, 422: OpenApiResponse(Problem, description="Not a usable photo.")},
    )
    def create(self, request: Request) -> Response:
        """Searches. Enrolled people are answered at once, the rest as it goes on: ask for the search again."""
        wanted = SearchInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        with problems():
            try:
                upload = uploads([wanted.validated_data["photo"]])[0]
                search = asking.ask(actor=_user(request), upload=upload, wanted=wanted.wanted)
            except SearchError as error:
                if error.field == "photo":
                    raise Unprocessable(str(error)) from None
                field = _INPUT_NAMES.get(error.field, error.field)
                raise ValidationError({field or "photo": [str(error)]}) from None
        place = reverse("api-photo-search-detail", args=[search.pk])
        return Response(_shown(search), status=status.HTTP_201_CREATED, headers={"Location": place})

    @extend_schema(responses=FoundSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """The search with what it found until now."""
        search = self.get_object()
        asking.looked(actor=_user(request), search=search)
        return Response(_shown(search))

    def destroy(self, request: Request, pk: str) -> Response:
        """Deletes the search, the faces that were searched and what was found; one's own, or as an administrator."""
        search = self.get_object()
        if not asking.may_change(_user(request), search):
            raise PermissionDenied
        asking.delete(actor=_user(request), search=search)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shown(search: PhotoSearch) -> dict[str, Any]:
    context = {"faces": results.results(search), "not_searched": results.not_searched(search)}
    return dict(FoundSerializer(search, context=context).data)


def _user(request: Request) -> User:
    if not isinstance(request.user, User):  # the permission says so already
        raise NotAuthenticated
    return request.user
