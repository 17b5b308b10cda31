"""What the API takes and shows of searches by photo."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cameras.models import (
    CASE_LENGTH,
    REASON_LENGTH,
    Camera,
    CameraGroup,
    PhotoSearch,
    SearchPart,
    SearchSource,
    SearchState,
)
from cameras.photo_search.asking import MOST_FACES, Wanted
from cameras.photo_search.results import Candidate, FaceResult
from cameras.serializers import SightingSerializer


class SearchInput(serializers.Serializer[Any]):
    photo = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG or WebP; it is not kept.")
    case_number = serializers.CharField(max_length=CASE_LENGTH)
    reason = serializers.CharField(max_length=REASON_LENGTH, help_text="Why this face is searched, in words.")
    cameras = serializers.PrimaryKeyRelatedField(
        many=True, required=False, queryset=Camera.objects.all(), help_text="Only these; none: all of them."
    )
    groups = serializers.PrimaryKeyRelatedField(
        many=True, required=False, queryset=CameraGroup.objects.all(), help_text="The cameras of these groups as well."
    )
    least_similarity = serializers.FloatField(
        required=False, min_value=-1, max_value=1, help_text="Candidates below it are not shown."
    )
    stored_pictures = serializers.BooleanField(
        required=False, default=False, help_text="Also look through every stored picture of the span; slow."
    )
    faces = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=10_000),
        required=False,
        max_length=MOST_FACES,
        help_text="Which faces of the photo are meant, 1 is the largest; none: all of them.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python, so that it can not be the name of an attribute.
        return super().get_fields() | {
            "from": serializers.DateTimeField(required=False, help_text="Only sightings that began then or later."),
            "to": serializers.DateTimeField(required=False, help_text="Only sightings that began by then."),
        }

    @property
    def wanted(self) -> Wanted:
        """What was asked for, for the services."""
        values = self.validated_data
        return Wanted(
            reason=values["reason"],
            case_number=values["case_number"],
            since=values.get("from"),
            until=values.get("to"),
            cameras=tuple(values.get("cameras", ())),
            groups=tuple(values.get("groups", ())),
            least_similarity=values.get("least_similarity"),
            stored_pictures=values["stored_pictures"],
            faces=tuple(values.get("faces", ())),
        )


class PartSerializer(serializers.ModelSerializer[SearchPart]):
    """How far the search is among the faces of unknown people, or in stored pictures."""

    class Meta:
        model = SearchPart
        fields = ["source", "state", "done", "total", "finished_at"]
        read_only_fields = fields


class PhotoSearchSerializer(serializers.ModelSerializer[PhotoSearch]):
    """Who searches, why, where and when, and how far it is."""

    asked_by = serializers.CharField(source="asked_by_name", read_only=True)
    state = serializers.ChoiceField(choices=SearchState.choices, read_only=True)
    parts = PartSerializer(many=True, read_only=True)

    class Meta:
        model = PhotoSearch
        fields = [
            "id",
            "asked_by",
            "asked_at",
            "case_number",
            "reason",
            "since",
            "until",
            "cameras",
            "least_similarity",
            "pack",
            "threshold",
            "people",
            "state",
            "parts",
        ]
        read_only_fields = fields


class SearchedCandidateSerializer(serializers.Serializer[Any]):
    """Somebody whom the face resembles. While `lead` is true reviewers have not confirmed whom the sighting shows: then
    neither person nor identity is told."""

    rank = serializers.IntegerField()
    similarity = serializers.FloatField(help_text="Higher is more alike; not a probability.")
    threshold = serializers.FloatField(help_text="What is asked for.")
    match = serializers.BooleanField(help_text="What the decision says.")
    meaning = serializers.CharField(help_text="What the similarity means; or empty.")
    sources = serializers.ListField(child=serializers.CharField(), help_text="Where the candidate was found.")
    lead = serializers.BooleanField()
    person = serializers.IntegerField(allow_null=True)
    identity = serializers.IntegerField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    best = SightingSerializer(
        allow_null=True,
        help_text="The sighting most like the photo, where one was compared; a lead only where nobody is named.",
    )
    sightings = SightingSerializer(many=True, help_text="Their newest of the span, without leads.")


class SearchedFaceSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="1 is the largest of the photo.")
    candidates = SearchedCandidateSerializer(many=True)


class FoundSerializer(PhotoSearchSerializer):
    """A search with what it found until now."""

    not_searched = serializers.SerializerMethodField(help_text="Sentences on what was not searched.")
    faces = serializers.SerializerMethodField()

    class Meta(PhotoSearchSerializer.Meta):
        fields = [*PhotoSearchSerializer.Meta.fields, "not_searched", "faces"]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_not_searched(self, search: PhotoSearch) -> list[str]:
        said: list[str] = self.context["not_searched"]
        return said

    @extend_schema_field(SearchedFaceSerializer(many=True))
    def get_faces(self, search: PhotoSearch) -> list[dict[str, Any]]:
        faces: list[FaceResult] = self.context["faces"]
        return [{"number": face.number, "candidates": [_candidate(one) for one in face.candidates]} for face in faces]


def _candidate(one: Candidate) -> dict[str, Any]:
    """A candidate; where a lead alone says who it may be, not who."""
    by_gallery = SearchSource.PEOPLE.label in one.sources
    compared_lead = one.best is not None and _is_lead(one.best)
    is_lead = compared_lead and not by_gallery
    released = [] if is_lead else [sighting for sighting in one.sightings if not _is_lead(sighting)]
    shown = {
        "rank": one.rank,
        "similarity": round(one.similarity, 4),
        "threshold": one.threshold,
        "match": one.is_match,
        "meaning": one.meaning,
        "sources": one.sources,
        "lead": is_lead,
        "person": None if is_lead or one.person is None else one.person.pk,
        "identity": None if is_lead or one.identity is None else one.identity.pk,
        "name": None if is_lead else one.name,
        "best": one.best if is_lead or not compared_lead else None,  # beside a name it would say whose the lead is
        "sightings": released,
    }
    return dict(SearchedCandidateSerializer(shown).data)


def _is_lead(sighting: object) -> bool:
    return bool(getattr(sighting, "is_lead", True))
