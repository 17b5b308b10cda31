"""The API of people who may be one: the pairs, telling them apart, merging them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.ids import MAX_ID
from accounts.problems import Conflict
from recognition import duplicates, merging
from recognition.api_photos import problems
from recognition.duplicate_views import MAX_TEMPLATES
from recognition.errors import RecognitionError
from recognition.gallery import gallery
from recognition.models import Person


class PersonRef(serializers.Serializer[Person]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class PairSerializer(serializers.Serializer[duplicates.LookAlikes]):
    first = PersonRef()
    second = PersonRef()
    similarity = serializers.FloatField(help_text="Higher is more alike; not a probability.")
    enhanced = serializers.BooleanField(help_text="Whether it is the similarity of an enhanced photo.")


class PairsSerializer(serializers.Serializer[Any]):
    threshold = serializers.FloatField(help_text="From this similarity on two photos count as one person.")
    results = PairSerializer(many=True)


class PairsFilter(serializers.Serializer[Any]):
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=duplicates.MAX_PAIRS)


class OtherPerson(serializers.Serializer[Any]):
    person = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="The other person.")


class MergeSerializer(serializers.Serializer[Any]):
    person = serializers.IntegerField(help_text="Who stays.")
    photos = serializers.IntegerField(help_text="That moved.")
    templates = serializers.IntegerField(help_text="That moved, of every model pack.")
    same_photos = serializers.IntegerField(help_text="That both had; they are kept once.")
    watchlists = serializers.ListField(child=serializers.CharField(), help_text="Onto which the person came by it.")


class DuplicatesView(APIView):
    """Pairs of people who may be one, most alike first, without those that somebody told apart."""

    required_permissions = ("recognition.change_person",)

    @extend_schema(parameters=[PairsFilter], responses=PairsSerializer, operation_id="people_duplicates")
    def get(self, request: Request) -> Response:
        wanted = PairsFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        with problems():
            snapshot = gallery()
        if len(snapshot.templates) > MAX_TEMPLATES:
            raise Conflict(
                f"The gallery has {len(snapshot.templates)} templates, too many to compare while you wait. "
                "Run the command `manage.py duplicates` on the server."
            )
        pairs = duplicates.look_alikes(snapshot)[: wanted.validated_data["limit"]]
        shown = {"threshold": snapshot.pack_threshold, "results": duplicates.shown_pairs(pairs)}
        return Response(PairsSerializer(shown).data)


class MergeView(APIView):
    """Makes one person of two: the one in the body goes, with all photos, sightings and alerts handed over."""

    parser_classes = (JSONParser,)
    required_permissions = ("recognition.change_person", "recognition.delete_person")

    @extend_schema(request=OtherPerson, responses=MergeSerializer, operation_id="people_merge")
    def post(self, request: Request, pk: int) -> Response:
        kept, gone = _both(request, pk)
        try:
            done = merging.merge(actor=request.user, kept=kept, gone=gone)
        except RecognitionError as error:
            raise Conflict(str(error)) from None
        facts = {
            "person": kept.pk,
            "photos": done.photos,
            "templates": done.templates,
            "same_photos": done.same_photos,
            "watchlists": list(done.watchlists),
        }
        return Response(MergeSerializer(facts).data)


class DistinctView(APIView):
    """Notes for good that two people are not the same: they are not listed as look-alikes again."""

    parser_classes = (JSONParser,)
    required_permissions = ("recognition.change_person",)

    @extend_schema(request=OtherPerson, responses={204: None}, operation_id="people_distinct")
    def post(self, request: Request, pk: int) -> Response:
        one, other = _both(request, pk)
        try:
            merging.not_the_same(actor=request.user, one=one, other=other)
        except RecognitionError as error:
            raise Conflict(str(error)) from None
        return Response(status=status.HTTP_204_NO_CONTENT)


def _both(request: Request, pk: int) -> tuple[Person, Person]:
    one = get_object_or_404(Person, pk=pk)
    wanted = OtherPerson(data=request.data)
    wanted.is_valid(raise_exception=True)
    return one, get_object_or_404(Person, pk=wanted.validated_data["person"])
