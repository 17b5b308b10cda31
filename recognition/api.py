"""The API of people, watchlists and the search with a photo."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from redis.exceptions import RedisError
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.problems import Problem
from recognition import selectors, services, watchlist_services
from recognition.api_photos import PictureNegotiation, TakesPhotos, enrolled, jpeg, problems, uploads
from recognition.engine import Candidate
from recognition.gallery import gallery
from recognition.meaning import sentence
from recognition.models import OnDuplicate, Person, Watchlist, WatchlistEntry
from recognition.serializers import (
    EnrolInput,
    EnrolmentSerializer,
    EntrySerializer,
    FacesSerializer,
    IdentifyInput,
    LegacyUploadInput,
    MorePhotosInput,
    PersonChange,
    PersonFilter,
    PersonSerializer,
    WatchlistSerializer,
)

_log = logging.getLogger(__name__)
Parsers = list[BaseParser]  # inside the views `list` is a method
_UNUSABLE = OpenApiResponse(Problem, description="No photo was usable; `rejected` says of each why.")
_ENROLLED = {
    200: OpenApiResponse(EnrolmentSerializer, description="The person had all these photos already."),
    201: EnrolmentSerializer,
    409: OpenApiResponse(Problem, description="A face is enrolled for somebody else, see `duplicates`."),
    422: _UNUSABLE,
}


class PhotoThrottle(UserRateThrottle):
    """Photos cost computing time: so many requests a user. Without Redis nobody is held up."""

    scope = "photos"
    rate = "120/min"

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.method != "POST":
            return True
        try:
            return super().allow_request(request, view)
        except RedisError:
            _log.warning("Redis does not answer; requests are not counted.")
            return True


class PeopleView(TakesPhotos, RetrieveModelMixin, GenericViewSet[Person]):
    """People who were enrolled. Creating one takes photos; their embeddings never leave Lynceus."""

    serializer_class = PersonSerializer
    queryset = Person.objects.all()
    lookup_value_regex = r"\d+"
    throttle_classes = (PhotoThrottle,)
    required_permissions: Sequence[str] | None = None

    def get_parsers(self) -> Parsers:
        """Photos come as a form. Changes do not: what a form leaves out can not be told from what it empties."""
        changes = "patch" in (getattr(self, "action_map", None) or {})
        return [JSONParser()] if changes else [MultiPartParser()]

    def get_queryset(self) -> QuerySet[Person]:
        return selectors.people()

    @extend_schema(parameters=[PersonFilter])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(selectors.people(**_valid(PersonFilter(data=request.query_params))))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request={"multipart/form-data": EnrolInput}, responses=_ENROLLED)
    def create(self, request: Request) -> Response:
        wanted = _valid(EnrolInput(data=request.data))
        with problems():
            done = services.enrol(
                actor=request.user,
                name=wanted["name"],
                photos=uploads(wanted["photos"], face=wanted.get("face")),
                watchlist=wanted.get("watchlist"),
                on_duplicate=OnDuplicate(wanted["on_duplicate"]),
            )
        return enrolled(done)

    @extend_schema(request=PersonChange, responses=PersonSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        person = self.get_object()
        wanted = _valid(PersonChange(data=request.data))
        with problems(), transaction.atomic():
            if "name" in wanted or "notes" in wanted:
                services.rename_person(
                    actor=request.user,
                    person=person,
                    name=wanted.get("name", person.name),
                    notes=wanted.get("notes", person.notes),
                )
            if "watchlists" in wanted:
                watchlist_services.set_watchlists(actor=request.user, person=person, watchlists=wanted["watchlists"])
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Deletes the person and makes their photos and templates unreadable at once."""
        services.delete_person(actor=request.user, person=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request={"multipart/form-data": MorePhotosInput}, responses=_ENROLLED)
    @action(detail=True, methods=["post"], required_permissions=("recognition.change_person",))
    def photos(self, request: Request, pk: str) -> Response:
        """Adds photos to the person."""
        person = self.get_object()
        wanted = _valid(MorePhotosInput(data=request.data))
        with problems():
            done = services.enrol(
                actor=request.user,
                name=person.name,
                photos=uploads(wanted["photos"], face=wanted.get("face")),
                person=person,
                on_duplicate=OnDuplicate(wanted["on_duplicate"]),
            )
        return enrolled(done)

    @extend_schema(responses={(200, "image/jpeg"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=PictureNegotiation)
    def portrait(self, request: Request, pk: str) -> HttpResponse:
        """The face that was enrolled first, as JPEG."""
        picture = selectors.portrait(self.get_object().pk)
        if picture is None:
            raise Http404
        return jpeg(picture, max_age=300)


class WatchlistsView(ListModelMixin, RetrieveModelMixin, GenericViewSet[Watchlist]):
    """Watchlists. Every one has an alert rule from the moment it exists."""

    serializer_class = WatchlistSerializer
    parser_classes = (JSONParser,)
    queryset = Watchlist.objects.all()
    lookup_value_regex = r"\d+"
    required_permissions: Sequence[str] | None = None

    def get_queryset(self) -> QuerySet[Watchlist]:
        return selectors.watchlists()

    def create(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        with problems():
            watchlist = watchlist_services.create_watchlist(actor=request.user, **_valid(wanted))
        shown = self.get_serializer(self.get_queryset().get(pk=watchlist.pk))
        place = reverse("api-watchlist-detail", args=[watchlist.pk])
        return Response(shown.data, status=status.HTTP_201_CREATED, headers={"Location": place})

    def partial_update(self, request: Request, pk: str) -> Response:
        watchlist = self.get_object()
        wanted = _valid(self.get_serializer(watchlist, data=request.data, partial=True))
        values = {
            name: wanted.get(name, getattr(watchlist, name))
            for name in ("name", "category", "purpose", "legal_basis", "threshold", "is_active")
        }
        with problems():
            watchlist_services.change_watchlist(actor=request.user, watchlist=watchlist, **values)
        return Response(self.get_serializer(self.get_object()).data)

    def destroy(self, request: Request, pk: str) -> Response:
        """Deletes the watchlist; its people and the alerts it caused remain."""
        watchlist_services.delete_watchlist(actor=request.user, watchlist=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EntriesView(ListModelMixin, GenericViewSet[WatchlistEntry]):
    """Who is on a watchlist."""

    serializer_class = EntrySerializer
    parser_classes = (JSONParser,)
    queryset = WatchlistEntry.objects.select_related("person")

    @property
    def required_permissions(self) -> Sequence[str]:
        reading = self.request.method in ("GET", "HEAD", "OPTIONS")
        may = "recognition.view_person" if reading else "recognition.change_person"
        return ("recognition.view_watchlist", may)

    def get_queryset(self) -> QuerySet[WatchlistEntry]:
        found = super().get_queryset()
        return found.filter(watchlist=self.kwargs["watchlist"]) if "watchlist" in self.kwargs else found

    def list(self, request: Request, watchlist: int) -> Response:
        get_object_or_404(Watchlist, pk=watchlist)
        return super().list(request)

    def create(self, request: Request, watchlist: int) -> Response:
        """Puts a person on the watchlist; who is on it already gets the new reason and time."""
        found = get_object_or_404(Watchlist, pk=watchlist)
        wanted = _valid(self.get_serializer(data=request.data))
        entry = watchlist_services.add_to_watchlist(actor=request.user, watchlist=found, **wanted)
        return Response(self.get_serializer(entry).data, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, watchlist: int, person: int) -> Response:
        """Takes a person off the watchlist."""
        gone = watchlist_services.remove_from_watchlist(
            actor=request.user,
            watchlist=get_object_or_404(Watchlist, pk=watchlist),
            person=get_object_or_404(Person, pk=person),
        )
        if not gone:
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)


class IdentifyView(TakesPhotos):
    """Searches the gallery for every face of a photo. The search is recorded, the photo is not kept."""

    parser_classes = (MultiPartParser,)
    throttle_classes = (PhotoThrottle,)
    required_permissions = ("recognition.identify_person",)

    @extend_schema(
        request={"multipart/form-data": IdentifyInput},
        responses={200: FacesSerializer, 422: OpenApiResponse(Problem, description="Not a usable photo.")},
    )
    def post(self, request: Request) -> Response:
        wanted = _valid(IdentifyInput(data=request.data))
        with problems():
            found = services.identify(actor=request.user, upload=uploads([wanted["photo"]])[0], top=wanted["top"])
        names = gallery().names
        marks = selectors.enhanced_templates([one.template for face in found for one in face.candidates])
        faces = [
            {
                "box": [round(float(value), 1) for value in face.face.box],
                "quality": round(face.face.quality.score, 4),
                "usable": face.usable,
                "match": None if face.match is None else _candidate(face.match, names, marks),
                "candidates": [_candidate(candidate, names, marks) for candidate in face.candidates],
                "meaning": sentence(face.candidates[0].similarity, face.pack) if face.candidates else "",
            }
            for face in found
        ]
        return Response(FacesSerializer({"faces": faces}).data)


class FaceUploadView(TakesPhotos):
    """Enrols by name: when exactly one person has the name, the photos are added to them."""

    parser_classes = (MultiPartParser,)
    throttle_classes = (PhotoThrottle,)
    required_permissions = ("recognition.add_person", "recognition.change_person")

    @extend_schema(
        operation_id="face_upload",
        request={"multipart/form-data": LegacyUploadInput},
        responses=_ENROLLED,
    )
    def post(self, request: Request) -> Response:
        wanted = _valid(LegacyUploadInput(data=request.data))
        name = wanted.get("target_name") or wanted.get("name")
        files = [file for field in ("file", "files", "photo", "photos") for file in wanted.get(field, ())]
        missing = {"target_name": name, "file": files}
        if not all(missing.values()):
            raise ValidationError({field: ["This is needed."] for field, given in missing.items() if not given})
        with problems():
            done = services.enrol(
                actor=request.user,
                name=name,
                photos=uploads(files),
                join=True,
                on_duplicate=OnDuplicate(wanted["on_duplicate"]),
            )
        return enrolled(done)


class FaceListView(ListAPIView[Person]):
    """Everybody who is enrolled."""

    serializer_class = PersonSerializer
    queryset = Person.objects.all()

    @extend_schema(operation_id="face_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Person]:
        return selectors.people()


def _valid(wanted: Any) -> Any:
    """The validated values of a serializer; raises ValidationError."""
    wanted.is_valid(raise_exception=True)
    return wanted.validated_data


def _candidate(candidate: Candidate, names: Mapping[int, str], marks: dict[int, str]) -> dict[str, Any]:
    return {
        "person": candidate.person,
        "name": names.get(candidate.person, ""),
        "similarity": round(candidate.similarity, 4),
        "enhanced": marks.get(candidate.template, ""),
    }
