"""What the API takes and shows of people and watchlists. No embedding is among it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.ids import MAX_ID
from recognition.models import NAME_LENGTH, OVER_BEFORE, OnDuplicate, Person, Watchlist, WatchlistEntry

# Photos of one person can not go to another one.
ON_FOREIGN_FACE = [
    (OnDuplicate.REFUSE.value, OnDuplicate.REFUSE.label),
    (OnDuplicate.NEW.value, OnDuplicate.NEW.label),
]


class WatchlistRef(serializers.ModelSerializer[Watchlist]):
    class Meta:
        model = Watchlist
        fields = ["id", "name"]


class PersonSerializer(serializers.ModelSerializer[Person]):
    photos = serializers.IntegerField(source="photo_count", read_only=True, help_text="All that were enrolled.")
    templates = serializers.IntegerField(
        source="template_count",
        read_only=True,
        help_text="Of the model pack in use; 0: no search finds the person, until they have a better photo.",
    )
    watchlists = serializers.SerializerMethodField()
    portrait = serializers.SerializerMethodField(help_text="Where the enrolled face is, as JPEG.")

    class Meta:
        model = Person
        fields = ["id", "name", "notes", "created_at", "photos", "templates", "watchlists", "portrait"]
        read_only_fields = fields

    @extend_schema_field(WatchlistRef(many=True))
    def get_watchlists(self, person: Person) -> list[dict[str, Any]]:
        return [
            {"id": entry.watchlist_id, "name": entry.watchlist.name}
            for entry in person.entries.all()
            if entry.has_begun and not entry.is_over
        ]

    def get_portrait(self, person: Person) -> str:
        return reverse("api-person-portrait", args=[person.pk])


class PersonFilter(serializers.Serializer[Any]):
    search = serializers.CharField(
        required=False, allow_blank=True, max_length=NAME_LENGTH, help_text="A part of the name."
    )
    watchlist = serializers.IntegerField(
        required=False, min_value=1, max_value=MAX_ID, help_text="Only people on this watchlist."
    )


class PhotosInput(serializers.Serializer[Any]):
    photos = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), allow_empty=False, help_text="JPEG, PNG or WebP."
    )
    face = serializers.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="Which of several faces: 1 is the largest."
    )


class MorePhotosInput(PhotosInput):
    on_duplicate = serializers.ChoiceField(
        required=False,
        default=OnDuplicate.REFUSE,
        choices=ON_FOREIGN_FACE,
        help_text="When a face is enrolled for somebody else: refuse answers 409 and stores nothing, "
        "new stores the photos as asked.",
    )


class EnrolInput(PhotosInput):
    on_duplicate = serializers.ChoiceField(
        required=False,
        default=OnDuplicate.REFUSE,
        choices=OnDuplicate.choices,
        help_text="When a face is enrolled already: refuse answers 409 and stores nothing, join adds the photos to "
        "who is there, new enrols another person.",
    )
    name = serializers.CharField(max_length=NAME_LENGTH)
    watchlist = serializers.PrimaryKeyRelatedField(queryset=Watchlist.objects.all(), required=False)


class PersonChange(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    notes = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    watchlists = serializers.PrimaryKeyRelatedField(
        queryset=Watchlist.objects.all(), many=True, required=False, help_text="All the person shall be on."
    )


class RejectedSerializer(serializers.Serializer[Any]):
    photo = serializers.CharField()
    why = serializers.CharField(help_text="What is wrong with the photo and what to do.")


class DuplicateSerializer(serializers.Serializer[Any]):
    photo = serializers.CharField()
    person = serializers.IntegerField()
    name = serializers.CharField()
    similarity = serializers.FloatField(help_text="Higher is more alike; not a probability.")
    enhanced = serializers.CharField(help_text="What was done to the enrolled photo; empty where it is as it came.")


class EnrolmentSerializer(serializers.Serializer[Any]):
    person = serializers.IntegerField()
    name = serializers.CharField()
    templates = serializers.IntegerField(help_text="Made from these photos.")
    rejected = RejectedSerializer(many=True)
    there = serializers.ListField(
        child=serializers.CharField(), help_text="Photos that the person had already; they are not stored again."
    )
    duplicates = DuplicateSerializer(many=True, help_text="Faces that are enrolled for somebody else.")
    doubts = serializers.ListField(
        child=serializers.CharField(), help_text="Sentences about photos that do not seem to show one person."
    )


class WatchlistSerializer(serializers.ModelSerializer[Watchlist]):
    people = serializers.IntegerField(source="people_count", read_only=True)

    class Meta:
        model = Watchlist
        fields = [
            "id",
            "name",
            "category",
            "purpose",
            "legal_basis",
            "threshold",
            "is_active",
            "people",
            "created_at",
        ]
        # The service says in words that a name is taken.
        extra_kwargs: ClassVar[dict[str, Any]] = {"name": {"validators": []}}


class EntrySerializer(serializers.ModelSerializer[WatchlistEntry]):
    person_name = serializers.CharField(source="person.name", read_only=True)

    class Meta:
        model = WatchlistEntry
        fields = ["id", "person", "person_name", "reason", "added_at", "starts_at", "expires_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        starts, ends = attrs.get("starts_at"), attrs.get("expires_at")
        if starts is not None and ends is not None and starts >= ends:
            raise serializers.ValidationError({"expires_at": [OVER_BEFORE]})
        return attrs


class IdentifyInput(serializers.Serializer[Any]):
    photo = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG or WebP; it is not kept.")
    top = serializers.IntegerField(
        required=False, default=5, min_value=1, max_value=50, help_text="How many candidates a face gets."
    )


class CandidateSerializer(serializers.Serializer[Any]):
    person = serializers.IntegerField()
    name = serializers.CharField()
    similarity = serializers.FloatField(help_text="Higher is more alike; not a probability.")
    enhanced = serializers.CharField(
        help_text="What was done to the enrolled photo that resembles the face; empty where it is as it came."
    )


class FaceSerializer(serializers.Serializer[Any]):
    box = serializers.ListField(
        child=serializers.FloatField(), min_length=4, max_length=4, help_text="x1, y1, x2, y2 in pixels."
    )
    quality = serializers.FloatField(help_text="In [0, 1].")
    usable = serializers.BooleanField(help_text="False: the face is too poor to say anything; nobody is named.")
    match = CandidateSerializer(allow_null=True, help_text="Who it is by decision, or null.")
    candidates = CandidateSerializer(many=True, help_text="Ranked, also where nobody matches.")
    meaning = serializers.CharField(
        help_text="How many strangers score as high as the first candidate against a gallery of this size; or empty."
    )


class FacesSerializer(serializers.Serializer[Any]):
    faces = FaceSerializer(many=True)


class LegacyUploadInput(serializers.Serializer[Any]):
    """The fields that POST /api/face/upload is known by; one of the names and one of the files are needed."""

    on_duplicate = serializers.ChoiceField(
        required=False,
        default=OnDuplicate.NEW,
        choices=OnDuplicate.choices,
        help_text="When a face is enrolled for somebody else: new (as it always was), join, or refuse with 409.",
    )

    target_name = serializers.CharField(max_length=NAME_LENGTH, required=False)
    name = serializers.CharField(max_length=NAME_LENGTH, required=False, help_text="The same as target_name.")
    file = serializers.ListField(child=serializers.FileField(allow_empty_file=True), required=False)
    files = serializers.ListField(child=serializers.FileField(allow_empty_file=True), required=False)
    photo = serializers.ListField(child=serializers.FileField(allow_empty_file=True), required=False)
    photos = serializers.ListField(child=serializers.FileField(allow_empty_file=True), required=False)
