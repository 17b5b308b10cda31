"""The routes of rules and rotas, below /api/."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from alerts import rule_api

router = SimpleRouter(trailing_slash=False)
router.register("rules", rule_api.RulesView, basename="api-rule")
router.register("rotas", rule_api.RotasView, basename="api-rota")

urlpatterns = [path("v1/", include(router.urls))]
