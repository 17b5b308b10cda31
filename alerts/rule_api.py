"""The API of rules and on-call rotas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotAuthenticated, ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.problems import Conflict
from alerts import rule_selectors, rule_services
from alerts.models import Rota, Rule
from alerts.preview import Preview, preview
from alerts.rule_serializers import (
    PreviewFilter,
    PreviewSerializer,
    RotaSerializer,
    RuleFilter,
    RuleSerializer,
)
from alerts.rule_values import RuleChanged, RuleError, hidden_from
from recognition.errors import RecognitionError

_CHANGE: Sequence[str] = ("alerts.change_rule",)


class RulesView(RetrieveModelMixin, GenericViewSet[Rule]):
    """Rules: of whom and of what who is told, when, and how loudly."""

    serializer_class = RuleSerializer
    parser_classes = (JSONParser,)
    queryset = Rule.objects.all()
    lookup_value_regex = r"\d+"
    required_permissions: Sequence[str] | None = None

    def get_queryset(self) -> QuerySet[Rule]:
        return rule_selectors.rules().order_by("id")

    def get_serializer_context(self) -> dict[str, Any]:
        user = self.request.user
        hidden = hidden_from(user) if isinstance(user, User) else frozenset()
        return {**super().get_serializer_context(), "hidden": hidden}

    @extend_schema(parameters=[RuleFilter])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = RuleFilter(data=request.query_params)
        asked.is_valid(raise_exception=True)
        page = self.paginate_queryset(rule_selectors.rules(**asked.validated_data).order_by("id"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def create(self, request: Request) -> Response:
        """Makes a rule. It is switched off unless you say otherwise."""
        return self._save(request, None)

    def partial_update(self, request: Request, pk: str) -> Response:
        """Changes what is named; `steps` and lists are replaced as a whole."""
        return self._save(request, self.get_object())

    def destroy(self, request: Request, pk: str) -> Response:
        """Removes the rule; its alerts remain."""
        with _problems():
            rule_services.remove_rule(actor=request.user, rule=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=RuleSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def enable(self, request: Request, pk: str) -> Response:
        """Switches the rule on."""
        rule_services.set_enabled(actor=request.user, rule=self.get_object(), enabled=True)
        return self.retrieve(request)

    @extend_schema(request=None, responses=RuleSerializer)
    @action(detail=True, methods=["post"], required_permissions=_CHANGE)
    def disable(self, request: Request, pk: str) -> Response:
        """Switches the rule off."""
        rule_services.set_enabled(actor=request.user, rule=self.get_object(), enabled=False)
        return self.retrieve(request)

    @extend_schema(parameters=[PreviewFilter], responses=PreviewSerializer, operation_id="rules_preview_new")
    @action(detail=False, methods=["post"], url_path="preview", required_permissions=("alerts.add_rule",))
    def preview_new(self, request: Request) -> Response:
        """What a rule would have told of in the last days. Nothing is saved."""
        wanted = self._wanted(request, None)
        with _problems():
            rule_services.check_hidden(request.user, None, wanted.values())
            values = rule_services.prepared(wanted.values())
        return self._previewed(request, values)

    @extend_schema(parameters=[PreviewFilter], responses=PreviewSerializer, operation_id="rules_preview")
    @action(detail=True, methods=["get"], required_permissions=("alerts.view_rule",))
    def preview(self, request: Request, pk: str) -> Response:
        """What the stored rule would have told of in the last days."""
        return self._previewed(request, self.get_object())

    def _wanted(self, request: Request, rule: Rule | None) -> RuleSerializer:
        found = RuleSerializer(rule, data=request.data, partial=rule is not None, context=self.get_serializer_context())
        found.is_valid(raise_exception=True)
        return found

    def _save(self, request: Request, rule: Rule | None) -> Response:
        wanted = self._wanted(request, rule)
        with _problems():
            row = rule_services.save_rule(
                actor=request.user, rule=rule, values=wanted.values(), seen=wanted.validated_data.get("seen", "")
            )
        shown = self.get_serializer(self.get_queryset().get(pk=row.pk)).data
        if rule is not None:
            return Response(shown)
        place = reverse("api-rule-detail", args=[row.pk])
        return Response(shown, status=status.HTTP_201_CREATED, headers={"Location": place})

    def _previewed(self, request: Request, rule: Any) -> Response:
        asked = PreviewFilter(data=request.query_params)
        asked.is_valid(raise_exception=True)
        if not isinstance(request.user, User):  # the permission says so already
            raise NotAuthenticated
        found = preview(rule, now=timezone.now(), days=asked.validated_data["days"])
        return Response(PreviewSerializer(_shown(found, request.user)).data)


class RotasView(ListModelMixin, RetrieveModelMixin, GenericViewSet[Rota]):
    """On-call rotas, and who is on call now."""

    serializer_class = RotaSerializer
    queryset = Rota.objects.all()
    lookup_value_regex = r"\d+"

    def get_queryset(self) -> QuerySet[Rota]:
        return Rota.objects.prefetch_related("members").order_by("id")


def _shown(found: Preview, user: User) -> dict[str, Any]:
    """The preview, without what the user may not see."""
    shown = asdict(found) | {"summary": found.summary}
    if not user.has_perm("cameras.view_sighting"):
        shown["examples"] = []
    if not user.has_perm("recognition.view_person"):
        shown["examples"] = [one | {"person": None, "person_name": ""} for one in shown["examples"]]
    return shown


@contextmanager
def _problems() -> Iterator[None]:
    """Turns what the services raise into answers of the API."""
    try:
        yield
    except RuleChanged as error:
        raise Conflict(str(error)) from None
    except RuleError as error:
        raise ValidationError({error.field: [str(error)]}) from None
    except RecognitionError as error:
        raise ValidationError({"name": [str(error)]}) from None
