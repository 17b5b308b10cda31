"""The API with which identities are put right: merging, splitting, naming, taking back, erasing, and proposals."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.problems import Conflict, Problem, Unavailable, Unprocessable
from cameras import release
from cameras.identities import corrections, erasure, naming, reading
from cameras.identities.errors import CorrectionError
from cameras.identities.serializers import (
    AnswerInput,
    CorrectionSerializer,
    ErasedSerializer,
    MergeInput,
    NameInput,
    ProposalSerializer,
    ReasonInput,
    SplitInput,
    UndoInput,
    UndoneSerializer,
)
from cameras.identities.undoing import undo
from cameras.models import Correction, Identity, MergeProposal, Sighting
from recognition.api_photos import AlreadyEnrolled
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.services import Enrolment

_CHANGE = ("cameras.change_identity",)
_REFUSED = {409: OpenApiResponse(Problem, description="It is not possible; the problem says why.")}


class _Correcting(APIView):
    """A view that changes whose sightings are whose."""

    parser_classes = (JSONParser,)
    required_permissions: Sequence[str] = _CHANGE


class MergeView(_Correcting):
    """Makes one of two identities. Whoever is enrolled stays, else the one in the address."""

    @extend_schema(
        request=MergeInput, responses={201: CorrectionSerializer, **_REFUSED}, operation_id="identities_merge"
    )
    def post(self, request: Request, pk: int) -> Response:
        wanted = _valid(MergeInput(data=request.data))
        one, other = get_object_or_404(Identity, pk=pk), get_object_or_404(Identity, pk=wanted["other"])
        with _problems():
            done = corrections.merge(actor=request.user, kept=one, gone=other, reason=wanted["reason"])
        return _made(done)


class SplitView(_Correcting):
    """Sightings that are somebody else's: a new identity, `other`, has them then."""

    @extend_schema(
        request=SplitInput, responses={201: CorrectionSerializer, **_REFUSED}, operation_id="identities_split"
    )
    def post(self, request: Request, pk: int) -> Response:
        wanted = _valid(SplitInput(data=request.data))
        identity = get_object_or_404(Identity, pk=pk)
        with _problems():
            done = corrections.split(actor=request.user, identity=identity, **wanted)
        return _made(done)


