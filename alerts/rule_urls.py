"""Pages below /rules/: rules, their preview, on-call rotas."""

from __future__ import annotations

from django.urls import path

from alerts import rota_views, rule_previews, rule_views

urlpatterns = [
    path("", rule_views.rules, name="rules"),
    path("add/", rule_views.add_rule, name="rule_add"),
    path("preview/", rule_views.try_rule, name="rule_preview"),
    path("people/", rule_views.find_people, name="rule_people"),
    path("schedule/", rule_views.schedule_said, name="rule_schedule"),
    path("<int:pk>/edit/", rule_views.edit_rule, name="rule_edit"),
    path("<int:pk>/enable/", rule_views.enable_rule, name="rule_enable"),
    path("<int:pk>/preview/", rule_previews.previewed_rule, name="rule_previewed"),
    path("<int:pk>/remove/", rule_views.remove_rule, name="rule_remove"),
    path("rotas/", rota_views.rotas, name="rotas"),
    path("rotas/add/", rota_views.add_rota, name="rota_add"),
    path("rotas/<int:pk>/edit/", rota_views.edit_rota, name="rota_edit"),
    path("rotas/<int:pk>/remove/", rota_views.remove_rota, name="rota_remove"),
]
