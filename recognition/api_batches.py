"""The API of batch enrolment: a ZIP goes in, and what became of each photo comes out."""

from __future__ import annotations

import io
from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.problems import Problem, Unprocessable
from recognition import batches
from recognition.api_photos import TakesPhotos
from recognition.batch_sources import BatchError, ZipSource
from recognition.batch_tasks import begin
from recognition.batch_views import MAY, csv_report
from recognition.models import Batch, BatchPhoto, OnDuplicate, Watchlist


class BatchInput(serializers.Serializer[Any]):
    archive = serializers.FileField(help_text="A ZIP with a folder a person, or with a CSV.")
    table = serializers.FileField(required=False, help_text="A CSV with the columns name and photo, if not in the ZIP.")
    watchlist = serializers.PrimaryKeyRelatedField(queryset=Watchlist.objects.all(), required=False)
    on_duplicate = serializers.ChoiceField(
        required=False, default=OnDuplicate.REFUSE, choices=OnDuplicate.choices, help_text="As for one person."
    )


class ProgressSerializer(serializers.Serializer[batches.Progress]):
    total = serializers.IntegerField()
    done = serializers.IntegerField()
    waiting = serializers.IntegerField()
    enrolled = serializers.IntegerField()
    there = serializers.IntegerField(help_text="Enrolled before.")
    duplicate = serializers.IntegerField(help_text="Somebody else's face.")
    refused = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class BatchSerializer(serializers.ModelSerializer[Batch]):
    progress = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = ["id", "source", "state", "watchlist", "on_duplicate", "asked_at", "finished_at", "progress"]
        read_only_fields = fields

    @extend_schema_field(ProgressSerializer)
    def get_progress(self, batch: Batch) -> dict[str, Any]:
        known: dict[int, batches.Progress] = self.context.get("progress", {})
        return dict(ProgressSerializer(known.get(batch.pk) or batches.progress(batch)).data)


class BatchPhotoSerializer(serializers.ModelSerializer[BatchPhoto]):
    class Meta:
        model = BatchPhoto
        fields = ["id", "path", "name", "state", "why", "person", "similarity"]
        read_only_fields = fields


class BatchesView(TakesPhotos, ListModelMixin, RetrieveModelMixin, GenericViewSet[Batch]):
    """Imports of many people. One is worked on in the background; ask for it again to see how far it is."""

    serializer_class = BatchSerializer
    queryset = Batch.objects.all()
    lookup_value_regex = r"\d{1,18}"
    parser_classes = (MultiPartParser,)
    required_permissions = tuple(MAY)
    page_ordering = ("-id",)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.get_queryset()) or []
        context = {**self.get_serializer_context(), "progress": batches.progress_of(list(page))}
        return self.get_paginated_response(BatchSerializer(page, many=True, context=context).data)

    @extend_schema(
        request={"multipart/form-data": BatchInput},
        responses={202: BatchSerializer, 422: OpenApiResponse(Problem, description="Not a usable archive.")},
    )
    def create(self, request: Request) -> Response:
        wanted = BatchInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        values = wanted.validated_data
        table = values["table"].read() if values.get("table") else None
        try:
            source = ZipSource(io.BytesIO(values["archive"].read()), label=values["archive"].name, table=table)
            batch = batches.start(
                actor=request.user,
                source=source,
                watchlist=values.get("watchlist"),
                on_duplicate=OnDuplicate(values["on_duplicate"]),
            )
        except BatchError as error:
            raise Unprocessable(str(error)) from None
        begin(batch.pk)
        place = reverse("api-batch-detail", args=[batch.pk])
        return Response(self.get_serializer(batch).data, status=status.HTTP_202_ACCEPTED, headers={"Location": place})

    @extend_schema(responses=BatchPhotoSerializer(many=True))
    @action(detail=True)
    def photos(self, request: Request, pk: str) -> Response:
        """What became of each photo."""
        self.page_ordering = ("id",)
        rows: QuerySet[Any] = get_object_or_404(Batch, pk=pk).photos.defer("sealed")
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(BatchPhotoSerializer(page, many=True).data)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True, url_path="report.csv")
    def report(self, request: Request, pk: str) -> HttpResponseBase:
        """The same as a file."""
        return csv_report(get_object_or_404(Batch, pk=pk))

    @extend_schema(request=None, responses=BatchSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stops it: what is enrolled stays, the other photos are forgotten."""
        batch = get_object_or_404(Batch, pk=pk)
        batches.cancel(actor=request.user, batch=batch)
        batch.refresh_from_db()
        return Response(self.get_serializer(batch).data)