class NotThemView(_Correcting):
    """This sighting is not whom it was taken for."""

    @extend_schema(
        request=ReasonInput, responses={201: CorrectionSerializer, **_REFUSED}, operation_id="sightings_not_them"
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        wanted = _valid(ReasonInput(data=request.data))
        row = get_object_or_404(Sighting, pk=pk)
        if release.is_lead(row):
            raise Conflict("This match is only a lead. It is answered in its review, on the alert's page.")
        with _problems():
            done = corrections.not_them(actor=request.user, sighting=row, reason=wanted["reason"])
        return _made(done)


class NameView(_Correcting):
    """Somebody unknown is somebody who is enrolled, or is enrolled now. Asks for the right to enrol as well."""

    @extend_schema(request=NameInput, responses={201: CorrectionSerializer, **_REFUSED}, operation_id="identities_name")
    def post(self, request: Request, pk: int) -> Response:
        wanted = _valid(NameInput(data=request.data))
        identity = get_object_or_404(Identity, pk=pk)
        _ask(request, "recognition.change_person" if wanted.get("person") else "recognition.add_person")
        with _problems():
            done = naming.name(actor=request.user, identity=identity, **wanted)
        if done.correction is None:
            _say_why_not(done.enrolment)
            raise Conflict("Nobody was named, because nobody was enrolled.")
        return _made(done.correction)


class EraseView(_Correcting):
    """Wipes everything about somebody unknown. Whoever is enrolled is deleted as a person."""

    required_permissions = (*_CHANGE, "recognition.delete_person")

    @extend_schema(request=ReasonInput, responses={200: ErasedSerializer, **_REFUSED}, operation_id="identities_erase")
    def post(self, request: Request, pk: int) -> Response:
        wanted = _valid(ReasonInput(data=request.data))
        identity = get_object_or_404(Identity, pk=pk)
        with _problems():
            wiped = erasure.erase_identity(actor=request.user, identity=identity, reason=wanted["reason"])
        return Response(ErasedSerializer({"sightings": wiped}).data)


class UndoView(_Correcting):
    """Takes a correction back, once."""

    @extend_schema(request=UndoInput, responses={200: UndoneSerializer, **_REFUSED}, operation_id="corrections_undo")
    def post(self, request: Request, pk: int) -> Response:
        wanted = _valid(UndoInput(data=request.data))
        row = get_object_or_404(Correction, pk=pk)
        if wanted["remove_person"]:
            _ask(request, "recognition.delete_person")
        with _problems():
            done = undo(actor=request.user, correction=row, remove_person=wanted["remove_person"])
        facts = {
            "correction": done.correction,
            "restored": done.restored,
            "left": done.left,
            "still_enrolled": done.still_enrolled.pk if done.still_enrolled is not None else None,
        }
        return Response(UndoneSerializer(facts).data)


class CorrectionsView(GenericViewSet[Correction]):
    """What people put right about an identity, newest first."""

    serializer_class = CorrectionSerializer
    queryset = Correction.objects.all()
    page_ordering = ("-id",)
    required_permissions = _CHANGE

    @extend_schema(
        operation_id="identities_corrections_list",
        parameters=[OpenApiParameter("identity", int, OpenApiParameter.PATH)],
    )
    def list(self, request: Request, identity: int) -> Response:
        get_object_or_404(Identity, pk=identity)
        about = Q(identity=identity) | Q(other=identity)
        rows = Correction.objects.filter(about).select_related("identity__person", "other__person", "person")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class ProposalsView(GenericViewSet[MergeProposal]):
    """Unknown people who may be one person, as the nightly look has found them; a human decides.

    That an unknown face may be somebody enrolled is a lead: programs are not told of it, pages are.
    """

    serializer_class = ProposalSerializer
    parser_classes = (JSONParser,)
    queryset = MergeProposal.objects.all()
    page_ordering = ("-similarity", "-id")
    required_permissions = _CHANGE

    def get_queryset(self) -> QuerySet[MergeProposal]:
        return reading.proposals().filter(first__person=None, second__person=None)

    @extend_schema(operation_id="proposals_list")
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="proposals_answer",
        request=AnswerInput,
        responses={201: CorrectionSerializer, 204: None, **_REFUSED},
    )
    def answer(self, request: Request, pk: int) -> Response:
        """Says whether it is one person: the two are merged, or told apart."""
        wanted = _valid(AnswerInput(data=request.data))
        row = get_object_or_404(self.get_queryset(), pk=pk)
        with _problems():
            if wanted["same"]:
                done = corrections.merge(actor=request.user, kept=row.first, gone=row.second, reason=wanted["reason"])
                return _made(done)
            corrections.told_apart(actor=request.user, one=row.first, other=row.second)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _valid(wanted: serializers.Serializer[Any]) -> dict[str, Any]:
    wanted.is_valid(raise_exception=True)
    return cast("dict[str, Any]", wanted.validated_data)


def _made(done: Correction) -> Response:
    return Response(CorrectionSerializer(done).data, status=status.HTTP_201_CREATED)


def _ask(request: Request, permission: str) -> None:
    if not (isinstance(request.user, User) and request.user.has_perm(permission)):
        raise PermissionDenied


def _say_why_not(enrolment: Enrolment | None) -> None:
    """Raises what says why nobody was enrolled."""
    if enrolment is None:
        return
    alike = [
        {"person": one.person, "name": one.name, "similarity": round(one.similarity, 4)} for one in enrolment.duplicates
    ]
    if alike or enrolment.doubts:
        raise AlreadyEnrolled(
            "A face is enrolled for somebody else, or the pictures do not seem to show one person. Nothing was "
            "changed. Name that person, or send all_the_same.",
            duplicates=alike,
            doubts=list(enrolment.doubts),
        )
    rejected = [{"photo": one.photo, "why": one.why} for one in enrolment.rejected]
    raise Unprocessable("No picture was usable. The reasons are in rejected.", rejected=rejected)


@contextmanager
def _problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except CorrectionError as error:
        raise Conflict(str(error)) from None
    except RecognitionError as error:
        raise ValidationError({"name": [str(error)]}) from None
    except EngineError as error:
        raise Unavailable(str(error)) from None
