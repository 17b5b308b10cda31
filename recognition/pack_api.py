"""The API of model packs: what there is, going over to another one, and how far that is."""

from __future__ import annotations

from collections.abc import Sequence

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.problems import Conflict, Problem
from recognition import pack_selectors, pack_services, packs
from recognition.engine import EngineError
from recognition.errors import RecognitionError
from recognition.models import PackSwitch


class SwitchSerializer(serializers.ModelSerializer[PackSwitch]):
    """A switch to another pack. `why` says what failed, or whom it waits for."""

    class Meta:
        model = PackSwitch
        fields = [
            "id",
            "name",
            "version",
            "before",
            "state",
            "total",
            "done",
            "failed",
            "why",
            "asked_at",
            "finished_at",
        ]


class LicenceFacts(serializers.Serializer[object]):
    name = serializers.CharField()
    url = serializers.CharField()
    commercial = serializers.BooleanField()
    accepted = serializers.BooleanField(help_text="True as well where nobody has to accept it.")


class PackFacts(serializers.Serializer[object]):
    name = serializers.CharField()
    title = serializers.CharField()
    version = serializers.CharField()
    state = serializers.CharField()
    why = serializers.CharField()
    in_use = serializers.BooleanField()
    dimension = serializers.IntegerField()
    threshold = serializers.FloatField()
    bytes = serializers.IntegerField()
    templates = serializers.IntegerField()
    licence = LicenceFacts()


class LoadedModel(serializers.Serializer[object]):
    pack = serializers.CharField()
    name = serializers.CharField()
    state = serializers.CharField()
    error = serializers.CharField()
    bytes = serializers.IntegerField()
    runs = serializers.IntegerField()
    loads = serializers.IntegerField()
    idle = serializers.FloatField(allow_null=True, help_text="Seconds since the last use.")
    providers = serializers.ListField(child=serializers.CharField())
    fallback = serializers.CharField()


class LoadedGallery(serializers.Serializer[object]):
    pack = serializers.CharField()
    templates = serializers.IntegerField()
    people = serializers.IntegerField()
    searches = serializers.IntegerField()
    problem = serializers.CharField()


class ProcessFacts(serializers.Serializer[object]):
    role = serializers.CharField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    rss = serializers.IntegerField()
    models = LoadedModel(many=True)
    gallery = LoadedGallery(allow_null=True)


class ModelsSerializer(serializers.Serializer[object]):
    """`missing`: photos that the pack in use has not seen yet. `processes` is null while Redis does not answer."""

    in_use = serializers.CharField()
    version = serializers.CharField()
    missing = serializers.IntegerField()
    switch = SwitchSerializer(allow_null=True)
    packs = PackFacts(many=True)
    processes = ProcessFacts(many=True, allow_null=True)


class UseInput(serializers.Serializer[object]):
    accepts_losses = serializers.BooleanField(
        default=False, help_text="Go on although people whose photos the new pack can not use are not found any more."
    )


class ModelsView(APIView):
    """The packs, the one in use, and what each process has loaded."""

    required_permissions: Sequence[str] = ("recognition.view_packinuse",)

    @extend_schema(operation_id="models_list", responses=ModelsSerializer)
    def get(self, request: Request) -> Response:
        now = pack_selectors.model_status()
        answer = {
            "in_use": now.name,
            "version": now.version,
            "missing": now.missing,
            "switch": now.switch,
            "packs": [_facts(one) for one in pack_selectors.pack_statuses()],
            "processes": now.processes,
        }
        return Response(ModelsSerializer(answer).data)


class UseModelView(APIView):
    """Goes over to another pack: the gallery is embedded anew in the background, then swapped at once."""

    required_permissions: Sequence[str] = ("recognition.change_packinuse",)

    @extend_schema(
        operation_id="models_use",
        request=UseInput,
        responses={202: SwitchSerializer, 409: OpenApiResponse(Problem, description="It can not be used; why.")},
    )
    def post(self, request: Request, name: str) -> Response:
        wanted = UseInput(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            packs.known_manifest(name)
        except EngineError as error:
            raise NotFound(str(error)) from error
        try:
            switch = pack_services.use_pack(
                actor=request.user, name=name, accepts_losses=wanted.validated_data["accepts_losses"]
            )
        except RecognitionError as error:
            raise Conflict(str(error)) from error
        return Response(SwitchSerializer(switch).data, status=status.HTTP_202_ACCEPTED)


class SwitchView(APIView):
    """One switch: how far it is. DELETE cancels it."""

    @property
    def required_permissions(self) -> Sequence[str]:
        looks = self.request is None or self.request.method in ("GET", "HEAD", "OPTIONS")
        return ("recognition.view_packinuse" if looks else "recognition.change_packinuse",)

    @extend_schema(operation_id="models_switch", responses=SwitchSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(SwitchSerializer(_switch(pk)).data)

    @extend_schema(operation_id="models_switch_cancel", responses=SwitchSerializer)
    def delete(self, request: Request, pk: int) -> Response:
        switch = _switch(pk)
        if not pack_services.cancel_switch(actor=request.user, switch=switch):
            raise Conflict("The switch is over already; look at its state.")
        return Response(SwitchSerializer(_switch(pk)).data)


class ConfirmSwitchView(APIView):
    """Goes on with a switch that waits, although people are not found any more."""

    required_permissions: Sequence[str] = ("recognition.change_packinuse",)

    @extend_schema(operation_id="models_switch_confirm", request=None, responses=SwitchSerializer)
    def post(self, request: Request, pk: int) -> Response:
        if not pack_services.confirm_switch(actor=request.user, switch=_switch(pk)):
            raise Conflict("The switch does not wait for a decision; look at its state.")
        return Response(SwitchSerializer(_switch(pk)).data)


def _switch(pk: int) -> PackSwitch:
    switch = PackSwitch.objects.filter(pk=pk).first()
    if switch is None:
        raise NotFound("There is no such switch.")
    return switch


def _facts(one: pack_selectors.PackStatus) -> dict[str, object]:
    manifest, licence = one.manifest, one.manifest.licence
    return {
        "name": manifest.name,
        "title": manifest.title,
        "version": manifest.version,
        "state": one.state.value,
        "why": "" if one.usable else one.check.why,
        "in_use": one.in_use,
        "dimension": manifest.dimension,
        "threshold": manifest.threshold,
        "bytes": manifest.bytes,
        "templates": one.templates,
        "licence": {
            "name": licence.name,
            "url": licence.url,
            "commercial": licence.commercial,
            "accepted": not one.needs_licence,
        },
    }
