"""Pages below /models/."""

from __future__ import annotations

from django.urls import path

from recognition import pack_views

urlpatterns = [
    path("", pack_views.models, name="models"),
    path("switches/<int:pk>/cancel/", pack_views.cancel_switch, name="model_switch_cancel"),
    path("switches/<int:pk>/confirm/", pack_views.confirm_switch, name="model_switch_confirm"),
    path("<slug:name>/use/", pack_views.use_model, name="model_use"),
    path("<slug:name>/licence/", pack_views.accept_licence, name="model_licence"),
    path("<slug:name>/forget/", pack_views.forget_templates, name="model_forget"),
    path("<slug:name>/retry/", pack_views.retry_unusable, name="model_retry"),
]
