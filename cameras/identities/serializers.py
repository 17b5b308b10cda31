"""How corrections and proposals look in the API, and what is asked for."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.ids import MAX_ID
from cameras.identities import reading
from cameras.models import REASON_LENGTH, Correction, MergeProposal
from recognition.models import NAME_LENGTH, Person, Watchlist


class ReasonInput(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=REASON_LENGTH, help_text="Why, in five characters at least; it is kept with the correction."
    )


class MergeInput(ReasonInput):
    other = serializers.IntegerField(min_value=1, max_value=MAX_ID, help_text="The identity that is the same person.")


class SplitInput(ReasonInput):
    sightings = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=10_000, help_text="Those that are somebody else's."
    )


class NameInput(serializers.Serializer[Any]):
    """`person`, or `name` and `shots`."""

    person = serializers.PrimaryKeyRelatedField(
        queryset=Person.objects.all(), required=False, allow_null=True, help_text="Somebody who is enrolled."
    )
    name = serializers.CharField(max_length=NAME_LENGTH, required=False, help_text="Of a new person.")
    watchlist = serializers.PrimaryKeyRelatedField(queryset=Watchlist.objects.all(), required=False, allow_null=True)
    shots = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        default=list,
        max_length=20,
        help_text="Sightings of the identity from whose best shots the person is enrolled.",
    )
    reason = serializers.CharField(max_length=REASON_LENGTH, required=False, default="", allow_blank=True)
    all_the_same = serializers.BooleanField(
        default=False, help_text="Also where a face is enrolled for somebody else, or photos show different people."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("person") is None and not attrs.get("name", "").strip():
            raise serializers.ValidationError({"name": ["Give a name, or somebody who is enrolled as person."]})
        return attrs


class UndoInput(serializers.Serializer[Any]):
    remove_person = serializers.BooleanField(
        default=False, help_text="Of a name: whether the person whom it made is deleted, with all their photos."
    )


class CorrectionSerializer(serializers.ModelSerializer[Correction]):
    """Something that a person put right."""

    what = serializers.SerializerMethodField(help_text="As a sentence.")
    sightings = serializers.SerializerMethodField(help_text="How many it was about.")

    class Meta:
        model = Correction
        fields = (
            *("id", "kind", "what", "identity", "other", "person", "reason", "sightings"),
            *("at", "actor_name", "undone_at", "undone_by_name"),
        )

    def get_what(self, row: Correction) -> str:
        return reading.said(row)

    def get_sightings(self, row: Correction) -> int:
        return row.sightings.count()


class UndoneSerializer(serializers.Serializer[Any]):
    correction = CorrectionSerializer()
    restored = serializers.IntegerField(help_text="Sightings that are as before.")
    left = serializers.IntegerField(help_text="Sightings that were corrected again since, and stay as they are.")
    still_enrolled = serializers.IntegerField(
        allow_null=True, help_text="The person whom the naming has made, who stays enrolled."
    )


class ErasedSerializer(serializers.Serializer[Any]):
    sightings = serializers.IntegerField(help_text="That are nobody's any more.")


class ProposalSerializer(serializers.ModelSerializer[MergeProposal]):
    """Two identities that may be one person."""

    first_name = serializers.CharField(source="first", read_only=True)
    second_name = serializers.CharField(source="second", read_only=True)

    class Meta:
        model = MergeProposal
        fields = ("id", "first", "first_name", "second", "second_name", "similarity", "made_at")


class AnswerInput(serializers.Serializer[Any]):
    same = serializers.BooleanField(help_text="Whether it is one person; else it is noted that they are two.")
    reason = serializers.CharField(
        max_length=REASON_LENGTH, required=False, default="", allow_blank=True, help_text="Needed where they are one."
    )
